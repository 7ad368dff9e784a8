"""A small year in the fast tests, and that the checker finds what is broken on purpose."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cloud.core.policies.min_max import MinMax
from tests.year.play import Play, play

if TYPE_CHECKING:
    from datetime import datetime

    from cloud.core.policies.base import Decision, Terms
    from cloud.core.stock import Stock

BINS, DAYS = range(16), 240


@dataclass(frozen=True, kw_only=True)
class Reckless(MinMax):
    """Orders on whatever was seen last."""

    def decide(self, stock: Stock, terms: Terms, now: datetime) -> Decision:
        return super().decide(replace(stock, doubt=""), terms, now)


@dataclass(frozen=True, kw_only=True)
class Forgetful(MinMax):
    """Orders on what lies in the bin, as if nothing were on its way."""

    def decide(self, stock: Stock, terms: Terms, now: datetime) -> Decision:
        forgotten = replace(stock, covering=0, later=0, overdue=0, live_in_cycle=())
        return super().decide(forgotten, terms, now)


@dataclass(frozen=True, kw_only=True)
class Idle(MinMax):
    """Orders nothing."""

    def decide(self, stock: Stock, terms: Terms, now: datetime) -> Decision:
        return super().decide(replace(stock, doubt="never mind."), terms, now)


def broken(kind: type[MinMax]) -> str:
    """What the checker says of a year with such a policy."""
    found: list[str] = []
    for seed in BINS:
        year = Play(seed, DAYS, learns=False)
        sane = year.policy
        year.policy = kind(reorder_point=sane.reorder_point, order_up_to=sane.order_up_to)
        found += year.run().wrong
    return "\n".join(found)


def test_a_year_of_delays_dead_scales_and_mistakes_breaks_no_rule() -> None:
    thumb = play(BINS, DAYS, learns=False)
    learned = play(BINS, DAYS, learns=True)
    assert (thumb.wrong, learned.wrong) == ([], [])
    assert learned.orders > 100
    assert learned.cases["order_aged_out"] > 0, "goods were lost, and somebody was told"
    assert learned.cases["sensor_down"] > 0
    assert learned.served / learned.demanded > 0.9


def test_the_same_seed_is_the_same_year() -> None:
    assert Play(3, 120, learns=True).run() == Play(3, 120, learns=True).run()


def test_ordering_on_a_dead_scale_is_found() -> None:
    assert "ordered on a scale that is dead" in broken(Reckless)


def test_ordering_what_is_on_its_way_already_is_found() -> None:
    found = broken(Forgetful)
    assert "at once" in found
    assert "in a bin for" in found


def test_a_breach_that_nobody_ends_is_found() -> None:
    assert "low since" in broken(Idle)
