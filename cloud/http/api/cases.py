"""What needs a person, as JSON, and putting it off."""

from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue
from starlette.responses import RedirectResponse, Response

from cloud.actions.look_for_cases import Looked, look_for_cases, put_off
from cloud.core.cases import Case
from cloud.http import auth
from cloud.http.auth import Operations
from cloud.http.parts import CaseKey, parts_of

router = APIRouter(tags=["cases"])

EXAMPLE: dict[str, JsonValue] = {
    "key": "low_not_covered:12:breach-7",
    "kind": "low_not_covered",
    "bin": "LND-R04-B2",
    "critical": False,
    "because": "Lock nut M8 at Lindau Pumps, R04-B2 is low, 134 left, and nothing is on its way.",
    "since": "2026-11-20T08:12:40Z",
    "act_before": "2026-11-21T10:30:00Z",
    "evidence": ["reading 812", "breach-7"],
    "action": "order",
    "snoozed_until": None,
    "snoozed_by": None,
    "snoozed_because": None,
}


class CaseOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    key: str = Field(description="the same for as long as the cause is")
    kind: str
    bin: str
    critical: bool
    because: str
    since: datetime
    act_before: datetime | None = Field(description="null: nothing runs out, it is only wrong")
    evidence: list[str]
    action: str = Field(description="the one thing to do first")
    snoozed_until: datetime | None
    snoozed_by: str | None
    snoozed_because: str | None


class SnoozeIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"because": "truck is due at noon", "until": "2026-11-20T13:00:00Z"}]
        },
    )

    because: str = Field(max_length=500)
    until: AwareDatetime


NOT_FOUND: dict[int | str, dict[str, Any]] = {
    404: {"description": "This needs nobody, or it is not yours to see."}
}


@router.get("/api/cases", summary="What needs a person, most urgent first")
def list_cases(
    request: Request, session: Operations, state: Literal["open", "snoozed", "all"] = "open"
) -> list[CaseOut]:
    """Computed from what holds now: what has lost its cause is gone by itself."""
    parts = parts_of(request)
    with auth.asked_by(parts, session) as conn:
        looked = look_for_cases(conn, parts.now())
    listed = {
        "open": looked.cases.open,
        "snoozed": looked.cases.snoozed,
        "all": (*looked.cases.open, *looked.cases.snoozed),
    }[state]
    return [_out(case, looked) for case in listed]


@router.post("/api/cases/{key}/snooze", summary="Put one off", responses=NOT_FOUND, status_code=204)
def snooze(request: Request, session: Operations, key: CaseKey, said: SnoozeIn) -> None:
    """It comes back when the time is over. A case that gets worse is another, and is shown."""
    parts = parts_of(request)
    with auth.asked_by(parts, session) as conn:
        put_off(
            conn,
            key,
            by=session.email,
            because=said.because,
            until=said.until.astimezone(UTC),
            now=parts.now(),
        )


FORMER: dict[str, Any] = {
    "deprecated": True,
    "summary": "Leads to the same under /api/cases",
    "status_code": 308,
    "response_class": Response,
}


@router.get("/api/exceptions", **FORMER)
@router.post("/api/exceptions/{key}/snooze", **FORMER)
def by_its_former_name(request: Request, _session: Operations) -> Response:
    """A program that asks by the address of before is sent on, with what it says."""
    path = quote(request.url.path.replace("/exceptions", "/cases", 1), safe="/:")
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(path + query, 308)


def _out(case: Case, looked: Looked) -> CaseOut:
    snoozed = looked.snoozes.get(case.key)
    return CaseOut(
        key=case.key,
        kind=case.kind.value,
        bin=looked.bins[case.bin_id].code,
        critical=case.critical,
        because=case.because,
        since=case.since,
        act_before=case.act_before,
        evidence=list(case.evidence),
        action=case.action.value,
        snoozed_until=snoozed.until if snoozed else None,
        snoozed_by=snoozed.by if snoozed else None,
        snoozed_because=snoozed.because if snoozed else None,
    )
