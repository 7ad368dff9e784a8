"""Who is signed in, and what of it is told by mail."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from cloud.http import rendering
from cloud.http.auth import Operations
from cloud.http.parts import parts_of
from cloud.postgres import users

router = APIRouter(include_in_schema=False)


@router.get("/me")
def me_page(request: Request, session: Operations) -> Response:
    parts = parts_of(request)
    with parts.auth_pool.connection() as conn:
        decisions = users.mails_decisions(conn, session.user_id)
    return rendering.page(
        request,
        "me.html",
        session=session,
        now=parts.now(),
        decisions=decisions,
        done=request.query_params.get("done", "") == "1",
    )


@router.post("/me/mail")
def choose_mail(
    request: Request, session: Operations, decisions: Annotated[str, Form(max_length=1)] = ""
) -> Response:
    """A box that is not ticked is not sent at all."""
    with parts_of(request).auth_pool.connection() as conn:
        users.choose_mails(conn, session.user_id, decisions=decisions == "1")
    return RedirectResponse("/me?done=1", 303)
