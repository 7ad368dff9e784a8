"""Who is signed in, as JSON."""

from tests.cloud.http.world import OPERATIONS


def test_who_is_signed_in_says_what_is_told_by_mail(world, browser) -> None:
    visitor = browser(OPERATIONS)
    me = {"email": OPERATIONS, "role": "operations", "mail": {"decisions": True}}
    assert visitor.get("/api/me").json() == me
    said = visitor.put("/api/me/mail", json={"decisions": False})
    assert said.json() == {**me, "mail": {"decisions": False}}
    assert visitor.get("/api/me").json()["mail"] == {"decisions": False}
    assert visitor.put("/api/me/mail", json={}).status_code == 422


def test_what_is_chosen_is_for_oneself_alone(world, browser) -> None:
    browser(OPERATIONS).put("/api/me/mail", json={"decisions": False})
    with world.database.admin() as conn:
        rows = conn.execute(
            "SELECT email FROM users WHERE NOT mails_decisions ORDER BY email"
        ).fetchall()
    assert rows == [(OPERATIONS,)]
