from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from cloud.core import kpis
from cloud.core.bin_days import CountedAt, Moved, day_of, days_of, midnight
from cloud.core.kpis import Counted, CountSums, Lasted, Since

MONDAY = date(2026, 11, 2)
DAWN = midnight(MONDAY)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def moved(hour: int, pieces: int, after: int, kind: str = "usage") -> Moved:
    return Moved(at=DAWN + hour * HOUR, kind=kind, pieces=pieces, after_pieces=after)


def test_a_day_says_what_was_used_filled_and_held_at_its_end() -> None:
    story = [
        moved(-5, 100, 100, "opening"),
        moved(8, -30, 70),
        moved(9, 5, 75, "put_back"),
        moved(30, -75, 0),
        moved(42, 200, 200, "refill"),
        moved(43, -1, 199, "correction"),
    ]
    first, second = days_of(story, [], [], MONDAY, DAWN + 2 * DAY)
    assert (first.day, first.used, first.filled, first.held) == (MONDAY, 25, 0, 75)
    assert (second.used, second.filled, second.held) == (75, 200, 199)
    assert (second.lasted.stock_outs, second.lasted.empty) == (1, 12 * HOUR)


def test_the_last_day_is_as_long_as_it_has_lasted_and_none_is_before_the_first_level() -> None:
    days = days_of([moved(30, 5, 5, "opening")], [], [], MONDAY, DAWN + 2 * DAY + HOUR)
    assert [one.day for one in days] == [MONDAY + DAY, MONDAY + 2 * DAY]
    assert (days[0].lasted.window, days[0].lasted.known) == (DAY, 18 * HOUR)
    assert (days[1].upto_at, days[1].lasted.window) == (DAWN + 2 * DAY + HOUR, HOUR)
    assert days_of([], [], [], MONDAY, DAWN + DAY) == []
    assert days_of([moved(-1, 5, 5)], [], [], MONDAY, DAWN) == []


def test_a_day_that_begins_empty_goes_on_with_the_stock_out_of_the_day_before() -> None:
    story = [moved(-5, 9, 9, "opening"), moved(20, -9, 0), moved(26, 9, 9, "refill")]
    silence = (DAWN + 22 * HOUR, DAWN + 25 * HOUR)
    first, second = days_of(story, [silence], [], MONDAY, DAWN + 2 * DAY)
    assert (first.lasted.stock_outs, first.held) == (1, None)
    assert (second.lasted.stock_outs, second.resumed_empty) == (1, True)
    assert first.lasted.then(second.lasted).stock_outs == 1


def test_a_day_holds_what_was_counted_against_what_was_held() -> None:
    counts = [
        CountedAt(at=DAWN + hour * HOUR, counted=Counted(physical=100, system=system))
        for hour, system in ((1, 99), (2, 110), (25, 100))
    ]
    first, second = days_of(
        [moved(-1, 9, 9, "opening")], [], counts, MONDAY, DAWN + 2 * DAY
    )  # fmt: skip
    assert first.counts == CountSums(counts=2, hits=1, physical=200, off=11, net=9)
    assert second.counts.counts == 1


@given(
    story=st.lists(st.tuples(st.integers(-30, 200), st.integers(0, 4)), min_size=1, max_size=12),
    silences=st.lists(st.tuples(st.integers(-10, 200), st.integers(1, 40)), max_size=4),
    hours=st.integers(1, 200),
)
def test_days_put_together_say_what_the_whole_time_says(
    story: list[tuple[int, int]], silences: list[tuple[int, int]], hours: int
) -> None:
    at, levels = sorted(hour for hour, _ in story), [pieces for _, pieces in story]
    before = [hour for hour in at if hour < 0][:-1]  # the last one before is the one to begin with
    moves = [
        moved(hour, 0, pieces)
        for hour, pieces in zip(at, levels, strict=True)
        if hour not in before and hour < hours
    ]
    gaps = [(DAWN + begun * HOUR, DAWN + (begun + for_) * HOUR) for begun, for_ in silences]
    until = DAWN + hours * HOUR
    days = days_of(moves, gaps, [], MONDAY, until)
    together = Lasted()
    for day in days:
        together = together.then(day.lasted)
    if not moves:
        assert days == []
        return
    from_at = midnight(max(MONDAY, day_of(moves[0].at)))
    known = kpis.without_silences(
        [Since(at=max(from_at, m.at), pieces=m.after_pieces) for m in moves],
        [(max(from_at, begun), min(ended, until)) for begun, ended in gaps],
        from_at,
    )
    whole = kpis.lasted([one for one in known if one.at < until], until)
    assert together.window == whole.window
    assert (together.known, together.empty) == (whole.known, whole.empty)
    assert together.stock_outs == whole.stock_outs
    assert abs(together.piece_hours - whole.piece_hours) < 1e-6


def test_midnight_is_of_utc() -> None:
    assert midnight(MONDAY) == datetime(2026, 11, 2, tzinfo=UTC)
    assert day_of(datetime.fromisoformat("2026-11-02T00:30+02:00")) == date(2026, 11, 1)
