"""The page of one bin."""

import re

from cloud.core.followed import MovementKind
from cloud.postgres import movements
from cloud.postgres.movements import New
from tests.cloud.http.world import OPERATIONS
from tests.cloud.postgres.test_findings import moved


def page_of(browser, code: str) -> str:
    text = browser(OPERATIONS).get(f"/bins/{code}").text
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))


def test_a_fresh_level_with_its_order_and_what_it_rests_on(world, browser) -> None:
    world.a_morning()
    page = page_of(browser, "LND-R04-B2")
    assert "412 of 2,000 pieces" in page
    assert "Fresh. Heard 4 s ago." in page
    assert "Order RO-1002" in page
    assert "1,500 pieces from Ferro AG, 15 packs of 100" in page
    assert "412 on hand, minimum 500, up to 2,000; 1,588 wanted, 15 packs of 100 ordered." in page
    assert "Answered next not yet" in page
    assert "Weight on the scale 2,080.4 g" in page
    assert "Empty bin, one piece 350.0 g, 4.200 g" in page
    assert "Reading 01234567… no. " in page


def test_a_stale_level_is_called_the_last_known(world, browser) -> None:
    world.a_morning()
    page = page_of(browser, "LND-R01-A8")
    assert "343 of 1,000 pieces, last known" in page
    assert "Stale. Not heard of for 3 h, expected every 60 s." in page
    assert "Nothing is ordered on this number." in page
    assert "Fresh." not in page


def test_a_condition_is_a_row_without_a_number(world, browser) -> None:
    world.a_morning()
    world.say("LND-R02-C7", "overload", ago_s=2)
    page = page_of(browser, "LND-R02-C7")
    assert "Doubtful. The scale is overloaded." in page
    assert "overload" in page


def test_a_bin_never_heard_of_shows_no_number_at_all(world, browser) -> None:
    page = page_of(browser, "LND-R04-B2")
    assert "Never heard of." in page
    assert "No weight has come yet." in page
    assert " 0 of 2,000" not in page


def test_a_refill_closes_the_story(world, browser) -> None:
    world.a_morning()
    world.weigh("LND-R04-B2", 1900, ago_s=1)
    world.assess("LND-R04-B2")
    page = page_of(browser, "LND-R04-B2")
    assert "Closed" in page
    assert "1,488 of 1,500 pieces came" in page
    assert "ended without an answer" in page


def test_how_far_back_is_chosen_by_a_link_and_said(world, browser) -> None:
    world.a_morning()
    visitor = browser(OPERATIONS)
    day = visitor.get("/bins/LND-R04-B2").text
    month = visitor.get("/bins/LND-R04-B2?span=30d").text
    assert '<a class="chip" href="?span=24h" aria-current="true">24 hours</a>' in day
    assert '<a class="chip" href="?span=30d" aria-current="true">30 days</a>' in month
    assert "by the hour" in month
    assert "by the hour" not in day
    assert visitor.get("/bins/LND-R04-B2?span=1y").status_code == 422


def test_a_corrected_time_is_shown_and_said(world, browser) -> None:
    world.weigh("LND-R04-B2", 700, ago_s=90_000)
    with world.database.admin() as conn:
        conn.execute("UPDATE readings SET clock_trusted = false, corrected_at = %s", (world.now,))
        conn.execute("UPDATE bin_state SET heard_at = %s, measured_at = %s", [world.now] * 2)
    page = page_of(browser, "LND-R04-B2")
    assert "time corrected" in page
    assert "Fri 20 Nov 2026, 10:41:30 CET" in page


# ------------------------------------------------------------------ what people tell of it


def tell(browser, form: str, **typed: str):
    return browser(OPERATIONS).post(f"/bins/LND-R04-B2/{form}", data=typed)


def test_a_count_is_entered_and_the_page_says_so(world, browser) -> None:
    world.a_morning()
    answer = tell(browser, "count", pieces="1,400", kind="cycle", because="its turn")
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        "/bins/LND-R04-B2?done=count#count",
    )
    page = page_of(browser, "LND-R04-B2")
    assert "412, 988 too few" in page
    assert "its turn" in page
    assert "1 count in 365 days: 0 % of them within 2 %" in page


def test_a_count_that_is_refused_keeps_what_was_typed(world, browser) -> None:
    world.a_morning()
    answer = tell(browser, "count", pieces="many", kind="cycle", because="its turn")
    assert answer.status_code == 422
    assert "Pieces: allowed is a whole number of pieces." in answer.text
    assert 'value="its turn"' in answer.text


def test_the_time_of_a_count_is_meant_in_the_zone_of_the_site(world, browser) -> None:
    world.a_morning()
    at = "2026-11-20T10:41:28"
    answer = tell(browser, "count", pieces="412", kind="audit", because="new", counted_at=at)
    assert answer.status_code == 303
    with world.database.admin() as conn:
        (counted_at,) = conn.execute("SELECT counted_at FROM counts").fetchone()
    assert counted_at.isoformat() == "2026-11-20T09:41:28+00:00"


def test_what_is_learnt_is_shown_before_it_is_used(world, browser) -> None:
    for ago in range(5, 0, -1):
        world._heard("LND-R04-B2", ago * 50.0, weight_mg=351_000, condition=None)
    told = tell(browser, "tare")
    assert told.status_code == 200
    assert "The empty bin weighs 351.0 g</b>; in use is 350.0 g." in told.text
    used = tell(browser, "tare", apply="1", because="a new one")
    assert used.headers["location"] == "/bins/LND-R04-B2?done=tare#tare"
    assert "a new one" in page_of(browser, "LND-R04-B2")


def test_a_sample_that_is_too_small_says_how_many_it_takes(world, browser) -> None:
    for ago in range(5, 0, -1):
        world._heard("LND-R04-B2", ago * 50.0, weight_mg=392_000, condition=None)
    answer = tell(browser, "sample", pieces="10")
    assert answer.status_code == 422
    assert "37 pieces are needed." in answer.text
    assert 'value="10"' in answer.text


def test_a_delivery_is_told_and_another_weight_consented_to_on_the_page(world, browser) -> None:
    world.weigh("LND-R04-B2", 500)
    with world.database.connect("binline_jobs") as conn:
        refill = moved(MovementKind.REFILL, 5, 350_000, 2_450_000)
        movements.insert(conn, [New(1, 1, refill)], world.now)
        conn.commit()
    visitor = browser(OPERATIONS)
    given = {"movement": "1", "pieces": "488", "because": "five packs"}
    far = visitor.post("/bins/LND-R04-B2/delivery", data=given | {"pieces": "1000"})
    assert far.status_code == 422
    assert "the weight is that of about 500" in far.text
    assert visitor.post("/bins/LND-R04-B2/delivery", data=given).status_code in {200, 303}
    page = page_of(browser, "LND-R04-B2")
    assert "One piece may weigh 4.303 g , and 4.200 g is in use" in page
    assert "LND-R04-B2 500 488 (\N{MINUS SIGN}12) 1" in page
    given = {"finding": "1", "answer": "accept", "because": "weighed by hand"}
    assert visitor.post("/bins/LND-R04-B2/finding", data=given).status_code in {200, 303}
    page = page_of(browser, "LND-R04-B2")
    assert "Accepted" in page
    assert "One piece weighs 4.303 g since." in page
    assert "may weigh" not in page
    assert visitor.post("/bins/LND-R04-B2/finding", data=given).status_code == 409
