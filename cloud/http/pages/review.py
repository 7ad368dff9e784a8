"""The review of a supplier's quarter, as a page to print and as PDF. Both sides open it."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from cloud.actions import review as reviews
from cloud.actions.review import Review
from cloud.core.quarters import quarter_from, quarter_of
from cloud.http import auth, problems, rendering, review_papers
from cloud.http.auth import Anyone
from cloud.http.parts import parts_of
from cloud.pdf import papers
from cloud.postgres import kpis as kept

router = APIRouter(include_in_schema=False)

QUARTERS_OFFERED = 8
NAME_CHARS_MAX = 200


def _found(
    request: Request,
    session: Anyone,
    supplier: Annotated[
        str, Query(max_length=NAME_CHARS_MAX, description="by name; a supplier gets its own")
    ] = "",
    quarter: Annotated[
        str, Query(max_length=8, examples=["2026Q4"], description="the one that runs if not said")
    ] = "",
) -> Review | None:
    """None: nobody said whose. What is not there, or not to be seen, is not found."""
    parts = parts_of(request)
    now = parts.now()
    chosen = quarter_from(quarter) if quarter else quarter_of(now.date())
    with auth.asked_by(parts, session) as conn:
        if session.supplier_id is not None:
            supplier_id: int | None = session.supplier_id
            if supplier and kept.supplier_id(conn, supplier) != supplier_id:
                raise problems.Told(problems.NOT_FOUND)
        elif not supplier:
            return None
        else:
            supplier_id = kept.supplier_id(conn, supplier)
        found = None if supplier_id is None else reviews.review(conn, supplier_id, chosen, now)
    if found is None:
        raise problems.Told(problems.NOT_FOUND)
    return found


Found = Annotated[Review | None, Depends(_found)]


@router.get("/review")
def review_page(request: Request, session: Anyone, review: Found) -> Response:
    parts = parts_of(request)
    now = parts.now()
    names: list[str] = []
    if session.role == "operations":
        with auth.asked_by(parts, session) as conn:
            names = kept.supplier_names(conn)
    quarter = quarter_of(now.date()) if review is None else review.quarter
    offered = reviews.last_quarters(now, QUARTERS_OFFERED)
    return rendering.page(
        request,
        "review.html",
        session=session,
        now=now,
        layout="operations.html" if session.role == "operations" else "supplier.html",
        supplier="" if review is None else review.supplier,
        suppliers=names,
        quarter=quarter,
        quarters=offered if quarter in offered else [*offered, quarter],
        paper=None if review is None else review_papers.paper_of(review, now),
        bars=papers.bars,
        is_operations=session.role == "operations",
    )


@router.get("/review.pdf")
def review_pdf(request: Request, review: Found) -> Response:
    if review is None:
        raise problems.Told(problems.NOT_FOUND)
    return pdf_response(review, request)


def pdf_response(review: Review, request: Request) -> Response:
    paper = review_papers.paper_of(review, parts_of(request).now())
    name = "".join(c if c.isascii() and c.isalnum() else "-" for c in review.supplier)
    return Response(
        papers.pdf_of(paper),
        media_type="application/pdf",
        headers={
            "Content-Disposition": f'inline; filename="review-{name}-{review.quarter.label}.pdf"'
        },
    )
