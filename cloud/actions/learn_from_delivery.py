"""Learn the weight of a piece from a delivery whose pieces are known.

What moves it by less than half a percent is put into use at once; what moves it further is a
finding that waits until somebody consents. Either way it is written as any edit of the item, so
that its history says so, and whoever follows the bins states their history anew: no movement is
added and none goes, each is told in pieces of the new weight.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import psycopg
from psycopg import errors

from cloud.core import deliveries
from cloud.core.deliveries import Refill
from cloud.core.following import restated
from cloud.core.learning import Apply, Delivery, Keep, Propose, UnitWeight, relearn
from cloud.core.levels import Calibration
from cloud.core.nouns import Mistake
from cloud.core.refusals import (
    DeliveryFarOff,
    DeliveryUnknown,
    DeliveryUsed,
    FindingAnswered,
    FindingOvertaken,
    FindingUnknown,
    NotAsAllowed,
    NotWeighed,
    NounUnknown,
)
from cloud.core.unrest import UNSAID_SCALE_SD_MG
from cloud.postgres import asking, counts, findings, movements, nouns, wall
from cloud.postgres.findings import FindingRow, NewFinding, State
from cloud.postgres.wall import BinRow

BINS_TOLD_MAX = 50
ORDERS_AT_ONCE = 100
ORDERS_SINCE = timedelta(days=30)  # what was closed before is not looked at again
OF_BINLINE = "binline"


def tell_delivery(  # noqa: PLR0917 - who tells what of which
    conn: psycopg.Connection,
    code: str,
    movement_id: int,
    pieces: int,
    because: str,
    by: str,
    now: datetime,
) -> FindingRow:
    """A person knows that the refill `movement_id` was `pieces`. Runs as operations."""
    if pieces < 1:
        allowed = "a whole number above zero"
        raise NotAsAllowed([Mistake(field="pieces", given=str(pieces), allowed=allowed)])
    nouns.take_turns(conn)
    row = _weighed(conn, code)
    refill = findings.refill(conn, row.bin_id, movement_id)
    if refill is None:
        raise DeliveryUnknown
    if deliveries.is_far_off(refill, pieces, row.unit_weight_ug):
        raise DeliveryFarOff(pieces, refill.pieces)
    if findings.is_used(conn, row.bin_id, refill.event_at):
        raise DeliveryUsed
    return _find(conn, row, refill, pieces, None, by, because.strip(), now)


def answer_finding(  # noqa: PLR0917 - who answers what of which
    conn: psycopg.Connection,
    code: str,
    finding_id: int,
    accept: bool,  # noqa: FBT001 - the answer itself
    because: str,
    by: str,
    now: datetime,
) -> FindingRow:
    """Consent, or decline, with a reason. Runs as operations."""
    if not because.strip():
        mistake = Mistake(field="because", given=because, allowed="a few words on why")
        raise NotAsAllowed([mistake])
    nouns.take_turns(conn)
    row = _weighed(conn, code)
    found = findings.lock(conn, row.bin_id, finding_id)
    if found is None:
        raise FindingUnknown
    if found.state != "waiting":
        raise FindingAnswered
    if accept and is_overtaken(found, row):
        raise FindingOvertaken
    findings.answer(
        conn, finding_id, "accepted" if accept else "declined", by, because.strip(), now
    )
    if accept:
        _use(conn, found, f"{_of_delivery(found)}: {because.strip()}")
    answered = findings.lock(conn, row.bin_id, finding_id)
    assert answered is not None
    return answered


def is_overtaken(found: FindingRow, row: BinRow) -> bool:
    """Whether it was compared with a weight that is no longer in use."""
    return found.state == "waiting" and found.from_ug != row.unit_weight_ug


def learn_from_orders(conn: psycopg.Connection, now: datetime) -> int:
    """What orders that were delivered say, where it can only be said of one refill. By the jobs.

    One transaction for each, so that one that fails does not hold up the others. How many were
    looked at and said something.
    """
    said = 0
    for bin_id, told in findings.announced(conn, now - ORDERS_SINCE, now, ORDERS_AT_ONCE):
        upto = told.closed_at + deliveries.AFTERWARDS
        around = findings.refills_between(conn, bin_id, told.placed_at, upto)
        beside = findings.announced_beside(conn, bin_id, told)
        refill = deliveries.known_of(told, around, beside)
        if refill is None:
            continue
        try:
            with conn.transaction():
                asking.as_job(conn, OF_BINLINE)
                nouns.take_turns(conn)
                row = wall.bin_by_id(conn, bin_id)
                if row is None or findings.is_used(conn, bin_id, refill.event_at):
                    continue
                _find(conn, row, refill, told.pieces, told.order_id, OF_BINLINE, told.label, now)
        except errors.UniqueViolation:
            continue  # another worker was quicker
        said += 1
    return said


# ------------------------------------------------------------------ what it would come to


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """One bin's level by the weight in use, and by the one that was found."""

    code: str
    pieces: int
    becomes: int
    movements: int


def predicted(conn: psycopg.Connection, found: FindingRow) -> Sequence[Predicted]:
    """By the same rule that states history anew once it is in use; at most fifty bins."""
    told = []
    for bin_id, code, tare_mg in findings.bins_with(conn, found.item_id, BINS_TOLD_MAX):
        booked = [one.movement for one in movements.live_since(conn, bin_id, found.item_id, None)]
        if not booked:
            continue
        calibration = Calibration(tare_mg=tare_mg, unit_weight_ug=found.unit_weight_ug)
        become = restated(booked, calibration)
        told.append(
            Predicted(
                code=code,
                pieces=booked[-1].after_pieces,
                becomes=become[-1].after_pieces,
                movements=len(booked),
            )
        )
    return told


# ------------------------------------------------------------------ parts


def _weighed(conn: psycopg.Connection, code: str) -> BinRow:
    row = wall.one_bin(conn, code)
    if row is None:
        raise NounUnknown
    if row.measure != "weight":
        raise NotWeighed
    return row


def _find(  # noqa: PLR0917 - all that a finding says
    conn: psycopg.Connection,
    row: BinRow,
    refill: Refill,
    pieces: int,
    order_id: UUID | None,
    by: str,
    because: str,
    now: datetime,
) -> FindingRow:
    calibration = Calibration(
        tare_mg=row.tare_mg,
        unit_weight_ug=row.unit_weight_ug,
        unit_sd_ug=row.unit_sd_ug,
        unit_error_ug=row.unit_error_ug,
    )
    delivery = Delivery(
        pieces=pieces,
        before_mg=refill.before_mg,
        after_mg=refill.after_mg,
        weight_sd_mg=math.sqrt(2) * (row.scale_sd_mg or UNSAID_SCALE_SD_MG),
    )
    learnt = relearn(delivery, calibration, row.capacity)
    state, unit = _state(learnt, row)
    item_id = counts.item_of(conn, row.bin_id)
    if state != "kept":
        findings.overtake(conn, item_id, by, "Another delivery was told of.", now)
    new = NewFinding(
        bin_id=row.bin_id,
        item_id=item_id,
        refill=refill,
        order_id=order_id,
        pieces=pieces,
        from_ug=row.unit_weight_ug,
        unit=unit,
        says=learnt.because,
        told_by=by,
        told_because=because,
        state=state,
    )
    found = findings.insert(conn, new, now)
    if state == "applied":
        said = f": {because}" if because else ""
        _use(conn, found, f"{_of_delivery(found)}, within half a percent{said}")
    return found


def _state(learnt: Keep | Apply | Propose, row: BinRow) -> tuple[State, UnitWeight]:
    match learnt:
        case Apply(unit_weight=unit):
            return "applied", unit
        case Propose(unit_weight=unit):
            return "waiting", unit
        case Keep():
            return "kept", UnitWeight(
                unit_weight_ug=row.unit_weight_ug,
                unit_sd_ug=row.unit_sd_ug,
                unit_error_ug=row.unit_error_ug,
                bias_pieces=0.0,
                sample=0,
            )


def _use(conn: psycopg.Connection, found: FindingRow, because: str) -> None:
    asking.because(conn, because)
    findings.use(conn, found)


def _of_delivery(found: FindingRow) -> str:
    return f"learnt from a delivery of {found.pieces:,} pieces"
