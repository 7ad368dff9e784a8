from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.core import refusals
from cloud.core.breaches import Cover
from cloud.core.exceptions import (
    Action,
    AgreementFacts,
    BinFacts,
    Kind,
    OrderFacts,
    Snooze,
    cases,
    next_look,
    snooze,
)
from cloud.core.policies.base import Ask
from cloud.core.trust import Trust

NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
FINE = BinFacts(bin_id=1, name="A-1", pieces=50, reading="reading 7", maximum=100)
LOW = replace(FINE, pieces=5, breach_since=NOW - HOUR, breach="breach 3", runs_out_at=NOW + DAY)
SENT = OrderFacts(
    order_id="o1",
    label="RO-1",
    outstanding=10,
    sent_at=NOW - DAY,
    answered_at=NOW - DAY,
    answer_due_at=NOW - HOUR,
    promised_at=NOW + HOUR,
    delivery_closes_at=NOW + HOUR,
    overdue_at=NOW + DAY,
)


def kinds(*bins: BinFacts, now: datetime = NOW) -> list[Kind]:
    return [case.kind for case in cases(bins, now).open]


@pytest.mark.parametrize(
    ("facts", "kind", "action"),
    [
        (LOW, Kind.LOW_NOT_COVERED, Action.ORDER),
        (replace(LOW, cover=Cover.LATE), Kind.COVERED_LATE, Action.EXPEDITE),
        (
            replace(FINE, orders=(replace(SENT, answered_at=None),)),
            Kind.NO_ANSWER,
            Action.CALL_SUPPLIER,
        ),
        (
            replace(FINE, runs_out_at=NOW + timedelta(minutes=59), orders=(SENT,)),
            Kind.PROMISE_AFTER_RUN_OUT,
            Action.EXPEDITE,
        ),
        (
            replace(FINE, orders=(replace(SENT, delivery_closes_at=NOW - HOUR),)),
            Kind.DELIVERY_WITHOUT_WEIGHT,
            Action.LOOK_FOR_DELIVERY,
        ),
        (
            replace(FINE, counted=40, counted_at=NOW, count="count 1", count_tolerance=9),
            Kind.COUNT_DIFFERS,
            Action.COUNT_AGAIN,
        ),
        (
            replace(FINE, trust=Trust.STALE, trust_because="Silent.", untrusted_since=NOW - HOUR),
            Kind.SENSOR_DOWN,
            Action.CHECK_SCALE,
        ),
        (
            replace(FINE, orders=(replace(SENT, overdue_at=NOW - HOUR),)),
            Kind.ORDER_AGED_OUT,
            Action.DECIDE_ORDER,
        ),
        (
            replace(FINE, orders=(replace(SENT, sent_at=None, escalates_at=NOW - HOUR),)),
            Kind.APPROVAL_WAITS,
            Action.APPROVE,
        ),
        (
            replace(LOW, ask=Ask.NO_ROOM, ask_because="No pack fits.", ask_since=NOW),
            Kind.CANNOT_ORDER,
            Action.DECIDE_ORDER,
        ),
        (replace(FINE, pieces=101, over_since=NOW), Kind.OVERSTOCK, Action.LOWER_MAXIMUM),
    ],
)
def test_each_kind_has_a_cause_its_evidence_and_one_thing_to_do(
    facts: BinFacts, kind: Kind, action: Action
) -> None:
    (case,) = cases([facts], NOW).open
    assert (case.kind, case.action) == (kind, action)
    assert case.because.endswith(".")
    assert case.evidence


def test_nothing_that_goes_as_it_should_needs_a_person() -> None:
    assert kinds(FINE, replace(FINE, orders=(SENT,)), replace(LOW, cover=Cover.COVERED)) == []
    assert kinds(replace(FINE, counted=41, counted_at=NOW, count_tolerance=9)) == []
    ended = replace(SENT, outstanding=0, overdue_at=NOW - DAY)
    draft = replace(SENT, sent_at=None, overdue_at=NOW - DAY)
    assert kinds(replace(FINE, orders=(ended, draft))) == []


def test_a_dead_scale_says_so_and_its_old_number_says_nothing() -> None:
    dead = replace(LOW, trust=Trust.STALE, trust_because="Silent.", untrusted_since=NOW)
    assert kinds(dead) == [Kind.SENSOR_DOWN]


def test_a_dead_scale_does_not_say_that_nothing_came() -> None:
    dead = replace(FINE, trust=Trust.STALE, untrusted_since=NOW)
    facts = replace(dead, orders=(replace(SENT, delivery_closes_at=NOW - HOUR),))
    told = {case.kind: case.because for case in cases([facts], NOW).open}
    assert told[Kind.DELIVERY_WITHOUT_WEIGHT] == (
        "RO-1 was to come, and the scale cannot tell whether it did."
    )


def test_a_deadline_makes_a_case_the_moment_it_has_passed_and_says_when_to_look() -> None:
    facts = replace(FINE, orders=(replace(SENT, answered_at=None, answer_due_at=NOW),))
    assert kinds(facts) == []
    assert kinds(facts, now=NOW + timedelta(microseconds=1)) == [Kind.NO_ANSWER]
    assert next_look([facts], NOW) == timedelta(0)
    assert next_look([replace(FINE, orders=(SENT,))], NOW) == HOUR
    assert next_look([FINE], NOW) is None


def test_an_order_that_goes_wrong_in_several_ways_is_told_once() -> None:
    order = replace(
        SENT, answered_at=None, delivery_closes_at=NOW - HOUR, overdue_at=NOW - timedelta(minutes=1)
    )
    assert kinds(replace(FINE, orders=(order,))) == [Kind.ORDER_AGED_OUT]


def test_the_list_is_in_the_order_of_the_time_left() -> None:
    soon = replace(LOW, bin_id=2, runs_out_at=NOW + HOUR)
    critical = replace(LOW, bin_id=3, critical=True)
    over = replace(FINE, bin_id=4, pieces=101, over_since=NOW - DAY)
    found = cases([over, LOW, critical, soon], NOW).open
    assert [case.bin_id for case in found] == [2, 3, 1, 4]


def test_what_is_put_off_comes_back_when_its_time_is_over_and_goes_with_its_cause() -> None:
    (case,) = cases([LOW], NOW).open
    off = snooze(case, by="ada", because="counted by hand", until=NOW + HOUR, now=NOW)
    assert cases([LOW], NOW, [off]).open == ()
    assert cases([LOW], NOW, [off]).snoozed == (case,)
    assert cases([LOW], NOW + HOUR, [off]).open == (case,)
    assert cases([FINE], NOW, [off]).snoozed == ()


def test_putting_off_one_thing_does_not_silence_what_is_worse_or_new() -> None:
    late = replace(LOW, cover=Cover.LATE)
    (case,) = cases([late], NOW).open
    off = snooze(case, by="ada", because="known", until=NOW + DAY, now=NOW)
    assert cases([LOW], NOW, [off]).open
    assert cases([replace(late, breach="breach 4")], NOW, [off]).open


@pytest.mark.parametrize(("because", "until"), [(" ", NOW + DAY), ("known", NOW)])
def test_putting_off_takes_a_reason_and_an_end(because: str, until: datetime) -> None:
    (case,) = cases([LOW], NOW).open
    with pytest.raises(refusals.SnoozeWithoutReason):
        snooze(case, by="ada", because=because, until=until, now=NOW)


times = st.none() | st.integers(-48, 48).map(lambda hours: NOW + hours * HOUR)
ORDERS = st.builds(
    OrderFacts,
    order_id=st.sampled_from(["o1", "o2", "o3"]),
    label=st.just("RO"),
    outstanding=st.integers(0, 5),
    sent_at=times,
    answered_at=times,
    answer_due_at=times,
    promised_at=times,
    delivery_closes_at=times,
    shipped=st.booleans(),
    arrived=st.booleans(),
    overdue_at=times,
    escalates_at=times,
)
BINS = st.lists(
    st.builds(
        BinFacts,
        bin_id=st.integers(1, 10_000),
        name=st.just("A-1"),
        critical=st.booleans(),
        trust=st.sampled_from(Trust),
        untrusted_since=times,
        pieces=st.none() | st.integers(0, 200),
        breach_since=times,
        cover=st.sampled_from(Cover),
        runs_out_at=times,
        ask=st.none() | st.sampled_from(Ask),
        ask_since=times,
        maximum=st.none() | st.integers(1, 100),
        over_since=times,
        counted=st.none() | st.integers(0, 200),
        counted_at=times,
        orders=st.lists(ORDERS, max_size=3, unique_by=lambda order: order.order_id).map(tuple),
    ),
    max_size=6,
    unique_by=lambda facts: facts.bin_id,
)


@given(bins=BINS)
def test_the_same_facts_give_the_same_list_with_a_key_for_each(
    bins: list[BinFacts],
) -> None:
    found = cases(bins, NOW).open
    assert cases(list(reversed(bins)), NOW).open == found
    keys = [case.key for case in found]
    assert len(set(keys)) == len(keys)
    all_off = [Snooze(key=key, by="ada", because="x", until=NOW + HOUR) for key in keys]
    assert cases(bins, NOW, all_off).open == ()
    left = [case.act_before for case in found if case.act_before is not None]
    assert left == sorted(left)


def test_many_bins_behind_one_gateway_that_is_away_are_one_case() -> None:
    away = [
        replace(
            FINE,
            bin_id=number,
            trust=Trust.OFFLINE,
            untrusted_since=NOW - number * HOUR,
            gateway="plant-1",
            runs_out_at=None if number == 1 else NOW + number * DAY,
            critical=number == 3,
        )
        for number in (1, 2, 3)
    ]
    (case,) = cases(away, NOW).open
    assert case.key == "sensor_down:gateway:plant-1"
    assert case.because == "Gateway plant-1 is offline: 3 bins are not heard of."
    assert (case.since, case.act_before, case.bin_id) == (NOW - 3 * HOUR, NOW + 2 * DAY, 2)
    assert (case.critical, case.action) == (True, Action.CHECK_GATEWAY)
    # Another cause behind it is another case, and a single bin is told by its own name.
    stuck = replace(away[0], bin_id=4, trust=Trust.STUCK, trust_because="It says the same.")
    assert len(cases([*away, stuck], NOW).open) == 2
    assert cases(away[:1], NOW).open[0].action is Action.CHECK_SCALE


ASKED = AgreementFacts(
    agreement_id=3,
    name="the agreement of Lindau with Ferro",
    bin_id=1,
    proposal=2,
    proposed_at=NOW - HOUR,
    proposals=2,
    because="usage has doubled",
)


def test_what_a_supplier_proposes_needs_an_answer_until_it_has_one() -> None:
    (case,) = cases([FINE], NOW, agreements=[ASKED]).open
    assert (case.kind, case.action) == (Kind.PROPOSAL_WAITS, Action.ANSWER_PROPOSAL)
    assert case.because == (
        "The supplier proposes a change of the agreement of Lindau with Ferro, and 1 more:"
        " usage has doubled"
    )
    assert (case.since, case.act_before, case.evidence) == (NOW - HOUR, None, ("agreement-3",))
    another = replace(ASKED, proposal=3)
    assert cases([], NOW, agreements=[another]).open[0].key != case.key, "another one is told anew"
    assert cases([FINE], NOW, agreements=[replace(ASKED, proposal=None)]).open == ()


@pytest.mark.parametrize(
    ("left", "by_itself", "because"),
    [
        (5 * DAY, True, "ends soon."),
        (-DAY, True, "has ended. A person is asked before anything is ordered."),
        (-DAY, False, "has ended."),
    ],
)
def test_an_agreement_that_ends_is_told_and_told_again_when_it_has(
    *, left: timedelta, by_itself: bool, because: str
) -> None:
    facts = replace(
        ASKED, proposal=None, ends_soon_since=NOW - 30 * DAY, ends_at=NOW + left,
        leaves_by_itself=by_itself,
    )  # fmt: skip
    (case,) = cases([], NOW, agreements=[facts]).open
    assert case.because.endswith(because)
    assert (case.kind, case.act_before) == (Kind.AGREEMENT_ENDS, NOW + left)
    soon = replace(facts, ends_at=NOW + DAY)
    (other,) = cases([], NOW, agreements=[soon]).open
    assert (other.key == case.key) is (left > timedelta())
