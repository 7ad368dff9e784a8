"""While another process is at work on the same streams: copied ahead, and the same in the end."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud.actions.take_in import TakenIn, correct_some, take_in
from cloud.core.readings import Arrival
from cloud.intake import translate
from edge_agent.wire import codec, messages, topics
from tests.cloud import ingest_cases as cases
from tests.cloud.ingest_cases import NOW, STREAM, arrived, at, batch, counting

TABLES = {
    "readings": "stream_no, seq",
    "readings_aside": "stream_no, seq",
    "bin_state": "bin_id",
    "bin_due": "bin_id",
    "ledger": "stream_no, first_seq",
    "dead_letters": "because",
}
PASSING = {"changed_xid", "dead_letter_id"}


@pytest.fixture
def site(database: Any) -> Any:
    with (
        database.admin() as admin,
        database.connect("binline_ingest") as one,
        database.connect("binline_ingest") as other,
    ):
        cases.make_site(admin)
        take_in(one, [arrived(counting(1, 2))], NOW)  # so that stream and sensors are known
        yield admin, one, other


@contextmanager
def waiting(admin: psycopg.Connection, work: Callable[[], TakenIn]) -> Iterator[list[TakenIn]]:
    """`work` in a thread of its own, after it came to wait for somebody's lock."""
    found: list[TakenIn] = []
    thread = threading.Thread(target=lambda: found.append(work()), daemon=True)
    thread.start()
    asked = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    while thread.is_alive() and admin.execute(asked).fetchone() == (0,):
        pass
    assert thread.is_alive(), "it did not wait"
    yield found
    thread.join(30)
    assert not thread.is_alive()


def copied(admin: psycopg.Connection) -> int:
    """Rows that somebody has written and nobody can see yet are known by their size alone."""
    row = admin.execute(
        "SELECT sum(pg_relation_size(inhrelid)) FROM pg_inherits"
        " WHERE inhparent = 'readings'::regclass"
    ).fetchone()
    assert row is not None
    return int(row[0])


def test_it_copies_while_it_waits_and_then_is_taken_in_as_always(site: Any) -> None:
    admin, one, other = site
    with other.transaction():
        take_in(other, [arrived(counting(3, 4))], NOW)
        before = copied(admin)
        mine = [arrived(counting(first, first + 199)) for first in range(5, 2_000, 200)]
        with waiting(admin, lambda: take_in(one, mine, NOW)) as found:
            assert copied(admin) > before, "the readings are there before the stream is"
            other.execute("COMMIT")
            other.execute("BEGIN")
    assert [said.upto for said in found[0].committed] == [2_004]
    assert found[0].readings == 2_000
    assert cases.seqs(admin) == [*range(1, 2_005)]
    assert cases.state(admin, 1, "seq") == (2_004,)
    assert admin.execute("SELECT contiguous_upto FROM streams").fetchone() == (2_004,)


def test_the_same_message_in_two_hands_is_stored_once(site: Any) -> None:
    admin, one, other = site
    same = [arrived(counting(3, 9))]
    with other.transaction():
        assert take_in(other, same, NOW).readings == 7
        with waiting(admin, lambda: take_in(one, [*same, arrived(counting(10, 11))], NOW)) as found:
            other.execute("COMMIT")
            other.execute("BEGIN")
    assert (found[0].readings, found[0].repeats) == (2, 1)
    assert found[0].letters == []
    assert [said.upto for said in found[0].committed] == [11]
    assert cases.seqs(admin) == [*range(1, 12)]


def test_who_is_alone_and_takes_others_for_granted_takes_in_what_is_new_as_always(
    site: Any,
) -> None:
    admin, one, _ = site
    stranger = messages.ReadingBatch(
        stream=cases.OTHER_STREAM,
        first_seq=1,
        base_ms=cases.NOW_MS,
        sensors=["never-heard"],
        readings=[cases.weighed(5)],
    )
    mine = [arrived(counting(3, 4)), arrived(stranger), arrived(counting(1, 2))]
    taken = take_in(one, mine, NOW, crowded=True)
    assert (taken.readings, taken.repeats, taken.crowded) == (3, 1, False)
    assert sorted(cases.seqs(admin)) == [1, 1, 2, 3, 4]


def test_a_clock_that_was_set_meanwhile_corrects_what_was_copied(site: Any) -> None:
    admin, one, other = site
    unsure = messages.Weighed(sensor=0, after_ms=0, weight_mg=5, clock_trusted=False)
    step = messages.ClockStep(stream=STREAM, seq=9, step_ms=1_000)
    with other.transaction():
        take_in(other, [arrived(step)], NOW)
        mine = [arrived(batch(3, [unsure] * 6))]
        with waiting(admin, lambda: take_in(one, mine, NOW)) as found:
            other.execute("COMMIT")
            other.execute("BEGIN")
    assert found[0].readings == 6
    rows = admin.execute("SELECT corrected_at FROM readings WHERE seq > 2").fetchall()
    assert rows == [(at(1),)] * 6


some_weight = st.builds(
    lambda weight, after, sure, sensor: messages.Weighed(
        sensor=sensor, after_ms=after, weight_mg=weight, clock_trusted=sure
    ),
    st.integers(-(2**53), 2**53),
    st.integers(-7_200_000, 0) | st.sampled_from([10**10, -(10**12)]),  # next year; long ago
    st.booleans(),
    st.integers(0, 1),
)
rare = st.sampled_from(
    [
        messages.Counted(sensor=0, after_ms=1, total=7),
        messages.Condition(sensor=1, after_ms=2, condition="silent", because="no answer"),
        messages.Sighted(sensor=1, after_ms=3, code="04A2", change="present"),
    ]
)
some_batch = st.lists(some_weight, min_size=1, max_size=6) | st.lists(
    some_weight | rare, min_size=1, max_size=4
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(some_batch, st.sampled_from(["", "step", "gap"])), max_size=6), st.data())
def test_in_columns_or_one_by_one_ahead_or_not_the_database_holds_the_same(
    site: Any, spoken: Any, data: st.DataObject
) -> None:
    admin, conn, _ = site
    seq, said = 3, []
    for readings, then in spoken:
        said.append(batch(seq, readings))
        seq += len(readings)
        if then == "step":
            said.append(messages.ClockStep(stream=STREAM, seq=seq, step_ms=3_600_000))
        seq += bool(then)  # or it is missing
    payloads = [codec.encode(message) for message in data.draw(st.permutations(said))]
    cut = data.draw(st.integers(0, len(payloads)))
    topic = topics.readings("lindau-1")
    crowded = data.draw(st.booleans())
    columns = translate.arrivals([translate.opened(topic, payload) for payload in payloads])
    exact = [translate.arrival(topic, payload) for payload in payloads]
    assert held(admin, conn, columns, cut, crowded=crowded) == held(admin, conn, exact, cut)


def held(
    admin: psycopg.Connection,
    conn: psycopg.Connection,
    arrivals: list[Arrival],
    cut: int,
    *,
    crowded: bool = False,
) -> dict[str, list[Any]]:
    """All that is in the tables after it, which are emptied before; and what was answered."""
    admin.execute(f"TRUNCATE {', '.join(TABLES)}, clock_steps, rollups_due")
    admin.execute("UPDATE streams SET contiguous_upto = 2")
    parts = (arrivals[:cut], arrivals[cut:])
    answers = [take_in(conn, part, NOW, crowded=crowded) for part in parts]
    while correct_some(conn, NOW):
        pass
    content: dict[str, list[Any]] = {
        "answers": [
            ([*one.committed], one.readings, one.aside, one.steps, len(one.letters))
            for one in answers
        ],
        "rollups_due": sorted(
            set(
                admin.execute(
                    "SELECT DISTINCT hour, unnest(sensor_ids) FROM rollups_due"
                ).fetchall()
            )
        ),
    }
    for table, order in TABLES.items():
        cursor = admin.execute(f"SELECT * FROM {table} ORDER BY {order}")
        names = [column.name for column in cursor.description or ()]
        content[table] = [
            {name: value for name, value in zip(names, row, strict=True) if name not in PASSING}
            for row in cursor.fetchall()
        ]
    return content
