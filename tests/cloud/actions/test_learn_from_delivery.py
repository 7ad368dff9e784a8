"""A delivery of known quantity says what a piece weighs: used at once, or by consent."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from cloud.actions.learn_from_delivery import (
    answer_finding,
    is_overtaken,
    learn_from_orders,
    predicted,
    tell_delivery,
)
from cloud.core.refusals import (
    DeliveryFarOff,
    DeliveryUnknown,
    DeliveryUsed,
    FindingAnswered,
    FindingOvertaken,
    FindingUnknown,
    NotAsAllowed,
)
from cloud.postgres import asking, findings, wall
from tests.cloud import ingest_cases as cases
from tests.cloud.follow_cases import (
    MORNING,
    NOW,
    Come,
    batches,
    follow,
    told,
)

BY = "ops@plant.test"


@dataclass
class Filled:
    """A bin that was followed through a morning: 480, used down to 390, and filled by 1,500."""

    jobs: psycopg.Connection
    portal: psycopg.Connection
    bin_id: int
    code: str

    def refill(self) -> int:
        row = self.jobs.execute(
            "SELECT movement_id FROM movements WHERE kind = 'refill' AND replaced_at IS NULL"
        ).fetchone()
        assert row is not None
        return int(row[0])

    def unit_ug(self) -> int:
        row = self.jobs.execute("SELECT unit_weight_ug FROM items").fetchone()
        assert row is not None
        return int(row[0])

    def tell(self, pieces: int, movement_id: int | None = None) -> findings.FindingRow:
        with self.portal.transaction():
            asking.as_operations(self.portal, BY)
            return tell_delivery(
                self.portal, self.code, movement_id or self.refill(), pieces, "whole packs", BY, NOW
            )

    def answer(self, finding_id: int, because: str = "weighed by hand", **accept: bool) -> object:
        with self.portal.transaction():
            asking.as_operations(self.portal, BY)
            return answer_finding(
                self.portal, self.code, finding_id, accept["accept"], because, BY, NOW
            )


@pytest.fixture
def filled(database: Any, come: Come, jobs: psycopg.Connection, bin_id: int) -> Iterator[Filled]:
    come(batches(MORNING, 8))
    follow(jobs)
    row = jobs.execute("SELECT code FROM bins").fetchone()
    assert row is not None
    with database.admin() as admin:
        admin.execute("UPDATE bins SET capacity = 4000")
        admin.execute("UPDATE items SET unit_sd_ug = 42000, unit_error_ug = 8400")
    follow(jobs)
    with database.connect("binline_portal") as portal:
        portal.autocommit = True
        yield Filled(jobs, portal, bin_id, row[0])


def test_within_half_a_percent_it_is_used_at_once_and_history_is_told_anew(filled: Filled) -> None:
    before = told(filled.jobs, filled.bin_id)
    found = filled.tell(1_497)
    assert found.state == "applied"
    assert found.says.endswith("within half a percent.")
    assert filled.unit_ug() == found.unit_weight_ug
    assert 4_200_000 < found.unit_weight_ug < 4_208_500
    follow(filled.jobs)
    after = told(filled.jobs, filled.bin_id)
    assert [(kind, at) for kind, _, _, at, *_ in after] == [
        (kind, at) for kind, _, _, at, *_ in before
    ]
    change = filled.jobs.execute(
        "SELECT because, by FROM item_calibrations ORDER BY item_calibration_id DESC LIMIT 1"
    ).fetchone()
    said = "learnt from a delivery of 1,497 pieces, within half a percent: whole packs"
    assert change == (said, BY)
    with pytest.raises(DeliveryUsed):
        filled.tell(1_498)


def test_beyond_that_it_waits_and_says_what_it_would_come_to(filled: Filled) -> None:
    found = filled.tell(1_460)
    assert found.state == "waiting"
    assert filled.unit_ug() == 4_200_000, "nobody has consented yet"
    (told_of,) = predicted(filled.jobs, found)
    filled.answer(found.finding_id, accept=True)
    assert filled.unit_ug() == found.unit_weight_ug
    assert follow(filled.jobs) == 0, "a restatement is no movement"
    moved = told(filled.jobs, filled.bin_id)
    assert ("refill", 1_460) in [(kind, pieces) for kind, pieces, *_ in moved]
    assert (len(moved), moved[-1][2]) == (told_of.movements, told_of.becomes)
    assert told_of.pieces == 1_890
    with pytest.raises(FindingAnswered):
        filled.answer(found.finding_id, accept=False)
    with pytest.raises(DeliveryUsed):
        filled.tell(1_460)


def test_what_is_declined_changes_nothing_and_may_be_told_again(filled: Filled) -> None:
    found = filled.tell(1_460)
    with pytest.raises(NotAsAllowed):
        filled.answer(found.finding_id, because=" ", accept=True)
    filled.answer(found.finding_id, accept=False)
    assert filled.unit_ug() == 4_200_000
    assert filled.tell(1_470).state == "waiting"


def test_a_later_word_on_the_item_overtakes_what_waits(filled: Filled) -> None:
    first, second = filled.tell(1_460), filled.tell(1_470)
    with pytest.raises(FindingAnswered):
        filled.answer(first.finding_id, accept=True)
    with filled.portal.transaction():
        asking.as_operations(filled.portal, BY)
        filled.portal.execute("UPDATE items SET unit_weight_ug = 4_250_000")
        row = wall.one_bin(filled.portal, filled.code)
    assert row is not None
    assert is_overtaken(second, row)
    with pytest.raises(FindingOvertaken):
        filled.answer(second.finding_id, accept=True)
    filled.answer(second.finding_id, accept=False)


def test_what_cannot_be_is_refused(filled: Filled) -> None:
    with pytest.raises(DeliveryFarOff) as refused:
        filled.tell(750)
    assert refused.value.weighed == 1_500
    with pytest.raises(NotAsAllowed):
        filled.tell(0)
    with pytest.raises(FindingUnknown):
        filled.answer(999, accept=True)
    with pytest.raises(DeliveryUnknown):
        filled.tell(10, movement_id=999_999)


def order(admin: psycopg.Connection, bin_id: int, quantity: int, placed: datetime) -> None:
    """An order of that time, closed by the refill at the end of the morning."""
    admin.execute(
        "WITH o AS (INSERT INTO orders (supplier_id, site_id, state, because, drafted_at, sent_at,"
        " received_at, ended_at) SELECT supplier_id, site_id, 'closed', '', %(placed)s, %(placed)s,"
        " %(closed)s, %(closed)s FROM bins WHERE bin_id = %(bin)s RETURNING order_id)"
        " INSERT INTO order_lines (order_id, number, bin_id, item_id, cycle, ordinal, asked,"
        " quantity, received, because, evidence)"
        " SELECT order_id, 1, bin_id, item_id, 1, 1 + (SELECT count(*) FROM order_lines),"
        " %(quantity)s, %(quantity)s, 1500, '', '{}' FROM o, bins WHERE bin_id = %(bin)s",
        {
            "bin": bin_id,
            "quantity": quantity,
            "placed": placed,
            "closed": cases.NOW + timedelta(minutes=40),
        },
    )


@pytest.mark.parametrize(
    ("quantities", "states"),
    [([1_500], ["applied"]), ([1_400], []), ([1_500, 1_500], [])],
)
def test_an_order_tells_only_where_nothing_else_can_be_meant(
    database: Any, filled: Filled, quantities: list[int], states: list[str]
) -> None:
    with database.admin() as admin:
        for quantity in quantities:
            order(admin, filled.bin_id, quantity, cases.NOW)
    assert learn_from_orders(filled.jobs, NOW) == len(states)
    assert learn_from_orders(filled.jobs, NOW) == 0, "each delivery is looked at once"
    rows = findings.listed(filled.jobs, filled.bin_id, 5)
    assert [row.state for row in rows] == states
    assert [row.told_by for row in rows] == ["binline"] * len(states)
    if states:
        by = filled.jobs.execute(
            "SELECT by FROM item_calibrations ORDER BY item_calibration_id DESC LIMIT 1"
        ).fetchone()
        assert by == ("binline",)


def test_while_an_order_is_only_just_closed_more_may_come(database: Any, filled: Filled) -> None:
    with database.admin() as admin:
        order(admin, filled.bin_id, 1_500, cases.NOW)
    assert learn_from_orders(filled.jobs, cases.NOW + timedelta(minutes=50)) == 0


def test_what_was_shipped_is_believed_before_what_was_ordered(
    database: Any, filled: Filled
) -> None:
    """The scale counts 1,500, and 1,460 were sent: another weight, or a mistake of theirs."""
    with database.admin() as admin:
        order(admin, filled.bin_id, 1_500, cases.NOW)
        admin.execute("UPDATE order_lines SET shipped = 1460")
    assert learn_from_orders(filled.jobs, NOW) == 1
    (found,) = findings.listed(filled.jobs, filled.bin_id, 5)
    assert (found.state, found.pieces, filled.unit_ug()) == ("waiting", 1_460, 4_200_000)
