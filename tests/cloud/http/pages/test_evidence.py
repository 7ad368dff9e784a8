"""What an order rests on, as a page."""

import pytest

from tests.cloud.http.world import FERRO, NORRBY, OPERATIONS


@pytest.mark.parametrize("email", [OPERATIONS, FERRO])
def test_either_side_reads_the_chain_in_sentences(world, browser, email) -> None:
    world.a_morning()
    page = browser(email).get(f"/orders/{world.order_label('LND-R04-B2')}/evidence").text
    assert "<b>It fits.</b>" in page
    assert "2,080.4 g on the scale" in page
    assert "412 on hand, minimum 500, up to 2,000; 1,588 wanted, 15 packs of 100 ordered." in page
    assert "Minimum and maximum, version 1" in page


def test_what_was_changed_is_pointed_at(world, browser) -> None:
    world.a_morning()
    with world.database.admin() as admin:
        admin.execute("UPDATE order_evidence SET body = replace(body, '412', '312') WHERE seq = 2")
    page = browser(OPERATIONS).get(f"/orders/{world.order_label('LND-R04-B2')}/evidence").text
    assert "<b>It does not fit.</b> Record 2: What it holds was changed" in page
    assert page.count("is-broken") == 1


def test_a_broken_record_is_still_shown(world, browser) -> None:
    world.a_morning()
    with world.database.admin() as admin:
        admin.execute("UPDATE order_evidence SET body = '[1]'")
    answer = browser(OPERATIONS).get(f"/orders/{world.order_label('LND-R04-B2')}/evidence")
    assert answer.status_code == 200


def test_an_order_without_a_chain_says_so(world, browser) -> None:
    world.a_morning()
    with world.database.admin() as admin:
        admin.execute("DELETE FROM order_evidence")
    page = browser(FERRO).get(f"/orders/{world.order_label('LND-R04-B2')}/evidence").text
    assert "was placed before chains were kept" in page


def test_the_order_of_another_is_not_there(world, browser) -> None:
    world.a_morning()
    label = world.order_label("LND-R04-B2")
    assert browser(NORRBY).get(f"/orders/{label}/evidence").status_code == 404
    assert browser(OPERATIONS).get("/orders/nonsense/evidence").status_code == 404
