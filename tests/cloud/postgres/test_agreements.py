from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import psycopg
import pytest

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
    Side,
    Target,
    Version,
    Waits,
)
from cloud.postgres import agreements, asking

NINE = datetime(2026, 11, 30, 9, tzinfo=UTC)
TODAY = NINE.date()
CLAUSES = Clauses(
    mode=Mode.AUTO,
    value_limit=50_000,
    draft_hours=12,
    escalate_after_hours=3,
    ownership=Ownership.CONSIGNED,
    target=Target(service=Service.FILL, per_mille=985),
    answer_hours=4,
    grace_hours=6,
    band=Band(quantity_percent=20, postpone_days=2, limits_percent=10),
    shared=frozenset(),
    valid_from=date(2026, 1, 1),
    valid_until=date(2026, 12, 31),
)


@pytest.fixture
def conn(database: Any) -> Iterator[psycopg.Connection]:
    with database.connect("binline_portal") as conn:
        yield conn


def made(conn: psycopg.Connection, shelf: Any, *clauses: Clauses) -> int:
    (site_id,) = shelf.admin.execute("SELECT site_id FROM bins").fetchone()
    with conn.transaction():
        asking.as_operations(conn, "ada@example.com")
        agreement_id = agreements.add(conn, supplier_id=shelf.supplier_id, site_id=site_id)
        for number, one in enumerate(clauses, 1):
            if number > 1:
                agreements.add_proposal(conn, agreement_id, proposal(shelf, number - 1, one))
            limits = (Limit(bin_id=shelf.bin_id, minimum=600 + number, order_up_to=1_800),)
            agreements.add_version(
                conn,
                agreement_id,
                Version(
                    number=number, clauses=one, limits=limits, agreed_at=NINE,
                    proposed_by=Side.CUSTOMER, author="ada@example.com", because="the contract",
                    accepted_by="", proposal=None if number == 1 else number - 1,
                ),
            )  # fmt: skip
    return agreement_id


def proposal(shelf: Any, number: int, clauses: Clauses) -> Proposal:
    return Proposal(
        number=number, base=number, by=Side.SUPPLIER, author="max@ferro.example",
        because="usage has doubled", clauses=clauses,
        limits=(Limit(bin_id=shelf.bin_id, minimum=700, order_up_to=1_900),),
        predicted=Prediction(
            days=90, bins=1, bins_unknown=0, fill_per_mille=999, stock=900,
            before_fill_per_mille=None, before_stock=700,
        ),
        proposed_at=NINE,
    )  # fmt: skip


def test_what_was_agreed_on_is_read_as_it_was_written(shelf: Any, conn: psycopg.Connection) -> None:
    changed = replace(CLAUSES, mode=Mode.SHADOW, target=None, value_limit=None, valid_until=None)
    agreement_id = made(conn, shelf, CLAUSES, changed)
    with conn.transaction():
        asking.as_operations(conn, "ada@example.com")
        found = agreements.find(conn, agreement_id)
        assert found is not None
        assert [version.clauses for version in found.versions] == [CLAUSES, changed]
        assert found.now.limits == (Limit(bin_id=shelf.bin_id, minimum=602, order_up_to=1_800),)
        assert found.proposals == (proposal(shelf, 1, changed),)
        answered = replace(
            found.proposals[0], state=Waits.DECLINED, answered_by="ada", answered_at=NINE
        )
        agreements.save_answer(conn, agreement_id, answered)
        again = agreements.find(conn, agreement_id)
        assert isinstance(again, Agreement)
        assert again.proposals == (answered,)
        (line,) = agreements.listed(conn)
        assert (line.number, line.mode, line.bins, line.open_by_supplier) == (2, "shadow", 1, 0)
        assert agreements.line(conn, agreement_id) == line
        assert agreements.find(conn, agreement_id + 1) is None


def test_the_newest_version_is_in_force_and_whoever_assesses_may_read_it(
    database: Any, shelf: Any, conn: psycopg.Connection
) -> None:
    made(conn, shelf, CLAUSES, replace(CLAUSES, mode=Mode.NOTIFY))
    (site_id,) = shelf.admin.execute("SELECT site_id FROM bins").fetchone()
    with database.connect("binline_jobs") as jobs:
        found = agreements.clauses_of(
            jobs, supplier_id=shelf.supplier_id, site_id=site_id, on=date(2027, 6, 1)
        )
        assert found == (replace(CLAUSES, mode=Mode.NOTIFY), 2)
        other = agreements.clauses_of(
            jobs, supplier_id=shelf.supplier_id + 1, site_id=site_id, on=TODAY
        )
        assert other is None


def test_what_holds_is_written_into_the_bins_with_who_and_why(
    shelf: Any, conn: psycopg.Connection
) -> None:
    made(conn, shelf, CLAUSES)
    (bin_,) = shelf.rows("bins")
    assert (bin_["minimum"], bin_["order_up_to"], bin_["ownership"]) == (601, 1_800, "consignment")
    assert [row["bin_id"] for row in shelf.rows("bin_due")] == [shelf.bin_id]
    last = shelf.rows("changes")[-1]
    assert (last["by"], last["after"]["minimum"]) == ("ada@example.com", 601)


def test_limits_are_of_bins_of_the_agreement_alone(
    make_shelf: Any, shelf: Any, conn: psycopg.Connection
) -> None:
    other = make_shelf("OTHER")
    agreement_id = made(conn, shelf, CLAUSES)
    asking.as_operations(conn, "ada@example.com")
    with pytest.raises(psycopg.errors.CheckViolation, match="not a bin of this agreement"):
        conn.execute(
            "INSERT INTO agreement_limits VALUES (%s, 1, %s, 1, 2)", (agreement_id, other.bin_id)
        )


@pytest.mark.parametrize("shown", [True, False])
def test_a_supplier_who_is_not_shown_levels_sees_none(
    shelf: Any, conn: psycopg.Connection, *, shown: bool
) -> None:
    shelf.weigh(700, NINE)
    shelf.admin.execute(
        "INSERT INTO breaches (bin_id, opened_at, opened_pieces, lowest_pieces, cycle)"
        " VALUES (%s, %s, 5, 5, 1)",
        (shelf.bin_id, NINE),
    )
    shelf.admin.execute(
        "INSERT INTO movements (bin_id, item_id, kind, pieces, before_pieces, after_pieces,"
        " event_at, confirmed_at, known_at, after_refs, because)"
        " SELECT bin_id, item_id, 'opening', 5, 0, 5, now(), now(), now(), '{1, 1, 1, 1}', ''"
        " FROM bins"
    )
    shelf.admin.execute(
        "INSERT INTO rollups (sensor_id, hour, readings, conditions, heard_first_at,"
        " heard_last_at, weights) VALUES (%s, date_trunc('hour', %s::timestamptz), 1, 1, %s, %s,"
        " 0)",
        (shelf.sensor_id, NINE, NINE, NINE),
    )
    default = Clauses(valid_from=TODAY)
    made(conn, shelf, default if shown else replace(default, shared=frozenset()))
    with conn.transaction():
        asking.as_supplier(conn, shelf.supplier_id)
        views = ("portal_readings", "portal_rollups")
        for relation in ("bin_levels", "breaches", "movements", *views):
            rows = conn.execute(f"SELECT bin_id FROM {relation}").fetchall()  # type: ignore[call-overload] # one of these
            assert len(rows) == (1 if shown else 0), relation
        assert conn.execute("SELECT bin_id FROM bins").fetchall() == [(shelf.bin_id,)]
