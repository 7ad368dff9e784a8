from dataclasses import replace
from datetime import date

import pytest

from cloud.core.agreements import Clauses, Service
from cloud.core.agreements import Target as Agreed
from cloud.core.targets import Achieved, Target, Verdict, targets_of

CLAUSES = Clauses(valid_from=date(2026, 10, 1), answer_hours=8)
NOTHING = Achieved(
    fill=None, cycles=None, cycles_kept=None, supply_days=None, stock_e4=None, orders_due=0,
    orders_answered=0,
)  # fmt: skip


def told(clauses: Clauses, achieved: Achieved, title: str) -> Target:
    (one,) = [one for one in targets_of(clauses, achieved) if one.title == title]
    return one


@pytest.mark.parametrize(
    ("fill", "achieved", "difference", "verdict"),
    [
        (0.9912, "99.1 % of the pieces at once", "1.1 points above", Verdict.MET),
        (0.98, "98 % of the pieces at once", "as agreed", Verdict.MET),
        (0.97996, "97.9 % of the pieces at once", "0.1 points below", Verdict.MISSED),
        (0.97, "97 % of the pieces at once", "1 point below", Verdict.MISSED),
        (None, "not known", "", Verdict.UNKNOWN),
    ],
)
def test_fill_is_held_against_what_was_agreed(
    fill: float | None, achieved: str, difference: str, verdict: Verdict
) -> None:
    clauses = replace(CLAUSES, target=Agreed(service=Service.FILL, per_mille=980))
    one = told(clauses, replace(NOTHING, fill=fill), "Fill")
    assert one.agreed == "98 % of the pieces at once"
    assert (one.achieved, one.difference, one.verdict) == (achieved, difference, verdict)


def test_cycle_service_is_of_cycles_and_none_is_not_known() -> None:
    clauses = replace(CLAUSES, target=Agreed(service=Service.CYCLE, per_mille=900))
    one = told(clauses, replace(NOTHING, cycles=20, cycles_kept=17), "Cycle service")
    assert (one.achieved_value, one.difference) == (0.85, "5 points below")
    none = told(clauses, replace(NOTHING, cycles=0, cycles_kept=0), "Cycle service")
    assert none.verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("days", "achieved", "difference", "verdict"),
    [
        (12.34, "12.3 days", "2.3 days more", Verdict.MISSED),
        (10.0, "10 days", "as agreed", Verdict.MET),
        (9.0, "9 days", "1 day less", Verdict.MET),
        (None, "not known", "", Verdict.UNKNOWN),
    ],
)
def test_days_of_supply_are_at_most_what_was_agreed(
    days: float | None, achieved: str, difference: str, verdict: Verdict
) -> None:
    one = told(
        replace(CLAUSES, supply_days=10), replace(NOTHING, supply_days=days), "Days of supply"
    )
    assert one.agreed == "at most 10 days"
    assert (one.achieved, one.difference, one.verdict) == (achieved, difference, verdict)


def test_stock_is_worth_at_most_what_was_agreed_in_the_smallest_coin() -> None:
    clauses = replace(CLAUSES, stock_value=125_000)
    one = told(clauses, replace(NOTHING, stock_e4=13_000_000.0), "Mean stock")
    assert (one.agreed, one.achieved) == ("worth at most 1,250.00", "worth 1,300.00")
    assert (one.difference, one.verdict) == ("50.00 more", Verdict.MISSED)
    assert told(clauses, NOTHING, "Mean stock").verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("due", "answered", "difference", "verdict"),
    [
        (12, 12, "as agreed", Verdict.MET),
        (12, 9, "3 later or not", Verdict.MISSED),
        (0, 0, "", Verdict.UNKNOWN),
    ],
)
def test_answers_are_of_orders_that_were_to_be_answered(
    due: int, answered: int, difference: str, verdict: Verdict
) -> None:
    one = told(CLAUSES, replace(NOTHING, orders_due=due, orders_answered=answered), "Answers")
    assert one.agreed == "every order within 8 hours"
    assert (one.difference, one.verdict) == (difference, verdict)


def test_what_was_not_agreed_is_no_target() -> None:
    assert [one.title for one in targets_of(CLAUSES, NOTHING)] == ["Answers"]
