"""Every "no" and every outage that a page or the API answers with: a status, and its words.

A problem says what happened, why, and what to do. Pages show it as a page, the API as JSON in
the shape of RFC 9457.
"""

import logging
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from urllib.parse import urlencode

import psycopg
import psycopg_pool
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import Scope

from cloud.core import refusals
from cloud.http import rendering

log = logging.getLogger(__name__)

RETRY_S = 5
CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


@dataclass(frozen=True, kw_only=True)
class Problem:
    status: int
    code: str
    what: str
    why: str = ""
    what_to_do: str = ""
    retry_s: int | None = None
    more: Mapping[str, object] = field(default_factory=dict)  # what only the API tells


class Told(Exception):  # noqa: N818 - it is an answer, not a defect
    """Stops a request with a problem to be told."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.what)
        self.problem = problem


NOT_FOUND = Problem(
    status=404,
    code="not_found",
    what="There is nothing here",
    why="It does not exist, or it is not yours to see.",
    what_to_do="Check the address, or start again from the first page.",
)
NOT_SIGNED_IN = Problem(
    status=401,
    code="not_signed_in",
    what="You are not signed in",
    why="The session has ended, or there was none.",
    what_to_do="Sign in at /login.",
)
TOO_LARGE = Problem(
    status=413,
    code="too_large",
    what="That is too much at once",
    why="A request may carry one mebibyte, a file for import eight.",
    what_to_do="Send less.",
)
FROM_ELSEWHERE = Problem(
    status=403,
    code="from_elsewhere",
    what="This was not asked for by one of our pages",
    why="A change must come from a page of this server: the Origin header names another, or none.",
    what_to_do="Open the page here and press its button. A program sends our address as Origin.",
)
DATABASE_AWAY = Problem(
    status=503,
    code="database_away",
    what="The database does not answer",
    why="Nothing is lost: readings wait on the gateways, and orders are kept.",
    what_to_do="Try again in a few seconds.",
    retry_s=RETRY_S,
)
BUSY = Problem(
    status=503,
    code="busy",
    what="The server is busy",
    why="Too many want the same at once.",
    what_to_do="Try again in a few seconds.",
    retry_s=RETRY_S,
)
NOT_UNDERSTOOD = Problem(
    status=422,
    code="not_understood",
    what="The request was not understood",
    why="A part of it is missing or has another form than expected.",
    what_to_do="Go back and try once more. A program compares with /api/openapi.json.",
)
CURSOR_UNKNOWN = Problem(
    status=422,
    code="cursor_unknown",
    what="The cursor is none of ours",
    why="It is the `next` of the page before, as it was given.",
    what_to_do="Start again from the first page, without a cursor.",
)
VERSION_MISSING = Problem(
    status=422,
    code="version_missing",
    what="The version is missing",
    why="Without it a change of somebody else could be lost.",
    what_to_do="Send the `version` that you looked at along with what changes.",
)
DEFECT = Problem(
    status=500,
    code="defect",
    what="Something is broken on our side",
    why="It has been written down with its cause.",
    what_to_do="Try again. If it stays, tell whoever runs this server what you did.",
)

REFUSALS: dict[type[refusals.Refusal], int] = {
    refusals.OrderUnknown: 404,
    refusals.GatewayUnknown: 404,
    refusals.StreamNotHeard: 409,
    refusals.OrderAlreadyClosed: 409,
    refusals.LinkInvalid: 404,
    refusals.LinkExpired: 410,
    refusals.CountImpossible: 422,
    refusals.CountTooOld: 409,
    refusals.SampleUseless: 422,
    refusals.SampleTooSmall: 422,
    refusals.TareNotStill: 409,
    refusals.SampleNotStill: 409,
    refusals.NotWeighed: 409,
    refusals.DeliveryUnknown: 404,
    refusals.DeliveryFarOff: 422,
    refusals.DeliveryUsed: 409,
    refusals.FindingUnknown: 404,
    refusals.FindingAnswered: 409,
    refusals.FindingOvertaken: 409,
    refusals.NounUnknown: 404,
    refusals.ChangedMeanwhile: 409,
    refusals.NotAsAllowed: 422,
    refusals.SheetUnreadable: 422,
    refusals.CalendarNeverOpens: 409,
    refusals.PolicyUnreadable: 409,
    refusals.NothingSuggested: 409,
    refusals.OrderIsDraft: 409,
    refusals.OrderNotSent: 409,
    refusals.OrderAlreadySent: 409,
    refusals.OrderAlreadyConfirmed: 409,
    refusals.OrderChangeIsWaiting: 409,
    refusals.OrderAlreadyShipped: 409,
    refusals.OrderAlreadyReceived: 409,
    refusals.OrderWasRefused: 409,
    refusals.OrderWasCancelled: 409,
    refusals.OrderHasExpired: 409,
    refusals.DraftStillValid: 409,
    refusals.NoChangeProposed: 409,
    refusals.ChangeWasReplaced: 409,
    refusals.NumberUsedTwice: 409,
    refusals.LineUnknown: 422,
    refusals.QuantityImpossible: 422,
    refusals.ReasonMissing: 422,
    refusals.DayUnreadable: 422,
    refusals.BinUnknown: 404,
    refusals.LevelNotKnown: 409,
    refusals.OrderPastCapacity: 409,
    refusals.ProposalUnknown: 404,
    refusals.ProposalWithoutReason: 422,
    refusals.ProposalChangesNothing: 422,
    refusals.ProposalOutdated: 409,
    refusals.LimitsDoNotFit: 409,
    refusals.AgreementThereAlready: 409,
    refusals.ProposalAnswered: 409,
    refusals.OwnProposal: 409,
    refusals.CaseUnknown: 404,
    refusals.SpanImpossible: 422,
    refusals.SnoozeWithoutReason: 422,
}


def install(site: FastAPI) -> None:
    site.add_exception_handler(Told, _told)
    site.add_exception_handler(refusals.Refusal, _refused)
    site.add_exception_handler(HTTPException, _http)
    site.add_exception_handler(RequestValidationError, _not_understood)
    for outage in (
        psycopg.OperationalError,
        psycopg_pool.PoolTimeout,
        psycopg_pool.TooManyRequests,
        psycopg_pool.PoolClosed,
    ):
        site.add_exception_handler(outage, _database_away)
    site.add_exception_handler(Exception, _defect)


def answer(scope: Scope, problem: Problem) -> Response:
    """As JSON for the API, as a page for people."""
    headers = {} if problem.retry_s is None else {"Retry-After": str(problem.retry_s)}
    if scope["path"].startswith("/api/"):
        return JSONResponse(
            {
                "type": f"urn:binline:problem:{problem.code}",
                "title": problem.what,
                "status": problem.status,
                "detail": problem.why,
                "what_to_do": problem.what_to_do,
                **problem.more,
            },
            status_code=problem.status,
            headers=headers,
            media_type="application/problem+json",
        )
    theme = rendering.theme_of(HTTPConnection(scope))
    # An address that asked for too much is still that of a page: without what was asked it opens.
    anew = scope["path"] if scope["method"] == "GET" and scope["query_string"] else ""
    html = rendering.render("problem.html", problem=problem, anew=anew, theme=theme)
    return Response(html, problem.status, headers, "text/html")


def of_refusal(refusal: refusals.Refusal) -> Problem:
    """The sentence of a refusal as a problem; one that is not in the table is a defect of ours."""
    if isinstance(refusal, refusals.NounUnknown):
        return NOT_FOUND
    what, _, why = refusal.sentence.partition(": ")
    return Problem(
        status=REFUSALS[type(refusal)],
        code=CAPITAL.sub("_", type(refusal).__name__).lower(),
        what=what.rstrip("."),
        why=why[:1].upper() + why[1:],
        what_to_do=refusal.what_to_do,
        more=_more(refusal),
    )


def _more(refusal: refusals.Refusal) -> Mapping[str, object]:
    match refusal:
        case refusals.NotAsAllowed(mistakes=mistakes):
            more: dict[str, object] = {"mistakes": [asdict(mistake) for mistake in mistakes]}
        case refusals.ChangedMeanwhile(version=version, fields=fields):
            more = {"version": version, "fields": list(fields)}
        case refusals.CountTooOld(moved=moved):
            more = {"moved": list(moved)}
        case refusals.DeliveryFarOff(weighed=weighed):
            more = {"weighed": weighed}
        case refusals.SampleTooSmall(pieces_needed=needed):
            more = {"pieces_needed": needed}
        case refusals.TareNotStill(readings=readings, readings_needed=wanted) | (
            refusals.SampleNotStill(readings=readings, readings_needed=wanted)
        ):
            more = {"readings": readings, "readings_needed": wanted}
        case _:
            more = {}
    return more


def _told(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, Told)
    wants_page = "text/html" in request.headers.get("accept", "")
    is_page = request.method == "GET" and not request.url.path.startswith(("/api/", "/live"))
    if exc.problem is NOT_SIGNED_IN and wants_page and is_page:
        back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/login?{urlencode({'next': back})}", 303)
    return answer(request.scope, exc.problem)


def _refused(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, refusals.Refusal)
    return answer(request.scope, of_refusal(exc))


def _http(request: Request, exc: Exception) -> Response:
    """What the framework itself refuses: an unknown address, a method that is not offered."""
    assert isinstance(exc, HTTPException)
    if exc.status_code == NOT_FOUND.status:
        return answer(request.scope, NOT_FOUND)
    problem = replace(
        NOT_UNDERSTOOD, status=exc.status_code, what=str(exc.detail), code="refused", why=""
    )
    response = answer(request.scope, problem)
    response.headers.update(exc.headers or {})
    return response


def _not_understood(request: Request, exc: Exception) -> Response:
    """An id in the address that is none is simply not found; the rest is told with its place."""
    assert isinstance(exc, RequestValidationError)
    places = [".".join(str(part) for part in error["loc"]) for error in exc.errors()]
    if any(place.startswith("path.") for place in places):
        return answer(request.scope, NOT_FOUND)
    if not request.url.path.startswith("/api/"):
        places = [place.rpartition(".")[2] for place in places]  # where it came from tells nobody
    return answer(
        request.scope, replace(NOT_UNDERSTOOD, why=f"Not as expected: {', '.join(places)}.")
    )


def _database_away(request: Request, exc: Exception) -> Response:
    log.warning("the database did not answer %s: %s", request.url.path, exc)
    return answer(request.scope, DATABASE_AWAY)


def _defect(request: Request, _exc: Exception) -> Response:
    """The trace is logged by the server that runs us; the visitor is told no more than this."""
    return answer(request.scope, DEFECT)
