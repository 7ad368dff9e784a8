"""The server as a process: it stops when told, with a live wall open, and leaves with zero."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import httpx
import pytest

from tests.cloud.http.world import OPERATIONS, PASSWORD, SETTINGS

STOP_S_MAX = 5
PROGRAM = """
import os
import threading
from cloud.http.serving import serve
from cloud.http.site import make_site
from cloud.postgres import pools
from cloud.settings import http_settings

settings = http_settings(os.environ)
with (
    pools.make_pool(settings.portal_dsn, name="portal") as portal,
    pools.make_pool(settings.auth_dsn, name="auth") as auth,
):
    stop = threading.Event()
    if "STOPPED" in os.environ:
        stop.set()
    serve(make_site(settings, portal, auth), host=settings.host, port=settings.port, stop=stop)
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def started(world, url: str, **more: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env={
            **os.environ,
            "BINLINE_PORTAL_DSN": world.database.dsn("binline_portal"),
            "BINLINE_AUTH_DSN": world.database.dsn("binline_auth"),
            "BINLINE_PUBLIC_URL": url,
            "BINLINE_SECRET_KEY": SETTINGS.secret_key.hex(),
            "BINLINE_HTTP_PORT": url.rsplit(":", 1)[1],
            **more,
        },
    )


@pytest.fixture
def server(world):
    world.a_morning()
    url = f"http://127.0.0.1:{free_port()}"
    process = started(world, url)
    try:
        _wait_until_up(url, process)
        yield url, process
    finally:
        process.kill()
        process.wait(10)


def _wait_until_up(url: str, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert process.poll() is None, "the server ended at once"
        try:
            urllib.request.urlopen(f"{url}/api/health", timeout=2).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the server did not come up")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_open_wall_does_not_keep_the_server_from_stopping(
    server, number: signal.Signals
) -> None:
    url, process = server
    with httpx.Client(base_url=url, headers={"origin": url}) as page:
        page.post("/login", data={"email": OPERATIONS, "password": PASSWORD})
        with page.stream("GET", "/live") as stream:
            lines = stream.iter_lines()
            assert any(line == "event: wall" for line in lines)
            process.send_signal(number)
            assert any(line == "event: end" for line in lines)
    assert process.wait(STOP_S_MAX) == 0


def test_a_stop_that_came_before_the_server_ran_is_not_forgotten(world) -> None:
    process = started(world, f"http://127.0.0.1:{free_port()}", STOPPED="yes")
    try:
        assert process.wait(30) == 0
    finally:
        process.kill()


def test_the_server_names_neither_itself_nor_its_version(server) -> None:
    url, _ = server
    assert "server" not in httpx.get(f"{url}/api/health").headers
