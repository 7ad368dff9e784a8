"""What given bytes or registers mean by a profile, as plain values: the bench tools print these.

The same decoder runs in the agent; here it is told everything at once, and asked what it makes of
that.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from edge_agent.drivers.declared import Declared, Decoded
from edge_agent.framing.frames import Discard
from edge_agent.framing.modbus_frames import (
    ModbusRefusal,
    RegistersRead,
    asked_address,
    read_answer,
)

Plain = dict[str, object]


def explain_bytes(declared: Declared, pieces: Iterable[bytes], request: bytes = b"") -> list[Plain]:
    """Every outcome in what a device sent, however it was cut."""
    if declared.frame_rule is None:
        return _explain_modbus(declared, b"".join(pieces), request)
    framer = declared.framer()
    frames: list[bytes | Discard] = []
    for piece in pieces:
        frames += framer.feed(piece)
    frames += framer.finish()
    return as_plain(
        [decoded for frame in frames for decoded in declared.decode_frame(frame, request)]
    )


def explain_registers(declared: Declared, registers: Mapping[int, int]) -> list[Plain]:
    return as_plain(declared.decode_registers(registers))


def _explain_modbus(declared: Declared, raw: bytes, request: bytes) -> list[Plain]:
    match read_answer(raw):
        case Discard(reason=reason):
            return [{"outcome": "discard", "reason": reason, "raw": raw.hex(" ").upper()}]
        case ModbusRefusal() as refusal:
            error = f"modbus_exception_{refusal.code}"
            return [{"outcome": "device_error", "error": error, "meaning": refusal.meaning}]
        case RegistersRead(unit=unit, values=values):
            asked = asked_address(request)
            if asked is not None and asked[1] == len(values):
                decoded = declared.decode_registers(dict(enumerate(values, asked[0])))
                if any(one.outcome != "discard" for one in decoded):
                    return as_plain(decoded)
            found: Plain = {"outcome": "registers", "unit_id": unit, "values": list(values)}
            if len(values) == 2:  # noqa: PLR2004 - a pair may be one number
                both = values[0] << 16 | values[1]
                found["int32"] = both - (1 << 32) if both >> 31 else both
            return [found]


def as_plain(decoded: list[Decoded]) -> list[Plain]:
    """One object an outcome; tags of one frame, and channels of one look, belong together."""
    plain = [_plain(one) for one in decoded]
    outcomes = {one.outcome for one in decoded}
    if outcomes == {"measurement"} and len(plain) > 1 and all("channel" in one for one in plain):
        return [_channels_together({str(one.pop("channel")): one for one in plain})]
    return _tags_together(plain)


def _channels_together(channels: Mapping[str, Plain]) -> Plain:
    """The weights by channel, and so what differs; what is the same for all is said once."""
    together: Plain = {}
    for key in dict.fromkeys(key for one in channels.values() for key in one if key != "weight"):
        values = {channel: one.get(key) for channel, one in channels.items()}
        first, *others = values.values()
        together[key] = first if all(value == first for value in others) else values
    return {**together, "channels": {name: one.get("weight") for name, one in channels.items()}}


def _tags_together(plain: list[Plain]) -> list[Plain]:
    together: list[Plain] = []
    for one in plain:
        if one["outcome"] != "tags":
            together.append(one)
            continue
        tag = {key: value for key, value in one.items() if key not in ("outcome", "raw")}
        last = together[-1] if together else None
        if last is not None and last["outcome"] == "tags" and last.get("raw") == one.get("raw"):
            tags = last["tags"]
            assert isinstance(tags, list)
            tags.append(tag)
        else:
            together.append({"outcome": "tags", "tags": [tag], "raw": one.get("raw", "")})
    return together


def _plain(decoded: Decoded) -> Plain:
    values: Plain = {"outcome": decoded.outcome}
    if decoded.outcome == "condition":
        values |= {"weight": None, "overload": False, "underload": False}
    values |= {name: _shown(value) for name, value in decoded.values.items()}
    if decoded.raw:
        values["raw"] = decoded.raw.hex(" ").upper()
    return values


def _shown(value: object) -> object:
    match value:
        case Decimal():
            return f"{value:f}"
        case bytes():
            return value.hex(" ").upper()
        case _:
            return value
