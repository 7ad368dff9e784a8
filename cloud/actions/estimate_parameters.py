"""The nightly estimate: of every bin the minimum and order-up-to level that its history asks for.

The demand of many bins is read in one statement, their parameters are reckoned together, because
the spread of an item leans on the others', and the results are written at once. What is suggested
is shown to people; applied it is only where a person has said that history keeps the bin, one bin
at a time under its lock, so that an assessment never meets half of it.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg

from cloud.core.bin_policies import BinPolicy
from cloud.core.calendars import Calendar, longest_protection
from cloud.core.forecasts.parameters import Contract, Parameters, Service, Target, parameters
from cloud.core.policy_settings import PolicySettings
from cloud.core.refusals import CalendarNeverOpens
from cloud.core.suggestions import Kept, Levels, Suggestion, kept_by_history, rate_of, suggestion_of
from cloud.postgres import asking, bin_parameters, bins, policies, usage
from cloud.postgres.bin_parameters import Estimable, ParameterRow

DAYS = 52 * 7
BINS_AT_ONCE = 500  # per statement: what moved of them in a year stays in memory
NEVER_OPENS = timedelta(days=30)  # of a supplier that takes no order: a person is told elsewhere
ACTOR = "binline"
_DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Estimated:
    bins: int
    learning: int
    applied: int  # where history keeps the bin


@dataclass(frozen=True, kw_only=True)
class _Bin:
    """One bin with what is set for it and what its demand was."""

    row: Estimable
    policy: BinPolicy
    settings: PolicySettings
    demand: Sequence[int | None]
    contract: Contract


def estimate_parameters(conn: psycopg.Connection, now: datetime) -> Estimated:
    """Of all bins in use. Runs outside a transaction: it holds no lock while it reckons."""
    assert conn.autocommit, "each step is a transaction of its own"
    found = [*_reckoned(_read(conn, now))]
    said = [suggestion_of(result, one.settings, one.row.capacity) for one, result in found]
    rows = [
        (one.row.bin_id, _row(one, result, suggestion, now))
        for (one, result), suggestion in zip(found, said, strict=True)
    ]
    with conn.transaction():
        bin_parameters.save(conn, rows)
        bin_parameters.forget_others(conn, now)
    applied = 0
    for (one, _), suggestion in zip(found, said, strict=True):
        if one.settings.automatic:
            applied += _apply(conn, one.row.bin_id, suggestion)
    learning = sum(suggestion.learning for suggestion in said)
    return Estimated(bins=len(rows), learning=learning, applied=applied)


# ------------------------------------------------------------------------------ reading, reckoning


def _read(conn: psycopg.Connection, now: datetime) -> Iterator[_Bin]:
    rows = bin_parameters.estimable(conn)
    said = policies.of_all(conn)
    lasts: dict[Calendar, float] = {}
    for first in range(0, len(rows), BINS_AT_ONCE):
        some = [row for row in rows[first : first + BINS_AT_ONCE] if row.bin_id in said]
        demands = usage.demands(conn, [row.bin_id for row in some], DAYS, now)
        for row in some:
            policy, settings = said[row.bin_id]
            if policy.calendar not in lasts:
                lasts[policy.calendar] = _protection_days(policy.calendar, now)
            yield _Bin(
                row=row,
                policy=policy,
                settings=settings,
                demand=_since_it_began(demands.get(row.bin_id, [])),
                contract=_contract(row, settings, lasts[policy.calendar]),
            )


def _since_it_began(demand: list[int | None]) -> list[int | None]:
    first = next((at for at, pieces in enumerate(demand) if pieces is not None), len(demand))
    return demand[first:]


def _protection_days(calendar: Calendar, now: datetime) -> float:
    try:
        return longest_protection(calendar, now) / _DAY
    except CalendarNeverOpens:
        return NEVER_OPENS / _DAY


def _contract(row: Estimable, settings: PolicySettings, lasts_days: float) -> Contract:
    """What was agreed: of a bin that history keeps what it was before."""
    minimum, up_to = row.minimum, row.order_up_to
    if settings.automatic and settings.agreed_minimum is not None:
        minimum, up_to = settings.agreed_minimum, settings.agreed_order_up_to
    every = settings.parameters.get("every_days")
    return Contract(
        minimum=minimum,
        order_up_to=up_to or row.capacity,
        lead_time_days=lasts_days,
        review_days=every - 1 if settings.policy == "periodic" and isinstance(every, int) else 0,
        moq=row.moq,
        pack=row.pack,
        capacity=row.capacity,
        price=row.price,
    )


def _reckoned(read: Iterator[_Bin]) -> Iterator[tuple[_Bin, Parameters]]:
    """All bins of one target together."""
    by_target: dict[int, list[_Bin]] = defaultdict(list)
    for one in read:
        by_target[one.settings.target_permille].append(one)
    for permille, some in sorted(by_target.items()):
        results = parameters(
            [one.demand for one in some],
            [one.contract for one in some],
            period_days=1,
            target=Target(service=Service.FILL, share=permille / 1_000),
        )
        yield from zip(some, results, strict=True)


def _row(one: _Bin, result: Parameters, said: Suggestion, now: datetime) -> ParameterRow:
    return ParameterRow(
        computed_at=now,
        target_permille=one.settings.target_permille,
        method=result.method.value,
        learning=result.learning,
        rate_milli_per_day=said.rate_milli_per_day,
        spread=result.spread,
        minimum=said.minimum,
        order_up_to=said.order_up_to,
        because=result.because,
        applied_minimum=one.row.applied_minimum,
        applied_order_up_to=one.row.applied_order_up_to,
    )


# ------------------------------------------------------------------------------ applying


def _apply(conn: psycopg.Connection, bin_id: int, said: Suggestion) -> int:
    """1 where the bin has other levels now. Read again under the lock: a person may be quicker."""
    with conn.transaction():
        bins.lock_state(conn, bin_id)
        limits, up_to = bins.lock_levels(conn, bin_id)
        settings = policies.settings_of(conn, bin_id)
        row = bin_parameters.of_bin(conn, bin_id)
        if not settings.automatic or row is None:
            return 0
        applied = (
            None
            if row.applied_minimum is None
            else Levels(minimum=row.applied_minimum, order_up_to=row.applied_order_up_to)
        )
        present = Levels(minimum=limits.minimum, order_up_to=up_to)
        kept: Kept = kept_by_history(said, settings, present, applied, limits)
        if kept.held:
            bin_parameters.note_held(conn, bin_id, kept.held)
        if kept.levels is None:
            return 0
        asking.as_job(conn, ACTOR)
        asking.because(conn, f"kept by history: {said.because}"[:500])
        set_levels(conn, bin_id, kept.levels, settings, said)
        bin_parameters.note_applied(conn, bin_id, kept.levels.minimum, kept.levels.order_up_to)
    return 1


def set_levels(
    conn: psycopg.Connection,
    bin_id: int,
    levels: Levels,
    settings: PolicySettings,
    said: Suggestion,
) -> None:
    """History's levels become the bin's; with days of supply its rate, too. The bin is held."""
    bins.save_levels(conn, bin_id, levels.minimum, levels.order_up_to)
    if settings.policy == "days_of_supply":
        policies.save_rate(conn, bin_id, rate_of(said, settings, levels))
    bins.look_again(conn, bin_id)
