"""Written from the makers' pages, and read back through the profiles: one checks the other."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent import profiles
from edge_agent.core.reading import Fault, Sample
from edge_agent.drivers.declared_serial import DeclaredSerial
from edge_agent.simulated.devices import Answered
from edge_agent.simulated.indicators import DIALECTS, Display, SimulatedIndicator
from edge_agent.simulated.site import BinScale, Command, CountingScale

PARAMETERS = {"mt_continuous": {"checksum": "true"}}
every_dialect = pytest.mark.parametrize("device", DIALECTS)
streams = pytest.mark.parametrize("device", ["st_gs", "mt_continuous"])
polled = pytest.mark.parametrize("device", ["and_standard", "ohaus_print"])


def scale(device: str, **changes: object) -> SimulatedIndicator:
    plan = {
        "unit_weight_ug": 10_000_000,
        "tare_mg": 250_000,
        "capacity": 100,
        "pieces": 50,
        "noise_mg": 0,
        "moving_s": (0.0, 0.0),
    }
    return SimulatedIndicator(
        BinScale(gateway="g", sensor="s", device=device, **(plan | changes)), seed=1
    )


def weighed(indicator: SimulatedIndicator, now_s: float = 0.0) -> list[Answered]:
    question = DIALECTS[indicator.plan.device].question
    return indicator.hear(question + b"\r\n", now_s) if question else indicator.speak(now_s)


def read(device: str, answers: list[Answered]) -> list[object]:
    driver = DeclaredSerial(profiles.load(device, PARAMETERS.get(device, {})), {0: "s"})
    driver.request()
    heard = [one for answered in answers for one in driver.feed(answered.line)]
    return heard + driver.finish()


def told(device: str, now_s: float = 0.0, **changes: object) -> object:
    [answer] = read(device, weighed(scale(device, **changes), now_s))
    return answer


def command(do: str, **what: object) -> Command:
    return Command(gateway="g", sensor="s", do=do, **what)


@every_dialect
@pytest.mark.parametrize("unit", ["g", "kg", "lb"])
@pytest.mark.parametrize("resolution_mg", [100, 1_000])
@given(weight_g=st.integers(-999, 9_999), moving=st.booleans())
def test_what_it_shows_is_what_its_profile_reads_and_what_the_ledger_says(
    device: str, unit: str, resolution_mg: int, weight_g: int, *, moving: bool
) -> None:
    indicator = scale(
        device,
        unit=unit,
        tare_mg=weight_g * 1_000,
        pieces=0,
        resolution_mg=resolution_mg,
        moving_s=(9.0, 9.0) if moving else (0.0, 0.0),
    )
    if moving:
        indicator.command(command("set", pieces=0), 0.0)
    [answered] = weighed(indicator)
    assert answered.weight_mg is not None
    assert answered.stable is not moving
    assert read(device, [answered]) == [
        Sample(sensor="s", weight_mg=answered.weight_mg, stable=not moving)
    ]
    if not moving:
        assert abs(answered.weight_mg - weight_g * 1_000) <= resolution_mg


@every_dialect
def test_overload_is_no_number_in_any_dialect(device: str) -> None:
    indicator = scale(device, overloads=((0.0, 5.0),))
    heard = read(device, answers := weighed(indicator))
    assert not any(isinstance(answer, Sample) for answer in heard)
    assert all(answer.weight_mg is None and not answer.stable for answer in answers)
    if device != "ohaus_print":  # it prints nothing then
        assert [answer.condition for answer in heard if isinstance(answer, Fault)] == ["overload"]
    indicator.command(command("overload", seconds=9.0), 10.0)
    assert not any(isinstance(one, Sample) for one in read(device, weighed(indicator, 11.0)))
    assert isinstance(read(device, weighed(indicator, 20.0))[0], Sample)


@every_dialect
@pytest.mark.parametrize(("tare_mg", "condition"), [(10**11, "overload"), (-(10**11), "underload")])
def test_more_digits_than_the_display_has_are_none(
    device: str, tare_mg: int, condition: str
) -> None:
    heard = read(device, weighed(scale(device, tare_mg=tare_mg)))
    assert not any(isinstance(answer, Sample) for answer in heard)
    if device != "ohaus_print":
        assert [answer.condition for answer in heard if isinstance(answer, Fault)] == [condition]


@every_dialect
def test_with_the_tare_taken_it_shows_what_came_since(device: str) -> None:
    indicator = scale(device)
    indicator.command(command("tare"), 0.0)
    assert read(device, weighed(indicator)) == [Sample(sensor="s", weight_mg=0, stable=True)]
    indicator.command(command("take", pieces=7), 0.0)
    assert read(device, weighed(indicator, 1.0)) == [
        Sample(sensor="s", weight_mg=-70_000, stable=True)
    ]


@every_dialect
def test_a_power_cut_loses_the_tare(device: str) -> None:
    indicator = scale(device)
    indicator.command(command("tare"), 0.0)
    indicator.command(command("silence", seconds=5.0), 1.0)
    assert weighed(indicator, 2.0) == []
    assert read(device, weighed(indicator, 7.0)) == [
        Sample(sensor="s", weight_mg=750_000, stable=True)
    ]


@every_dialect
def test_somebody_may_switch_its_unit(device: str) -> None:
    indicator = scale(device)
    indicator.command(command("unit", unit="kg"), 0.0)
    [answered] = weighed(indicator)
    assert b"kg" in answered.line or device == "mt_continuous"
    assert read(device, [answered]) == [Sample(sensor="s", weight_mg=750_000, stable=True)]


@every_dialect
def test_its_zero_creeps(device: str) -> None:
    indicator = scale(device, drift_mg_per_minute=6_000)
    weighed(indicator)
    assert read(device, weighed(indicator, 600.0)) == [
        Sample(sensor="s", weight_mg=810_000, stable=True)
    ]
    indicator.command(command("zero"), 600.0)
    assert read(device, weighed(indicator, 600.0)) == [Sample(sensor="s", weight_mg=0, stable=True)]


@streams
def test_one_that_speaks_unasked_does_so_as_often_as_planned_and_hears_nobody(device: str) -> None:
    indicator = scale(device, every_ms=200)
    assert indicator.hear(b"Q\r\nIP\r\n", 0.0) == []
    assert indicator.speaks_at_s == 0.0
    indicator.speak(5.0)
    assert indicator.speaks_at_s == pytest.approx(5.2)  # and not as often as was missed


@polled
def test_one_that_is_asked_speaks_only_then_and_says_when_it_does_not_understand(
    device: str,
) -> None:
    indicator = scale(device)
    assert indicator.speaks_at_s == float("inf")
    [answered] = indicator.hear(b"what?\r\n", 0.0)
    assert answered.weight_mg is None
    assert not any(isinstance(answer, Sample) for answer in read(device, [answered]))


def test_half_a_question_is_none_until_the_rest_has_come() -> None:
    indicator = scale("ohaus_print")
    assert indicator.hear(b"I", 0.0) == []
    assert len(indicator.hear(b"P\r\n", 0.0)) == 1


def test_its_buttons_can_be_pressed_over_the_line() -> None:
    indicator = scale("and_standard")
    assert [answer.line for answer in indicator.hear(b"T\r\n", 0.0)] == [b"\x06\r\n"]
    assert read("and_standard", weighed(indicator)) == [
        Sample(sensor="s", weight_mg=0, stable=True)
    ]


def test_answers_are_late_when_planned() -> None:
    indicator = scale("and_standard", late_ms=400, lates=((10.0, 5.0),))
    assert [weighed(indicator, now_s)[0].after_s for now_s in (0.0, 12.0)] == [0.0, 0.4]


@every_dialect
def test_one_that_counts_shows_each_weight_once(device: str) -> None:
    plan = CountingScale(gateway="g", sensor="s", device=device, base_mg=10_000, step_mg=1_000)
    indicator = SimulatedIndicator(plan, seed=1)
    shown = [read(device, weighed(indicator))[0].weight_mg for _ in range(5)]
    assert shown == [11_000, 12_000, 13_000, 14_000, 15_000]


def test_frames_look_as_in_the_manuals() -> None:
    display = Display(
        weight=Decimal("245.6"), unit="g", stable=True, net=False, tare=Decimal("0.0")
    )
    assert DIALECTS["st_gs"].say(display) == b"ST,GS,   245.6 g\r\n"
    assert DIALECTS["and_standard"].say(display) == b"ST,+000245.6  g\r\n"
    assert DIALECTS["ohaus_print"].say(display) == b"   245.6 g     G\r\n"
    assert DIALECTS["mt_continuous"].say(display)[4:-1] == b"  2456     0\r"
