"""The site: every page and every address of the API, put together. One process, one worker.

`make_site` starts nothing by itself; the live hub runs while the application does.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from functools import partial

import prometheus_client
from fastapi import APIRouter, FastAPI, Request, Response
from psycopg_pool import ConnectionPool
from starlette.middleware.gzip import GZipMiddleware

from cloud.http import live, metrics, problems, rendering
from cloud.http.api import agreements as api_agreements
from cloud.http.api import bins as api_bins
from cloud.http.api import calendars as api_calendars
from cloud.http.api import calibration as api_calibration
from cloud.http.api import cases as api_cases
from cloud.http.api import counts as api_counts
from cloud.http.api import evidence as api_evidence
from cloud.http.api import findings as api_findings
from cloud.http.api import health as api_health
from cloud.http.api import kpis as api_kpis
from cloud.http.api import movements as api_movements
from cloud.http.api import nouns as api_nouns
from cloud.http.api import orders as api_orders
from cloud.http.api import policies as api_policies
from cloud.http.api import review as api_review
from cloud.http.api import shadow as api_shadow
from cloud.http.api import users as api_users
from cloud.http.guards import Guards
from cloud.http.live import Hub
from cloud.http.pages import (
    agreements,
    answer,
    bins,
    calendars,
    cases,
    evidence,
    imports,
    kpis,
    login,
    nouns,
    orders,
    policies,
    portal,
    review,
    shadow,
    users,
    wall,
)
from cloud.http.parts import Parts, utc_now
from cloud.settings import HttpSettings

GZIP_BYTES_MIN = 1_000

DESCRIPTION = """
What Binline knows about bins and orders, as JSON.

**Who may see what.** Sign in at `/login`; the session cookie opens the API. Operations see every
bin and order, a supplier sees its own; what belongs to others answers 404.

**Numbers.** Pieces are whole numbers and weights whole milligrams. Times are UTC, ISO 8601.
`trust` says whether a number may be acted on: only `fresh` may. A number that is not fresh is
the last one known, and `measured_at` says how old it is.

**Changes** are asked for with POST, and of one thing with PATCH and the `version` you looked at:
what somebody else changed meanwhile is told with 409, and nothing is lost. A program sends the
address of this server as `Origin`.

**Lists** come in pages: `next` is the `cursor` of the next one, null when there is none.

**Problems** are `application/problem+json` with `title`, `detail` and `what_to_do`.
"""

_static = APIRouter(include_in_schema=False)


@_static.get("/static/{name}")
def static(name: str, v: str = "") -> Response:
    response = rendering.static_response(name, v)
    if response is None:
        raise problems.Told(problems.NOT_FOUND)
    return response


@_static.get("/favicon.ico")
def favicon() -> Response:
    return static("mark.svg")


def make_site(
    settings: HttpSettings,
    portal_pool: ConnectionPool,
    auth_pool: ConnectionPool,
    now: Callable[[], datetime] = utc_now,
) -> FastAPI:
    """The pools are the caller's to open and close."""
    hub = Hub(partial(live.look, portal_pool), partial(live.look_for_needs, portal_pool), now)
    site = FastAPI(
        title="Binline",
        description=DESCRIPTION.strip(),
        version="0.1.0",
        openapi_url="/api/openapi.json",
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
        lifespan=_lifespan,
    )
    site.state.parts = Parts(
        settings=settings, portal_pool=portal_pool, auth_pool=auth_pool, hub=hub, now=now
    )
    site.state.metrics = metrics.make_registry(hub)
    problems.install(site)
    for module in (
        api_health, api_bins, api_movements, api_counts, api_calibration, api_findings, api_nouns,
        api_orders, api_evidence, api_cases, api_kpis, api_review, api_policies,
        api_calendars, api_shadow, api_agreements, api_users,
        wall, nouns, policies, calendars, bins, imports, orders, shadow, evidence, cases,
        kpis, review, agreements, portal, answer, users, login,
    ):  # fmt: skip
        site.include_router(module.router)
    site.include_router(_static)
    site.include_router(_metrics)
    site.add_middleware(Guards, public_url=settings.public_url)
    site.add_middleware(GZipMiddleware, minimum_size=GZIP_BYTES_MIN)
    return site


_metrics = APIRouter(include_in_schema=False)


@_metrics.get("/metrics")
def metrics_page(request: Request) -> Response:
    return Response(
        prometheus_client.generate_latest(request.app.state.metrics),
        media_type=prometheus_client.CONTENT_TYPE_LATEST,
    )


@asynccontextmanager
async def _lifespan(site: FastAPI) -> AsyncIterator[None]:
    hub: Hub = site.state.parts.hub
    running = asyncio.create_task(hub.run(), name="live hub")
    try:
        yield
    finally:
        hub.close()
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
