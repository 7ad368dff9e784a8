"""Files of earlier versions are made by the SQL of their day, not by today's code."""

import contextlib
import sqlite3
import zlib
from pathlib import Path

import pytest

from edge_agent.core.count import CounterState
from edge_agent.core.freeze import freeze, freeze_gap
from edge_agent.sqlite import columns, opening
from edge_agent.sqlite.opening import SCHEMA_VERSION, SpoolError
from edge_agent.sqlite.rows import State
from edge_agent.sqlite.spool import Spool
from tests.edge_agent.sqlite.spools import MIB, messages, payloads, readings, spool_at, weights

BATCH = """CREATE TABLE batch (
    no        INTEGER PRIMARY KEY AUTOINCREMENT,
    stream    TEXT    NOT NULL,
    first_seq INTEGER NOT NULL,
    last_seq  INTEGER NOT NULL,
    state     INTEGER NOT NULL,
    gap       INTEGER NOT NULL,
    payload   BLOB    NOT NULL,
    crc       INTEGER NOT NULL
)"""
COUNTER = """CREATE TABLE counter (
        sensor TEXT    PRIMARY KEY,
        value  INTEGER NOT NULL,
        total  INTEGER NOT NULL
    ) WITHOUT ROWID"""
STREAM = "0123456789abcdef" * 2


def make_old(path: Path, version: int, batches: int = 4) -> list[bytes]:
    conn = sqlite3.connect(path, isolation_level=None)
    conn.execute("PRAGMA page_size = 4096")
    conn.execute("PRAGMA journal_mode = WAL")
    conn.execute(BATCH)
    if version == 2:
        conn.execute(COUNTER)
        conn.execute("INSERT INTO counter VALUES ('c1', 7, 1007)")
    conn.execute(f"PRAGMA user_version = {version}")
    made = []
    conn.execute("BEGIN")
    for number in range(batches):
        (frozen,) = freeze(STREAM, number * 10 + 1, readings(number * 10 + 1, number * 10 + 10))
        payload, gap = frozen.payload, 0
        if number == 2:
            payload, gap = freeze_gap(STREAM, 21, 30, "full").payload, 1
        head = zlib.crc32(f"{STREAM} {frozen.first_seq} {frozen.last_seq}".encode())
        row = (STREAM, frozen.first_seq, frozen.last_seq, number % 2, gap, payload)
        conn.execute(
            "INSERT INTO batch (stream, first_seq, last_seq, state, gap, payload, crc)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (*row, zlib.crc32(payload, head)),
        )
        made.append(payload)
    conn.execute("COMMIT")
    conn.close()
    return made


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool.db"


@pytest.mark.parametrize("version", [1, 2])
def test_a_spool_of_an_earlier_version_goes_on_as_it_was(path: Path, version: int) -> None:
    made = make_old(path, version)
    for start in range(2):
        with spool_at(path) as spool:
            assert payloads(spool)[:4] == made
            states = spool._conn.execute("SELECT state FROM frozen ORDER BY no LIMIT 4").fetchall()
            never, may_have = (State.NEVER_LEFT,), (State.MAY_HAVE_LEFT,)
            assert states == [never, may_have, never, may_have]
            expected = {"c1": CounterState(value=7, total=1007)} if version == 2 else {}
            assert spool.remembered.counters == expected
            assert spool.backlog() == 4 + start
            spool.append(readings(1, 1))
    assert not list(path.parent.glob("*.corrupt-*"))


@pytest.mark.parametrize("moves", range(4))
def test_a_move_that_was_cut_short_is_gone_on_with(
    path: Path, moves: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_old(path, 2, batches=10)
    monkeypatch.setattr(opening, "MOVED_AT_ONCE", 3)
    conn = sqlite3.connect(path, isolation_level=None)
    conn.text_factory = opening.text
    opening._lay_out_anew(conn)
    for _ in range(moves):
        opening._move_some(conn)
    conn.close()
    with spool_at(path) as spool:
        assert payloads(spool) == made
        assert spool.remembered.counters == {"c1": CounterState(value=7, total=1007)}
        assert spool._conn.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
    assert not list(path.parent.glob("*.corrupt-*"))


def test_what_version_3_wrote_is_read_as_it_lies(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr(columns, "packed", lambda _: None)
        with spool_at(path) as spool:
            spool.append(readings(1, 100))
            spool.append(readings(101, 103))
            made = payloads(spool)
    with contextlib.closing(sqlite3.connect(path)) as conn:
        kept = {stored[:1] for (stored,) in conn.execute("SELECT payload FROM frozen")}
        assert columns.MARK not in kept
        conn.execute("PRAGMA user_version = 3")
    with spool_at(path) as spool:
        assert payloads(spool) == made
        assert spool._conn.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
    assert not list(path.parent.glob("*.corrupt-*"))


def test_a_damaged_spool_of_an_earlier_version_is_salvaged(path: Path) -> None:
    made = make_old(path, 2)
    with contextlib.closing(sqlite3.connect(path)) as conn:
        conn.execute("UPDATE batch SET payload = x'00' WHERE no = 2")
        conn.commit()
    with spool_at(path) as spool:
        found = payloads(spool)
        assert found[:3] == [made[0], made[2], made[3]]
        assert len(messages(spool)) == 5, "what lies between, and that a file was damaged"
        assert weights(spool) == [*range(1, 11), *range(31, 41)]
    assert list(path.parent.glob("*.corrupt-*"))


def test_a_version_of_the_future_is_not_touched_but_set_aside(path: Path) -> None:
    with spool_at(path) as spool:
        spool.append(readings(1, 3))
    with contextlib.closing(sqlite3.connect(path)) as conn:
        conn.execute("PRAGMA user_version = 99")
    with spool_at(path) as spool:
        assert weights(spool) == [1, 2, 3]
    assert list(path.parent.glob("*.corrupt-*"))


def test_the_file_is_set_up_to_survive_a_power_cut(path: Path) -> None:
    with spool_at(path) as spool:
        asked = {
            pragma: spool._conn.execute(f"PRAGMA {pragma}").fetchone()[0]
            for pragma in ("journal_mode", "synchronous", "locking_mode", "mmap_size")
        }
    assert asked == {
        "journal_mode": "wal",
        "synchronous": 2,  # FULL
        "locking_mode": "exclusive",
        "mmap_size": 0,
    }


def test_one_spool_has_one_owner(path: Path) -> None:
    with spool_at(path), pytest.raises(SpoolError, match="another agent"):
        Spool.open(path, MIB)


def test_a_folder_that_cannot_be_made_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolError, match="Allowed"):
        Spool.open(tmp_path / "file" / "spool.db", MIB)
