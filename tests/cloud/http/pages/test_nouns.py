"""The pages of the nouns without a browser: what they say when there is nothing, or too much."""

import pytest

from tests.cloud.http.world import OPERATIONS


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/places", "No places yet"),
        ("/bins?q=nothing+like+it", "Nothing matches"),
        ("/bins?shown=unused", "Nothing matches"),
        ("/items", "Lock nut M8"),
        ("/bins?supplier=Norrby", "Supplier: Norrby"),
        ("/items/1/edit", "Ferro AG"),
        ("/items/1/history", "new"),
    ],
)
def test_a_list_says_what_it_holds_or_why_it_holds_nothing(
    world, browser, path: str, says: str
) -> None:
    answer = browser(OPERATIONS).get(path)
    assert answer.status_code == 200
    assert says in answer.text


def test_many_come_in_pages(world, browser) -> None:
    with world.database.admin() as conn:
        conn.execute(
            "INSERT INTO customers (name) SELECT 'C ' || lpad(n::text, 3, '0')"
            " FROM generate_series(1, 60) n"
        )
    ops = browser(OPERATIONS)
    first = ops.get("/customers")
    assert "C 050" in first.text
    assert "C 051" not in first.text
    following = first.text.split('">Next page')[0].rsplit('href="', 1)[1].replace("&amp;", "&")
    assert "C 060" in ops.get(following).text


def test_a_name_that_is_markup_is_shown_as_text(world, browser) -> None:
    ops = browser(OPERATIONS)
    added = ops.post("/customers/new", data={"name": "<script>x</script>"})
    assert added.status_code == 303
    page = ops.get("/customers").text
    assert "<script>x" not in page
    assert "&lt;script&gt;x" in page


def test_a_form_without_its_version_saves_nothing(world, browser) -> None:
    answer = browser(OPERATIONS).post("/bins/LND-R04-B2/edit", data={"minimum": "400"})
    assert answer.status_code == 409
    assert "Nothing of yours was saved" in answer.text


def test_a_bin_that_is_renamed_is_found_by_its_new_code(world, browser) -> None:
    ops = browser(OPERATIONS)
    data = {"code": "LND-NEW", "version": "1"}
    saved = ops.post("/bins/LND-R04-B2/edit", data=data)
    assert saved.headers["location"] == "/bins/LND-NEW/edit?saved=1"
    assert "Saved." in ops.get(saved.headers["location"]).text
