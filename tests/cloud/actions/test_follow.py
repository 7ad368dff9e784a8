from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from cloud.actions.follow import Remembered, follow_bins
from cloud.actions.settle_twins import settle_twins
from cloud.actions.take_in import take_in
from cloud.postgres import follow_due
from tests.cloud import ingest_cases as cases

Come = Callable[..., object]

TARE_MG = 350_000
PIECE_MG = 4_200
MINUTE_MS = 60_000
NOW = cases.NOW + timedelta(hours=12)

# A morning of one bin, one reading a minute: pieces, and None where the scale was silent.
MORNING: list[int | None] = (
    [480] * 6 + [455] * 4 + [455, 430, 430, 430] + [None] * 3 + [400] * 5 + [390] * 4 + [1_890] * 6
)


USED = [480, -25, -25, -30, -10, 1_500]


def change(admin: psycopg.Connection, since: datetime, query: str) -> None:
    """What a person changes, and says since when it holds."""
    with admin.transaction():
        admin.execute("SELECT set_config('app.from_at', %s, true)", (since.isoformat(),))
        admin.execute(query)


def shelf(admin: psycopg.Connection, gateway: str) -> int:
    """One bin on a site of its own."""
    count = admin.execute("SELECT count(*) FROM sites").fetchone()
    assert count is not None
    (bin_id,) = cases.make_site(admin, f"{gateway}-{count[0]}", bins=1)
    admin.execute(
        "UPDATE gateways SET name = %s WHERE name = %s", (gateway, f"{gateway}-{count[0]}")
    )
    change(admin, cases.NOW - timedelta(days=1), f"UPDATE bins SET tare_mg = {TARE_MG}")
    admin.execute("UPDATE items SET pack = 500")
    return bin_id


@pytest.fixture
def bin_id(database: Any) -> int:
    with database.admin() as admin:
        admin.autocommit = True
        return shelf(admin, "lindau-1")


@pytest.fixture
def jobs(database: Any) -> Iterator[psycopg.Connection]:
    with database.connect("binline_jobs") as conn:
        conn.autocommit = True
        yield conn


def of_minute(minute: int, pieces: int | None) -> cases.messages.Reading:
    if pieces is None:
        return cases.messages.Condition(
            sensor=0, after_ms=minute * MINUTE_MS, condition="silent", clock_trusted=True
        )
    return cases.messages.Weighed(
        sensor=0,
        after_ms=minute * MINUTE_MS,
        weight_mg=TARE_MG + pieces * PIECE_MG,
        stability=0,
        clock_trusted=True,
    )


def batches(story: Sequence[int | None], size: int) -> list[Any]:
    return [
        cases.batch(
            first + 1,
            [of_minute(first + n, one) for n, one in enumerate(story[first : first + size])],
            sensors=("s01",),
        )
        for first in range(0, len(story), size)
    ]


@pytest.fixture
def come(database: Any) -> Iterator[Come]:
    with database.connect("binline_ingest") as conn:
        conn.autocommit = True

        def come(messages: Sequence[Any], gateway: str = "lindau-1") -> object:
            return take_in(conn, [cases.arrived(one, gateway) for one in messages], NOW, set())

        yield come


def follow(jobs: psycopg.Connection, remembered: dict[int, Remembered] | None = None) -> int:
    memory: dict[int, Remembered] = {} if remembered is None else remembered
    moved = 0
    while True:
        follow_due.spread(jobs)
        with jobs.transaction():
            due = follow_due.take(jobs, 100, [], NOW)
            if not due:
                return moved
            outcome = follow_bins(jobs, due, NOW, memory)
            follow_due.give_back(jobs, outcome.again)
        memory.update(outcome.remembered)
        moved += outcome.movements


def told(jobs: psycopg.Connection, bin_id: int) -> list[tuple[Any, ...]]:
    return jobs.execute(
        "SELECT kind, pieces, after_pieces, event_at, after_refs[2], after_refs[4] FROM movements"
        " WHERE bin_id = %s AND replaced_at IS NULL ORDER BY event_at",
        (bin_id,),
    ).fetchall()


def level(jobs: psycopg.Connection, bin_id: int) -> tuple[Any, ...]:
    row = jobs.execute(
        "SELECT pieces, exact, doubts, followed_at FROM bin_levels WHERE bin_id = %s", (bin_id,)
    ).fetchone()
    assert row is not None
    return row


def whole_level(jobs: psycopg.Connection, bin_id: int) -> tuple[Any, ...] | None:
    """All of it, to the last bit."""
    return jobs.execute(
        "SELECT pieces, sd_pieces, exact, level_at, plateau_since, unconfirmed, doubts,"
        " followed_at, settles_at, zero_error_mg FROM bin_levels WHERE bin_id = %s",
        (bin_id,),
    ).fetchone()


def count(database: Any, bin_id: int, pieces: int, minute: float) -> None:
    with database.connect("binline_jobs") as conn:
        conn.execute(
            "INSERT INTO counts (bin_id, item_id, kind, pieces, counted_at, entered_at, by,"
            " because) SELECT bin_id, item_id, 'cycle', %s, %s, %s, 'ann', 'counted by hand'"
            " FROM bins WHERE bin_id = %s",
            (pieces, cases.NOW + timedelta(minutes=minute), NOW, bin_id),
        )


def test_a_morning_becomes_its_movements_and_they_sum_up_to_the_level(
    database: Any, come: Come, jobs: psycopg.Connection, bin_id: int
) -> None:
    come(batches(MORNING, 8))
    follow(jobs)
    assert [(kind, pieces) for kind, pieces, *_ in told(jobs, bin_id)] == [
        ("opening", 480),
        ("usage", -25),
        ("usage", -25),
        ("usage", -30),
        ("usage", -10),
        ("refill", 1_500),
    ]
    known = level(jobs, bin_id)
    assert known[0] == sum(pieces for _, pieces, *_ in told(jobs, bin_id)) == 1_890
    due = jobs.execute("SELECT bin_id FROM bin_due").fetchall()
    assert due == [(bin_id,)]


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_in_whichever_order_and_however_often_readings_come_the_same_is_told(
    database: Any, come: Come, jobs: psycopg.Connection, data: st.DataObject
) -> None:
    with database.admin() as admin:
        admin.autocommit = True
        admin.execute("UPDATE gateways SET name = 'was-' || gateway_id WHERE name !~ '^was'")
        clean = shelf(admin, "clean")
        mixed = shelf(admin, "mixed")
    parts = batches(MORNING, data.draw(st.integers(4, 9), label="size"))
    come(parts, "clean")
    follow(jobs)
    shuffled = data.draw(st.permutations([*parts, *parts[::2]]), label="order")
    workers: list[dict[int, Remembered]] = [{}, {}]
    worker = st.sampled_from(workers)
    for part in shuffled:
        come([part], "mixed")
        if data.draw(st.booleans(), label="follow now"):
            if data.draw(st.booleans(), label="restart"):
                workers[0].clear()
            follow(jobs, data.draw(worker, label="worker"))
    follow(jobs, data.draw(worker, label="worker"))
    assert len(told(jobs, clean)) == 6
    assert told(jobs, mixed) == told(jobs, clean)
    assert whole_level(jobs, mixed) == whole_level(jobs, clean)


def test_what_late_readings_take_back_stays_with_the_time_of_its_end(
    database: Any, come: Come, jobs: psycopg.Connection, bin_id: int
) -> None:
    first, second, third = batches([480] * 5 + [450] * 5 + [420] * 5, 5)
    come([first, third])
    follow(jobs)
    assert [pieces for _, pieces, *_ in told(jobs, bin_id)] == [480, -60]
    come([second])
    follow(jobs)
    assert [pieces for _, pieces, *_ in told(jobs, bin_id)] == [480, -30, -30]
    gone = jobs.execute("SELECT pieces FROM movements WHERE replaced_at IS NOT NULL").fetchall()
    assert gone == [(-60,)]


@pytest.mark.parametrize("restarted", [False, True])
def test_what_a_refused_machine_said_is_followed_no_longer(
    database: Any, come: Come, jobs: psycopg.Connection, bin_id: int, *, restarted: bool
) -> None:
    """Its scale stood elsewhere: of two weights in turn nothing can be said, of one all."""
    ours, memory = batches(MORNING, 8), dict[int, Remembered]()
    theirs = batches([1_200] * len(MORNING), 1)
    come(ours[:1])
    follow(jobs, memory)
    come([replace(one, stream=cases.OTHER_STREAM) for one in theirs])
    come(ours[1:])
    follow(jobs, memory)
    assert [pieces for _, pieces, *_ in told(jobs, bin_id)] != USED
    if restarted:
        memory.clear()
    with database.admin() as admin:
        admin.execute("UPDATE streams SET present_heard = now()")  # both have said that they run
        admin.execute(
            "UPDATE gateways SET twin_since = now(), twin_kept = %s, twin_held = %s",
            (cases.STREAM, cases.OTHER_STREAM),
        )
    settle_twins(jobs, "lindau-1", UUID(cases.STREAM), "ada", NOW)
    follow(jobs, memory)
    assert [pieces for _, pieces, *_ in told(jobs, bin_id)] == USED


def test_a_unit_weight_learnt_anew_restates_history_and_invents_nothing(
    database: Any, come: Come, jobs: psycopg.Connection, bin_id: int
) -> None:
    come(batches(MORNING, 8))
    follow(jobs)
    before = told(jobs, bin_id)
    with database.admin() as admin:
        admin.execute("UPDATE items SET unit_weight_ug = 4284000")  # two per cent more
    follow(jobs)
    after = told(jobs, bin_id)
    assert [(kind, at) for kind, _, _, at, *_ in after] == [
        (kind, at) for kind, _, _, at, *_ in before
    ]
    assert [pieces for _, pieces, *_ in after] == [471, -25, -25, -29, -10, 1_471]
    known = level(jobs, bin_id)
    assert known[0] == sum(pieces for _, pieces, *_ in after)
    (row,) = jobs.execute(
        "SELECT from_ug, to_ug, movements, before_pieces, after_pieces FROM restatements"
    ).fetchall()
    assert row == (4_200_000, 4_284_000, 6, 1_890, known[0])


def test_a_count_is_a_correction_never_usage_and_stands_in_its_time(
    database: Any, come: Come, jobs: psycopg.Connection, bin_id: int
) -> None:
    come(batches([480] * 10 + [450] * 10, 20))
    follow(jobs)
    jobs.execute(
        "INSERT INTO counts (bin_id, item_id, kind, pieces, counted_at, entered_at, by, because)"
        " SELECT bin_id, item_id, 'cycle', 478, %s, %s, 'ann', 'counted by hand'"
        " FROM bins WHERE bin_id = %s",
        (cases.NOW + timedelta(minutes=5, seconds=30), NOW, bin_id),
    )
    follow(jobs)
    assert [(kind, pieces) for kind, pieces, *_ in told(jobs, bin_id)] == [
        ("opening", 480),
        ("correction", -2),
        ("usage", -30),
    ]
    follow(jobs)
    known = level(jobs, bin_id)
    assert known[0] == 448


@pytest.mark.parametrize("late", [False, True])
def test_what_was_counted_while_the_scale_was_silent_is_not_taken_off_again_with_the_weight(
    come: Come, jobs: psycopg.Connection, bin_id: int, *, late: bool
) -> None:
    memory: dict[int, Remembered] = {}
    before, silent, after = batches([480] * 10 + [None] * 10 + [455] * 10, 10)
    come([before] if late else [before, silent])
    follow(jobs, memory)
    jobs.execute(
        "INSERT INTO counts (bin_id, item_id, kind, pieces, counted_at, entered_at, by, because)"
        " SELECT bin_id, item_id, 'cycle', 460, %s, %s, 'ann', 'counted by hand'"
        " FROM bins WHERE bin_id = %s",
        (cases.NOW + timedelta(minutes=19, seconds=30), NOW, bin_id),
    )
    follow(jobs, memory)
    assert level(jobs, bin_id)[0] == 460
    come([after])
    follow(jobs, memory)
    if late:
        come([silent])
        follow(jobs)
    assert [(kind, pieces) for kind, pieces, *_ in told(jobs, bin_id)] == [
        ("opening", 480),
        ("correction", -20),
        ("usage", -5),
    ]
    assert level(jobs, bin_id)[0] == 455


def test_another_tare_is_a_correction_and_another_item_begins_anew(
    database: Any, come: Come, jobs: psycopg.Connection, bin_id: int
) -> None:
    come(batches([480] * 10, 10))
    follow(jobs)
    with database.admin() as admin:
        change(
            admin,
            cases.NOW + timedelta(minutes=12),
            f"UPDATE bins SET tare_mg = tare_mg - {2 * PIECE_MG}",
        )
    follow(jobs)
    assert [(kind, pieces) for kind, pieces, *_ in told(jobs, bin_id)] == [
        ("opening", 480),
        ("correction", 2),
    ]
    with database.admin() as admin:
        admin.execute(
            "INSERT INTO items (sku, name, unit_weight_ug) VALUES ('other', 'Other', 2100000)"
        )
        change(
            admin,
            cases.NOW + timedelta(minutes=15),
            "UPDATE bins SET item_id = (SELECT item_id FROM items WHERE sku = 'other')",
        )
    follow(jobs)
    come([cases.batch(11, [of_minute(20 + n, 480) for n in range(5)], sensors=("s01",))])
    follow(jobs)
    known = level(jobs, bin_id)
    assert known[0] == (480 + 2) * 2
    assert [kind for kind, *_ in told(jobs, bin_id)].count("opening") == 2


def test_a_counter_of_what_is_taken_moves_the_level_that_somebody_counted(
    database: Any, come: Come, jobs: psycopg.Connection, bin_id: int
) -> None:
    with database.admin() as admin:
        admin.execute("UPDATE bins SET measure = 'counter_out', pieces_per_count = 10")

    def counted(seq: int, minute: int, *totals: int) -> Any:
        readings = [
            cases.messages.Counted(
                sensor=0, after_ms=(minute + n) * MINUTE_MS, total=total, clock_trusted=True
            )
            for n, total in enumerate(totals)
        ]
        return cases.batch(seq, readings, sensors=("s01",))

    come([counted(1, 0, 100, 100)])
    follow(jobs)
    jobs.execute(
        "INSERT INTO counts (bin_id, item_id, kind, pieces, counted_at, entered_at, by, because)"
        " SELECT bin_id, item_id, 'audit', 500, %s, %s, 'ann', 'first count' FROM bins",
        (cases.NOW + timedelta(minutes=2), NOW),
    )
    come([counted(3, 3, 103, 103, 110)])
    follow(jobs)
    assert level(jobs, bin_id)[0] == 400
    moved = [(kind, pieces) for kind, pieces, *_ in told(jobs, bin_id)]
    assert moved == [("opening", 500), ("usage", -30), ("usage", -70)]


def test_a_second_scale_under_a_bin_makes_one_level_of_both(
    database: Any, come: Come, jobs: psycopg.Connection, bin_id: int
) -> None:
    with database.admin() as admin:
        admin.execute(
            "INSERT INTO sensors (gateway_id, name, bin_id)"
            " SELECT gateway_id, 's02', bin_id FROM sensors"
        )

    def both(seq: int, minute: int, left: int, right: int) -> Any:
        readings = [
            cases.messages.Weighed(
                sensor=n,
                after_ms=(minute * 60 + n) * 1_000,
                weight_mg=TARE_MG // 2 + pieces * PIECE_MG,
                stability=0,
                clock_trusted=True,
            )
            for n, pieces in enumerate((left, right))
        ]
        return cases.batch(seq, readings, sensors=("s01", "s02"))

    come([both(1 + 2 * minute, minute, 200, 280) for minute in range(4)])
    come([both(9 + 2 * minute, 4 + minute, 190, 260) for minute in range(4)])
    follow(jobs)
    assert level(jobs, bin_id)[0] == 450
    assert sum(pieces for kind, pieces, *_ in told(jobs, bin_id) if kind == "usage") == -30
    (rows,) = jobs.execute("SELECT count(*) FROM bin_state WHERE bin_id = %s", (bin_id,)).fetchall()
    assert rows == (1,)


@pytest.mark.parametrize("memory", [None, dict[int, Remembered]()], ids=["anew", "by heart"])
def test_a_count_that_is_entered_late_stands_among_readings_that_were_followed(
    database: Any,
    come: Come,
    jobs: psycopg.Connection,
    bin_id: int,
    memory: dict[int, Remembered] | None,
) -> None:
    come([cases.batch(1, [of_minute(n, 480) for n in range(9)], sensors=("s01",))])
    follow(jobs, memory)
    count(database, bin_id, 470, minute=5)
    follow(jobs, memory)
    assert level(jobs, bin_id)[0] == 470
    assert [(kind, pieces) for kind, pieces, *_ in told(jobs, bin_id)] == [
        ("opening", 480),
        ("correction", -10),
    ]
