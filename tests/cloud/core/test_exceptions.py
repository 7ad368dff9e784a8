from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.core.breaches import Cover
from cloud.core.exceptions import (
    BACK_WITHIN,
    Action,
    AgreementFacts,
    BinFacts,
    GatewayFacts,
    Kind,
    OrderFacts,
    Snooze,
    cases,
    scale_tolerance,
    snooze,
)
from cloud.core.levels import Calibration
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


def test_a_deadline_makes_a_case_the_moment_it_has_passed() -> None:
    facts = replace(FINE, orders=(replace(SENT, answered_at=None, answer_due_at=NOW),))
    assert kinds(facts) == []
    assert kinds(facts, now=NOW + timedelta(microseconds=1)) == [Kind.NO_ANSWER]


def test_a_draft_needs_a_person_from_the_start_and_anew_when_nobody_came() -> None:
    draft = replace(
        SENT, sent_at=None, drafted_at=NOW, expires_at=NOW + 2 * DAY, escalates_at=NOW + HOUR
    )
    (asked,) = cases([replace(FINE, orders=(draft,))], NOW).open
    assert (asked.because, asked.since) == ("RO-1 waits to be approved: A-1.", NOW)
    assert asked.act_before == NOW + 2 * DAY, "then it expires"
    (sooner,) = cases([replace(FINE, runs_out_at=NOW + DAY, orders=(draft,))], NOW).open
    assert sooner.act_before == NOW + DAY, "before that the bin runs out"
    (again,) = cases([replace(FINE, orders=(draft,))], NOW + 2 * HOUR).open
    assert (again.because, again.since) == ("RO-1 still waits to be approved: A-1.", NOW + HOUR)
    assert again.key != asked.key, "putting off the first does not silence the second"


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


def test_a_change_that_is_being_confirmed_needs_nobody_yet() -> None:
    moving = replace(FINE, unconfirmed=4, unconfirmed_since=NOW - HOUR)
    assert kinds(moving) == []
    (case,) = cases([moving], NOW + timedelta(seconds=1)).open
    assert case.because == "A-1: the scale shows 4 pieces more, and that is not booked."


def test_another_change_that_waits_is_another_case() -> None:
    odd = replace(FINE, trust=Trust.UNIT_CHANGED, trust_because="Odd.", untrusted_since=NOW)
    later = replace(odd, untrusted_since=NOW + HOUR)
    assert cases([odd], NOW).open[0].key != cases([later], NOW).open[0].key
    assert Kind.SENSOR_DOWN not in kinds(odd)


def test_the_book_may_not_drift_from_the_scale_in_silence() -> None:
    apart = replace(FINE, pieces=100, weighed=90, weighed_tolerance=9, level_since=NOW - DAY)
    (case,) = cases([apart], NOW).open
    assert case.because == "A-1: 100 are booked, and the scale weighs 90."
    assert case.since == NOW - DAY
    assert kinds(replace(apart, weighed=91)) == [], "the scale cannot tell the difference"
    assert kinds(replace(apart, weighed=None)) == [], "not weighed, or just now something moves"
    assert kinds(replace(apart, unconfirmed=-10, unconfirmed_since=NOW)) == []
    stale = replace(apart, trust=Trust.STALE, untrusted_since=NOW)
    assert kinds(stale) == [Kind.SENSOR_DOWN], "an old weight proves nothing"
    counted = replace(apart, counted=100, counted_at=NOW, count="count-4")
    assert kinds(counted) == [Kind.COUNT_DIFFERS], "the book is right: it is the scale that is not"
    assert kinds(replace(counted, pieces=90, counted=90)) == []


@pytest.mark.parametrize(
    ("pieces", "sd_pieces", "calibration", "tolerance"),
    [
        (0, 0.0, Calibration(tare_mg=0, unit_weight_ug=4_200_000), 2),
        (100, 0.0, Calibration(tare_mg=0, unit_weight_ug=4_200_000), 2),
        (1_000, 0.0, Calibration(tare_mg=0, unit_weight_ug=4_200_000), 14),  # 1 % and some spread
        (1_000, 0.0, Calibration(tare_mg=0, unit_weight_ug=4_200_000, unit_error_ug=4_200), 5),
        (10, 0.0, Calibration(tare_mg=0, unit_weight_ug=1_000_000, scale_sd_mg=2_000), 9),
        (10, 5.0, Calibration(tare_mg=0, unit_weight_ug=1_000_000), 20),
    ],
)
def test_book_and_scale_may_differ_by_what_the_scale_cannot_tell(
    pieces: int, sd_pieces: float, calibration: Calibration, tolerance: int
) -> None:
    assert scale_tolerance(pieces, sd_pieces, calibration) == tolerance


def test_an_empty_bin_needs_a_person_whatever_is_on_its_way() -> None:
    empty = replace(LOW, pieces=0, cover=Cover.COVERED, runs_out_at=NOW - HOUR)
    (case,) = cases([empty], NOW).open
    assert case.because == "A-1 is empty, and its order has not come yet."
    assert (case.action, case.act_before) == (Action.EXPEDITE, NOW - HOUR)
    (late,) = cases([replace(empty, pieces=1, cover=Cover.LATE)], NOW).open
    assert late.key != case.key, "it got worse"
    seen = replace(empty, unconfirmed=90, unconfirmed_since=NOW)
    assert kinds(seen) == [], "a refill lies in it, and is being confirmed"
    (alone,) = cases([replace(empty, cover=Cover.NOT_COVERED)], NOW).open
    assert alone.because == "A-1 is empty, and nothing is on its way."


def test_a_change_of_the_suppliers_is_answered_before_anything_else_of_the_order() -> None:
    order = replace(SENT, changed_at=NOW, overdue_at=NOW - HOUR)
    (case,) = cases([replace(FINE, orders=(order,))], NOW).open
    assert (case.kind, case.because) == (
        Kind.CHANGE_PROPOSED,
        "The supplier would change RO-1 for A-1.",
    )


def test_an_order_that_goes_wrong_in_several_ways_is_told_once() -> None:
    order = replace(
        SENT, answered_at=None, delivery_closes_at=NOW - HOUR, overdue_at=NOW - timedelta(minutes=1)
    )
    assert kinds(replace(FINE, orders=(order,))) == [Kind.ORDER_AGED_OUT]


def test_each_open_order_of_a_bin_is_told_by_itself() -> None:
    old = replace(SENT, order_id="o0", label="RO-0", overdue_at=NOW - HOUR)
    asked = replace(SENT, order_id="o2", label="RO-2", answered_at=None)
    found = cases([replace(FINE, orders=(old, SENT, asked))], NOW).open
    assert {(case.kind, case.evidence[0]) for case in found} == {
        (Kind.ORDER_AGED_OUT, "RO-0"),
        (Kind.NO_ANSWER, "RO-2"),
    }


def test_nobody_hurries_an_order_while_another_one_comes_in_time() -> None:
    out = NOW + 2 * HOUR
    late = replace(SENT, order_id="o0", promised_at=NOW + DAY, delivery_closes_at=NOW + DAY)
    facts = replace(FINE, runs_out_at=out, orders=(late, SENT))
    assert kinds(facts) == []
    assert kinds(replace(facts, orders=(late,))) == [Kind.PROMISE_AFTER_RUN_OUT]
    for other in (
        replace(SENT, sent_at=None),
        replace(SENT, outstanding=0),
        replace(SENT, promised_at=None, delivery_closes_at=None),  # nobody said when
        replace(SENT, delivery_closes_at=out + timedelta(seconds=1)),
        replace(SENT, promised_at=NOW - HOUR, delivery_closes_at=NOW - HOUR, arrived=True),
    ):
        assert kinds(replace(facts, orders=(late, other))) == [Kind.PROMISE_AFTER_RUN_OUT]
    both = replace(SENT, promised_at=NOW + DAY, delivery_closes_at=NOW + DAY)
    assert kinds(replace(facts, orders=(late, both))) == [Kind.PROMISE_AFTER_RUN_OUT] * 2


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
