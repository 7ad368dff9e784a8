"""Checksums that devices put behind their frames, by name. Each takes bytes and gives a number.

`CHECKS` is the table a profile picks from; `written` says how the number looks on the line.
"""

from collections.abc import Callable
from functools import cache, reduce
from operator import xor


def xor8(covered: bytes) -> int:
    return reduce(xor, covered, 0)


def sum8(covered: bytes) -> int:
    return sum(covered) & 0xFF


def twos_complement8(covered: bytes) -> int:
    return -sum(covered) & 0xFF


def twos_complement7(covered: bytes) -> int:
    """Toledo's: the low seven bits of the sum, and what is missing to zero."""
    return -sum(byte & 0x7F for byte in covered) & 0x7F


@cache
def _reflected_table(polynomial: int) -> tuple[int, ...]:
    def step(value: int, _: int) -> int:
        return value >> 1 ^ polynomial if value & 1 else value >> 1

    return tuple(reduce(step, range(8), byte) for byte in range(256))


def _reflected_crc16(covered: bytes, polynomial: int) -> int:
    table = _reflected_table(polynomial)
    return reduce(lambda crc, byte: crc >> 8 ^ table[(crc ^ byte) & 0xFF], covered, 0xFFFF)


def crc16_modbus(covered: bytes) -> int:
    return _reflected_crc16(covered, 0xA001)


def crc16_mcrf4xx(covered: bytes) -> int:
    """CRC-16/CCITT reflected without the final inversion, as UHF readers use it."""
    return _reflected_crc16(covered, 0x8408)


def crc16_thingmagic(covered: bytes) -> int:
    """CCITT from FFFF, shifting the message in behind the register (M5e family).

    By a table: a line of nothing but start bytes has it worked out for every byte that comes.
    """
    crc = 0xFFFF
    for byte in covered:
        crc = (crc << 8 & 0xFF00 | byte) ^ _CCITT[crc >> 8]
    return crc


def _ccitt_of(high: int) -> int:
    crc = high << 8
    for _ in range(8):
        crc = crc << 1 ^ (0x1021 if crc & 0x8000 else 0)
    return crc & 0xFFFF


_CCITT = tuple(map(_ccitt_of, range(256)))


def _low_first(number: int) -> bytes:
    return number.to_bytes(2, "little")


def _high_first(number: int) -> bytes:
    return number.to_bytes(2, "big")


def _byte(number: int) -> bytes:
    return bytes((number,))


def _hex(number: int) -> bytes:
    return b"%02X" % number


CHECKS: dict[str, Callable[[bytes], int]] = {
    "xor8": xor8,
    "sum8": sum8,
    "twos_complement8": twos_complement8,
    "twos_complement7": twos_complement7,
    "crc16_modbus": crc16_modbus,
    "crc16_mcrf4xx": crc16_mcrf4xx,
    "crc16_thingmagic": crc16_thingmagic,
}

WRITTEN: dict[str, Callable[[int], bytes]] = {
    "byte": _byte,
    "hex": _hex,
    "low_first": _low_first,
    "high_first": _high_first,
}
