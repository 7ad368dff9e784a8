"""The stream to open walls: one hub asks the database, everybody who watches gets the same bytes.

    wall     everything; the first event, and again whenever a viewer fell behind
    change   the tiles that changed, and the parts around them that did
    beat     nothing changed, and we are still here (a comment would be invisible to the page)
    away     the database does not answer: since when, and that we try again
    end      the session is over, or the server stops

The hub asks four times a second and only while somebody watches. Trust fades with time alone, so it
is judged anew each second even when no reading comes. What needs a person is asked for beside it,
once a second and for a fifth of the time at most, by the very rule that makes the list. No
connection to the database is held for a viewer; a viewer that stops reading loses its place, not
our memory.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
import psycopg
import psycopg_pool
from psycopg_pool import ConnectionPool
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from cloud.actions.look_for_cases import look_for_cases
from cloud.http import cases, views
from cloud.http.cases import Needs
from cloud.postgres import asking, wall
from cloud.postgres.wall import BinRow, GatewayRow

log = logging.getLogger(__name__)

POLL_S = 0.25
JUDGE_S = 1.0  # how often trust is judged by time alone
NEEDS_S = 1.0  # how often what needs a person is looked for
NEEDS_SHARE = 4  # and not before so many times as long have passed as it took
RELOAD_S = 10.0  # how often everything is read: a changed minimum or a new bin touches no state
AWAY_RETRY_S = 1.0
BEAT_S = 2.0
VIEWERS_MAX = 200
WAITING_MAX = 32  # batches a slow viewer may be behind before it starts again from a snapshot
SEND_S_MAX = 20.0
SESSION_CHECK_S = 30.0
OUTAGES = (
    psycopg.OperationalError,
    psycopg_pool.PoolTimeout,
    psycopg_pool.TooManyRequests,
    OSError,
)


class TooManyViewers(Exception):  # noqa: N818 - it is an answer, not a defect
    """All places at the live stream are taken."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What one look into the database brought."""

    complete: bool
    rows: list[BinRow]
    gateways: list[GatewayRow]
    horizon: str


def look(pool: ConnectionPool, since: str | None) -> Asked:
    with pool.connection() as conn:
        asking.as_operations(conn, "live wall")
        horizon = wall.horizon(conn)
        rows = wall.all_bins(conn) if since is None else wall.bins_changed_since(conn, since)
        gateways = wall.all_gateways(conn)
    return Asked(complete=since is None, rows=rows, gateways=gateways, horizon=horizon)


def look_for_needs(pool: ConnectionPool, now: datetime) -> Needs:
    with pool.connection() as conn:
        asking.as_operations(conn, "live wall")
        return cases.needs_of(look_for_cases(conn, now), now)


@dataclass(eq=False, kw_only=True)
class Viewer:
    waiting: deque[bytes] = field(default_factory=deque)
    fell_behind: bool = True  # a new viewer has everything still to get
    stirred: asyncio.Event = field(default_factory=asyncio.Event)

    def offer(self, event: bytes) -> None:
        if len(self.waiting) >= WAITING_MAX:
            self.waiting.clear()
            self.fell_behind = True
        if not self.fell_behind:
            self.waiting.append(event)
        self.stirred.set()


class Hub:
    def __init__(
        self,
        ask: Callable[[str | None], Asked],
        ask_needs: Callable[[datetime], Needs],
        now: Callable[[], datetime],
    ) -> None:
        self._ask = ask
        self._ask_needs = ask_needs
        self._now = now
        self._needs = cases.NOTHING
        self._needs_again_at = 0.0
        self._needs_asked: asyncio.Task[Needs] | None = None
        self._viewers: set[Viewer] = set()
        self._watched = asyncio.Event()
        self._closing = False
        self._rows: dict[str, BinRow] = {}
        self._tiles: dict[str, views.Tile] = {}
        self._gateways: list[GatewayRow] = []
        self._summary: dict[str, Any] = {}
        self._since: str | None = None
        self._away: bytes | None = None
        self._read_at = self._judged_at = 0.0
        self._snapshot: bytes | None = None

    @property
    def viewers(self) -> int:
        return len(self._viewers)

    @property
    def away(self) -> bool:
        return self._away is not None

    def join(self) -> Viewer:
        if len(self._viewers) >= VIEWERS_MAX or self._closing:
            raise TooManyViewers
        viewer = Viewer()
        self._viewers.add(viewer)
        self._watched.set()
        return viewer

    def leave(self, viewer: Viewer) -> None:
        self._viewers.discard(viewer)
        if not self._viewers:
            self._watched.clear()
            # Nobody looks, so nothing is kept up to date: the next viewer starts from a fresh look.
            self._since = self._snapshot = self._away = None

    def close(self) -> None:
        """End every stream, so that the server can stop at once."""
        self._closing = True
        for viewer in self._viewers:
            viewer.stirred.set()

    async def next_event(self, viewer: Viewer) -> bytes | None:
        """What to send next: an event, a beat when nothing happened for long, None at the end."""
        deadline = time.monotonic() + BEAT_S
        while not self._closing:
            viewer.stirred.clear()
            event = self._due(viewer)
            if event is not None:
                return event
            with suppress(TimeoutError):
                await asyncio.wait_for(viewer.stirred.wait(), max(0, deadline - time.monotonic()))
            if time.monotonic() >= deadline and not viewer.stirred.is_set():
                return self._away or encode("beat", {"at": _ms(self._now())})
        return None

    def _due(self, viewer: Viewer) -> bytes | None:
        if viewer.waiting:
            return viewer.waiting.popleft()
        if viewer.fell_behind and self._snapshot_possible():
            viewer.fell_behind = False
            return self._whole()
        return None

    async def run(self) -> None:
        """For ever: look, judge, tell. Ends by being cancelled."""
        while True:
            await self._watched.wait()
            try:
                await self._tick()
                await asyncio.sleep(POLL_S)
            except OUTAGES as outage:
                self._say_away(outage)
                await asyncio.sleep(AWAY_RETRY_S)
            except (
                Exception
            ) as defect:  # the head of the loop: a wall must not stand still in silence
                log.exception("the live wall failed, starting it anew")
                self._say_away(defect)
                await asyncio.sleep(AWAY_RETRY_S)

    async def _tick(self) -> None:
        started = time.monotonic()
        if started - self._read_at > RELOAD_S:
            self._since = None
        asked = await asyncio.to_thread(self._ask, self._since)
        await self._look_for_needs(wait=not self._tiles)
        was_away, self._away = self._away is not None, None
        if was_away:
            log.info("the database answers the live wall again")
        if asked.complete:
            self._read_at = started
        self._since = asked.horizon
        others = asked.complete and self._rows.keys() != {row.code for row in asked.rows}
        self._take(asked, everything=asked.complete or started - self._judged_at > JUDGE_S)
        if was_away or others:
            for viewer in self._viewers:
                viewer.waiting.clear()
                viewer.fell_behind = True
        for viewer in self._viewers:
            if viewer.fell_behind:
                viewer.stirred.set()

    async def _look_for_needs(self, *, wait: bool) -> None:
        """Beside the tiles, which do not wait for it but the first time."""
        task = self._needs_asked
        if task is None:
            if time.monotonic() < self._needs_again_at and not wait:
                return
            task = self._needs_asked = asyncio.create_task(self._timed_needs())
        if task.done() or wait:
            self._needs_asked = None
            self._needs = await task

    async def _timed_needs(self) -> Needs:
        began = time.monotonic()
        needs = await asyncio.to_thread(self._ask_needs, self._now())
        took_s = time.monotonic() - began
        self._needs_again_at = time.monotonic() + max(NEEDS_S, NEEDS_SHARE * took_s)
        return needs

    def _take(self, asked: Asked, *, everything: bool) -> None:
        """Keep what came, judge it, and tell what is different from before."""
        now = self._now()
        behind_ms = self._behind_ms(asked.rows, now)
        if asked.complete:
            self._rows = {}
        self._rows.update((row.code, row) for row in asked.rows)
        changed_gateways = asked.gateways != self._gateways
        self._gateways = asked.gateways
        to_judge = self._rows.values() if everything else asked.rows
        judged = {row.code: views.tile_of(row, now) for row in to_judge}
        changed = [tile for code, tile in judged.items() if self._tiles.get(code) != tile]
        if asked.complete:
            self._tiles = judged
        else:
            self._tiles.update(judged)
        parts: dict[str, Any] = {}
        if everything or changed or changed_gateways:
            self._judged_at = time.monotonic()
            parts = self._summarise()
        if changed or parts:
            self._snapshot = None
            change = {"at": _ms(now), "tiles": changed, "behind_ms": behind_ms, **parts}
            self._tell(encode("change", change))

    def _summarise(self) -> dict[str, Any]:
        """The parts of the summary that differ from what was told last."""
        rows = list(self._rows.values())
        tiles = [self._tiles[row.code] for row in rows]
        summary = views.summary_of(rows, tiles, self._gateways)
        fresh = {name: getattr(summary, name) for name in ("groups", "figures", "counts")}
        fresh["needs"] = self._needs
        different = {name: part for name, part in fresh.items() if self._summary.get(name) != part}
        self._summary = fresh
        return different

    def _behind_ms(self, rows: list[BinRow], now: datetime) -> int | None:
        """How long the newest readings took from the cloud's door to this line; None: none came."""
        came = [row.received_at for row in rows if row.received_at and self._is_news(row)]
        return max(0, _ms(now) - _ms(min(came))) if came and self._tiles else None

    def _is_news(self, row: BinRow) -> bool:
        known = self._rows.get(row.code)
        return known is not None and known.received_at != row.received_at

    def _say_away(self, outage: BaseException) -> None:
        if self._away is None:
            log.warning("the database does not answer the live wall: %s", outage)
            self._away = encode("away", {"at": _ms(self._now())})
            self._tell(self._away)
        self._since = None

    def _tell(self, event: bytes) -> None:
        for viewer in self._viewers:
            viewer.offer(event)

    def _snapshot_possible(self) -> bool:
        return self._since is not None and self._away is None

    def _whole(self) -> bytes:
        """Encoded once for all who need it, but for the time: pages set their clocks by it."""
        if self._snapshot is None:
            tiles = views.in_wall_order(self._tiles.values())
            self._snapshot = msgspec.json.encode({"tiles": tiles, **self._summary})
        at = f'event: wall\ndata: {{"at":{_ms(self._now())},'
        return at.encode() + self._snapshot[1:] + b"\n\n"


class EventStream(Response):
    """Sends events until the viewer leaves, stops reading, is signed out, or the hub closes."""

    def __init__(
        self, hub: Hub, viewer: Viewer, still_signed_in: Callable[[], Awaitable[bool]]
    ) -> None:
        super().__init__(media_type="text/event-stream")
        self._hub = hub
        self._viewer = viewer
        self._still_signed_in = still_signed_in

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        leaving = asyncio.create_task(_until_gone(receive))
        sending = asyncio.create_task(self._send_all(send))
        try:
            await asyncio.wait({leaving, sending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._hub.leave(self._viewer)
            for task in (leaving, sending):
                task.cancel()
            await asyncio.gather(leaving, sending, return_exceptions=True)

    async def _send_all(self, send: Send) -> None:
        # A proxy that collects the stream would make the wall late without a word.
        headers = [
            (b"content-type", b"text/event-stream; charset=utf-8"),
            (b"x-accel-buffering", b"no"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await _send(send, b"retry: 1000\n\n")
        checked_at = time.monotonic()
        while (event := await self._hub.next_event(self._viewer)) is not None:
            await _send(send, event)
            if time.monotonic() - checked_at > SESSION_CHECK_S:
                checked_at = time.monotonic()
                if not await self._still_signed_in():
                    break
        await _send(send, encode("end", {}))
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _send(send: Send, body: bytes) -> None:
    """A viewer that does not read blocks `send` for ever; after a while it is given up."""
    message = {"type": "http.response.body", "body": body, "more_body": True}
    await asyncio.wait_for(send(message), SEND_S_MAX)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def encode(event: str, content: dict[str, Any]) -> bytes:
    return f"event: {event}\ndata: ".encode() + msgspec.json.encode(content) + b"\n\n"


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
