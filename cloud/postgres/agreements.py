"""Agreements as rows: the newest version holds; versions, limits and proposals are only added.

What a version says of bins is written into the bins by the database (migration 0008).
"""

from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

import psycopg
from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb

from cloud.core.agreements import (
    Agreement,
    Band,
    Clauses,
    Limit,
    Mode,
    Ownership,
    Prediction,
    Proposal,
    Service,
    Share,
    Side,
    Target,
    Version,
    Waits,
)

LISTED_MAX = 500
_CLAUSES = (
    "mode, value_limit, draft_hours, escalate_after_hours, ownership, service, target_per_mille,"
    " supply_days, stock_value, answer_hours, grace_hours, band_quantity_percent,"
    " band_postpone_days, band_limits_percent, shared, valid_from, valid_until"
)
_SAYS = "proposed_by, author, because"


@dataclass(frozen=True, kw_only=True)
class Listed:
    """An agreement on one line."""

    agreement_id: int
    site_id: int
    site: str
    time_zone: str
    supplier_id: int
    supplier: str
    number: int  # of the version that holds
    mode: str
    service: str | None
    target_per_mille: int | None
    valid_from: date
    valid_until: date | None
    bins: int  # it names limits of
    open_by_customer: int  # proposals that wait for the supplier
    open_by_supplier: int
    bin_id: int | None  # one of the bins in use that are of the two; None: there is none
    oldest_number: int | None  # the oldest proposal of the supplier that waits
    oldest_at: datetime | None
    oldest_because: str | None


@dataclass(frozen=True, kw_only=True)
class Held:
    """The version of an agreement that holds."""

    agreement_id: int
    site_id: int
    site: str
    supplier_id: int
    supplier: str
    number: int
    agreed_at: datetime
    clauses: Clauses


@dataclass(frozen=True, kw_only=True)
class AgreedBin:
    """A bin of an agreement as it is now: the agreement may say something else, or nothing."""

    bin_id: int
    code: str
    sku: str
    part: str
    pack: int
    capacity: int
    minimum: int
    order_up_to: int | None
    ownership: str
    active: bool


_LISTED = """
SELECT a.agreement_id, a.site_id, si.name AS site, si.time_zone, a.supplier_id, su.name AS supplier,
       v.number, v.mode, v.service, v.target_per_mille, v.valid_from, v.valid_until,
       (SELECT count(*) FROM agreement_limits l
         WHERE l.agreement_id = a.agreement_id AND l.number = v.number)::int AS bins,
       coalesce(p.by_customer, 0)::int AS open_by_customer,
       coalesce(p.by_supplier, 0)::int AS open_by_supplier,
       (SELECT min(b.bin_id) FROM bins b WHERE b.site_id = a.site_id
           AND b.supplier_id = a.supplier_id AND b.active) AS bin_id,
       oldest.number AS oldest_number, oldest.proposed_at AS oldest_at,
       oldest.because AS oldest_because
  FROM agreements a
  JOIN sites si USING (site_id)
  JOIN suppliers su USING (supplier_id)
  JOIN LATERAL (SELECT * FROM agreement_versions n WHERE n.agreement_id = a.agreement_id
                 ORDER BY number DESC LIMIT 1) v ON true
  LEFT JOIN LATERAL (SELECT count(*) FILTER (WHERE proposed_by = 'customer') AS by_customer,
                            count(*) FILTER (WHERE proposed_by = 'supplier') AS by_supplier
                       FROM agreement_proposals o
                      WHERE o.agreement_id = a.agreement_id AND o.state = 'open') p ON true
  LEFT JOIN LATERAL (SELECT number, proposed_at, because FROM agreement_proposals o
                      WHERE o.agreement_id = a.agreement_id AND o.state = 'open'
                        AND o.proposed_by = 'supplier' ORDER BY number LIMIT 1) oldest ON true
"""


# ------------------------------------------------------------------------------ reading


def clauses_of(
    conn: psycopg.Connection, *, supplier_id: int, site_id: int, on: date
) -> tuple[Clauses, int] | None:
    """What a site and a supplier have agreed on, and the number of that version; None: nothing.

    The newest version, also where it does not hold on that day: the caller asks
    `core.agreements.validity_on`. Only one that begins later than `on` leaves the one before in
    force.
    """
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            f"SELECT number, {_CLAUSES} FROM agreement_versions v"  # noqa: S608 - of constants
            " JOIN agreements a USING (agreement_id)"
            " WHERE a.site_id = %s AND a.supplier_id = %s"
            " ORDER BY (valid_from <= %s) DESC, number DESC LIMIT 1",
            (site_id, supplier_id, on),
        ).fetchone()
    return None if row is None else (_clauses(row), int(row["number"]))


def listed(conn: psycopg.Connection, limit: int | None = LISTED_MAX) -> list[Listed]:
    cursor = conn.cursor(row_factory=class_row(Listed))
    return cursor.execute(f"{_LISTED} ORDER BY si.name, su.name LIMIT %s", (limit,)).fetchall()


def line(conn: psycopg.Connection, agreement_id: int) -> Listed | None:
    cursor = conn.cursor(row_factory=class_row(Listed))
    return cursor.execute(f"{_LISTED} WHERE a.agreement_id = %s", (agreement_id,)).fetchone()


def id_of(conn: psycopg.Connection, *, supplier_id: int, site_id: int) -> int | None:
    row = conn.execute(
        "SELECT agreement_id FROM agreements WHERE site_id = %s AND supplier_id = %s",
        (site_id, supplier_id),
    ).fetchone()
    return None if row is None else int(row[0])


def zone_of(conn: psycopg.Connection, site_id: int) -> str:
    """UTC for a site that the asker does not see: nothing is written down for that one."""
    row = conn.execute("SELECT time_zone FROM sites WHERE site_id = %s", (site_id,)).fetchone()
    return "UTC" if row is None else str(row[0])


def find(conn: psycopg.Connection, agreement_id: int) -> Agreement | None:
    with conn.cursor(row_factory=dict_row) as cursor:
        pair = cursor.execute(
            "SELECT site_id, supplier_id FROM agreements WHERE agreement_id = %s", (agreement_id,)
        ).fetchone()
        if pair is None:
            return None
        versions = cursor.execute(
            f"SELECT number, {_CLAUSES}, {_SAYS}, agreed_at, accepted_by, proposal"  # noqa: S608 - of constants
            " FROM agreement_versions WHERE agreement_id = %s ORDER BY number",
            (agreement_id,),
        ).fetchall()
        proposals = cursor.execute(
            f"SELECT number, base, {_CLAUSES}, {_SAYS}, predicted, proposed_at, state,"  # noqa: S608 - of constants
            " answered_by, answered_at"
            " FROM agreement_proposals WHERE agreement_id = %s ORDER BY number",
            (agreement_id,),
        ).fetchall()
    agreed = _limits(conn, "agreement_limits", agreement_id)
    proposed = _limits(conn, "agreement_proposal_limits", agreement_id)
    return Agreement(
        agreement_id=agreement_id,
        site_id=pair["site_id"],
        supplier_id=pair["supplier_id"],
        versions=tuple(_version(row, agreed.get(row["number"], ())) for row in versions),
        proposals=tuple(_proposal(row, proposed.get(row["number"], ())) for row in proposals),
    )


def held(
    conn: psycopg.Connection, *, supplier_id: int | None = None, agreement_id: int | None = None
) -> list[Held]:
    """What holds of every agreement that may be seen, by the names of its sides."""
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            f"SELECT DISTINCT ON (si.name, su.name) a.agreement_id, a.site_id, si.name AS site,"  # noqa: S608 - of constants
            f" a.supplier_id, su.name AS supplier, v.number, v.agreed_at, {_CLAUSES}"
            "  FROM agreements a JOIN agreement_versions v USING (agreement_id)"
            "  JOIN sites si USING (site_id) JOIN suppliers su USING (supplier_id)"
            " WHERE (%(supplier)s::int IS NULL OR a.supplier_id = %(supplier)s)"
            "   AND (%(agreement)s::int IS NULL OR a.agreement_id = %(agreement)s)"
            " ORDER BY si.name, su.name, v.number DESC",
            {"supplier": supplier_id, "agreement": agreement_id},
        ).fetchall()
    return [
        Held(
            agreement_id=row["agreement_id"],
            site_id=row["site_id"],
            site=row["site"],
            supplier_id=row["supplier_id"],
            supplier=row["supplier"],
            number=row["number"],
            agreed_at=row["agreed_at"],
            clauses=_clauses(row),
        )
        for row in rows
    ]


def bins_of(conn: psycopg.Connection, *, supplier_id: int, site_id: int) -> list[AgreedBin]:
    cursor = conn.cursor(row_factory=class_row(AgreedBin))
    return cursor.execute(
        "SELECT b.bin_id, b.code, i.sku, i.name AS part, coalesce(line.pack, i.pack) AS pack,"
        " b.capacity, b.minimum, b.order_up_to, b.ownership, b.active"
        " FROM bins b JOIN items i USING (item_id) LEFT JOIN item_suppliers line"
        " ON line.item_id = b.item_id AND line.supplier_id = b.supplier_id"
        " WHERE b.site_id = %s AND b.supplier_id = %s ORDER BY b.code",
        (site_id, supplier_id),
    ).fetchall()


def _limits(
    conn: psycopg.Connection, table: str, agreement_id: int
) -> dict[int, tuple[Limit, ...]]:
    rows = conn.execute(
        f"SELECT number, bin_id, minimum, order_up_to FROM {table}"  # noqa: S608 - one of two
        " WHERE agreement_id = %s ORDER BY number, bin_id",
        (agreement_id,),
    ).fetchall()
    found: dict[int, tuple[Limit, ...]] = {}
    for number, bin_id, minimum, order_up_to in rows:
        limit = Limit(bin_id=bin_id, minimum=minimum, order_up_to=order_up_to)
        found[number] = (*found.get(number, ()), limit)
    return found


def _clauses(row: dict[str, Any]) -> Clauses:
    return Clauses(
        mode=Mode(row["mode"]),
        value_limit=row["value_limit"],
        draft_hours=row["draft_hours"],
        escalate_after_hours=row["escalate_after_hours"],
        ownership=Ownership(row["ownership"]),
        target=None
        if row["service"] is None
        else Target(service=Service(row["service"]), per_mille=row["target_per_mille"]),
        supply_days=row["supply_days"],
        stock_value=row["stock_value"],
        answer_hours=row["answer_hours"],
        grace_hours=row["grace_hours"],
        band=Band(
            quantity_percent=row["band_quantity_percent"],
            postpone_days=row["band_postpone_days"],
            limits_percent=row["band_limits_percent"],
        ),
        shared=frozenset(map(Share, row["shared"])),
        valid_from=row["valid_from"],
        valid_until=row["valid_until"],
    )


def _version(row: dict[str, Any], limits: tuple[Limit, ...]) -> Version:
    return Version(
        number=row["number"],
        clauses=_clauses(row),
        limits=limits,
        agreed_at=row["agreed_at"],
        proposed_by=Side(row["proposed_by"]),
        author=row["author"],
        because=row["because"],
        accepted_by=row["accepted_by"],
        proposal=row["proposal"],
    )


def _proposal(row: dict[str, Any], limits: tuple[Limit, ...]) -> Proposal:
    return Proposal(
        number=row["number"],
        base=row["base"],
        by=Side(row["proposed_by"]),
        author=row["author"],
        because=row["because"],
        clauses=_clauses(row),
        limits=limits,
        predicted=None if row["predicted"] is None else Prediction(**row["predicted"]),
        proposed_at=row["proposed_at"],
        state=Waits(row["state"]),
        answered_by=row["answered_by"],
        answered_at=row["answered_at"],
    )


# ------------------------------------------------------------------------------ writing


def take_turns(conn: psycopg.Connection, *, supplier_id: int, site_id: int) -> None:
    """Who changes this agreement waits for whoever else does."""
    conn.execute("SELECT pg_advisory_xact_lock(%s, %s)", (-site_id, supplier_id))


def add(conn: psycopg.Connection, *, supplier_id: int, site_id: int) -> int:
    row = conn.execute(
        "INSERT INTO agreements (site_id, supplier_id) VALUES (%s, %s) RETURNING agreement_id",
        (site_id, supplier_id),
    ).fetchone()
    assert row is not None
    return int(row[0])


def add_version(conn: psycopg.Connection, agreement_id: int, version: Version) -> None:
    """From here on it holds. The caller holds the bins it names."""
    _add(
        conn,
        "agreement_versions",
        {
            "agreement_id": agreement_id,
            "number": version.number,
            **_columns(version.clauses),
            "proposed_by": version.proposed_by,
            "author": version.author,
            "because": version.because,
            "proposal": version.proposal,
            "agreed_at": version.agreed_at,
            "accepted_by": version.accepted_by,
        },
    )
    _add_limits(conn, "agreement_limits", (agreement_id, version.number), version.limits)


def add_proposal(conn: psycopg.Connection, agreement_id: int, proposal: Proposal) -> None:
    _add(
        conn,
        "agreement_proposals",
        {
            "agreement_id": agreement_id,
            "number": proposal.number,
            **_columns(proposal.clauses),
            "proposed_by": proposal.by,
            "author": proposal.author,
            "because": proposal.because,
            "base": proposal.base,
            "predicted": None if proposal.predicted is None else Jsonb(asdict(proposal.predicted)),
            "proposed_at": proposal.proposed_at,
            "state": proposal.state,
            "answered_by": proposal.answered_by,
            "answered_at": proposal.answered_at,
        },
    )
    _add_limits(conn, "agreement_proposal_limits", (agreement_id, proposal.number), proposal.limits)


def save_answer(conn: psycopg.Connection, agreement_id: int, proposal: Proposal) -> None:
    conn.execute(
        "UPDATE agreement_proposals SET state = %s, answered_by = %s, answered_at = %s"
        " WHERE agreement_id = %s AND number = %s",
        (
            proposal.state,
            proposal.answered_by,
            proposal.answered_at,
            agreement_id,
            proposal.number,
        ),
    )


def _columns(clauses: Clauses) -> dict[str, object]:
    target = clauses.target
    return {
        "mode": clauses.mode,
        "value_limit": clauses.value_limit,
        "draft_hours": clauses.draft_hours,
        "escalate_after_hours": clauses.escalate_after_hours,
        "ownership": clauses.ownership,
        "service": None if target is None else target.service,
        "target_per_mille": None if target is None else target.per_mille,
        "supply_days": clauses.supply_days,
        "stock_value": clauses.stock_value,
        "answer_hours": clauses.answer_hours,
        "grace_hours": clauses.grace_hours,
        "band_quantity_percent": clauses.band.quantity_percent,
        "band_postpone_days": clauses.band.postpone_days,
        "band_limits_percent": clauses.band.limits_percent,
        "shared": sorted(share.value for share in clauses.shared),
        "valid_from": clauses.valid_from,
        "valid_until": clauses.valid_until,
    }


def _add(conn: psycopg.Connection, table: str, columns: dict[str, object]) -> None:
    names, marks = ", ".join(columns), ", ".join(["%s"] * len(columns))
    conn.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", [*columns.values()])  # noqa: S608 - names are ours


def _add_limits(
    conn: psycopg.Connection, table: str, of: tuple[int, int], limits: tuple[Limit, ...]
) -> None:
    """In the order of the bins, as everybody writes them who writes several."""
    with conn.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO {table} (agreement_id, number, bin_id, minimum, order_up_to)"  # noqa: S608 - one of two
            " VALUES (%s, %s, %s, %s, %s)",
            [
                (*of, limit.bin_id, limit.minimum, limit.order_up_to)
                for limit in sorted(limits, key=lambda limit: limit.bin_id)
            ],
        )
