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
