"""Who is signed in, and what of it is told by mail, as a page."""

from tests.cloud.http.world import OPERATIONS

TICKED = 'name="decisions" value="1" checked'


def test_mails_are_on_until_somebody_wants_none(world, browser) -> None:
    visitor = browser(OPERATIONS)
    assert TICKED in visitor.get("/me").text
    done = visitor.post("/me/mail", data={})
    assert (done.status_code, done.headers["location"]) == (303, "/me?done=1")
    page = visitor.get("/me?done=1").text
    assert TICKED not in page
    assert "Kept." in page
    visitor.post("/me/mail", data={"decisions": "1"})
    assert TICKED in visitor.get("/me").text


def test_who_is_signed_in_leads_there(world, browser) -> None:
    assert f'<a href="/me">{OPERATIONS}</a>' in browser(OPERATIONS).get("/wall").text
