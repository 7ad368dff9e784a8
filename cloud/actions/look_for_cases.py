"""Look at every bin and tell what needs a person now; put a case off for a reason and a time."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta

import psycopg

from cloud.actions.agree import today_in, zone_or_utc
from cloud.core.agreements import WARN_DAYS, Clauses, Mode, Validity, validity_on
from cloud.core.breaches import Cover, cover_of
from cloud.core.exceptions import (
    AgreementFacts,
    BinFacts,
    Case,
    Cases,
    OrderFacts,
    Snooze,
    cases,
    scale_tolerance,
    snooze,
)
from cloud.core.followed import Measure
from cloud.core.levels import level_of
from cloud.core.orders import order_label
from cloud.core.policies.base import Ask
from cloud.core.refusals import CaseUnknown
from cloud.core.stock import OpenLine
from cloud.core.trust import Trust, stale_after, trust_of
from cloud.postgres import agreements, portal
from cloud.postgres import cases as kept
from cloud.postgres.agreements import Listed
from cloud.postgres.cases import CaseRow

ANSWER_EXPECTED = timedelta(minutes=30)  # where no agreement says otherwise
LOOKS = 15  # a take, or a hand, is over or booked before a scale has spoken so often
_DAY = timedelta(days=1)
_YEARS = 36_500  # what lasts a century does not run out


@dataclass(frozen=True, kw_only=True)
class Looked:
    cases: Cases
    bins: Mapping[int, CaseRow]
    snoozes: Mapping[str, Snooze]


def look_for_cases(conn: psycopg.Connection, now: datetime) -> Looked:
    """Among the bins that can have a case; all others are fine, and not looked at."""
    return look_at(conn, kept.candidates(conn, now), now)


def look_at(conn: psycopg.Connection, bin_ids: Collection[int], now: datetime) -> Looked:
    snoozes = kept.snoozes(conn, now)
    agreed = [
        facts for one in agreements.listed(conn, None) if (facts := agreement_facts(one, now))
    ]
    gateways = kept.gateways_offline(conn)
    about = {facts.bin_id for facts in agreed} | {facts.bin_id for facts in gateways}
    rows = kept.rows(conn, about.union(bin_ids))
    bins = [_without_a_moment(conn, row, facts_of(row, now)) for row in rows]
    return Looked(
        cases=cases(bins, now, snoozes, agreed, gateways),
        bins={row.bin_id: row for row in rows},
        snoozes={one.key: one for one in snoozes},
    )


def put_off(
    conn: psycopg.Connection, key: str, *, by: str, because: str, until: datetime, now: datetime
) -> Case:
    """Raises CaseUnknown, or SnoozeWithoutReason. What was put off before may be put off longer."""
    looked = look_for_cases(conn, now)
    for case in (*looked.cases.open, *looked.cases.snoozed):
        if case.key == key:
            kept.put_off(conn, snooze(case, by=by, because=because, until=until, now=now), now)
            return case
    raise CaseUnknown


def facts_of(row: CaseRow, now: datetime) -> BinFacts:
    judgement = trust_of(row.state, now)
    fresh = judgement.trust is Trust.FRESH
    runs_out_at = _runs_out_at(row)
    maximum = row.capacity
    if row.order_up_to is not None:
        # Whole packs may go past it by less than one: that is no overstock.
        maximum = min(row.capacity, row.order_up_to + row.pack - 1)
    return BinFacts(
        bin_id=row.bin_id,
        name=f"{row.part} at {row.site}, {row.place}",
        critical=row.critical,
        trust=judgement.trust,
        trust_because=judgement.because,
        untrusted_since=None if fresh else _untrusted_since(row, judgement.trust, now),
        gateway=row.gateway or "",
        pieces=row.pieces,
        weighed=_weighed(row),
        weighed_tolerance=_tolerance(row),
        level_since=row.plateau_since or row.level_at,
        unconfirmed=row.unconfirmed or 0,
        unconfirmed_since=row.level_at,  # since then nothing bears the level out
        finding="" if row.finding_id is None else f"finding-{row.finding_id}",
        finding_since=row.finding_at,
        finding_says=row.finding_says or "",
        reading="" if row.seq is None else f"reading {row.seq}",
        breach_since=row.breach_since,
        breach="" if row.breach_id is None else f"breach-{row.breach_id}",
        cover=_cover(row, now, runs_out_at),
        runs_out_at=runs_out_at,
        ask=None if row.ask is None else Ask(row.ask),
        ask_because=row.ask_because or "",
        ask_since=row.ask_since,
        maximum=maximum,
        over_since=row.plateau_since or row.level_at,
        counted=row.counted if _still_counts(row) else None,
        counted_at=row.counted_at,
        count_tolerance=max(1, (row.counted or 0) // 100),
        count=f"count-{row.count_id}",
        orders=_orders(row),
    )


_SAID_BY_FOLLOWING = (Trust.UNIT_CHANGED, Trust.STUCK)


def _untrusted_since(row: CaseRow, trust: Trust, now: datetime) -> datetime:
    if row.heard_at is None:
        return now
    silent_from = row.heard_at + stale_after(row.interval_s)
    if silent_from < now:
        return silent_from
    if trust in _SAID_BY_FOLLOWING and row.plateau_since is not None:
        return row.plateau_since  # it goes on being weighed
    return row.measured_at or row.heard_at


def _weighed(row: CaseRow) -> int | None:
    """By the newest weight, if it bears out the level: else it is one that is looked at yet."""
    if row.measure != Measure.WEIGHT or row.several or row.weight_mg is None:
        return None
    if row.level_at is None or row.measured_at is None or row.level_at < row.measured_at:
        return None
    return level_of(row.weight_mg, row.calibration).pieces


def _without_a_moment(conn: psycopg.Connection, row: CaseRow, facts: BinFacts) -> BinFacts:
    """Book and scale differ when each of the newest weights says so; one alone says nothing."""
    if facts.weighed is None or facts.pieces is None:
        return facts
    if abs(facts.weighed - facts.pieces) <= facts.weighed_tolerance:
        return facts
    weights = [reading.weight_mg for reading in portal.last_readings(conn, row.bin_id, LOOKS)]
    differ = [
        weight_mg
        for weight_mg in weights
        if weight_mg is not None
        and abs(level_of(weight_mg, row.calibration).pieces - facts.pieces)
        > facts.weighed_tolerance
    ]
    return facts if len(differ) == LOOKS else replace(facts, weighed=facts.pieces)


def _tolerance(row: CaseRow) -> int:
    weighed = _weighed(row)
    if weighed is None or row.pieces is None:
        return 0
    return scale_tolerance(max(weighed, row.pieces), row.sd_pieces or 0.0, row.calibration)


def _runs_out_at(row: CaseRow) -> datetime | None:
    """As it was used lately; None: nothing is used, or nobody knows the level."""
    if row.pieces == 0:
        return row.plateau_since or row.level_at  # it has
    if row.pieces is None or row.level_at is None or not row.usage_days or not row.usage_per_day:
        return None
    days = row.pieces / row.usage_per_day
    return None if days > _YEARS else row.level_at + days * _DAY


def _cover(row: CaseRow, now: datetime, runs_out_at: datetime | None) -> Cover:
    if row.order_id is None or row.order_number is None or row.quantity is None:
        return Cover.NOT_COVERED
    line = OpenLine(
        order_id=row.order_id,
        label=order_label(row.order_number),
        cycle=1,
        ordered=row.quantity,
        received=row.received or 0,
        expected_at=row.promised_at or row.due_at or now,
    )
    grace = timedelta(hours=row.grace_hours)
    return cover_of([line], now, grace, runs_out_at if row.lead_time_said else None).cover


def _orders(row: CaseRow) -> tuple[OrderFacts, ...]:
    if row.order_id is None or row.order_number is None:
        return ()
    expected = row.promised_at or row.due_at
    overdue = None if expected is None else expected + timedelta(hours=row.grace_hours)
    said = row.promised_at is not None or row.lead_time_said
    facts = OrderFacts(
        order_id=str(row.order_id),
        label=order_label(row.order_number),
        outstanding=max(0, (row.quantity or 0) - (row.received or 0)),
        sent_at=row.sent_at,
        answered_at=row.answered_at,
        answer_due_at=None if row.sent_at is None else row.sent_at + _answer_expected(row),
        promised_at=row.promised_at,  # a calendar expects, and only a supplier promises
        delivery_closes_at=expected if said else None,
        shipped=bool(row.shipped),
        arrived=bool(row.received),
        overdue_at=overdue,
        drafted_at=row.drafted_at,
        expires_at=row.expires_at,
        escalates_at=row.escalates_at,
        changed_at=row.changed_at,
        change_because=row.change_because or "",
    )
    return (facts,)


def _answer_expected(row: CaseRow) -> timedelta:
    return ANSWER_EXPECTED if row.answer_hours is None else timedelta(hours=row.answer_hours)


def agreement_facts(line: Listed, now: datetime) -> AgreementFacts | None:
    """None: no bin of the two is left, so nothing depends on it."""
    if line.bin_id is None:
        return None
    clauses = Clauses(valid_from=line.valid_from, valid_until=line.valid_until)
    ends_at = soon_since = None
    if line.valid_until is not None and validity_on(clauses, today_in(line.time_zone, now)) in (
        Validity.ENDS_SOON,
        Validity.ENDED,
    ):
        ends_at = _day_begins(line.valid_until + _DAY, line.time_zone)
        soon_since = ends_at - timedelta(days=WARN_DAYS)
    return AgreementFacts(
        agreement_id=line.agreement_id,
        name=f"the agreement of {line.site} with {line.supplier}",
        bin_id=line.bin_id,
        proposal=line.oldest_number,
        proposed_at=line.oldest_at,
        proposals=line.open_by_supplier,
        because=line.oldest_because or "",
        ends_soon_since=soon_since,
        ends_at=ends_at,
        leaves_by_itself=line.mode == Mode.AUTO,
    )


def _day_begins(day: date, zone: str) -> datetime:
    return datetime.combine(day, time(0), zone_or_utc(zone))


def _still_counts(row: CaseRow) -> bool:
    """Only while nothing moved since it was counted: afterwards the level is another one."""
    if row.counted_at is None or row.plateau_since is None:
        return False
    return row.plateau_since <= row.counted_at
