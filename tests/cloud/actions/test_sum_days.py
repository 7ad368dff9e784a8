"""Days follow what happened, however late it is known, and a forecast stays as it was said."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest

from cloud.actions import sum_days

FROM = datetime(2026, 11, 2, tzinfo=UTC)  # a Monday
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
TO = FROM + 3 * DAY


@pytest.fixture
def jobs(database: Any) -> Iterator[psycopg.Connection]:
    with database.connect("binline_jobs") as conn:
        conn.autocommit = True
        yield conn


def _move(shelf: Any, at: datetime, before: int, after: int, kind: str = "usage") -> None:
    shelf.admin.execute(
        "INSERT INTO movements (bin_id, item_id, kind, pieces, before_pieces, after_pieces,"
        " event_at, confirmed_at, known_at, after_refs, because)"
        " SELECT bin_id, item_id, %s, %s, %s, %s, %s, %s, %s, '{1,1,1,1}', '' FROM bins",
        (kind, after - before, before, after, at, at, at),
    )


def _sum(jobs: psycopg.Connection, now: datetime) -> int:
    count = 0
    while done := sum_days.sum_marked(jobs, now):
        count += done
    return count


def _days(shelf: Any) -> list[tuple[date, int, int | None]]:
    return [(row["day"], row["used"], row["held"]) for row in shelf.rows("bin_days")]


def test_only_what_is_marked_is_added_up_and_only_once(
    shelf: Any, jobs: psycopg.Connection
) -> None:
    _sum(jobs, TO)
    _move(shelf, FROM + HOUR, 0, 100, "opening")
    assert _sum(jobs, TO) == 1
    assert len(_days(shelf)) == 3
    assert _sum(jobs, TO) == 0


def test_a_movement_that_is_taken_back_changes_every_day_after_it(
    shelf: Any, jobs: psycopg.Connection
) -> None:
    _move(shelf, FROM + HOUR, 0, 100, "opening")
    _move(shelf, FROM + 5 * HOUR, 100, 60)
    _sum(jobs, TO)
    assert [held for _, _, held in _days(shelf)] == [60, 60, 60]
    shelf.admin.execute("UPDATE movements SET replaced_at = %s WHERE kind = 'usage'", (TO,))
    _sum(jobs, TO)
    assert [(used, held) for _, used, held in _days(shelf)] == [(0, 100)] * 3


def test_days_of_a_bin_that_turns_out_to_begin_later_are_forgotten(
    shelf: Any, jobs: psycopg.Connection
) -> None:
    _move(shelf, FROM - 9 * DAY, 0, 100, "opening")
    _sum(jobs, TO)
    shelf.admin.execute("UPDATE movements SET replaced_at = %s", (TO,))
    _move(shelf, FROM + DAY, 0, 50, "opening")
    _sum(jobs, TO)
    assert [day for day, _, _ in _days(shelf)] == [date(2026, 11, 3), date(2026, 11, 4)]
    assert [row["week"] for row in shelf.rows("bin_weeks")] == [FROM.date()]
    shelf.admin.execute("UPDATE movements SET replaced_at = %s", (TO,))
    _sum(jobs, TO)
    assert _days(shelf) == []


def test_a_quiet_bin_goes_on_and_a_silence_before_its_first_hour_is_remembered(
    shelf: Any, jobs: psycopg.Connection
) -> None:
    _move(shelf, FROM, 0, 100, "opening")
    shelf.admin.execute(
        "INSERT INTO rollups (sensor_id, hour, readings, conditions, heard_first_at,"
        " heard_last_at, weights) VALUES (%(id)s, %(first)s, 1, 0, %(first)s, %(first)s, 1),"
        " (%(id)s, %(last)s, 1, 0, %(last)s, %(last)s, 1)",
        {"id": shelf.sensor_id, "first": FROM + 12 * HOUR, "last": FROM + 30 * HOUR},
    )
    _sum(jobs, FROM + DAY)
    assert sum_days.go_on(jobs, FROM + DAY + HOUR) == 0
    assert sum_days.go_on(jobs, FROM + 2 * DAY) == 1
    _sum(jobs, FROM + 2 * DAY)
    first, second = shelf.rows("bin_days")
    hour_ms = 3_600_000
    # What goes on over midnight is known when it is over: till then nobody knew of the silence.
    assert (first["known_ms"], second["known_ms"]) == (12 * hour_ms + 180_000, 18 * hour_ms)


def test_what_was_said_of_a_week_stays_whatever_is_known_later(
    shelf: Any, jobs: psycopg.Connection
) -> None:
    level = 9_000
    _move(shelf, FROM - 70 * DAY, 0, level, "opening")
    for week in range(-10, 0):
        used = 100 - week
        _move(shelf, FROM + week * 7 * DAY + HOUR, level, level - used)
        level -= used
    _sum(jobs, FROM + HOUR)
    said = {row["week"]: row for row in shelf.rows("bin_weeks")}
    now = said[FROM.date()]
    assert now["said_at"] == FROM + HOUR
    assert not now["seen"]
    assert 100 < now["forecast"] < 110
    assert said[FROM.date() - 7 * DAY]["said_at"] is None  # worked out later, and says so
    assert said[FROM.date() - 70 * DAY]["forecast"] is None  # still learning
    shelf.admin.execute("UPDATE movements SET replaced_at = %s WHERE kind = 'usage'", (TO,))
    _sum(jobs, FROM + 8 * DAY)
    again = {row["week"]: row for row in shelf.rows("bin_weeks")}
    assert (again[FROM.date()]["used"], again[FROM.date()]["seen"]) == (0, True)
    assert again[FROM.date()]["forecast"] == now["forecast"]


def test_a_week_that_was_hardly_seen_is_not_held_against_what_was_said(
    shelf: Any, jobs: psycopg.Connection
) -> None:
    _move(shelf, FROM, 0, 10, "opening")
    _move(shelf, FROM + DAY, 10, 0)  # empty from then on: what was wanted is not known
    _sum(jobs, FROM + 7 * DAY)
    assert [row["seen"] for row in shelf.rows("bin_weeks")] == [False]


def test_two_do_not_add_up_at_once(shelf: Any, database: Any, jobs: psycopg.Connection) -> None:
    _move(shelf, FROM, 0, 10, "opening")
    with database.connect("binline_jobs") as other:
        other.execute("SELECT pg_advisory_xact_lock(%s)", (0x62696E64617973,))
        assert sum_days.sum_marked(jobs, TO) is None
        assert _days(shelf) == []


def test_weeks_and_months_say_what_their_days_come_to_and_follow_them(
    shelf: Any, jobs: psycopg.Connection
) -> None:
    def told() -> list[tuple[str, date, int, int | None, int, bool]]:
        rows = sorted(shelf.rows("bin_periods"), key=lambda row: (row["period"], row["first"]))
        return [
            (
                row["period"],
                row["first"],
                row["used"],
                row["held"],
                row["stock_outs"],
                row["resumed_empty"],
            )
            for row in rows
        ]

    _move(shelf, FROM - 5 * DAY, 0, 100, "opening")
    _move(shelf, FROM - DAY, 100, 0)  # empty over the end of the week
    _move(shelf, FROM + DAY, 0, 40, "refill")
    _move(shelf, FROM + 2 * DAY, 40, 30)
    _sum(jobs, TO)
    assert told() == [
        ("month", date(2026, 10, 1), 0, 100, 0, False),
        ("month", date(2026, 11, 1), 110, 30, 1, False),
        ("week", date(2026, 10, 26), 100, 0, 1, False),
        ("week", date(2026, 11, 2), 10, 30, 1, True),
    ]
    shelf.admin.execute("UPDATE movements SET replaced_at = %s WHERE event_at < %s", (TO, FROM))
    _sum(jobs, TO)
    assert told() == [
        ("month", date(2026, 11, 1), 10, 30, 0, False),
        ("week", date(2026, 11, 2), 10, 30, 0, False),
    ]
