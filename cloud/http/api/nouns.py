"""Customers, sites, places, suppliers, items and bins as JSON: listed, found, added, changed.

All from one description (`cloud.core.nouns`), so the API takes what a form takes, and tells every
mistake at once with what is allowed.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Request
from pydantic import JsonValue
from starlette.responses import Response

from cloud.actions import keep_nouns
from cloud.core.nouns import (
    BIN,
    BY_PLURAL,
    CUSTOMER,
    ITEM,
    ITEM_SUPPLIER,
    NOUNS,
    PLACE,
    SITE,
    SUPPLIER,
    Noun,
    read,
)
from cloud.core.refusals import NounUnknown
from cloud.http import auth, kept, problems
from cloud.http.auth import Anyone, Operations
from cloud.http.parts import BinCode, parts_of
from cloud.postgres import asking, nouns
from cloud.postgres.nouns import Wanted
from cloud.sheets import files

router = APIRouter(prefix="/api")

FILE_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
EXAMPLES: dict[str, dict[str, JsonValue]] = {
    "customer": {"name": "Lindau Pumps", "number": "00417", "active": True},
    "supplier": {"name": "Ferro AG", "number": "70012", "active": True},
    "site": {
        "name": "Lindau 2",
        "customer": "Lindau Pumps",
        "place": "Plant 2",
        "time_zone": "Europe/Berlin",
        "active": True,
    },
    "place": {"site": "Lindau 2", "path": "Hall C / R04 / R04-B", "kind": "shelf", "active": True},
    "item": {
        "sku": "10432",
        "name": "Lock nut M8",
        "unit_weight_ug": 5_600_000,
        "unit_sd_ug": 40_000,
        "unit_error_ug": 4_000,
        "pack": 200,
        "price_e4": 415,
        "currency": "EUR",
        "active": True,
    },
    "item_supplier": {
        "item": "10432",
        "supplier": "Ferro AG",
        "supplier_sku": "FE-19494",
        "pack": 200,
        "moq": 1000,
        "lead_time_days": 5,
        "price_e4": 390,
        "currency": "EUR",
        "active": True,
    },
    "bin": {
        "code": "LND-R04-B2",
        "site": "Lindau 2",
        "place": "Hall C / R04 / R04-B",
        "item": "10432",
        "supplier": "Ferro AG",
        "capacity": 2000,
        "minimum": 500,
        "margin": 20,
        "order_up_to": None,
        "refill_min_pieces": None,
        "tare_mg": 540_000,
        "scale_sd_mg": 0,
        "measure": "weight",
        "pieces_per_count": 1,
        "interval_s": 60,
        "ownership": "owned",
        "critical": False,
        "active": True,
    },
}
HISTORY_EXAMPLE: dict[str, JsonValue] = {
    "version": 4,
    "at": "2026-11-20T09:41:07Z",
    "by": "ops@plant.example",
    "because": "",
    "what": "",
    "new": False,
    "differences": [{"field": "minimum", "before": 500, "after": 400}],
}
MISTAKES_EXAMPLE: dict[str, JsonValue] = {
    "type": "urn:binline:problem:not_as_allowed",
    "title": "Some fields do not hold what is allowed",
    "status": 422,
    "detail": "Nothing was saved.",
    "what_to_do": "Correct the fields that are named, and save once more.",
    "mistakes": [{"field": "minimum", "given": "2000", "allowed": "less than the capacity 2000"}],
}
UNKNOWN: dict[int | str, dict[str, Any]] = {
    404: {"description": "There is no such thing, or it is not yours to see."}
}
REFUSED: dict[int | str, dict[str, Any]] = UNKNOWN | {
    409: {"description": "Somebody changed it since the version you name; `fields` says what."},
    422: {
        "description": "Fields that do not hold what is allowed, all of them at once.",
        "content": {"application/problem+json": {"example": MISTAKES_EXAMPLE}},
    },
}

Given = Annotated[dict[str, JsonValue], Body()]
Words = Annotated[
    str, Query(max_length=kept.QUERY_CHARS_MAX, description="words that all must occur")
]
Limit = Annotated[int, Query(ge=1, le=nouns.LIMIT_MAX)]
Cursor = Annotated[
    str, Query(max_length=800, description="`next` of the page before; empty: the first page")
]


def _body(noun: Noun, *, version: bool) -> Any:  # noqa: ANN401 - what FastAPI calls a default
    example = ({"version": 3} if version else {}) | EXAMPLES[noun.name]
    said = "\n".join(f"- `{one.name}`: {one.label}; {one.takes}" for one in noun.fields)
    return Body(
        description=said, openapi_examples={noun.name: {"summary": noun.title, "value": example}}
    )


def _answers(noun: Noun, status: int = 200, *, many: bool = False) -> dict[int | str, Any]:
    number = {} if noun is ITEM_SUPPLIER else {"id": 7}
    one: dict[str, Any] = number | {"version": 3} | EXAMPLES[noun.name]
    example = {"rows": [one], "next": None} if many else one
    return {status: {"content": {"application/json": {"example": example}}}}


HISTORY_ANSWERS: dict[int | str, Any] = UNKNOWN | {
    200: {"content": {"application/json": {"example": [HISTORY_EXAMPLE]}}}
}


def list_answer(request: Request, session: Anyone, noun: Noun, wanted: Wanted) -> dict[str, Any]:
    with auth.asked_by(parts_of(request), session) as conn:
        found = kept.listed(conn, noun, wanted)
    return {"rows": [kept.out(row) for row in found.rows], "next": found.next or None}


def add_answer(request: Request, session: Operations, noun: Noun, given: Given) -> dict[str, Any]:
    with auth.asked_by(parts_of(request), session) as conn:
        ident = keep_nouns.add(conn, noun, read(noun, given))
        row = keep_nouns.known(nouns.find(conn, noun, ident))
    return kept.out(row)


def find_answer(request: Request, session: Anyone, noun: Noun, ident: str) -> dict[str, Any]:
    with auth.asked_by(parts_of(request), session) as conn:
        return kept.out(kept.find(conn, noun, ident))


def change_answer(
    request: Request, session: Operations, noun: Noun, ident: str, given: Given
) -> dict[str, Any]:
    version, because = _version(given), _because(given)
    fields = {name: value for name, value in given.items() if name not in ("version", "because")}
    with auth.asked_by(parts_of(request), session) as conn:
        nouns.take_turns(conn)
        asking.because(conn, because)
        row = kept.find(conn, noun, ident)
        keep_nouns.change(conn, noun, row, version, read(noun, fields, row.values))
        assert isinstance(row.id, int)
        return kept.out(keep_nouns.known(nouns.find(conn, noun, row.id)))


def history_answer(
    request: Request, session: Anyone, noun: Noun, ident: str
) -> list[dict[str, Any]]:
    with auth.asked_by(parts_of(request), session) as conn:
        told = kept.history(conn, session, noun, kept.find(conn, noun, ident))
    return [
        {
            "version": one.version,
            "at": one.at.isoformat().replace("+00:00", "Z"),
            "by": one.by,
            "because": one.because,
            "what": one.what,
            "new": one.new,
            "differences": [
                {"field": each.field, "before": each.before, "after": each.after}
                for each in one.differences
            ],
        }
        for one in told
    ]


def _version(given: dict[str, JsonValue]) -> int:
    version = given.get("version")
    if not isinstance(version, int) or isinstance(version, bool):
        raise problems.Told(problems.VERSION_MISSING)
    return version


def _because(given: dict[str, JsonValue]) -> str:
    because = given.get("because", "")
    if not isinstance(because, str) or len(because) > 500:  # noqa: PLR2004 - a sentence or two
        raise problems.Told(problems.NOT_UNDERSTOOD)
    return because


def _add_routes(noun: Noun) -> None:
    path = f"/{noun.plural}"
    tag: Any = [noun.plural]

    @router.get(
        path, tags=tag, summary=f"{noun.title} you may see", responses=_answers(noun, many=True)
    )
    def list_them(  # noqa: PLR0917 - FastAPI passes by name
        request: Request,
        session: Anyone,
        q: Words = "",
        active: bool | None = None,  # noqa: FBT001 - as above
        limit: Limit = 50,
        cursor: Cursor = "",
    ) -> dict[str, Any]:
        wanted = Wanted(q=q, active=active, limit=limit, after=cursor, only=only_of(request, noun))
        return list_answer(request, session, noun, wanted)

    @router.post(
        path, tags=tag, summary="Add one", status_code=201, responses=REFUSED | _answers(noun, 201)
    )
    def add_one(
        request: Request,
        session: Operations,
        given: Annotated[dict[str, JsonValue], _body(noun, version=False)],
    ) -> dict[str, Any]:
        return add_answer(request, session, noun, given)

    @router.get(
        path + "/{ident}", tags=tag, summary="One of them", responses=UNKNOWN | _answers(noun)
    )
    def one_of_them(request: Request, session: Anyone, ident: int) -> dict[str, Any]:
        return find_answer(request, session, noun, str(ident))

    @router.patch(
        path + "/{ident}", tags=tag, summary="Change one", responses=REFUSED | _answers(noun)
    )
    def change_one(
        request: Request,
        session: Operations,
        ident: int,
        given: Annotated[dict[str, JsonValue], _body(noun, version=True)],
    ) -> dict[str, Any]:
        return change_answer(request, session, noun, str(ident), given)

    @router.get(
        path + "/{ident}/history", tags=tag, summary="Who changed what", responses=HISTORY_ANSWERS
    )
    def history_of_one(request: Request, session: Anyone, ident: int) -> list[dict[str, Any]]:
        return history_answer(request, session, noun, str(ident))


def only_of(request: Request, noun: Noun) -> dict[str, str]:
    names = kept.ONLY.get(noun.name, ())
    return {name: value[:400] for name in names if (value := request.query_params.get(name, ""))}


for each in (CUSTOMER, SITE, PLACE, SUPPLIER, ITEM):
    _add_routes(each)


# ------------------------------------------------------------------------------ who supplies what


@router.get(
    "/items/{ident}/suppliers",
    tags=["items"],
    summary="Who supplies an item",
    responses=UNKNOWN,
)
def suppliers_of(request: Request, session: Anyone, ident: int) -> list[dict[str, Any]]:
    """A supplier sees its own line alone."""
    with auth.asked_by(parts_of(request), session) as conn:
        row = kept.find(conn, ITEM, str(ident))
        lines = nouns.lines_of(conn, kept.first_id(row))
    return [kept.out(line) for line in lines]


@router.put(
    "/items/{ident}/suppliers",
    tags=["items"],
    summary="Say how a supplier supplies an item",
    responses=REFUSED | _answers(ITEM_SUPPLIER),
)
def put_supplier(
    request: Request,
    session: Operations,
    ident: int,
    given: Annotated[dict[str, JsonValue], _body(ITEM_SUPPLIER, version=True)],
) -> dict[str, Any]:
    """Adds the line of this supplier, or changes it: then with its `version`."""
    fields = {name: value for name, value in given.items() if name not in ("version", "because")}
    with auth.asked_by(parts_of(request), session) as conn:
        nouns.take_turns(conn)
        asking.because(conn, _because(given))
        item = kept.find(conn, ITEM, str(ident))
        fields["item"] = item.values["sku"]
        line = next(
            (
                one
                for one in nouns.lines_of(conn, kept.first_id(item))
                if one.values["supplier"] == fields.get("supplier")
            ),
            None,
        )
        if line is None:
            keep_nouns.add(conn, ITEM_SUPPLIER, read(ITEM_SUPPLIER, fields))
        else:
            asked = read(ITEM_SUPPLIER, fields, line.values)
            keep_nouns.change(conn, ITEM_SUPPLIER, line, _version(given), asked)
        lines = nouns.lines_of(conn, kept.first_id(item))
    (now,) = [one for one in lines if one.values["supplier"] == fields.get("supplier")]
    return kept.out(now)


# ------------------------------------------------------------------------------ bins, by code


@router.get(
    "/bin-settings",
    tags=["bins"],
    summary="How bins are set up, by search and filter",
    responses=_answers(BIN, many=True),
)
def bin_settings(  # noqa: PLR0917 - FastAPI passes by name
    request: Request,
    session: Anyone,
    q: Words = "",
    site: Annotated[str, Query(max_length=200)] = "",
    item: Annotated[str, Query(max_length=200, description="its SKU")] = "",
    supplier: Annotated[str, Query(max_length=200)] = "",
    active: bool | None = None,  # noqa: FBT001 - as above
    limit: Limit = 50,
    cursor: Cursor = "",
) -> dict[str, Any]:
    """What a bin is set to. What lies in it is at `/api/bins`."""
    only = {"site": site, "item": item, "supplier": supplier}
    wanted = Wanted(
        q=q,
        only={name: value for name, value in only.items() if value},
        active=active,
        limit=limit,
        after=cursor,
    )
    return list_answer(request, session, BIN, wanted)


@router.post(
    "/bins",
    tags=["bins"],
    summary="Add a bin",
    status_code=201,
    responses=REFUSED | _answers(BIN, 201),
)
def add_bin(
    request: Request,
    session: Operations,
    given: Annotated[dict[str, JsonValue], _body(BIN, version=False)],
) -> dict[str, Any]:
    return add_answer(request, session, BIN, given)


@router.get(
    "/bins/{code}/settings",
    tags=["bins"],
    summary="How a bin is set up",
    responses=UNKNOWN | _answers(BIN),
)
def bin_setting(request: Request, session: Anyone, code: BinCode) -> dict[str, Any]:
    return find_answer(request, session, BIN, code)


@router.patch(
    "/bins/{code}", tags=["bins"], summary="Change a bin", responses=REFUSED | _answers(BIN)
)
def change_bin(
    request: Request,
    session: Operations,
    code: BinCode,
    given: Annotated[dict[str, JsonValue], _body(BIN, version=True)],
) -> dict[str, Any]:
    return change_answer(request, session, BIN, code, given)


@router.get(
    "/bins/{code}/history",
    tags=["bins"],
    summary="Who changed what of a bin",
    responses=HISTORY_ANSWERS,
)
def bin_history(request: Request, session: Anyone, code: BinCode) -> list[dict[str, Any]]:
    """A supplier reads what changed while the bin was its own, and not who changed it."""
    return history_answer(request, session, BIN, code)


# ------------------------------------------------------------------------------ files


@router.get(
    "/export/{name}",
    tags=["files"],
    summary="One noun as CSV, or all as a workbook",
    responses=UNKNOWN | {200: {"content": {"text/csv": {"example": "sku,name,unit_weight_g\r\n"}}}},
)
def export(request: Request, session: Operations, name: str) -> Response:
    """`items.csv`, `bins.csv` and so on, or `binline.xlsx` with a sheet for each."""
    stem, _, ending = name.partition(".")
    noun = BY_PLURAL.get(stem)
    if (ending, stem) != ("xlsx", "binline") and (ending != "csv" or noun is None):
        raise NounUnknown
    with auth.asked_by(parts_of(request), session) as conn:
        if ending == "csv":
            assert noun is not None
            content = files.csv_of(noun, [r.values for r in nouns.every(conn, noun).values()])
        else:
            content = files.workbook_of(
                {
                    one.name: [row.values for row in nouns.every(conn, one).values()]
                    for one in NOUNS.values()
                }
            )
    disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=FILE_TYPES[ending], headers=disposition)


@router.post(
    "/import",
    tags=["files"],
    summary="See what a file would change, or take it in",
    responses=REFUSED
    | {
        200: {
            "content": {
                "application/json": {
                    "example": {
                        "mark": "9f86d081…",
                        "applied": False,
                        "unchanged": 58,
                        "new": [{"noun": "bin", "row": 60, "key": "LND-R05-A1"}],
                        "changed": [],
                        "wrong": [],
                    }
                }
            }
        }
    },
    openapi_extra={
        "requestBody": {
            "content": {
                "text/csv": {"example": "code,minimum\nLND-R04-B2,400\n"},
                FILE_TYPES["xlsx"]: {},
            }
        }
    },
)
async def take_in_file(
    request: Request,
    session: Operations,
    name: Annotated[str, Query(max_length=120, description="of the file: `bins.csv`")],
    mark: Annotated[
        str, Query(max_length=64, description="of the plan to be done; empty: only look")
    ] = "",
) -> dict[str, Any]:
    """The body is the file. All of it is taken in or nothing; the same file again changes nothing.

    First without `mark`; then once more with the `mark` of that answer. If by then it would be
    another plan, nothing is done and `applied` is false.
    """
    from starlette.concurrency import run_in_threadpool  # noqa: PLC0415 - async for the body alone

    content = await request.body()
    return await run_in_threadpool(_take_in, request, session, name, content, mark)


def _take_in(
    request: Request, session: Operations, name: str, content: bytes, mark: str
) -> dict[str, Any]:
    sheets = files.read_file(name, content)
    with auth.asked_by(parts_of(request), session) as conn:
        done = keep_nouns.take_in(conn, sheets, mark) if mark else None
        plan = done or keep_nouns.preview(conn, sheets)
    return {"applied": done is not None, **kept.plan_out(plan)}
