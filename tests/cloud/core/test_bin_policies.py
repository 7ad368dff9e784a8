from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.core.bin_policies import BinPolicy, Seen, Used, ask, expected_usage, plain_calendar
from cloud.core.breaches import Limits
from cloud.core.evidence import recomputed
from cloud.core.policies.base import Ask, Place, Rounding, Wait
from cloud.core.stock import OpenLine

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LIMITS = Limits(minimum=500, margin=20, capacity=2_000)
PLAIN = BinPolicy(calendar=plain_calendar("UTC"))
ON_ITS_WAY = OpenLine(
    order_id=UUID(int=1), label="RO-1001", cycle=1, ordered=1_500, expected_at=NOON
)


def _with(seen: Seen, **changes: object) -> Seen:
    return replace(seen, **changes)  # type: ignore[arg-type]  # of this class


@given(pieces=st.integers(0, 10**6), capacity=st.integers(2, 10**6), pack=st.integers(1, 10**6))
def test_by_default_a_low_bin_is_filled_in_whole_packs_and_never_overfilled(
    pieces: int, capacity: int, pack: int
) -> None:
    limits = Limits(minimum=capacity - 1, margin=0, capacity=capacity)
    answer = ask(PLAIN, limits, pack, Seen(pieces=pieces, cycle=1), NOON)
    match answer.decision:
        case Place(quantity=quantity, packs=packs):
            assert quantity == packs * pack > 0
            assert pieces + quantity <= capacity < pieces + quantity + pack
        case Wait():
            assert pieces + pack > capacity
    assert answer.decision.because


@pytest.mark.parametrize(
    ("settings", "quantity"),
    [
        (PLAIN, 1_500),
        (replace(PLAIN, order_up_to=1_000), 1_000),  # whole packs up, and they fit
        (replace(PLAIN, name="fixed_quantity", quantity=200), 500),
        (replace(PLAIN, order_up_to=600, minimum_order=700), 1_000),
        (replace(PLAIN, order_up_to=600, rounding=Rounding.STOP_AND_ASK), None),
    ],
)
def test_what_is_set_for_a_bin_decides_how_much(settings: BinPolicy, quantity: int | None) -> None:
    decision = ask(settings, LIMITS, 500, Seen(pieces=412, cycle=1), NOON).decision
    assert (decision.quantity if isinstance(decision, Place) else None) == quantity
    if quantity is None:
        assert isinstance(decision, Wait)
        assert decision.ask is Ask.ROUNDING


def test_an_order_covers_until_its_grace_is_over() -> None:
    seen = Seen(pieces=412, cycle=1, lines=(ON_ITS_WAY,), orders_in_cycle=1)
    in_time = ask(PLAIN, LIMITS, 500, seen, NOON + timedelta(hours=24)).decision
    assert in_time.because == "RO-1001 is on its way for this breach."
    given_up = ask(PLAIN, LIMITS, 500, seen, NOON + timedelta(hours=24, seconds=1)).decision
    # It would order once more, and keeps room for what may still come: 2,000 - 412 - 1,500.
    assert isinstance(given_up, Wait)
    assert given_up.ask is Ask.NO_ROOM


def test_what_the_scale_saw_come_is_no_longer_on_order() -> None:
    seen = Seen(pieces=412, cycle=1, lines=(ON_ITS_WAY,), orders_in_cycle=1, unbooked=1_500)
    assert isinstance(ask(PLAIN, LIMITS, 500, seen, NOON).decision, Place)


def test_it_is_a_rush_when_the_bin_is_expected_to_run_out_before_the_order_comes() -> None:
    slow, fast = (Used(pieces=used, over=timedelta(days=7)) for used in (350, 490))
    for used, rush in ((None, False), (slow, False), (fast, True)):
        decision = ask(PLAIN, LIMITS, 500, Seen(pieces=412, cycle=1, used=used), NOON).decision
        assert isinstance(decision, Place)
        assert decision.rush is rush


@given(pieces=st.integers(-5, 10**6), days=st.integers(1, 400), ahead=st.integers(-3, 400))
def test_usage_ahead_is_whole_and_rather_more(pieces: int, days: int, ahead: int) -> None:
    told = expected_usage(Used(pieces=pieces, over=timedelta(days=days)), timedelta(days=ahead))
    exact = max(0, pieces) * max(0, ahead) / days
    assert exact <= told + 1e-6
    assert told < exact + 1 + 1e-6


def test_the_same_is_said_until_the_reason_is_another() -> None:
    seen = Seen(pieces=900, cycle=1)
    base = ask(PLAIN, LIMITS, 500, seen, NOON)
    later = NOON + timedelta(hours=1)
    assert ask(PLAIN, LIMITS, 500, _with(seen, pieces=880), later).sameness == base.sameness
    others = [
        ask(PLAIN, LIMITS, 500, _with(seen, pieces=412), NOON),
        ask(PLAIN, LIMITS, 500, _with(seen, cycle=2), NOON),
        ask(PLAIN, LIMITS, 100, seen, NOON),
        ask(PLAIN, replace(LIMITS, minimum=400), 500, seen, NOON),
    ]
    assert len({one.sameness for one in (base, *others)}) == len(others) + 1


@given(pieces=st.integers(0, 3_000), pack=st.integers(1, 2_000), used=st.integers(0, 10**5))
def test_what_was_decided_can_be_decided_again_from_what_is_kept(
    pieces: int, pack: int, used: int
) -> None:
    seen = Seen(pieces=pieces, cycle=3, used=Used(pieces=used, over=timedelta(days=28)))
    inputs = ask(PLAIN, LIMITS, pack, seen, NOON).inputs
    assert isinstance(inputs, dict)
    assert recomputed(inputs) == inputs["decision"]
