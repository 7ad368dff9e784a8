"""What is used a day: days without usage count, days of which nothing is known do not."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from cloud.postgres import usage
from tests.cloud import store_cases

# Half past midnight in Berlin: a day of the site, not of UTC.
NOW = datetime(2026, 11, 19, 23, 30, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture
def admin(database: Any) -> Iterator[psycopg.Connection]:
    with database.admin() as conn:
        yield conn


@pytest.fixture
def bin_id(admin: psycopg.Connection) -> int:
    """A bin that is followed since ten days and was heard a moment ago."""
    bin_id = bin_of(admin, store_cases.make_site(admin)[0])
    admin.execute("UPDATE sites SET time_zone = 'Europe/Berlin'")
    admin.execute(
        "INSERT INTO bin_levels (bin_id, pieces, level_at) VALUES (%s, 400, %s)", (bin_id, NOW)
    )
    move(admin, bin_id, NOW - 10 * DAY, "opening", 900)
    return bin_id


def bin_of(admin: psycopg.Connection, sensor_id: int) -> int:
    row = admin.execute("SELECT bin_id FROM sensors WHERE sensor_id = %s", (sensor_id,)).fetchone()
    assert row is not None
    return int(row[0])


def hear(admin: psycopg.Connection, bin_id: int, *times: datetime) -> None:
    row = admin.execute("SELECT sensor_id FROM sensors WHERE bin_id = %s", (bin_id,)).fetchone()
    assert row is not None
    store_cases.put(admin, row[0], [(at, 100) for at in times])


def move(
    admin: psycopg.Connection, bin_id: int, at: datetime, kind: str, pieces: int, **more: Any
) -> None:
    admin.execute(
        "INSERT INTO movements (bin_id, item_id, kind, pieces, before_pieces, after_pieces,"
        " event_at, confirmed_at, known_at, after_refs, because, replaced_at)"
        " SELECT %s, item_id, %s, %s, 1000, 1000 + %s, %s, %s, %s, '{1,1,1,1}', 'so', %s"
        " FROM bins WHERE bin_id = %s",
        (bin_id, kind, pieces, pieces, at, at, at, more.get("replaced_at"), bin_id),
    )


def demand(database: Any, bin_id: int, days: int = 12) -> list[int | None]:
    with database.connect("binline_jobs") as jobs:
        return usage.demand(jobs, bin_id, days, NOW)


def test_days_without_usage_count_and_put_backs_are_taken_off(
    database: Any, admin: psycopg.Connection, bin_id: int
) -> None:
    move(admin, bin_id, NOW - 3 * DAY, "usage", -40)
    move(admin, bin_id, NOW - 3 * DAY + HOUR, "put_back", 10)
    move(admin, bin_id, NOW - 2 * DAY, "usage", -60)
    move(admin, bin_id, NOW - 2 * DAY, "refill", 500)
    move(admin, bin_id, NOW - 2 * DAY, "correction", -7)
    move(admin, bin_id, NOW - 2 * DAY, "usage", -999, replaced_at=NOW)
    # Followed since the 10th: that day was no whole one, and is not known.
    assert demand(database, bin_id) == [None, None, None, 0, 0, 0, 0, 0, 0, 30, 60, 0]


def test_the_rate_is_of_the_days_that_are_known(
    database: Any, admin: psycopg.Connection, bin_id: int
) -> None:
    move(admin, bin_id, NOW - 3 * DAY, "usage", -90)
    with database.connect("binline_jobs") as jobs:
        assert usage.compute(jobs, NOW) == 1
        assert usage.compute(jobs, NOW) == 0, "what is the same is not written again"
    rate = admin.execute("SELECT usage_per_day, usage_sd, usage_days FROM bin_levels").fetchone()
    assert rate == (pytest.approx(10), pytest.approx(30), 9)


def test_more_given_back_than_taken_is_no_negative_rate(
    database: Any, admin: psycopg.Connection, bin_id: int
) -> None:
    move(admin, bin_id, NOW - 3 * DAY, "put_back", 50)
    with database.connect("binline_jobs") as jobs:
        usage.compute(jobs, NOW)
        assert usage.demand(jobs, bin_id, 3, NOW) == [0, 0, 0]
        assert jobs.execute("SELECT usage_per_day FROM bin_levels").fetchone() == (0.0,)


def test_today_and_what_no_reading_bears_out_is_not_known(
    database: Any, admin: psycopg.Connection, bin_id: int
) -> None:
    admin.execute("UPDATE bin_levels SET level_at = %s", (NOW - 3 * DAY,))
    move(admin, bin_id, NOW - 4 * DAY, "usage", -5)
    assert demand(database, bin_id, 5) == [0, 5, None, None, None]


def test_what_moved_in_a_long_silence_belongs_to_none_of_its_days(
    database: Any, admin: psycopg.Connection, bin_id: int
) -> None:
    move(admin, bin_id, NOW - 6 * DAY, "usage", -5)
    hear(admin, bin_id, NOW - 6 * DAY, NOW - 2 * DAY)
    move(admin, bin_id, NOW - 2 * DAY, "usage", -200)
    assert demand(database, bin_id, 8) == [0, 0, None, None, None, None, None, 0]


def test_days_that_were_added_up_say_what_was_heard_and_readings_where_they_do_not(
    database: Any, admin: psycopg.Connection, bin_id: int
) -> None:
    """The same days are known, however it is found out that nothing was silent."""
    for ago in range(9, 0, -1):
        hear(admin, bin_id, NOW - ago * DAY - 3 * HOUR)
    move(admin, bin_id, NOW - 5 * DAY, "usage", -40)
    plain = demand(database, bin_id)
    assert None not in plain[3:]

    def say(heard_at: datetime | None) -> None:
        admin.execute("DELETE FROM bin_days")
        admin.execute(
            "INSERT INTO bin_days SELECT bin_id, (%s AT TIME ZONE 'UTC')::date - 1, supplier_id,"
            " item_id, %s, 1, 1, 0, 1, 0, false, 0, 0, 0, 0, 0, 0, 0, 0, %s FROM bins"
            " WHERE bin_id = %s",
            (NOW - 5 * DAY, NOW, heard_at, bin_id),
        )

    # That nobody knows of a sign of life, or of one that is too old, is no silence yet.
    for heard_at in (None, NOW - 6 * DAY - HOUR, NOW - 5 * DAY - 4 * HOUR):
        say(heard_at)
        assert demand(database, bin_id) == plain
    admin.execute("DELETE FROM readings")
    hear(admin, bin_id, NOW - 9 * DAY)
    assert demand(database, bin_id) == plain, "the day says that it was heard"
    for heard_at in (None, NOW - 6 * DAY - HOUR, NOW - 5 * DAY - timedelta(minutes=5)):
        say(heard_at)
        assert None in demand(database, bin_id)[5:8], "nobody heard it: what went is of no one day"


def test_a_quiet_week_end_with_readings_is_known(
    database: Any, admin: psycopg.Connection, bin_id: int
) -> None:
    move(admin, bin_id, NOW - 6 * DAY, "usage", -5)
    hear(admin, bin_id, NOW - 2 * DAY - HOUR, NOW - 2 * DAY)
    move(admin, bin_id, NOW - 2 * DAY, "usage", -200)
    assert demand(database, bin_id, 7) == [0, 5, 0, 0, 0, 200, 0]


def test_a_bin_that_was_never_followed_has_no_rate(
    database: Any, admin: psycopg.Connection
) -> None:
    bin_id = bin_of(admin, store_cases.make_site(admin)[0])
    with database.connect("binline_jobs") as jobs:
        assert usage.compute(jobs, NOW) == 0
        assert usage.demand(jobs, bin_id, 3, NOW) == []


def test_of_many_bins_the_demand_is_what_it_is_of_each(
    database: Any, admin: psycopg.Connection, bin_id: int
) -> None:
    """Told as what was used and what is not known, and put together again: the same days."""
    (other,) = [
        number
        for (number,) in admin.execute("SELECT bin_id FROM bins ORDER BY 1").fetchall()
        if number != bin_id
    ]
    move(admin, bin_id, NOW - 9 * DAY, "usage", -20)
    hear(admin, bin_id, NOW - 8 * DAY)
    move(admin, bin_id, NOW - 6 * DAY, "usage", -40)
    move(admin, bin_id, NOW - 3 * DAY, "put_back", 10)
    move(admin, bin_id, NOW - 2 * DAY, "usage", -60)
    with database.connect("binline_jobs") as jobs:
        for days in (3, 12, 40):
            found = usage.demands(jobs, [bin_id, other], days, NOW)
            assert found == {bin_id: usage.demand(jobs, bin_id, days, NOW)}
        assert None in found[bin_id][-8:], "the silence is not known"


def test_while_a_bin_was_empty_nothing_is_known_of_what_was_asked_for(
    database: Any, admin: psycopg.Connection, bin_id: int
) -> None:
    def known() -> list[int | None]:
        with database.connect("binline_jobs") as jobs:
            return usage.demands(jobs, [bin_id], 12, NOW)[bin_id][3:]

    move(admin, bin_id, NOW - 6 * DAY, "usage", -1_000)  # from 1,000 to none
    move(admin, bin_id, NOW - 4 * DAY, "refill", 1_000)
    assert known() == [0, 0, 0, None, None, None, 0, 0, 0]
    # Empty till today: since then nothing is known.
    admin.execute("DELETE FROM movements WHERE kind = 'refill'")
    assert known() == [0, 0, 0, None, None, None, None, None, None]


def test_what_was_empty_before_all_that_is_seen_was_empty_from_the_beginning(
    database: Any, admin: psycopg.Connection, bin_id: int
) -> None:
    admin.execute("UPDATE movements SET event_at = event_at - interval '90 days'")
    with database.connect("binline_jobs") as jobs:
        assert None not in usage.demands(jobs, [bin_id], 12, NOW)[bin_id]
        admin.execute("UPDATE bin_levels SET pieces = 0")
        assert set(usage.demands(jobs, [bin_id], 12, NOW)[bin_id]) == {None}
        admin.execute("UPDATE bin_levels SET pieces = 400")
        move(admin, bin_id, NOW - 4 * DAY, "refill", 400)
        admin.execute(
            "UPDATE movements SET before_pieces = 0, after_pieces = 400 WHERE kind = 'refill'"
        )
        found = usage.demands(jobs, [bin_id], 12, NOW)[bin_id]
        assert found == [None] * 9 + [0, 0, 0]
