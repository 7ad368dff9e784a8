"""KPIs as a page, and the list behind each number."""

import re
from datetime import timedelta

import pytest

from tests.cloud.http.world import OPERATIONS


def test_every_number_opens_the_list_behind_it(world, browser) -> None:
    world.a_morning()
    visitor = browser(OPERATIONS)
    page = visitor.get("/kpis").text
    links = {one.replace("&amp;", "&") for one in re.findall(r'href="(/kpis/[^"]+)"', page)}
    assert len(links) == 2 * 6  # two sites, six lists
    for link in links:
        assert visitor.get(link).status_code == 200, link
    assert "<b>–</b>" in page  # noqa: RUF001 - what is not defined is a dash


def test_the_list_behind_names_what_was_counted(world, browser) -> None:
    world.a_morning()
    world.now += timedelta(seconds=1)
    page = browser(OPERATIONS).get("/kpis/orders?name=Lindau+Pumps").text
    assert f'<a href="/orders/{world.order_label("LND-R04-B2")}/evidence">' in page
    assert "1,500" in page


def test_by_agreement_targets_stand_above_with_the_way_to_each(world, browser) -> None:
    agreement = world.agreement(mode="auto", service="fill", target_per_mille=980)
    world.a_morning()
    world.now += timedelta(seconds=1)
    visitor = browser(OPERATIONS)
    assert "group=agreement" in visitor.get("/kpis").text
    page = visitor.get("/kpis?group=agreement").text
    assert f'href="/agreements/{agreement}">Lindau Pumps, Ferro AG</a>' in page
    assert "agreed: 98 % of the pieces at once" in page
    link = "/kpis/orders?group=agreement&name=Lindau+Pumps%2C+Ferro+AG"
    assert world.order_label("LND-R04-B2") in visitor.get(link).text
    assert visitor.get("/kpis/bins?group=agreement&name=Lindau+Pumps").status_code == 404


@pytest.mark.parametrize("path", ["/kpis/nothing?name=Norrby", "/kpis/bins?name=Nobody"])
def test_a_list_that_is_not_there_is_not_found(browser, path: str) -> None:
    assert browser(OPERATIONS).get(path).status_code == 404
