"""Look at every bin and tell what needs a person now; put a case off for a reason and a time."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta

import psycopg

from cloud.actions.agree import today_in, zone_or_utc
from cloud.core.agreements import WARN_DAYS, Clauses, Mode, Validity, validity_on
from cloud.core.bin_cases import scale_tolerance
from cloud.core.breaches import Cover, cover_of
from cloud.core.case_list import cases
from cloud.core.cases import (
    AgreementFacts,
    BinFacts,
    Case,
    Cases,
    OrderFacts,
    Snooze,
    snooze,
)
from cloud.core.followed import Measure
from cloud.core.levels import level_of
from cloud.core.orders import order_label
from cloud.core.policies.base import Ask
from cloud.core.refusals import CaseUnknown
from cloud.core.stock import OpenLine, is_overdue
from cloud.core.trust import Trust, stale_after, trust_of
from cloud.postgres import agreements
from cloud.postgres import cases as kept
from cloud.postgres.agreements import Listed
from cloud.postgres.cases import CaseOrder, CaseRow

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
    bins = _without_a_moment(conn, rows, [facts_of(row, now) for row in rows])
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
    weighed = _weighed(row)
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
        weighed=weighed,
        weighed_tolerance=_tolerance(row, weighed),
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
        orders=tuple(_order(row, one) for one in row.orders),
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


def _without_a_moment(
    conn: psycopg.Connection, rows: Sequence[CaseRow], bins: Sequence[BinFacts]
) -> list[BinFacts]:
    """Book and scale differ when each of the newest weights says so; one alone says nothing."""
    apart = {facts.bin_id for facts in bins if _is_apart(facts, facts.weighed)}
    weights = kept.last_weights(conn, apart, LOOKS)

    def is_moment(row: CaseRow, facts: BinFacts) -> bool:
        newest = weights.get(facts.bin_id, [None])  # fewer than so many prove nothing
        return facts.bin_id in apart and not all(
            weight_mg is not None and _is_apart(facts, level_of(weight_mg, row.calibration).pieces)
            for weight_mg in newest
        )

    return [
        replace(facts, weighed=facts.pieces) if is_moment(row, facts) else facts
        for row, facts in zip(rows, bins, strict=True)
    ]


def _is_apart(facts: BinFacts, weighed: int | None) -> bool:
    """Whether a weight says another number than the book, by more than the scale cannot tell."""
    if weighed is None or facts.pieces is None:
        return False
    return abs(weighed - facts.pieces) > facts.weighed_tolerance


def _tolerance(row: CaseRow, weighed: int | None) -> int:
    if weighed is None or row.pieces is None:
        return 0
    return scale_tolerance(max(weighed, row.pieces), row.sd_pieces or 0.0, row.calibration)


def _runs_out_at(row: CaseRow) -> datetime | None:
    """As it was used lately; None: nothing is used, or nobody knows the level."""
    if row.pieces == 0:
        return row.plateau_since or row.level_at  # it has
    per_day = row.usage_per_day if row.usage_days else None
    if row.pieces is None or row.level_at is None or per_day is None or per_day <= 0:
        return None
    days = row.pieces / per_day
    return None if days > _YEARS else row.level_at + days * _DAY


def _cover(row: CaseRow, now: datetime, runs_out_at: datetime | None) -> Cover:
    """By all that is on its way. When it comes may be a guess, and nobody is called late by one."""
    grace = timedelta(hours=row.grace_hours)
    lines = [_open_line(one, now) for one in row.orders]
    guessed = any(
        line.outstanding and not is_overdue(line, now, grace) and not _is_said(row, one)
        for one, line in zip(row.orders, lines, strict=True)
    )
    return cover_of(lines, now, grace, None if guessed else runs_out_at).cover


def _open_line(one: CaseOrder, now: datetime) -> OpenLine:
    return OpenLine(
        order_id=one.order_id,
        label=order_label(one.order_number),
        cycle=1,
        ordered=one.outstanding,
        expected_at=one.expected_at or now,
    )


def _order(row: CaseRow, one: CaseOrder) -> OrderFacts:
    expected = one.expected_at
    return OrderFacts(
        order_id=str(one.order_id),
        label=order_label(one.order_number),
        outstanding=one.outstanding,
        sent_at=one.sent_at,
        answered_at=one.answered_at,
        answer_due_at=None if one.sent_at is None else one.sent_at + _answer_expected(row),
        promised_at=one.promised_at,  # a calendar expects, and only a supplier promises
        delivery_closes_at=expected if _is_said(row, one) else None,
        shipped=one.shipped,
        arrived=one.arrived,
        overdue_at=None if expected is None else expected + timedelta(hours=row.grace_hours),
        drafted_at=one.drafted_at,
        expires_at=one.expires_at,
        escalates_at=one.escalates_at,
        changed_at=one.changed_at,
        change_because=one.change_because or "",
    )


def _is_said(row: CaseRow, one: CaseOrder) -> bool:
    """When it comes: by a promise, or by a lead time that somebody gave."""
    return one.promised_at is not None or row.lead_time_said


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
