"""Somebody counted: what that says of the level, and how accurate the stock is.

A count corrects the level and is never usage. The first one is the audit of a new bin.

    hit rate   share of counts where system and hand differ by no more than the tolerance
    gross      1 - sum |system - counted| / sum counted
    net        1 - |sum (system - counted)| / sum counted; hides what cancels, shown beside
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from fractions import Fraction

from cloud.core.followed import Followed, Step
from cloud.core.movements import recounted
from cloud.core.refusals import CountImpossible, CountTooOld


class CountReason(StrEnum):
    AUDIT = "audit"  # the first count of a bin
    CYCLE = "cycle"  # the turn of this bin
    DOUBT = "doubt"  # because the number was not believed
    DISPUTE = "dispute"  # because supplier and customer disagree


@dataclass(frozen=True, kw_only=True)
class Count:
    """Counted by hand, and by whom: the evidence of a correction."""

    pieces: int
    counted_at: datetime
    counted_by: str
    reason: CountReason
    remark: str = ""


@dataclass(frozen=True, kw_only=True)
class Difference:
    counted: int
    system: int | None  # None: no level was known
    step: Step

    @property
    def pieces(self) -> int | None:
        """What the system has too much; None where it had nothing to compare with."""
        return None if self.system is None else self.system - self.counted


def take_count(state: Followed, count: Count, *, capacity: int | None = None) -> Difference:
    """The correction that follows from a count, beside the readings the level rested on."""
    if count.pieces < 0 or (capacity is not None and count.pieces > 2 * capacity):
        raise CountImpossible
    if state.plateau_since is not None and count.counted_at < state.plateau_since:
        # Something moved after it: the difference would book that movement a second time.
        raise CountTooOld
    because = f"{count.counted_by} counted {count.pieces:,} ({count.reason})."
    if count.remark:
        because = f"{because} {count.remark}"
    step = recounted(state, count.pieces, count.counted_at, because)
    return Difference(counted=count.pieces, system=state.pieces, step=step)


@dataclass(frozen=True, kw_only=True)
class Compared:
    counted: int
    system: int


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    counts: int
    hit_rate: float
    gross: float
    net: float


def stock_accuracy(counts: Sequence[Compared], tolerance: Fraction) -> Accuracy | None:
    """None: nothing was counted. The tolerance is a share of what was counted."""
    if not counts:
        return None
    hits = sum(abs(one.system - one.counted) <= tolerance * one.counted for one in counts)
    counted = sum(one.counted for one in counts)
    apart = sum(abs(one.system - one.counted) for one in counts)
    drift = abs(sum(one.system - one.counted for one in counts))
    return Accuracy(
        counts=len(counts),
        hit_rate=hits / len(counts),
        gross=_share(apart, counted),
        net=_share(drift, counted),
    )


def _share(off: int, counted: int) -> float:
    """Of nothing, everything is wrong that is wrong at all."""
    if counted == 0:
        return 1.0 if off == 0 else 0.0
    return 1 - off / counted


@dataclass(frozen=True, kw_only=True)
class LevelsHeld:
    """Of a window of time: how much lay there, and for how long nothing did."""

    mean_pieces: float
    stockouts: int
    stockout_hours: float
    availability: float


def levels_held(levels: Sequence[tuple[datetime, int]], until: datetime) -> LevelsHeld | None:
    """Weighed by time; a bin that is empty at the start counts as one stock-out."""
    total_s = held_s = empty_s = 0.0
    stockouts, before = 0, -1
    ends = [at for at, _ in levels[1:]] + [until]
    for (at, pieces), end in zip(levels, ends, strict=True):
        span_s = (end - at).total_seconds()
        total_s += span_s
        held_s += span_s * pieces
        if pieces == 0:
            empty_s += span_s
            stockouts += before != 0
        before = pieces
    if total_s <= 0:
        return None
    return LevelsHeld(
        mean_pieces=held_s / total_s,
        stockouts=stockouts,
        stockout_hours=empty_s / 3600,
        availability=1 - empty_s / total_s,
    )
