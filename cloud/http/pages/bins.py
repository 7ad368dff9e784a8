"""One bin: its level, what the number is worth, what was ordered and why, and the readings."""

from typing import Literal

from fastapi import APIRouter, Request
from starlette.responses import Response

from cloud.core.trust import stale_after
from cloud.http import auth, charts, problems, rendering, views, words
from cloud.http.auth import Operations
from cloud.http.pages import orders
from cloud.http.parts import BinCode, parts_of
from cloud.postgres import portal, wall

router = APIRouter(include_in_schema=False)

TABLE_READINGS_MAX = 12


@router.get("/bins/{code}")
def bin_page(
    request: Request,
    session: Operations,
    code: BinCode,
    span: Literal["24h", "7d", "30d", "90d"] = "24h",
) -> Response:
    parts = parts_of(request)
    now = parts.now()
    with auth.asked_by(parts, session) as conn:
        row = wall.one_bin(conn, code)
        if row is None:
            raise problems.Told(problems.NOT_FOUND)
        shown = charts.SPAN_OF[span]
        told = charts.history_of(conn, row.bin_id, shown, now)
        readings = portal.last_readings(conn, row.bin_id, TABLE_READINGS_MAX)
        last_order = portal.last_order_of_bin(conn, row.bin_id)
        story = None if last_order is None else orders.story_of(conn, last_order)
    judgement = views.judged(row, now)
    return rendering.page(
        request,
        "bin.html",
        session=session,
        now=now,
        row=row,
        tile=views.tile_of(row, now),
        judgement=judgement,
        stale_after=stale_after(row.interval_s),
        zone=words.zone(row.time_zone),
        readings=readings,
        pieces_of=views.pieces_of,
        chart=charts.level_chart(row, told, shown, now),
        span=shown,
        spans=charts.SPANS,
        story=story,
    )
