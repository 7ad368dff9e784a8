"""Static files by hash, and templates that escape."""

from cloud.http import rendering


def test_an_address_with_the_right_hash_may_be_kept_for_ever(browser) -> None:
    response = browser().get(rendering.static_url("binline.css"))
    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"


def test_an_address_without_it_is_asked_for_again(browser) -> None:
    for address in ("/static/binline.css", "/static/binline.css?v=old"):
        assert browser().get(address).headers["cache-control"] == "no-cache"


def test_a_file_that_is_not_there_is_not_found(browser) -> None:
    for name in ("nothing.css", "..%2fsite.py", "%2e%2e/site.py"):
        assert browser().get(f"/static/{name}").status_code == 404


def test_a_module_imports_the_other_by_its_hash(browser) -> None:
    script = browser().get(rendering.static_url("wall.js")).text
    assert f'from "{rendering.static_url("page.js")}"' in script


def test_names_from_people_are_text_and_never_markup(world, browser) -> None:
    with world.database.admin() as conn:
        conn.execute("UPDATE items SET name = '<script>alert(1)</script>' WHERE sku = '10741'")
        conn.execute("UPDATE sites SET name = '\"><img src=x>' WHERE name = 'Lindau Pumps'")
    world.a_morning()
    ops, ferro = browser("ops@plant.test"), browser("orders@ferro.test")
    for page in (
        ops.get("/wall"),
        ops.get("/bins/LND-R04-B2"),
        ops.get("/orders"),
        ferro.get("/p"),
        ferro.get(world.link("LND-R04-B2")),
    ):
        assert page.status_code == 200
        assert "<script>alert" not in page.text
        assert "<img" not in page.text


def test_the_look_is_remembered_by_the_server(browser) -> None:
    visitor = browser()
    assert 'media="(prefers-color-scheme: dark)"' in visitor.get("/login").text
    for theme, links in (("dark", 1), ("light", 0)):
        response = visitor.post("/theme", data={"theme": theme, "next": "/login"})
        assert (response.status_code, response.headers["location"]) == (303, "/login")
        page = visitor.get("/login").text
        assert page.count("dark.css") == links
        assert f'data-theme="{theme}"' in page
