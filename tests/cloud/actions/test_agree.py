"""Agreements written down, changed by proposals of either side, and taken to the bins."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from cloud.actions import agree
from cloud.actions.agree import Wish
from cloud.core import refusals
from cloud.core.agreements import Proposal, Side, Waits
from cloud.core.clauses import CLAUSES, values_of
from cloud.core.nouns import read
from cloud.postgres import asking
from tests.cloud.http.world import FERRO, OPERATIONS, World

NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
LOW = "LND-R04-B2"  # of Ferro AG at Lindau Pumps, as these
FERROS = {LOW: (500, 2_000), "LND-R03-C6": (900, 4_000), "LND-R02-C7": (250, 1_000)}


@pytest.fixture
def conn(database: Any) -> Iterator[psycopg.Connection]:
    World(database).settle().a_morning()
    with database.connect("binline_portal") as conn:
        asking.as_operations(conn, OPERATIONS)
        yield conn


def wish(because: str = "contract 4711", limits: Any = None, **clauses: object) -> Wish:
    given = {"valid_from": "2026-01-01", "band_limits_percent": 10, **clauses}
    return Wish(read=read(CLAUSES, given), because=because, limits=limits or {})


def made(conn: psycopg.Connection, one: Wish | None = None) -> int:
    return agree.make(
        conn, site_id=1, supplier_id=1, wish=one or wish(), author=OPERATIONS, now=NOW
    )


def proposed(
    conn: psycopg.Connection,
    agreement_id: int,
    *,
    side: Side = Side.SUPPLIER,
    number: int | None = None,
    limits: Any = None,
    because: str = "usage has doubled",
    **clauses: object,
) -> Proposal:
    now = agree.find(conn, agreement_id).agreement.now
    given = read(CLAUSES, clauses, values_of(now.clauses))
    return agree.propose(
        conn, agreement_id, base=now.number, number=number,
        wish=Wish(read=given, because=because, limits=limits or {}),
        side=side, author=FERRO if side is Side.SUPPLIER else OPERATIONS, now=NOW,
    )  # fmt: skip


def as_ferro(conn: psycopg.Connection) -> None:
    asking.as_supplier(conn, 1, FERRO)


def limits_of(conn: psycopg.Connection, agreement_id: int) -> dict[str, tuple[int, int]]:
    found = agree.find(conn, agreement_id)
    codes = {bin_.bin_id: bin_.code for bin_ in found.bins}
    return {
        codes[limit.bin_id]: (limit.minimum, limit.order_up_to)
        for limit in found.agreement.now.limits
    }


def in_the_bin(conn: psycopg.Connection, code: str = LOW) -> tuple[Any, ...]:
    row = conn.execute("SELECT minimum, order_up_to FROM bins WHERE code = %s", (code,)).fetchone()
    assert row is not None
    return row


def test_without_limits_the_agreement_starts_with_those_of_the_bins(conn) -> None:
    agreement_id = made(conn)
    assert limits_of(conn, agreement_id) == FERROS
    assert in_the_bin(conn) == (500, 2_000)


def test_written_down_twice_is_once_and_another_one_is_refused(conn) -> None:
    agreement_id = made(conn)
    assert made(conn) == agreement_id
    with pytest.raises(refusals.AgreementThereAlready):
        made(conn, wish(mode="auto"))


def test_a_proposal_of_the_supplier_holds_when_operations_accept_it(conn) -> None:
    agreement_id = made(conn)
    as_ferro(conn)
    proposal = proposed(conn, agreement_id, limits={LOW: {"minimum": 800, "order_up_to": 2_000}})
    assert proposal.state is Waits.OPEN
    assert in_the_bin(conn) == (500, 2_000), "nothing is changed by asking"
    with pytest.raises(refusals.OwnProposal):
        agree.answer(conn, agreement_id, 1, accepts=True, side=Side.SUPPLIER, by=FERRO, now=LATER)
    asking.as_operations(conn, OPERATIONS)
    for _ in range(2):
        after = agree.answer(
            conn, agreement_id, 1, accepts=True, side=Side.CUSTOMER, by=OPERATIONS, now=LATER
        )
    assert (after.now.number, after.now.accepted_by) == (2, OPERATIONS)
    assert limits_of(conn, agreement_id) == {**FERROS, LOW: (800, 2_000)}
    assert in_the_bin(conn) == (800, 2_000)
    row = conn.execute("SELECT by, because FROM changes ORDER BY change_id DESC").fetchone()
    assert row == (OPERATIONS, f"Agreement {agreement_id}, version 2: usage has doubled")
    assert after.version(1).limits != after.now.limits, "old orders keep the old version"


def test_a_supplier_who_accepts_changes_the_bin_that_way_and_has_it_looked_at(conn) -> None:
    agreement_id = made(conn)
    conn.commit()
    asking.as_operations(conn, OPERATIONS)
    proposed(
        conn, agreement_id, side=Side.CUSTOMER,
        limits={LOW: {"minimum": 300, "order_up_to": 1_500}}, ownership="consigned",
    )  # fmt: skip
    conn.commit()
    as_ferro(conn)
    agree.answer(conn, agreement_id, 1, accepts=True, side=Side.SUPPLIER, by=FERRO, now=LATER)
    assert in_the_bin(conn) == (300, 1_500)
    conn.commit()
    asking.as_operations(conn, OPERATIONS)
    row = conn.execute("SELECT by FROM changes ORDER BY change_id DESC LIMIT 1").fetchone()
    assert row == (FERRO,)
    due = conn.execute("SELECT code FROM bin_due JOIN bins USING (bin_id)").fetchall()
    assert (LOW,) in due
    owned = conn.execute(
        "SELECT DISTINCT ownership FROM bins WHERE site_id = 1 AND supplier_id = 1"
    ).fetchall()
    assert owned == [("consignment",)]


def test_within_the_band_a_proposal_holds_at_once(conn) -> None:
    agreement_id = made(conn)
    as_ferro(conn)
    proposal = proposed(conn, agreement_id, limits={LOW: {"minimum": 540, "order_up_to": 2_000}})
    assert proposal.state is Waits.ACCEPTED
    assert in_the_bin(conn) == (540, 2_000)


def test_another_version_outdates_what_still_waits(conn) -> None:
    agreement_id = made(conn)
    proposed(conn, agreement_id, grace_hours=3)
    proposed(conn, agreement_id, side=Side.CUSTOMER, answer_hours=3)
    agree.answer(conn, agreement_id, 2, accepts=True, side=Side.SUPPLIER, by=FERRO, now=LATER)
    states = [one.state for one in agree.find(conn, agreement_id).agreement.proposals]
    assert states == [Waits.OUTDATED, Waits.ACCEPTED]
    with pytest.raises(refusals.ProposalOutdated):
        agree.answer(
            conn, agreement_id, 1, accepts=True, side=Side.CUSTOMER, by=OPERATIONS, now=LATER
        )


def test_sent_twice_under_its_number_it_is_one_proposal(conn) -> None:
    agreement_id = made(conn)
    for _ in range(2):
        assert proposed(conn, agreement_id, number=1, grace_hours=3).number == 1
    with pytest.raises(refusals.NumberUsedTwice):
        proposed(conn, agreement_id, number=1, grace_hours=4)
    assert len(agree.find(conn, agreement_id).agreement.proposals) == 1


def test_declined_it_changes_nothing(conn) -> None:
    agreement_id = made(conn)
    proposed(conn, agreement_id, mode="auto")
    after = agree.answer(
        conn, agreement_id, 1, accepts=False, side=Side.CUSTOMER, by=OPERATIONS, now=LATER
    )
    assert (after.now.number, after.proposals[0].state) == (1, Waits.DECLINED)
    assert agree.find(conn, agreement_id).agreement == after


@pytest.mark.parametrize(
    ("limits", "clauses", "fields"),
    [
        ({LOW: {"minimum": 2_000, "order_up_to": 2_000}}, {}, [f"{LOW}.minimum"]),
        ({LOW: {"minimum": 10, "order_up_to": 2_001}}, {}, [f"{LOW}.order_up_to"]),
        ({LOW: {"minimum": "many"}}, {}, [f"{LOW}.minimum", f"{LOW}.order_up_to"]),
        ({"LND-R01-A8": {"minimum": 1, "order_up_to": 2}}, {}, ["LND-R01-A8"]),
        ({}, {"valid_from": "2026-12-01"}, ["valid_from"]),
        ({}, {"mode": "never"}, ["mode"]),
    ],
)
def test_what_does_not_fit_is_told_by_field(conn, limits, clauses, fields) -> None:
    agreement_id = made(conn)
    with pytest.raises(refusals.NotAsAllowed) as refused:
        proposed(conn, agreement_id, limits=limits, **clauses)
    assert [mistake.field for mistake in refused.value.mistakes] == fields


def test_a_bin_may_be_left_out_of_the_agreement(conn) -> None:
    agreement_id = made(conn)
    proposed(conn, agreement_id, side=Side.CUSTOMER, limits={LOW: None})
    agree.answer(conn, agreement_id, 1, accepts=True, side=Side.SUPPLIER, by=FERRO, now=LATER)
    assert LOW not in limits_of(conn, agreement_id)
    assert in_the_bin(conn) == (500, 2_000), "it keeps what it has"


def test_a_limit_that_fits_its_bin_no_more_is_not_accepted(conn) -> None:
    agreement_id = made(conn)
    proposed(conn, agreement_id, limits={LOW: {"minimum": 800, "order_up_to": 1_900}})
    conn.execute("UPDATE bins SET order_up_to = 600, capacity = 1_800 WHERE code = %s", (LOW,))
    with pytest.raises(refusals.LimitsDoNotFit):
        agree.answer(
            conn, agreement_id, 1, accepts=True, side=Side.CUSTOMER, by=OPERATIONS, now=LATER
        )


def test_what_another_supplier_has_agreed_on_is_not_there(conn) -> None:
    agreement_id = made(conn)
    conn.commit()
    asking.as_supplier(conn, 2, "orders@norrby.test")
    with pytest.raises(refusals.NounUnknown):
        agree.find(conn, agreement_id)
    with pytest.raises(refusals.NounUnknown):
        proposed(conn, agreement_id, grace_hours=3)
    with pytest.raises(refusals.NounUnknown):
        agree.answer(conn, agreement_id, 1, accepts=True, side=Side.SUPPLIER, by="x", now=LATER)


def test_each_side_is_asked_what_the_other_proposes(conn) -> None:
    agreement_id = made(conn)
    proposed(conn, agreement_id, grace_hours=3)
    proposed(conn, agreement_id, side=Side.CUSTOMER, answer_hours=3)
    agreement = agree.find(conn, agreement_id).agreement
    assert [one.number for one in agree.waits_for(agreement, Side.CUSTOMER)] == [1]
    assert [one.number for one in agree.waits_for(agreement, Side.SUPPLIER)] == [2]
