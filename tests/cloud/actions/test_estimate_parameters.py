"""The nightly estimate on a real database: suggested to all, set only where a person said so."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from cloud.actions.estimate_parameters import estimate_parameters
from cloud.postgres import bin_parameters, usage

NOW = datetime(2026, 11, 20, 2, tzinfo=UTC)
DAY = timedelta(days=1)
WEEKS = 20


@pytest.fixture
def jobs(database: Any) -> Iterator[psycopg.Connection]:
    with database.connect("binline_jobs") as conn:
        conn.autocommit = True
        yield conn


def use(shelf: Any, pieces: int, weeks: int = WEEKS, empty_days: tuple[int, ...] = ()) -> None:
    """`pieces` a day since `weeks`, filled up each week; empty on some days, counted from now."""
    shelf.weigh(1_000, NOW - timedelta(minutes=1))
    rows = [("opening", 1_000, 0, NOW - weeks * 7 * DAY - DAY)]
    for ago in range(weeks * 7, 0, -1):
        at = NOW - ago * DAY + timedelta(hours=8)
        if ago + 1 in empty_days:
            rows.append(("refill", 1_000, 0, at - timedelta(hours=1)))
        left = pieces if ago in empty_days else 1_000
        rows.append(("usage", -pieces, left, at))
        if ago % 7 == 0 and ago not in empty_days:
            rows.append(("refill", 7 * pieces, 1_000, at + timedelta(hours=1)))
            rows.append(("correction", -3, 1_000, at + timedelta(hours=2)))
    for kind, change, before, at in rows:
        if at >= NOW:
            continue
        shelf.admin.execute(
            "INSERT INTO movements (bin_id, item_id, kind, pieces, before_pieces, after_pieces,"
            " event_at, confirmed_at, known_at, after_refs, because)"
            " SELECT bin_id, item_id, %s, %s, %s, %s, %s, %s, %s, '{1,1,1,1}', '' FROM bins"
            " WHERE bin_id = %s",
            (kind, change, before, before + change, at, at, at, shelf.bin_id),
        )


def set_policy(shelf: Any, columns: str, values: str) -> None:
    query = f"INSERT INTO bin_policies (bin_id, {columns}) VALUES ({shelf.bin_id}, {values})"
    shelf.admin.execute(query)


KEPT = "automatic, minimum_from, minimum_to, agreed_minimum"


def levels(shelf: Any) -> tuple[int, int | None]:
    (row,) = [row for row in shelf.rows("bins") if row["bin_id"] == shelf.bin_id]
    return row["minimum"], row["order_up_to"]


def test_what_it_finds_is_a_suggestion_and_the_bin_stays_as_agreed(
    shelf: Any, jobs: psycopg.Connection
) -> None:
    use(shelf, 30)
    done = estimate_parameters(jobs, NOW)
    assert (done.bins, done.learning, done.applied) == (1, 0, 0)
    row = bin_parameters.of_bin(jobs, shelf.bin_id)
    assert row is not None
    assert (row.method, row.learning, row.computed_at) == ("history", False, NOW)
    assert 29_900 <= row.rate_milli_per_day <= 30_100
    # Nobody named a lead time: a week is taken for it, and some eight days of 30 have to last.
    assert row.minimum is not None
    assert 210 <= row.minimum <= 300
    assert levels(shelf) == (500, None)
    assert [one["noun"] for one in shelf.rows("changes")].count("bin") == 1  # as it was made


def test_a_new_bin_learns_on_what_was_agreed(shelf: Any, jobs: psycopg.Connection) -> None:
    use(shelf, 30, weeks=3)
    assert estimate_parameters(jobs, NOW).learning == 1
    row = bin_parameters.of_bin(jobs, shelf.bin_id)
    assert row is not None
    assert row.learning
    assert (row.minimum, row.order_up_to, row.method) == (500, 2_000, "contract")
    assert row.because.startswith("learning: ")


def test_a_bin_that_history_keeps_is_set_and_says_by_whom_and_why(
    shelf: Any, jobs: psycopg.Connection
) -> None:
    use(shelf, 30)
    set_policy(shelf, KEPT, "true, 100, 900, 500")
    assert estimate_parameters(jobs, NOW).applied == 1
    minimum, order_up_to = levels(shelf)
    assert 210 <= minimum <= 300
    assert order_up_to == minimum + 1_500  # as much at once as was agreed
    change = shelf.rows("changes")[-1]
    assert (change["noun"], change["by"]) == ("bin", "binline")
    assert change["because"].startswith("kept by history: ")
    assert shelf.rows("bin_due"), "an assessment looks at it by what is set now"
    # The next night finds it as it left it, and nothing is news.
    assert estimate_parameters(jobs, NOW + timedelta(minutes=1)).applied == 0
    assert levels(shelf) == (minimum, order_up_to)


def test_the_band_holds_it_and_the_page_is_told_why(shelf: Any, jobs: psycopg.Connection) -> None:
    use(shelf, 30)
    set_policy(shelf, KEPT, "true, 400, 900, 500")
    estimate_parameters(jobs, NOW)
    assert levels(shelf)[0] == 400
    row = bin_parameters.of_bin(jobs, shelf.bin_id)
    assert row is not None
    assert "the band from 400 to 900 holds it at 400" in row.held


def test_a_persons_hand_stops_it(shelf: Any, jobs: psycopg.Connection) -> None:
    use(shelf, 30)
    set_policy(shelf, KEPT, "true, 100, 900, 500")
    estimate_parameters(jobs, NOW)
    shelf.admin.execute("UPDATE bins SET minimum = 444")
    assert estimate_parameters(jobs, NOW + DAY).applied == 0
    assert levels(shelf)[0] == 444
    row = bin_parameters.of_bin(jobs, shelf.bin_id)
    assert row is not None
    assert row.held.startswith("Somebody has set 444")


def test_days_of_supply_follow_with_their_rate(shelf: Any, jobs: psycopg.Connection) -> None:
    use(shelf, 30)
    set_policy(
        shelf,
        f"policy, parameters, {KEPT}",
        '\'days_of_supply\', \'{"days_min": 10, "days_max": 40, "rate_milli_per_day": 1}\','
        " true, 100, 900, 500",
    )
    estimate_parameters(jobs, NOW)
    (row,) = shelf.rows("bin_policies")
    assert 29_900 <= row["parameters"]["rate_milli_per_day"] <= 30_100
    assert row["version"] == 2
    assert levels(shelf)[0] == pytest.approx(300, abs=2)


def test_each_target_is_reckoned_for_itself(make_shelf: Any, jobs: psycopg.Connection) -> None:
    shelves = [make_shelf(f"BIN-{number}") for number in range(3)]
    for shelf, target in zip(shelves, (600, 990, 990), strict=True):
        use(shelf, 20)
        set_policy(shelf, "target_permille", str(target))
    assert estimate_parameters(jobs, NOW).bins == 3
    found = {row["bin_id"]: row["target_permille"] for row in shelves[0].rows("bin_parameters")}
    assert list(found.values()) == [600, 990, 990]
    because = {row["because"] for row in shelves[0].rows("bin_parameters")}
    assert len([one for one in because if "99.0% fill" in one or "60.0% fill" in one]) == 2


def test_a_bin_out_of_use_is_forgotten(shelf: Any, jobs: psycopg.Connection) -> None:
    use(shelf, 30)
    estimate_parameters(jobs, NOW)
    shelf.admin.execute("UPDATE bins SET active = false")
    assert estimate_parameters(jobs, NOW + DAY).bins == 0
    assert shelf.rows("bin_parameters") == []


def test_days_on_which_the_bin_was_empty_are_not_known(
    shelf: Any, jobs: psycopg.Connection
) -> None:
    use(shelf, 30, weeks=2, empty_days=(5, 9))
    known = usage.demands(jobs, [shelf.bin_id], 14, NOW)[shelf.bin_id]
    plainly = usage.demand(jobs, shelf.bin_id, 14, NOW)
    masked = [14 - at for at, pieces in enumerate(known) if pieces is None]
    # From the movement that left nothing to the day of the next one, both of them included.
    assert set(masked) >= {9, 8, 5, 4}
    for mine, theirs in zip(known, plainly, strict=True):
        assert mine in (None, theirs)


def test_without_any_bin_there_is_nothing_to_do(database: Any, jobs: psycopg.Connection) -> None:
    assert estimate_parameters(jobs, NOW).bins == 0
