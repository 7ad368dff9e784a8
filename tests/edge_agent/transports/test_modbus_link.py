"""Each way a Modbus line goes wrong: first what the library makes of it, then what we do."""

import contextlib
import inspect
import itertools
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pymodbus import ModbusException
from pymodbus.client import ModbusSerialClient

from edge_agent.core.reading import Outcome, Weight
from edge_agent.loops.pollers import poller_for
from edge_agent.loops.stating import Clock, Outlet
from edge_agent.loops.taken import Taken
from edge_agent.settings import Device, Port, Sensor
from edge_agent.simulated.modbus_line import BusPlan, LinePlan, RunningLine, UnitPlan, playing
from edge_agent.simulated.modbus_units import Wrong
from edge_agent.transports import modbus_link
from edge_agent.transports.base import PortGone
from edge_agent.transports.modbus_link import ModbusLine, ModbusLink, NoAnswer

ANSWER_MS = 200
PACE_MS = 50  # how long a healthy unit thinks
LATE_MS = 280  # later than is waited for, sooner than the retry's time is up
REGISTERS = 12
TRIES_MAX = 4  # where a busy machine may spoil what is measured

OVER = ["pty", "tcp", "rtu_over_tcp"]
RTU = ["pty", "rtu_over_tcp"]

Play = Callable[..., RunningLine]


def unit_plan(unit: int, late_ms: int = 0) -> UnitPlan:
    """Register n of unit u holds 100 u + n: a wrong value says where it comes from."""
    registers = {str(at): 100 * unit + at for at in range(REGISTERS)}
    return UnitPlan(unit=unit, registers=registers, late_ms=late_ms)


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Play]:
    with contextlib.ExitStack() as ends:

        def start(
            over: str = "pty", units: int = 3, late_ms: int = 0, *, echo: bool = False
        ) -> RunningLine:
            plan = LinePlan(
                name=f"line{over}",
                over=over,  # type: ignore[arg-type]
                echo=echo,
                units=[unit_plan(unit, late_ms) for unit in range(1, units + 1)],
            )
            bus = ends.enter_context(playing(BusPlan(lines=[plan]), tmp_path))
            return bus.lines[plan.name]

        yield start


@pytest.fixture
def join() -> Iterator[Callable[[RunningLine], ModbusLink]]:
    with contextlib.ExitStack() as ends:

        def start(line: RunningLine, **changes: Any) -> ModbusLink:
            link = ModbusLink(
                ModbusLine(
                    **{
                        "address": line.address,
                        "baud": 115200,
                        "answer_ms": ANSWER_MS,
                        "gap_ms": 1,
                        **changes,
                    }
                )
            )
            ends.callback(link.close)
            link.open()
            return link

        yield start


Join = Callable[..., ModbusLink]


@contextlib.contextmanager
def the_library(line: RunningLine, *, retries: int = 3) -> Iterator[ModbusSerialClient]:
    """As it comes, but for the time-out: twenty times shorter, so that the tests are."""
    client = ModbusSerialClient(
        line.address, baudrate=115200, timeout=ANSWER_MS / 1000, retries=retries
    )
    assert client.connect()
    try:
        yield client
    finally:
        client.close()


def one_by_one(link: ModbusLink) -> list[list[int] | NoAnswer]:
    return [link.read(1, "holding", at, 1) for at in range(REGISTERS)]


def wrong_values(read: list[list[int] | NoAnswer]) -> list[int]:
    return [at for at, said in enumerate(read) if said != [100 + at] and isinstance(said, list)]


# ------------------------------------------------------------------ one late answer


def test_with_the_librarys_defaults_one_late_answer_shifts_all_that_follow(play: Play) -> None:
    """No error, and each has the value of the one before, for as long as chance does not end it.

    When this program is held up for longer than the unit thinks, the library finds what is left and
    throws it away. So there are a few tries.
    """
    line = play(late_ms=PACE_MS)
    for _ in range(TRIES_MAX):
        line.units[1].late_once_ms = LATE_MS
        with the_library(line) as client:
            read = [
                client.read_holding_registers(at, count=1, device_id=1).registers
                for at in range(REGISTERS)
            ]
        wrong = [at for at, registers in enumerate(read) if registers != [100 + at]]
        assert [read[at] for at in wrong] == [[100 + at - 1] for at in wrong]
        if len(wrong) >= REGISTERS / 2:
            return
    pytest.fail("the library was not shifted")


@pytest.mark.parametrize("over", RTU)
def test_one_late_answer_costs_its_own_question_and_shifts_none(
    play: Play, join: Join, over: str
) -> None:
    line = play(over, late_ms=PACE_MS)
    link = join(line)
    line.units[1].late_once_ms = LATE_MS
    first, *others = one_by_one(link)
    assert isinstance(first, NoAnswer)
    assert others == [[100 + at] for at in range(1, REGISTERS)]
    assert link.late_answers == {1: 1}


def test_over_tcp_a_late_answer_is_told_by_its_number(play: Play, join: Join) -> None:
    line = play("tcp", late_ms=PACE_MS)
    link = join(line)
    line.units[1].late_once_ms = LATE_MS
    first, *others = one_by_one(link)
    assert isinstance(first, NoAnswer)
    assert others == [[100 + at] for at in range(1, REGISTERS)]
    assert line.connections == 1


@pytest.mark.parametrize("over", OVER)
def test_answers_later_than_the_line_rests_are_still_not_believed(
    play: Play, join: Join, over: str
) -> None:
    line = play(over, late_ms=PACE_MS)
    link = join(line)
    line.units[1].late_once_ms = 5 * ANSWER_MS
    read = one_by_one(link)
    assert wrong_values(read) == []
    assert read[-1] == [100 + REGISTERS - 1]


@pytest.mark.parametrize("over", RTU)
def test_a_late_answer_comes_over_a_new_connection_too_and_is_not_believed(
    play: Play, join: Join, over: str
) -> None:
    """A serial server gives what its wire says to whoever is connected by then."""
    line = play(over)
    link = join(line)
    line.units[1].late_once_ms = 2 * ANSWER_MS
    assert isinstance(link.read(1, "holding", 0, 2), NoAnswer)
    link.open()
    assert link.read(1, "holding", 4, 2) == [104, 105]


def test_a_late_refusal_is_not_taken_for_the_next_questions(play: Play, join: Join) -> None:
    line = play(late_ms=PACE_MS)
    link = join(line)
    line.units[1].late_once_ms = 3 * ANSWER_MS
    assert isinstance(link.read(1, "holding", 500, 2), NoAnswer)
    read = [link.read(1, "holding", at, 2) for at in (0, 2, 4, 6)]
    assert [said for said in read if isinstance(said, NoAnswer) and said.refused] == []
    assert read[-1] == [106, 107]


def test_that_a_unit_is_late_is_said_once_and_so_is_that_it_is_in_time(
    play: Play, join: Join, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(modbus_link, "IN_TIME_UNTIL_TOLD", 5)
    caplog.set_level(logging.INFO)
    line = play()
    link = join(line)
    for _ in range(2):
        line.units[2].late_once_ms = LATE_MS
        assert isinstance(link.read(2, "holding", 0, 1), NoAnswer)
        assert link.read(2, "holding", 1, 1) == [201]
    for _ in range(5):
        assert link.read(2, "holding", 1, 1) == [201]
    late, in_time = (record.getMessage() for record in caplog.records)
    assert late.startswith(f"unit 2 on {line.address} answers, but later than the {ANSWER_MS} ms")
    assert in_time == f"unit 2 on {line.address} answers in time again, after 2 late"


def test_a_lost_answer_costs_one_more_question_not_a_long_wait(play: Play, join: Join) -> None:
    line = play()
    link = join(line)
    line.units[1].lose_once = True
    assert isinstance(link.read(1, "holding", 0, 2), NoAnswer)
    before = link.requests
    began_s = time.monotonic()
    assert link.read(1, "holding", 4, 2) == [104, 105]
    assert link.requests - before == 2
    assert time.monotonic() - began_s < modbus_link.LATE_MS_MAX / 1000 / 4


def lost_and_asked_again(line: RunningLine, link: ModbusLink, tries: int) -> list[int] | NoAnswer:
    """An answer is lost; what the unit's only weight block brings when asked so many times more."""
    line.units[1].lose_once = True
    said: list[int] | NoAnswer = link.read(1, "holding", 4, 4)
    for _ in range(tries):
        assert isinstance(said, NoAnswer)
        said = link.read(1, "holding", 4, 4)
    return said


def test_a_unit_that_gives_its_blocks_only_whole_is_proven_with_another_of_its_blocks(
    play: Play, join: Join
) -> None:
    line = play()
    link = join(line)
    line.units[1].whole = ((0, 1), (4, 4))
    assert link.read(1, "holding", 0, 1) == [100]
    assert lost_and_asked_again(line, link, 1) == [104, 105, 106, 107]


@pytest.mark.parametrize("knows", [(3, 4), (3,)])
def test_a_unit_with_one_block_given_only_whole_is_proven_with_the_other_table(
    play: Play, join: Join, knows: tuple[int, ...]
) -> None:
    line = play()
    link = join(line)
    line.units[1].whole, line.units[1].knows = ((4, 4),), knows
    assert lost_and_asked_again(line, link, 2) == [104, 105, 106, 107]


def test_a_unit_that_can_prove_nothing_is_believed_again_when_nothing_can_be_late(
    play: Play, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(modbus_link, "LATE_MS_MAX", 4 * ANSWER_MS)
    line = play()
    link = join(line)
    line.units[1].whole, line.units[1].ignores = ((4, 4),), (4,)
    lost_and_asked_again(line, link, 1)
    limit_s = time.monotonic() + 30 * ANSWER_MS / 1000
    while isinstance(said := link.read(1, "holding", 4, 4), NoAnswer):
        assert time.monotonic() < limit_s
    assert said == [104, 105, 106, 107]
    assert line.units[1].asked <= 3 + modbus_link.CANARIES_MAX


def test_a_unit_that_was_late_now_and_then_is_not_left_alone_for_it(play: Play, join: Join) -> None:
    """Each time is a new one: what was settled is not held against it."""
    line = play()
    link = join(line)
    for at in range(modbus_link.CANARIES_MAX + 2):
        line.units[1].lose_once = True
        assert isinstance(link.read(1, "holding", at, 1), NoAnswer)
        assert link.read(1, "holding", at, 1) == [100 + at]


# ------------------------------------------------------------------ wrong answers


@pytest.mark.parametrize(
    ("wrong", "taken_for_right"), [("other_function", [100, 101]), ("one_short", [100])]
)
def test_the_library_takes_the_answer_to_another_question_and_we_do_not(
    play: Play, join: Join, wrong: Wrong, taken_for_right: list[int]
) -> None:
    line = play()
    line.units[1].wrong = wrong
    with the_library(line) as client:
        answer = client.read_holding_registers(0, count=2, device_id=1)
    assert not answer.isError()
    assert answer.registers == taken_for_right
    assert isinstance(join(line).read(1, "holding", 0, 2), NoAnswer)


@pytest.mark.parametrize(
    ("over", "wrong"),
    [
        *itertools.product(OVER, ["other_function", "one_short", "flipped"]),
        *itertools.product(RTU, ["cut", "other_unit"]),  # faults of serial lines
    ],
)
def test_a_wrong_answer_is_no_answer_and_the_next_is_right(
    play: Play, join: Join, over: str, wrong: Wrong
) -> None:
    line = play(over)
    link = join(line)
    line.units[1].wrong = wrong
    said = link.read(1, "holding", 0, 2)
    assert isinstance(said, NoAnswer)
    assert not said.refused
    line.units[1].wrong = ""
    assert link.read(1, "holding", 4, 2) == [104, 105]


def test_noise_before_a_frame_loses_the_frame_with_the_library_and_not_with_us(
    play: Play, join: Join
) -> None:
    line = play()
    line.units[1].wrong = "noise_before"
    with the_library(line) as client, pytest.raises(ModbusException):
        client.read_holding_registers(0, count=2, device_id=1)
    assert line.units[1].asked == 4
    link = join(line)
    assert link.read(1, "holding", 0, 2) == [100, 101]
    assert line.units[1].asked == 5


def test_an_adapter_that_gives_back_what_was_sent_is_fine(play: Play, join: Join) -> None:
    line = play()
    line.units[1].wrong = "echo"
    link = join(line)
    assert link.read(1, "holding", 0, 2) == [100, 101]
    assert link.write(1, 0, [7, 8]) is None
    assert link.read(1, "input", 0, 2) == [7, 8]


@pytest.mark.parametrize("over", RTU)
def test_an_echo_is_taken_off_and_the_answer_behind_it_is_read(
    play: Play, join: Join, over: str
) -> None:
    link = join(play(over, echo=True), local_echo=True)
    assert link.read(1, "holding", 0, 2) == [100, 101]
    assert link.write(1, 0, [7, 8]) is None
    assert link.read(1, "input", 0, 2) == [7, 8]
    assert link.late_answers == {}


@pytest.mark.parametrize("over", RTU)
def test_a_missing_echo_is_told_from_a_missing_answer(play: Play, join: Join, over: str) -> None:
    line = play(over, echo=True)
    link = join(line, local_echo=True)
    line.units[1].dead = True
    assert link.read(1, "holding", 0, 2) == NoAnswer("no answer from unit 1")
    line.hung = True
    said = link.read(2, "holding", 0, 2)
    assert isinstance(said, NoAnswer)
    assert "not even our own question came back" in said.because
    line.hung = False
    until(lambda: link.read(2, "holding", 0, 2) == [200, 201])


def test_a_late_answer_behind_an_echo_shifts_none(play: Play, join: Join) -> None:
    line = play(late_ms=PACE_MS, echo=True)
    link = join(line, local_echo=True)
    line.units[1].late_once_ms = LATE_MS
    first, *others = one_by_one(link)
    assert isinstance(first, NoAnswer)
    assert others == [[100 + at] for at in range(1, REGISTERS)]


def test_an_adapter_without_an_echo_answers_all_the_same(play: Play, join: Join) -> None:
    """Said to echo, and does not: the answer is there, and that is what counts."""
    assert join(play(), local_echo=True).read(1, "holding", 0, 2) == [100, 101]


def test_levels_and_handshake_are_those_of_the_line(play: Play, join: Join) -> None:
    link = join(play(), dtr=False, rts=False, hardware_handshake=True)
    assert link.read(1, "holding", 0, 1) == [100]
    assert link._client is not None
    port = link._client.socket
    assert (port.dtr, port.rts, port.rtscts) == (False, False, True)


def test_where_the_driver_has_no_rs485_the_link_says_what_to_do(play: Play, join: Join) -> None:
    with pytest.raises(PortGone, match="no RS-485 mode in its driver: use an adapter"):
        join(play(), rs485=True)


def test_a_line_full_of_noise_takes_no_longer_than_a_silent_one(play: Play, join: Join) -> None:
    line = play()
    link = join(line)
    line.units[1].dead = True
    line.say(b"\x01\x03" * 2000)
    began_s = time.monotonic()
    assert isinstance(link.read(1, "holding", 0, 2), NoAnswer)
    assert time.monotonic() - began_s < 4 * ANSWER_MS / 1000


@pytest.mark.parametrize("over", OVER)
def test_a_unit_that_says_no_is_asked_the_next_at_once(play: Play, join: Join, over: str) -> None:
    line = play(over)
    link = join(line)
    said = link.read(1, "holding", 500, 2)
    assert isinstance(said, NoAnswer)
    assert said.refused
    assert "illegal data address" in said.because
    before = link.requests
    assert link.read(1, "holding", 0, 2) == [100, 101]
    assert link.requests == before + 1


# ------------------------------------------------------------------ a dead unit


def test_a_dead_unit_costs_twelve_seconds_with_the_librarys_defaults_and_one_wait_with_us(
    play: Play, join: Join
) -> None:
    defaults = inspect.signature(ModbusSerialClient).parameters
    assert defaults["timeout"].default * (1 + defaults["retries"].default) == 12
    line = play()
    line.units[1].dead = True
    with the_library(line) as client:
        began_s = time.monotonic()
        with pytest.raises(ModbusException):
            client.read_holding_registers(0, count=2, device_id=1)
        library_s = time.monotonic() - began_s
    assert library_s > 4 * ANSWER_MS / 1000
    link = join(line)
    began_s = time.monotonic()
    assert isinstance(link.read(1, "holding", 0, 2), NoAnswer)
    assert time.monotonic() - began_s < library_s / 2


@pytest.mark.parametrize("over", OVER)
def test_a_dead_unit_costs_its_own_patience_and_not_that_of_the_slowest(
    play: Play, join: Join, over: str
) -> None:
    line = play(over)
    slowest_ms = 10 * ANSWER_MS
    link = join(line, answer_ms_of={2: slowest_ms})
    line.units[1].dead = True
    line.units[2].late_ms = 2 * ANSWER_MS
    began_s = time.monotonic()
    assert isinstance(link.read(1, "holding", 0, 2), NoAnswer)
    assert link.read(2, "holding", 0, 2) == [200, 201]
    assert time.monotonic() - began_s < slowest_ms / 1000 / 2


def test_a_clock_that_is_set_back_stops_the_library_and_not_us(
    play: Play, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    step_s = 1.0
    line = play()
    line.units[1].dead = True
    right = time.time

    def set_back_after_the_first_look() -> Callable[[], float]:
        looks = iter([0.0])
        return lambda: right() - next(looks, step_s)

    with the_library(line, retries=0) as client:
        monkeypatch.setattr(time, "time", set_back_after_the_first_look())
        began_s = time.monotonic()
        with pytest.raises(ModbusException):
            client.read_holding_registers(0, count=2, device_id=1)
        assert time.monotonic() - began_s > step_s
    link = join(line)
    monkeypatch.setattr(time, "time", set_back_after_the_first_look())
    began_s = time.monotonic()
    assert isinstance(link.read(1, "holding", 0, 2), NoAnswer)
    assert time.monotonic() - began_s < step_s / 2


def test_one_dead_and_one_late_unit_leave_thirty_others_their_turns(play: Play) -> None:
    """Thirty-two on a line and the loop as it runs: nobody waits twice its interval."""
    poll_s, rounds, dead, late = 1.0, 6, 7, 19
    line = play(units=32)
    line.units[dead].dead = True
    line.units[late].late_ms = 2 * ANSWER_MS
    for _ in range(TRIES_MAX):
        weighed = polled(line, poll_s, rounds * poll_s)
        # Two registers are one 32-bit number: the unit's own.
        for unit, said in weighed.items():
            assert {weight_mg for _, weight_mg in said} <= {
                ((100 * unit << 16) + 100 * unit + 1) * 1000
            }
        assert weighed[dead] == weighed[late] == []
        times = [
            [at_ms for at_ms, _ in said]
            for unit, said in weighed.items()
            if unit not in (dead, late)
        ]
        waits = [b - a for asked in times for a, b in itertools.pairwise(asked)]
        if max(waits) < 2 * poll_s * 1000 and min(map(len, times)) >= rounds - 2:
            return
    pytest.fail(f"others waited {max(waits)} ms")


def polled(line: RunningLine, poll_s: float, for_s: float) -> dict[int, list[tuple[int, int]]]:
    """By unit: when it was asked, and what it weighed."""
    devices = tuple(
        Device(
            profile="generic_rs485_multi",
            unit=unit,
            parameters={"unit": "g"},
            poll_s=poll_s,
            reply_timeout_ms=ANSWER_MS,
            # Every poll is worth a reading here: they are counted.
            sensors=(Sensor(name=str(unit), channel=1, settle_s=0, heartbeat_s=poll_s / 100),),
        )
        for unit in line.units
    )
    readings = Taken()
    stop = threading.Event()
    clock = Clock(wall_ms=now_ms, monotonic_ms=now_ms, trusted=lambda: True)
    poller = poller_for(
        Port(address=line.address, modbus="rtu", baud=115200, devices=devices),
        outlet=Outlet(readings=readings, stop=stop, clock=clock),
    )
    loop = threading.Thread(target=poller.run)
    loop.start()
    stop.wait(for_s)
    stop.set()
    loop.join(5)
    weighed: dict[int, list[tuple[int, int]]] = {unit: [] for unit in line.units}
    while not readings.empty():
        reading = readings.get()
        if isinstance(reading.outcome, Weight):
            weighed[int(reading.sensor)].append((reading.measured_ms, reading.outcome.weight_mg))
    return weighed


def now_ms() -> int:
    return time.monotonic_ns() // 1_000_000


# ------------------------------------------------------------------ who is at the other end


def test_the_library_reads_another_device_after_a_swap_and_we_are_told_that_the_port_was_lost(
    tmp_path: Path,
) -> None:
    plan = BusPlan(
        lines=[
            LinePlan(name="a", units=[unit_plan(1)]),
            LinePlan(
                name="b", units=[UnitPlan(unit=1, registers={"0": 777, "1": 778, "10": 9110})]
            ),
        ]
    )
    with playing(plan, tmp_path) as bus:
        port = tmp_path / "ttyUSB0"
        port.symlink_to(bus.lines["a"].address)
        client = ModbusSerialClient(str(port), timeout=0.2, retries=0)
        assert client.connect()
        assert client.read_holding_registers(0, count=2, device_id=1).registers == [100, 101]
        client.close()
        link = ModbusLink(ModbusLine(address=str(port), baud=115200, answer_ms=ANSWER_MS))
        link.open()
        assert link.read(1, "holding", 0, 2) == [100, 101]
        identity = link.read(1, "holding", 10, 1)

        port.unlink()
        port.symlink_to(bus.lines["b"].address)
        bus.lines["a"].unplug()
        until(lambda: not bus.lines["a"].is_plugged_in)

        with pytest.raises(PortGone):
            link.read(1, "holding", 0, 2)
        with pytest.raises(PortGone):  # nor does it come back by itself
            link.read(1, "holding", 0, 2)
        link.open()
        assert link.read(1, "holding", 10, 1) == [9110] != identity
        link.close()
        assert client.read_holding_registers(0, count=2, device_id=1).registers == [777, 778]
        client.close()


SCALE_WITH_A_NUMBER = """
like = "generic_rs485_multi"
title = "a scale with a serial number"
kind = "load_cell"

[identity]
registers = [10, 1]
"""


def test_after_a_swap_the_loop_states_another_device_and_no_weight_of_it(tmp_path: Path) -> None:
    own, other = (
        UnitPlan(unit=1, registers={"0": 0, "1": grams, "10": number})
        for grams, number in ((500, 41), (900, 42))
    )
    plan = BusPlan(lines=[LinePlan(name="a", units=[own]), LinePlan(name="b", units=[other])])
    profile = tmp_path / "numbered.toml"
    profile.write_text(SCALE_WITH_A_NUMBER)
    sensor = Sensor(name="s", channel=1, settle_s=0, heartbeat_s=0.01)
    device = Device(
        profile=str(profile), unit=1, parameters={"unit": "g"}, poll_s=0.2, sensors=(sensor,)
    )
    port = tmp_path / "ttyUSB0"
    readings = Taken()
    stop = threading.Event()
    clock = Clock(wall_ms=now_ms, monotonic_ms=now_ms, trusted=lambda: True)

    def next_that(is_so: Callable[[Outcome], bool]) -> list[Outcome]:
        heard = []
        while not heard or not is_so(heard[-1]):
            heard.append(readings.get(timeout=10).outcome)
        return heard

    with playing(plan, tmp_path) as bus:
        port.symlink_to(bus.lines["a"].address)
        poller = poller_for(
            Port(address=str(port), modbus="rtu", devices=(device,)),
            outlet=Outlet(readings=readings, stop=stop, clock=clock),
        )
        loop = threading.Thread(target=poller.run)
        loop.start()
        try:
            next_that(lambda outcome: isinstance(outcome, Weight))
            port.unlink()
            port.symlink_to(bus.lines["b"].address)
            bus.lines["a"].unplug()
            heard = next_that(lambda said: "another device" in getattr(said, "because", ""))
            for _ in range(5):
                heard.append(readings.get(timeout=10).outcome)
        finally:
            stop.set()
            loop.join(5)
    assert {said.weight_mg for said in heard if isinstance(said, Weight)} <= {500_000}


def test_a_write_to_everybody_is_done_by_all_with_the_library_and_refused_by_us(
    play: Play, join: Join
) -> None:
    line = play()
    with the_library(line) as client, pytest.raises(ModbusException):
        client.write_registers(5, [42], device_id=0)
    # Nobody may answer to everybody, so it was sent again, and again.
    until(lambda: [unit.written for unit in line.units.values()] == [4, 4, 4])
    link = join(line)
    said = link.write(0, 5, [43])
    assert isinstance(said, NoAnswer)
    assert said.refused
    assert link.requests == 0


@pytest.mark.parametrize("over", RTU)
def test_unit_zero_is_neither_read_nor_written_where_it_is_everybody(
    play: Play, join: Join, over: str
) -> None:
    link = join(play(over))
    for said in (link.read(0, "holding", 0, 1), link.write(0, 0, [1])):
        assert isinstance(said, NoAnswer)
        assert said.refused
    assert link.requests == 0


def test_over_tcp_unit_zero_is_the_device_itself(play: Play, join: Join) -> None:
    line = play("tcp")
    line.units[0] = line.units[1]
    assert join(line).read(0, "holding", 0, 1) == [100]


@pytest.mark.parametrize("over", OVER)
def test_a_write_is_done_once_and_proven(play: Play, join: Join, over: str) -> None:
    line = play(over)
    link = join(line)
    assert link.write(2, 3, [9, 10]) is None
    assert line.units[2].written == 1
    assert link.read(2, "holding", 3, 2) == [9, 10]


def test_a_write_without_an_answer_is_not_sent_again(play: Play, join: Join) -> None:
    line = play()
    link = join(line)
    line.units[2].lose_once = True
    assert isinstance(link.write(2, 3, [9]), NoAnswer)
    assert line.units[2].written == 1
    assert link.read(2, "holding", 3, 1) == [9]


@pytest.mark.parametrize("over", OVER)
def test_a_gateway_that_does_not_reach_the_unit_is_not_the_unit_saying_no(
    play: Play, join: Join, over: str
) -> None:
    line = play(over)
    line.units[1].wrong = "not_reached"
    said = join(line).read(1, "holding", 0, 1)
    assert isinstance(said, NoAnswer)
    assert not said.refused
    assert "target failed to respond" in said.because


# ------------------------------------------------------------------ peers over the network


@pytest.mark.parametrize("over", ["tcp", "rtu_over_tcp"])
def test_a_peer_that_closes_is_a_lost_port_and_can_be_opened_again(
    play: Play, join: Join, over: str
) -> None:
    line = play(over)
    link = join(line)
    assert link.read(1, "holding", 0, 1) == [100]
    line.drop()
    until(lambda: is_lost(link))
    link.open()
    assert link.read(1, "holding", 1, 1) == [101]
    assert line.connections == 2


@pytest.mark.parametrize("over", ["tcp", "rtu_over_tcp"])
def test_a_peer_that_hangs_costs_a_few_questions_and_is_then_a_lost_port(
    play: Play, join: Join, over: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(modbus_link, "HUNG_S", 3 * ANSWER_MS / 1000)
    line = play(over)
    link = join(line)
    line.hung = True
    began_s = time.monotonic()
    for _ in range(modbus_link.MISSES_UNTIL_HUNG - 1):
        assert isinstance(link.read(1, "holding", 0, 1), NoAnswer)
    with pytest.raises(PortGone, match="without a word"):
        link.read(1, "holding", 0, 1)
    assert time.monotonic() - began_s < 3 * modbus_link.MISSES_UNTIL_HUNG * ANSWER_MS / 1000
    line.hung = False
    link.open()
    until(lambda: link.read(1, "holding", 0, 1) == [100])


def test_a_dead_unit_behind_a_live_peer_is_no_lost_port(play: Play, join: Join) -> None:
    line = play("tcp")
    link = join(line)
    line.units[1].dead = True
    for _ in range(2 * modbus_link.MISSES_UNTIL_HUNG):
        assert isinstance(link.read(1, "holding", 0, 1), NoAnswer)
        assert link.read(2, "holding", 0, 1) == [200]
    assert line.connections == 1


def test_bytes_that_are_no_modbus_tcp_are_a_lost_port(play: Play, join: Join) -> None:
    line = play("tcp")
    link = join(line)
    until(lambda: line.connections == 1)
    line.say(b"HTTP/1.1 400 Bad Request\r\n")
    until(lambda: is_lost(link, "no Modbus TCP"))


def test_what_was_said_before_the_question_is_no_answer_to_it_whatever_its_number(
    play: Play, join: Join
) -> None:
    line = play("tcp")
    link = join(line)
    until(lambda: line.connections == 1)
    line.say(bytes.fromhex("0001 0000 0005 01 03 02 0309"))
    time.sleep(0.05)
    assert link.read(1, "holding", 0, 1) == [100]


def test_an_answer_cut_by_the_wait_is_completed_later_and_dropped(join: Join) -> None:
    server = socket.create_server(("127.0.0.1", 0))
    link = ModbusLink(
        ModbusLine(address=f"tcp://127.0.0.1:{server.getsockname()[1]}", answer_ms=ANSWER_MS)
    )
    link.open()
    peer, _ = server.accept()
    answer = bytes.fromhex("0001 0000 0005 01 03 02 0064")
    peer.sendall(answer[:7])
    assert isinstance(link.read(1, "holding", 0, 1), NoAnswer)
    rest = answer[7:] + bytes.fromhex("0002 0000 0005 01 03 02 0065")
    later = threading.Timer(ANSWER_MS / 3000, peer.sendall, (rest,))
    later.start()
    assert link.read(1, "holding", 1, 1) == [101]
    later.join()
    link.close()
    peer.close()
    server.close()


def test_nobody_at_the_address_is_a_lost_port(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = f"tcp://127.0.0.1:{server.getsockname()[1]}"
    for address in (closed, f"rtu+{closed}", str(tmp_path / "ttyUSB9")):
        link = ModbusLink(ModbusLine(address=address))
        with pytest.raises(PortGone):
            link.open()
        with pytest.raises(PortGone):
            link.read(1, "holding", 0, 1)
        link.close()


def test_two_do_not_share_a_serial_line(play: Play, join: Join) -> None:
    line = play()
    join(line)
    with pytest.raises(PortGone):
        join(line)


def test_a_long_answer_on_a_slow_wire_is_given_the_time_it_needs() -> None:
    slow = ModbusLine(address="/dev/ttyS0", baud=1200, parity="even")
    assert 263 * slow.char_s == pytest.approx(2.41, abs=0.01)
    assert ModbusLine(address="tcp://h:502", baud=1200).char_s == 0


def is_lost(link: ModbusLink, because: str = "") -> bool:
    try:
        link.read(1, "holding", 0, 1)
    except PortGone as gone:
        return because in str(gone) and not link.is_open
    return False


def until(is_so: Callable[[], bool], limit_s: float = 5.0) -> None:
    end_s = time.monotonic() + limit_s
    while not is_so():
        assert time.monotonic() < end_s
        time.sleep(0.01)
