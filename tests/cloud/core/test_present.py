from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cloud.core.present import Latest, News, Place, Placed, State, is_newer, moved, newest
from cloud.core.readings import Reading, to_ms

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
NOW_MS = to_ms(NOW)
ORIGIN = Place(1, 1, 5, 0, 0)


def reading(seq: int, after_s: float, weight_mg: int | None = 1, condition: str = "") -> Reading:
    return Reading(
        sensor=0,
        seq=seq,
        at_ms=NOW_MS + int(after_s * 1000),
        weight_mg=None if condition else weight_mg,
        total=None,
        condition=condition or None,
        because=None,
        stability=0,
        quality=0,
        clock_trusted=True,
    )


def placed(said: Reading, sensor_id: int = 1, **where: Any) -> Placed:
    place = ORIGIN._replace(seq=said.seq, at_ms=said.at_ms)._replace(**where)
    return Placed(sensor_id, place, said)


def test_within_a_stream_the_sequence_decides_and_not_the_clock() -> None:
    """The clock was set back by an hour between the two."""
    before, after = placed(reading(1, 3_600)), placed(reading(2, 0))
    assert is_newer(after.place, before.place)
    assert not is_newer(before.place, after.place)


def test_a_reader_that_is_back_has_no_condition_any_more() -> None:
    silent, back = (
        placed(reading(1, 0, condition="silent")),
        placed(reading(2, 1, condition="back")),
    )
    there = moved(None, News(1, silent, None), NOW)
    assert there is not None
    assert there.state.condition == "silent"
    after = moved(there.state, News(1, back, None), NOW)
    assert after is not None
    assert (after.due, after.state.condition) == (True, None)


def test_between_the_streams_of_a_gateway_the_life_decides() -> None:
    """Backlog of the older life comes late, with a clock that ran ahead."""
    new, old = placed(reading(1, 0), stream_no=1, life=6), placed(reading(9, 99), stream_no=2)
    assert is_newer(new.place, old.place)
    assert not is_newer(old.place, new.place)


def test_without_a_life_or_of_another_gateway_the_time_decides() -> None:
    for where in ({"life": 0}, {"gateway_id": 2, "life": 9}):
        early, late = placed(reading(9, 0), stream_no=2, **where), placed(reading(1, 5))
        assert is_newer(late.place, early.place)
        assert not is_newer(early.place, late.place)


places = st.builds(
    Place,
    st.just(1),
    st.integers(1, 3),
    st.just(0),
    st.integers(1, 5),
    st.integers(0, 5),
)


@given(places, places, st.sampled_from([0, 1]))
def test_of_two_different_places_one_is_newer(one: Place, other: Place, lived: int) -> None:
    one, other = (
        one._replace(life=lived * one.stream_no),
        other._replace(life=lived * other.stream_no),
    )
    if (one.stream_no, one.seq) != (other.stream_no, other.seq):
        assert is_newer(one, other) != is_newer(other, one)


@given(st.permutations([reading(seq, seq % 5) for seq in range(1, 12)]))
def test_the_order_of_arrival_means_nothing(said: list[Reading]) -> None:
    (news,) = newest(map(placed, said))
    assert news.number is not None
    assert news.number.place.seq == 11


def test_a_condition_is_heard_and_leaves_the_number_alone() -> None:
    (news,) = newest([placed(reading(1, 0, 500)), placed(reading(2, 1, None, "overload"))])
    assert news.heard.reading.condition == "overload"
    assert news.number is not None
    assert (news.number.reading.weight_mg, news.number.place.seq) == (500, 1)


def test_sensors_are_kept_apart() -> None:
    news = newest([placed(reading(1, 0, 7), 2), placed(reading(2, 0, 8), 1)])
    found = [(item.sensor_id, item.number and item.number.reading.weight_mg) for item in news]
    assert found == [(1, 8), (2, 7)]


outcomes = st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=30)


@given(outcomes, st.integers(1, 30))
def test_the_latest_of_batches_are_the_newest_of_all_their_readings(
    said: list[tuple[int, bool]], size: int
) -> None:
    readings = [
        reading(seq, 0, 5, "" if is_number else "fault")._replace(sensor=sensor)
        for seq, (sensor, is_number) in enumerate(said, 1)
    ]
    latest = Latest(ORIGIN)
    for start in range(0, len(readings), size):
        latest.add(readings[start : start + size], [10, 11, 12])
    every = [placed(one, [10, 11, 12][one.sensor]) for one in readings]
    assert newest(latest.placed({})) == newest(every)


@given(st.permutations([reading(seq, -seq, seq % 3, "fault" * (seq % 2)) for seq in range(1, 9)]))
def test_the_present_is_the_newest_of_all_that_was_ever_told(said: list[Reading]) -> None:
    state: State | None = None
    for one in said:
        number = None if one.condition else placed(one)
        change = moved(state, News(1, placed(one), number), NOW)
        state = change.state if change else state
    assert state is not None
    assert (state.heard.seq, state.condition) == (8, None)
    assert state.number_at is not None
    assert state.number_at.seq == 8


def test_the_same_number_heard_again_moves_and_gives_nothing_to_do() -> None:
    first = moved(None, News(1, placed(reading(1, 0)), placed(reading(1, 0))), NOW)
    assert first is not None
    assert first.due
    again = moved(first.state, News(1, placed(reading(2, 1)), placed(reading(2, 1))), NOW)
    assert again is not None
    assert not again.due
    assert moved(again.state, News(1, placed(reading(1, 0)), placed(reading(1, 0))), NOW) is None


def test_another_number_moves_and_whether_the_level_did_is_for_who_follows_to_say() -> None:
    first = moved(None, News(1, placed(reading(1, 0)), placed(reading(1, 0))), NOW)
    assert first is not None
    other = moved(first.state, News(1, placed(reading(2, 1, 9)), placed(reading(2, 1, 9))), NOW)
    assert other is not None
    assert other.state.number is not None
    assert (other.state.number.weight_mg, other.due) == (9, False)
    doubtful = placed(reading(3, 2, 9)._replace(quality=1))
    worse = moved(other.state, News(1, doubtful, doubtful), NOW)
    assert worse is not None
    assert worse.due
