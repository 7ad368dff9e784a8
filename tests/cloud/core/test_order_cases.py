from dataclasses import replace
from datetime import timedelta

from cloud.core.case_list import cases
from cloud.core.cases import Kind
from cloud.core.trust import Trust
from tests.cloud.core.case_facts import DAY, FINE, HOUR, NOW, SENT, kinds


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
