"""What a bin probably holds while its number is not to be believed.

From the last level that was trusted, and the daily usage before it (days without usage count):

    pieces = level - mean * days          low, high = pieces -/+ z * sqrt(level_sd^2 + var * days)

The band widens with the root of the time, never reaches below zero, and never above the last level:
a refill that nobody saw is not guessed. It is an estimate, and is called so wherever it is shown.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

SDS = 2.0  # 95 of 100, as far as the days are alike
_DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class UsageRate:
    """Pieces used a day, and how unlike the days are."""

    mean: float
    variance: float
    days: int  # that it was learnt from

    def __post_init__(self) -> None:
        assert self.mean >= 0, "usage is counted as a positive number"
        assert self.variance >= 0, "no variance is negative"


@dataclass(frozen=True, kw_only=True)
class Estimate:
    pieces: int
    low: int
    high: int
    age: timedelta  # of the level that it starts from
    because: str

    @property
    def may_act(self) -> bool:
        """Never: it is shown, and nothing is ordered on it."""
        return False


def usage_rate(per_day: Sequence[int]) -> UsageRate | None:
    """From the usage of each day, zeros included. None: no day is known."""
    count = len(per_day)
    if count == 0:
        return None
    mean = sum(per_day) / count
    if count == 1:
        # One day says nothing of the spread: as far apart as independent takes would be.
        return UsageRate(mean=mean, variance=mean, days=1)
    variance = sum((pieces - mean) ** 2 for pieces in per_day) / (count - 1)
    return UsageRate(mean=mean, variance=variance, days=count)


def _long(days: float) -> str:
    return f"{days * 24:,.0f} hours" if days < 2 else f"{days:,.1f} days"  # noqa: PLR2004 - two


def estimate(
    *, level: int, level_sd: float, level_at: datetime, rate: UsageRate | None, now: datetime
) -> Estimate:
    """What is probably left at `now`. Without a rate it may be anything up to the last level."""
    age = max(now - level_at, timedelta())
    if rate is None:
        because = f"{level:,} at last, and no usage is known yet: anything up to that."
        return Estimate(pieces=level, low=0 if age else level, high=level, age=age, because=because)
    days = age / _DAY
    left = level - rate.mean * days
    # The mean itself is known from so many days only.
    of_mean = rate.variance * days * days / max(1, rate.days)
    band = SDS * math.sqrt(level_sd * level_sd + rate.variance * days + of_mean)
    pieces = max(0, round(left))
    # What is not exact may be more than was counted, but no refill is invented.
    ceiling = level + math.ceil(SDS * level_sd)
    return Estimate(
        pieces=pieces,
        low=min(pieces, max(0, math.floor(left - band))),
        high=max(pieces, min(ceiling, math.ceil(left + band))),
        age=age,
        because=(f"Estimated: {level:,} at last, {_long(days)} ago; {rate.mean:,.1f} used a day."),
    )
