"""The site as a server, and a real Chromium in front of it."""

import dataclasses
import shutil
import socket
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx
import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from cloud.http.serving import SiteServer
from cloud.http.site import make_site
from cloud.postgres import pools
from tests.cloud.http.world import PASSWORD, SETTINGS, World
from tests.conftest import Database

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
UP_S_MAX = 20


class WorldNow(World):
    """The small world, but its clock runs."""

    def clock(self) -> datetime:
        self.now = datetime.now(UTC)
        return self.now

    def _heard(self, code: str, ago_s: float, **said: object) -> None:
        self.clock()
        super()._heard(code, ago_s, **said)


@dataclass
class Served:
    """A site that can die and come back where it was."""

    world: WorldNow
    port: int
    server: SiteServer | None = None
    thread: threading.Thread | None = None
    open_pools: list = dataclasses.field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        dsn = self.world.database.dsn
        portal = pools.make_pool(dsn("binline_portal"), name="portal", size_max=4)
        auth = pools.make_pool(dsn("binline_auth"), name="auth", size_max=2)
        portal.open()
        auth.open()
        self.open_pools = [portal, auth]
        settings = dataclasses.replace(SETTINGS, public_url=self.url, port=self.port)
        site = make_site(settings, portal, auth, now=self.world.clock)
        config = uvicorn.Config(
            site, port=self.port, log_config=None, access_log=False, timeout_graceful_shutdown=1
        )
        self.server = SiteServer(config)
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        deadline = time.monotonic() + UP_S_MAX
        while not self.server.started:
            assert time.monotonic() < deadline, "the site did not come up"
            time.sleep(0.02)

    def cookie(self, email: str) -> str:
        answer = httpx.post(
            f"{self.url}/login",
            data={"email": email, "password": PASSWORD},
            headers={"origin": self.url},
        )
        return answer.cookies["binline"]

    def stop(self) -> None:
        if self.server is not None and self.thread is not None:
            self.server.should_exit = True
            self.thread.join(10)
            for pool in self.open_pools:
                pool.close()
        self.server = None


@pytest.fixture
def served(database: Database) -> Iterator[Served]:
    with serving(database) as site:
        yield site


@contextmanager
def serving(database: Database) -> Iterator[Served]:
    world = WorldNow(database, now=datetime.now(UTC)).settle()
    world.a_morning()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    site = Served(world, port)
    site.start()
    try:
        yield site
    finally:
        site.stop()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        warnings.warn(
            "NO CHROMIUM ON THIS MACHINE: the pages are not tested in a browser."
            " `make browser` installs it.",
            stacklevel=1,
        )
        pytest.skip("NO CHROMIUM ON THIS MACHINE: `make browser` installs it")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


Visit = Callable[..., Page]


@pytest.fixture
def visit(chromium: Browser, served: Served) -> Iterator[Visit]:
    """A page in a browser of its own: `visit(path, email=…, width=…, scheme=…, scripts=…)`."""
    contexts: list[BrowserContext] = []

    def open_page(
        path: str,
        email: str | None = None,
        *,
        width: int = 1280,
        scheme: str = "light",
        scripts: bool = True,
    ) -> Page:
        context = chromium.new_context(
            viewport={"width": width, "height": 800},
            color_scheme=scheme,
            java_script_enabled=scripts,
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.broken = []  # what a page must never have to say
        page.on("pageerror", lambda error: page.broken.append(str(error)))
        page.on(
            "console",
            lambda said: page.broken.append(said.text) if "Content Security" in said.text else None,
        )
        if email is not None:
            context.add_cookies(
                [{"name": "binline", "value": served.cookie(email), "url": served.url}]
            )
        if path:
            page.goto(path if path.startswith("http") else f"{served.url}{path}")
        return page

    yield open_page
    for context in contexts:
        context.close()
