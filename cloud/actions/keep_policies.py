"""Say how a bin is ordered for, what its supplier's days are, and what usage is known beforehand.

Whoever changes something says which version they looked at, as with nouns: what changed meanwhile
is told. What is set holds from the next look at the bin on, which is asked for at once. Runs as
operations, in the caller's transaction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import psycopg

from cloud.actions.decide import Asked, Undecided, ask_policy
from cloud.actions.estimate_parameters import set_levels
from cloud.core import calendar_settings, policy_settings
from cloud.core.bin_policies import BinPolicy, low_at, policy_for
from cloud.core.bins import Bin
from cloud.core.calendars import Calendar
from cloud.core.nouns import BIN, Read
from cloud.core.planned_usage import Planned
from cloud.core.planned_usage import read as read_planned
from cloud.core.policy_settings import PolicySettings, limits_mistakes
from cloud.core.refusals import (
    ChangedMeanwhile,
    NotAsAllowed,
    NothingSuggested,
    NounUnknown,
    PolicyUnreadable,
)
from cloud.core.suggestions import Levels, Suggestion, news
from cloud.postgres import (
    bin_parameters,
    bins,
    calendars,
    nouns,
    planned_usage,
    policies,
    wall,
)
from cloud.postgres.bin_parameters import ParameterRow
from cloud.postgres.wall import BinRow


@dataclass(frozen=True, kw_only=True)
class Ordering:
    """Everything about how one bin is ordered for."""

    row: BinRow
    bin: Bin
    settings: PolicySettings
    holds: BinPolicy  # with what its supplier says where the bin says nothing
    order_up_to: int | None
    supplier_id: int
    estimate: ParameterRow | None
    suggested: Levels | None  # None: nothing that is news

    @property
    def levels(self) -> Levels:
        return Levels(minimum=self.bin.limits.minimum, order_up_to=self.order_up_to)


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What the rules say of a bin now. `asked` None: no level of it is known."""

    asked: Asked | Undecided | None
    low_at: int | None  # from which position on it orders; None: not by the position


def ordering_of(conn: psycopg.Connection, code: str) -> Ordering:
    row = wall.one_bin(conn, code)
    bin_ = None if row is None else bins.find(conn, row.bin_id)
    if row is None or bin_ is None:
        raise NounUnknown
    settings = policies.settings_of(conn, bin_.bin_id)
    holds = policies.of_bin(conn, bin_.bin_id)
    estimate = bin_parameters.of_bin(conn, bin_.bin_id)
    levels = Levels(minimum=bin_.limits.minimum, order_up_to=holds.order_up_to)
    suggested = None
    if estimate is not None:
        suggested = news(_suggestion(estimate), levels, bin_.limits.capacity)
    return Ordering(
        row=row,
        bin=bin_,
        settings=settings,
        holds=holds,
        order_up_to=holds.order_up_to,
        supplier_id=bin_.supplier_id,
        estimate=estimate,
        suggested=suggested,
    )


def settings_asked(found: Ordering, read: Read) -> PolicySettings:
    """What somebody would set; `NotAsAllowed` names every mistake at once."""
    limits = found.bin.limits
    wrong = {one.field for one in read.mistakes}
    more = limits_mistakes(read.values, limits, found.order_up_to)
    mistakes = [*read.mistakes, *(one for one in more if one.field not in wrong)]
    if mistakes:
        raise NotAsAllowed(mistakes)
    return policy_settings.settings_of(read.values, found.settings)


def preview(
    conn: psycopg.Connection, found: Ordering, now: datetime, instead: PolicySettings | None = None
) -> Preview:
    """What is set says of the bin now; `instead`: as if that were."""
    holds = policies.of_bin(conn, found.bin.bin_id, instead)
    try:
        from_on = low_at(policy_for(holds, found.bin.limits), found.bin.limits)
    except PolicyUnreadable as refusal:
        return Preview(asked=Undecided(because=refusal.sentence), low_at=None)
    if found.row.pieces is None:
        return Preview(asked=None, low_at=from_on)
    asked = ask_policy(conn, found.bin, found.row.pieces, now, instead=instead)
    return Preview(asked=asked, low_at=from_on)


def save_settings(conn: psycopg.Connection, code: str, version: int, read: Read) -> None:
    """Over the version that was looked at; 0: nothing was set."""
    nouns.take_turns(conn)
    found = ordering_of(conn, code)
    if found.settings.version != version:
        raise _changed("bin_policy", conn, found.bin.bin_id, found.settings.version, version)
    wanted = settings_asked(found, read)
    agreed = _agreed(found, wanted)
    wanted = replace(
        wanted,
        agreed_minimum=None if agreed is None else agreed.minimum,
        agreed_order_up_to=None if agreed is None else agreed.order_up_to,
    )
    if wanted == found.settings and version:
        return
    nouns.hold_bins(conn, BIN, [found.bin.bin_id])
    policies.save_settings(conn, found.bin.bin_id, wanted)
    nouns.have_looked_at(conn, BIN, [found.bin.bin_id])


def take_over(conn: psycopg.Connection, code: str) -> Levels:
    """What history suggests becomes the bin's minimum and order-up-to level, by who asks."""
    nouns.take_turns(conn)
    found = ordering_of(conn, code)
    if found.estimate is None or found.suggested is None:
        raise NothingSuggested
    nouns.hold_bins(conn, BIN, [found.bin.bin_id])
    said = _suggestion(found.estimate)
    set_levels(conn, found.bin.bin_id, found.suggested, found.settings, said)
    if found.settings.automatic:
        # What a person has taken over is what is agreed now, and history goes on from there.
        settings = policies.settings_of(conn, found.bin.bin_id)
        agreed = replace(
            settings,
            agreed_minimum=found.suggested.minimum,
            agreed_order_up_to=found.suggested.order_up_to,
        )
        policies.save_settings(conn, found.bin.bin_id, agreed)
    return found.suggested


# ------------------------------------------------------------------------------ calendars


def save_calendar(
    conn: psycopg.Connection,
    supplier_id: int,
    version: int,
    given: Mapping[str, object],
    now: datetime,
) -> Calendar:
    """Over the version that was looked at; 0: nothing was said yet."""
    nouns.take_turns(conn)
    read = calendar_settings.read(given, now)
    there = calendars.of_supplier(conn, supplier_id)
    is_version = 0 if there is None else there[0]
    if is_version != version:
        raise _changed("supplier_calendar", conn, supplier_id, is_version, version)
    if read.calendar is None:
        raise NotAsAllowed(read.mistakes)
    if there is not None and replace(there[1], version=1) == read.calendar:
        return read.calendar
    held: Sequence[int] = calendars.bins_of_supplier(conn, supplier_id)
    nouns.hold_bins(conn, BIN, held)
    calendars.save(conn, supplier_id, read.calendar)
    nouns.have_looked_at(conn, BIN, held)
    return read.calendar


# ------------------------------------------------------------------------------ planned usage


def plan_usage(
    conn: psycopg.Connection, code: str, given: Mapping[str, object], by: str, now: datetime
) -> int:
    found = ordering_of(conn, code)
    read = read_planned(given, calendars.known_zone(found.row.time_zone), now)
    if read.planned is None:
        raise NotAsAllowed(read.mistakes)
    planned: Planned = read.planned
    nouns.hold_bins(conn, BIN, [found.bin.bin_id])
    number = planned_usage.plan(conn, found.bin.bin_id, planned, now, by=by, because=read.because)
    nouns.have_looked_at(conn, BIN, [found.bin.bin_id])
    return number


def withdraw_usage(
    conn: psycopg.Connection, code: str, planned_usage_id: int, by: str, now: datetime
) -> None:
    found = ordering_of(conn, code)
    nouns.hold_bins(conn, BIN, [found.bin.bin_id])
    if not planned_usage.withdraw(conn, found.bin.bin_id, planned_usage_id, by, now):
        raise NounUnknown
    nouns.have_looked_at(conn, BIN, [found.bin.bin_id])


# ------------------------------------------------------------------------------ what they share


def _suggestion(row: ParameterRow) -> Suggestion:
    return Suggestion(
        minimum=row.minimum,
        order_up_to=row.order_up_to,
        rate_milli_per_day=row.rate_milli_per_day,
        learning=row.learning,
        because=row.because,
    )


def _agreed(found: Ordering, wanted: PolicySettings) -> Levels | None:
    """What the bin is set to while a person says so is agreed; what history has set is not."""
    if not wanted.automatic:
        return None
    row, settings = found.estimate, found.settings
    if row is None or row.applied_minimum is None or settings.agreed_minimum is None:
        return found.levels
    applied = Levels(minimum=row.applied_minimum, order_up_to=row.applied_order_up_to)
    if found.levels != applied:
        return found.levels
    return Levels(minimum=settings.agreed_minimum, order_up_to=settings.agreed_order_up_to)


def _changed(
    noun: str, conn: psycopg.Connection, noun_id: int, is_version: int, looked_at: int
) -> ChangedMeanwhile:
    since = [
        one
        for one in policies.changes_of(conn, noun, noun_id, nouns.LIMIT_MAX)
        if one.version > looked_at
    ]
    names = {
        name
        for one in since
        for name, value in one.after.items()
        if (one.before or {}).get(name) != value
    }
    return ChangedMeanwhile(is_version, sorted(names))
