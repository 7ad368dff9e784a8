"""Runs the site until a signal arrives, and ends it at once: open walls are told, not waited for.

Without that a server with one open live stream hangs at SIGTERM until its patience is over.
"""

import signal
import socket
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


def serve(site: FastAPI, *, host: str, port: int) -> None:
    """Returns after SIGTERM or SIGINT. To be called in the main thread."""
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
    # uvicorn raises the signal once more when it is done, for whoever listened before it: nobody
    # is left to be told, and the default would end us as killed instead of finished.
    before = {number: signal.signal(number, _heard) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        server.run()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _heard(_number: int, _frame: FrameType | None) -> None:
    pass
