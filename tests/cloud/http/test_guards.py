"""What holds for every request."""

import pytest

from cloud.http import guards

LOGIN = {"email": "nobody@plant.test", "password": "x"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://testserver"}, 401),
        ({"origin": "http://evil.test"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": ""}, 403),
        ({"origin": "http://evil.test", "host": "testserver"}, 403),
        ({"origin": "http://evil.test", "sec-fetch-site": "cross-site"}, 403),
        ({"origin": "http://testserver", "sec-fetch-site": "cross-site"}, 403),
        ({"origin": "http://testserver", "sec-fetch-site": "same-site"}, 403),
        ({"origin": "http://localhost:1", "sec-fetch-site": "same-origin"}, 401),
    ],
)
def test_a_change_must_come_from_a_page_of_ours(browser, headers, status) -> None:
    visitor = browser()
    del visitor.headers["origin"]
    headers = {name: value for name, value in headers.items() if value}
    assert visitor.post("/login", data=LOGIN, headers=headers).status_code == status


def test_a_mail_link_needs_no_origin_because_it_is_the_key(world, browser) -> None:
    world.a_morning()
    visitor = browser()
    del visitor.headers["origin"]
    link = world.link("LND-R04-B2")
    assert visitor.post(link, headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert visitor.post(link, headers={"origin": "http://evil.test"}).status_code == 403
    assert world.order_state("LND-R04-B2") == "sent"
    assert visitor.post(link, headers={"origin": "null"}).status_code == 303
    assert world.order_state("LND-R04-B2") == "acknowledged"


def test_every_answer_tells_the_browser_to_be_careful(world, browser) -> None:
    world.a_morning()
    for path in ("/login", "/nothing", "/api/health", "/api/bins", world.link("LND-R04-B2")):
        headers = browser().get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == (
            "no-referrer" if path.startswith("/a/") else "same-origin"
        )


def test_nothing_in_our_pages_needs_an_exception_from_the_policy(world, browser) -> None:
    world.a_morning()
    ops, ferro = browser("ops@plant.test"), browser("orders@ferro.test")
    for page in (ops.get("/wall"), ops.get("/bins/LND-R04-B2"), ferro.get("/p")):
        assert " style=" not in page.text
        assert "<style" not in page.text
        assert " onclick=" not in page.text
        assert "<script>" not in page.text


def test_a_body_that_is_too_large_is_refused_by_its_stated_length(browser) -> None:
    body = b"email=" + b"a" * guards.BODY_BYTES_MAX
    assert browser().post("/login", content=body).status_code == 413


def test_a_body_without_a_stated_length_is_counted(browser) -> None:
    def chunks():
        for _ in range(200):
            yield b"x" * 10_000

    response = browser().post(
        "/login",
        content=chunks(),
        headers={"content-type": "application/x-www-form-urlencoded"},
    )
    assert response.status_code == 413


def test_a_stated_length_that_is_no_number_is_refused(browser) -> None:
    response = browser().post("/login", content=b"", headers={"content-length": "-5"})
    assert response.status_code == 413
