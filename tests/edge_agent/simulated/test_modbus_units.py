"""Checked against frames printed in the protocol's pages, not against our own reading of them."""

import pytest

from edge_agent.framing.modbus_frames import read_request, with_crc, write_request
from edge_agent.simulated.modbus_units import Answer, SimulatedLine, SimulatedUnit, Wrong


def line(**behaviour: object) -> SimulatedLine:
    registers = dict.fromkeys(range(5), 0) | {107: 0x022B, 108: 0, 109: 0x0064}
    return SimulatedLine({17: SimulatedUnit(registers, **behaviour), 18: SimulatedUnit(registers)})  # type: ignore[arg-type]


def frames(answers: list[Answer]) -> list[bytes]:
    return [answer.frame for answer in answers]


def test_it_answers_as_the_specification_prints_it() -> None:
    # MODBUS application protocol 1.1b3, 6.3: read 108 to 110.
    asked = with_crc(bytes.fromhex("11 03 006B 0003"))
    assert frames(line().hear(asked)) == [with_crc(bytes.fromhex("11 03 06 022B 0000 0064"))]


def test_over_tcp_it_gives_the_number_back() -> None:
    held = bytearray.fromhex("ABCD 0000 0006 11 03 006B 0003")
    assert frames(line().hear_tcp(held)) == [
        bytes.fromhex("ABCD 0000 0009 11 03 06 022B 0000 0064")
    ]
    assert not held


def test_questions_are_found_among_noise_and_however_they_are_cut() -> None:
    simulated = line()
    asked = b"\xff\x00" + read_request(17, 3, 107, 1) + read_request(18, 3, 0, 1)
    answers = [answer for byte in asked for answer in simulated.hear(bytes([byte]))]
    assert [answer.unit for answer in answers] == [17, 18]


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        (read_request(17, 3, 500, 1), "11 83 02"),
        (read_request(17, 3, 0, 126), "11 83 02"),
        (read_request(17, 7, 0, 1), "11 87 01"),
        (write_request(17, 1, [258, 3]), "11 10 0001 0002"),
        (with_crc(bytes.fromhex("11 06 0001 0102")), "11 06 0001 0102"),
    ],
)
def test_refusals_and_writes(asked: bytes, answer: str) -> None:
    assert frames(line().hear(asked)) == [with_crc(bytes.fromhex(answer))]


def test_what_is_written_is_read_and_what_is_written_to_all_is_answered_by_none() -> None:
    simulated = line()
    assert simulated.hear(write_request(0, 1, [258])) == []
    assert [unit.written for unit in simulated.units.values()] == [1, 1]
    assert frames(simulated.hear(read_request(18, 3, 1, 1))) == [
        with_crc(bytes.fromhex("12 03 02 0102"))
    ]


def test_a_block_given_only_whole_is_refused_in_parts() -> None:
    simulated = line(whole=((107, 3),))
    [whole] = frames(simulated.hear(read_request(17, 3, 107, 3)))
    [part] = frames(simulated.hear(read_request(17, 3, 108, 1)))
    assert (whole[1], part[1]) == (3, 0x83)


def test_late_and_lost_once_are_once() -> None:
    simulated = line(late_once_ms=400, late_ms=10)
    asked = read_request(17, 3, 0, 1)
    assert [answer.after_ms for answer in simulated.hear(asked + asked)] == [400, 10]
    simulated.units[17].lose_once = True
    assert len(simulated.hear(asked + asked)) == 1


@pytest.mark.parametrize(
    ("wrong", "answer"),
    [
        ("busy", with_crc(bytes.fromhex("11 83 06"))),
        ("not_reached", with_crc(bytes.fromhex("11 83 0B"))),
        ("other_function", with_crc(bytes.fromhex("11 04 04 022B 0000"))),
        ("one_short", with_crc(bytes.fromhex("11 03 02 022B"))),
        ("other_unit", with_crc(bytes.fromhex("12 03 04 022B 0000"))),
        ("cut", with_crc(bytes.fromhex("11 03 04 022B 0000"))[:-3]),
    ],
)
def test_each_way_of_being_wrong_is_just_that(wrong: Wrong, answer: bytes) -> None:
    assert frames(line(wrong=wrong).hear(read_request(17, 3, 107, 2))) == [answer]


def test_a_dead_unit_says_nothing_and_one_that_is_not_there_neither() -> None:
    simulated = line(dead=True)
    assert simulated.hear(read_request(17, 3, 0, 1) + read_request(99, 3, 0, 1)) == []
