import itertools
import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.core.freeze import freeze, freeze_gap, freeze_step
from edge_agent.sqlite.rows import (
    FROZEN_TABLE,
    STREAM_TABLE,
    Kind,
    State,
    deflated,
    find_stream,
    inflated,
    insert,
    is_whole,
    proven,
    replace,
    runs,
    spoken,
)
from tests.edge_agent.sqlite.spools import readings

STREAM = "0" * 32
COLUMNS = "stream, first_seq, last_seq, kind, size, crc, payload"


@pytest.fixture
def conn() -> sqlite3.Connection:
    conn = sqlite3.connect(":memory:")
    conn.execute(FROZEN_TABLE)
    conn.execute(STREAM_TABLE)
    return conn


@given(st.binary(min_size=1, max_size=2_000))
def test_what_is_deflated_comes_back_and_is_never_longer(payload: bytes) -> None:
    stored = deflated(payload)
    assert len(stored) <= len(payload)
    assert inflated(stored, len(payload)) == payload


@given(st.binary(max_size=200), st.integers(-5, 10**9))
def test_what_was_never_deflated_is_no_payload_and_no_trouble(stored: bytes, size: int) -> None:
    payload = inflated(stored, size)
    assert payload is None or len(payload) == size


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        (freeze(STREAM, 5, readings(1, 9), life=3)[0].payload, Kind.READINGS),
        (freeze_gap(STREAM, 5, 13, "full", life=3).payload, Kind.GAP),
        (freeze_step(STREAM, 5, -7, "set", life=3).payload, Kind.STEP),
    ],
)
def test_a_row_is_whole_and_its_payload_proves_itself(
    conn: sqlite3.Connection, payload: bytes, kind: Kind
) -> None:
    said = spoken(payload)
    assert said is not None
    insert(conn, 1, said, State.NEVER_LEFT, find_stream(conn, STREAM, 3))
    row = conn.execute(f"SELECT {COLUMNS} FROM frozen JOIN stream USING (stream_no)").fetchone()
    assert is_whole(row)
    assert proven(row[6], row[4], row[5]) == said
    assert (said.stream, said.life, said.first_seq, said.kind) == (STREAM, 3, 5, kind)
    for place, other in itertools.product(range(7), (None, 7, "x", b"y")):
        assert not is_whole([*row[:place], other, *row[place + 1 :]])


def test_bytes_that_are_no_message_of_ours_say_nothing() -> None:
    assert spoken(b"") is None
    assert spoken(b"\xc1") is None
    assert proven("text", 4, 0) is None


def test_no_flipped_bit_makes_one_state_of_another() -> None:
    for one, other in itertools.permutations(State, 2):
        assert (one ^ other).bit_count() >= 4
        assert 1 < one < 128, "one byte on disk: 0 and 1 take none, and a mark would move the row"


def test_a_run_of_rows_is_replaced_at_the_place_of_its_first(conn: sqlite3.Connection) -> None:
    stream_no = find_stream(conn, STREAM, 3)
    for no in range(1, 6):
        said = spoken(freeze(STREAM, no, readings(no, no), life=3)[0].payload)
        assert said is not None
        insert(conn, no, said, State.NEVER_LEFT, stream_no)
    one = spoken(freeze(STREAM, 2, readings(2, 4), life=3)[0].payload)
    assert one is not None
    replace(conn, [2, 3, 4], one)
    rows = conn.execute(
        f"SELECT no, {COLUMNS} FROM frozen JOIN stream USING (stream_no) ORDER BY no"
    ).fetchall()
    assert [row[0] for row in rows] == [1, 2, 5]
    assert all(is_whole(row[1:]) for row in rows)


def test_numbers_are_walked_through_as_ranges() -> None:
    assert list(runs([3, 1, 2, 9, 7, 8, 20])) == [(1, 3), (7, 9), (20, 20)]
    assert list(runs([])) == []
