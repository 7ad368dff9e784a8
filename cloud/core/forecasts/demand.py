"""What was demanded of a bin, per period, from how its level changed and why.

Only what was taken is demand, and what was put back is taken from it again. A refill is supply, a
correction is a mistake found, and neither must teach the forecast. A period in which the bin stood
empty, or could not be seen, is masked: what would have been taken is not known, and it is not none.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Cause(StrEnum):
    TAKEN = "taken"
    PUT_BACK = "put_back"
    REFILLED = "refilled"
    CORRECTED = "corrected"


@dataclass(frozen=True, kw_only=True)
class Change:
    at: datetime
    pieces: int  # how many, whatever the direction; of a correction it may be negative
    cause: Cause


@dataclass(frozen=True, kw_only=True)
class Blind:
    """From when to when demand could not be seen: the bin was empty, or its number not trusted."""

    since: datetime
    until: datetime


BLIND_SHARE_MAX = 0.25  # of a period; more, and it is masked


def demand_per_period(
    changes: Iterable[Change],
    blind: Sequence[Blind],
    *,
    first: datetime,
    period: timedelta,
    periods: int,
) -> list[int | None]:
    """One number for each period from `first`: pieces, or None where demand was not seen."""
    taken = [0] * periods
    for change in changes:
        at = (change.at - first) // period
        if 0 <= at < periods:
            match change.cause:
                case Cause.TAKEN:
                    taken[at] += change.pieces
                case Cause.PUT_BACK:
                    taken[at] -= change.pieces
                case Cause.REFILLED | Cause.CORRECTED:
                    pass
    dark = [timedelta()] * periods
    for spell in blind:
        begin = max(0, (spell.since - first) // period)
        for at in range(begin, periods):
            start = first + at * period
            if start >= spell.until:
                break
            dark[at] += min(spell.until, start + period) - max(spell.since, start)
    return [
        None if hidden > BLIND_SHARE_MAX * period else max(0, pieces)
        for pieces, hidden in zip(taken, dark, strict=True)
    ]
