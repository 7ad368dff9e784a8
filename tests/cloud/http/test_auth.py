"""Log-in, sessions, and that neither tells more than it must."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import argon2
from fastapi.testclient import TestClient

from cloud.http.site import make_site
from cloud.postgres import users
from tests.cloud.http.world import FERRO, OPERATIONS, PASSWORD


def test_operations_land_on_the_wall_and_suppliers_on_their_orders(browser) -> None:
    for email, home in ((OPERATIONS, "/wall"), (FERRO, "/p")):
        visitor = browser(email)
        assert visitor.get("/").headers["location"] == home
        assert visitor.get(home).status_code == 200


def test_who_is_not_signed_in_is_asked_to_and_comes_back(browser) -> None:
    visitor = browser()
    asked = visitor.get("/wall?state=low")
    assert asked.headers["location"] == "/login?next=%2Fwall%3Fstate%3Dlow"
    assert "/wall?state=low" in visitor.get(asked.headers["location"]).text
    answer = visitor.post(
        "/login", data={"email": OPERATIONS, "password": PASSWORD, "next": "/wall?state=low"}
    )
    assert answer.headers["location"] == "/wall?state=low"


def test_nobody_is_lured_to_another_site_after_the_log_in(browser) -> None:
    for lure in (
        "https://evil.test/",
        "//evil.test",
        "/\\evil.test",
        "\\\\evil.test",
        "javascript:alert(1)",
        "/\n/evil.test",
        "evil.test",
    ):
        answer = browser().post(
            "/login", data={"email": OPERATIONS, "password": PASSWORD, "next": lure}
        )
        assert answer.headers["location"] == "/", lure


def test_a_wrong_password_and_an_unknown_address_get_the_same_answer(browser) -> None:
    answers = [
        browser().post("/login", data={"email": email, "password": "wrong"})
        for email in (OPERATIONS, "nobody@plant.test")
    ]
    first, second = (answer.text.replace("nobody@plant.test", OPERATIONS) for answer in answers)
    assert first == second
    assert [answer.status_code for answer in answers] == [401, 401]


def test_an_unknown_address_costs_as_much_as_a_wrong_password(browser, monkeypatch) -> None:
    verified: list[str] = []
    verify = users.HASHER.verify

    class Counting:
        check_needs_rehash = staticmethod(users.HASHER.check_needs_rehash)

        @staticmethod
        def verify(password_hash: str, password: str) -> bool:
            verified.append(password_hash)
            return verify(password_hash, password)

        hash = staticmethod(users.HASHER.hash)

    monkeypatch.setattr(users, "HASHER", Counting)
    browser().post("/login", data={"email": "nobody@plant.test", "password": "wrong"})
    (password_hash,) = verified
    parameters = argon2.extract_parameters(password_hash)
    assert (parameters.memory_cost, parameters.time_cost) == (19 * 1024, 2)


def test_the_sixth_try_within_a_minute_is_turned_away(world, browser) -> None:
    visitor = browser()
    wrong = {"email": OPERATIONS, "password": "wrong"}
    assert [visitor.post("/login", data=wrong).status_code for _ in range(5)] == [401] * 5
    turned_away = visitor.post("/login", data={"email": OPERATIONS, "password": PASSWORD})
    assert turned_away.status_code == 429
    assert 0 < int(turned_away.headers["retry-after"]) <= 61
    world.now += timedelta(seconds=61)
    assert (
        visitor.post("/login", data={"email": OPERATIONS, "password": PASSWORD}).status_code == 303
    )


def test_tries_at_once_are_counted_like_tries_one_by_one(browser) -> None:
    visitor = browser()
    wrong = {"email": OPERATIONS, "password": "wrong"}
    with ThreadPoolExecutor(12) as threads:
        answers = list(
            threads.map(lambda _: visitor.post("/login", data=wrong).status_code, range(12))
        )
    assert answers.count(401) <= 5


def test_who_is_turned_away_is_not_kept_out_for_longer(world, browser) -> None:
    visitor = browser()
    wrong = {"email": OPERATIONS, "password": "wrong"}
    for _ in range(5):
        visitor.post("/login", data=wrong)
    for _ in range(6):
        world.now += timedelta(seconds=10)
        visitor.post("/login", data=wrong)
    world.now += timedelta(seconds=2)
    right = {"email": OPERATIONS, "password": PASSWORD}
    assert visitor.post("/login", data=right).status_code == 303


def test_a_session_ends_by_rest_and_by_age(world, browser) -> None:
    visitor = browser(OPERATIONS)
    world.now += timedelta(minutes=29)
    assert visitor.get("/wall").status_code == 200
    world.now += timedelta(minutes=29)
    assert visitor.get("/wall").status_code == 200
    world.now += timedelta(minutes=31)
    assert visitor.get("/wall").status_code == 303

    visitor = browser(OPERATIONS)
    for _ in range(25):
        assert visitor.get("/api/bins").status_code == 200
        world.now += timedelta(minutes=29)
    assert visitor.get("/api/bins").status_code == 401


def test_signing_out_ends_the_session_on_the_server(browser) -> None:
    visitor = browser(OPERATIONS)
    cookie = visitor.cookies["binline"]
    assert visitor.post("/logout").headers["location"] == "/login"
    visitor.cookies.set("binline", cookie)
    assert visitor.get("/api/bins").status_code == 401


def test_signing_in_makes_a_new_session_and_ends_the_old(browser) -> None:
    visitor = browser(OPERATIONS)
    old = visitor.cookies["binline"]
    visitor.post("/login", data={"email": OPERATIONS, "password": PASSWORD})
    assert visitor.cookies["binline"] != old
    stranger = browser()
    stranger.cookies.set("binline", old)
    assert stranger.get("/api/bins").status_code == 401


def test_a_user_who_left_is_out_at_once(world, browser) -> None:
    visitor = browser(OPERATIONS)
    with world.database.admin() as conn:
        conn.execute("UPDATE users SET active = false WHERE email = %s", (OPERATIONS,))
    assert visitor.get("/api/bins").status_code == 401


def test_the_cookie_is_not_for_scripts_nor_for_other_sites(browser) -> None:
    answer = browser().post("/login", data={"email": OPERATIONS, "password": PASSWORD})
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith("binline=")
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "secure" not in cookie


def test_over_https_the_cookie_is_bound_to_this_host(world, site) -> None:
    parts = site.state.parts
    settings = replace(parts.settings, public_url="https://binline.test")
    secure = make_site(settings, parts.portal_pool, parts.auth_pool, now=world.clock)
    visitor = TestClient(secure, base_url="https://binline.test", follow_redirects=False)
    answer = visitor.post(
        "/login",
        data={"email": OPERATIONS, "password": PASSWORD},
        headers={"origin": "https://binline.test"},
    )
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-binline=")
    assert "Secure" in cookie
    assert "Path=/" in cookie
    assert "Domain" not in cookie
    assert "max-age=31536000" in answer.headers["strict-transport-security"]


def test_the_database_holds_neither_password_nor_cookie(world, browser) -> None:
    visitor = browser(OPERATIONS)
    with world.database.admin() as conn:
        sessions = conn.execute("SELECT token_hash FROM sessions").fetchall()
        hashes = conn.execute("SELECT password_hash FROM users").fetchall()
    assert visitor.cookies["binline"].encode() not in [bytes(token) for (token,) in sessions]
    assert all(each.startswith("$argon2id$") for (each,) in hashes)
