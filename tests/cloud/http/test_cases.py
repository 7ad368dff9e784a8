from datetime import UTC, datetime, timedelta

import pytest

from cloud.actions.look_for_cases import Looked
from cloud.core.cases import Action, Case, Cases, Kind
from cloud.http import cases
from cloud.http.cases import BUTTONS, FIRST_MAX, TO_DO

NOW = datetime(2026, 11, 20, 9, 41, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


class _Bin:
    """Of a row only what a link is made of."""

    code = "LND-R04-B2"


def case(action: Action = Action.ORDER, **differs: object) -> Case:
    values: dict[str, object] = {
        "key": "k",
        "kind": Kind.LOW_NOT_COVERED,
        "bin_id": 1,
        "critical": False,
        "because": "It is low.",
        "since": NOW - HOUR,
        "act_before": None,
        "evidence": (),
    }
    return Case(action=action, **(values | differs))  # type: ignore[arg-type]


def looked(*open_: Case) -> Looked:
    return Looked(cases=Cases(open=open_, snoozed=()), bins={1: _Bin()}, snoozes={})  # type: ignore[dict-item]


def test_every_action_says_what_to_do_and_where_it_begins() -> None:
    assert set(BUTTONS) == set(TO_DO) == set(Action)
    for action in Action:
        href = cases.href_of(case(action, evidence=("agreement-3",)), "LND-R04-B2")
        assert href.startswith(("/bins/LND-R04-B2", "/agreements/3", "/wall"))
        assert TO_DO[action].endswith(".")


@pytest.mark.parametrize(
    ("action", "evidence", "href"),
    [
        (Action.APPROVE, ("RO-1001", "reading 7"), "/orders/RO-1001"),
        (Action.ANSWER_CHANGE, ("RO-1001",), "/orders/RO-1001"),
        (Action.COUNT, (), "/bins/LND-R04-B2#count"),
        (Action.ANSWER_FINDING, ("finding-7",), "/bins/LND-R04-B2#finding"),
        (Action.LOWER_MAXIMUM, (), "/bins/LND-R04-B2/edit"),
    ],
)
def test_what_is_settled_in_a_form_leads_to_that_form(
    action: Action, evidence: tuple[str, ...], href: str
) -> None:
    assert cases.href_of(case(action, evidence=evidence), "LND-R04-B2") == href


@pytest.mark.parametrize(
    ("kind", "left", "said", "mark"),
    [
        (Kind.LOW_NOT_COVERED, 5 * HOUR, "runs out in 5 h", "empty"),
        (Kind.LOW_NOT_COVERED, 50 * HOUR, "runs out in 2 d", "low"),
        (Kind.LOW_NOT_COVERED, -HOUR, "may have run out", "empty"),
        (Kind.APPROVAL_WAITS, 5 * HOUR, "5 h left to decide", "empty"),
        (Kind.APPROVAL_WAITS, -HOUR, "should be decided now", "empty"),
        (Kind.OVERSTOCK, None, "no time limit is known", "stale"),
    ],
)
def test_how_much_time_is_left_is_said_in_words(
    kind: Kind, left: timedelta | None, said: str, mark: str
) -> None:
    one = case(kind=kind, act_before=None if left is None else NOW + left)
    assert (cases.left_of(one, NOW), cases.mark_of(one, NOW)) == (said, mark)


def test_what_is_empty_has_run_out_and_not_perhaps() -> None:
    one = case(kind=Kind.COVERED_LATE, key="covered_late:1:breach-2:empty", act_before=NOW - HOUR)
    assert cases.left_of(one, NOW) == "has run out"


def test_the_wall_counts_all_and_names_the_first() -> None:
    many = [case(key=f"k{number}") for number in range(FIRST_MAX + 3)]
    needs = cases.needs_of(looked(*many), NOW)
    assert (needs.count, len(needs.first)) == (FIRST_MAX + 3, FIRST_MAX)
    assert needs.first[0].title == "It is low."
    assert cases.needs_of(looked(), NOW) == cases.Needs(count=0, first=[])


def test_what_was_never_heard_of_has_no_age_that_ticks() -> None:
    (need,) = cases.needs_of(looked(case(since=NOW)), NOW).first
    assert need.since_ms is None
