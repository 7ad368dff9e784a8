"""Against what makers and the catalogue of CRCs print, and by what each check must notice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.framing.checks import CHECKS, WRITTEN, crc16_modbus

DIGITS = b"123456789"  # what catalogues of checksums publish their numbers for

every_check = pytest.mark.parametrize("name", CHECKS)


@pytest.mark.parametrize(
    ("name", "covered", "number"),
    [
        ("crc16_modbus", DIGITS, 0x4B37),
        ("crc16_mcrf4xx", DIGITS, 0x6F91),
        ("crc16_mcrf4xx", bytes.fromhex("04 00 01"), 0x4BDB),  # UHFReader18: inventory, DB 4B
        ("crc16_thingmagic", bytes.fromhex("00 03"), 0x1D0C),  # M5e: what version are you
        ("sum8", bytes.fromhex("00 22 00 00"), 0x22),  # R200: inventory
        ("xor8", DIGITS, 0x31),
        ("sum8", DIGITS, 0xDD),
        ("twos_complement8", DIGITS, 0x23),
        ("twos_complement7", b"\x02", 0x7E),
        ("twos_complement7", b"\x82", 0x7E),  # parity in bit 7 is not counted
    ],
)
def test_the_number_is_the_published_one(name: str, covered: bytes, number: int) -> None:
    assert CHECKS[name](covered) == number


@every_check
def test_nothing_covered_is_no_mistake(name: str) -> None:
    assert CHECKS[name](b"") in (0, 0xFFFF)


@every_check
@given(covered=st.binary(max_size=80))
def test_it_fits_where_it_is_written(name: str, covered: bytes) -> None:
    wide = name.startswith("crc16")
    number = CHECKS[name](covered)
    assert 0 <= number <= (0xFFFF if wide else 0xFF)
    for written in ("low_first", "high_first") if wide else ("byte", "hex"):
        assert WRITTEN[written](number)


@every_check
@given(covered=st.binary(min_size=1, max_size=80), draw=st.data())
def test_one_changed_byte_never_passes(name: str, covered: bytes, draw: st.DataObject) -> None:
    seen = 0x7F if name == "twos_complement7" else 0xFF
    at = draw.draw(st.integers(0, len(covered) - 1))
    change = draw.draw(st.integers(1, seen))
    changed = covered[:at] + bytes([covered[at] ^ change]) + covered[at + 1 :]
    assert CHECKS[name](changed) != CHECKS[name](covered)


@pytest.mark.parametrize("name", [name for name in CHECKS if name.startswith("crc16")])
@given(covered=st.binary(min_size=3, max_size=80), draw=st.data())
def test_a_crc_notices_every_burst_of_sixteen_bits(
    name: str, covered: bytes, draw: st.DataObject
) -> None:
    size = 8 * len(covered)
    burst = draw.draw(st.integers(1, 0xFFFF)) << draw.draw(st.integers(0, size - 16))
    changed = (int.from_bytes(covered, "big") ^ burst).to_bytes(len(covered), "big")
    if name == "crc16_modbus":  # reflected: a burst is one in the order the bits are sent
        reflect = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
        covered, changed = covered.translate(reflect), changed.translate(reflect)
    assert CHECKS[name](changed) != CHECKS[name](covered)


@given(covered=st.binary(max_size=40))
def test_a_modbus_frame_and_its_check_leave_nothing(covered: bytes) -> None:
    assert crc16_modbus(covered + WRITTEN["low_first"](crc16_modbus(covered))) == 0


@pytest.mark.parametrize(
    ("written", "number", "line"),
    [
        ("byte", 0x0A, b"\n"),
        ("hex", 0x0A, b"0A"),
        ("low_first", 0x4B37, b"\x37\x4b"),
        ("high_first", 0x4B37, b"\x4b\x37"),
    ],
)
def test_how_the_number_looks_on_the_line(written: str, number: int, line: bytes) -> None:
    assert WRITTEN[written](number) == line
