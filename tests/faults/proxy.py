"""The chaos proxy: TCP links on 127.0.0.1 that can be made to fail in every way a network does.

    link = proxies.open("gw-1", target_port)      link.port is where the client connects
    link.set(refuse=True)                         nobody listens, and what stood is reset
    link.set(blackhole=True)                      accepted, never answered; what stands goes silent
    link.set(rate=2_000, delay_s=2.0)             bytes a second, and how late each byte comes
    link.set(reset_after=120)                     each new connection dies after so many bytes sent
    link.set(portal=True)                         whoever connects hears a web page
    link.set(cut_at=b"COMMIT", cut_forwards=True) dies when these bytes pass, before the answer
    link.set(shuffle=Shuffle(...))                MQTT: PUBLISH frames again, later, out of order
    link.heal() · link.cut()                      back to a wire · reset once, new ones pass

One thread of its own with an event loop; every call is made from outside of it. What passed is
counted, so that a check can ask how often somebody connected, and when acknowledgements went by.
"""

import asyncio
import contextlib
import random
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from tests.faults.mqtt_frames import PUBLISH, Splitter, kind_of, topic_of

CHUNK_BYTES = 16 * 1024
CALL_S_MAX = 5.0
HELD_MAX = 32
LOOK_S = 0.05
PORTAL_PAGE = (
    b"HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/login\r\n"
    b"Content-Type: text/html\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
)


def lasting_port() -> int:
    """Free, and below those that the system gives to outgoing connections: one of these would take
    the place of a listener that is away for a moment."""
    while True:
        port = random.randrange(15_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@dataclass(frozen=True, kw_only=True)
class Shuffle:
    """PUBLISH frames: how many of a hundred are said again, and how many are held back a while."""

    seed: int
    again: int = 30
    copies_max: int = 3
    hold: int = 40
    hold_s: float = 0.6


@dataclass(frozen=True, kw_only=True)
class Rules:
    refuse: bool = False
    blackhole: bool = False
    portal: bool = False
    rate: int | None = None
    delay_s: float = 0.0
    reset_after: int | None = None
    cut_at: bytes | None = None
    cut_forwards: bool = True
    cut_times: int = 0
    shuffle: Shuffle | None = None

    @property
    def delayed(self) -> bool:
        return bool(self.rate or self.delay_s)


@dataclass(kw_only=True)
class Passed:
    """What went by. Times are of the monotonic clock."""

    connects: list[float] = field(default_factory=list)
    acks: list[float] = field(default_factory=list)  # PUBLISH frames to …/down/ack
    heard: bytearray = field(default_factory=bytearray)  # what a portal was told
    cuts: int = 0
    again: int = 0
    late: int = 0


class Link:
    def __init__(
        self, name: str, target: int, loop: asyncio.AbstractEventLoop, *, mqtt: bool
    ) -> None:
        self.name = name
        self.mqtt = mqtt
        self.target = target
        self.port = 0
        self.passed = Passed()
        self._loop = loop
        self._rules = Rules()
        self._server: asyncio.Server | None = None
        self._conns: set[_Conn] = set()

    # ------------------------------------------------------------ from outside

    def set(self, **changes: Any) -> None:
        self._call(self._set, changes)

    def heal(self) -> None:
        self._call(self._heal)

    def cut(self) -> None:
        self._call(self._cut)

    def retarget(self, port: int) -> None:
        self.target = port

    def _call(self, work: Callable[..., Any], *words: Any) -> None:
        asyncio.run_coroutine_threadsafe(work(*words), self._loop).result(CALL_S_MAX)

    # ------------------------------------------------------------ in the loop

    async def listen(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.port = self.port or lasting_port()
        listener.bind(("127.0.0.1", self.port))
        self._server = await asyncio.start_server(self._accept, sock=listener)

    async def _set(self, changes: dict[str, Any]) -> None:
        self._rules = replace(self._rules, **changes)
        if self._rules.refuse and self._server is not None:
            self._server.close()
            self._server = None
        if self._rules.refuse or self._rules.portal:
            await self._cut()

    async def _heal(self) -> None:
        was_silent = self._rules.blackhole
        self._rules = Rules()
        if self._server is None:
            await self.listen()
        if was_silent:  # bytes are missing in what stands; no router would bring them back
            await self._cut()

    async def _cut(self) -> None:
        for conn in list(self._conns):
            conn.reset()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.passed.connects.append(time.monotonic())
        conn = _Conn(self, reader, writer)
        self._conns.add(conn)
        try:
            await conn.run()
        finally:
            self._conns.discard(conn)
            conn.reset()

    @property
    def rules(self) -> Rules:
        return self._rules

    def spend_cut(self) -> bool:
        """Whether this is one of the cuts that were asked for."""
        if self._rules.cut_times <= 0:
            return False
        self._rules = replace(self._rules, cut_times=self._rules.cut_times - 1)
        self.passed.cuts += 1
        return True


class _CutError(Exception):
    pass


class _Conn:
    def __init__(
        self, link: Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._link = link
        self._near = (reader, writer)
        self._writers = [writer]
        self._sent_up = 0
        self._tail = b""
        self._is_cut = False

    async def run(self) -> None:
        rules = self._link.rules
        if rules.portal:
            await self._play_portal()
            return
        if rules.blackhole:
            while self._link.rules.blackhole:  # noqa: ASYNC110 - rules change from outside
                await asyncio.sleep(LOOK_S)
            return
        try:
            far = await asyncio.open_connection("127.0.0.1", self._link.target)
        except OSError:
            return
        self._writers.append(far[1])
        pumps = [
            asyncio.ensure_future(self._pump(self._near[0], far[1], up=True)),
            asyncio.ensure_future(self._pump(far[0], self._near[1], up=False)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    def reset(self) -> None:
        """RST to both sides: nothing is flushed, as when a router forgets a connection."""
        for writer in self._writers:
            sock = writer.get_extra_info("socket")
            if sock is not None:
                with contextlib.suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    async def _play_portal(self) -> None:
        reader, writer = self._near
        with contextlib.suppress(asyncio.TimeoutError, ConnectionError):
            self._link.passed.heard += await asyncio.wait_for(reader.read(CHUNK_BYTES), 2.0)
            writer.write(PORTAL_PAGE)
            await writer.drain()
            writer.close()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, up: bool
    ) -> None:
        lane = _Lane(self._link, writer)
        try:
            while chunk := await reader.read(CHUNK_BYTES):
                chunk = self._censored(chunk, writer, up=up)
                await lane.pass_on(chunk)
        except (_CutError, ConnectionError, OSError):
            pass
        finally:
            lane.close()

    def _censored(self, chunk: bytes, writer: asyncio.StreamWriter, *, up: bool) -> bytes:
        """The bytes that may pass; raises when this is where the connection dies."""
        rules = self._link.rules
        if self._is_cut:
            return b""  # the answer to what was cut must not come through
        if up and rules.reset_after is not None:
            left = rules.reset_after - self._sent_up
            if len(chunk) >= left:
                writer.write(chunk[: max(0, left)])
                self._link.passed.cuts += 1
                raise _CutError
        if up and rules.cut_at is not None:
            seen = self._tail + chunk
            self._tail = seen[-len(rules.cut_at) :]
            if rules.cut_at in seen and self._link.spend_cut():
                self._is_cut = True
                if not rules.cut_forwards:
                    raise _CutError
                writer.write(chunk)
                # The other end has it and acts on it; the answer finds nobody.
                asyncio.get_running_loop().call_later(0.2, self.reset)
                return b""
        if up:
            self._sent_up += len(chunk)
        return chunk


class _Lane:
    """One direction of a connection: how fast, how late, and in which order."""

    def __init__(self, link: Link, writer: asyncio.StreamWriter) -> None:
        self._link = link
        self._writer = writer
        self._splitter = Splitter()
        self._speaks_mqtt = link.mqtt
        self._waiting = 0  # put, and not yet written
        self._held: list[tuple[float, bytes]] = []
        self._chance: random.Random | None = None
        self._late: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        self._free_at = 0.0
        self._tasks = [
            asyncio.ensure_future(self._deliver()),
            asyncio.ensure_future(self._release()),
        ]

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def pass_on(self, chunk: bytes) -> None:
        if self._speaks_mqtt:
            try:
                frames = self._splitter.feed(chunk)
            except ValueError:  # not after all: it passes as it is
                self._speaks_mqtt = False
                frames = [self._splitter.rest()]
        else:
            frames = [chunk]
        for frame in frames:
            self._note(frame)
            self._mingle(frame)
        while self._waiting > (4 if self._link.rules.rate else 1_000):  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)  # the sender feels it

    def _note(self, frame: bytes) -> None:
        if self._speaks_mqtt and kind_of(frame) == PUBLISH and topic_of(frame).endswith("/ack"):
            self._link.passed.acks.append(time.monotonic())

    def _mingle(self, frame: bytes) -> None:
        shuffle = self._link.rules.shuffle
        if shuffle is None or not self._speaks_mqtt or kind_of(frame) != PUBLISH:
            self._put(frame)
            return
        if self._chance is None:
            self._chance = random.Random(f"{shuffle.seed}/{self._link.name}")
        copies = 1
        if self._chance.randrange(100) < shuffle.again:
            copies += self._chance.randint(1, shuffle.copies_max - 1)
            self._link.passed.again += copies - 1
        for _ in range(copies):
            if self._chance.randrange(100) < shuffle.hold and len(self._held) < HELD_MAX:
                self._link.passed.late += 1
                due = time.monotonic() + self._chance.uniform(0.05, shuffle.hold_s)
                self._held.append((due, frame))
            else:
                self._put(frame)

    async def _release(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            now = time.monotonic()
            due = [frame for at, frame in self._held if at <= now]
            self._held = [entry for entry in self._held if entry[0] > now]
            for frame in reversed(due):
                self._put(frame)

    def _put(self, frame: bytes) -> None:
        rules = self._link.rules
        now = time.monotonic()
        if not (rules.rate or rules.delay_s or self._waiting):
            self._write(frame)
            return
        due = now
        if rules.rate:
            due = self._free_at = max(self._free_at, now) + len(frame) / rules.rate
        self._waiting += 1
        self._late.put_nowait((due + rules.delay_s, frame))

    async def _deliver(self) -> None:
        while True:
            due, frame = await self._late.get()
            while self._link.rules.delayed and time.monotonic() < due:  # noqa: ASYNC110 - as above
                await asyncio.sleep(max(0.0, min(due - time.monotonic(), LOOK_S)))
            self._write(frame)
            self._waiting -= 1

    def _write(self, frame: bytes) -> None:
        if not self._link.rules.blackhole and not self._writer.is_closing():
            self._writer.write(frame)


class Proxies:
    """All links of a world."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._links: dict[str, Link] = {}
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="proxies")
        self._thread.start()

    def open(self, name: str, target: int, *, mqtt: bool = False) -> Link:
        link = Link(name, target, self._loop, mqtt=mqtt)
        asyncio.run_coroutine_threadsafe(link.listen(), self._loop).result(CALL_S_MAX)
        self._links[name] = link
        return link

    def __getitem__(self, name: str) -> Link:
        return self._links[name]

    def all(self) -> list[Link]:
        return list(self._links.values())

    def close(self) -> None:
        for link in self._links.values():
            with contextlib.suppress(Exception):
                link.set(refuse=True)
        with contextlib.suppress(Exception):
            asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(CALL_S_MAX)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CALL_S_MAX)

    async def _end(self) -> None:
        ours = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in ours:
            task.cancel()
        await asyncio.gather(*ours, return_exceptions=True)
