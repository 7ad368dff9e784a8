"""A bin that is fine, one that is low, and an order on its way: what tests of cases begin with."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from cloud.core.case_list import cases
from cloud.core.cases import BinFacts, Kind, OrderFacts

NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
FINE = BinFacts(bin_id=1, name="A-1", pieces=50, reading="reading 7", maximum=100)
LOW = replace(FINE, pieces=5, breach_since=NOW - HOUR, breach="breach 3", runs_out_at=NOW + DAY)
SENT = OrderFacts(
    order_id="o1",
    label="RO-1",
    outstanding=10,
    sent_at=NOW - DAY,
    answered_at=NOW - DAY,
    answer_due_at=NOW - HOUR,
    promised_at=NOW + HOUR,
    delivery_closes_at=NOW + HOUR,
    overdue_at=NOW + DAY,
)


def kinds(*bins: BinFacts, now: datetime = NOW) -> list[Kind]:
    return [case.kind for case in cases(bins, now).open]
