"""What the process tells about itself."""


def test_the_open_walls_are_counted(site, browser) -> None:
    visitor = browser()
    assert "binline_live_viewers 0.0" in visitor.get("/metrics").text
    site.state.parts.hub.join()
    assert "binline_live_viewers 1.0" in visitor.get("/metrics").text
    assert "binline_live_up 1.0" in visitor.get("/metrics").text


def test_no_customer_is_named_in_them(world, browser) -> None:
    world.a_morning()
    told = browser().get("/metrics").text
    assert "Ferro" not in told
    assert "LND" not in told
