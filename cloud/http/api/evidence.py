"""What an order rests on, as JSON: every record of its chain, and whether it fits."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from cloud.actions.prove import Proof, prove
from cloud.core.orders import number_of, order_label
from cloud.core.refusals import OrderUnknown
from cloud.http import auth
from cloud.http.auth import Anyone
from cloud.http.parts import OrderNumber, parts_of

router = APIRouter(prefix="/api/orders", tags=["orders"])

NOT_FOUND: dict[int | str, dict[str, Any]] = {
    404: {"description": "There is no such order, or it is not yours to see."}
}
Digest = Annotated[
    str | None,
    Query(
        pattern=r"^[0-9a-f]{64}$",
        description="the last hash as you remember it: shows whether the end was cut off",
    ),
]


class RecordOut(BaseModel):
    seq: int
    kind: Literal["reading", "movement", "position", "decision", "event"]
    body: Any = Field(description="its canonical JSON is what is hashed")
    previous: str = Field(description="the hash of the record before; zeros before the first")
    digest: str = Field(
        description='SHA-256 over {"body","kind","previous","seq"} as canonical JSON: keys sorted,'
        " no blanks, ASCII"
    )


EXAMPLE: dict[str, JsonValue] = {
    "order": "RO-1004",
    "verdict": "fits",
    "because": "All 9 records fit, and decided again it comes to the same.",
    "misfit": None,
    "last_digest": "9f2b6c1e5d0a4f8e9f2b6c1e5d0a4f8e9f2b6c1e5d0a4f8e9f2b6c1e5d0a4f8e",
    "records": [],
}


class EvidenceOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    order: str
    verdict: Literal["fits", "broken", "no_chain"] = Field(
        description="`no_chain`: placed before chains were kept, so there is nothing to check"
    )
    because: str
    misfit: int | None = Field(description="the number of the first record that does not fit")
    last_digest: str | None
    records: list[RecordOut]


@router.get("/{number}/evidence", summary="What an order rests on", responses=NOT_FOUND)
def evidence(
    request: Request, session: Anyone, number: OrderNumber, last_digest: Digest = None
) -> EvidenceOut:
    """The chain is checked, and its decision made again, when you ask."""
    with auth.asked_by(parts_of(request), session) as conn:
        proof = prove(conn, number_of(number), last_digest)
    if proof is None:
        raise OrderUnknown
    return _out(proof)


def _out(proof: Proof) -> EvidenceOut:
    return EvidenceOut(
        order=order_label(proof.order.number),
        verdict=proof.verdict.value,
        because=proof.because,
        misfit=proof.misfit,
        last_digest=proof.last_digest,
        records=[
            RecordOut(
                seq=record.seq,
                kind=record.kind.value,
                body=record.body,
                previous=record.previous,
                digest=record.digest,
            )
            for record in proof.records
        ],
    )
