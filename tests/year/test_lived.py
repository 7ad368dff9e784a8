"""Two months of twenty bins through a real database; and that whatever breaks a rule is found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.year.judge import RULES, judge
from tests.year.lived import Year
from tests.year.practice import practise

if TYPE_CHECKING:
    from tests.conftest import Database

BINS, DAYS = 20, 60
_AGAIN = """
UPDATE order_lines l SET cycle = f.cycle, ordinal = 9
  FROM order_lines f JOIN orders o USING (order_id)
 WHERE l.bin_id = f.bin_id AND l.cycle = f.cycle + 1 AND f.bin_id =
       (SELECT bin_id FROM order_lines GROUP BY bin_id HAVING count(*) > 1 ORDER BY 1 LIMIT 1)
   AND f.cycle = 1
"""
_OPEN_AGAIN = """
UPDATE breaches SET closed_at = NULL, closed_pieces = NULL WHERE breach_id =
    (SELECT min(breach_id) FROM breaches b WHERE NOT EXISTS
        (SELECT FROM breaches o WHERE o.bin_id = b.bin_id AND o.closed_at IS NULL))
"""
_END = "UPDATE orders SET state = {}, ended_at = {}"
PLANTED = {
    "two orders of one cycle live at once": (_AGAIN, _END.format("'sent'", "NULL")),
    "ordered again for a need that was given up": (_AGAIN, _END.format("'cancelled'", "now()")),
    "ordered without a breach": ("UPDATE order_lines SET breach_id = NULL",),
    "ordered on a number that cannot be believed": ("UPDATE readings SET quality = 1",),
    "ordered while another part lay in the bin": (
        "INSERT INTO lived.troubles SELECT bin_id, 'foreign', '2000-01-01', '2100-01-01' FROM bins",
    ),
    "movements do not follow each other": (
        ("UPDATE movements SET before_pieces = before_pieces + 1, after_pieces = after_pieces + 1 "
        " WHERE movement_id = (SELECT max(movement_id) FROM movements)"),
    ),
    "movements do not add up to the level": ("UPDATE bin_levels SET pieces = pieces + 1",),
    "the level is not what lies in the bin": ("UPDATE lived.truth SET pieces = pieces + 1",),
    "low, nothing on its way, and nobody is told": (
        _OPEN_AGAIN,
        _END.format("'closed'", "now()"),
        "DELETE FROM lived.cases",
    ),
    "low for weeks, and nobody was ever told": (
        "UPDATE breaches SET opened_at = opened_at - interval '60 days'",
        "DELETE FROM lived.cases",
    ),
    "a breach outlives the refill": (_OPEN_AGAIN, "UPDATE bin_levels SET pieces = 1000000"),
    "a chain of evidence is broken": (
        "UPDATE order_evidence SET body = replace(body, '1', '2') WHERE seq = 2",
    ),
    "an order rests on nothing": ("DELETE FROM order_evidence",),
    "more is booked than the scale has seen": (
        "UPDATE order_receipts SET pieces = pieces + 1000000",
    ),
    "a line says another sum than its receipts": (
        "UPDATE order_lines SET received = received + 1",
    ),
    "an order left, and its supplier was not told": ("DELETE FROM notices",),
    "a scale is called down that is heard": (
        "DELETE FROM lived.troubles",
        ("INSERT INTO lived.cases SELECT ended_at, 'k', 'sensor_down', bin_id"
        " FROM lived.clock, bins"),
    ),
    "a case outlives its cause": (
        "UPDATE breaches SET closed_at = opened_at, closed_pieces = 1",
        ("INSERT INTO lived.cases SELECT ended_at, 'k', 'low_not_covered', bin_id"
        " FROM lived.clock, bins"),
    ),
}  # fmt: skip


@pytest.mark.timeout(900)  # half a minute of a quiet core
def test_two_months_of_mishaps_break_no_rule_and_whatever_does_is_found(
    database: Database,
) -> None:
    admin = database.admin()
    year = Year(
        lambda role: psycopg.connect(database.dsn(role), autocommit=True), admin, BINS, DAYS
    )
    lived = year.run()
    assert [*lived.defects, *judge(admin)] == []
    assert lived.orders > BINS
    assert lived.mishaps["killed"]
    assert lived.mishaps["restart"]
    assert sum(lived.mishaps[what] for what in ("dead", "stuck", "away", "foreign")) > BINS // 4
    assert lived.served / lived.demanded > 0.9
    assert lived.stock_days < practise(BINS, DAYS).stock_days
    for rule, statements in PLANTED.items():
        with admin.transaction():
            for statement in statements:
                admin.execute(statement)  # type: ignore[call-overload]
            found = judge(admin)
            assert any(line.startswith(rule) for line in found), rule
            raise psycopg.Rollback


def test_a_way_to_break_each_rule_is_tried() -> None:
    assert PLANTED.keys() == RULES.keys()
