"""What was agreed to be reached, what was, and what lies between them, in words.

Both sides read the same sentences. What cannot be said is said to be unknown: a target nobody can
hold against a number is neither met nor missed.
"""

from dataclasses import dataclass
from enum import StrEnum

from cloud.core.agreements import Clauses, Service

_MILLE = 1_000
_CENTS_E4 = 100  # ten-thousandths in the smallest coin


class Verdict(StrEnum):
    MET = "met"
    MISSED = "missed"
    UNKNOWN = "unknown"  # nothing to hold against it yet


@dataclass(frozen=True, kw_only=True)
class Achieved:
    """What the bins and orders of an agreement came to in a time; None: it is not known."""

    fill: float | None  # estimated: nobody sees who found a bin empty
    cycles: int | None  # times a bin was low until its refill
    cycles_kept: int | None  # in which it did not run out
    supply_days: float | None  # the median of the bins, at the end
    stock_e4: float | None  # mean value, in ten-thousandths; None: no one currency
    orders_due: int  # that were to be answered by now
    orders_answered: int  # in the time agreed on


@dataclass(frozen=True, kw_only=True)
class Target:
    """One target, as it is told. The numbers are shares, days or smallest coins, by their title."""

    title: str
    agreed: str
    achieved: str
    difference: str
    verdict: Verdict
    agreed_value: float
    achieved_value: float | None


def targets_of(clauses: Clauses, achieved: Achieved) -> list[Target]:
    """Every target that the clauses set, in the order in which they are agreed on."""
    told: list[Target] = []
    if clauses.target is not None:
        told.append(_service(clauses, achieved))
    if clauses.supply_days is not None:
        told.append(_supply(clauses.supply_days, achieved.supply_days))
    if clauses.stock_value is not None:
        told.append(_stock(clauses.stock_value, achieved.stock_e4))
    told.append(_answers(clauses.answer_hours, achieved))
    return told


def _service(clauses: Clauses, achieved: Achieved) -> Target:
    assert clauses.target is not None, "asked only where there is one"
    agreed = clauses.target.per_mille / _MILLE
    if clauses.target.service is Service.FILL:
        title, said, reached = "Fill", "of the pieces at once", achieved.fill
    else:
        title, said = "Cycle service", "of all cycles without running out"
        reached = _share(achieved.cycles_kept, achieved.cycles)
    return Target(
        title=title,
        agreed=f"{_percent(agreed)} {said}",
        achieved=_unknown() if reached is None else f"{_percent(reached)} {said}",
        difference=_points(agreed, reached),
        verdict=_verdict(None if reached is None else reached >= agreed),
        agreed_value=agreed,
        achieved_value=reached,
    )


def _supply(agreed: int, reached: float | None) -> Target:
    over = None if reached is None else reached - agreed
    return Target(
        title="Days of supply",
        agreed=f"at most {_days(agreed)}",
        achieved=_unknown() if reached is None else _days(reached),
        difference=_beyond(over, None if over is None else _days(abs(over))),
        verdict=_verdict(None if over is None else over <= 0),
        agreed_value=agreed,
        achieved_value=reached,
    )


def _stock(agreed: int, reached_e4: float | None) -> Target:
    reached = None if reached_e4 is None else round(reached_e4 / _CENTS_E4)
    over = None if reached is None else reached - agreed
    return Target(
        title="Mean stock",
        agreed=f"worth at most {_worth(agreed)}",
        achieved=_unknown() if reached is None else f"worth {_worth(reached)}",
        difference=_beyond(over, None if over is None else _worth(abs(over))),
        verdict=_verdict(None if over is None else over <= 0),
        agreed_value=agreed,
        achieved_value=reached,
    )


def _answers(hours: int, achieved: Achieved) -> Target:
    due, answered = achieved.orders_due, achieved.orders_answered
    late = due - answered
    return Target(
        title="Answers",
        agreed=f"every order within {_hours(hours)}",
        achieved=f"{answered:,} of {due:,} orders" if due else "no order was to be answered yet",
        difference=("" if not due else "as agreed" if not late else f"{late:,} later or not"),
        verdict=_verdict(late == 0 if due else None),
        agreed_value=1.0,
        achieved_value=_share(answered, due),
    )


# ------------------------------------------------------------------ words


def _unknown() -> str:
    return "not known"


def _verdict(is_met: bool | None) -> Verdict:  # noqa: FBT001 - the one thing it is asked
    if is_met is None:
        return Verdict.UNKNOWN
    return Verdict.MET if is_met else Verdict.MISSED


def _share(part: int | None, whole: int | None) -> float | None:
    return part / whole if part is not None and whole else None


def _percent(share: float) -> str:
    """Rounded down to a tenth, as everywhere: what is not met does not read as if it were."""
    tenths = _tenths(share)
    return f"{tenths // 10}.{tenths % 10} %" if tenths % 10 else f"{tenths // 10} %"


def _tenths(share: float) -> int:
    return int(share * _MILLE + 1e-9)


def _points(agreed: float, reached: float | None) -> str:
    """Between the two as they are written: who subtracts them comes to the same."""
    if reached is None:
        return ""
    over = _tenths(reached) - _tenths(agreed)
    if over == 0:
        return "as agreed"
    points = f"{abs(over) / 10:g} {'point' if abs(over) == 10 else 'points'}"  # noqa: PLR2004 - ten tenths
    return f"{points} {'above' if over > 0 else 'below'}"


def _beyond(over: float | None, by: str | None) -> str:
    if over is None:
        return ""
    return f"{by} {'more' if over > 0 else 'less'}" if over else "as agreed"


def _days(days: float) -> str:
    text = f"{days:,.1f}".removesuffix(".0")
    return f"{text} {'day' if text == '1' else 'days'}"


def _hours(hours: int) -> str:
    return "an hour" if hours == 1 else f"{hours:,} hours"


def _worth(coins: int) -> str:
    return f"{coins // 100:,}.{coins % 100:02}"
