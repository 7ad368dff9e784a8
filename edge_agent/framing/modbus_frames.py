"""Modbus answers as bytes, for looking at what a line carried. Polling goes through the library.

    RTU   unit  function  count  registers ...  CRC (low byte first)
    TCP   transaction 0000 length  unit  function  count  registers ...

(MODBUS application protocol 1.1b3, chapters 6.3, 6.4 and 7; over serial line 1.02, chapter 2.5.)
"""

from dataclasses import dataclass

from edge_agent.framing.checks import crc16_modbus
from edge_agent.framing.frames import Discard

READ_HOLDING, READ_INPUT, WRITE_SEVERAL = 3, 4, 16
RTU_SHORTEST = 5
TCP_HEAD_BYTES = 8  # with a function code
TCP_HEADER_BYTES = 8

EXCEPTIONS = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "server device failure",
    5: "acknowledge",
    6: "server device busy",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway target failed to respond",
}


@dataclass(frozen=True)
class RegistersRead:
    unit: int
    values: tuple[int, ...]


@dataclass(frozen=True)
class ModbusRefusal:
    unit: int
    code: int

    @property
    def meaning(self) -> str:
        return EXCEPTIONS.get(self.code, "unknown exception")


def read_request(unit: int, function: int, first: int, count: int) -> bytes:
    """The question for registers, as RTU."""
    return with_crc(bytes((unit, function)) + first.to_bytes(2, "big") + count.to_bytes(2, "big"))


def write_request(unit: int, first: int, values: list[int]) -> bytes:
    """The order to set registers, as RTU."""
    head = bytes((unit, WRITE_SEVERAL)) + first.to_bytes(2, "big") + len(values).to_bytes(2, "big")
    body = b"".join(value.to_bytes(2, "big") for value in values)
    return with_crc(head + bytes((len(body),)) + body)


def with_crc(frame: bytes) -> bytes:
    return frame + crc16_modbus(frame).to_bytes(2, "little")


def read_answer(raw: bytes) -> RegistersRead | ModbusRefusal | Discard:
    """The answer in `raw`, RTU or TCP, whichever its check bytes fit."""
    if _is_tcp(raw):
        return _answer(raw, raw[6], raw[7:])
    if len(raw) < RTU_SHORTEST:
        return Discard("cut short", raw)
    if crc16_modbus(raw[:-2]).to_bytes(2, "little") != raw[-2:]:
        return Discard("crc", raw)
    return _answer(raw, raw[0], raw[1:-2])


def asked_address(request: bytes) -> tuple[int, int] | None:
    """First register and count of a read request, RTU or TCP; None if it is none."""
    body = request[7:] if _is_tcp(request) else request[1:-2]
    if len(body) != 5 or body[0] not in (READ_HOLDING, READ_INPUT):  # noqa: PLR2004 - function, address, count
        return None
    return int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")


def _is_tcp(raw: bytes) -> bool:
    return (
        len(raw) > TCP_HEAD_BYTES
        and raw[2:4] == b"\0\0"
        and int.from_bytes(raw[4:6], "big") == len(raw) - 6
    )


def _answer(raw: bytes, unit: int, body: bytes) -> RegistersRead | ModbusRefusal | Discard:
    function = body[0]
    if function & 0x80:
        return ModbusRefusal(unit, body[1]) if len(body) > 1 else Discard("cut short", raw)
    if function not in (READ_HOLDING, READ_INPUT):
        return Discard(f"function {function} is no reading of registers", raw)
    values = body[2:]
    if len(body) < 2 or body[1] != len(values) or len(values) % 2:  # noqa: PLR2004 - function and count
        return Discard("byte count does not fit", raw)
    return RegistersRead(
        unit, tuple(int.from_bytes(values[at : at + 2], "big") for at in range(0, len(values), 2))
    )
