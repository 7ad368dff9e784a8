"""By its mode the agreement decides what becomes of a need."""

from datetime import timedelta

import pytest

from cloud.actions.assess import Outcome
from tests.cloud.actions.conftest import DAY, NOON, Desk


def test_without_an_agreement_an_order_leaves_by_itself_as_ever(desk: Desk) -> None:
    assert desk.weigh(412).outcome is Outcome.ORDERED
    order = desk.shelf.the_order()
    assert (order["state"], order["agreement_version"], order["calendar_version"]) == ("sent", 0, 0)
    assert desk.told() == [("order_placed", "")]


def test_auto_sends_under_the_version_that_holds(desk: Desk) -> None:
    desk.agree("auto", ownership="consigned")
    assert desk.weigh(412).outcome is Outcome.ORDERED
    order = desk.shelf.the_order()
    assert (order["state"], order["agreement_version"], order["consigned"]) == ("sent", 1, True)


def test_approve_makes_one_draft_and_tells_no_supplier(desk: Desk) -> None:
    desk.agree("approve", draft_hours=24, escalate_after_hours=8)
    assert desk.weigh(412).outcome is Outcome.DRAFTED
    for pieces in (411, 410, 410):
        assert desk.weigh(pieces).outcome is Outcome.UNCHANGED
    order = desk.shelf.the_order()
    assert (order["state"], order["sent_at"]) == ("draft", None)
    assert (order["expires_at"], order["escalates_at"]) == (
        NOON + DAY,
        NOON + timedelta(hours=8),
    )
    assert desk.told() == []
    assert desk.events() == [("drafted", "binline")]
    assert desk.chained() == ["drafted"]


@pytest.mark.parametrize(
    ("price_e4", "state", "because"),
    [
        (1_000, "sent", ""),  # 1,500 pieces at 10 cents: 150 euros
        (1_001, "draft", "Worth more than may go unasked."),
        (None, "draft", "A price is missing."),
    ],
)
def test_above_the_limit_even_auto_asks(
    desk: Desk, price_e4: int | None, state: str, because: str
) -> None:
    desk.agree("auto", value_limit=15_000)
    if price_e4 is not None:
        desk.price(price_e4)
    desk.weigh(412)
    assert desk.state == state
    assert str(desk.shelf.the_order()["because"]).startswith(because)


def test_an_agreement_that_has_ended_asks(desk: Desk) -> None:
    desk.agree("auto", valid_until=NOON.date() - DAY)
    desk.weigh(412)
    order = desk.shelf.the_order()
    assert order["state"] == "draft"
    assert order["because"].startswith("The agreement does not hold today.")


def test_notify_tells_once_for_the_breach_and_orders_nothing(desk: Desk) -> None:
    desk.agree("notify")
    assert desk.weigh(412).outcome is Outcome.TOLD
    for pieces in (411, 300, 300):
        assert desk.weigh(pieces).outcome is Outcome.UNCHANGED
    assert desk.shelf.counts() == (1, 0, 1)
    (notice,) = desk.shelf.rows("notices")
    assert (notice["kind"], notice["order_id"], notice["facts"]["quantity"]) == (
        "bin_low",
        None,
        1_500,
    )
    desk.weigh(1_900)
    assert desk.weigh(400).outcome is Outcome.TOLD  # the next breach is told again
    assert desk.shelf.counts() == (2, 0, 2)


def test_shadow_notes_what_would_have_been_ordered_and_what_it_is_worth(desk: Desk) -> None:
    desk.agree("shadow")
    desk.price(1_000)
    assert desk.weigh(412).outcome is Outcome.NOTED
    assert desk.weigh(400).outcome is Outcome.UNCHANGED
    assert desk.shelf.counts() == (1, 0, 0)
    (row,) = desk.shelf.rows("shadow_orders")
    assert (row["quantity"], row["price_e4"], row["currency"], row["cycle"]) == (
        1_500,
        1_000,
        "EUR",
        1,
    )
    assert row["because"].startswith("412 on hand")


def _gathering(desk: Desk) -> None:
    desk.shelf.admin.execute(
        "INSERT INTO supplier_calendars (supplier_id, zone, cut_off, gathers)"
        " VALUES (%s, 'UTC', '16:00', true)",
        (desk.shelf.supplier_id,),
    )


def _second_bin(desk: Desk) -> Desk:
    """On the same site, of the same supplier, with a scale of its own."""
    from tests.cloud.conftest import Shelf  # noqa: PLC0415 - a kind of the fixture

    one = desk._one
    bin_id = one(
        "INSERT INTO bins (code, site_id, item_id, supplier_id, place, capacity, minimum, margin,"
        " tare_mg, interval_s) SELECT 'HRT-R02-B9', site_id, item_id, supplier_id, 'R02-B9', 2000,"
        " 500, 20, tare_mg, 60 FROM bins WHERE bin_id = %s RETURNING bin_id",
        desk.shelf.bin_id,
    )
    sensor_id = one(
        "INSERT INTO sensors (gateway_id, name, bin_id) SELECT gateway_id, 's02', %s FROM sensors"
        " RETURNING sensor_id",
        bin_id,
    )
    shelf = Shelf(desk.shelf.admin, bin_id, desk.shelf.supplier_id, sensor_id, desk.shelf.stream_no)
    return Desk(shelf, desk.database)


def test_where_orders_gather_they_wait_for_each_other_until_before_the_cut_off(
    desk: Desk,
) -> None:
    _gathering(desk)
    other = _second_bin(desk)
    assert desk.weigh(412).outcome is Outcome.ORDERED
    order = desk.shelf.the_order()
    assert (order["state"], order["leaves_at"]) == (
        "approved",
        NOON + timedelta(hours=3, minutes=45),
    )
    assert desk.told() == []
    assert other.weigh(300).outcome is Outcome.ORDERED
    lines = desk.shelf.rows("order_lines")
    assert [(line["number"], line["bin_id"], line["quantity"]) for line in lines] == [
        (1, desk.shelf.bin_id, 1_500),
        (2, other.shelf.bin_id, 1_500),
    ]
    assert desk.shelf.counts() == (2, 1, 0)
    assert [event for event, _ in desk.events()] == ["approved", "joined"]


def test_what_gathers_past_the_cut_off_of_today_leaves_before_that_of_the_next_day(
    desk: Desk,
) -> None:
    _gathering(desk)
    desk.weigh(412, NOON + timedelta(hours=5))  # a Friday: the next chance is on Monday
    leaves_at = desk.shelf.the_order()["leaves_at"]
    assert leaves_at == NOON + 3 * DAY + timedelta(hours=3, minutes=45)


def test_a_rush_waits_for_nobody(desk: Desk) -> None:
    _gathering(desk)
    desk.shelf.admin.execute("UPDATE supplier_calendars SET lead_days = 5")
    desk.shelf.admin.execute(
        "INSERT INTO movements (bin_id, item_id, kind, pieces, before_pieces, after_pieces,"
        " event_at, confirmed_at, known_at, after_refs, because)"
        " SELECT bin_id, item_id, 'usage', -1500, 1912, 412, %s, %s, %s, '{1,1,1,1}', ''"
        "   FROM bins",
        (NOON - DAY,) * 3,
    )
    desk.weigh(412)
    order = desk.shelf.the_order()
    assert (order["rush"], order["state"]) == (True, "sent")
    assert desk.told() == [("order_placed", "")]
