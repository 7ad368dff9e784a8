"""Items, bins and other nouns as operations keep them: browse, search, edit, and the history.

One set of pages for all, made from the same description as the API. Every page works without
JavaScript; with it a list searches while one types.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import psycopg
from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from cloud.actions import keep_nouns
from cloud.core.nouns import (
    BIN,
    CUSTOMER,
    ITEM,
    ITEM_SUPPLIER,
    NOUNS,
    PLACE,
    SITE,
    SUPPLIER,
    Kind,
    Noun,
    Read,
    paper,
    paper_of,
    read_paper,
)
from cloud.core.refusals import ChangedMeanwhile, NotAsAllowed, NounUnknown
from cloud.http import accuracy, auth, kept, rendering, words
from cloud.http.auth import Operations
from cloud.http.parts import parts_of
from cloud.postgres import asking, counts, nouns, portal
from cloud.postgres.nouns import Row, Wanted
from cloud.postgres.sessions import Session

router = APIRouter(include_in_schema=False)

LISTED = 50
SUGGESTED_MAX = 3_000
TABS = (BIN, ITEM, PLACE, SITE, CUSTOMER, SUPPLIER)
# The columns of each list, by field; the first one is the way in.
COLUMNS = {
    "bin": ("code", "item", "site", "place", "supplier", "minimum", "capacity", "active"),
    "item": ("sku", "name", "unit_weight_ug", "pack", "price_e4", "active"),
    "place": ("path", "site", "kind", "active"),
    "site": ("name", "customer", "place", "time_zone", "active"),
    "customer": ("name", "number", "active"),
    "supplier": ("name", "number", "active"),
}
FORM_FIELDS_MAX = 60


@dataclass(frozen=True, kw_only=True)
class Input:
    """One field of a form, with what was typed and what is wrong with it."""

    field: Any
    text: str
    mistake: str
    now: str = ""  # what somebody else has written there meanwhile


@dataclass(frozen=True, kw_only=True)
class Conflict:
    inputs: list[Input]  # the fields where theirs and ours differ
    by: str


# ------------------------------------------------------------------------------ lists


def list_page(request: Request, session: Session, noun: Noun, wanted: Wanted) -> Response:
    parts = parts_of(request)
    with auth.asked_by(parts, session) as conn:
        found = kept.listed(conn, noun, wanted)
        skus = [row.values["item"] for row in found.rows] if noun is BIN else []
        parts_named = nouns.item_names(conn, skus)
        anything = bool(found.rows) or bool(nouns.listed(conn, noun, Wanted(limit=1)).rows)
    asked = {"q": wanted.q, **wanted.only, "shown": request.query_params.get("shown", "")}
    return rendering.page(
        request,
        "nouns.html",
        session=session,
        now=parts.now(),
        noun=noun,
        tabs=TABS,
        fields=[noun.by_name[name] for name in COLUMNS[noun.name]],
        rows=[(kept.ident_of(noun, row), row) for row in found.rows],
        anything=anything,
        parts_named=parts_named,
        q=wanted.q,
        only=wanted.only,
        shown=request.query_params.get("shown", ""),
        is_first=not wanted.after,
        next=urlencode({**asked, "after": found.next}) if found.next else "",
        paper_of=paper_of,
    )


# ------------------------------------------------------------------------------ forms


def form_page(
    request: Request,
    session: Session,
    noun: Noun,
    row: Row | None,
    **shown: Any,  # noqa: ANN401 - what the template takes beside
) -> Response:
    """A form, as it is or as it was just refused."""
    parts = parts_of(request)
    refused = shown.pop("refused", None)
    typed = shown.pop("typed", None) or (paper(noun, row.values) if row else _fresh(noun))
    mistakes = {}
    conflict = None
    if isinstance(refused, NotAsAllowed):
        mistakes = {one.field: f"Allowed: {one.allowed}." for one in refused.mistakes}
    with auth.asked_by(parts, session) as conn:
        suggested = {
            field.refers: nouns.names(conn, NOUNS[field.refers], SUGGESTED_MAX)
            for field in noun.fields
            if field.kind is Kind.NOUN
        }
        lines = nouns.lines_of(conn, kept.first_id(row)) if noun is ITEM and row else []
        line_prices = [paper(ITEM_SUPPLIER, line.values)["price"] for line in lines]
        accurate = None
        if noun is ITEM and row:
            since = parts.now() - timedelta(days=accuracy.DAYS)
            accurate = accuracy.of_bins(counts.compared_by_bin(conn, since, kept.first_id(row)))
        if isinstance(refused, ChangedMeanwhile) and row is not None:
            conflict = _conflict(conn, noun, row, typed)
    inputs = [
        Input(field=field, text=typed.get(field.on_paper, ""), mistake=mistakes.get(field.name, ""))
        for field in noun.fields
    ]
    fixed = {} if noun is not ITEM_SUPPLIER else {"item"} | ({"supplier"} if row else set())
    return rendering.page(
        request,
        "noun_form.html",
        status=409 if conflict else 422 if mistakes else 200,
        session=session,
        now=parts.now(),
        noun=noun,
        row=row,
        ident=kept.ident_of(noun, row) if row else "",
        inputs=inputs,
        fixed=fixed,
        mistakes=[one for one in inputs if one.mistake],
        conflict=conflict,
        suggested=suggested,
        lines=[*zip(lines, line_prices, strict=True)],
        accurate=accurate,
        paper_of=paper_of,
        because=shown.get("because", ""),
        saved=request.query_params.get("saved") == "1",
        back=shown.get("back", f"/{noun.plural}"),
        back_title=shown.get("back_title", noun.title),
        title=_title(noun, row),
    )


def _title(noun: Noun, row: Row | None) -> str:
    if row is None:
        return "New " + {"item_supplier": "supplier of this item"}.get(noun.name, noun.name)
    name = {"bin": "code", "place": "path", "item_supplier": "supplier"}.get(noun.name, "name")
    return str(row.values[name])


def _fresh(noun: Noun) -> dict[str, str]:
    return {field.on_paper: paper_of(field, field.default) for field in noun.fields}


def _conflict(conn: psycopg.Connection, noun: Noun, row: Row, typed: dict[str, str]) -> Conflict:
    there = paper(noun, row.values)
    changes = nouns.history(conn, noun, kept.first_id(row), 1)
    return Conflict(
        by=changes[0].by if changes else "",
        inputs=[
            Input(field=f, text=typed[f.on_paper], mistake="", now=there[f.on_paper])
            for f in noun.fields
            if typed.get(f.on_paper, there[f.on_paper]) != there[f.on_paper]
        ],
    )


async def _typed(request: Request, noun: Noun) -> tuple[dict[str, str], FormData]:
    form = await request.form(max_files=0, max_fields=FORM_FIELDS_MAX)
    names = {field.on_paper for field in noun.fields}
    return {name: str(value) for name, value in form.items() if name in names}, form


def _add(
    request: Request, session: Session, noun: Noun, typed: dict[str, str], because: str
) -> Response:
    read = read_paper(noun, typed, comma=_is_comma(typed, noun))
    try:
        with auth.asked_by(parts_of(request), session) as conn:
            asking.because(conn, because)
            ident = keep_nouns.add(conn, noun, read)
            row = keep_nouns.known(nouns.find(conn, noun, ident))
    except NotAsAllowed as refused:
        return form_page(
            request, session, noun, None, refused=refused, typed=typed, because=because
        )
    return RedirectResponse(f"/{noun.plural}/{quote(kept.ident_of(noun, row))}/edit?saved=1", 303)


def _change(  # noqa: PLR0917 - one call, by a thread pool
    request: Request,
    session: Session,
    noun: Noun,
    ident: str,
    typed: dict[str, str],
    version: str,
    because: str,
) -> Response:
    row = None
    try:
        with auth.asked_by(parts_of(request), session) as conn:
            nouns.take_turns(conn)
            asking.because(conn, because)
            row = kept.find(conn, noun, ident)
            looked_at = int(version) if version.isascii() and version.isdecimal() else 0
            read = read_paper(noun, typed, row.values, comma=_is_comma(typed, noun))
            keep_nouns.change(conn, noun, row, looked_at, read)
            assert isinstance(row.id, int)
            saved = keep_nouns.known(nouns.find(conn, noun, row.id))
    except (NotAsAllowed, ChangedMeanwhile) as refused:
        return form_page(request, session, noun, row, refused=refused, typed=typed, because=because)
    return RedirectResponse(f"/{noun.plural}/{quote(kept.ident_of(noun, saved))}/edit?saved=1", 303)


def _is_comma(typed: dict[str, str], noun: Noun) -> bool:
    """People type both marks: a comma anywhere in a number means that they write commas."""
    numbers = [typed.get(field.on_paper, "") for field in noun.fields if field.digits]
    return any("," in text for text in numbers)


def history_page(request: Request, session: Session, noun: Noun, ident: str) -> Response:
    parts = parts_of(request)
    with auth.asked_by(parts, session) as conn:
        row = kept.find(conn, noun, ident)
        told = kept.history(conn, session, noun, row)
        zones = portal.time_zones(conn)
    return rendering.page(
        request,
        "noun_history.html",
        session=session,
        now=parts.now(),
        zone=words.one_zone(zones, parts.now()),
        noun=noun,
        title=_title(noun, row),
        ident=ident,
        told=told,
        told_max=kept.HISTORY_MAX,
    )


# ------------------------------------------------------------------------------ routes


def _add_routes(noun: Noun) -> None:
    @router.get(f"/{noun.plural}")
    def list_them(
        request: Request,
        session: Operations,
        q: Annotated[str, Query(max_length=kept.QUERY_CHARS_MAX)] = "",
        shown: str = "",
        after: Annotated[str, Query(max_length=800)] = "",
    ) -> Response:
        only = {
            name: value[:400]
            for name in kept.ONLY.get(noun.name, ())
            if (value := request.query_params.get(name, ""))
        }
        active = {"": True, "unused": False}.get(shown)
        wanted = Wanted(q=q, only=only, active=active, after=after, limit=LISTED)
        return list_page(request, session, noun, wanted)

    @router.get(f"/{noun.plural}/new")
    def new_form(request: Request, session: Operations) -> Response:
        return form_page(request, session, noun, None)

    @router.post(f"/{noun.plural}/new")
    async def add_one(request: Request, session: Operations) -> Response:
        typed, form = await _typed(request, noun)
        because = str(form.get("because", ""))[:500]
        return await run_in_threadpool(_add, request, session, noun, typed, because)

    @router.get(f"/{noun.plural}/{{ident}}/edit")
    def edit_form(request: Request, session: Operations, ident: str) -> Response:
        with auth.asked_by(parts_of(request), session) as conn:
            row = kept.find(conn, noun, ident)
        return form_page(request, session, noun, row)

    @router.post(f"/{noun.plural}/{{ident}}/edit")
    async def change_one(request: Request, session: Operations, ident: str) -> Response:
        typed, form = await _typed(request, noun)
        version, because = str(form.get("version", "")), str(form.get("because", ""))[:500]
        return await run_in_threadpool(
            _change, request, session, noun, ident, typed, version, because
        )

    @router.get(f"/{noun.plural}/{{ident}}/history")
    def history_of_one(request: Request, session: Operations, ident: str) -> Response:
        return history_page(request, session, noun, ident)


for each in TABS:
    _add_routes(each)


# --------------------------------------------------------------------------- who supplies what


@router.get("/items/{ident}/suppliers/{supplier}")
def line_form(request: Request, session: Operations, ident: str, supplier: str) -> Response:
    item, line = _line(request, session, ident, supplier)
    return _line_page(request, session, item, line)


@router.post("/items/{ident}/suppliers/{supplier}")
async def save_line(request: Request, session: Operations, ident: str, supplier: str) -> Response:
    typed, form = await _typed(request, ITEM_SUPPLIER)
    version = str(form.get("version", ""))
    return await run_in_threadpool(_save_line, request, session, ident, supplier, typed, version)


def _line(request: Request, session: Session, ident: str, supplier: str) -> tuple[Row, Row | None]:
    """The item, and how a supplier supplies it; "new" is one that does not yet."""
    with auth.asked_by(parts_of(request), session) as conn:
        item = kept.find(conn, ITEM, ident)
        if supplier == "new":
            return item, None
        for line in nouns.lines_of(conn, kept.first_id(item)):
            assert isinstance(line.id, tuple)
            if str(line.id[1]) == supplier:
                return item, line
    raise NounUnknown


def _line_page(
    request: Request,
    session: Session,
    item: Row,
    line: Row | None,
    **shown: Any,  # noqa: ANN401 - as of a form
) -> Response:
    typed = shown.pop("typed", None) or (paper(ITEM_SUPPLIER, line.values) if line else {})
    typed = {**_fresh(ITEM_SUPPLIER), **typed, "item": str(item.values["sku"])}
    return form_page(
        request,
        session,
        ITEM_SUPPLIER,
        line,
        typed=typed,
        back=f"/items/{item.id}/edit",
        back_title=f"{item.values['name']}",
        **shown,
    )


def _save_line(  # noqa: PLR0917 - as above
    request: Request,
    session: Session,
    ident: str,
    supplier: str,
    typed: dict[str, str],
    version: str,
) -> Response:
    item, line = _line(request, session, ident, supplier)
    typed = {**typed, "item": str(item.values["sku"])}
    if line is not None:
        typed["supplier"] = str(line.values["supplier"])
    was = None if line is None else line.values
    read: Read = read_paper(ITEM_SUPPLIER, typed, was, comma=_is_comma(typed, ITEM_SUPPLIER))
    try:
        with auth.asked_by(parts_of(request), session) as conn:
            nouns.take_turns(conn)
            if line is None:
                keep_nouns.add(conn, ITEM_SUPPLIER, read)
            else:
                assert isinstance(line.id, tuple)
                there = keep_nouns.known(nouns.find(conn, ITEM_SUPPLIER, *line.id))
                looked_at = int(version) if version.isascii() and version.isdecimal() else 0
                keep_nouns.change(conn, ITEM_SUPPLIER, there, looked_at, read)
    except (NotAsAllowed, ChangedMeanwhile) as refused:
        item, line = _line(request, session, ident, supplier)
        return _line_page(request, session, item, line, refused=refused, typed=typed)
    return RedirectResponse(f"/items/{item.id}/edit?saved=1", 303)
