"""How a bin is ordered for, as JSON: what is set, what it says now, and what is planned."""

from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body, Request
from pydantic import BaseModel, ConfigDict, JsonValue

from cloud.actions import keep_policies
from cloud.core.nouns import read
from cloud.core.policy_settings import POLICY, values_of
from cloud.http import auth, ordering, problems, views
from cloud.http.api.nouns import REFUSED, UNKNOWN, Given
from cloud.http.auth import Operations
from cloud.http.parts import BinCode, parts_of
from cloud.postgres import asking, planned_usage, policies

router = APIRouter(prefix="/api/bins/{code}", tags=["bins"])

HISTORY_MAX = 100
LISTED_MAX = 200
BECAUSE_CHARS_MAX = 500
SAYS_EXAMPLE: dict[str, JsonValue] = {
    "outcome": "wait",
    "quantity": None,
    "because": "812 on hand; ordered from 500 on.",
    "ask": None,
    "expected_at": "2026-11-24T17:00:00Z",
    "low_at": 500,
    "doubt": "",
}
SET_EXAMPLE: dict[str, JsonValue] = {
    "policy": "can_order",
    "can_order": 700,
    "rounding": "down_to_capacity",
    "moq": None,
    "lead_time_days": None,
    "grace_hours": 24,
    "dwell_s": 600,
    "dwell_levels": 3,
    "automatic": True,
    "minimum_from": 300,
    "minimum_to": 900,
    "target_permille": 950,
}
EXAMPLE: dict[str, JsonValue] = {
    "bin": "LND-R04-B2",
    "version": 3,
    **SET_EXAMPLE,
    "policy_version": 1,
    "minimum": 500,
    "order_up_to": None,
    "capacity": 2000,
    "pack": 200,
    "agreed_minimum": 500,
    "agreed_order_up_to": None,
    "calendar_version": 2,
    "says": SAYS_EXAMPLE,
    "estimate": {
        "computed_at": "2026-11-20T02:00:04Z",
        "method": "history",
        "learning": False,
        "rate_milli_per_day": 41_300,
        "target_permille": 950,
        "minimum": 430,
        "order_up_to": 1930,
        "because": "289.10 a period over 1.1 periods, and 1.21 times a spread of 83.0, make 430",
        "applied_minimum": None,
        "applied_order_up_to": None,
        "held": "",
    },
    "suggested": {"minimum": 430, "order_up_to": 1930},
}
PLANNED_EXAMPLE: dict[str, JsonValue] = {
    "planned_usage_id": 7,
    "from_day": "2026-12-01",
    "to_day": "2026-12-04",
    "pieces": 800,
    "by": "ops@plant.example",
    "because": "batch 4711",
    "at": "2026-11-20T09:41:07Z",
    "withdrawn_at": None,
    "withdrawn_by": None,
}
_FIELDS = "\n".join(f"- `{one.name}`: {one.label}; {one.takes}" for one in POLICY.fields)


def _answers(example: JsonValue, status: int = 200) -> dict[int | str, Any]:
    return {status: {"content": {"application/json": {"example": example}}}}


def _body(example: dict[str, JsonValue]) -> Any:  # noqa: ANN401 - what FastAPI calls a default
    return Body(
        description=_FIELDS,
        openapi_examples={"bin_policy": {"summary": POLICY.title, "value": example}},
    )


@router.get("/policy", summary="How a bin is ordered for", responses=UNKNOWN | _answers(EXAMPLE))
def policy(request: Request, session: Operations, code: BinCode) -> dict[str, Any]:
    """What is set, what the rules say of the bin by it now, and what its history suggests."""
    parts = parts_of(request)
    with auth.asked_by(parts, session) as conn:
        found = keep_policies.ordering_of(conn, code)
        seen = keep_policies.preview(conn, found, parts.now())
    says = ordering.says_of(found, seen, views.judged(found.row, parts.now()))
    return ordering.policy_out(found, says)


@router.patch("/policy", summary="Change it", responses=REFUSED | _answers(EXAMPLE))
def change_policy(
    request: Request,
    session: Operations,
    code: BinCode,
    given: Annotated[
        dict[str, JsonValue], _body({"version": 2, "because": "joins the Tuesday", **SET_EXAMPLE})
    ],
) -> dict[str, Any]:
    """`version` 0: nothing was set before. `because` is remembered with the change."""
    version, because = version_of(given), because_of(given)
    with auth.asked_by(parts_of(request), session) as conn:
        asking.because(conn, because)
        found = keep_policies.ordering_of(conn, code)
        asked = read(POLICY, _fields(given), values_of(found.settings))
        keep_policies.save_settings(conn, code, version, asked)
    return policy(request, session, code)


@router.post(
    "/policy/preview",
    summary="What a bin would be ordered by it",
    responses=REFUSED | _answers(SAYS_EXAMPLE),
)
def preview_policy(
    request: Request,
    session: Operations,
    code: BinCode,
    given: Annotated[dict[str, JsonValue], _body(SET_EXAMPLE)],
) -> dict[str, Any]:
    """Nothing is kept. What is left out stays as it is set."""
    parts = parts_of(request)
    with auth.asked_by(parts, session) as conn:
        found = keep_policies.ordering_of(conn, code)
        asked = read(POLICY, _fields(given), values_of(found.settings))
        instead = keep_policies.settings_asked(found, asked)
        seen = keep_policies.preview(conn, found, parts.now(), instead)
    says = ordering.says_of(found, seen, views.judged(found.row, parts.now()))
    return ordering.says_out(says)


@router.post(
    "/policy/take-over",
    summary="Take over what history suggests",
    responses=UNKNOWN
    | {409: {"description": "It suggests what is set already, or nothing yet."}}
    | _answers(EXAMPLE),
)
def take_over(request: Request, session: Operations, code: BinCode) -> dict[str, Any]:
    """The bin's minimum and order-up-to level, and with days of supply its rate."""
    with auth.asked_by(parts_of(request), session) as conn:
        asking.because(conn, "taken over from the nightly estimate")
        keep_policies.take_over(conn, code)
    return policy(request, session, code)


@router.get("/policy/history", summary="Who changed it", responses=UNKNOWN)
def policy_history(request: Request, session: Operations, code: BinCode) -> list[dict[str, Any]]:
    """Newest first, each version whole: a decision names the version it was made by."""
    with auth.asked_by(parts_of(request), session) as conn:
        found = keep_policies.ordering_of(conn, code)
        changes = policies.changes_of(conn, "bin_policy", found.bin.bin_id, HISTORY_MAX)
    return ordering.history_out(changes)


# ------------------------------------------------------------------------------ planned usage


class PlannedOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [PLANNED_EXAMPLE]})

    planned_usage_id: int
    from_day: date
    to_day: date
    pieces: int
    by: str
    because: str
    at: datetime
    withdrawn_at: datetime | None
    withdrawn_by: str | None


@router.get("/planned-usage", summary="Usage that is known beforehand", responses=UNKNOWN)
def planned(request: Request, session: Operations, code: BinCode) -> list[PlannedOut]:
    """Also what is over or was withdrawn."""
    with auth.asked_by(parts_of(request), session) as conn:
        found = keep_policies.ordering_of(conn, code)
        rows = planned_usage.listed(conn, found.bin.bin_id, LISTED_MAX)
    return [PlannedOut.model_validate(row, from_attributes=True) for row in rows]


@router.post("/planned-usage", summary="Plan usage", status_code=201, responses=REFUSED)
def plan(
    request: Request,
    session: Operations,
    code: BinCode,
    given: Annotated[
        dict[str, JsonValue],
        Body(
            openapi_examples={
                "planned": {
                    "summary": "A batch of production",
                    "value": {
                        "from_day": "2026-12-01",
                        "to_day": "2026-12-04",
                        "pieces": 800,
                        "because": "batch 4711",
                    },
                }
            }
        ),
    ],
) -> PlannedOut:
    """Days of the bin's site, both included; what is planned is ordered for in time."""
    parts = parts_of(request)
    with auth.asked_by(parts, session) as conn:
        number = keep_policies.plan_usage(conn, code, given, session.email, parts.now())
        found = keep_policies.ordering_of(conn, code)
        rows = planned_usage.listed(conn, found.bin.bin_id, LISTED_MAX)
    (row,) = [one for one in rows if one.planned_usage_id == number]
    return PlannedOut.model_validate(row, from_attributes=True)


@router.post(
    "/planned-usage/{planned_usage_id}/withdraw",
    summary="It does not come",
    status_code=204,
    responses=UNKNOWN,
)
def withdraw(request: Request, session: Operations, code: BinCode, planned_usage_id: int) -> None:
    parts = parts_of(request)
    with auth.asked_by(parts, session) as conn:
        keep_policies.withdraw_usage(conn, code, planned_usage_id, session.email, parts.now())


# ------------------------------------------------------------------------------ what they share


def version_of(given: Given) -> int:
    version = given.get("version")
    if not isinstance(version, int) or isinstance(version, bool):
        raise problems.Told(problems.VERSION_MISSING)
    return version


def because_of(given: Given) -> str:
    because = given.get("because", "")
    if not isinstance(because, str) or len(because) > BECAUSE_CHARS_MAX:
        raise problems.Told(problems.NOT_UNDERSTOOD)
    return because


def _fields(given: Given) -> dict[str, JsonValue]:
    return {name: value for name, value in given.items() if name not in ("version", "because")}
