"""Runs the site until a signal arrives, and ends it at once: open walls are told, not waited for.

Without that a server with one open live stream hangs at SIGTERM until its patience is over.
"""

import signal
import socket
import threading
from types import FrameType

import uvicorn
from fastapi import FastAPI

GRACEFUL_S_MAX = 2
CONNECTIONS_MAX = 500  # above the places at the live wall, so that pages still open when it is full


class SiteServer(uvicorn.Server):
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        site = self.config.app
        assert isinstance(site, FastAPI)
        site.state.parts.hub.close()
        await super().shutdown(sockets)


def serve(site: FastAPI, *, host: str, port: int, stop: threading.Event) -> None:
    """Returns after SIGTERM or SIGINT, at once when `stop` was set by one before.

    To be called in the main thread.
    """
    server = SiteServer(
        uvicorn.Config(
            site,
            host=host,
            port=port,
            access_log=False,
            log_config=None,
            server_header=False,
            limit_concurrency=CONNECTIONS_MAX,
            timeout_graceful_shutdown=GRACEFUL_S_MAX,
        )
    )

    # While uvicorn is still starting, nobody else would hear a signal. When it is done it raises
    # the signal once more, for whoever listened before it; the default would end us as killed.
    def heard(_number: int, _frame: FrameType | None) -> None:
        server.should_exit = True

    before = {number: signal.signal(number, heard) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        if not stop.is_set():  # asked after we listen, so that no signal falls in between
            server.run()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
