from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.core.breaches import Cover
from cloud.core.case_list import BACK_WITHIN, cases
from cloud.core.cases import (
    Action,
    AgreementFacts,
    BinFacts,
    GatewayFacts,
    Kind,
    OrderFacts,
    Snooze,
    snooze,
)
from cloud.core.policies.base import Ask
from cloud.core.trust import Trust
from tests.cloud.core.case_facts import DAY, FINE, HOUR, LOW, NOW, SENT, kinds


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
            replace(FINE, orders=(replace(SENT, sent_at=None, drafted_at=NOW - HOUR),)),
            Kind.APPROVAL_WAITS,
            Action.APPROVE,
        ),
        (
            replace(FINE, orders=(replace(SENT, changed_at=NOW, change_because="too many"),)),
            Kind.CHANGE_PROPOSED,
            Action.ANSWER_CHANGE,
        ),
        (
            replace(
                FINE, trust=Trust.UNIT_CHANGED, trust_because="4.40 pieces.", untrusted_since=NOW
            ),
            Kind.CHANGE_WAITS,
            Action.COUNT,
        ),
        (
            replace(FINE, unconfirmed=-3, unconfirmed_since=NOW - 2 * HOUR),
            Kind.CHANGE_WAITS,
            Action.COUNT,
        ),
        (
            replace(FINE, weighed=45, weighed_tolerance=4, level_since=NOW - DAY),
            Kind.SCALE_DIFFERS,
            Action.COUNT,
        ),
        (
            replace(FINE, finding="finding-7", finding_since=NOW, finding_says="480 came."),
            Kind.FINDING_WAITS,
            Action.ANSWER_FINDING,
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


def test_many_lines_of_one_order_that_wait_for_one_answer_are_one_case() -> None:
    draft = replace(SENT, sent_at=None, drafted_at=NOW, expires_at=NOW + 9 * DAY)
    bins = [
        replace(
            FINE,
            bin_id=number,
            runs_out_at=NOW + number * DAY,
            critical=number == 3,
            orders=(draft,),
        )
        for number in (3, 1, 2)
    ]
    (case,) = cases(bins, NOW).open
    assert (case.key, case.bin_id, case.critical) == ("approval_waits:o1", 1, True)
    assert case.because == "RO-1 waits to be approved: A-1, with 2 more bins."
    assert case.act_before == NOW + DAY
    # What was to come and did not, did not come to each of them.
    late = replace(SENT, delivery_closes_at=NOW - HOUR)
    assert len(cases([replace(one, orders=(late,)) for one in bins], NOW).open) == 3


def test_each_open_order_of_a_bin_is_told_by_itself() -> None:
    old = replace(SENT, order_id="o0", label="RO-0", overdue_at=NOW - HOUR)
    asked = replace(SENT, order_id="o2", label="RO-2", answered_at=None)
    found = cases([replace(FINE, orders=(old, SENT, asked))], NOW).open
    assert {(case.kind, case.evidence[0]) for case in found} == {
        (Kind.ORDER_AGED_OUT, "RO-0"),
        (Kind.NO_ANSWER, "RO-2"),
    }


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
    drafted_at=times,
    expires_at=times,
    changed_at=times,
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
        weighed=st.none() | st.integers(0, 200),
        level_since=times,
        unconfirmed=st.integers(-3, 3),
        unconfirmed_since=times,
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


def test_many_silent_scales_behind_a_gateway_that_is_there_are_one_case() -> None:
    silent = [
        replace(
            FINE,
            bin_id=number,
            trust=Trust.STALE,
            trust_because="Silent.",
            untrusted_since=NOW - number * HOUR,
            gateway="plant-1",
        )
        for number in range(1, 5)
    ]
    assert len(cases(silent[:3], NOW).open) == 3, "a few may have as many causes"
    (case,) = cases(silent, NOW).open
    assert case.because == "4 bins behind gateway plant-1 are not heard of, and it is there."
    assert (case.action, case.since) == (Action.CHECK_CABLE, NOW - 4 * HOUR)
    twice = [*silent, *(replace(one, bin_id=one.bin_id + 9) for one in silent)]
    assert cases(twice, NOW).open[0].key != case.key
    (unwatched,) = cases([replace(one, gateway="") for one in silent], NOW).open
    assert unwatched.because == "4 bins are watched by no sensor."


def test_a_gateway_that_stays_away_is_told_before_its_bins_are_silent() -> None:
    away = GatewayFacts(
        name="plant-1", bin_id=1, bins=40, critical=True, offline_since=NOW - BACK_WITHIN
    )
    fine = replace(FINE, gateway="plant-1")
    assert cases([fine], NOW, gateways=[away]).open == (), "it may be starting anew"
    (case,) = cases([fine], NOW + timedelta(seconds=1), gateways=[away]).open
    assert case.because == "Gateway plant-1 is offline: 40 bins are behind it."
    silent = replace(fine, trust=Trust.OFFLINE, untrusted_since=NOW)
    both = [silent, replace(silent, bin_id=2)]
    (then,) = cases(both, NOW + timedelta(hours=1), gateways=[away]).open
    assert then.key == case.key


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
