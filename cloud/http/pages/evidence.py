"""What one order rests on, for either side: the chain told in sentences, and whether it fits."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter, Request
from starlette.responses import Response

from cloud.actions.prove import Verdict, prove
from cloud.core.evidence import Kind, Record
from cloud.core.orders import number_of, order_label
from cloud.core.plain import Plain
from cloud.core.policy_settings import POLICY_WORDS
from cloud.core.refusals import OrderUnknown
from cloud.http import auth, rendering, words
from cloud.http.auth import Anyone
from cloud.http.parts import OrderNumber, parts_of
from cloud.postgres import portal

router = APIRouter(include_in_schema=False)

MARKS = {Verdict.FITS: "ok", Verdict.BROKEN: "empty", Verdict.NO_CHAIN: "stale"}
TITLES = {
    Verdict.FITS: "It fits.",
    Verdict.BROKEN: "It does not fit.",
    Verdict.NO_CHAIN: "No chain.",
}


@dataclass(frozen=True, kw_only=True)
class Link:
    """One record, as people read it."""

    seq: int
    kind: str
    text: str
    detail: str
    at: datetime | None
    digest: str
    fits: bool | None  # None: after the first that does not fit nothing can be said


@router.get("/orders/{number}/evidence")
def evidence_page(request: Request, session: Anyone, number: OrderNumber) -> Response:
    parts = parts_of(request)
    with auth.asked_by(parts, session) as conn:
        proof = prove(conn, number_of(number))
        supplier = ""
        if session.supplier_id is not None:
            supplier = portal.supplier_name(conn, session.supplier_id)
    if proof is None:
        raise OrderUnknown
    operations = session.role == "operations"
    return rendering.page(
        request,
        "evidence.html",
        layout="operations.html" if operations else "supplier.html",
        supplier=supplier,
        back=f"/orders/{order_label(proof.order.number)}"
        if operations
        else f"/p/orders/{proof.order.order_id}",
        session=session,
        now=parts.now(),
        zone=words.zone(proof.order.time_zone),
        proof=proof,
        order=proof.order,
        label=order_label(proof.order.number),
        mark=MARKS[proof.verdict],
        title=TITLES[proof.verdict],
        links=[_link(record, proof.misfit) for record in proof.records],
    )


def _link(record: Record, misfit: int | None) -> Link:
    body = record.body if isinstance(record.body, dict) else {}
    text, detail, at = _told(record.kind, body)
    fits = True if misfit is None or record.seq < misfit else None
    return Link(
        seq=record.seq,
        kind=record.kind.value,
        text=text or "It cannot be read.",
        detail=detail,
        at=_time(at),
        digest=record.digest,
        fits=False if record.seq == misfit else fits,
    )


def _told(kind: Kind, body: Mapping[str, Plain]) -> tuple[str, str, Plain]:
    """A sentence, what stands below it, and when it was. What is missing is left out."""
    match kind:
        case Kind.READING:
            weight = body.get("weight_mg")
            text = words.grams(weight) if isinstance(weight, int) else "No weight"
            return f"{text} on the scale", _named(body), body.get("measured_at")
        case Kind.MOVEMENT:
            moved, left = body.get("pieces"), body.get("after_pieces")
            said = str(body.get("kind", "")).replace("_", "-").capitalize()
            count = words.signed(moved) if isinstance(moved, int) else "?"
            after = f"{left:,} left" if isinstance(left, int) else ""
            detail = f"no. {body.get('movement')} · {body.get('because', '')}"
            return f"{said} of {count}, {after}", detail, body.get("event_at")
        case Kind.POSITION:
            meant = "on hand and on order, less what is planned"
            return str(body.get("told", "")), meant, body.get("level_at")
        case Kind.DECISION:
            policy, decision = body.get("policy"), body.get("decision")
            named = policy if isinstance(policy, dict) else {}
            said = str(decision.get("because", "")) if isinstance(decision, dict) else ""
            policy_words = POLICY_WORDS.get(str(named.get("name")))
            by = policy_words[0] if policy_words else str(named.get("name"))
            return said, f"{by}, version {named.get('version')}", body.get("now")
        case Kind.EVENT:
            text = f"{body.get('event', '')} by {body.get('actor', '')}".capitalize()
            return text, str(body.get("detail", "")), body.get("at")


def _named(body: Mapping[str, Plain]) -> str:
    if "stream" not in body:
        return "its name is not known"
    where = f"{body.get('gateway')}, sensor {body.get('sensor')}"
    return f"{where} · reading {str(body['stream'])[:8]}… no. {body.get('seq')}"


def _time(at: Plain) -> datetime | None:
    try:
        return datetime.fromisoformat(at) if isinstance(at, str) else None
    except ValueError:
        return None
