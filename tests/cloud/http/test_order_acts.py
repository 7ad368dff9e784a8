"""Which buttons there are, and what their forms do."""

import pytest

from cloud.core.order_states import Verb
from cloud.http.order_acts import OF_CUSTOMER, OF_SUPPLIER, offered
from cloud.postgres import asking, portal
from tests.cloud.http.world import FERRO, OPERATIONS

CODE = "LND-R04-B2"


def _offered(world) -> tuple[set[Verb], set[Verb]]:
    with world.database.connect("binline_portal") as conn:
        asking.as_operations(conn, "x")
        order = portal.order(conn, world.order_of(CODE))
        assert order is not None
        return set(offered(order, OF_CUSTOMER)), set(offered(order, OF_SUPPLIER))


def test_each_side_is_offered_what_it_may_do_now(world) -> None:
    world.a_morning()
    assert _offered(world) == (
        {Verb.CANCEL},
        {Verb.ACKNOWLEDGE, Verb.CONFIRM, Verb.CHANGE, Verb.SHIP, Verb.REFUSE},
    )


def test_a_supplier_promises_changes_ships_and_is_answered_by_forms(world, browser) -> None:
    world.a_morning()
    theirs, ours = browser(FERRO), browser(OPERATIONS)
    path, page = f"/p/orders/{world.order_of(CODE)}", f"/orders/{world.order_label(CODE)}"
    assert theirs.post(f"{path}/confirm", data={"day": "2026-11-24"}).status_code == 303
    assert world.order_state(CODE) == "confirmed"
    assert "Tue 24 Nov" in theirs.get(path).text
    change = {"pieces-1": "1,000", "day": "2026-11-25", "because": "the rest is gone"}
    assert theirs.post(f"{path}/change", data=change).status_code == 303
    told = ours.get(page).text
    assert "proposes a change" in told
    assert "the rest is gone" in told
    change_id = told.split('name="change_id" value="')[1].split('"')[0]
    assert ours.post(f"{page}/accept", data={"change_id": change_id}).status_code == 303
    assert world.order_state(CODE) == "confirmed"
    assert theirs.post(f"{path}/ship", data={"shipment_id": "LS-1"}).status_code == 303
    shown = theirs.get(path).text
    assert "1,000 of 1,000 pieces" in shown
    assert world.order_state(CODE) == "shipped"


@pytest.mark.parametrize(
    ("verb", "fields", "says"),
    [
        ("refuse", {}, "Whoever refuses or cancels an order says why"),
        ("confirm", {"day": "tomorrow"}, "The day cannot be read"),
        ("change", {"pieces-1": "many"}, "A quantity is a whole number"),
    ],
)
def test_a_form_that_cannot_be_read_says_what_is_missing(
    world, browser, verb: str, fields: dict[str, str], says: str
) -> None:
    world.a_morning()
    answer = browser(FERRO).post(f"/p/orders/{world.order_of(CODE)}/{verb}", data=fields)
    assert answer.status_code == 422
    assert says in answer.text
    assert world.order_state(CODE) == "sent"


def test_a_supplier_finds_no_form_of_the_customer(world, browser) -> None:
    world.a_morning()
    path = f"/p/orders/{world.order_of(CODE)}"
    for verb in ("approve", "cancel", "close", "accept", "receive", "expire", "nonsense"):
        assert browser(FERRO).post(f"{path}/{verb}").status_code == 404
    assert world.order_state(CODE) == "sent"


def test_a_person_cancels_with_a_reason(world, browser) -> None:
    world.a_morning()
    page = f"/orders/{world.order_label(CODE)}"
    ours = browser(OPERATIONS)
    assert ours.post(f"{page}/cancel").status_code == 422
    assert ours.post(f"{page}/cancel", data={"because": "wrong part"}).status_code == 303
    told = ours.get(page).text
    assert "Cancelled" in told
    assert "wrong part" in told
    refused = ours.post(f"{page}/approve")
    assert refused.status_code == 409
    assert "The order was cancelled" in refused.text


def test_the_day_it_is_expected_on_is_promised_for_its_hour_whatever_that_is(
    world, browser
) -> None:
    world.a_morning()
    with world.database.admin() as conn:
        conn.execute("UPDATE orders SET due_at = '2026-11-27 11:00+01'")
    theirs = browser(FERRO)
    path = f"/p/orders/{world.order_of(CODE)}"
    assert 'id="confirm-day" name="day" type="date" value="2026-11-27"' in theirs.get(path).text
    assert theirs.post(f"{path}/confirm", data={"day": "2026-11-27"}).status_code == 303
    assert world.order_state(CODE) == "confirmed", "18:00 would be later than was asked for"


def test_what_was_typed_into_a_refused_form_stays_and_reload_is_the_page(world, browser) -> None:
    world.a_morning()
    page = f"/orders/{world.order_label(CODE)}"
    typed = {"pieces-1": "many", "day": "2026-11-25", "because": "the rest is gone"}
    told = browser(OPERATIONS).post(f"{page}/change", data=typed).text
    for value in typed.values():
        assert f'value="{value}"' in told
    assert f'<a href="{page}">Reload</a>' in told
    assert f'data-got-at="{page}"' in told


def test_while_a_change_waits_the_order_waits_for_the_customer(world, browser) -> None:
    world.a_morning()
    path = f"/p/orders/{world.order_of(CODE)}"
    theirs = browser(FERRO)
    theirs.post(f"{path}/change", data={"pieces-1": "1000", "day": "2026-11-25"})
    told = theirs.get(path).text
    assert "Your change waits for the customer." in told
    assert "The order closes by itself" not in told
