"""A counter on Modbus, read back through its profile and counted by the rules of the agent."""

import pytest

from edge_agent import profiles
from edge_agent.core.count import counted
from edge_agent.drivers import bench
from edge_agent.framing.modbus_frames import read_request
from edge_agent.simulated.pulse_counter import SimulatedPulseCounter
from edge_agent.simulated.site import Command, PulseCounter


def counter(**changes: object) -> SimulatedPulseCounter:
    return SimulatedPulseCounter(PulseCounter(gateway="g", sensor="s", **changes), seed=1)


def shown(one: SimulatedPulseCounter, now_s: float = 0.0) -> list[int]:
    """What the profile makes of the answer, asked for just the registers it wants."""
    plan = one.plan
    parameters = {
        "address": str(plan.address),
        "width": str(plan.width),
        "word_order": plan.word_order,
    }
    declared = profiles.load("di_counter", parameters)
    [(first, count)] = declared.fields_wanted()
    question = read_request(plan.unit, 3, first, count)
    answers = one.hear(question, now_s)
    found = [bench.explain_bytes(declared, [answer.line], question)[0] for answer in answers]
    assert [answer.count for answer in answers] == [one["value"] for one in found]
    return [value for one in found if isinstance(value := one["value"], int)]


def command(do: str, **what: object) -> Command:
    return Command(gateway="g", sensor="s", do=do, **what)


@pytest.mark.parametrize("width", [16, 32])
@pytest.mark.parametrize("word_order", ["big", "little"])
def test_its_profile_reads_what_it_shows(width: int, word_order: str) -> None:
    value = 0x12345 % 2**width
    one = counter(value=0x12345, width=width, word_order=word_order, address=4, unit=9)
    assert shown(one) == [value]


def test_parts_fall_as_often_as_planned() -> None:
    assert 500 < shown(counter(pulses_per_minute=60.0), 600.0)[0] < 700


def test_it_wraps_and_the_agent_counts_on() -> None:
    one, state, total = counter(width=16, value=65_500), None, 0
    for turn in range(10):
        one.command(command("pulse", pieces=20), float(turn))
        found = counted(state, shown(one, float(turn))[0], width=16)
        state, total = found.state, total + found.pieces
    assert (state.value, total) == ((65_500 + 200) % 2**16, 180)


def test_after_a_power_cut_it_begins_at_zero() -> None:
    one = counter(value=40_000, width=16)
    one.command(command("silence", seconds=5.0), 0.0)
    assert shown(one, 1.0) == []
    assert shown(one, 6.0) == [0]


def test_another_units_question_is_not_answered() -> None:
    assert counter(unit=3).hear(read_request(4, 3, 0, 2), 0.0) == []


def test_a_register_it_does_not_have_is_refused() -> None:
    [answer] = counter(unit=3).hear(read_request(3, 3, 500, 2), 0.0)
    assert answer.line[1] == 0x83
