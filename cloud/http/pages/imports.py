"""Take in a file of nouns: choose it, see what it would change, press once more.

Nothing is kept between the two: the page that shows the plan carries the file along, and what
the second press does is done only if it is still the plan that was shown.
"""

import base64
import binascii
import zlib
from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.responses import Response

from cloud.actions import keep_nouns
from cloud.core.nouns import NOUNS
from cloud.core.refusals import SheetUnreadable
from cloud.http import auth, guards, rendering
from cloud.http.auth import Operations
from cloud.http.parts import parts_of
from cloud.postgres.sessions import Session
from cloud.sheets import files

router = APIRouter(include_in_schema=False)

SHOWN_MAX = 100


@router.get("/import")
def import_page(request: Request, session: Operations) -> Response:
    return _page(request, session)


@router.post("/import")
async def import_file(request: Request, session: Operations) -> Response:
    form = await request.form(max_files=1, max_fields=6, max_part_size=guards.FILE_BYTES_MAX)
    upload = form.get("file")
    if isinstance(upload, UploadFile):
        name, content, mark = upload.filename or "", await upload.read(), ""
    else:
        name, mark = str(form.get("name", "")), str(form.get("mark", ""))
        content = _unpacked(str(form.get("content", "")))
    chosen = str(form.get("noun", ""))
    if chosen in {noun.plural for noun in NOUNS.values()} and not content.startswith(b"PK"):
        name = f"{chosen}.csv"
    return await run_in_threadpool(_looked_at, request, session, name, content, mark)


def _looked_at(
    request: Request, session: Session, name: str, content: bytes, mark: str
) -> Response:
    if not content:
        return _page(request, session, status=422, unreadable="Choose a file first.")
    try:
        sheets = files.read_file(name, content)
    except SheetUnreadable as refused:
        return _page(request, session, status=422, unreadable=f"{refused} {refused.what_to_do}")
    with auth.asked_by(parts_of(request), session) as conn:
        done = keep_nouns.take_in(conn, sheets, mark) if mark else None
        plan = done or keep_nouns.preview(conn, sheets)
    return _page(
        request,
        session,
        status=422 if plan.wrong else 409 if mark and done is None else 200,
        plan=plan,
        done=done is not None,
        is_another=bool(mark) and done is None,
        name=name,
        content="" if plan.wrong or done else base64.b64encode(zlib.compress(content)).decode(),
    )


def _unpacked(text: str) -> bytes:
    try:
        packed = base64.b64decode(text, validate=True)
        return zlib.decompressobj().decompress(packed, files.FILE_BYTES_MAX + 1)
    except (binascii.Error, zlib.error):
        return b""


def _page(
    request: Request,
    session: Session,
    status: int = 200,
    **shown: Any,  # noqa: ANN401 - what the template takes
) -> Response:
    blank = {
        "plan": None,
        "done": False,
        "is_another": False,
        "name": "",
        "content": "",
        "unreadable": "",
    }
    return rendering.page(
        request,
        "import.html",
        status=status,
        session=session,
        now=parts_of(request).now(),
        nouns=NOUNS.values(),
        shown_max=SHOWN_MAX,
        **(blank | shown),
    )
