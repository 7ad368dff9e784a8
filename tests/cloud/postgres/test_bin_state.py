"""Moved by time of measuring alone. More of it, through real messages, is in test_take_in.py."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from cloud.core.present import Heard, News, Number
from cloud.postgres import bin_state, bins
from tests.cloud import ingest_cases as cases
from tests.cloud.ingest_cases import NOW, at


@pytest.fixture
def site(database: Any) -> Iterator[Any]:
    with database.admin() as admin, database.connect("binline_ingest") as conn:
        yield admin, conn, cases.make_site(admin)


def number(seconds: float, weight_mg: int, seq: int = 1) -> News:
    said = Number(at(seconds), 1, seq, weight_mg, None, 0, 0, clock_trusted=True)
    return News(sensor_id=1, heard=Heard(at(seconds), ""), number=said)


def condition(seconds: float, word: str) -> News:
    return News(sensor_id=1, heard=Heard(at(seconds), word), number=None)


some_news = st.one_of(
    st.builds(number, st.integers(0, 5), st.integers(1, 3), st.integers(1, 3)),
    st.builds(condition, st.integers(0, 5), st.sampled_from(["fault", "silent"])),
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(told=st.lists(some_news, min_size=1, max_size=6))
@example(told=[condition(5, "fault"), number(3, 1)])
@example(told=[number(3, 1), condition(5, "fault"), number(4, 2)])
@example(told=[number(5, 1), condition(3, "fault")])
def test_the_present_is_the_newest_of_all_that_was_ever_told(site: Any, told: list[News]) -> None:
    admin, conn, (first, _) = site
    admin.execute("TRUNCATE bin_state, bin_due")
    for news in told:
        bin_state.move(conn, [(first, news)], NOW)
        conn.commit()
    heard = max(news.heard for news in told)
    numbers = [news.number for news in told if news.number is not None]
    newest = max((one[:3] for one in numbers), default=(None, None, None))
    assert cases.state(
        admin, first, "heard_at, coalesce(condition, ''), measured_at, stream_no, seq"
    ) == (*heard, *newest)


def test_a_bin_struck_off_while_it_is_being_moved_is_on_the_list_again(
    site: Any, database: Any
) -> None:
    """Else the old state would be assessed, the bin struck off, and the new one never looked at."""
    admin, conn, (first, _) = site
    bin_state.move(conn, [(first, number(0, 1))], NOW)
    conn.commit()
    with database.connect("binline_jobs") as jobs, ThreadPoolExecutor(1) as threads:
        assert bins.lock_state_if_free(jobs, first)
        moving = threads.submit(bin_state.move, conn, [(first, number(1, 2))], NOW)
        assert wait([moving], timeout=0.3).not_done, "it did not wait for who assesses"
        assert bins.take_due(jobs, first)
        jobs.commit()
        moving.result(10)
        conn.commit()
    assert cases.due(admin) == {first}
    assert cases.state(admin, first, "weight_mg") == (2,)


def test_a_change_can_be_asked_for_by_transaction(site: Any) -> None:
    admin, conn, (first, _) = site
    bin_state.move(conn, [(first, number(0, 1))], NOW)
    conn.commit()
    before = cases.state(admin, first, "changed_xid::text::bigint")
    bin_state.move(conn, [(first, number(1, 1))], NOW)
    conn.commit()
    after = cases.state(admin, first, "changed_xid::text::bigint")
    assert before is not None
    assert after is not None
    assert after > before


def test_nothing_new_touches_nothing(site: Any, database: Any) -> None:
    _, conn, _ = site
    bin_state.move(conn, [], NOW)
    assert conn.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
