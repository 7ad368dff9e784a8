from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from cloud.actions.assess import assess_bin
from cloud.core.links import read_link
from cloud.postgres import notices

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LEASE = timedelta(minutes=2)
SECRET = bytes(range(32))


@pytest.fixture
def conn(database: Any) -> Iterator[psycopg.Connection]:
    with database.connect("binline_jobs") as conn:
        conn.autocommit = True
        yield conn


@pytest.fixture
def owed(shelf: Any, conn: psycopg.Connection) -> Any:
    """One order, one notice."""
    shelf.weigh(412, NOON)
    assess_bin(conn, shelf.bin_id, NOON)
    return shelf


def claim(
    conn: psycopg.Connection, now: datetime = NOON, busy: tuple[int, ...] = (), repeats: int = 1
) -> UUID | None:
    return notices.claim(conn, now=now, lease=LEASE, busy_channels=busy, repeats=bool(repeats))


def test_a_notice_says_what_held_when_the_order_was_placed(
    owed: Any, conn: psycopg.Connection
) -> None:
    owed.admin.execute("UPDATE bins SET minimum = 3, capacity = 4000")
    owed.weigh(1, NOON)
    notice_id = claim(conn)
    assert notice_id is not None
    notice = notices.load(conn, notice_id, "https://binline.example", SECRET)
    assert (notice.first.pieces, notice.first.minimum, notice.first.capacity) == (412, 500, 2_000)
    assert (notice.first.quantity, notice.first.packs, notice.first.pack) == (1_500, 3, 500)
    assert (notice.channel, notice.address) == ("email", "orders@ferro.example")
    assert (notice.site, notice.site_place, notice.first.place) == (
        "Hartmann Rail 1",
        "Hall C",
        "R02-B4",
    )
    assert notice.first.measured_at == NOON
    assert not notice.order_ended


def test_its_link_opens_its_order_and_its_secrets_are_not_shown(
    owed: Any, conn: psycopg.Connection
) -> None:
    owed.admin.execute("UPDATE supplier_channels SET secret = 'whsec_canary'")
    notice_id = claim(conn)
    assert notice_id is not None
    notice = notices.load(conn, notice_id, "https://binline.example", SECRET)
    base, _, token = notice.link.rpartition("/")
    assert base == "https://binline.example/a"
    assert read_link(token, SECRET, NOON) == owed.order_id()
    assert "canary" not in repr(notice)
    assert token not in repr(notice)


def test_a_notice_that_was_taken_is_not_taken_again_until_its_lease_is_over(
    owed: Any, conn: psycopg.Connection
) -> None:
    taken = claim(conn)
    assert taken is not None
    assert claim(conn, NOON + LEASE - timedelta(seconds=1)) is None
    assert claim(conn, NOON + LEASE) == taken


def test_a_notice_that_is_held_on_to_is_not_taken_when_its_first_lease_is_over(
    owed: Any, conn: psycopg.Connection
) -> None:
    taken = claim(conn)
    assert taken is not None
    notices.hold(conn, [taken], until=NOON + 2 * LEASE)
    assert claim(conn, NOON + LEASE) is None
    assert claim(conn, NOON + 2 * LEASE) == taken


def test_what_was_sent_meanwhile_is_not_held(owed: Any, conn: psycopg.Connection) -> None:
    taken = claim(conn)
    assert taken is not None
    notices.record_sent(conn, taken, NOON, "yes")
    notices.hold(conn, [taken], until=NOON + LEASE)
    assert claim(conn, NOON + 2 * LEASE) is None


def test_two_senders_never_take_the_same(owed: Any, database: Any) -> None:
    with database.connect("binline_jobs") as one, database.connect("binline_jobs") as two:
        assert claim(one) is not None  # not committed yet
        assert claim(two) is None


def test_a_busy_channel_is_passed_over(owed: Any, conn: psycopg.Connection) -> None:
    channel_id = owed.rows("supplier_channels")[0]["channel_id"]
    assert claim(conn, busy=(channel_id,)) is None
    assert claim(conn, busy=(channel_id + 1,)) is not None


def test_what_was_sent_is_never_owed_again(owed: Any, conn: psycopg.Connection) -> None:
    notice_id = claim(conn)
    assert notice_id is not None
    notices.record_sent(conn, notice_id, NOON, "HTTP 204")
    assert claim(conn, NOON + timedelta(days=30)) is None
    (row,) = owed.rows("notices")
    assert (row["state"], row["tries"], row["sent_at"]) == ("sent", 1, NOON)
    (attempt,) = owed.rows("attempts")
    assert (attempt["ok"], attempt["detail"]) == (True, "HTTP 204")
    assert notices.count_owed(conn) == 0


def test_what_failed_is_owed_until_it_is_given_up(owed: Any, conn: psycopg.Connection) -> None:
    notice_id = claim(conn)
    assert notice_id is not None
    later = NOON + timedelta(minutes=5)
    notices.record_failed(conn, notice_id, NOON, "HTTP 500", later)
    assert claim(conn, NOON + timedelta(minutes=4)) is None
    assert claim(conn, later, repeats=0) is None
    assert claim(conn, later) == notice_id
    assert notices.count_owed(conn) == 1
    notices.record_failed(conn, notice_id, later, "HTTP 410", None)
    (row,) = owed.rows("notices")
    assert (row["state"], row["tries"]) == ("given_up", 2)
    assert [attempt["detail"] for attempt in owed.rows("attempts")] == ["HTTP 500", "HTTP 410"]


def test_owing_twice_is_owing_once(owed: Any, conn: psycopg.Connection) -> None:
    assert notices.owe_for_order(conn, owed.order_id(), owed.supplier_id, NOON) == 0


def test_a_closed_order_is_known_as_closed(owed: Any, conn: psycopg.Connection) -> None:
    owed.weigh(1_900, NOON)
    assess_bin(conn, owed.bin_id, NOON)
    notice_id = claim(conn)
    assert notice_id is not None
    assert notices.load(conn, notice_id, "https://binline.example", SECRET).order_ended
