"""Bytes to messages and back. The only exception that leaves this file is `WireError`.

Gateways send MessagePack. The same schema in JSON is understood too, told by its first byte, so
that a person can publish a reading by hand and read what a tool recorded.
"""

from collections.abc import Iterable
from itertools import pairwise

import msgspec

from edge_agent.wire.messages import (
    EPOCH_MS_MAX,
    SEQ_MAX,
    Ack,
    Gap,
    Kept,
    Message,
    ReadingBatch,
    Thinned,
)

PAYLOAD_BYTES_MAX = 256 * 1024
CONTENT_TYPES = ("application/vnd.msgpack", "application/json")

# An object, or the blanks JSON allows before it. As MessagePack these are small numbers, and no
# message of ours is a number.
_JSON_BEGINS = (b"{", b" ", b"\n", b"\r", b"\t")

_from_msgpack: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message)
_from_json: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)
_to_msgpack = msgspec.msgpack.Encoder()
_to_json = msgspec.json.Encoder()


class WireError(Exception):
    """These bytes are no message of ours: what is wrong, where, and what is allowed."""


def encode(message: Message) -> bytes:
    return _to_msgpack.encode(message)


def encode_json(message: Message) -> bytes:
    return _to_json.encode(message)


def decode(payload: bytes) -> Message:
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise WireError(f"{len(payload)} bytes, at most {PAYLOAD_BYTES_MAX} are allowed")
    decoder = _from_json if payload[:1] in _JSON_BEGINS else _from_msgpack
    try:
        message = decoder.decode(payload)
    # RecursionError: deep nesting in a field we skip. UnicodeDecodeError is a ValueError.
    except (msgspec.MsgspecError, ValueError, RecursionError, OverflowError) as error:
        raise WireError(str(error)) from error
    _check(message)
    return message


def _check(message: Message) -> None:
    """What the types cannot say."""
    match message:
        case ReadingBatch():
            _check_batch(message)
        case Thinned():
            _check_thinned(message)
        case Gap(first_seq=first, last_seq=last) if last < first:
            raise WireError(f"`last_seq` {last} lies before `first_seq` {first}")
        case Ack():
            _check_ranges("hole", message.holes, message.committed_upto)
        case Kept():
            _check_ranges("range", message.ranges, SEQ_MAX)


def _check_batch(batch: ReadingBatch) -> None:
    if batch.last_seq > SEQ_MAX:
        raise WireError(f"the batch ends at seq {batch.last_seq}, at most {SEQ_MAX} is allowed")
    _check_readings(batch)


def _check_thinned(batch: Thinned) -> None:
    span = batch.last_seq - batch.first_seq
    if len(batch.places) != len(batch.readings):
        raise WireError(f"{len(batch.places)} `places` for {len(batch.readings)} readings")
    rising = all(one < next_one for one, next_one in pairwise(batch.places))
    if not rising or batch.places[-1] > span:
        raise WireError(f"`places` must rise, and end by {span}")
    _check_readings(batch)


def _check_readings(batch: ReadingBatch | Thinned) -> None:
    known = len(batch.sensors)
    if len(set(batch.sensors)) != known:
        raise WireError("`sensors` names one sensor twice")
    for place, reading in enumerate(batch.readings):
        if reading.sensor >= known:
            raise WireError(
                f"readings[{place}] names sensor {reading.sensor}, the batch lists {known}"
            )
        if not 0 <= batch.base_ms + reading.after_ms <= EPOCH_MS_MAX:
            raise WireError(
                f"readings[{place}] was measured at {batch.base_ms + reading.after_ms} ms, "
                f"allowed is 0 to {EPOCH_MS_MAX}"
            )


def _check_ranges(what: str, ranges: Iterable[tuple[int, int]], end: int) -> None:
    before = 0
    for first, last in ranges:
        if not before < first <= last <= end:
            raise WireError(
                f"{what} {first} to {last} is out of place: they are closed, lowest first, "
                f"without overlap, and end by {end}"
            )
        before = last
