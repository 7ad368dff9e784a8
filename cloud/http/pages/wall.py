"""The wall: every bin at a glance, first as HTML with everything in it, then live."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from cloud.actions.look_for_cases import look_for_cases
from cloud.http import auth, cases, live, problems, rendering, views, words
from cloud.http.auth import Operations
from cloud.http.live import EventStream, TooManyViewers
from cloud.http.parts import parts_of
from cloud.postgres import portal, wall

router = APIRouter(include_in_schema=False)

FILTERS = {
    "": "All",
    "empty": "Empty",
    "low": "Low",
    "stale": "No fresh reading",
    "ordered": "On order",
}
QUERY_CHARS_MAX = 80


@router.get("/")
def first_page(session: auth.Anyone) -> Response:
    return RedirectResponse("/wall" if session.role == "operations" else "/p", 303)


@router.get("/wall")
def wall_page(
    request: Request,
    session: Operations,
    state: str = "",
    q: Annotated[str, Query(max_length=QUERY_CHARS_MAX)] = "",
) -> Response:
    parts = parts_of(request)
    now = parts.now()
    with auth.asked_by(parts, session) as conn:
        rows = wall.all_bins(conn)
        gateways = wall.all_gateways(conn)
        zones = portal.time_zones(conn)
        needs = cases.needs_of(look_for_cases(conn, now), now)
    tiles = [views.tile_of(row, now) for row in rows]
    summary = views.summary_of(rows, tiles, gateways)
    sites = {group.site_id: group.site for group in summary.groups}
    state = state if state in FILTERS else ""
    shown = [
        tile
        for tile in views.in_wall_order(tiles)
        if views.matches(tile, sites[tile.site_id], state, q)
    ]
    return rendering.page(
        request,
        "wall.html",
        session=session,
        now=now,
        zone=words.one_zone(zones, now),
        summary=summary,
        tiles=views.in_wall_order(tiles),
        shown={tile.code for tile in shown},
        blank=views.BLANK_TILE,
        needs=needs,
        blank_need=cases.BLANK_NEED,
        filters=FILTERS,
        state=state,
        q=q,
    )


@router.get("/live")
async def live_stream(request: Request, _session: Operations) -> Response:
    parts = parts_of(request)
    token = auth.token_of(parts, request)

    async def still_signed_in() -> bool:
        try:
            return await asyncio.to_thread(auth.find_session, parts, token) is not None
        except live.OUTAGES:
            return True  # an outage signs nobody out; the page is told that the database is away

    try:
        viewer = parts.hub.join()
    except TooManyViewers:
        raise problems.Told(problems.BUSY) from None
    return EventStream(parts.hub, viewer, still_signed_in)
