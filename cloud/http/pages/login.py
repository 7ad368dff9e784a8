"""Log-in, log-out, and how the pages look to this visitor."""

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from cloud.http import auth, rendering
from cloud.http.auth import TooManyTries, WrongLogin
from cloud.http.parts import parts_of

router = APIRouter(include_in_schema=False)

THEME_KEPT_S = 365 * 24 * 3600


@router.get("/login")
def login_page(request: Request, next: str = "/") -> Response:  # noqa: A002 - its name in the address
    return rendering.page(request, "login.html", next=_local(next), email="", error="")


@router.post("/login")
def log_in(
    request: Request,
    email: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = "/",  # noqa: A002 - its name in the form
) -> Response:
    parts = parts_of(request)
    match auth.log_in(parts, email, password):
        case TooManyTries(retry_s=retry_s):
            error = f"Too many tries for this address. Try again in {retry_s} s."
            response = _again(request, 429, next, email, error)
            response.headers["Retry-After"] = str(retry_s)
            return response
        case WrongLogin():
            error = "Mail address and password do not belong together. Check both and try again."
            return _again(request, 401, next, email, error)
        case token:
            auth.log_out(parts, auth.token_of(parts, request))  # the old session ends with the new
            response = RedirectResponse(_local(next), 303)
            auth.set_cookie(parts, response, token)
            return response


@router.post("/logout")
def log_out(request: Request) -> Response:
    parts = parts_of(request)
    auth.log_out(parts, auth.token_of(parts, request))
    response = RedirectResponse("/login", 303)
    auth.drop_cookie(parts, response)
    return response


@router.post("/theme")
def choose_theme(
    request: Request,
    theme: Annotated[str, Form()] = "auto",
    next: Annotated[str, Form()] = "/",  # noqa: A002 - its name in the form
) -> Response:
    response = RedirectResponse(_local(next), 303)
    if theme in rendering.THEMES:
        response.set_cookie(
            rendering.THEME_COOKIE,
            theme,
            max_age=THEME_KEPT_S,
            httponly=True,
            samesite="lax",
            secure=parts_of(request).settings.https,
        )
    return response


def _again(request: Request, status: int, target: str, email: str, error: str) -> Response:
    return rendering.page(
        request, "login.html", status=status, next=_local(target), email=email, error=error
    )


def _local(target: str) -> str:
    """Where to go next, on this site only: an address elsewhere would be somebody's lure."""
    url = urlsplit(target.replace("\\", "/"))
    inside = not url.scheme and not url.netloc and url.path.startswith("/")
    clean = target.isprintable() and not target.startswith(("//", "/\\"))
    return target if inside and clean else "/"
