"""The calendar pages without a browser: what it comes to is beside it, nothing typed is lost."""

import pytest

from tests.cloud.http.world import FERRO, OPERATIONS

PAGE = "/suppliers/1/calendar"
TYPED = {
    "version": "0",
    "zone": "Europe/Berlin",
    "order_days": ["tue", "fri"],
    "cut_off": "14:00",
    "lead_days": "3",
    "lead_kind": "calendar",
    "working_days": ["mon", "tue", "wed", "thu", "fri"],
    "delivery_days": ["tue", "thu"],
    "delivered_by": "18:00",
    "holidays": "2026-12-24\r\n2026-12-25",
    "because": "new truck",
}


@pytest.fixture
def ops(world, browser):
    return browser(OPERATIONS)


def test_a_supplier_that_said_nothing_is_told_so_and_offered_the_zone_of_its_bins(ops) -> None:
    page = ops.get(PAGE).text
    assert "Nothing was said yet." in page
    assert 'value="Europe/Berlin"' in page


def test_a_preview_says_when_it_would_be_here_and_keeps_nothing(ops) -> None:
    page = ops.post(f"{PAGE}/preview", data=TYPED)
    assert page.status_code == 200
    assert "Ordered now, it would be here" in page.text
    assert "Tue 24 Nov 2026" in page.text
    assert "Nothing was said yet." in ops.get(PAGE).text


def test_it_is_saved_as_a_version_that_both_sides_see(world, ops, browser) -> None:
    assert "Nothing was said yet." in browser(FERRO).get("/p/calendar").text
    saved = ops.post(PAGE, data=TYPED)
    assert saved.headers["location"] == f"{PAGE}?saved=1"
    page = ops.get(saved.headers["location"]).text
    assert "Saved. Its bins are looked at by it at once." in page
    assert "new truck" in page
    assert "2026-12-24\n2026-12-25" in page
    own = browser(FERRO).get("/p/calendar").text
    assert "Tue Fri" in own
    assert "Tue 24 Nov 2026" in own
    assert "new truck" not in own


def test_whether_orders_wait_for_each_other_is_set_and_told_to_both_sides(ops, browser) -> None:
    ops.post(PAGE, data=TYPED)
    assert "each leaves at once" in browser(FERRO).get("/p/calendar").text
    ops.post(PAGE, data={**TYPED, "version": "1", "gathers": "yes"})
    page = ops.get(PAGE).text
    assert '<option value="yes" selected>yes</option>' in page
    assert "Orders wait for each other" in page.partition('id="history"')[2]
    assert "until shortly before 14:00" in browser(FERRO).get("/p/calendar").text
    wrong = ops.post(PAGE, data={**TYPED, "version": "2", "gathers": "maybe"})
    assert wrong.status_code == 422
    assert "Allowed: yes or no." in wrong.text


def test_what_is_wrong_is_told_beside_it_and_nothing_is_lost(ops) -> None:
    wrong = {**TYPED, "zone": "Mars", "order_days": [], "lead_days": "soon", "holidays": "never"}
    page = ops.post(PAGE, data=wrong)
    assert page.status_code == 422
    assert "4 fields do not hold what is allowed" in page.text
    for text in ('value="Mars"', 'value="soon"', ">never</textarea>", 'value="new truck"'):
        assert text in page.text


def test_who_looked_at_an_older_version_is_told_what_changed(ops) -> None:
    ops.post(PAGE, data=TYPED)
    ops.post(PAGE, data={**TYPED, "version": "1", "cut_off": "12:00"})
    page = ops.post(PAGE, data={**TYPED, "version": "1", "lead_days": "9"})
    assert page.status_code == 409
    assert "Changed were: Ordered until." in page.text
    assert 'value="9"' in page.text
    assert 'name="version" value="2"' in page.text


def test_a_calendar_that_never_opens_is_refused(ops) -> None:
    page = ops.post(PAGE, data={**TYPED, "delivery_days": []})
    assert page.status_code == 422


def test_a_supplier_that_is_not_there_is_not_found(ops) -> None:
    for path in ("/suppliers/99/calendar", "/suppliers/x/calendar"):
        assert ops.get(path).status_code == 404
