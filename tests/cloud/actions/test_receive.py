"""The scale takes in: nothing twice, parts as parts, and whole when it is whole."""

from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud.actions.answer_order import confirm, ship
from cloud.actions.assess import Outcome
from cloud.actions.steer_order import close
from cloud.core.order_machine import Count, Promise, Ship
from tests.cloud.actions.conftest import ADA, DAY, FERRO, NOON, Desk

MINUTE = timedelta(minutes=1)


def _received(desk: Desk) -> list[int]:
    return [line["received"] for line in desk.shelf.rows("order_lines")]


def test_a_part_delivery_is_booked_and_the_order_waits_for_the_rest(ordered: Desk) -> None:
    ordered.weigh(912, NOON + MINUTE)
    assert (ordered.state, _received(ordered)) == ("part_delivered", [500])
    assert ordered.shelf.the_order()["received_at"] == NOON + MINUTE
    for minute in range(2, 5):  # looked at again and again: nothing more came
        ordered.assess(NOON + MINUTE)
        ordered.weigh(912, NOON + minute * MINUTE)
    assert _received(ordered) == [500]
    assert ordered.weigh(1_912, NOON + 5 * MINUTE).outcome is Outcome.UNCHANGED
    assert (ordered.state, _received(ordered)) == ("closed", [1_500])
    assert [event for event, _ in ordered.events()] == ["sent", "received", "received", "closed"]
    assert ordered.chained() == ["sent", "received", "received", "closed"]


def test_what_was_shipped_and_what_came_are_the_same_pieces(ordered: Desk) -> None:
    shipment = Ship(shipment_id="LS-1", counts=(Count(line=1, pieces=1_500),))
    ordered.supplier(ship, ordered.order_id, shipment, FERRO, NOON)
    ordered.weigh(1_912, NOON + MINUTE)
    line = ordered.shelf.the_line()
    assert (ordered.state, line["shipped"], line["received"]) == ("closed", 1_500, 1_500)
    ordered.weigh(450, NOON + DAY)
    orders = ordered.shelf.rows("orders ORDER BY number --")
    assert [order["state"] for order in orders] == ["closed", "sent"]
    assert '"covering":0' in ordered.shelf.rows("decisions")[-1]["inputs"]


def test_a_little_less_than_asked_for_is_whole_and_more_is_booked_as_it_came(
    ordered: Desk,
) -> None:
    ordered.weigh(412 + 1_470, NOON + MINUTE)
    assert (ordered.state, _received(ordered)) == ("closed", [1_470])
    assert ordered.shelf.the_order()["ended_because"] == "1,470 of 1,500 came"


@pytest.mark.parametrize(
    ("came", "state"), [(1_251, "closed"), (1_250, "part_delivered"), (999, "part_delivered")]
)
def test_packs_come_whole_and_the_nearest_number_of_them_is_what_came(
    ordered: Desk, came: int, state: str
) -> None:
    """Pieces are taken while a bin is filled; a pack of 500 that was forgotten is missed."""
    ordered.weigh(412 + came, NOON + MINUTE)
    assert (ordered.state, _received(ordered)) == (state, [came])


def test_too_much_goes_to_the_last_order(desk: Desk) -> None:
    desk.shelf.admin.execute("UPDATE bins SET order_up_to = 1000")
    desk.weigh(412)
    assert desk.shelf.the_line()["quantity"] == 1_000
    desk.weigh(1_912, NOON + MINUTE)
    assert (desk.state, _received(desk)) == ("closed", [1_500])


def test_a_movement_that_is_told_otherwise_later_is_not_booked_again(ordered: Desk) -> None:
    ordered.weigh(912, NOON + MINUTE)
    ordered.shelf.admin.execute("UPDATE movements SET replaced_at = now()")
    for pieces in (480, 520):  # late readings: a little less came, or a little more
        ordered.shelf.admin.execute("UPDATE movements SET replaced_at = now()")
        ordered.shelf.admin.execute(
            "INSERT INTO movements (bin_id, item_id, kind, pieces, before_pieces, after_pieces,"
            " event_at, confirmed_at, known_at, after_refs, because)"
            " SELECT bin_id, item_id, 'refill', %s, 400, 400 + %s, %s, %s, %s, '{1,1,1,1}', ''"
            "   FROM bins",
            (pieces, pieces, *(NOON + MINUTE,) * 3),
        )
        ordered.assess(NOON + MINUTE)
    assert _received(ordered) == [520]
    pieces = [row["pieces"] for row in ordered.shelf.rows("order_receipts")]
    assert sorted(pieces) == [20, 500]


def test_what_came_before_the_order_left_is_not_what_it_asked_for(ordered: Desk) -> None:
    ordered.shelf.admin.execute(
        "INSERT INTO movements (bin_id, item_id, kind, pieces, before_pieces, after_pieces,"
        " event_at, confirmed_at, known_at, after_refs, because)"
        " SELECT bin_id, item_id, 'refill', 900, 0, 900, %s, %s, %s, '{1,1,1,1}', '' FROM bins",
        (NOON - MINUTE,) * 3,
    )
    ordered.assess()
    assert (ordered.state, _received(ordered)) == ("sent", [0])


def test_goods_go_to_the_order_that_is_due_first(ordered: Desk) -> None:
    """The second one is promised for tomorrow, and the first for next month."""
    first = ordered.order_id
    ordered.supplier(confirm, first, (Promise(line=1, at=NOON + 30 * DAY),), FERRO, NOON)
    ordered.weigh(912, NOON + MINUTE)  # a part, and the breach is over
    ordered.weigh(300, NOON + 2 * MINUTE)
    second = ordered.shelf.rows("orders ORDER BY number DESC --")[0]["order_id"]
    assert second != first
    ordered.shelf.admin.execute(
        "UPDATE order_lines SET promised_at = %s WHERE order_id = %s", (NOON + DAY, second)
    )
    wanted = ordered.shelf.rows(f"order_lines WHERE order_id = '{second}' --")[0]["quantity"]
    ordered.weigh(300 + wanted, NOON + 3 * MINUTE)
    states = {row["order_id"]: row["state"] for row in ordered.shelf.rows("orders")}
    assert states == {first: "part_delivered", second: "closed"}


def test_a_whole_order_that_leaves_the_bin_low_is_followed_by_another(ordered: Desk) -> None:
    """Much was used while it was on its way: the need is met, and there is a new one."""
    ordered.weigh(10, NOON + MINUTE)
    ordered.shelf.admin.execute("UPDATE order_lines SET quantity = 400, asked = 400")
    ordered.weigh(410, NOON + 2 * MINUTE)
    orders = ordered.shelf.rows("orders ORDER BY number --")
    assert [order["state"] for order in orders] == ["closed", "sent"]
    lines = ordered.shelf.rows("order_lines ORDER BY cycle --")
    assert [line["cycle"] for line in lines] == [1, 2]
    assert [row["closed_at"] is None for row in ordered.shelf.rows("breaches")] == [False, True]


def test_a_rest_that_never_comes_is_closed_by_a_person(ordered: Desk) -> None:
    ordered.weigh(912, NOON + MINUTE)
    ordered.customer(close, ordered.order_id, ADA, "the rest is not made any more", NOON + DAY)
    assert (ordered.state, ordered.shelf.the_order()["ended_by"]) == ("closed", ADA)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(parts=st.lists(st.integers(60, 700), min_size=1, max_size=5), looks=st.integers(1, 3))
def test_what_is_booked_is_what_came_however_often_it_is_looked_at(
    desk: Desk, parts: list[int], looks: int
) -> None:
    desk.shelf.begin_anew()
    desk.weigh(5)
    level, came = 5, 0
    for minute, part in enumerate(parts, start=1):
        if desk.shelf.rows("orders WHERE ended_at IS NULL --") == []:
            break
        level, came = level + part, came + part
        desk.shelf.weigh(level, NOON + minute * MINUTE)
        for _ in range(looks):
            desk.assess(NOON + minute * MINUTE)
    assert sum(_received(desk)) == came
    assert sum(row["pieces"] for row in desk.shelf.rows("order_receipts")) == came


@pytest.mark.parametrize("trust", [{"quality": 1}, {"condition": "overload"}])
def test_on_a_number_that_is_not_trusted_nothing_is_booked(
    ordered: Desk, trust: dict[str, object]
) -> None:
    ordered.shelf.weigh(1_912, NOON + MINUTE, **trust)
    ordered.assess(NOON + MINUTE)
    assert (ordered.state, _received(ordered)) == ("sent", [0])


def _count(desk: Desk, pieces: int, at: datetime) -> None:
    """What whoever follows books of a count that was made while the scale could not be read."""
    admin, bin_id = desk.shelf.admin, desk.shelf.bin_id
    admin.execute(
        "INSERT INTO counts (bin_id, item_id, kind, pieces, counted_at, entered_at, by, because)"
        " SELECT bin_id, item_id, 'cycle', %s, %s, %s, %s, 'it is silent' FROM bins"
        "  WHERE bin_id = %s",
        (pieces, at, at, ADA, bin_id),
    )
    admin.execute(
        "INSERT INTO movements (bin_id, item_id, kind, pieces, before_pieces, after_pieces,"
        " event_at, confirmed_at, known_at, before_refs, after_refs, because)"
        " SELECT b.bin_id, b.item_id, 'refill', %s - l.pieces, l.pieces, %s, %s, %s, %s,"
        " '{1,1,1,1}', '{1,1,1,1}', '' FROM bins b JOIN bin_levels l USING (bin_id)"
        "  WHERE b.bin_id = %s",
        (pieces, pieces, at, at, at, bin_id),
    )
    admin.execute("UPDATE bin_levels SET pieces = %s, exact = false", (pieces,))


def test_what_came_unseen_and_was_counted_closes_the_order_before_the_scale_is_back(
    ordered: Desk,
) -> None:
    later = NOON + 2 * DAY
    assert ordered.assess(later).outcome is Outcome.NOT_TRUSTED
    _count(ordered, 1_912, later)
    assert ordered.assess(later).outcome is Outcome.NOT_TRUSTED, "nothing is concluded of its level"
    order = ordered.shelf.the_order()
    assert (order["state"], order["ended_by"]) == ("closed", ADA)
    assert order["ended_because"] == "1,500 of 1,500 came, as counted"
    assert ordered.events()[1:] == [("received", ADA), ("closed", ADA)]
    (received,) = [row for row in ordered.shelf.rows("order_events") if row["event"] == "received"]
    assert received["detail"] == (
        f"refill counted by {ADA}, not weighed: 1,500 came, 1,912 in the bin"
    )
    assert [row["closed_at"] for row in ordered.shelf.rows("breaches")] == [later]
    ordered.weigh(1_900, later + DAY)
    ordered.weigh(400, later + 2 * DAY)
    orders = ordered.shelf.rows("orders ORDER BY number --")
    assert [one["state"] for one in orders] == ["closed", "sent"], "the next need has its order"


def test_a_part_that_was_counted_leaves_the_order_waiting_and_the_rest_is_weighed(
    ordered: Desk,
) -> None:
    _count(ordered, 912, NOON + 2 * DAY)
    ordered.assess(NOON + 2 * DAY)
    assert (ordered.state, _received(ordered)) == ("part_delivered", [500])
    assert [row["closed_at"] for row in ordered.shelf.rows("breaches")] == [None]
    ordered.weigh(1_912, NOON + 3 * DAY)
    assert (ordered.state, _received(ordered)) == ("closed", [1_500])
    assert ordered.shelf.the_order()["ended_by"] == "scale"
