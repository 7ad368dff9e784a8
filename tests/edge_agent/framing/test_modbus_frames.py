"""Frames as the Modbus pages print them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.framing.frames import Discard
from edge_agent.framing.modbus_frames import (
    ModbusRefusal,
    RegistersRead,
    asked_address,
    read_answer,
    read_request,
    with_crc,
    write_request,
)

UNITS = st.integers(0, 247)
VALUES = st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=125)


def as_tcp(unit_and_body: bytes, transaction: int = 1) -> bytes:
    length = len(unit_and_body).to_bytes(2, "big")
    return transaction.to_bytes(2, "big") + b"\0\0" + length + unit_and_body


def answer_body(unit: int, values: list[int]) -> bytes:
    registers = b"".join(value.to_bytes(2, "big") for value in values)
    return bytes((unit, 3, len(registers))) + registers


def test_questions_are_those_of_the_specification() -> None:
    # Over serial line 1.02 and application protocol 1.1b3, chapters 6.3 and 6.12.
    assert read_request(0x11, 3, 0x6B, 3) == bytes.fromhex("11 03 00 6B 00 03 76 87")
    wanted = bytes.fromhex("11 10 00 01 00 02 04 00 0A 01 02 C6 F0")
    assert write_request(0x11, 1, [0x000A, 0x0102]) == wanted


@given(unit=UNITS, values=VALUES)
def test_an_answer_is_read_from_rtu_and_from_tcp(unit: int, values: list[int]) -> None:
    body = answer_body(unit, values)
    wanted = RegistersRead(unit, tuple(values))
    assert read_answer(with_crc(body)) == wanted
    assert read_answer(as_tcp(body)) == wanted


def test_a_refusal_says_what_it_means() -> None:
    refusal = read_answer(with_crc(bytes.fromhex("0A 83 02")))
    assert refusal == ModbusRefusal(10, 2)
    assert refusal.meaning == "illegal data address"
    assert ModbusRefusal(10, 99).meaning == "unknown exception"
    assert read_answer(as_tcp(bytes.fromhex("0A 83 02"))) == refusal


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "cut short"),
        (b"\1\3", "cut short"),
        (bytes.fromhex("01 03 02 00 01 79 85"), "crc"),
        (with_crc(bytes.fromhex("01 06 00 01 00 02")), "function 6 is no reading of registers"),
        (with_crc(bytes.fromhex("01 03 04 00 01")), "byte count does not fit"),
        (with_crc(bytes.fromhex("01 03 03 00 01 02")), "byte count does not fit"),
    ],
)
def test_what_is_no_answer_is_said_with_its_reason(raw: bytes, reason: str) -> None:
    assert read_answer(raw) == Discard(reason, raw)


@given(raw=st.binary(max_size=40))
def test_noise_never_raises(raw: bytes) -> None:
    for frame in (raw, with_crc(raw), as_tcp(raw)):
        read_answer(frame)
        asked_address(frame)


@given(unit=UNITS, values=VALUES, draw=st.data())
def test_one_changed_bit_is_never_an_answer_on_rtu(
    unit: int, values: list[int], draw: st.DataObject
) -> None:
    frame = with_crc(answer_body(unit, values))
    at = draw.draw(st.integers(0, 8 * len(frame) - 1))
    changed = bytearray(frame)
    changed[at // 8] ^= 1 << at % 8
    assert isinstance(read_answer(bytes(changed)), Discard)


@given(unit=UNITS, first=st.integers(0, 0xFFFF), count=st.integers(1, 125))
def test_a_question_says_which_registers_its_answer_holds(
    unit: int, first: int, count: int
) -> None:
    for function in (3, 4):
        question = read_request(unit, function, first, count)
        assert asked_address(question) == (first, count)
        assert asked_address(as_tcp(question[:-2])) == (first, count)


def test_a_write_names_no_registers_to_be_read() -> None:
    assert asked_address(write_request(1, 0, [1])) is None
    assert asked_address(b"") is None
