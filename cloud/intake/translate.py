"""Wire messages to the cloud's own values, and back for the acknowledgement. The wire ends here.

Nothing raises on bytes from outside: what cannot be understood becomes `Unreadable`, and says why.

A batch of plain weights is opened when it comes and read together with others (`plain`), for one
alone costs eight times as much; anything else is understood at once. Both make the same of it.
"""

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

import msgspec

from cloud.core.columns import Weights
from cloud.core.ranges import Range
from cloud.core.readings import (
    Arrival,
    Batch,
    KeptSaid,
    Missing,
    PresenceSaid,
    Reading,
    Step,
    StreamCommitted,
    Unreadable,
    Wants,
)
from cloud.intake import plain
from edge_agent.wire import codec, messages, topics

HOLES_MAX = messages.ACK_HOLES_MAX


class _Envelope(msgspec.Struct, frozen=True, tag="readings", tag_field="type"):
    """A batch whose readings nobody has to understand: enough to say which range it fills."""

    stream: messages.StreamId
    first_seq: messages.Seq
    readings: list[msgspec.Raw]
    life: messages.Life = 0


class _ThinnedEnvelope(msgspec.Struct, frozen=True, tag="thinned", tag_field="type"):
    stream: messages.StreamId
    first_seq: messages.Seq
    last_seq: messages.Seq
    life: messages.Life = 0


_envelope_of_msgpack = msgspec.msgpack.Decoder(_Envelope | _ThinnedEnvelope)
_envelope_of_json = msgspec.json.Decoder(_Envelope | _ThinnedEnvelope)


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """A batch that is plain, as far as was looked: to be read together with others."""

    topic: str
    payload: bytes
    gateway: str
    kept: bool
    envelope: plain.Envelope

    @property
    def count(self) -> int:
        return self.envelope.count


def opened(topic: str, payload: bytes, *, kept: bool = False) -> Opened | Arrival:
    """The first half of understanding it, and all of it for what is rare."""
    parsed = topics.parse_up(topic)
    envelope = plain.opened(payload) if parsed is not None and parsed.kind == "readings" else None
    if parsed is None or envelope is None:
        return arrival(topic, payload, kept=kept)
    return Opened(
        topic=topic, payload=payload, gateway=parsed.gateway, kept=kept, envelope=envelope
    )


def arrivals(messages_opened: Sequence[Opened | Arrival]) -> list[Arrival]:
    """The second half, of many at once."""
    envelopes = [said.envelope for said in messages_opened if isinstance(said, Opened)]
    found = iter(plain.weights(envelopes))
    return [
        said if isinstance(said, Arrival) else _arrived(said, next(found))
        for said in messages_opened
    ]


def arrival(topic: str, payload: bytes, *, kept: bool = False) -> Arrival:
    """All of one message, by the codec."""
    parsed = topics.parse_up(topic)
    if parsed is None:
        return Arrival(
            topic=topic,
            payload=payload,
            gateway=None,
            content=Unreadable(because="this topic is none of ours"),
            kept=kept,
        )
    return Arrival(
        topic=topic,
        payload=payload,
        gateway=parsed.gateway,
        content=_content(parsed.kind, payload),
        kept=kept,
    )


def acknowledgement(committed: StreamCommitted) -> tuple[str, bytes]:
    """Topic and payload that let the gateway forget."""
    message = messages.Ack(
        stream=committed.stream.hex,
        committed_upto=committed.upto,
        holes=[(hole.first, hole.last) for hole in committed.holes],
        exact=committed.exact,
    )
    return topics.ack(committed.gateway), codec.encode(message)


def single(topic: str, payload: bytes, seq: int) -> bytes:
    """The message of one reading of a batch, as if the gateway had sent it alone."""
    batch = codec.decode(payload)
    assert isinstance(batch, messages.ReadingBatch | messages.Thinned), topic
    places = getattr(batch, "places", None) or range(len(batch.readings))
    place = list(places).index(seq - batch.first_seq)
    alone = messages.ReadingBatch(
        stream=batch.stream,
        first_seq=seq,
        base_ms=batch.base_ms,
        sensors=batch.sensors,
        readings=[batch.readings[place]],
        life=batch.life,
    )
    return codec.encode(alone)


def _arrived(said: Opened, weights: Weights | None) -> Arrival:
    if weights is None:
        return arrival(said.topic, said.payload, kept=said.kept)
    envelope = said.envelope
    batch = Batch(
        stream=UUID(envelope.stream),
        range=Range(envelope.first_seq, envelope.last_seq),
        checksum=zlib.crc32(said.payload),
        sensors=envelope.sensors,
        readings=weights,
        life=envelope.life,
    )
    return Arrival(
        topic=said.topic,
        payload=said.payload,
        gateway=said.gateway,
        content=batch,
        kept=said.kept,
    )


def _content(kind: str, payload: bytes) -> Wants | KeptSaid | PresenceSaid | Unreadable:
    try:
        message = codec.decode(payload)
    except codec.WireError as error:
        return _unreadable(str(error), payload)
    if isinstance(message, messages.Ack) or isinstance(message, messages.Presence) != (
        kind == "presence"
    ):
        return Unreadable(because=f"{type(message).__name__} does not belong on {kind}")
    return _said(message, payload)


def _said(message: messages.UpMessage, payload: bytes) -> Wants | KeptSaid | PresenceSaid:
    match message:
        case messages.ReadingBatch():
            said: Wants | KeptSaid | PresenceSaid = _batch(message, payload)
        case messages.Thinned():
            said = _thinned(message, payload)
        case messages.Gap():
            said = Missing(
                stream=UUID(message.stream),
                range=Range(message.first_seq, message.last_seq),
                checksum=zlib.crc32(payload),
                because=message.because,
                life=message.life,
            )
        case messages.ClockStep():
            said = Step(
                stream=UUID(message.stream),
                range=Range(message.seq, message.seq),
                checksum=zlib.crc32(payload),
                step_ms=message.step_ms,
                because=message.because,
                life=message.life,
            )
        case messages.Kept():
            said = KeptSaid(
                stream=UUID(message.stream),
                ranges=tuple(Range(first, last) for first, last in message.ranges),
            )
        case messages.Presence():
            said = PresenceSaid(
                state=message.state,
                version=message.version,
                backlog_batches=message.backlog_batches,
                stream=UUID(message.stream),
                at_ms=message.at_ms,
            )
    return said


def _batch(batch: messages.ReadingBatch, payload: bytes) -> Batch:
    return Batch(
        stream=UUID(batch.stream),
        range=Range(batch.first_seq, batch.last_seq),
        checksum=zlib.crc32(payload),
        sensors=tuple(batch.sensors),
        readings=_readings(batch, range(batch.first_seq, batch.last_seq + 1)),
        life=batch.life,
    )


def _thinned(batch: messages.Thinned, payload: bytes) -> Batch:
    return Batch(
        stream=UUID(batch.stream),
        range=Range(batch.first_seq, batch.last_seq),
        checksum=zlib.crc32(payload),
        sensors=tuple(batch.sensors),
        readings=_readings(batch, (batch.first_seq + place for place in batch.places)),
        life=batch.life,
        given_up=batch.last_seq - batch.first_seq + 1 - len(batch.readings),
        because=batch.because or "the gateway gave up some readings and did not say why",
    )


def _readings(
    batch: messages.ReadingBatch | messages.Thinned, seqs: Iterable[int]
) -> list[Reading]:
    base_ms, weighed, make = batch.base_ms, messages.Weighed, tuple.__new__
    # Weights are nearly all there is: made in place, a call each would cost as much again.
    return [
        make(
            Reading,
            (
                said.sensor,
                seq,
                base_ms + said.after_ms,
                said.weight_mg,
                None,
                None,
                None,
                said.stability,
                said.quality,
                said.clock_trusted,
                None,
                None,
            ),
        )
        if type(said) is weighed
        else _rarer(said, seq, base_ms)
        for seq, said in zip(seqs, batch.readings, strict=True)
    ]


def _rarer(said: messages.Reading, seq: int, base_ms: int) -> Reading:
    nothing_said = Reading(
        sensor=said.sensor,
        seq=seq,
        at_ms=base_ms + said.after_ms,
        weight_mg=None,
        total=None,
        condition=None,
        because=None,
        stability=messages.Stability.UNKNOWN,
        quality=messages.Quality.GOOD,
        clock_trusted=said.clock_trusted,
    )
    match said:
        case messages.Counted():
            return nothing_said._replace(total=said.total, quality=said.quality)
        case messages.Sighted():
            return nothing_said._replace(code=said.code, change=said.change)
        case messages.Condition():
            return nothing_said._replace(condition=said.condition, because=said.because)
        case messages.Weighed():
            return nothing_said._replace(
                weight_mg=said.weight_mg, stability=said.stability, quality=said.quality
            )


def _unreadable(because: str, payload: bytes) -> Unreadable:
    """A batch with one reading that we do not understand still says which range it is."""
    decoder = _envelope_of_json if payload[:1] == b"{" else _envelope_of_msgpack
    try:
        envelope = decoder.decode(payload)
    except (msgspec.MsgspecError, ValueError, RecursionError, OverflowError):
        return Unreadable(because=because)
    if isinstance(envelope, _Envelope):
        last_seq = envelope.first_seq + len(envelope.readings) - 1
        span_max = messages.BATCH_READINGS_MAX
    else:
        last_seq, span_max = envelope.last_seq, messages.SEQ_MAX
    if not 1 <= last_seq - envelope.first_seq + 1 <= span_max:
        return Unreadable(because=because)
    claim = Missing(
        stream=UUID(envelope.stream),
        range=Range(envelope.first_seq, last_seq),
        checksum=zlib.crc32(payload),
        because=because,
        life=envelope.life,
    )
    return Unreadable(because=because, claim=claim)
