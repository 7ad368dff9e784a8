"""Wiring: settings in, running agent out. The one file of the agent that names concrete classes.

    poll threads ─▶ queue ─▶ drain thread (spool) ◀─▶ uplink thread ◀─▶ broker
                                                  ◀── heartbeat thread

A thread that ends by itself is a defect or a broken disk, and half an agent is worse than none:
`run` then ends with 1, and the service manager starts a new agent with a new stream.
"""

import importlib.metadata
import logging
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from edge_agent.core.typed_toml import SettingsError
from edge_agent.loops import clock, heartbeat
from edge_agent.loops.drain import READINGS_WAITING_MAX, Commit, Drain
from edge_agent.loops.pollers import PollerOf, pollers_for
from edge_agent.loops.stating import Clock
from edge_agent.loops.taken import Taken
from edge_agent.mqtt.uplink import Line, Uplink
from edge_agent.settings import Settings
from edge_agent.sqlite.journal import Journal
from edge_agent.sqlite.spool import Spool, SpoolError
from edge_agent.wire.messages import Presence

WATCH_S = 0.5

# A service manager asks politely for ten seconds.
STOP_POLLING_S_MAX = 2.0
STOP_DRAINING_S_MAX = 4.0
STOP_HEARTBEAT_S_MAX = 0.5

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Parts:
    """All that can be made before anything is opened."""

    pollers: Mapping[str, PollerOf]
    line: Line
    readings: Taken
    stop_polling: threading.Event
    timekeeper: clock.Timekeeper


def prepare(settings: Settings) -> Parts:
    """SettingsError when a profile, a password or a certificate is not what it has to be."""
    settings.broker.password()
    readings = Taken(READINGS_WAITING_MAX)
    stop = threading.Event()
    timekeeper = clock.Timekeeper(
        trusts=clock.kernel_trusts_it if settings.clock_check else lambda: True
    )
    time_source = Clock(
        wall_ms=timekeeper.stamp_ms,
        monotonic_ms=clock.monotonic_ms,
        trusted=lambda: timekeeper.trusted,
    )
    return Parts(
        pollers=pollers_for(settings, readings=readings, stop=stop, clock=time_source),
        line=_line(settings),
        readings=readings,
        stop_polling=stop,
        timekeeper=timekeeper,
    )


def run(settings: Settings, stop: threading.Event) -> int:
    """Until `stop` is set: 0. Until a part of it fails: 1, and what was taken is kept."""
    parts = prepare(settings)  # a mistake in the settings is said before anything is opened
    journal = Journal.beside(settings.spool.path)
    try:
        spool = Spool.open(
            settings.spool.path,
            settings.spool.bytes_max,
            tail_bytes=settings.spool.tail_bytes,
            tail_s=settings.spool.tail_hours * 3600,
            now_ms=clock.wall_ms(),
            journal=journal,
        )
    except SpoolError as error:
        log.error("%s", error)  # noqa: TRY400 - the sentence says it all
        return 1
    parts.readings.note = journal.note
    agent = _Agent(settings, parts, spool)
    agent.start()
    failed = None
    while failed is None and not stop.wait(WATCH_S):
        failed = agent.failed()
    if failed is not None:
        log.error("%s has ended; the agent ends too, to be started again", failed)
    agent.stop()
    return 0 if failed is None else 1


class _Agent:
    def __init__(self, settings: Settings, parts: Parts, spool: Spool) -> None:
        self._gateway = settings.gateway
        self._stream = spool.stream
        self._version = importlib.metadata.version("binline")
        self._parts = parts
        self._stop_draining = threading.Event()
        self._stop_heartbeat = threading.Event()
        self._uplink = Uplink(parts.line, self._presence)
        self._drain = Drain(
            spool=spool,
            readings=parts.readings,
            line=self._uplink,
            commit=Commit(
                after_s=settings.spool.commit_s,
                offline_after_s=settings.spool.commit_offline_s,
                readings=settings.spool.commit_readings,
            ),
            clock=parts.timekeeper,
            backlog_bytes_per_s=settings.spool.drain_bytes_per_s,
        )
        remembered = spool.remembered
        self._polling = [
            _thread(f"the poll loop of {address}", poller_of(remembered).run)
            for address, poller_of in parts.pollers.items()
        ]
        self._draining = _thread("the drain loop", lambda: self._drain.run(self._stop_draining))
        self._beating = _thread(
            "the heartbeat",
            lambda: heartbeat.run(
                self._uplink,
                lambda: self._presence("online"),
                settings.heartbeat_s,
                self._stop_heartbeat,
            ),
        )

    def start(self) -> None:
        """The spool first: what is measured before the broker answers is kept all the same."""
        log.info("gateway %s, stream %s", self._gateway, self._stream)
        for thread in (self._draining, *self._polling, self._beating):
            thread.start()
        self._uplink.start()

    def failed(self) -> str | None:
        for thread in (self._draining, *self._polling, self._beating):
            if not thread.is_alive():
                return thread.name
        return None if self._uplink.is_alive() else "the uplink"

    def stop(self) -> None:
        """No more questions; then what is in hand is committed and sent; then good-bye."""
        self._parts.stop_polling.set()
        _join(self._polling, STOP_POLLING_S_MAX)
        self._stop_draining.set()
        _join([self._draining], STOP_DRAINING_S_MAX)
        self._stop_heartbeat.set()
        _join([self._beating], STOP_HEARTBEAT_S_MAX)
        self._uplink.stop()

    def _presence(self, state: Literal["online", "offline"]) -> Presence:
        return Presence(
            state=state,
            stream=self._stream,
            at_ms=self._parts.timekeeper.now_ms(),
            version=self._version,
            backlog_batches=self._drain.backlog,
        )


def _line(settings: Settings) -> Line:
    broker = settings.broker
    return Line(
        gateway=settings.gateway,
        host=broker.host,
        port=broker.port,
        user=broker.user,
        password=broker.password,
        tls=_tls(settings) if broker.tls else None,
    )


def _tls(settings: Settings) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=settings.broker.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"broker.ca_file: {settings.broker.ca_file} cannot be used: {error}. "
            "Allowed: a file of certificates in PEM"
        ) from error


def _thread(name: str, target: Callable[[], None]) -> threading.Thread:
    # daemon: a thread stuck in a driver must not keep the process from ending
    return threading.Thread(target=target, name=name, daemon=True)


def _join(threads: list[threading.Thread], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
        if thread.is_alive():
            log.warning("%s does not stop, going on without it", thread.name)
