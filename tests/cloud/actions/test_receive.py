"""The scale takes in: nothing twice, parts as parts, and whole when it is whole."""

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud.actions.answer_order import confirm, ship
from cloud.actions.assess import Outcome
from cloud.actions.steer_order import close
from cloud.core.order_machine import Count, Promise, Ship
from cloud.loops.follow import FollowLoop
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


@dataclass
class Counted:
    """A bin without a scale: what it is told by is followed, assessed, and its orders received."""

    desk: Desk
    jobs: psycopg.Connection
    seq: int = 10

    def hear(self, at: datetime, **said: object) -> None:
        """What ingest writes of one reading."""
        shelf, self.seq = self.desk.shelf, self.seq + 1
        reading: dict[str, object] = {
            "sensor_id": shelf.sensor_id,
            "measured_at": at,
            "received_at": at,
            "stream_no": shelf.stream_no,
            "seq": self.seq,
            "stability": 2,
            "quality": 0,
            "clock_trusted": True,
            **said,
        }
        present = {name: value for name, value in reading.items() if name not in ("code", "change")}
        present |= {"bin_id": shelf.bin_id, "heard_at": at}
        with shelf.admin.transaction():
            shelf.admin.execute("DELETE FROM bin_state WHERE bin_id = %s", (shelf.bin_id,))
            for table, row in (("readings", reading), ("bin_state", present)):
                shelf.admin.execute(
                    f"INSERT INTO {table} ({', '.join(row)}) VALUES (%s{', %s' * (len(row) - 1)})",
                    list(row.values()),
                )
            shelf.admin.execute(
                "INSERT INTO follow_due (sensor_ids, from_ms) VALUES (ARRAY[%s::int],"
                " ARRAY[(extract(epoch FROM %s::timestamptz) * 1000)::bigint])",
                (shelf.sensor_id, at),
            )
        self.look(at)

    def count(self, pieces: int, at: datetime) -> None:
        self.desk.shelf.admin.execute(
            "INSERT INTO counts (bin_id, item_id, kind, pieces, counted_at, entered_at, by,"
            " because) SELECT bin_id, item_id, 'cycle', %s, %s, %s, %s, 'its turn' FROM bins"
            "  WHERE bin_id = %s",
            (pieces, at, at, ADA, self.desk.shelf.bin_id),
        )
        self.look(at)

    def look(self, at: datetime) -> None:
        FollowLoop(threading.Event(), now=lambda: at).round(self.jobs)
        self.desk.assess(at)

    def ship(self, at: datetime) -> None:
        shipment = Ship(shipment_id="LS-1", counts=(Count(line=1, pieces=1_500),))
        self.desk.supplier(ship, self.desk.order_id, shipment, FERRO, at)

    def promise(self, at: datetime, now: datetime) -> None:
        self.desk.supplier(confirm, self.desk.order_id, (Promise(line=1, at=at),), FERRO, now)

    @property
    def told(self) -> tuple[str, list[int]]:
        return self.desk.state, _received(self.desk)


@pytest.fixture
def counted(desk: Desk, jobs: psycopg.Connection) -> Counted:
    """A bin of no measure yet, to be set by the test, with an order of 1,500 from 412 pieces."""
    return Counted(desk, jobs)


def _begin(counted: Counted, measure: str, each: int = 1) -> None:
    """Counted at 412 pieces, and ordered for at once."""
    counted.desk.shelf.admin.execute(
        "UPDATE bins SET measure = %s, pieces_per_count = %s", (measure, each)
    )
    counted.hear(NOON - 2 * MINUTE, total=0)
    counted.count(412, NOON - MINUTE)
    counted.hear(NOON, total=0)
    assert counted.told == ("sent", [0])


def test_what_a_counter_lets_in_is_received_and_a_count_of_it_is_not_received_again(
    counted: Counted,
) -> None:
    _begin(counted, "counter_in")
    counted.hear(NOON + MINUTE, total=500)
    assert counted.told == ("part_delivered", [500])
    counted.count(912, NOON + 2 * MINUTE)
    counted.hear(NOON + 3 * MINUTE, total=1_500)
    assert counted.told == ("closed", [1_500])
    (*_, received, _) = counted.desk.shelf.rows("order_events")
    assert received["detail"] == "refill seen by the sensor: 1,000 came, 1,912 in the bin"


def test_what_was_counted_on_arrival_is_not_received_again_when_it_passes_the_counter(
    counted: Counted,
) -> None:
    _begin(counted, "counter_in")
    counted.ship(NOON + MINUTE)
    counted.count(1_112, NOON + 2 * MINUTE)
    assert counted.told == ("part_delivered", [700])
    counted.hear(NOON + 60 * MINUTE, total=700)
    assert counted.told == ("part_delivered", [700])
    counted.hear(NOON + 61 * MINUTE, total=1_500)
    assert counted.told == ("closed", [1_500])


def test_a_gain_that_comes_late_takes_the_place_of_the_count_that_told_of_it(
    counted: Counted,
) -> None:
    """The gateway was away: what the counter said before the count comes after it."""
    _begin(counted, "counter_in")
    counted.ship(NOON + MINUTE)
    counted.count(1_112, NOON + 20 * MINUTE)
    assert counted.told == ("part_delivered", [700])
    counted.hear(NOON + 10 * MINUTE, total=700)
    assert counted.told == ("part_delivered", [700])
    assert [row["pieces"] for row in counted.desk.shelf.rows("order_receipts")] == [700]
    moved = counted.desk.shelf.rows("movements WHERE replaced_at IS NULL --")
    assert [(row["kind"], row["pieces"]) for row in moved] == [("opening", 412), ("refill", 700)]


def test_a_gain_that_is_not_trusted_receives_nothing_until_it_is(counted: Counted) -> None:
    _begin(counted, "counter_in")
    counted.hear(NOON + MINUTE, total=1_500, quality=1)
    assert counted.told == ("sent", [0])
    counted.hear(NOON + 2 * MINUTE, total=1_500)
    assert counted.told == ("closed", [1_500])


def test_boxes_that_come_with_their_tags_are_received_and_one_that_is_put_back_is_not(
    counted: Counted,
) -> None:
    desk = counted.desk
    desk.shelf.admin.execute("UPDATE bins SET measure = 'tags', pieces_per_count = 250")
    for n in (1, 2):
        counted.hear(NOON - 5 * MINUTE, code=f"old {n}", change="present")
    counted.hear(NOON, code="old 1", change="absent")
    assert counted.told[0] == "sent"
    counted.hear(NOON + 3 * MINUTE, code="old 1", change="present")
    assert counted.told == ("sent", [0])
    for n in range(6):
        counted.hear(NOON + (4 + n) * MINUTE, code=f"new {n}", change="present")
    assert counted.told == ("closed", [1_500])


@pytest.mark.parametrize("measure", ["counter_out", "two_bin"])
@pytest.mark.parametrize("word", ["shipped", "due"])
def test_what_only_a_count_tells_of_is_received_while_a_delivery_may_be_there(
    counted: Counted, measure: str, word: str
) -> None:
    _begin(counted, measure, each=100)
    if word == "shipped":
        counted.ship(NOON + MINUTE)
    else:
        counted.promise(NOON + 2 * DAY, NOON + MINUTE)
    arrives = NOON + 2 * DAY
    counted.count(912, arrives)
    assert counted.told == ("part_delivered", [500])
    counted.count(912, arrives + MINUTE)
    counted.count(1_880, arrives + 2 * MINUTE)
    assert counted.told == ("closed", [1_468])
    order = counted.desk.shelf.the_order()
    assert (order["ended_by"], order["ended_because"]) == (ADA, "1,468 of 1,500 came, as counted")
    received = [
        row for row in counted.desk.shelf.rows("order_events") if row["event"] == "received"
    ]
    assert received[0]["detail"] == f"refill counted by {ADA}: 500 came, 912 in the bin"


def test_a_count_before_anything_can_have_come_sets_an_older_one_right_and_receives_nothing(
    counted: Counted,
) -> None:
    """Not later either, when the delivery is due; what comes then is received alone."""
    _begin(counted, "counter_out")
    counted.promise(NOON + 9 * DAY, NOON + MINUTE)
    counted.count(800, NOON + 2 * DAY)
    assert counted.told == ("confirmed", [0])
    counted.look(NOON + 9 * DAY)
    assert _received(counted.desk) == [0]
    counted.count(2_250, NOON + 9 * DAY)
    assert counted.told == ("closed", [1_450])


def test_a_promise_that_is_moved_for_the_rest_takes_nothing_back_of_what_was_received(
    counted: Counted,
) -> None:
    _begin(counted, "counter_out")
    counted.promise(NOON + DAY, NOON + MINUTE)
    counted.count(912, NOON + DAY)
    counted.desk.shelf.admin.execute("UPDATE order_lines SET promised_at = %s", (NOON + 9 * DAY,))
    counted.look(NOON + 2 * DAY)
    assert counted.told == ("part_delivered", [500])
    counted.count(1_912, NOON + 9 * DAY)
    assert counted.told == ("closed", [1_500])


def test_without_an_order_a_count_receives_nothing_then_or_later(counted: Counted) -> None:
    counted.desk.shelf.admin.execute("UPDATE bins SET measure = 'counter_out'")
    counted.hear(NOON - 3 * DAY, total=0)
    counted.count(600, NOON - 3 * DAY + MINUTE)
    counted.count(1_900, NOON - 2 * DAY)
    assert counted.desk.shelf.rows("orders") == counted.desk.shelf.rows("order_receipts") == []
    counted.hear(NOON - MINUTE, total=0)
    counted.hear(NOON, total=1_500)
    counted.ship(NOON + MINUTE)
    counted.look(NOON + 2 * MINUTE)
    assert _received(counted.desk) == [0]


def test_a_container_that_was_counted_full_is_received_and_its_card_may_be_scanned_again(
    counted: Counted,
) -> None:
    shelf = counted.desk.shelf
    shelf.admin.execute(
        "UPDATE bins SET measure = 'two_bin', pieces_per_count = 500, capacity = 1000"
    )
    shelf.admin.execute(
        "INSERT INTO bin_policies (bin_id, policy, parameters) SELECT bin_id, 'two_bin',"
        ' \'{"container": 500, "containers": 2}\' FROM bins'
    )
    counted.hear(NOON - 3 * MINUTE, condition="back")
    counted.count(1_000, NOON - 2 * MINUTE)
    counted.hear(NOON, code="card", change="scanned")
    assert counted.told == ("sent", [0])
    shipment = Ship(shipment_id="LS-1", counts=(Count(line=1, pieces=500),))
    counted.desk.supplier(ship, counted.desk.order_id, shipment, FERRO, NOON + MINUTE)
    counted.count(900, NOON + 2 * MINUTE)  # of the begun one a hundred are gone
    assert (counted.desk.state, _received(counted.desk)) == ("closed", [400])
    counted.hear(NOON + DAY, code="card", change="scanned")
    orders = shelf.rows("orders ORDER BY number --")
    assert [one["state"] for one in orders] == ["closed", "sent"]
