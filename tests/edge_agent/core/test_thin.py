from hypothesis import given
from hypothesis import strategies as st

from edge_agent.core.merge import placed
from edge_agent.core.thin import HOUR_MS, thin
from edge_agent.wire import codec
from edge_agent.wire.messages import (
    Condition,
    Counted,
    Reading,
    ReadingBatch,
    Sighted,
    Thinned,
    Weighed,
)

STREAM = "0" * 32


def batch(
    first_seq: int, readings: list[Reading], sensors: tuple[str, ...] = ("a", "b")
) -> ReadingBatch:
    return ReadingBatch(
        stream=STREAM,
        first_seq=first_seq,
        base_ms=1_000 * HOUR_MS,
        sensors=list(sensors),
        readings=readings,
        life=3,
    )


def weighed(minute: int, sensor: int = 0) -> Weighed:
    return Weighed(sensor=sensor, after_ms=minute * 60_000, weight_mg=minute)


def stays(thinned: Thinned) -> list[tuple[int, str]]:
    return [(row.seq, row.sensor) for row in placed(thinned)]


def test_of_each_sensor_and_hour_the_last_number_stays() -> None:
    readings: list[Reading] = [weighed(minute, minute % 2) for minute in range(120)]
    thinned = thin([batch(1, readings)], "full")
    assert thinned is not None
    assert stays(thinned) == [(59, "a"), (60, "b"), (119, "a"), (120, "b")]
    assert (thinned.first_seq, thinned.last_seq, thinned.life) == (1, 120, 3)
    assert thinned.because == "full"


def test_totals_are_thinned_like_weights_and_events_are_not() -> None:
    readings: list[Reading] = [
        Counted(sensor=0, after_ms=0, total=1),
        Condition(sensor=0, after_ms=1, condition="restarted"),
        Counted(sensor=0, after_ms=2, total=2),
        Sighted(sensor=1, after_ms=3, code="A", change="present"),
        Condition(sensor=1, after_ms=4, condition="silent"),
        Counted(sensor=0, after_ms=5, total=3),
    ]
    thinned = thin([batch(10, readings)], "full")
    assert thinned is not None
    assert [seq for seq, _ in stays(thinned)] == [11, 13, 14, 15]


def test_what_was_thinned_takes_in_what_came_after_it_in_the_same_hour() -> None:
    first = thin([batch(1, [weighed(minute) for minute in range(10)])], "full")
    assert first is not None
    second = thin([first, batch(11, [weighed(minute) for minute in range(10, 30)])], "full")
    assert second is not None
    assert stays(second) == [(30, "a")]
    assert (second.first_seq, second.last_seq) == (1, 30)


def test_where_nothing_can_be_spared_nothing_is_made() -> None:
    events: list[Reading] = [Condition(sensor=0, after_ms=0, condition="fault")] * 3
    assert thin([batch(1, events)], "full") is None
    assert thin([batch(1, [weighed(1), weighed(61)])], "full") is None


@given(st.lists(st.integers(-600, 600), min_size=2, max_size=60))
def test_what_stays_is_in_its_place_and_the_wire_takes_it(minutes: list[int]) -> None:
    whole = batch(5, [weighed(minute, minute % 2) for minute in minutes])
    thinned = thin([whole], "full")
    if thinned is None:
        return
    assert codec.decode(codec.encode(thinned)) == thinned
    said = {row.seq: (row.sensor, row.measured_ms) for row in placed(whole)}
    kept = {row.seq: (row.sensor, row.measured_ms) for row in placed(thinned)}
    assert kept.items() < said.items()
    assert {sensor for sensor, _ in kept.values()} == {sensor for sensor, _ in said.values()}
