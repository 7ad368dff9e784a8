from typing import Any

import psycopg
import pytest

from cloud.postgres import dead_letters
from cloud.postgres.dead_letters import BECAUSE_CHARS_MAX, DeadLetter
from tests.cloud.ingest_cases import NOW


def test_a_letter_is_kept_whole_and_ingest_cannot_read_it_back(database: Any) -> None:
    letter = DeadLetter("some/topic", bytes(range(256)), "b" * 5_000)
    with database.connect("binline_ingest") as conn:
        dead_letters.insert(conn, [letter], NOW)
        conn.commit()
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute("SELECT * FROM dead_letters")
    with database.admin() as admin:
        row = admin.execute("SELECT received_at, topic, payload, because FROM dead_letters")
        assert row.fetchone() == (NOW, letter.topic, letter.payload, "b" * BECAUSE_CHARS_MAX)


def test_letters_are_the_same_when_all_of_them_is() -> None:
    letter = DeadLetter("t", b"p", "b")
    assert letter.fingerprint == DeadLetter("t", b"p", "b").fingerprint
    others = [DeadLetter("t", b"p", "c"), DeadLetter("t", b"q", "b"), DeadLetter("tb", b"p", "")]
    assert len({letter.fingerprint, *(other.fingerprint for other in others)}) == 4


def test_of_one_gateway_so_many_are_kept_and_the_rest_is_counted(
    database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "KEPT_MAX", 3)
    flood = [DeadLetter("t", bytes([n]), f"reason {n}", "flood") for n in range(5)]
    other = DeadLetter("t", b"x", "another", "calm")
    with database.connect("binline_ingest") as conn:
        assert dead_letters.insert(conn, [*flood[:2], other], NOW) == 0
        assert dead_letters.insert(conn, flood[2:], NOW) == 2
    with database.connect("binline_jobs") as conn:
        by_name = {count.gateway: count for count in dead_letters.counts(conn)}
        assert (by_name["flood"].kept, by_name["flood"].beyond) == (3, 2)
        assert (by_name["calm"].kept, by_name["calm"].beyond) == (1, 0)
        letters = dead_letters.unsettled(conn, "flood")
        assert [letter.because for letter in letters] == ["reason 0", "reason 1", "reason 2"]


def test_large_letters_of_one_gateway_do_not_fill_the_disk(
    database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "KEPT_BYTES_MAX", 100)
    with database.connect("binline_ingest") as conn:
        letters = [DeadLetter("t", bytes([n]) * 60, "large", "g") for n in range(3)]
        assert dead_letters.insert(conn, letters, NOW) == 2


def test_a_settled_letter_makes_room_and_says_who_settled_it(database: Any) -> None:
    with database.connect("binline_ingest") as conn:
        dead_letters.insert(conn, [DeadLetter("t", b"p", "b", "g")], NOW)
    with database.connect("binline_jobs") as conn:
        (letter,) = dead_letters.unsettled(conn)
        assert dead_letters.settle(conn, letter.dead_letter_id, "discarded", "ada", NOW)
        assert not dead_letters.settle(conn, letter.dead_letter_id, "replayed", "bob", NOW)
        assert dead_letters.unsettled(conn) == []
        found = dead_letters.one(conn, letter.dead_letter_id)
        assert found is not None
        assert (found[0].settled, found[0].settled_by, found[1]) == ("discarded", "ada", b"p")
        assert dead_letters.counts(conn)[0].kept == 0
