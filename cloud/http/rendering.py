"""Templates and the files beside them: HTML that escapes by default, addresses that carry a hash.

A static file is served from memory under an address with the hash of its content, so a browser may
keep it for ever and still gets the new one after an update.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from fastapi import Request
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, Response

from cloud.http import words

HERE = Path(__file__).parent
THEMES = ("auto", "light", "dark")
THEME_COOKIE = "binline-theme"

IMPORTS = re.compile(rb'from "\./(?P<name>[a-z]+\.js)"')

CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, kw_only=True)
class StaticFile:
    content: bytes
    content_type: str
    version: str


@cache
def static_files() -> dict[str, StaticFile]:
    return {path.name: _static_file(path) for path in sorted((HERE / "static").iterdir())}


def static_url(name: str) -> str:
    return f"/static/{name}?v={static_files()[name].version}"


def static_response(name: str, version: str) -> Response | None:
    file = static_files().get(name)
    if file is None:
        return None
    # Only the address with the right hash may be kept: it never means anything else.
    keep = "public, max-age=31536000, immutable" if version == file.version else "no-cache"
    return Response(file.content, media_type=file.content_type, headers={"Cache-Control": keep})


def render(template: str, /, **values: Any) -> str:  # noqa: ANN401 - a template takes what it names
    return _templates().get_template(template).render(values)


def page(
    request: Request,
    template: str,
    /,
    status: int = 200,
    *,
    at: str = "",
    **values: Any,  # noqa: ANN401 - a template takes what it names
) -> HTMLResponse:
    """`at` is where this page is got again, when a form was sent to another address than its own.

    Whoever reloads a page that answers a form wants the page, and not to send the form once more.
    """
    asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    html = render(
        template,
        theme=theme_of(request),
        path=request.url.path,
        here=at or asked,
        got_at="" if request.method == "GET" else at or asked,
        **values,
    )
    return HTMLResponse(html, status)


def theme_of(visitor: HTTPConnection) -> str:
    chosen = visitor.cookies.get(THEME_COOKIE, "auto")
    return chosen if chosen in THEMES else "auto"


def _static_file(path: Path) -> StaticFile:
    content = path.read_bytes()
    if path.suffix == ".js":
        content = IMPORTS.sub(_hashed_import, content)
    return StaticFile(
        content=content,
        content_type=CONTENT_TYPES[path.suffix],
        version=hashlib.sha256(content).hexdigest()[:12],
    )


def _hashed_import(found: re.Match[bytes]) -> bytes:
    """A module that imports another does so by the address with the hash, like the pages."""
    other = _static_file(HERE / "static" / found["name"].decode())
    return b'from "/static/%s?v=%s"' % (found["name"], other.version.encode())


@cache
def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "static": static_url,
        "words": words,
        "theme": "auto",
        "got_at": "",
        "utc": UTC,
        "from_ms": lambda ms: datetime.fromtimestamp(ms / 1000, UTC),
        "from_text": datetime.fromisoformat,
    }
    environment.filters["count"] = words.count
    return environment
