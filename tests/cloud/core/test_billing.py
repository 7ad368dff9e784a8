from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.core.billing import bill
from cloud.core.followed import Movement, MovementKind, ReadingRange, ReadingRef

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
HERE = ReadingRange(ReadingRef(1, 1), ReadingRef(1, 2))


def moved(kind: str, pieces: int, sd: float = 0.0) -> Movement:
    return Movement(
        kind=MovementKind(kind),
        pieces=pieces,
        before_pieces=1000,
        after_pieces=1000 + pieces,
        event_at=NOON,
        known_at_reading=NOON,
        before=HERE,
        after=HERE,
        before_mg=0,
        after_mg=0,
        because="",
        sd_pieces=sd,
    )


@pytest.mark.parametrize(
    ("moves", "price", "pieces", "amount"),
    [
        ([("usage", -10), ("put_back", 2), ("usage", -3), ("refill", 100)], "0.5", 11, "5.5"),
        ([("usage", -5), ("swap", 60), ("usage", -1)], "2.0", 6, "12.0"),
        ([("opening", 500), ("put_back", 3)], "0.07", -3, "-0.21"),
        ([], "2.0", 0, "0.0"),
    ],
)
def test_what_was_used_is_billed_and_what_was_put_back_is_not(
    moves: list[tuple[str, int]], price: str, pieces: int, amount: str
) -> None:
    line = bill([moved(*move) for move in moves], Decimal(price))
    assert (line.pieces, line.amount, line.disputed) == (pieces, Decimal(amount), ())


def test_a_correction_is_disputed_and_never_billed() -> None:
    correction = moved("correction", -4)
    line = bill([moved("usage", -5), correction], Decimal(2))
    assert (line.pieces, line.disputed, line.disputed_pieces) == (5, (correction,), -4)


def test_a_bill_says_how_sure_it_is() -> None:
    line = bill([moved("usage", -5, 0.3), moved("put_back", 2, 0.4)], Decimal(1))
    assert line.sd_pieces == pytest.approx(0.5)


@given(st.lists(st.tuples(st.sampled_from(list(MovementKind)), st.integers(1, 500))))
def test_no_penny_is_lost_between_periods(moves: list[tuple[MovementKind, int]]) -> None:
    movements = [
        moved(kind, -pieces if kind is MovementKind.USAGE else pieces) for kind, pieces in moves
    ]
    price = Decimal("0.0137")
    cut = len(movements) // 2
    parts = [bill(part, price).amount for part in (movements[:cut], movements[cut:])]
    assert bill(movements, price).amount == sum(parts)
