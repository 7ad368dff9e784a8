"""One bin: its level, what the number is worth, what moved, what was counted, ordered and learnt.

What people tell of a bin is entered here, too: a count, a counted sample, that it is empty. What is
refused is said beside the form, with nothing lost of what was typed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import psycopg
from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from cloud.actions import keep_policies
from cloud.actions.calibrate_bin import Learnt, because_of, learn_empty, learn_from_sample
from cloud.actions.count_bin import Asked, count_bin
from cloud.actions.learn_from_delivery import (
    Predicted,
    answer_finding,
    is_overtaken,
    predicted,
    tell_delivery,
)
from cloud.core.learning import UNSAID_SPREAD, ZeroCheck, check_zero, sample_needed
from cloud.core.nouns import BIN, INT_MAX, ITEM, Mistake
from cloud.core.refusals import NotAsAllowed, Refusal
from cloud.core.trust import stale_after
from cloud.http import accuracy, auth, charts, kept, problems, rendering, signals, views, words
from cloud.http.auth import Operations
from cloud.http.charts import ChartSpan
from cloud.http.doubts import TRUST_WORDS
from cloud.http.kept import Told
from cloud.http.pages import orders
from cloud.http.parts import BinCode, parts_of
from cloud.http.problems import Problem
from cloud.postgres import counts, findings, movements, nouns, portal, wall
from cloud.postgres.findings import FindingRow
from cloud.postgres.sessions import Session
from cloud.postgres.wall import BinRow

router = APIRouter(include_in_schema=False)

TABLE_READINGS_MAX = 12
MOVEMENTS_FIRST = 8
MOVEMENTS_MAX = 60
MOVEMENTS_DRAWN_MAX = 2_000
REPLACED_MAX = 20
COUNTS_MAX = 10
HISTORY_MAX = 12
FORM_FIELDS_MAX = 12
BECAUSE_CHARS_MAX = 500
BIGINT_MAX = 2**63 - 1
CALIBRATION = ("unit_weight_ug", "unit_sd_ug", "unit_error_ug", "tare_mg", "scale_sd_mg")

REFILLS_MAX = 12
FINDINGS_MAX = 8

Form = Literal["count", "sample", "tare", "delivery", "finding"]
DONE = {
    "count": "Entered. The level follows in a second or two.",
    "sample": "In use. Every bin with this item is counted anew by it.",
    "tare": "In use. The bin is counted anew by it.",
    "delivery": "Entered. What it says is below.",
    "finding": "Answered. An accepted weight is in use: every bin with this item is counted anew.",
}


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a form of this page came to, shown beside it."""

    form: Form
    typed: dict[str, str]
    problem: Problem | None = None
    mistakes: tuple[Mistake, ...] = ()
    learnt: Learnt | None = None


@dataclass(frozen=True, kw_only=True)
class Found:
    """A finding, and whether somebody's consent would still put it into use."""

    row: FindingRow
    waits: bool
    overtaken: bool
    predicted: Sequence[Predicted]


@router.get("/bins/{code}")
def bin_page(
    request: Request,
    session: Operations,
    code: BinCode,
    span: Literal["24h", "7d", "30d", "90d"] = "24h",
) -> Response:
    return _page(request, session, code, charts.SPAN_OF[span], None)


@router.post("/bins/{code}/{form}")
async def tell_of_bin(request: Request, session: Operations, code: BinCode, form: Form) -> Response:
    given = await request.form(max_files=0, max_fields=FORM_FIELDS_MAX)
    typed = {name: str(value)[:BECAUSE_CHARS_MAX] for name, value in given.items()}
    return await run_in_threadpool(_tell, request, session, code, form, typed)


def _tell(
    request: Request, session: Session, code: str, form: Form, typed: dict[str, str]
) -> Response:
    parts = parts_of(request)
    now = parts.now()
    learnt = None
    try:
        with auth.asked_by(parts, session) as conn:
            if form == "count":
                _count(conn, session, code, typed, now)
            elif form == "delivery":
                movement, because = _number(typed, "movement"), typed.get("because", "")
                tell_delivery(conn, code, movement, _pieces(typed), because, session.email, now)
            elif form == "finding":
                accept, because = typed.get("answer") == "accept", typed.get("because", "")
                finding = _number(typed, "finding")
                answer_finding(conn, code, finding, accept, because, session.email, now)
            else:
                learnt = _learn(conn, code, form, typed, now)
    except Refusal as refused:
        said = Said(
            form=form,
            typed=typed,
            problem=problems.of_refusal(refused),
            mistakes=refused.mistakes if isinstance(refused, NotAsAllowed) else (),
        )
        return _page(request, session, code, charts.SPANS[0], said)
    if learnt is not None and not learnt.applied:
        said = Said(form=form, typed=typed, learnt=learnt)
        return _page(request, session, code, charts.SPANS[0], said)
    return RedirectResponse(f"/bins/{code}?done={form}#{form}", 303)


def _count(
    conn: psycopg.Connection, session: Session, code: str, typed: dict[str, str], now: datetime
) -> None:
    row = wall.one_bin(conn, code)
    if row is None:
        raise problems.Told(problems.NOT_FOUND)
    asked = Asked(
        kind=typed.get("kind", ""),
        pieces=_pieces(typed),
        counted_at=_counted_at(typed, row),
        because=typed.get("because", ""),
    )
    count_bin(conn, code, asked, session.email, now)


def _learn(
    conn: psycopg.Connection, code: str, form: Form, typed: dict[str, str], now: datetime
) -> Learnt:
    because = typed.get("because", "")
    is_applied = typed.get("apply") == "1"
    if form == "tare":
        apply = because_of("tare", because) if is_applied else None
        return learn_empty(conn, code, now, apply=apply)
    pieces = _pieces(typed)
    apply = because_of("sample", because, pieces) if is_applied else None
    return learn_from_sample(conn, code, pieces, now, apply=apply)


def _pieces(typed: dict[str, str]) -> int:
    text = typed.get("pieces", "").strip().replace(",", "").replace(" ", "")
    if not text.isascii() or not text.isdecimal() or int(text) > INT_MAX:
        mistake = Mistake(field="pieces", given=text, allowed="a whole number of pieces")
        raise NotAsAllowed([mistake])
    return int(text)


def _number(typed: dict[str, str], field: str) -> int:
    """Of a movement or a finding, as the page itself has put it there."""
    text = typed.get(field, "")
    if not text.isascii() or not text.isdecimal() or int(text) > BIGINT_MAX:
        mistake = Mistake(field=field, given=text, allowed="one of those that are listed")
        raise NotAsAllowed([mistake])
    return int(text)


def _counted_at(typed: dict[str, str], row: BinRow) -> datetime | None:
    """As a browser gives it, without a zone: that of the site is meant."""
    text = typed.get("counted_at", "").strip()
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        mistake = Mistake(field="counted_at", given=text, allowed="a date and a time")
        raise NotAsAllowed([mistake]) from None
    return at.replace(tzinfo=words.zone(row.time_zone)) if at.tzinfo is None else at


def _page(
    request: Request, session: Session, code: str, shown: ChartSpan, said: Said | None
) -> Response:
    parts = parts_of(request)
    now = parts.now()
    with auth.asked_by(parts, session) as conn:
        row = wall.one_bin(conn, code)
        if row is None:
            raise problems.Told(problems.NOT_FOUND)
        told = charts.history_of(conn, row.bin_id, shown, now)
        drawn = movements.listed(conn, row.bin_id, MOVEMENTS_DRAWN_MAX, now - shown.length)
        listed = movements.listed(conn, row.bin_id, MOVEMENTS_MAX + 1)
        replaced = movements.listed(conn, row.bin_id, REPLACED_MAX, replaced=True)
        restated = movements.restatements(conn, row.bin_id, HISTORY_MAX)
        counted = counts.listed(conn, row.bin_id, COUNTS_MAX)
        found = counts.compared(conn, now - timedelta(days=accuracy.DAYS), bin_id=row.bin_id)
        sensors = portal.last_of_each_sensor(conn, row.bin_id) if row.several else ()
        readings = portal.last_readings(conn, row.bin_id, TABLE_READINGS_MAX)
        gateways = {one.name: one for one in wall.all_gateways(conn)}
        calibrated = _calibrated(conn, session, row)
        ordered = keep_policies.ordering_of(conn, code)
        refills = findings.refills(conn, row.bin_id, REFILLS_MAX)
        found_of = _found_of(conn, row)
        last_order = portal.last_order_of_bin(conn, row.bin_id)
        story = None if last_order is None else orders.story_of(conn, last_order)
    judgement = views.judged(row, now)
    gateway = gateways.get(row.gateway or "")
    return rendering.page(
        request,
        "bin.html",
        status=200 if said is None or said.problem is None else said.problem.status,
        at="" if said is None else f"/bins/{code}",
        session=session,
        now=now,
        row=row,
        tile=views.tile_of(row, now),
        suggested=ordered.suggested,
        estimate_row=ordered.estimate,
        judgement=judgement,
        meant=TRUST_WORDS[judgement.trust],
        estimate=views.estimate_of(row, judgement, now),
        off=views.plus_minus(row),
        path_stations=signals.path_of(row, judgement, gateway, readings, now, sensors=sensors),
        zero=_zero(row),
        stale_after=stale_after(row.interval_s),
        zone=words.zone(row.time_zone),
        readings=readings,
        pieces_of=views.pieces_of,
        chart=charts.level_chart(row, told, shown, now, drawn, guess=not judgement.may_act),
        booked=charts.is_booked(row),
        span=shown,
        spans=charts.SPANS,
        movement_words=charts.MOVEMENT_WORDS,
        moved=listed[:MOVEMENTS_MAX],
        moved_first=MOVEMENTS_FIRST,
        moved_more=len(listed) > MOVEMENTS_MAX,
        replaced=replaced,
        restated=restated,
        counted=counted,
        accurate=accuracy.of(found),
        accuracy_days=accuracy.DAYS,
        tolerance=accuracy.TOLERANCE_PERMILLE / 10,
        calibrated=calibrated,
        refills=refills,
        findings=found_of,
        needed=sample_needed(
            row.unit_sd_ug / row.unit_weight_ug if row.unit_sd_ug else UNSAID_SPREAD
        ),
        story=story,
        said=said,
        done=DONE.get(request.query_params.get("done", ""), ""),
        done_form=request.query_params.get("done", ""),
    )


def _calibrated(conn: psycopg.Connection, session: Session, row: BinRow) -> list[Told]:
    """Changes of what turns a weight into pieces, of the bin and of its item, newest first."""
    bin_ = kept.find(conn, BIN, row.code)
    item_id = nouns.ids_of(conn, ITEM)[row.sku,]
    told = kept.history(conn, session, BIN, bin_)
    told += kept.history(conn, session, ITEM, kept.find(conn, ITEM, str(item_id)))
    only = [
        one
        for one in told
        if not one.new and any(each.field in CALIBRATION for each in one.differences)
    ]
    return sorted(only, key=lambda one: one.at, reverse=True)[:HISTORY_MAX]


def _found_of(conn: psycopg.Connection, row: BinRow) -> list[Found]:
    """What deliveries said, newest first; of what waits, what it would come to."""
    found = []
    for one in findings.listed(conn, row.bin_id, FINDINGS_MAX):
        gone = is_overtaken(one, row)
        waits = one.state == "waiting" and not gone
        told = predicted(conn, one) if waits else ()
        found.append(Found(row=one, waits=waits, overtaken=gone, predicted=told))
    return found


def _zero(row: BinRow) -> ZeroCheck | None:
    if row.zero_error_mg is None:
        return None
    return check_zero(row.zero_error_mg, views.calibration_of(row))
