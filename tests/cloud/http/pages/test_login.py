"""The log-in page. What it lets in is proven in test_auth.py."""

from tests.cloud.http.world import OPERATIONS


def test_the_form_works_with_password_managers_and_without_scripts(browser) -> None:
    page = browser().get("/login").text
    assert 'autocomplete="username"' in page
    assert 'autocomplete="current-password"' in page
    assert '<form method="post" action="/login"' in page


def test_a_wrong_password_keeps_the_address_and_says_what_to_do(browser) -> None:
    page = browser().post("/login", data={"email": OPERATIONS, "password": "wrong"}).text
    assert f'value="{OPERATIONS}"' in page
    assert 'role="alert"' in page
    assert "do not belong together" in page
    assert "wrong" not in page.split('role="alert"')[1]


def test_an_empty_form_is_a_wrong_log_in_and_no_defect(browser) -> None:
    for fields in ({}, {"email": "\0"}, {"email": "x" * 1000}, {"password": "y" * 10_000}):
        assert browser().post("/login", data=fields).status_code == 401


def test_a_look_that_does_not_exist_is_not_kept(browser) -> None:
    answer = browser().post("/theme", data={"theme": "pink", "next": "//evil.test"})
    assert answer.headers["location"] == "/"
    assert "set-cookie" not in answer.headers
