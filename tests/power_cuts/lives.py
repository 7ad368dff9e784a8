"""Lives of a spool, told step by step, and what each step has promised.

A life does what a gateway does: it appends, sends, is acknowledged, merges, runs out of room, is
asked for what the cloud lost, and starts again. What it was told goes into the disk's log, between
the writes, so that each cut knows what had been promised before it.
"""

import copy
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from edge_agent.core.count import CounterState
from edge_agent.core.reading import Condition, Outcome, Reading, Total, Weight
from edge_agent.core.stream import Batch
from edge_agent.sqlite.spool import Spool, SpoolFullError
from edge_agent.wire import codec
from edge_agent.wire.messages import Stability
from tests.power_cuts.disk import Disk

NOW_MS = 1_790_000_000_000
QUOTA_BYTES = 22 * 512
Name = tuple[str, int]  # stream, seq


@dataclass
class Known:
    """What has been promised so far."""

    appended: dict[Name, object] = field(default_factory=dict)  # what each number says
    sent: dict[tuple[str, int, int], bytes] = field(default_factory=dict)
    acknowledged: set[Name] = field(default_factory=set)
    begun: tuple[Name, int] | None = None  # an append that had not returned: its first, its count
    counted: int | None = None  # the newest counter value on disk
    counting: int | None = None  # and the one of the append that had not returned
    lives: dict[str, int] = field(default_factory=dict)

    def begun_names(self) -> set[Name]:
        if self.begun is None:
            return set()
        (stream, first), count = self.begun
        return {(stream, seq) for seq in range(first, first + count)}

    def sent_names(self) -> Iterator[tuple[set[Name], bytes]]:
        for (stream, first, last), payload in self.sent.items():
            yield {(stream, seq) for seq in range(first, last + 1)}, payload


@dataclass
class Life:
    disk: Disk
    path: Path
    rng: random.Random
    bytes_max: int = 1 << 26
    tail_bytes: int = 1 << 26
    opens: Callable[..., Spool] = Spool.open
    known: Known = field(default_factory=Known)
    given_up: int = 0
    spool: Spool = field(init=False)
    _number: int = 0
    _starts: int = 0

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        self._starts += 1
        self.spool = self.opens(
            self.path,
            self.bytes_max,
            tail_bytes=self.tail_bytes,
            now_ms=NOW_MS + 1_000 * self._starts,
            connect=self.disk.connect,
        )
        self.known.lives[self.spool.stream] = self.spool.life
        self._note()

    def restart(self) -> None:
        self.given_up += self.spool.given_up
        self.spool.close()
        self.start()

    def append(self, count: int, *, leaving: bool = False) -> None:
        readings = [self._reading() for _ in range(count)]
        totals = [one.outcome for one in readings if isinstance(one.outcome, Total)]
        self.known.counting = totals[-1].total if totals else None
        self.known.begun = (self.spool.stream, self.spool._next_seq), count
        self._note()
        try:
            batches = self.spool.append(readings, leaving=leaving)
        except SpoolFullError:
            self._number -= count
        else:
            for batch in batches:
                self._appended(batch)
                if leaving:
                    self._sent(batch)
            if self.known.counting is not None:
                self.known.counted = self.known.counting
        self.known.begun = self.known.counting = None
        self._note()

    def step(self) -> None:
        self.known.begun = (self.spool.stream, self.spool._next_seq), 1
        self._note()
        with suppress(SpoolFullError):
            self._appended(self.spool.append_step(self.rng.randrange(-5_000, 5_000), "set"))
        self.known.begun = None
        self._note()

    def send(self, count: int) -> None:
        batches = self.spool.oldest(0, count)
        self.spool.mark_leaving(batch.no for batch in batches)
        for batch in batches:
            self._sent(batch)
        self._note()

    def acknowledge(self, count: int) -> None:
        """The oldest that were sent, or some of them."""
        batches = [
            batch
            for batch in self.spool.oldest(0, 1_000)
            if (batch.stream, batch.first_seq, batch.last_seq) in self.known.sent
        ]
        chosen = batches[:count]
        for batch in chosen:
            self.known.acknowledged |= _names(batch)
        self.spool.forget(batch.no for batch in chosen)
        self._note()

    def settle(self) -> None:
        self.spool.settle()
        self._note()

    def compact(self) -> None:
        while self.spool.compact():
            self._note()
        self._note()

    def take_back(self) -> None:
        """The cloud was restored: of one stream it has nothing any more."""
        kept = self.spool.kept()
        if kept:
            stream = self.rng.choice(list(kept))
            first, last = kept[stream][0]
            lost = [(1, (first + last) // 2)]
            with suppress(SpoolFullError):
                self.spool.take_back(stream, lost)
            self._note()

    def _reading(self) -> Reading:
        self._number += 1
        number = self._number
        outcome: Outcome = Weight(weight_mg=number, stability=Stability.STATED)
        sensor = f"s{number % 3}"
        if number % 7 == 0:
            sensor = "counter"
            outcome = Total(total=number, counter=CounterState(value=number, total=number))
        if number % 11 == 0:
            outcome = Condition(condition="fault", because=f"fault {number}")
        return Reading(
            sensor=sensor,
            measured_ms=NOW_MS + number * 60_000,
            clock_trusted=True,
            outcome=outcome,
        )

    def _appended(self, batch: Batch) -> None:
        payload = self.spool.load(batch.no)
        assert payload is not None
        self.known.appended |= said_in(payload)

    def _sent(self, batch: Batch) -> None:
        payload = self.spool.load(batch.no)
        assert payload is not None
        self.known.sent[batch.stream, batch.first_seq, batch.last_seq] = payload

    def _note(self) -> None:
        self.disk.note(copy.deepcopy(self.known))


def said_in(payload: bytes) -> dict[Name, object]:
    """What each number of a message says, in a form that does not depend on its neighbours."""
    message = codec.decode(payload)
    match message:
        case codec.ReadingBatch() | codec.Thinned():
            places = getattr(message, "places", range(len(message.readings)))
            return {
                (message.stream, message.first_seq + place): (
                    message.sensors[row.sensor],
                    message.base_ms + row.after_ms,
                    repr(row).split("after_ms")[1].split(",", 1)[1],
                )
                for place, row in zip(places, message.readings, strict=True)
            }
        case codec.Gap():
            return {}
        case _:
            return {(message.stream, message.seq): message.step_ms}  # type: ignore[union-attr]


def _names(batch: Batch) -> set[Name]:
    return {(batch.stream, seq) for seq in range(batch.first_seq, batch.last_seq + 1)}


def short_life(disk: Disk, path: Path, opens: Callable[..., Spool] = Spool.open) -> Life:
    """Each thing once or twice: small enough for every state that a cut could leave of it."""
    life = Life(disk, path, random.Random(1), opens=opens)
    life.append(2)
    life.append(3, leaving=True)
    life.acknowledge(9)
    life.append(30)
    life.send(2)
    life.acknowledge(1)
    life.settle()
    life.append(1)
    life.append(1)
    life.step()
    life.compact()
    life.restart()
    life.take_back()
    life.append(4, leaving=True)
    life.send(9)
    life.acknowledge(9)
    life.settle()
    life.append(1)
    return life


def long_life(disk: Disk, path: Path, seed: int, steps: int) -> Life:
    """At random, with so little room that the tail is trimmed, and bulk thinned and given up."""
    rng = random.Random(seed)
    life = Life(disk, path, rng, bytes_max=QUOTA_BYTES, tail_bytes=rng.choice((0, 6_000)))
    weights = {
        "append": 10,
        "leaving": 2,
        "send": 1,
        "acknowledge": 4,
        "settle": 1,
        "step": 1,
        "compact": 2,
        "take_back": 1,
        "restart": 1,
    }
    for _ in range(steps):
        match rng.choices(list(weights), list(weights.values()))[0]:
            case "append":
                life.append(rng.choice((1, 3, 40, 150)))
            case "leaving":
                life.append(rng.choice((1, 20)), leaving=True)
            case "send":
                life.send(rng.randrange(1, 5))
            case "acknowledge":
                life.acknowledge(rng.randrange(1, 6))
            case "step":
                life.step()
            case other:
                getattr(life, other)()
    life.given_up += life.spool.given_up
    return life
