from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from cloud.actions import agree
from cloud.actions.act_on_order import act_on_order
from cloud.actions.agree import Wish
from cloud.actions.assess import assess_bin
from cloud.core.agreements import Side
from cloud.core.clauses import CLAUSES, values_of
from cloud.core.links import read_link
from cloud.core.notices import Notice, Told
from cloud.core.nouns import read
from cloud.core.order_machine import Accept, Approve, Change, End, Other
from cloud.core.order_states import Verb
from cloud.postgres import asking, notices, users

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LEASE = timedelta(minutes=2)
SECRET = bytes(range(32))


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


# ------------------------------------------------------------------ what operations have to decide

ADA, BOB, EVE, FERRO = "ada@plant.test", "bob@plant.test", "eve@plant.test", "max@ferro.example"
DAY = timedelta(days=1)
WEB = "https://binline.example"


@pytest.fixture
def people(shelf: Any) -> Any:
    """Two who decide, one who wants no mail, one who left, and one of the supplier's."""
    shelf.admin.execute("DELETE FROM supplier_channels")
    for email in (ADA, BOB, EVE, "left@plant.test"):
        users.add(shelf.admin, email=email, password_hash="x", role="operations")
    users.add(
        shelf.admin,
        email=FERRO,
        password_hash="x",
        role="supplier",
        supplier_id=shelf.supplier_id,
    )
    shelf.admin.execute("UPDATE users SET active = false WHERE email LIKE 'left@%'")
    eve = users.find(shelf.admin, EVE)
    assert eve is not None
    users.choose_mails(shelf.admin, eve.user_id, decisions=False)
    return shelf


def _agree(shelf: Any, database: Any, **clauses: object) -> int:
    (bin_,) = shelf.rows("bins")
    with database.connect("binline_portal") as conn, conn.transaction():
        asking.as_operations(conn, ADA)
        return agree.make(
            conn, site_id=bin_["site_id"], supplier_id=shelf.supplier_id, author=ADA, now=NOON,
            wish=Wish(
                read=read(CLAUSES, {"valid_from": "2026-01-01", **clauses}), because="Contract"
            ),
        )  # fmt: skip


def _mails(shelf: Any, conn: psycopg.Connection) -> list[Notice]:
    ids = [row["notice_id"] for row in shelf.rows("notices") if row["user_id"]]
    loaded = [notices.load(conn, notice_id, WEB, SECRET) for notice_id in ids]
    return sorted(loaded, key=lambda notice: (notice.told_at, notice.address))


def _drafted(shelf: Any, database: Any, conn: psycopg.Connection) -> UUID:
    _agree(shelf, database, mode="approve", draft_hours=24, escalate_after_hours=4)
    shelf.weigh(412, NOON)
    assess_bin(conn, shelf.bin_id, NOON)
    return UUID(str(shelf.order_id()))


def test_a_draft_is_told_once_to_each_who_decides_and_wants_to_know(
    people: Any, database: Any, conn: psycopg.Connection
) -> None:
    order_id = _drafted(people, database, conn)
    mails = _mails(people, conn)
    assert [(mail.address, mail.told) for mail in mails] == [
        (ADA, Told.DRAFT_WAITS),
        (BOB, Told.DRAFT_WAITS),
    ]
    first = mails[0]
    assert (first.channel, first.order_id, first.settled) == ("email", order_id, False)
    assert first.link == "https://binline.example/orders/RO-1001"
    assert (first.first.quantity, first.told_at) == (1_500, NOON)
    people.weigh(400, NOON)
    assess_bin(conn, people.bin_id, NOON)
    assert len(_mails(people, conn)) == 2


def test_a_draft_that_expired_and_came_back_is_not_told_again_each_day(
    people: Any, database: Any, conn: psycopg.Connection
) -> None:
    order_id = _drafted(people, database, conn)
    end = End(verb=Verb.EXPIRE, by="binline", because="too late")
    act_on_order(conn, order_id, end, NOON + DAY, actor="binline")
    people.weigh(400, NOON + DAY)
    assess_bin(conn, people.bin_id, NOON + DAY)
    assert [row["state"] for row in people.rows("orders ORDER BY number --")] == [
        "expired",
        "draft",
    ]
    assert len(_mails(people, conn)) == 2


def test_an_order_that_leaves_by_itself_asks_nobody(
    people: Any, database: Any, conn: psycopg.Connection
) -> None:
    people.weigh(412, NOON)
    assess_bin(conn, people.bin_id, NOON)
    assert people.the_order()["state"] == "sent"
    assert people.rows("notices") == []


def test_what_was_decided_meanwhile_is_told_no_more(
    people: Any, database: Any, conn: psycopg.Connection
) -> None:
    order_id = _drafted(people, database, conn)
    act_on_order(conn, order_id, Approve(by=ADA), NOON, actor=ADA)
    assert {mail.settled for mail in _mails(people, conn)} == {True}
    assert all(mail.is_late for mail in _mails(people, conn))


def test_a_change_the_supplier_would_make_is_told_with_what_it_proposes(
    people: Any, database: Any, conn: psycopg.Connection
) -> None:
    people.weigh(412, NOON)
    assess_bin(conn, people.bin_id, NOON)
    order_id = UUID(str(people.order_id()))
    other = Other(line=1, pieces=500, at=NOON + DAY)
    change = Change(change_id="c1", by=FERRO, lines=(other,), because="no more on stock")
    with database.connect("binline_portal") as portal, portal.transaction():
        asking.as_supplier(portal, people.supplier_id, FERRO)
        act_on_order(portal, order_id, change, NOON, actor=FERRO)
        assert portal.execute("SELECT 1 FROM notices WHERE user_id > 0").fetchall() == []
    mails = _mails(people, conn)
    assert [(mail.address, mail.told) for mail in mails] == [
        (ADA, Told.CHANGE_WAITS),
        (BOB, Told.CHANGE_WAITS),
    ]
    assert (mails[0].first.proposed, mails[0].first.proposed_at) == (500, NOON + DAY)
    assert (mails[0].because, mails[0].settled) == ("no more on stock", False)
    with database.connect("binline_portal") as portal, portal.transaction():
        asking.as_supplier(portal, people.supplier_id, FERRO)
        assert portal.execute("SELECT 1 FROM notices WHERE user_id > 0").fetchall() == []
    act_on_order(conn, order_id, Accept(change_id="c1", by=ADA), NOON, actor=ADA)
    assert {mail.settled for mail in _mails(people, conn)} == {True}


def test_a_proposal_of_the_suppliers_is_told_and_one_of_ours_is_not(
    people: Any, database: Any, conn: psycopg.Connection
) -> None:
    agreement = _agree(people, database, mode="auto")
    with database.connect("binline_portal") as portal:
        for side, author in ((Side.CUSTOMER, ADA), (Side.SUPPLIER, FERRO)):
            with portal.transaction():
                if side is Side.CUSTOMER:
                    asking.as_operations(portal, author)
                else:
                    asking.as_supplier(portal, people.supplier_id, author)
                held = agree.find(portal, agreement).agreement.now
                given = read(CLAUSES, {"valid_until": "2027-12-31"}, values_of(held.clauses))
                agree.propose(
                    portal, agreement, base=1, number=None, side=side, author=author, now=NOON,
                    wish=Wish(read=given, because=f"{side} asks"),
                )  # fmt: skip
    mails = _mails(people, conn)
    assert [(mail.address, mail.told) for mail in mails] == [
        (ADA, Told.PROPOSAL_WAITS),
        (BOB, Told.PROPOSAL_WAITS),
    ]
    assert (mails[0].because, mails[0].lines) == ("supplier asks", ())
    assert mails[0].link == f"https://binline.example/agreements/{agreement}"
    assert mails[0].site == "Hartmann Rail 1"


def test_a_user_s_mails_are_sent_one_after_the_other(
    people: Any, database: Any, conn: psycopg.Connection
) -> None:
    _drafted(people, database, conn)
    taken = [notices.load(conn, claim(conn), WEB, SECRET) for _ in range(2)]  # type: ignore[arg-type]
    lanes = [notice.channel_id for notice in taken]
    assert len(set(lanes)) == 2
    assert claim(conn, NOON + LEASE, busy=tuple(lanes)) is None
    assert claim(conn, NOON + LEASE, busy=(lanes[0],)) == taken[1].notice_id
