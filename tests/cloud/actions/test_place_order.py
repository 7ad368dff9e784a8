"""By its mode the agreement decides what becomes of a need."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from cloud.actions.act_on_order import act_on_order
from cloud.actions.assess import Outcome
from cloud.actions.place_order import BESIDE_MAX
from cloud.actions.prove import Verdict, prove
from cloud.core.evidence import recomputed
from cloud.core.order_machine import End
from cloud.core.order_states import Verb
from cloud.postgres import asking
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


def _second_bin(desk: Desk, number: int = 9) -> Desk:
    """On the same site, of the same supplier, with a scale of its own."""
    from tests.cloud.conftest import Shelf  # noqa: PLC0415 - a kind of the fixture

    one = desk._one
    bin_id = one(
        "INSERT INTO bins (code, site_id, item_id, supplier_id, place, capacity, minimum, margin,"
        " tare_mg, interval_s) SELECT 'HRT-R02-B' || %s::int, site_id, item_id, supplier_id,"
        " 'R02-B9', 2000, 500, 20, tare_mg, 60 FROM bins WHERE bin_id = %s RETURNING bin_id",
        number,
        desk.shelf.bin_id,
    )
    sensor_id = one(
        "INSERT INTO sensors (gateway_id, name, bin_id) SELECT gateway_id, 's' || %s::int, %s"
        " FROM sensors WHERE sensor_id = %s RETURNING sensor_id",
        number,
        bin_id,
        desk.shelf.sensor_id,
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
    desk.weigh(1_912, NOON - DAY)
    desk.shelf.admin.execute("UPDATE bin_levels SET usage_per_day = 1500, usage_days = 1")
    desk.weigh(412)
    order = desk.shelf.the_order()
    assert (order["rush"], order["state"]) == (True, "sent")
    assert desk.told() == [("order_placed", "")]


# ------------------------------------------------------------------ who comes along


def _joiner(desk: Desk, pieces: int = 800, number: int = 9, joins_at: int = 900) -> Desk:
    """A bin beside the first one that joins an order at 900; `pieces` lie in it."""
    other = _second_bin(desk, number)
    other.shelf.admin.execute(
        "INSERT INTO bin_policies (bin_id, policy, parameters)"
        " VALUES (%s, 'can_order', jsonb_build_object('can_order', %s::int))",
        (other.shelf.bin_id, joins_at),
    )
    other.shelf.weigh(pieces, NOON)
    return other


def _lines(desk: Desk) -> list[tuple[int, int, int, bool]]:
    """Number, bin, pieces, and whether it was low."""
    rows = desk.shelf.admin.execute(
        "SELECT l.number, l.bin_id, l.quantity, l.breach_id IS NOT NULL FROM order_lines l"
        "  JOIN orders o USING (order_id) ORDER BY o.number, l.number"
    ).fetchall()
    return [(number, bin_id, pieces, low) for number, bin_id, pieces, low in rows]


@pytest.mark.parametrize("mode", ["auto", "approve"])
def test_who_is_nearly_low_comes_along_with_its_own_decision_and_proof(
    desk: Desk, mode: str
) -> None:
    desk.agree(mode)
    other = _joiner(desk)
    desk.weigh(412)
    assert _lines(desk) == [
        (1, desk.shelf.bin_id, 1_500, True),
        (2, other.shelf.bin_id, 1_000, False),
    ]
    kept = {row["bin_id"]: row for row in desk.shelf.rows("decisions")}
    joined = kept[other.shelf.bin_id]
    assert (joined["outcome"], joined["quantity"], joined["breach_id"]) == ("place", 1_000, None)
    assert joined["order_id"] == kept[desk.shelf.bin_id]["order_id"] == desk.order_id
    assert "joins at 900" in joined["because"]
    inputs = json.loads(joined["inputs"])
    assert recomputed(inputs) == inputs["decision"]
    with desk.database.connect("binline_portal") as conn:
        asking.as_operations(conn, "ada@plant.example")
        proof = prove(conn, desk.shelf.the_order()["number"])
    assert proof is not None
    assert proof.verdict is Verdict.FITS, proof.because
    line = desk.shelf.rows("order_lines")[1]
    assert line["evidence"]["level"]["pieces"] == 800


def test_who_came_along_has_its_order_when_it_is_low_in_the_end(desk: Desk) -> None:
    other = _joiner(desk)
    desk.weigh(412)
    assert other.weigh(700).outcome is Outcome.UNCHANGED
    assert other.weigh(450).outcome is Outcome.UNCHANGED
    assert desk.shelf.counts() == (2, 1, 1)


def test_what_came_along_and_was_cancelled_is_ordered_once_it_is_low(desk: Desk) -> None:
    other = _joiner(desk)
    desk.weigh(412)
    end = End(verb=Verb.CANCEL, by="ada", because="too much")
    desk.customer(act_on_order, desk.order_id, end, NOON, actor="ada")
    assert other.weigh(700).outcome is Outcome.UNCHANGED
    assert other.weigh(450).outcome is Outcome.ORDERED
    assert desk.weigh(412).outcome is Outcome.UNCHANGED  # of it a person has said no


@pytest.mark.parametrize(
    "unlike",
    [
        "UPDATE bins SET ownership = 'consignment' WHERE bin_id = %s",
        "UPDATE bins SET active = false WHERE bin_id = %s",
        "UPDATE bin_policies SET policy = 'min_max', parameters = '{}' WHERE bin_id = %s",
        "UPDATE bin_policies SET parameters = '{\"can_order\": 799}' WHERE bin_id = %s",
        'UPDATE bin_policies SET parameters = \'{"can_order": "soon"}\' WHERE bin_id = %s',
        "UPDATE bin_state SET heard_at = heard_at - interval '1 day' WHERE bin_id = %s",
        "UPDATE bin_levels SET followed_at = followed_at - interval '1 s' WHERE bin_id = %s",
        "UPDATE bin_levels SET pieces = 500 WHERE bin_id = %s",
        "INSERT INTO bin_watches (bin_id, low_since, low_levels) VALUES (%s, now(), 1)",
        (
            "WITH s AS (INSERT INTO suppliers (name) VALUES ('Other') RETURNING supplier_id)"
            " UPDATE bins SET supplier_id = s.supplier_id FROM s WHERE bin_id = %s"
        ),
        (
            "WITH s AS (INSERT INTO sites (name, place, time_zone) VALUES ('Other', 'B', 'UTC')"
            " RETURNING site_id) UPDATE bins SET site_id = s.site_id FROM s WHERE bin_id = %s"
        ),
    ],
)
def test_who_is_of_elsewhere_or_low_or_not_trusted_does_not_come_along(
    desk: Desk, unlike: str
) -> None:
    other = _joiner(desk)
    desk.shelf.admin.execute(unlike, (other.shelf.bin_id,))
    assert desk.weigh(412).outcome is Outcome.ORDERED
    assert _lines(desk) == [(1, desk.shelf.bin_id, 1_500, True)]


def test_who_is_in_another_hand_is_passed_over_and_not_waited_for(desk: Desk) -> None:
    held, free = _joiner(desk, number=8), _joiner(desk, number=9)
    with desk.database.connect("binline_jobs") as conn, conn.transaction():
        conn.execute(
            "SELECT FROM bin_state WHERE bin_id = %s FOR NO KEY UPDATE", (held.shelf.bin_id,)
        )
        assert desk.weigh(412).outcome is Outcome.ORDERED
    assert [bin_id for _, bin_id, _, _ in _lines(desk)] == [desk.shelf.bin_id, free.shelf.bin_id]


def test_those_nearest_to_their_level_are_asked_first_and_not_all(desk: Desk) -> None:
    numbers = range(10, 12 + BESIDE_MAX)
    bins = [_joiner(desk, 600 + number, number).shelf.bin_id for number in numbers]
    desk.weigh(412)
    joined = [bin_id for _, bin_id, _, _ in _lines(desk)][1:]
    assert joined == bins[:BESIDE_MAX]


@pytest.mark.parametrize(("limit", "lines"), [(25_000, 2), (24_999, 1)])
def test_who_would_lift_an_order_above_the_limit_stays_behind(
    desk: Desk, limit: int, lines: int
) -> None:
    desk.agree("auto", value_limit=limit)
    desk.price(1_000)  # 1,500 pieces are 150 euros, and 1,000 more 100
    _joiner(desk)
    desk.weigh(412)
    assert (desk.state, len(_lines(desk))) == ("sent", lines)


def test_where_orders_gather_who_is_nearly_low_comes_along_once(desk: Desk) -> None:
    _gathering(desk)
    first, third = _joiner(desk, number=7), _second_bin(desk, 8)
    desk.weigh(412)
    second = _joiner(desk, number=9)
    assert third.weigh(300).outcome is Outcome.ORDERED
    assert _lines(desk) == [
        (1, desk.shelf.bin_id, 1_500, True),
        (2, first.shelf.bin_id, 1_000, False),
        (3, third.shelf.bin_id, 1_500, True),
        (4, second.shelf.bin_id, 1_000, False),
    ]
    assert [event for event, _ in desk.events()] == ["approved", "joined", "joined"]
    with desk.database.connect("binline_portal") as conn:
        asking.as_operations(conn, "ada@plant.example")
        proof = prove(conn, desk.shelf.the_order()["number"])
    assert proof is not None
    assert proof.verdict is Verdict.FITS, proof.because


def test_an_order_that_waits_takes_in_no_more_than_may_go_unasked(desk: Desk) -> None:
    desk.agree("auto", value_limit=29_999)
    desk.price(1_000)
    _gathering(desk)
    desk.weigh(412)
    assert _second_bin(desk).weigh(300).outcome is Outcome.ORDERED  # 300 euros in one order
    orders = desk.shelf.rows("orders")
    assert [order["state"] for order in orders] == ["approved", "approved"]
    assert [number for number, _, _, _ in _lines(desk)] == [1, 1]


def test_two_who_order_at_once_share_those_who_come_along_and_wait_for_nobody(desk: Desk) -> None:
    begin = [desk, *(_second_bin(desk, number) for number in (2, 3))]
    joiners = [_joiner(desk, 800, number).shelf.bin_id for number in range(10, 18)]
    for one in begin:
        one.shelf.weigh(412, NOON)
    with ThreadPoolExecutor(len(begin)) as threads:
        outcomes = list(threads.map(lambda one: one.assess().outcome, begin))
    assert outcomes == [Outcome.ORDERED] * len(begin)
    joined = [bin_id for _, bin_id, _, low in _lines(desk) if not low]
    assert len(joined) == len(set(joined))
    assert set(joined) <= set(joiners)
    assert joined


def test_who_came_along_and_was_filled_may_come_along_again(desk: Desk) -> None:
    other = _joiner(desk)
    desk.weigh(412)
    for one in (desk, other):
        one.weigh(1_900, NOON + DAY)
    assert desk.state == "closed"
    other.weigh(850, NOON + 2 * DAY)
    desk.weigh(412, NOON + 2 * DAY)
    assert [(number, low) for number, _, _, low in _lines(desk)] == [
        (1, True), (2, False), (1, True), (2, False),
    ]  # fmt: skip
