"""Wire messages to the cloud's own values, and back for the acknowledgement. The wire ends here.

Nothing raises on bytes from outside: what cannot be understood becomes `Unreadable`, and says why.
"""

import zlib
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec

from cloud.core.ranges import Range
from cloud.core.readings import (
    Arrival,
    Batch,
    Missing,
    PresenceSaid,
    Reading,
    StreamCommitted,
    Unreadable,
)
from edge_agent.wire import codec, messages, topics

HOLES_MAX = messages.ACK_HOLES_MAX

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _Envelope(msgspec.Struct, frozen=True, tag="readings", tag_field="type"):
    """A batch whose readings nobody has to understand: enough to say which range it fills."""

    stream: messages.StreamId
    first_seq: messages.Seq
    readings: list[msgspec.Raw]


_envelope_of_msgpack = msgspec.msgpack.Decoder(_Envelope)
_envelope_of_json = msgspec.json.Decoder(_Envelope)


def arrival(topic: str, payload: bytes, *, kept: bool = False) -> Arrival:
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
    )
    return topics.ack(committed.gateway), codec.encode(message)


def _content(kind: str, payload: bytes) -> Batch | Missing | PresenceSaid | Unreadable:
    try:
        message = codec.decode(payload)
        match message:
            case messages.ReadingBatch() if kind == "readings":
                return _batch(message, payload)
            case messages.Gap() if kind == "readings":
                return _missing(message, payload)
            case messages.Presence() if kind == "presence":
                return PresenceSaid(
                    state=message.state,
                    version=message.version,
                    backlog_batches=message.backlog_batches,
                )
            case _:
                return Unreadable(because=f"{type(message).__name__} does not belong on {kind}")
    except codec.WireError as error:
        return _unreadable(str(error), payload)
    except OverflowError:
        return _unreadable("a time of measuring is outside the calendar", payload)


def _batch(batch: messages.ReadingBatch, payload: bytes) -> Batch:
    return Batch(
        stream=UUID(batch.stream),
        range=Range(batch.first_seq, batch.last_seq),
        checksum=zlib.crc32(payload),
        readings=tuple(
            _reading(batch, batch.first_seq + place, said)
            for place, said in enumerate(batch.readings)
        ),
    )


def _missing(gap: messages.Gap, payload: bytes) -> Missing | Unreadable:
    if gap.last_seq < gap.first_seq:
        return Unreadable(because=f"a gap from {gap.first_seq} back to {gap.last_seq}")
    return Missing(
        stream=UUID(gap.stream),
        range=Range(gap.first_seq, gap.last_seq),
        checksum=zlib.crc32(payload),
        because=gap.because,
    )


def _reading(batch: messages.ReadingBatch, seq: int, said: messages.Reading) -> Reading:
    sensor = batch.sensors[said.sensor]
    # Whole milliseconds as a timedelta: a float of seconds would round them.
    measured_at = EPOCH + timedelta(milliseconds=batch.base_ms + said.after_ms)
    if isinstance(said, messages.Weighed):
        return Reading(
            sensor,
            seq,
            measured_at,
            said.weight_mg,
            None,
            None,
            None,
            said.stability,
            said.quality,
            said.clock_trusted,
        )
    if isinstance(said, messages.Counted):
        return Reading(
            sensor,
            seq,
            measured_at,
            None,
            said.total,
            None,
            None,
            messages.Stability.UNKNOWN,
            said.quality,
            said.clock_trusted,
        )
    if isinstance(said, messages.Sighted):
        return Reading(
            sensor,
            seq,
            measured_at,
            None,
            None,
            None,
            None,
            messages.Stability.UNKNOWN,
            messages.Quality.GOOD,
            said.clock_trusted,
            said.code,
            said.change,
        )
    return Reading(
        sensor,
        seq,
        measured_at,
        None,
        None,
        said.condition,
        said.because,
        messages.Stability.UNKNOWN,
        messages.Quality.GOOD,
        said.clock_trusted,
    )


def _unreadable(because: str, payload: bytes) -> Unreadable:
    """A batch with one reading that we do not understand still says which range it is."""
    decoder = _envelope_of_json if payload[:1] == b"{" else _envelope_of_msgpack
    try:
        envelope = decoder.decode(payload)
    except (msgspec.MsgspecError, ValueError, RecursionError, OverflowError):
        return Unreadable(because=because)
    if not 1 <= len(envelope.readings) <= messages.BATCH_READINGS_MAX:
        return Unreadable(because=because)
    claim = Missing(
        stream=UUID(envelope.stream),
        range=Range(envelope.first_seq, envelope.first_seq + len(envelope.readings) - 1),
        checksum=zlib.crc32(payload),
        because=because,
    )
    return Unreadable(because=because, claim=claim)
