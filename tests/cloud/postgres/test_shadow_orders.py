"""What would have been ordered, beside what people did."""

from datetime import UTC, datetime, timedelta
from typing import Any

from cloud.core.bins import Bin
from cloud.core.breaches import Breach, Limits
from cloud.core.policies.base import Place
from cloud.postgres import asking, breaches, shadow_orders

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def test_each_need_is_noted_once_and_compared_with_what_was_filled_in(
    shelf: Any, database: Any
) -> None:
    (item,) = shelf.rows("items")
    shelf.admin.execute("INSERT INTO item_prices VALUES (%s, 1000, 'EUR')", (item["item_id"],))
    bin_ = Bin(
        bin_id=shelf.bin_id,
        code="HRT-R02-B4",
        item_id=item["item_id"],
        supplier_id=shelf.supplier_id,
        site_id=1,
        limits=Limits(minimum=500, margin=20, capacity=2_000),
        pack=500,
    )
    with database.connect("binline_jobs") as conn:
        for cycle in (1, 2):
            low = Breach(opened_at=NOON, opened_pieces=9, lowest_pieces=9)
            breach_id = breaches.insert(conn, shelf.bin_id, low)
            place = Place(
                quantity=1_500, packs=3, cycle=cycle, ordinal=1, rush=False, because=f"low {cycle}"
            )
            for first in (True, False):
                news = shadow_orders.insert(
                    conn,
                    bin_,
                    place,
                    breach_id=breach_id,
                    agreement_version=1,
                    due_at=NOON + DAY,
                    now=NOON + cycle * DAY,
                )
                assert news is first
            breaches.close(conn, breach_id, 900, NOON)
    for number, (kind, before, after) in enumerate(
        (("usage", 400, 0), ("refill", 0, 700), ("refill", 700, 1_400), ("put_back", 1_400, 1_410))
    ):
        shelf.admin.execute(
            "INSERT INTO movements (bin_id, item_id, kind, pieces, before_pieces, after_pieces,"
            " event_at, confirmed_at, known_at, after_refs, because)"
            " SELECT bin_id, item_id, %s, %s, %s, %s, %s, %s, %s, '{1,1,1,1}', '' FROM bins",
            (kind, after - before, before, after, *(NOON + number * DAY,) * 3),
        )
    with database.connect("binline_portal") as conn:
        asking.as_operations(conn, "ada")
        (one,) = shadow_orders.compared(conn, NOON - DAY, NOON + 9 * DAY)
        assert shadow_orders.compared(conn, NOON + 8 * DAY, NOON + 9 * DAY) == []
        conn.commit()
        asking.as_supplier(conn, shelf.supplier_id)
        assert shadow_orders.compared(conn, NOON - DAY, NOON + 9 * DAY) == []
    assert (one.shadow_orders, one.shadow_pieces, one.shadow_value_e4) == (2, 3_000, 3_000_000)
    assert (one.refills, one.refilled_pieces, one.refilled_value_e4) == (2, 1_400, 1_400_000)
    assert (one.breaches, one.empty_times, one.currency) == (2, 1, "EUR")
    assert one.last_because == "low 2"
