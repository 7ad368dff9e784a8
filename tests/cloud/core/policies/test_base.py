from datetime import UTC, datetime

import pytest

from cloud.core.policies.base import Ask, Place, Rounding, Terms, Wait, order_up_to, reason_to_wait
from cloud.core.stock import Stock

NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)


def stock(on_hand: int, **others: object) -> Stock:
    return Stock(at=NOW, arrives_at=NOW, covers_until=NOW, on_hand=on_hand, **others)  # type: ignore[arg-type]  # one call, many fields


@pytest.mark.parametrize(
    ("rounding", "on_hand", "capacity", "answer"),
    [
        (Rounding.UP, 5, 200, 96),
        (Rounding.UP, 5, 100, Ask.NO_ROOM),
        (Rounding.DOWN_TO_CAPACITY, 5, 200, 96),
        (Rounding.DOWN_TO_CAPACITY, 5, 100, 72),
        (Rounding.DOWN_TO_CAPACITY, 90, 100, Ask.NO_ROOM),
        (Rounding.STOP_AND_ASK, 5, 200, Ask.ROUNDING),
        (Rounding.STOP_AND_ASK, 4, 100, 96),
        (Rounding.STOP_AND_ASK, 4, 99, Ask.ROUNDING),
    ],
)
def test_what_whole_packs_do_at_the_limits_has_a_name(
    rounding: Rounding, on_hand: int, capacity: int, answer: int | Ask
) -> None:
    terms = Terms(pack=24, capacity=capacity, rounding=rounding)
    decision = order_up_to(100, stock(on_hand), terms, "low")
    match decision:
        case Place(quantity=quantity):
            assert quantity == answer
        case Wait(ask=ask):
            assert ask == answer


def test_a_minimum_order_that_does_not_fit_is_for_a_person() -> None:
    terms = Terms(minimum_order=50, capacity=40)
    decision = order_up_to(40, stock(2), terms, "2 on hand")
    assert decision == Wait(because="2 on hand; 50 or more do not fit into 38.", ask=Ask.NO_ROOM)


def test_a_minimum_order_larger_than_the_wish_is_ordered_whole() -> None:
    decision = order_up_to(20, stock(10), Terms(minimum_order=25, pack=10), "low")
    assert decision == Place(
        quantity=30, packs=3, cycle=1, ordinal=1, rush=False,
        because="low; 10 wanted, 3 packs of 10 ordered.",
    )  # fmt: skip


def test_suspect_pieces_do_not_count_and_still_take_room() -> None:
    decision = order_up_to(60, stock(40, quarantined=25), Terms(pack=5, capacity=60), "low")
    assert isinstance(decision, Place)
    assert decision.quantity == 20


def test_an_order_before_which_the_bin_runs_out_is_a_rush() -> None:
    for usage, rush in ((10, False), (11, True)):
        decision = order_up_to(60, stock(10, expected_usage=usage), Terms(), "low")
        assert isinstance(decision, Place)
        assert decision.rush is rush


def test_an_order_promised_too_late_is_not_doubled_but_told() -> None:
    late = stock(0, later=50, live_in_cycle=("RO-7",))
    assert reason_to_wait(late, Terms()) == Wait(
        because="RO-7 is on its way for this breach, and is promised too late to help.",
        ask=Ask.PROMISED_LATE,
    )
    assert reason_to_wait(late, Terms(one_per_cycle=False)) is None
