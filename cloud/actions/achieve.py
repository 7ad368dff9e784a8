"""Hold what was agreed against what was reached, agreement by agreement."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg

from cloud.actions.measure import Measured, measure
from cloud.core.asked import Asked, Group
from cloud.core.bin_days import day_of, midnight
from cloud.core.targets import Achieved, Target, targets_of
from cloud.postgres import agreements, kpi_sums
from cloud.postgres.agreements import Held
from cloud.postgres.kpi_sums import GroupKept
from cloud.postgres.kpis import agreement_key

LOOKED_BACK = timedelta(days=91)  # a quarter: older weeks say little of what holds now


@dataclass(frozen=True, kw_only=True)
class Reached:
    """One agreement, and each of its targets beside what was reached in the time."""

    held: Held
    from_at: datetime
    to_at: datetime
    targets: Sequence[Target]


def reached(
    conn: psycopg.Connection, from_at: datetime, to_at: datetime, *, supplier_id: int | None = None
) -> list[Reached]:
    """Of every agreement that may be seen, by the version that holds now."""
    held = agreements.held(conn, supplier_id=supplier_id)
    return _reached(conn, held, from_at, to_at, supplier_id) if held else []


def reached_lately(conn: psycopg.Connection, agreement_id: int, now: datetime) -> Reached | None:
    """Of one, since what holds was agreed on, and no longer than a quarter. None: there is none."""
    held = agreements.held(conn, agreement_id=agreement_id)
    if not held:
        return None
    begun = max(held[0].agreed_at, now - LOOKED_BACK)
    (one,) = _reached(conn, held, midnight(day_of(begun)), now, held[0].supplier_id)
    return one


def _reached(
    conn: psycopg.Connection,
    held: Sequence[Held],
    from_at: datetime,
    to_at: datetime,
    supplier_id: int | None,
) -> list[Reached]:
    asked = Asked(
        from_at=from_at,
        to_at=to_at,
        group=Group.AGREEMENT,
        supplier_id=supplier_id,
        supplier_prices=True,  # both sides read it
    )
    measured = {one.key: one for one in measure(conn, asked)}
    kept = {one.key: one for one in kpi_sums.kept(conn, asked)}
    told = []
    for one in held:
        key = agreement_key(site_id=one.site_id, supplier_id=one.supplier_id)
        achieved = _achieved(measured.get(key), kept.get(key))
        told.append(
            Reached(
                held=one,
                from_at=from_at,
                to_at=to_at,
                targets=targets_of(one.clauses, achieved),
            )
        )
    return told


def _achieved(measured: Measured | None, kept: GroupKept | None) -> Achieved:
    return Achieved(
        fill=None if measured is None else measured.fill_rate,
        cycles=None if kept is None else kept.cycles,
        cycles_kept=None if kept is None else kept.cycles_kept,
        supply_days=None if measured is None else measured.days_of_supply,
        stock_e4=None if measured is None else measured.mean_stock_e4,
        orders_due=0 if kept is None else kept.orders_due,
        orders_answered=0 if kept is None else kept.orders_answered,
    )
