"""A gateway's clock is set, and what it measured before is put right: whole, once, in any order."""

from collections.abc import Iterator, Sequence
from itertools import permutations
from typing import Any

import psycopg
import pytest

from cloud.actions.take_in import correct_some, take_in
from cloud.postgres import clock_steps
from edge_agent.wire import messages
from tests.cloud import ingest_cases as cases
from tests.cloud.ingest_cases import NOW, NOW_MS, STREAM, arrived, at, batch, weighed


@pytest.fixture
def site(database: Any) -> Iterator[Any]:
    with database.admin() as admin, database.connect("binline_ingest") as conn:
        yield admin, conn, cases.make_site(admin)


def take(conn: psycopg.Connection, *spoken: messages.UpMessage) -> None:
    take_in(conn, [arrived(message) for message in spoken], NOW)


def unsure(weight_mg: int, after_ms: int = 0) -> messages.Weighed:
    return messages.Weighed(sensor=0, after_ms=after_ms, weight_mg=weight_mg)


def step(seq: int, step_ms: int) -> messages.ClockStep:
    return messages.ClockStep(stream=STREAM, seq=seq, step_ms=step_ms)


def correct(conn: psycopg.Connection) -> None:
    while correct_some(conn, NOW):
        pass


CORRECTED = "SELECT seq, (corrected_at - measured_at)::text FROM readings ORDER BY seq"


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_step_corrects_what_was_unsure_before_it_in_whichever_order_it_comes(
    site: Any, order: Sequence[int]
) -> None:
    admin, conn, (first, _) = site
    said = [
        batch(1, [unsure(1), weighed(2, after_ms=1)]),
        step(3, -60_000),
        batch(4, [unsure(4, 2)]),
    ]
    for place in order:
        take(conn, said[place])
        correct(conn)
    assert admin.execute(CORRECTED).fetchall() == [(1, "-00:01:00"), (2, None), (4, None)]
    assert cases.state(admin, first, "weight_mg") == (4,)


def test_several_steps_add_up_and_a_step_twice_is_a_step_once(site: Any) -> None:
    admin, conn, _ = site
    take(conn, batch(1, [unsure(1)]), step(2, -60_000))
    correct(conn)
    take(conn, batch(3, [unsure(3, 1)]), step(4, -1_000), step(2, -60_000))
    correct(conn)
    assert admin.execute(CORRECTED).fetchall() == [(1, "-00:01:01"), (3, "-00:00:01")]


def test_the_present_is_corrected_with_its_reading(site: Any) -> None:
    admin, conn, (first, _) = site
    take(conn, batch(1, [unsure(5_000, -3_600_000)]))
    take(conn, step(2, 3_600_000))
    correct(conn)
    assert cases.state(admin, first, "heard_at, measured_at, seq") == (NOW, NOW, 1)


def test_what_was_set_aside_is_released_when_a_step_makes_it_sane(site: Any) -> None:
    """A gateway without a clock starts in 1970; an hour later it learns the time."""
    admin, conn, (first, _) = site
    said = batch(1, [unsure(seq, seq * 1_000) for seq in range(1, 8)], base_ms=0)
    take(conn, said)
    assert cases.seqs(admin) == []
    assert cases.state(admin, first, "1") is None
    take(conn, step(8, NOW_MS - 60_000))
    correct(conn)
    assert cases.seqs(admin) == [1, 2, 3, 4, 5, 6, 7]
    assert admin.execute("SELECT count(*) FROM readings_aside").fetchone() == (0,)
    assert cases.state(admin, first, "weight_mg, heard_at, measured_at") == (7, at(-53), at(-53))


def test_what_stays_impossible_stays_aside(site: Any) -> None:
    admin, conn, _ = site
    take(conn, batch(1, [unsure(1)], base_ms=0), step(2, 1_000))
    correct(conn)
    assert cases.seqs(admin) == []
    assert admin.execute("SELECT count(*) FROM readings_aside").fetchone() == (1,)


def test_correcting_goes_on_piece_by_piece_where_it_stopped(
    site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin, conn, _ = site
    monkeypatch.setattr(clock_steps, "PIECE", 3)
    take(conn, batch(1, [unsure(1, seq) for seq in range(10)], base_ms=NOW_MS - 10_000))
    take(conn, batch(11, [unsure(1, seq) for seq in range(5)], base_ms=0), step(16, 5_000))
    pieces = 0
    while correct_some(conn, NOW):
        pieces += 1
        assert pieces < 20
    assert pieces >= 5
    shifted = admin.execute(
        "SELECT count(*) FROM readings WHERE corrected_at = measured_at + interval '5 s'"
    ).fetchone()
    assert shifted == (10,)
