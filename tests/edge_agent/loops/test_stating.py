"""What is stated of counters, tags and identities, whichever line they hang on."""

import logging
import threading

import pytest

from edge_agent.core.count import CounterState
from edge_agent.core.reading import (
    Condition,
    CounterValue,
    Identity,
    Outcome,
    Restarted,
    Sample,
    Sighted,
    Sighting,
    Told,
    Total,
    Weight,
)
from edge_agent.core.remembered import Remembered
from edge_agent.loops.stating import Clock, DeviceStating, Outlet
from edge_agent.loops.taken import Taken
from edge_agent.settings import Device, Sensor


class Desk:
    """A device with its sensors, and a clock that is moved by hand."""

    def __init__(
        self,
        *sensors: Sensor,
        remembered: Remembered | None = None,
        serial_number: str | None = None,
        remember: bool = False,
    ) -> None:
        self.ms = 0
        self.readings = Taken(100)
        clock = Clock(wall_ms=lambda: self.ms, monotonic_ms=lambda: self.ms, trusted=lambda: True)
        outlet = Outlet(readings=self.readings, stop=threading.Event(), clock=clock)
        device = Device(profile="x", sensors=sensors, serial_number=serial_number)
        self.stating = DeviceStating(
            device, outlet, remembered or Remembered(), remember_identity=remember
        )

    def hear(self, *answers: object) -> list[Outcome]:
        self.ms += 500
        self.stating.hear(answers, self.ms)  # type: ignore[arg-type]
        return self.said()

    def miss(self, times: int) -> list[Outcome]:
        for _ in range(times):
            self.ms += 500
            self.stating.miss("no answer", self.ms)
        return self.said()

    def said(self) -> list[Outcome]:
        said = []
        while not self.readings.empty():
            said.append(self.readings.get().outcome)
        return said


def count(value: int, sensor: str = "c", width: int = 16) -> CounterValue:
    return CounterValue(sensor=sensor, value=value, width=width)


def weight(grams: int, sensor: str = "s") -> Sample:
    return Sample(sensor=sensor, weight_mg=grams * 1_000, stable=True)


def total(pieces: int, value: int) -> Total:
    return Total(total=pieces, counter=CounterState(value=value, total=pieces))


def test_a_counter_states_its_total_with_what_the_next_difference_is_taken_from() -> None:
    desk = Desk(Sensor(name="c"))
    assert desk.hear(count(100)) == [total(0, 100)]
    assert desk.hear(count(100)) == []
    assert desk.hear(count(107)) == [total(7, 107)]


def test_a_counter_that_wraps_goes_on_counting() -> None:
    desk = Desk(Sensor(name="c"))
    desk.hear(count(65_530))
    assert desk.hear(count(4)) == [total(10, 4)]


def test_a_restart_is_said_and_the_new_base_with_it_and_no_piece_is_invented() -> None:
    desk = Desk(Sensor(name="c"))
    desk.hear(count(40_000))
    restarted, rebased = desk.hear(count(3))
    assert isinstance(restarted, Condition)
    assert restarted.condition == "restarted"
    assert rebased == total(0, 3)
    assert desk.hear(count(5)) == [total(2, 5)]


def test_a_step_that_cannot_be_is_a_restart() -> None:
    desk = Desk(Sensor(name="c", step_max=50))
    desk.hear(count(100))
    assert [type(outcome) for outcome in desk.hear(count(1_000))] == [Condition, Total]


def test_a_counter_that_was_silent_may_have_counted_meanwhile() -> None:
    desk = Desk(Sensor(name="c", step_max=50))
    desk.hear(count(100))
    desk.miss(20)
    assert desk.hear(count(1_000)) == [total(900, 1_000)]


def test_a_counter_that_restarts_near_its_top_is_said_to_and_counts_nothing() -> None:
    desk = Desk(Sensor(name="c"))
    desk.hear(count(65_400))
    restarted, rebased = desk.hear(count(300))
    assert isinstance(restarted, Condition)
    assert "436 through zero are too many, unless step_max says" in restarted.because
    assert rebased == total(0, 300)


def test_the_total_survives_a_restart_of_the_agent() -> None:
    first = Desk(Sensor(name="c"))
    first.hear(count(100))
    [last] = first.hear(count(130))
    assert isinstance(last, Total)
    assert last.counter is not None
    second = Desk(Sensor(name="c"), remembered=Remembered(counters={"c": last.counter}))
    assert second.hear(count(135)) == [total(35, 135)]


@pytest.mark.parametrize("value", [30, 131])
def test_a_kill_between_a_restart_and_its_reading_counts_nothing_twice(value: int) -> None:
    kept = Remembered(counters={"c": CounterState(value=130, total=30)})
    again = Desk(Sensor(name="c"), remembered=kept)
    stated = [outcome for outcome in again.hear(count(value)) if isinstance(outcome, Total)]
    assert stated == [total(30 + max(0, value - 130), value)]


def tag(code: str) -> Sighting:
    return Sighting(sensor="t", code=code, kind="tag")


def test_an_ignored_tag_is_never_there() -> None:
    desk = Desk(Sensor(name="t", ignore=("AB",)))
    assert desk.hear(tag("AB"), tag("CD")) == [Sighted(code="CD", change="present")]


def test_an_ignored_code_is_never_scanned() -> None:
    desk = Desk(Sensor(name="t", ignore=("AB",)))
    assert desk.hear(Sighting(sensor="t", code="AB", kind="scan")) == []


def test_a_reader_that_says_there_is_no_tag_is_alive_and_the_tag_goes() -> None:
    desk = Desk(Sensor(name="t", absent_after_s=2.0))
    desk.hear(tag("CD"))
    for _ in range(3):
        assert desk.hear(Told(what="no tag")) == []
    desk.ms += 1_000
    desk.stating.pass_time(desk.ms)
    assert desk.said() == [Sighted(code="CD", change="absent")]


def test_blind_time_does_not_make_a_tag_absent_and_the_time_after_does() -> None:
    desk = Desk(Sensor(name="t", absent_after_s=2.0))
    desk.hear(tag("CD"))
    assert [type(outcome) for outcome in desk.miss(60)] == [Condition]
    desk.hear(Told(what="no tag"))
    desk.stating.pass_time(desk.ms)
    assert desk.said() == []
    desk.ms += 2_000
    desk.stating.pass_time(desk.ms)
    assert desk.said() == [Sighted(code="CD", change="absent")]


def test_a_tag_that_went_while_the_agent_was_away_is_said_to_be_absent() -> None:
    tags = Remembered(tags={"t": ["CD", "EF"]})
    desk = Desk(Sensor(name="t", absent_after_s=2.0), remembered=tags)
    desk.ms += 60_000  # the reader is not there yet: nobody could see
    desk.stating.pass_time(desk.ms)
    assert desk.said() == []
    assert desk.hear(tag("CD")) == []  # and it lies there as before
    desk.ms += 1_000
    assert desk.hear(tag("CD")) == []
    assert desk.hear(tag("CD")) == [Sighted(code="EF", change="absent")]


def test_a_reader_that_answers_again_is_back_whether_it_sees_a_tag_or_none() -> None:
    for answer in (Told(what="no tag"), tag("CD")):
        desk = Desk(Sensor(name="t", absent_after_s=3_600.0))
        desk.hear(tag("CD"))
        desk.miss(3)
        [back] = desk.hear(answer)
        assert back == Condition(
            condition="back", because="it can be read again, after it was silent"
        )
        assert desk.hear(answer) == []
        [again] = desk.miss(3)
        assert isinstance(again, Condition)
        assert again.condition == "silent"


def test_where_a_number_says_it_nothing_else_does() -> None:
    desk = Desk(Sensor(name="c"))
    desk.hear(count(5))
    desk.miss(3)
    assert desk.hear(count(5)) == [total(0, 5)]


def test_that_a_reader_is_back_is_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    desk = Desk(Sensor(name="t"))
    desk.miss(3)
    desk.hear(Told(what="no tag"))
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "t: silent, no answer"),
        ("INFO", "t: can be read again after silent"),
    ]


def test_each_sensor_of_a_device_states_its_own_and_is_silent_by_its_own_patience() -> None:
    desk = Desk(
        Sensor(name="a", settle_samples=1, silent_after=2),
        Sensor(name="b", settle_samples=1, silent_after=4),
    )
    both = desk.hear(weight(1, "a"), weight(2, "b"))
    assert [outcome.weight_mg for outcome in both if isinstance(outcome, Weight)] == [1_000, 2_000]
    assert len(desk.miss(3)) == 1
    assert len(desk.miss(1)) == 1


def test_of_several_weights_heard_at_once_the_newest_counts() -> None:
    desk = Desk(Sensor(name="s", settle_samples=1))
    [stated] = desk.hear(weight(9), weight(1))
    assert isinstance(stated, Weight)
    assert stated.weight_mg == 1_000


def test_a_restart_notice_starts_the_settling_anew() -> None:
    desk = Desk(Sensor(name="s", settle_samples=2))
    desk.hear(weight(1))
    desk.hear(Restarted())
    assert desk.hear(weight(1)) == []
    assert len(desk.hear(weight(1))) == 1


def test_nothing_another_device_says_counts() -> None:
    desk = Desk(Sensor(name="s", settle_samples=1), serial_number="B1")
    assert desk.hear(weight(1)) == []
    [fault] = desk.hear(Identity(serial_number="B2"))
    assert isinstance(fault, Condition)
    assert "expected 'B1'" in fault.because
    assert desk.hear(weight(1)) == []
    desk.hear(Identity(serial_number="B1"))
    assert len(desk.hear(weight(1))) == 1


def test_after_silence_a_device_has_to_say_again_who_it_is() -> None:
    desk = Desk(Sensor(name="s", settle_samples=1), serial_number="B1")
    desk.hear(Identity(serial_number="B1"))
    desk.miss(2)
    assert desk.stating.identified
    desk.miss(1)
    assert not desk.stating.identified


def test_where_no_identity_was_set_the_first_is_remembered() -> None:
    desk = Desk(Sensor(name="s", settle_samples=1), remember=True)
    assert not desk.stating.identified
    desk.hear(Identity(serial_number="0001"))
    assert desk.stating.identified
    desk.stating.opened()
    [fault] = desk.hear(Identity(serial_number="0002"))
    assert isinstance(fault, Condition)
    assert not desk.stating.identified


def test_a_device_swapped_while_the_agent_was_away_is_not_believed_until_the_settings_name_it() -> (
    None
):
    sensor = Sensor(name="s", settle_samples=1)
    kept = Remembered(identities={"s": "0001"})
    swapped = Desk(sensor, remembered=kept, remember=True)
    [fault] = swapped.hear(Identity(serial_number="0002"))
    assert isinstance(fault, Condition)
    assert "'0002', expected '0001'. If it is to stay, say so in the settings" in fault.because
    assert swapped.hear(weight(1)) == []

    confirmed = Desk(sensor, remembered=kept, remember=True, serial_number="0002")
    confirmed.hear(Identity(serial_number="0002"))
    assert len(confirmed.hear(weight(1))) == 1


def test_a_reading_carries_the_identity_that_is_to_be_remembered() -> None:
    desk = Desk(Sensor(name="s", settle_samples=1), remember=True)
    desk.hear(Identity(serial_number="0001"))
    desk.ms += 500
    desk.stating.hear([weight(1)], desk.ms)
    assert desk.readings.get().identity == "0001"
