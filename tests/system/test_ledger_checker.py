"""The judge is judged first: it must see every way in which a reading can go wrong."""

import importlib.util
import sqlite3
import zlib
from pathlib import Path

import msgspec
import pytest

from edge_agent.core.reading import Condition, Reading, Weight
from edge_agent.sqlite.spool import Spool
from edge_agent.wire.messages import Stability

_spec = importlib.util.spec_from_file_location(
    "ledger_checker", Path(__file__).parent / "ledger_checker.py"
)
checker = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(checker)

GATEWAY, SENSOR, KILLED_MS = "count-1", "s01", 50_000
SHOWN = {(GATEWAY, SENSOR, weight): 1_000 * weight for weight in range(1, 101)}
STORED = [("stream", weight, GATEWAY, SENSOR, weight) for weight in range(1, 101)]


def verdict(rows, *, in_spool=frozenset(), killed=None) -> str:
    return "\n".join(checker.check(SHOWN, rows, in_spool=set(in_spool), killed=killed))


def without(*weights: int) -> list:
    """Stored without these, the sequence numbers closed up."""
    kept = [row for row in STORED if row[4] not in weights]
    return [(stream, n, *rest) for n, (stream, _, *rest) in enumerate(kept, 1)]


def test_all_is_well_when_all_is_there() -> None:
    assert verdict(STORED) == ""


def test_a_lost_answer_is_seen() -> None:
    assert "not stored" in verdict(without(40))


def test_an_answer_stored_twice_is_seen() -> None:
    assert "stored 2 times" in verdict([*STORED, ("another", 1, GATEWAY, SENSOR, 40)])


def test_a_value_that_was_never_shown_is_seen() -> None:
    assert "never shown" in verdict([*STORED, ("stream", 101, GATEWAY, SENSOR, 4_000)])


def test_an_answer_of_another_scale_is_seen() -> None:
    rows = [*STORED[:39], ("stream", 40, GATEWAY, "s02", 40), *STORED[40:]]
    assert "never shown" in verdict(rows)
    assert "not stored" in verdict(rows)


def test_two_answers_in_the_wrong_order_are_seen() -> None:
    rows = [*STORED]
    rows[40], rows[41] = (*rows[40][:4], 42), (*rows[41][:4], 41)
    assert "shows 41 after 42" in verdict(rows)


def test_a_hole_in_a_stream_is_seen() -> None:
    assert "99 of 100" in verdict([row for row in STORED if row[1] != 40])


@pytest.mark.parametrize(("lost", "excused"), [(50, True), (52, True), (49, False), (60, False)])
def test_a_kill_excuses_the_one_answer_before_it_and_those_nobody_heard_after_it(
    lost: int, *, excused: bool
) -> None:
    said = verdict(without(lost), killed=(GATEWAY, KILLED_MS))
    assert (said == "") is excused


def test_a_kill_of_one_gateway_excuses_no_other() -> None:
    assert "not stored" in verdict(without(50), killed=("count-2", KILLED_MS))


def test_a_kill_does_not_excuse_what_was_in_the_spool() -> None:
    said = verdict(without(50), killed=(GATEWAY, KILLED_MS), in_spool={(GATEWAY, SENSOR, 50)})
    assert "in the spool, but not stored" in said


@pytest.mark.parametrize(
    "value",
    [
        *(0, 127, 128, 65_535, 65_536, 2**40, -1, -32, -33, -40_000, -(2**40)),
        *(None, True, False, "", "x" * 31, "x" * 40, "x" * 300, "ü"),
        *(b"", b"x" * 255, b"x" * 256, b"x" * 70_000),
        *([], [1] * 15, [1] * 16, [1] * 70_000),
        *({"a": [1, {"b": None}]}, {str(n): n for n in range(20)}),
    ],
)
def test_it_reads_the_format_as_a_library_writes_it(value: object) -> None:
    packed = msgspec.msgpack.encode(value)
    assert checker.unpack(packed, 0) == (value, len(packed))


def test_it_reads_a_spool(tmp_path: Path) -> None:
    batch = {
        "padding": "x" * 200,  # so that it is smaller when it is deflated
        "type": "readings",
        "sensors": ["s01", "s02"],
        "readings": [[1, 1, 0, 77], [3, 0, 0, "x"]],
    }
    with sqlite3.connect(tmp_path / "spool") as conn:
        conn.execute("CREATE TABLE frozen (no INTEGER PRIMARY KEY, size INTEGER, payload BLOB)")
        payload = msgspec.msgpack.encode(batch)
        for stored in (payload, zlib.compress(payload)):
            row = (len(payload), stored)
            conn.execute("INSERT INTO frozen (size, payload) VALUES (?, ?)", row)
    assert checker.spooled(tmp_path / "spool", GATEWAY) == {(GATEWAY, "s02", 77)}


def test_it_reads_what_a_real_spool_lays_by_columns(tmp_path: Path) -> None:
    """Written by the agent's own spool, all forms of a row, and read without it."""
    some = [
        Reading(
            sensor=f"s{n % 7:02}",
            measured_ms=1_790_000_000_000 + n * 13,
            clock_trusted=n % 3 > 0,
            outcome=Condition(condition="silent", because="no answer")
            if n % 11 == 5
            else Weight(weight_mg=(-1) ** n * n * 12_345_678, stability=Stability.STATED),
        )
        for n in range(200)
    ]
    spool = Spool.open(tmp_path / "spool", 64 * 1024 * 1024)
    spool.append(some)
    spool.append(some[:1])
    (batch, _) = spool.oldest(0, 2)
    payload = spool.load(batch.no) or b""
    spool.close()
    with sqlite3.connect(tmp_path / "spool") as conn:
        size, stored = conn.execute("SELECT size, payload FROM frozen ORDER BY no").fetchone()
    assert stored[0] == checker.BY_COLUMNS
    assert checker.message_in(size, stored) == msgspec.msgpack.decode(payload)
    assert checker.spooled(tmp_path / "spool", GATEWAY) == {
        (GATEWAY, one.sensor, one.outcome.weight_mg)
        for one in some
        if isinstance(one.outcome, Weight)
    }
