from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from cloud.core.present import AHEAD_MAX, BEHIND_MAX, newest
from cloud.core.readings import Reading

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def reading(seq: int, after_s: float, weight_mg: int | None = 1, condition: str = "") -> Reading:
    return Reading(
        "s01",
        seq,
        NOW + timedelta(seconds=after_s),
        None if condition else weight_mg,
        None,
        condition or None,
        None,
        0,
        0,
        True,  # noqa: FBT003 - a tuple's last place
    )


@given(st.permutations([(1, 1, reading(seq, seq % 5)) for seq in range(1, 12)]))
def test_the_order_of_arrival_means_nothing(said: list[tuple[int, int, Reading]]) -> None:
    (news,) = newest(said, NOW)
    assert news.number is not None
    assert (news.number.measured_at, news.number.seq) == (NOW + timedelta(seconds=4), 9)


def test_a_condition_is_heard_and_leaves_the_number_alone() -> None:
    (news,) = newest([(1, 1, reading(1, 0, 500)), (1, 1, reading(2, 1, None, "overload"))], NOW)
    assert news.heard == (NOW + timedelta(seconds=1), "overload")
    assert news.number is not None
    assert (news.number.weight_mg, news.number.measured_at) == (500, NOW)


def test_at_the_same_instant_a_condition_outweighs_a_number() -> None:
    both = [(1, 1, reading(1, 0)), (1, 1, reading(2, 0, None, "fault"))]
    assert newest(both, NOW)[0].heard.condition == "fault"
    assert newest(both[::-1], NOW)[0].heard.condition == "fault"


def test_a_later_stream_wins_at_the_same_instant() -> None:
    (news,) = newest([(1, 2, reading(1, 0, 7)), (1, 1, reading(9, 0, 8))], NOW)
    assert news.number is not None
    assert news.number.weight_mg == 7


def test_sensors_are_kept_apart() -> None:
    news = newest([(2, 1, reading(1, 0, 7)), (1, 1, reading(2, 0, 8))], NOW)
    assert [(item.sensor_id, item.number and item.number.weight_mg) for item in news] == [
        (1, 8),
        (2, 7),
    ]


def test_only_a_time_that_can_be_now_is_news() -> None:
    edges = (AHEAD_MAX.total_seconds(), -BEHIND_MAX.total_seconds())
    for edge in edges:
        assert newest([(1, 1, reading(1, edge))], NOW)
        beyond = edge + 1 if edge > 0 else edge - 1
        assert newest([(1, 1, reading(1, beyond))], NOW) == []
