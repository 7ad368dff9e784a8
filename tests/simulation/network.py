"""The line, the broker and the processes that take in: all between the gateway and the cloud.

SimLine ──slow, cut, half open──▶ broker ──lost, twice, out of order──▶ workers ──▶ cloud
        ◀──────────── acknowledgements, of several workers, late or lost ─────────────┘
"""

import queue
from dataclasses import dataclass, field

from edge_agent.mqtt.uplink import Connected, Disconnected, Event, Told
from tests.simulation.cloud import Cloud, Tables
from tests.simulation.world import World

HALF_OPEN_MS_MAX = 66_000  # twice the keep-alive, and a little


@dataclass
class Weather:
    """How things are when nothing is broken; a story changes it for a while."""

    bytes_per_s: int = 100_000
    latency_ms: int = 30
    lose: float = 0.0  # in the broker: its queue is full, or nobody listens
    twice: float = 0.0
    shuffle: float = 0.0
    lose_ack: float = 0.0
    workers: int = 1
    working: bool = True  # the processes that take in
    writable: bool = True  # their database
    reachable: bool = True  # the broker
    dies_before_commit: float = 0.0
    dies_before_ack: float = 0.0


class SimLine:
    """The gateway's end: what `Drain` needs of an uplink."""

    def __init__(self, network: "Network") -> None:
        self.events: queue.Queue[Event] = queue.Queue()
        self._network = network

    @property
    def first_waiting(self) -> int:
        return self._network.first_waiting

    def send(self, payload: bytes) -> int:
        return self._network.carry(self, payload)


@dataclass
class Network:
    world: World
    cloud: Cloud
    weather: Weather
    line: SimLine | None = None
    up: bool = False
    half_open: bool = False
    _token: int = 0
    _waiting: dict[int, None] = field(default_factory=dict)
    _connection: int = 0
    _pipe_free_ms: float = 0.0
    _queue: list[bytes] = field(default_factory=list)
    _idle: int = 0
    _dialling: bool = False
    wake: object = None  # called when the gateway has something to hear

    def __post_init__(self) -> None:
        self._idle = self.weather.workers

    # ------------------------------------------------------------------ the line

    def attach(self, line: SimLine) -> None:
        """A new life of the gateway: it dials."""
        self.detach()
        self.line = line
        self._dial(1_000)

    def detach(self) -> None:
        self.line, self.up, self.half_open = None, False, False
        self._connection += 1

    def cut(self) -> None:
        if self.up:
            self.up, self.half_open = False, False
            self._connection += 1
            self._tell(Disconnected())
            self._dial(2_000)

    def hang(self) -> None:
        """Nothing goes through, and the gateway does not know it before the keep-alive says so."""
        if self.up and not self.half_open:
            self.half_open = True
            connection = self._connection

            def notice() -> None:
                if self.half_open and connection == self._connection:
                    self.cut()

            self.world.after(self.world.chance.uniform(0.5, 1) * HALF_OPEN_MS_MAX, notice)

    def _dial(self, within_ms: int) -> None:
        if not self._dialling:
            self._dialling = True
            self.world.after(self.world.chance.uniform(100, within_ms), self._connect)

    def _connect(self) -> None:
        self._dialling = False
        if self.line is None or self.up:
            return
        if not self.weather.reachable:
            self._dial(10_000)
            return
        self.up = True
        self._connection += 1
        self._pipe_free_ms = self.world.now_ms
        self._waiting.clear()
        self.world.say("connected")
        self.world.disturb()
        self._tell(Connected())

    def _tell(self, event: Event) -> None:
        assert self.line is not None
        self.line.events.put(event)
        self.wake()

    @property
    def first_waiting(self) -> int:
        return next(iter(self._waiting), self._token + 1)

    def carry(self, line: SimLine, payload: bytes) -> int:
        if line is not self.line or not self.up:
            return 0
        self._token += 1
        self._waiting[token := self._token] = None
        if self.half_open:
            return token
        start_ms = max(self._pipe_free_ms, self.world.now_ms)
        self._pipe_free_ms = start_ms + len(payload) * 1000 / self.weather.bytes_per_s
        connection = self._connection

        def arrive() -> None:
            # What had left before a cut may have made it.
            if connection == self._connection and not self.half_open:
                self._enqueue(payload)
                self.world.after(self.weather.latency_ms, lambda: self._waiting.pop(token, None))
            elif self.world.chance.random() < 0.3:
                self._enqueue(payload)

        self.world.after(self._pipe_free_ms - self.world.now_ms + self.weather.latency_ms, arrive)
        return token

    # ------------------------------------------------------------------ the broker and who takes in

    def crash_broker(self, *, keeps_queue: bool) -> None:
        if not keeps_queue:
            self._queue.clear()
        self.cut()

    def _enqueue(self, payload: bytes) -> None:
        chance = self.world.chance
        if chance.random() < self.weather.lose:
            return
        self._queue.append(payload)
        if chance.random() < self.weather.twice:
            self._queue.append(payload)
        if chance.random() < self.weather.shuffle:
            chance.shuffle(self._queue)
        self.work()

    def work(self) -> None:
        weather, chance = self.weather, self.world.chance
        while self._queue and self._idle and weather.working and weather.writable:
            count = chance.randint(1, 8)
            payloads, self._queue = self._queue[:count], self._queue[count:]
            self._idle -= 1
            self.world.after(chance.uniform(5, 60), lambda payloads=payloads: self._take(payloads))

    def _take(self, payloads: list[bytes]) -> None:
        weather, chance = self.weather, self.world.chance
        if (
            not weather.working
            or not weather.writable
            or chance.random() < weather.dies_before_commit
        ):
            self._dies_with(payloads)
            return
        acks = self.cloud.take_in(payloads)
        if chance.random() < weather.dies_before_ack:
            self._dies_with(payloads)
            return
        self._answer(acks)
        self._idle += 1
        self.work()

    def _dies_with(self, payloads: list[bytes]) -> None:
        """Most brokers hand out again what was not acknowledged to them; some have forgotten it."""
        if self.world.chance.random() < 0.5:
            self._queue[:0] = payloads

        def revive() -> None:
            self._idle += 1
            self.work()

        self.world.after(self.world.chance.uniform(500, 3_000), revive)

    def _answer(self, acks: list[bytes]) -> None:
        connection = self._connection
        for ack in acks:
            if self.world.chance.random() < self.weather.lose_ack:
                continue

            def arrive(ack: bytes = ack) -> None:
                if self.up and not self.half_open and connection == self._connection:
                    self._tell(Told(payload=ack))

            self.world.after(self.weather.latency_ms + self.world.chance.uniform(1, 40), arrive)

    # ------------------------------------------------------------------ backups

    def back_up(self) -> Tables:
        return self.cloud.tables.copy()

    def restore(self, backup: Tables) -> None:
        self.cloud.tables = backup.copy()
        self.world.disturb()
