"""What was kept aside goes in later, once, and fills what had been given up."""

from typing import Any

import psycopg
import pytest

from cloud.actions.replay import Replayed, replay
from cloud.actions.take_in import take_in
from cloud.intake import translate
from cloud.postgres import dead_letters
from edge_agent.wire import codec, topics
from tests.cloud import ingest_cases as cases
from tests.cloud.ingest_cases import NOW, arrived, counting


@pytest.fixture
def site(database: Any) -> Any:
    with (
        database.admin() as admin,
        database.connect("binline_ingest") as conn,
        database.connect("binline_jobs") as jobs,
    ):
        bins = cases.make_site(admin)
        jobs.autocommit = True
        yield admin, conn, jobs, bins


def again(conn: psycopg.Connection, jobs: psycopg.Connection) -> list[Replayed]:
    found = [dead_letters.one(jobs, one.dead_letter_id) for one in dead_letters.unsettled(jobs)]
    return [replay(conn, *letter, NOW) for letter in found if letter is not None]


def test_a_reading_that_was_refused_fills_its_place_once_it_is_not(site: Any) -> None:
    admin, conn, jobs, (first, _) = site
    admin.execute("ALTER TABLE readings ADD CONSTRAINT no_five CHECK (weight_mg <> 5000)")
    take_in(conn, [arrived(counting(1, 5))], NOW)
    assert cases.seqs(admin) == [1, 2, 3, 4]
    assert "no_five" in again(conn, jobs)[0].because
    admin.execute("ALTER TABLE readings DROP CONSTRAINT no_five")

    assert again(conn, jobs) == [Replayed(1)]
    assert cases.seqs(admin) == [1, 2, 3, 4, 5]
    assert cases.state(admin, first, "weight_mg, seq") == (5_000, 5)
    ledger = admin.execute("SELECT first_seq, last_seq, given_up, gap_because FROM ledger")
    assert ledger.fetchall() == [(1, 5, 0, None)]
    assert again(conn, jobs) == [Replayed(0)], "twice is once"
    assert cases.seqs(admin) == [1, 2, 3, 4, 5]


def test_a_batch_of_a_gateway_that_was_unknown_is_taken_in_once_it_is_known(site: Any) -> None:
    admin, conn, jobs, _ = site
    take_in(conn, [arrived(counting(1, 3), gateway="nobody-1")], NOW)
    assert again(conn, jobs)[0].because == "no gateway of this name: nobody-1"
    assert len(cases.letters(admin)) == 1, "still the same letter"
    cases.make_site(admin, "nobody-1")
    assert again(conn, jobs) == [Replayed(3)]
    assert cases.seqs(admin) == [1, 2, 3]


def test_a_batch_that_nobody_understood_fills_its_range_when_it_is_understood(site: Any) -> None:
    admin, conn, jobs, _ = site
    strange = codec.encode_json(counting(1, 3)).replace(b"[1,0,2000,2000,", b"[77,0,2000,2000,")
    take_in(conn, [translate.arrival(topics.readings("lindau-1"), strange)], NOW)
    assert again(conn, jobs)[0].because, "it is not understood yet"
    mended = codec.encode_json(counting(1, 3))
    admin.execute("UPDATE dead_letters SET payload = %s", (mended,))
    assert again(conn, jobs) == [Replayed(3)]
    assert cases.seqs(admin) == [1, 2, 3]


def test_of_a_batch_that_overlaps_what_came_before_nothing_is_left_to_store(site: Any) -> None:
    admin, conn, jobs, _ = site
    take_in(conn, [arrived(counting(1, 5))], NOW)
    take_in(conn, [arrived(counting(4, 8))], NOW)
    assert cases.seqs(admin) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert again(conn, jobs) == [Replayed(0)]
    assert cases.seqs(admin) == [1, 2, 3, 4, 5, 6, 7, 8]
