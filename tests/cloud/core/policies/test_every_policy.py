"""What every policy promises, asked of each with stocks and terms drawn by lot."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.core.plain import canonical, plain_of
from cloud.core.policies.base import Place, Policy, Rounding, Terms, Wait
from cloud.core.policies.can_order import CanOrder
from cloud.core.policies.days_of_supply import DaysOfSupply
from cloud.core.policies.fixed_quantity import FixedQuantity
from cloud.core.policies.level_steps import LevelSteps, Step
from cloud.core.policies.min_max import MinMax
from cloud.core.policies.periodic import Periodic
from cloud.core.policies.registry import POLICIES, policy_of
from cloud.core.policies.two_bin import TwoBin
from cloud.core.stock import OpenLine, Stock, stock_of

NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)
UNTIL = NOW + timedelta(days=7)
few = st.integers(0, 400)


@st.composite
def min_maxes(draw: st.DrawFn) -> MinMax:
    low = draw(few)
    return MinMax(reorder_point=low, order_up_to=low + draw(st.integers(1, 400)))


@st.composite
def can_orders(draw: st.DrawFn) -> CanOrder:
    low, nearly, full = sorted(draw(st.lists(few, min_size=3, max_size=3)))
    return CanOrder(reorder_point=low, can_order=nearly, order_up_to=full + 1)


@st.composite
def days(draw: st.DrawFn) -> DaysOfSupply:
    low = draw(st.integers(0, 30))
    return DaysOfSupply(
        days_min=low,
        days_max=low + draw(st.integers(1, 30)),
        rate_milli_per_day=draw(st.integers(0, 50_000)),
    )


STEPS = (
    Step(name="full", fewest=100, most=200),
    Step(name="half", fewest=20, most=99),
    Step(name="empty", fewest=0, most=19),
)
MAKE: dict[str, st.SearchStrategy[Policy]] = {
    "min_max": min_maxes(),
    "fixed_quantity": st.builds(
        FixedQuantity, reorder_point=few, quantity=st.integers(1, 200), multiples=st.booleans()
    ),
    "periodic": st.builds(
        Periodic,
        order_up_to=st.integers(1, 800),
        every_days=st.integers(1, 14),
        first_day=st.dates(date(2026, 11, 1), date(2026, 12, 31)),
        zone=st.sampled_from(["Europe/Berlin", "Asia/Kolkata"]),
    ),
    "days_of_supply": days(),
    "can_order": can_orders(),
    "two_bin": st.builds(TwoBin, container=st.integers(1, 200), containers=st.integers(2, 6)),
    "level_steps": st.builds(
        LevelSteps,
        steps=st.just(STEPS),
        order_at=st.sampled_from(["full", "half", "empty"]),
        order_up_to=st.integers(1, 400),
    ),
}
TERMS = st.builds(
    Terms,
    pack=st.integers(1, 60),
    minimum_order=st.integers(1, 200),
    capacity=st.none() | st.integers(1, 800),
    rounding=st.sampled_from(Rounding),
    at_is_low=st.booleans(),
    one_per_cycle=st.booleans(),
)


@st.composite
def stocks(draw: st.DrawFn) -> Stock:
    on_hand = draw(few)
    return Stock(
        at=NOW,
        arrives_at=NOW,
        covers_until=UNTIL,
        doubt=draw(st.sampled_from(["", "", "", "the scale does not answer."])),
        on_hand=on_hand,
        at_most_more=draw(st.just(0) | st.integers(0, 50)),
        quarantined=draw(st.integers(0, on_hand)),
        covering=draw(st.just(0) | few),
        later=draw(st.just(0) | few),
        overdue=draw(st.just(0) | few),
        backorders=draw(st.just(0) | few),
        allocated=draw(st.just(0) | few),
        planned=draw(st.just(0) | few),
        expected_usage=draw(few),
        empty_containers=draw(st.integers(0, 6)),
        step=draw(st.sampled_from(["full", "half", "empty", "empty", "", "torn off"])),
    )


every_policy = pytest.mark.parametrize("name", sorted({name for name, _ in POLICIES}))


@every_policy
@given(draw=st.data(), stock=stocks(), terms=TERMS)
def test_an_order_is_whole_packs_above_zero_and_has_a_reason(
    name: str, draw: st.DataObject, stock: Stock, terms: Terms
) -> None:
    decision = draw.draw(MAKE[name]).decide(stock, terms, NOW)
    assert decision.because.endswith(".")
    assert len(decision.because) > len("None.")
    if isinstance(decision, Place):
        assert decision.quantity == decision.packs * terms.pack > 0
        assert decision.quantity >= terms.minimum_order
        assert not stock.doubt


@every_policy
@given(draw=st.data(), stock=stocks(), terms=TERMS)
def test_whatever_is_still_to_come_the_bin_never_overflows(
    name: str, draw: st.DataObject, stock: Stock, terms: Terms
) -> None:
    decision = draw.draw(MAKE[name]).decide(stock, terms, NOW)
    if isinstance(decision, Place) and terms.capacity is not None:
        coming = stock.covering + stock.later + stock.overdue + decision.quantity
        there = stock.on_hand + stock.at_most_more
        if name == "level_steps":
            there = {step.name: step.most for step in STEPS}[stock.step]
        assert there <= terms.capacity
        assert there + coming - stock.backorders <= terms.capacity


@every_policy
@given(draw=st.data(), stock=stocks(), terms=TERMS)
def test_a_doubted_level_is_never_ordered_on(
    name: str, draw: st.DataObject, stock: Stock, terms: Terms
) -> None:
    doubted = replace(stock, doubt="not heard of for 3 h.")
    decision = draw.draw(MAKE[name]).decide(doubted, terms, NOW)
    assert decision == Wait(because="The level is not trusted: not heard of for 3 h.")


@every_policy
@given(draw=st.data(), stock=stocks(), terms=TERMS, repeats=st.integers(1, 5))
def test_however_often_it_is_asked_there_is_one_order(
    name: str, draw: st.DataObject, stock: Stock, terms: Terms, repeats: int
) -> None:
    """Once per cycle, with the order of before on its way, promised in time or late."""
    policy = draw.draw(MAKE[name])
    terms = replace(terms, one_per_cycle=True)
    late = draw.draw(st.booleans())
    lines: list[OpenLine] = []
    for _ in range(repeats + 1):
        seen = stock_of(
            now=NOW,
            arrives_at=NOW + timedelta(days=2),
            covers_until=UNTIL,
            grace=timedelta(days=1),
            on_hand=stock.on_hand,
            lines=lines,
            empty_containers=stock.empty_containers,
            step=stock.step,
            orders_in_cycle=len(lines),
        )
        match policy.decide(seen, terms, NOW):
            case Place(quantity=quantity, ordinal=ordinal):
                line = OpenLine(
                    order_id=UUID(int=ordinal),
                    label=f"RO-{ordinal}",
                    cycle=1,
                    ordered=quantity,
                    expected_at=UNTIL + timedelta(days=3) if late else NOW,
                )
                lines.append(line)
    assert len(lines) <= 1


@every_policy
@given(draw=st.data(), stock=stocks(), terms=TERMS)
def test_stored_parameters_decide_the_same_again(
    name: str, draw: st.DataObject, stock: Stock, terms: Terms
) -> None:
    policy = draw.draw(MAKE[name])
    again = policy_of(policy.name, policy.version, plain_of(policy))
    assert again == policy
    first, second = (canonical(plain_of(one.decide(stock, terms, NOW))) for one in (policy, again))
    assert first == second


def test_every_policy_is_asked() -> None:
    assert {name for name, _ in POLICIES} == set(MAKE)
