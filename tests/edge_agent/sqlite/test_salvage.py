"""Damage of every kind: never a wrong value, as little lost as can be, and all of it told.

BINLINE_DAMAGES=10000 tries so many files; a few hundred otherwise.
"""

import contextlib
import logging
import os
import random
import sqlite3
from collections import Counter
from pathlib import Path

import pytest

from edge_agent.core.count import CounterState
from edge_agent.sqlite.opening import PAGE_BYTES
from edge_agent.sqlite.rows import State
from edge_agent.sqlite.spool import Spool, SpoolError
from edge_agent.wire import codec
from edge_agent.wire.messages import Gap
from tests.edge_agent.sqlite.spools import (
    NOW_MS,
    counted,
    covered,
    crashed_copy,
    gaps,
    payloads,
    readings,
    spool_at,
    weights,
)

DAMAGES = int(os.environ.get("BINLINE_DAMAGES", "400"))
RESTARTS_MAX = 3
COUNTED = [{"c1": CounterState(value=at, total=1_000 + at)} for at in range(160)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool.db"


def batches(spool: Spool) -> list[bytes]:
    """What is no gap."""
    return [one for one in payloads(spool) if not isinstance(codec.decode(one), Gap)]


def aside(path: Path) -> list[Path]:
    return sorted(path.parent.glob("*.corrupt-?"))


@pytest.mark.parametrize(
    "damage",
    ["payload = CAST(x'00' || substr(payload, 2) AS BLOB)", "payload = x'ff80'", "crc = ''"],
)
def test_a_batch_whose_content_is_gone_is_kept_and_a_gap_is_sent_for_it(
    path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    with spool_at(path) as spool:
        for number in (1, 2, 3):
            spool.append(readings(number * 10 + 1, number * 10 + 10))
        stream, life = spool.stream, spool.life
    with contextlib.closing(sqlite3.connect(path)) as conn:
        conn.execute(f"UPDATE frozen SET {damage} WHERE no = 2")
        conn.commit()
    for _ in range(2):
        with spool_at(path, 128 * 1024) as spool:
            assert weights(spool) == [*range(11, 21), *range(31, 41)]
            assert caplog.text.count("batch 2 of the spool is damaged") == 1, "said once"
            (told,) = gaps(spool)
            assert (told.stream, told.first_seq, told.last_seq) == (stream, 11, 20)
            assert told.life == life
            assert spool.load(2) is None
            assert spool.backlog() == 3
    with spool_at(path, 64 * 1024) as spool:
        number = 0
        while spool.given_up < 5_000:  # the quota does not stumble over it either
            spool.append(readings(number, number + 50))
            number += 51
    assert not aside(path)


@pytest.mark.parametrize(
    "damage",
    [
        "frozen SET payload = CAST(x'ff80' AS TEXT)",
        "frozen SET first_seq = 'two'",
        "frozen SET last_seq = last_seq + 1",
        "frozen SET kind = 3",
        "frozen SET state = 14",
        "frozen SET stream_no = 99",
        "stream SET stream = CAST(x'ff80' AS TEXT)",
        "stream SET stream = 5",
    ],
)
def test_a_row_that_belies_its_content_costs_nothing(path: Path, damage: str) -> None:
    with spool_at(path) as spool:
        for number in (1, 2, 3):
            spool.append(readings(number * 10 + 1, number * 10 + 10))
        before = payloads(spool)
    with contextlib.closing(sqlite3.connect(path)) as conn:
        conn.execute(f"UPDATE {damage} WHERE {'no = 2' if 'frozen' in damage else '1'}")
        conn.commit()
    with spool_at(path) as spool:
        lost = "payload" in damage
        assert batches(spool) == ([before[0], before[2]] if lost else before)
        assert len(gaps(spool)) == 1, "the range, or that there was damage"


def test_damage_that_comes_while_the_agent_runs_is_told_at_once(path: Path) -> None:
    with spool_at(path) as spool:
        for number in (1, 2, 3):
            spool.append(readings(number * 10 + 1, number * 10 + 10))
        spool._conn.execute("UPDATE frozen SET crc = crc + 1 WHERE no = 2")
        assert spool.load(2) is None
        assert [batch.no for batch in spool.oldest(0, 9)] == [1, 3, 4]
        (told,) = gaps(spool)
        assert (told.first_seq, told.last_seq) == (11, 20)
        (later,) = spool.append(readings(1, 1))
        assert later.no == 5
        assert covered(spool, spool.stream) == list(range(1, 32))


def test_a_damaged_counter_begins_anew_and_is_never_believed(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with spool_at(path) as spool:
        spool.append([counted(7)])
    with contextlib.closing(sqlite3.connect(path)) as conn:
        conn.execute("UPDATE counter SET total = total + 4096")
        conn.commit()
    with spool_at(path) as spool:
        assert spool.remembered.counters == {}
        assert "remembered of 'c1' is damaged" in caplog.text


@pytest.mark.parametrize("content", [b"this is no database" * 1_000, b"\0" * 20_000])
def test_a_file_that_is_no_spool_is_set_aside_and_the_cloud_is_told(
    path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    for number in (1, 2):
        path.write_bytes(content)
        with spool_at(path) as spool:
            (told,) = gaps(spool)
            assert (told.stream, told.first_seq, told.last_seq) == (spool.stream, 1, 1)
            assert "damaged: 0 batches saved" in told.because
            (batch,) = spool.append(readings(1, 1))
            assert batch.first_seq == 2
        assert path.with_name(f"spool.db.corrupt-{number}").read_bytes() == content
    assert any(record.levelno == logging.ERROR for record in caplog.records)


def test_what_can_be_read_in_a_damaged_file_is_saved_and_the_rest_is_a_gap(path: Path) -> None:
    with spool_at(path, now_ms=NOW_MS) as spool:
        for number in range(200):
            spool.append([*readings(number * 50 + 1, number * 50 + 49), counted(number)])
        before = payloads(spool)
        stream, life = spool.stream, spool.life
        counters = spool.remembered.counters
    damage = bytearray(path.read_bytes())
    middle = len(damage) // 2 // PAGE_BYTES * PAGE_BYTES
    damage[middle : middle + PAGE_BYTES] = b"\xff" * PAGE_BYTES
    path.write_bytes(damage)
    with spool_at(path) as spool:
        saved = batches(spool)
        assert len(before) - 10 <= len(saved) < len(before)
        assert set(saved) <= set(before)
        assert covered(spool, stream) == list(range(1, 10_001)), "the rest is in gaps"
        assert spool.life == life + 1
        assert spool.remembered.counters == counters
        states = spool._conn.execute("SELECT DISTINCT state FROM frozen WHERE kind = 1").fetchall()
        assert states == [(State.MAY_HAVE_LEFT,)], "so its bytes must stay"
        (told,) = [gap for gap in gaps(spool) if gap.stream == spool.stream]
        assert f"{len(saved)} batches saved, 1 ranges known to be lost" in told.because


@pytest.mark.parametrize("name", ["payload", "state", "size", "first_seq", "no"])
def test_a_column_with_another_name_is_damage_and_its_batches_are_saved(
    path: Path, name: str
) -> None:
    with spool_at(path) as spool:
        spool.append(readings(1, 20))
        before = payloads(spool)
    with contextlib.closing(sqlite3.connect(path)) as conn:
        conn.execute(f"ALTER TABLE frozen RENAME COLUMN {name} TO flipped")
    with spool_at(path) as spool:
        assert batches(spool) == before
        spool.append(readings(21, 22))


@pytest.mark.parametrize("value", [0, 255])
def test_no_byte_in_the_head_of_the_file_stops_the_spool(path: Path, value: int) -> None:
    with spool_at(path) as spool:
        for number in range(3):
            spool.append(readings(number * 20 + 1, number * 20 + 20))
        before = set(payloads(spool))
    whole = path.read_bytes()
    for place in range(100):
        for part in path.parent.iterdir():
            part.unlink()
        path.write_bytes(whole[:place] + bytes([value]) + whole[place + 1 :])
        with spool_at(path) as spool:
            assert set(batches(spool)) <= before
            spool.append(readings(1, 1))


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, bytes], set[bytes]]:
    """The files of an agent that was killed: some in the database, some in its log."""
    path = tmp_path_factory.mktemp("sound") / "spool.db"
    with spool_at(path) as spool:
        for number in range(120):
            spool.append([*readings(number * 20 + 1, number * 20 + 20), counted(number)])
        spool._conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        for number in range(120, 160):
            spool.append([*readings(number * 20 + 1, number * 20 + 20), counted(number)])
        before = set(payloads(spool))
        copy = crashed_copy(path)
    files = {suffix: copy.with_name(copy.name + suffix).read_bytes() for suffix in ("", "-wal")}
    return files, before


def damaged(content: bytes, chance: random.Random) -> tuple[str, bytes]:
    torn = bytearray(content)
    kind = chance.choice(("flips", "flips", "head", "cut", "zeroed", "swapped"))
    match kind:
        case "flips":
            for _ in range(chance.randint(1, 8)):
                torn[chance.randrange(len(torn))] ^= 1 << chance.randrange(8)
        case "head":  # where one byte can mean anything
            for _ in range(chance.randint(1, 4)):
                torn[chance.randrange(min(2_048, len(torn)))] = chance.randrange(256)
        case "cut":
            del torn[chance.randrange(len(torn)) :]
        case "zeroed":
            for _ in range(chance.randint(1, 3)):
                at = chance.randrange(len(torn)) // PAGE_BYTES * PAGE_BYTES
                torn[at : at + PAGE_BYTES] = bytes(len(torn[at : at + PAGE_BYTES]))
        case _:
            one, other = (chance.randrange(len(torn) // PAGE_BYTES) * PAGE_BYTES for _ in range(2))
            page = torn[one : one + PAGE_BYTES]
            torn[one : one + PAGE_BYTES] = torn[other : other + PAGE_BYTES]
            torn[other : other + PAGE_BYTES] = page
    return kind, bytes(torn)


@pytest.mark.timeout(0)
def test_random_damage_never_stops_the_spool_and_never_changes_a_reading(
    tmp_path: Path, sound: tuple[dict[str, bytes], set[bytes]], caplog: pytest.LogCaptureFixture
) -> None:
    files, before = sound
    chance = random.Random(1)
    saved: Counter[str] = Counter()
    tried: Counter[str] = Counter()
    for number in range(DAMAGES):
        folder = tmp_path / str(number % 2)
        folder.mkdir(exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
        path = folder / "spool.db"
        place = chance.choice(("", "", "-wal"))
        kind, content = damaged(files[place], chance)
        for suffix, whole in files.items():
            path.with_name(path.name + suffix).write_bytes(content if suffix == place else whole)
        found = opened_within(path, RESTARTS_MAX)
        wrong = found - before
        assert not wrong, f"damage {number} ({kind}) brought {len(wrong)} batches nobody appended"
        what = f"{kind} in the {'log' if place else 'database'}"
        tried[what] += 1
        saved[what] += len(found)
        caplog.clear()
    for what, count in sorted(tried.items()):
        share = saved[what] / count / len(before)
        print(f"{what:24} {count:6} files, {share:7.2%} saved")  # noqa: T201 - shown with -s
    assert saved.total() / tried.total() / len(before) > 0.8


def opened_within(path: Path, restarts: int) -> set[bytes]:
    """As a service manager does: again, if it ends with an error."""
    for _ in range(restarts):
        with contextlib.suppress(SpoolError, sqlite3.Error), spool_at(path) as spool:
            found = set(batches(spool))
            assert spool.remembered.counters in ({}, *COUNTED)
            spool.append(readings(1, 1))
            return found
    raise AssertionError("it does not start any more")
