from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from cloud.core.stock import OpenLine, PlannedUsage, Stock, stock_of, without_unbooked

NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)
DAY = timedelta(days=1)


def line(
    number: int, quantity: int, in_days: int, *, received: int = 0, cycle: int = 1
) -> OpenLine:
    return OpenLine(
        order_id=UUID(int=number),
        label=f"RO-{number}",
        cycle=cycle,
        ordered=quantity,
        received=received,
        expected_at=NOW + in_days * DAY,
    )


def seen(*lines: OpenLine, on_hand: int = 10, unbooked: int = 0) -> Stock:
    return stock_of(
        now=NOW,
        arrives_at=NOW + timedelta(days=2),
        covers_until=NOW + 7 * DAY,
        grace=DAY,
        on_hand=on_hand,
        lines=lines,
        unbooked=unbooked,
    )


def test_an_order_counts_while_it_can_help() -> None:
    stock = seen(line(1, 5, 7), line(2, 6, 8), line(3, 7, -1), line(4, 9, -2))
    assert (stock.covering, stock.later, stock.overdue) == (5 + 7, 6, 9)
    assert stock.position == 22
    assert stock.live_in_cycle == ("RO-3", "RO-1", "RO-2")  # as they are due


def test_a_rush_is_reckoned_with_what_comes_before_the_order_would() -> None:
    stock = stock_of(
        now=NOW, arrives_at=NOW + 2 * DAY, covers_until=NOW + 7 * DAY, grace=DAY, on_hand=10,
        lines=[line(1, 5, 1), line(2, 50, 2)], expected_usage=16,
    )  # fmt: skip
    assert (stock.first, stock.covering, stock.lowest_expected) == (5, 55, -1)


def test_what_aged_out_blocks_nothing_and_still_takes_room() -> None:
    stock = seen(line(4, 9, -2))
    assert stock.position == 10
    assert stock.live_in_cycle == ()
    assert stock.room(100) == 100 - 10 - 9


def test_a_part_that_came_is_on_the_scale_and_no_longer_on_order() -> None:
    assert seen(line(1, 20, 2, received=15)).covering == 5
    assert seen(line(1, 20, 2, received=25)).covering == 0


def test_what_the_scale_saw_before_anybody_booked_it_is_counted_once() -> None:
    before = seen(line(1, 20, 1), line(2, 20, 3), on_hand=10)
    after = seen(line(1, 20, 1), line(2, 20, 3), on_hand=35, unbooked=25)
    booked = seen(line(1, 20, 1, received=20), line(2, 20, 3, received=5), on_hand=35)
    assert before.position == after.position == booked.position == 50


def test_planned_usage_moves_the_position_and_taking_it_out_moves_it_back() -> None:
    planned = [
        PlannedUsage(at=NOW + DAY, pieces=4),
        PlannedUsage(at=NOW + 30 * DAY, pieces=100),
        PlannedUsage(at=NOW - DAY, pieces=50),
    ]
    stock = stock_of(
        now=NOW,
        arrives_at=NOW + timedelta(days=2),
        covers_until=NOW + 7 * DAY,
        grace=DAY,
        on_hand=10,
        planned=planned,
    )
    assert (stock.planned, stock.position) == (4, 6)
    assert seen().position == 10


quantities = st.integers(0, 1_000)
LINES = st.lists(st.tuples(quantities, st.integers(-5, 20), quantities), max_size=6)


@given(lines=LINES, unbooked=quantities, on_hand=quantities)
def test_no_piece_on_order_is_lost_or_counted_twice(
    lines: list[tuple[int, int, int]], unbooked: int, on_hand: int
) -> None:
    made = [
        line(n, quantity, days, received=received)
        for n, (quantity, days, received) in enumerate(lines)
    ]
    stock = seen(*made, on_hand=on_hand, unbooked=unbooked)
    outstanding = sum(one.outstanding for one in made)
    assert stock.covering + stock.later + stock.overdue == max(0, outstanding - unbooked)
    assert all(one.outstanding >= 0 for one in without_unbooked(made, unbooked))


def test_what_is_owed_to_others_can_be_more_than_there_is() -> None:
    stock = Stock(
        at=NOW, arrives_at=NOW, covers_until=NOW, on_hand=3, backorders=5, expected_usage=4
    )
    assert (stock.position, stock.lowest_expected) == (-2, -6)
