"""Wiring: settings in, a running process out. Three processes, and none loads another's world.

    ingest   broker -> database, one consumer and one writer
    work     assesses bins and sends notices
    serve    the pages and the API

Each returns when it is told to stop. What was not finished then is finished at the next start: work
that is owed is in the database, and readings not yet committed are still on their gateways.
"""

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloud.intake import jetstream, mqtt
    from cloud.settings import HttpSettings, IngestSettings, JobsSettings

STOP_S_MAX = 8.0  # who stops us waits ten seconds before it kills
AUTH_CONNECTIONS_MAX = 4

log = logging.getLogger(__name__)


def ingest(settings: "IngestSettings", stop: threading.Event) -> None:
    from cloud.loops.ingest import IngestLoop  # noqa: PLC0415 - only this process needs it
    from cloud.postgres import pools  # noqa: PLC0415 - as above

    _serve_metrics(settings.metrics_port)
    with _consumer(settings) as consumer:
        loop = IngestLoop(
            consumer,
            lambda: pools.connect(settings.dsn, name="ingest"),
            age_max=settings.accepted,
        )
        loop.run(stop)


def _consumer(settings: "IngestSettings") -> "jetstream.Consumer | mqtt.Consumer":
    from cloud.core.fairness import Quota  # noqa: PLC0415 - only this process needs it

    broker = settings.broker
    quota = Quota(settings.readings_s, settings.bytes_s)
    if broker.protocol == "nats":
        from cloud.intake import jetstream  # noqa: PLC0415 - only where it is used

        return jetstream.Consumer(
            host=broker.host,
            port=broker.port,
            tls=broker.tls,
            user=broker.user,
            password=broker.password,
            quota=quota,
        )
    from cloud.intake import mqtt  # noqa: PLC0415 - as above

    return mqtt.Consumer(
        host=broker.host,
        port=broker.port,
        tls=broker.tls,
        user=broker.user,
        password=broker.password,
        instance=settings.instance,
        shared=settings.shared,
        quota=quota,
    )


def work(settings: "JobsSettings", stop: threading.Event) -> None:
    from cloud.loops.work import run_work  # noqa: PLC0415 - only this process needs it

    run_work(settings, stop)


def serve(settings: "HttpSettings", stop: threading.Event) -> None:
    """Serve until a signal arrives; once it runs, the web server listens for signals itself."""
    from cloud.http import serving  # noqa: PLC0415 - only this process needs it
    from cloud.http.site import make_site  # noqa: PLC0415 - as above
    from cloud.postgres import pools  # noqa: PLC0415 - as above

    with (
        pools.make_pool(settings.portal_dsn, name="portal") as portal_pool,
        pools.make_pool(settings.auth_dsn, name="auth", size_max=AUTH_CONNECTIONS_MAX) as auth_pool,
    ):
        site = make_site(settings, portal_pool, auth_pool)
        serving.serve(site, host=settings.host, port=settings.port, stop=stop)


@contextmanager
def stopping_on_signals() -> Iterator[threading.Event]:
    """An event that SIGTERM and SIGINT set. Whatever hangs then is left after `STOP_S_MAX`.

    Leaving is safe at any point: nothing is acknowledged before it is committed.
    """
    stop = threading.Event()
    finished = threading.Event()

    def end_what_hangs() -> None:
        if not finished.wait(STOP_S_MAX):
            log.warning("something did not end within %.0f s, leaving it", STOP_S_MAX)
            os._exit(0)

    def asked(_number: int, _frame: FrameType | None) -> None:
        if not stop.is_set():
            stop.set()
            threading.Thread(target=end_what_hangs, name="stopping", daemon=True).start()

    before = {number: signal.signal(number, asked) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        finished.set()
        for number, handler in before.items():
            signal.signal(number, handler)


def log_to_stderr() -> None:
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    # It speaks of every request that it makes; attempts are rows in the database already.
    logging.getLogger("httpx").setLevel(logging.WARNING)


def _serve_metrics(port: int | None) -> None:
    if port is None:
        return
    import prometheus_client  # noqa: PLC0415 - only when asked for

    prometheus_client.start_http_server(port, addr="127.0.0.1")
