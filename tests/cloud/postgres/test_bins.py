from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import psycopg

from cloud.postgres import bins

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def test_a_bin_is_read_with_its_present_and_where_the_number_came_from(
    shelf: Any, conn: psycopg.Connection
) -> None:
    shelf.weigh(412, NOON)
    found = bins.lock(conn, shelf.bin_id)
    assert found is not None
    assert (found.bin.code, found.bin.limits.minimum, found.bin.pack) == ("HRT-R02-B4", 500, 500)
    assert found.state.calibration.unit_weight_ug == 4_200_000
    assert (found.state.heard_at, found.state.gateway_presence) == (NOON, "online")
    assert found.source is not None
    assert (found.source.gateway, found.source.sensor, found.source.seq) == ("hartmann-1", "s01", 7)


def test_a_bin_never_heard_of_is_not_there_to_assess(shelf: Any, conn: psycopg.Connection) -> None:
    assert bins.lock(conn, shelf.bin_id) is None


def test_a_condition_alone_has_no_source(shelf: Any, conn: psycopg.Connection) -> None:
    shelf.weigh(1, NOON, condition="silent", weight_mg=None, stream_no=None, seq=None)
    found = bins.lock(conn, shelf.bin_id)
    assert found is not None
    assert found.source is None


def test_due_bins_are_listed_with_what_is_known_of_them(
    make_shelf: Callable[[str], Any], conn: psycopg.Connection
) -> None:
    one, two = make_shelf("B-1"), make_shelf("B-2")
    one.weigh(1, NOON)
    two.weigh(1, NOON)
    assert {due.bin_id: due.known[:2] for due in bins.due(conn, 10)} == {
        one.bin_id: (NOON, NOON),
        two.bin_id: (NOON, NOON),
    }
    assert len(bins.due(conn, 1)) == 1


def test_what_is_due_is_taken_once(shelf: Any, conn: psycopg.Connection) -> None:
    shelf.weigh(1, NOON)
    assert bins.take_due(conn, shelf.bin_id)
    assert not bins.take_due(conn, shelf.bin_id)


def test_a_bin_in_other_hands_is_passed_over(
    shelf: Any, conn: psycopg.Connection, database: Any
) -> None:
    shelf.weigh(1, NOON)
    with database.connect("binline_ingest") as ingest:
        ingest.execute("UPDATE bin_state SET heard_at = heard_at")
        assert not bins.lock_state_if_free(conn, shelf.bin_id)
    assert bins.lock_state_if_free(conn, shelf.bin_id)


def test_a_touch_is_seen_by_open_pages(shelf: Any, conn: psycopg.Connection) -> None:
    shelf.weigh(1, NOON)
    before = shelf.xid()
    bins.touch(conn, shelf.bin_id)
    assert shelf.xid() > before


def test_to_be_shown_a_bin_is_found_whether_it_was_ever_heard_of(
    shelf: Any, conn: psycopg.Connection
) -> None:
    found = bins.find(conn, shelf.bin_id)
    assert found is not None
    assert (found.code, found.limits.capacity, found.pack) == ("HRT-R02-B4", 2_000, 500)
    assert found.supplier_id == shelf.supplier_id
    assert bins.find(conn, 99) is None


def test_levels_are_read_and_written_under_the_bins_lock(
    shelf: Any, conn: psycopg.Connection
) -> None:
    shelf.weigh(812, NOON)
    shelf.admin.execute("DELETE FROM bin_due")
    with conn.transaction():
        bins.lock_state(conn, shelf.bin_id)
        limits, order_up_to = bins.lock_levels(conn, shelf.bin_id)
        assert (limits.minimum, limits.margin, limits.capacity) == (500, 20, 2_000)
        assert order_up_to is None
        bins.save_levels(conn, shelf.bin_id, 700, 1_900)
        bins.look_again(conn, shelf.bin_id)
    (row,) = shelf.rows("bins")
    assert (row["minimum"], row["order_up_to"], row["version"]) == (700, 1_900, 2)
    assert shelf.rows("bin_due") == [{"bin_id": shelf.bin_id}]


def test_a_bin_that_fell_below_its_minimum_just_now_comes_first(
    make_shelf: Callable[[str], Any], conn: psycopg.Connection
) -> None:
    full, low, known = make_shelf("B-1"), make_shelf("B-2"), make_shelf("B-3")
    for shelf, pieces in ((full, 900), (known, 10), (low, 20)):
        shelf.weigh(pieces, NOON)
    low.admin.execute(
        "INSERT INTO breaches (bin_id, opened_at, opened_pieces, lowest_pieces, cycle)"
        " VALUES (%s, now(), 10, 10, 1)",
        (known.bin_id,),
    )
    (first, *others) = bins.due(conn, 10)
    assert first.bin_id == low.bin_id
    assert {due.bin_id for due in others} == {full.bin_id, known.bin_id}


def test_what_is_low_is_marked_to_be_looked_at_again(shelf: Any, conn: psycopg.Connection) -> None:
    shelf.weigh(10, NOON)
    assert bins.take_due(conn, shelf.bin_id)
    bins.mark_low(conn)
    assert bins.due(conn, 10) == []
    shelf.admin.execute(
        "INSERT INTO breaches (bin_id, opened_at, opened_pieces, lowest_pieces, cycle)"
        " VALUES (%s, now(), 10, 10, 1)",
        (shelf.bin_id,),
    )
    bins.mark_low(conn)
    assert [due.bin_id for due in bins.due(conn, 10)] == [shelf.bin_id]


def test_who_holds_a_bin_is_told_whether_something_is_still_to_be_followed(
    shelf: Any, conn: psycopg.Connection
) -> None:
    assert bins.lock_state_if_free(conn, shelf.bin_id) is None
    shelf.weigh(10, NOON)
    assert bins.lock_state_if_free(conn, shelf.bin_id) == bins.Held(behind=False)
    shelf.admin.execute("UPDATE bin_state SET measured_at = now()")
    assert bins.lock_state_if_free(conn, shelf.bin_id) == bins.Held(behind=True)
    shelf.admin.execute("DELETE FROM bin_levels")
    assert bins.lock_state_if_free(conn, shelf.bin_id) == bins.Held(behind=True)


def test_who_may_join_is_near_its_level_or_has_usage_planned(
    make_shelf: Callable[[str], Any], conn: psycopg.Connection
) -> None:
    one, near, planned, far = (make_shelf(f"B-{number}") for number in range(4))
    one.admin.execute(
        "UPDATE bins SET (supplier_id, site_id) ="
        " (SELECT supplier_id, site_id FROM bins WHERE bin_id = %s)",
        (one.bin_id,),
    )
    for shelf, pieces in ((one, 412), (near, 900), (planned, 1_400), (far, 1_300)):
        shelf.admin.execute(
            "INSERT INTO bin_policies (bin_id, policy, parameters)"
            """ VALUES (%s, 'can_order', '{"can_order": 900}')""",
            (shelf.bin_id,),
        )
        shelf.weigh(pieces, NOON)
    one.admin.execute(
        "INSERT INTO planned_usage (bin_id, from_day, to_day, pieces, by, because, at)"
        " VALUES (%s, '2026-11-21', '2026-11-21', 800, 'ada', 'batch', %s)",
        (planned.bin_id, NOON),
    )
    site_id = one.rows("bins")[0]["site_id"]

    def may_join(limit: int, *, consigned: bool | None) -> list[int]:
        return bins.may_join(
            conn,
            one.bin_id,
            supplier_id=one.supplier_id,
            site_id=site_id,
            consigned=consigned,
            limit=limit,
        )

    assert may_join(9, consigned=False) == [near.bin_id, planned.bin_id]
    assert may_join(9, consigned=None) == [near.bin_id, planned.bin_id]
    assert may_join(9, consigned=True) == []
    assert may_join(1, consigned=False) == [near.bin_id]
