"""The site over a real database, with a clock that the test sets."""

from collections.abc import Callable, Iterator

import pytest
from fastapi.testclient import TestClient

from cloud.http.site import make_site
from cloud.postgres import pools
from tests.cloud.http.world import PASSWORD, SETTINGS, World
from tests.conftest import Database

Browser = Callable[[str | None], TestClient]


@pytest.fixture
def world(database: Database) -> World:
    return World(database).settle()


@pytest.fixture
def site(world: World) -> Iterator[object]:
    dsn = world.database.dsn
    with (
        pools.make_pool(dsn("binline_portal"), name="portal", size_max=4) as portal_pool,
        pools.make_pool(dsn("binline_auth"), name="auth", size_max=2) as auth_pool,
    ):
        yield make_site(SETTINGS, portal_pool, auth_pool, now=world.clock)


@pytest.fixture
def browser(site) -> Browser:
    """A visitor with cookies of its own: signed in as somebody, or nobody."""

    def visit(email: str | None = None) -> TestClient:
        client = TestClient(
            site,
            headers={"origin": "http://testserver", "accept": "text/html"},
            follow_redirects=False,
        )
        if email is not None:
            response = client.post("/login", data={"email": email, "password": PASSWORD})
            assert response.status_code == 303, response.text
        return client

    return visit
