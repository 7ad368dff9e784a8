import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.core.bin_policies import (
    BinPolicy,
    Seen,
    Used,
    ask,
    cycle_of,
    expected_usage,
    low_at,
    plain_calendar,
    policy_for,
)
from cloud.core.breaches import Limits
from cloud.core.evidence import recomputed
from cloud.core.plain import Plain, canonical
from cloud.core.planned_usage import Planned
from cloud.core.policies.base import Ask, Place, Rounding, Wait
from cloud.core.policies.can_order import CanOrder
from cloud.core.refusals import PolicyUnreadable
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
        (
            replace(PLAIN, name="fixed_quantity", parameters={"quantity": 200, "multiples": True}),
            500,
        ),
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


STEPS: list[Plain] = [
    {"name": "full", "fewest": 800, "most": 1_000},
    {"name": "half", "fewest": 300, "most": 799},
    {"name": "empty", "fewest": 0, "most": 299},
]
EACH: dict[str, dict[str, Plain]] = {
    "min_max": {},
    "fixed_quantity": {"quantity": 500, "multiples": True},
    "periodic": {"every_days": 7, "first_day": "2026-11-20"},
    "days_of_supply": {"days_min": 5, "days_max": 20, "rate_milli_per_day": 100_000},
    "can_order": {"can_order": 700},
    "two_bin": {"container": 500, "containers": 2},
    "level_steps": {"steps": STEPS, "order_at": "half"},
}


def _set(name: str, **more: object) -> BinPolicy:
    return replace(PLAIN, name=name, parameters=EACH[name], **more)  # type: ignore[arg-type]  # of this class


@pytest.mark.parametrize(
    ("name", "pieces", "quantity"),
    [
        ("min_max", 412, 1_500),
        ("fixed_quantity", 412, 500),
        ("periodic", 1_400, 500),  # a Friday, its round: whatever is left
        ("days_of_supply", 412, 1_500),
        ("can_order", 412, 1_500),
        ("two_bin", 500, 500),  # one begun, one empty
        ("level_steps", 412, 1_000),  # half may be 799: room for so many more
    ],
)
def test_every_policy_is_made_of_what_is_stored_and_of_the_bin(
    name: str, pieces: int, quantity: int
) -> None:
    answer = ask(_set(name), LIMITS, 500, Seen(pieces=pieces, cycle=1), NOON)
    assert isinstance(answer.decision, Place), answer.decision
    assert answer.decision.quantity == quantity
    assert isinstance(answer.inputs, dict)
    assert recomputed(answer.inputs) == answer.inputs["decision"]


@pytest.mark.parametrize(
    ("name", "pieces"), [("min_max", 501), ("days_of_supply", 501), ("two_bin", 501)]
)
def test_every_policy_waits_where_it_has_enough(name: str, pieces: int) -> None:
    assert isinstance(
        ask(_set(name), LIMITS, 500, Seen(pieces=pieces, cycle=1), NOON).decision, Wait
    )


@pytest.mark.parametrize("name", EACH)
@given(
    pieces=st.integers(0, 3_000),
    plans=st.lists(st.integers(1, 900), max_size=2),
    lines=st.sampled_from([(), (ON_ITS_WAY,)]),
)
def test_whatever_the_policy_the_decision_can_be_made_again_from_its_text(
    name: str, pieces: int, plans: list[int], lines: tuple[OpenLine, ...]
) -> None:
    first, last = date(2026, 11, 21), date(2026, 11, 23)
    planned = tuple(
        Planned(from_day=first, to_day=last, pieces=pieces, zone="UTC") for pieces in plans
    )
    seen = Seen(pieces=pieces, cycle=1, lines=lines, orders_in_cycle=len(lines), planned=planned)
    inputs = ask(_set(name), LIMITS, 100, seen, NOON).inputs
    kept = json.loads(canonical(inputs))
    assert canonical(recomputed(kept)) == canonical(kept["decision"])


def test_a_round_is_a_cycle_of_its_own() -> None:
    policy = policy_for(_set("periodic"), LIMITS)
    assert cycle_of(policy, 7, NOON) == 1
    assert cycle_of(policy, 7, NOON + timedelta(days=7)) == 2
    assert cycle_of(policy_for(PLAIN, LIMITS), 7, NOON) == 7
    between = ask(_set("periodic"), LIMITS, 500, Seen(pieces=9, cycle=1), NOON + timedelta(days=1))
    assert between.decision.because == "9 on hand; the next review is in 6 days."


def test_containers_that_were_begun_are_not_empty_and_both_empty_ask_a_person() -> None:
    for pieces, empty in ((1_000, 0), (501, 0), (500, 1), (1, 1), (0, 2), (9_999, 0)):
        inputs = ask(_set("two_bin"), LIMITS, 500, Seen(pieces=pieces, cycle=1), NOON).inputs
        assert isinstance(inputs, dict)
        stock = inputs["stock"]
        assert isinstance(stock, dict)
        assert stock["empty_containers"] == empty


def test_between_two_steps_the_lower_one_holds() -> None:
    for pieces, step in (
        (1_200, "full"),
        (800, "full"),
        (799, "half"),
        (299, "empty"),
        (0, "empty"),
    ):
        inputs = ask(_set("level_steps"), LIMITS, 100, Seen(pieces=pieces, cycle=1), NOON).inputs
        assert isinstance(inputs, dict)
        stock = inputs["stock"]
        assert isinstance(stock, dict)
        assert stock["step"] == step


def test_usage_that_is_planned_moves_the_order_forward_and_back() -> None:
    plan = Planned(from_day=date(2026, 11, 23), to_day=date(2026, 11, 24), pieces=400, zone="UTC")
    seen = Seen(pieces=812, cycle=1, planned=(plan,))
    decision = ask(PLAIN, LIMITS, 500, seen, NOON).decision
    assert decision.because.startswith("812 on hand - 400 planned = 412, minimum 500")
    without = ask(PLAIN, LIMITS, 500, _with(seen, planned=()), NOON).decision
    assert without.because == "812 on hand; ordered from 500 on."
    far = replace(plan, from_day=date(2027, 3, 1), to_day=date(2027, 3, 2))
    assert isinstance(ask(PLAIN, LIMITS, 500, _with(seen, planned=(far,)), NOON).decision, Wait)


def test_a_decision_names_the_versions_it_was_made_by() -> None:
    said = replace(PLAIN, settings_version=4, calendar_version=2)
    answer = ask(said, LIMITS, 500, Seen(pieces=900, cycle=1), NOON)
    assert isinstance(answer.inputs, dict)
    assert answer.inputs["settings"] == {"version": 4, "calendar_version": 2}
    other = ask(replace(said, settings_version=5), LIMITS, 500, Seen(pieces=900, cycle=1), NOON)
    assert other.sameness != answer.sameness


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("guess", {}),
        ("fixed_quantity", {}),
        ("fixed_quantity", {"quantity": 0}),
        ("fixed_quantity", {"quantity": 1.5}),
        ("fixed_quantity", {"quantity": 5, "colour": 1}),
        ("periodic", {"every_days": 7, "first_day": "soon"}),
        ("level_steps", {"steps": [], "order_at": "half"}),
        ("can_order", {"can_order": "many"}),
    ],
)
def test_what_no_policy_can_be_made_of_is_refused_in_words(
    name: str, parameters: dict[str, Plain]
) -> None:
    with pytest.raises(PolicyUnreadable, match=f"The policy {name}, version 1, cannot be made"):
        policy_for(replace(PLAIN, name=name, parameters=parameters), LIMITS)


def test_a_level_that_the_bin_moved_past_is_taken_as_far_as_it_goes() -> None:
    for minimum, up_to, level in ((900, None, 900), (100, 300, 299)):
        limits = replace(LIMITS, minimum=minimum)
        policy = policy_for(_set("can_order", order_up_to=up_to), limits)
        assert isinstance(policy, CanOrder)
        assert policy.can_order == level


def test_each_policy_says_from_which_position_on_it_orders() -> None:
    found = {name: low_at(policy_for(_set(name), LIMITS), LIMITS) for name in EACH}
    assert found == {
        "min_max": 500,
        "fixed_quantity": 500,
        "can_order": 500,
        "days_of_supply": 500,
        "periodic": None,
        "two_bin": None,
        "level_steps": None,
    }
