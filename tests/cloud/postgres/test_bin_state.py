"""Moved as `cloud.core.present` says. More of it, through real messages, is in test_take_in.py."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from cloud.core.present import News, Place, Placed, State, moved
from cloud.core.readings import Reading, from_ms, to_ms
from cloud.postgres import bin_state, bins
from tests.cloud import ingest_cases as cases
from tests.cloud.ingest_cases import NOW, at


@pytest.fixture
def site(database: Any) -> Iterator[Any]:
    with database.admin() as admin, database.connect("binline_ingest") as conn:
        yield admin, conn, cases.make_site(admin)


def placed(seconds: float, weight_mg: int | None, word: str | None, seq: int = 1) -> Placed:
    at_ms = to_ms(at(seconds))
    said = Reading(0, seq, at_ms, weight_mg, None, word, None, 0, 0, clock_trusted=True)
    return Placed(1, Place(1, 1, 0, seq, at_ms), said)


def number(seconds: float, weight_mg: int, seq: int | None = None) -> News:
    said = placed(seconds, weight_mg, None, int(seconds) + 1 if seq is None else seq)
    return News(sensor_id=1, heard=said, number=said)


def condition(seconds: float, word: str, seq: int = 1) -> News:
    return News(sensor_id=1, heard=placed(seconds, None, word, seq), number=None)


some_news = st.one_of(
    st.builds(number, st.integers(0, 5), st.integers(1, 3), st.integers(1, 5)),
    st.builds(condition, st.integers(0, 5), st.sampled_from(["fault", "null"]), st.integers(1, 5)),
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(told=st.lists(some_news, min_size=1, max_size=6))
@example(told=[condition(5, "fault", 5), number(3, 1)])
@example(told=[number(3, 1, 3), condition(5, "fault", 5), number(4, 2, 4)])
def test_a_stored_present_is_what_the_rule_makes_of_all_that_was_told(
    site: Any, told: list[News]
) -> None:
    admin, conn, (first, _) = site
    admin.execute("TRUNCATE bin_state, bin_due")
    state: State | None = None
    due: set[int] = set()
    for news in told:
        admin.execute("TRUNCATE bin_due")
        bin_state.move(conn, {first: news}, NOW)
        conn.commit()
        change = moved(state, news, NOW)
        due = {first} if change is not None and change.due else set()
        state = change.state if change is not None else state
        assert cases.due(admin) == due
    assert state is not None
    at_number = state.number_at
    columns = "heard_at, heard_seq, condition, measured_at, stream_no, seq, weight_mg"
    assert cases.state(admin, first, columns) == (
        from_ms(state.heard.at_ms),
        state.heard.seq,
        state.condition,
        None if at_number is None else from_ms(at_number.at_ms),
        None if at_number is None else 1,
        None if at_number is None else at_number.seq,
        None if state.number is None else state.number.weight_mg,
    )


def test_who_hears_of_a_bin_first_does_not_overwrite_who_knows_better(
    site: Any, database: Any
) -> None:
    """Two processes, and no row yet that the second could wait for."""
    admin, conn, (first, _) = site
    with database.connect("binline_ingest") as other, ThreadPoolExecutor(1) as threads:
        bin_state.move(conn, {first: number(9, 9)}, NOW)
        moving = threads.submit(bin_state.move, other, {first: number(3, 3)}, NOW)
        assert wait([moving], timeout=0.3).not_done, "it did not wait for the first"
        conn.commit()
        moving.result(10)
        other.commit()
    assert cases.state(admin, first, "weight_mg") == (9,)


def test_a_bin_struck_off_while_it_is_being_moved_is_on_the_list_again(
    site: Any, database: Any
) -> None:
    """Else the old state would be assessed, the bin struck off, and the new one never looked at."""
    admin, conn, (first, _) = site
    bin_state.move(conn, {first: number(0, 1)}, NOW)
    conn.commit()
    with database.connect("binline_jobs") as jobs, ThreadPoolExecutor(1) as threads:
        assert bins.lock_state_if_free(jobs, first)
        moving = threads.submit(bin_state.move, conn, {first: condition(1, "fault", 2)}, NOW)
        assert wait([moving], timeout=0.3).not_done, "it did not wait for who assesses"
        assert bins.take_due(jobs, first)
        jobs.commit()
        moving.result(10)
        conn.commit()
    assert cases.due(admin) == {first}
    assert cases.state(admin, first, "condition") == ("fault",)


def test_a_change_can_be_asked_for_by_transaction(site: Any) -> None:
    admin, conn, (first, _) = site
    bin_state.move(conn, {first: number(0, 1)}, NOW)
    conn.commit()
    before = cases.state(admin, first, "changed_xid::text::bigint")
    bin_state.move(conn, {first: number(1, 1)}, NOW)
    conn.commit()
    after = cases.state(admin, first, "changed_xid::text::bigint")
    assert before is not None
    assert after is not None
    assert after > before


def test_nothing_new_touches_nothing(site: Any, database: Any) -> None:
    _, conn, _ = site
    bin_state.move(conn, {}, NOW)
    assert conn.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


def test_a_bin_is_marked_due_once(shelf: Any, database: Any) -> None:
    with database.connect("binline_jobs") as conn:
        conn.autocommit = True
        bin_state.mark_due(conn, [])
        bin_state.mark_due(conn, [shelf.bin_id])
        bin_state.mark_due(conn, [shelf.bin_id])
    assert [row["bin_id"] for row in shelf.rows("bin_due")] == [shelf.bin_id]
