"""A "no" and an outage, told as a page and as JSON: what, why, what to do."""

import inspect

import psycopg
import pytest
from fastapi.testclient import TestClient

from cloud.core import refusals
from cloud.http import problems
from tests.cloud.http.world import OPERATIONS


def test_every_refusal_of_the_rules_has_a_status() -> None:
    known = {
        each
        for _, each in inspect.getmembers(refusals, inspect.isclass)
        if issubclass(each, refusals.Refusal) and each is not refusals.Refusal
    }
    assert known == problems.REFUSALS.keys()


def test_a_refusal_keeps_its_sentence() -> None:
    problem = problems.of_refusal(refusals.OrderAlreadyClosed())
    assert problem.what == "The order is closed"
    assert problem.why == "What was to come has come."
    assert problem.what_to_do


def test_a_person_gets_a_page_and_a_program_gets_json(browser) -> None:
    visitor = browser(OPERATIONS)
    page, json = visitor.get("/bins/NONE"), visitor.get("/api/bins/NONE")
    assert page.status_code == json.status_code == 404
    assert page.headers["content-type"].startswith("text/html")
    assert "There is nothing here" in page.text
    assert json.headers["content-type"] == "application/problem+json"
    assert json.json()["title"] == "There is nothing here"
    assert json.json()["what_to_do"]


def test_an_address_nobody_made_is_told_the_same_way(browser) -> None:
    assert "There is nothing here" in browser().get("/wp-admin.php").text
    assert browser().get("/api/nothing").json()["status"] == 404


def test_a_method_that_is_not_offered_is_a_problem_too(browser) -> None:
    answer = browser(OPERATIONS).post("/api/kpis")
    assert answer.status_code == 405
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["allow"] == "GET"


@pytest.mark.parametrize("path", ["/wall", "/api/bins", "/orders"])
def test_a_database_that_is_away_is_said_and_to_be_tried_again(
    world, site, browser, path: str, monkeypatch
) -> None:
    visitor = browser(OPERATIONS)

    def away(*_: object, **__: object) -> None:
        raise psycopg.OperationalError("connection refused")

    monkeypatch.setattr(site.state.parts.portal_pool, "connection", away)
    answer = visitor.get(path)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
    assert "The database does not answer" in answer.text
    assert "connection refused" not in answer.text


def test_a_defect_tells_no_inner_things(site, browser, monkeypatch) -> None:
    signed_in = browser(OPERATIONS)
    visitor = TestClient(site, cookies=signed_in.cookies, raise_server_exceptions=False)

    def broken(*_: object, **__: object) -> None:
        raise AssertionError("secret detail")

    monkeypatch.setattr(site.state.parts.portal_pool, "connection", broken)
    answer = visitor.get("/wall")
    assert answer.status_code == 500
    assert "Something is broken on our side" in answer.text
    assert "secret detail" not in answer.text


def test_a_page_that_was_asked_for_too_much_can_be_opened_without_it(browser) -> None:
    told = browser(OPERATIONS).get("/kpis?from=x&to=y")
    assert told.status_code == 422
    assert "Not as expected: from, to." in told.text
    assert 'href="/kpis">Open the page anew' in told.text
    program = browser(OPERATIONS).get("/api/kpis?from=x&to=y").json()
    assert "query.from" in program["detail"]


def test_a_problem_looks_as_its_visitor_chose(browser) -> None:
    visitor = browser(OPERATIONS)
    visitor.cookies.set("binline-theme", "dark")
    assert 'data-theme="dark"' in visitor.get("/nothing").text
