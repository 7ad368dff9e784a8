import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from cloud.actions.answer_order import acknowledge
from cloud.actions.assess import assess_bin
from cloud.actions.prove import Proof, Verdict, prove

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def conn(database: Any) -> Iterator[psycopg.Connection]:
    with database.connect("binline_jobs") as conn:
        conn.autocommit = True
        yield conn


def _ordered(shelf: Any, conn: psycopg.Connection) -> None:
    shelf.admin.execute(
        "INSERT INTO movements (bin_id, item_id, kind, pieces, before_pieces, after_pieces,"
        " event_at, confirmed_at, known_at, before_refs, after_refs, before_mg, after_mg, because)"
        " SELECT bin_id, item_id, 'usage', -88, 500, 412, %s, %s, %s, %s, %s, 1, 2, 'taken'"
        "   FROM bins",
        (NOON, NOON, NOON, [shelf.stream_no, 1, shelf.stream_no, 5], [shelf.stream_no, 6] * 2),
    )
    shelf.weigh(412, NOON)
    assess_bin(conn, shelf.bin_id, NOON)


def _prove(conn: psycopg.Connection, last_digest: str | None = None) -> Proof:
    proof = prove(conn, 1001, last_digest)
    assert proof is not None
    return proof


def test_an_order_rests_on_readings_movements_position_decision_and_what_happened(
    shelf: Any, conn: psycopg.Connection
) -> None:
    _ordered(shelf, conn)
    proof = _prove(conn)
    assert (proof.verdict, proof.misfit) == (Verdict.FITS, None)
    kinds = [record.kind.value for record in proof.records]
    assert kinds == ["reading", "movement", "position", "decision", "event"]
    reading, movement, position, decision, event = (record.body for record in proof.records)
    stream = shelf.rows("streams")[0]["stream"].hex
    assert isinstance(reading, dict)
    assert (reading["stream"], reading["seq"]) == (stream, 7)
    assert isinstance(movement, dict)
    assert movement["movement"] == shelf.rows("movements")[0]["movement_id"]
    assert movement["after"] == {
        "weight_mg": 2,
        "first": {"stream": stream, "seq": 6},
        "last": {"stream": stream, "seq": 6},
    }
    assert isinstance(position, dict)
    assert (position["pieces"], position["position"]) == (412, 412)
    assert json.loads(shelf.rows("decisions")[-1]["inputs"]) == decision
    assert isinstance(event, dict)
    assert event["event"] == "sent"


def test_what_becomes_of_the_order_is_added_to_its_chain(
    shelf: Any, conn: psycopg.Connection
) -> None:
    _ordered(shelf, conn)
    acknowledge(conn, shelf.order_id(), "ferro", NOON)
    at = NOON + timedelta(hours=1)
    shelf.weigh(1_900, at)
    assess_bin(conn, shelf.bin_id, at)
    proof = _prove(conn)
    events = [record.body["event"] for record in proof.records if record.kind.value == "event"]
    assert events == ["sent", "acknowledged", "received", "closed"]
    assert proof.verdict is Verdict.FITS


@pytest.mark.parametrize(
    ("harm", "misfit"),
    [
        ("UPDATE order_evidence SET body = replace(body, 'taken', 'lost') WHERE seq = 2", 2),
        ("UPDATE order_evidence SET body = body || ' ' WHERE seq = 3", 3),
        ("UPDATE order_evidence SET body = 'nonsense' WHERE seq = 3", 3),
        ("DELETE FROM order_evidence WHERE seq = 2", 2),
        ("UPDATE order_evidence SET previous = digest WHERE seq = 4", 4),
    ],
)
def test_whatever_is_changed_afterwards_is_found(
    shelf: Any, conn: psycopg.Connection, harm: str, misfit: int
) -> None:
    _ordered(shelf, conn)
    changed = shelf.admin.execute(harm).rowcount
    assert changed == 1
    proof = _prove(conn)
    assert (proof.verdict, proof.misfit) == (Verdict.BROKEN, misfit)


def test_an_end_that_was_cut_off_is_seen_by_who_kept_the_last_hash(
    shelf: Any, conn: psycopg.Connection
) -> None:
    _ordered(shelf, conn)
    kept = _prove(conn).last_digest
    shelf.admin.execute("DELETE FROM order_evidence WHERE seq = 5")
    assert _prove(conn).verdict is Verdict.FITS
    assert _prove(conn, kept).verdict is Verdict.BROKEN


def test_a_sound_chain_is_no_proof_of_another_quantity(
    shelf: Any, conn: psycopg.Connection
) -> None:
    _ordered(shelf, conn)
    shelf.admin.execute("UPDATE order_lines SET asked = 2000")
    proof = _prove(conn)
    assert proof.verdict is Verdict.BROKEN
    assert proof.because == "The order says 2,000, and its decision 1,500."


def test_an_order_from_before_there_were_chains_says_so_and_gets_none(
    shelf: Any, conn: psycopg.Connection
) -> None:
    _ordered(shelf, conn)
    shelf.admin.execute("DELETE FROM order_evidence")
    acknowledge(conn, shelf.order_id(), "ferro", NOON)
    proof = _prove(conn)
    assert (proof.verdict, proof.records) == (Verdict.NO_CHAIN, ())
    assert proof.because.startswith("RO-1001 was placed before chains were kept")


def test_an_order_that_never_was_is_none(shelf: Any, conn: psycopg.Connection) -> None:
    assert prove(conn, 4711) is None
