"""What the tests of following share: a bin on a scale, what it said, and what was told of it."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import psycopg

from cloud.actions.follow import follow_bins
from cloud.actions.remember import Memory
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


def follow(jobs: psycopg.Connection, remembered: Memory | None = None) -> int:
    memory = Memory() if remembered is None else remembered
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
