"""Bytes to messages and back. The only exception that leaves this file is `WireError`.

Gateways send MessagePack. The same schema in JSON is understood too, told by its first byte, so
that a person can publish a reading by hand and read what a tool recorded.
"""

import msgspec

from edge_agent.wire.messages import Message, ReadingBatch

PAYLOAD_BYTES_MAX = 256 * 1024

_from_msgpack = msgspec.msgpack.Decoder(Message)
_from_json = msgspec.json.Decoder(Message)
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
    decoder = _from_json if payload[:1] in (b"{", b" ", b"\n") else _from_msgpack
    try:
        message = decoder.decode(payload)
    # RecursionError: deep nesting in a field we skip. UnicodeDecodeError is a ValueError.
    except (msgspec.MsgspecError, ValueError, RecursionError, OverflowError) as error:
        raise WireError(str(error)) from error
    if isinstance(message, ReadingBatch):
        _check_batch(message)
    return message


def _check_batch(batch: ReadingBatch) -> None:
    """What the types cannot say."""
    known = len(batch.sensors)
    for place, reading in enumerate(batch.readings):
        if reading.sensor >= known:
            raise WireError(
                f"readings[{place}] names sensor {reading.sensor}, the batch lists {known}"
            )
    if len(set(batch.sensors)) != known:
        raise WireError("`sensors` names one sensor twice")
