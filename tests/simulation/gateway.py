"""The gateway: the real drain loop, sender and spool, life after life, on a disk in memory.

It measures, is killed, loses its power in the middle of a commit, starts with a clock from 1970,
and has its memory card taken away and an old copy put in.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge_agent.core.anchor import in_time
from edge_agent.core.reading import Reading, Weight
from edge_agent.core.stream import Batch
from edge_agent.loops.clock import Timekeeper
from edge_agent.loops.drain import READINGS_WAITING_MAX, Commit, Drain
from edge_agent.loops.taken import Taken
from edge_agent.sqlite.journal import Journal
from edge_agent.sqlite.spool import Spool
from edge_agent.wire.messages import Stability
from tests.simulation.ledger import Ledger
from tests.simulation.network import Network, SimLine
from tests.simulation.world import TRUE_START_MS, World

TICK_MS = 1_000
IDLE_TICK_MS = 10_000


class PowerCutError(Exception):
    """In the middle of a commit, which is then neither yes nor no."""


@dataclass(kw_only=True)
class Habits:
    """How this gateway is set up, for all its lives."""

    interval_ms: int = 2_000
    burst: int = 3  # readings at a time
    commit: Commit = field(
        default_factory=lambda: Commit(after_s=0.5, offline_after_s=0.75, readings=100)
    )
    bytes_max: int = 64 * 1024 * 1024
    tail_bytes: int = 50 * 1024 * 1024
    dies_in_commit: float = 0.0
    drift_ppm: int = 0


@dataclass(kw_only=True)
class WallClock:
    """What the machine's own clock shows; `off_ms` from the truth."""

    world: World
    off_ms: int = 0
    trusted: bool = True

    def ms(self) -> int:
        return max(0, self.world.true_ms + self.off_ms)


class WatchedSpool:
    """The real one; what it has committed is written into the ledger, and commits may be cut."""

    def __init__(self, spool: Spool, gateway: "Gateway") -> None:
        self._spool = spool
        self._gateway = gateway

    def __getattr__(self, name: str) -> Any:
        return getattr(self._spool, name)

    def __setattr__(self, name: str, value: object) -> None:
        if name in ("_spool", "_gateway"):
            object.__setattr__(self, name, value)
        else:
            setattr(self._spool, name, value)

    def append(self, readings: Sequence[Reading], *, leaving: bool = False) -> tuple[Batch, ...]:
        weights = [reading.outcome.weight_mg for reading in readings]  # type: ignore[union-attr] # only weights here
        self._cut_power(weights)
        batches = self._spool.append(readings, leaving=leaving)
        self._note(batches[0].first_seq, weights)
        return batches

    def append_step(self, step_ms: int, because: str) -> Batch:
        batch = self._spool.append_step(step_ms, because)
        self._note(batch.first_seq, [0])
        return batch

    def _note(self, first_seq: int, weights: list[int]) -> None:
        self._gateway.ledger.keep(self._spool.stream, first_seq, weights)
        self._gateway.committed()

    def _cut_power(self, weights: list[int]) -> None:
        chance, gateway = self._gateway.world.chance, self._gateway
        if chance.random() >= gateway.habits.dies_in_commit:
            return
        gateway.cut_seq = first_seq = self._spool._next_seq
        gateway.ledger.keep(self._spool.stream, first_seq, weights, sure=False)
        if chance.random() < 0.5:
            gateway.spool_append_unsaid(self._spool)
        raise PowerCutError


class Gateway:
    def __init__(
        self,
        *,
        world: World,
        ledger: Ledger,
        network: Network,
        folder: Path,
        habits: Habits,
        drain: type[Drain] = Drain,
    ) -> None:
        self.world = world
        self.ledger = ledger
        self.habits = habits
        self.path = folder / "spool.db"
        self.measuring = True
        self.running = False
        self.clock = WallClock(world=world)
        self.wears = _nothing  # called after each commit: what a mutant does to the disk
        self.before_start = _nothing
        self._network = network
        self._drain_type = drain
        self._life = 0
        self._tick_due = False
        self._copies = 0
        self._boots = 0
        self.cut_seq = 0  # of the commit in which it died
        self._owed: tuple[str, int, list[int]] | None = None  # by a life that was killed
        network.wake = self.wake

    # ------------------------------------------------------------------ lives

    def start(self) -> None:
        self.before_start()
        self._life += 1
        self.running = True
        start_ms, ppm = self.world.now_ms, self.habits.drift_ppm

        def monotonic_ms() -> int:
            since_ms = self.world.now_ms - start_ms
            return since_ms + since_ms * ppm // 1_000_000

        self.readings = Taken(READINGS_WAITING_MAX)
        journal = Journal(self.path.with_name(f"{self.path.name}-taken"), f"boot {self._boots}")
        spool = self.open_spool(journal)
        self.readings.note = journal.note
        self._keep_what_is_owed()
        self.ledger.begin(spool.stream, spool.life)
        self.spool = WatchedSpool(spool, self)
        self.timekeeper = Timekeeper(
            trusts=lambda: self.clock.trusted, wall_ms=self.clock.ms, monotonic_ms=monotonic_ms
        )
        if self.clock.trusted:
            self.ledger.clock_was_set.add(spool.stream)
        line = SimLine(self._network)
        self.drain = self._drain_type(
            spool=self.spool,  # type: ignore[arg-type] # all that is asked of one
            readings=self.readings,
            line=line,
            commit=self.habits.commit,
            clock=self.timekeeper,
            monotonic_s=lambda: monotonic_ms() / 1000,
        )
        self.world.say(
            f"life {self._life}: stream {spool.stream[:6]}, "
            f"{spool.backlog()} batches in the spool, clock off by {self.clock.off_ms / 1000:.0f} s"
        )
        self.world.disturb()
        self._network.attach(line)
        self._measure_in(self._life, self.world.chance.randint(0, self.habits.interval_ms))
        self._tick(self._life)

    def open_spool(self, journal: Journal | None = None) -> Spool:
        return Spool.open(
            self.path,
            self.habits.bytes_max,
            tail_bytes=self.habits.tail_bytes,
            now_ms=self.clock.ms(),
            monotonic_s=lambda: self.world.now_ms / 1000,
            journal=journal,
        )

    def _keep_what_is_owed(self) -> None:
        """What was taken by a life that was killed is kept by the next, if the power stayed."""
        if self._owed is not None:
            stream, first_seq, weights = self._owed
            self.ledger.keep(stream, first_seq, weights)
        self._owed = None

    def kill(self, next_seq: int | None = None) -> None:
        """The process alone: what it had taken is in the hands of the system."""
        if self.running:
            drain = self.drain
            waiting = [*drain._in_hand.readings, *self.readings.queue]
            step = [0] if drain._step is not None else []
            weights = [one.outcome.weight_mg for one in waiting]  # type: ignore[union-attr] # only weights here
            first_seq = self.spool._next_seq if next_seq is None else next_seq
            self._owed = self.spool.stream, first_seq, [*step, *weights]
        self.end(power=True)

    def end(self, *, power: bool = False) -> None:
        """Without a good-bye. What was committed is on the disk, and without power nothing else."""
        if not power:
            self._boots, self._owed = self._boots + 1, None
        if self.running:
            self.running = False
            self._network.detach()
            self.spool.close()
            self.world.disturb()

    def stop(self) -> None:
        """In good order, with the line down: what is in hand is kept."""
        if self.running:
            self._network.cut()
            self._network.detach()
            self.drain._listen()
            try:
                self.drain._finish()
            except PowerCutError:
                self.world.say("the power went while it stopped")
            self.end()

    def committed(self) -> None:
        self.wears()

    @property
    def backlog(self) -> int:
        waiting = len(self.drain._in_hand.readings) + self.readings.qsize()
        return self.spool.backlog() + waiting

    def live_through(self, batches: int, readings: int) -> None:
        """An earlier life, long ago and without a line: its backlog waits in the spool."""
        spool = self.open_spool()
        self.ledger.begin(spool.stream, spool.life)
        self.ledger.clock_was_set.add(spool.stream)
        self.spool = WatchedSpool(spool, self)
        dies, self.habits.dies_in_commit = self.habits.dies_in_commit, 0.0
        for batch in range(batches):
            at_ms = self.world.true_ms - (batches - batch) * 60_000
            self.spool.append([self._weigh(at_ms, at_ms) for _ in range(readings)])
        self.habits.dies_in_commit = dies
        spool.close()

    # ------------------------------------------------------------------ the clock

    def set_clock(self) -> None:
        """The time service has come."""
        self.clock.off_ms, self.clock.trusted = 0, True
        self.world.say("the clock is set")

    # ------------------------------------------------------------------ what happens by itself

    def _measure_in(self, life: int, delay_ms: int) -> None:
        self.world.after(delay_ms, lambda: self._measure(life))

    def _measure(self, life: int) -> None:
        if life != self._life or not self.running:
            return
        if self.measuring and self.readings.qsize() + self.habits.burst < READINGS_WAITING_MAX:
            for _ in range(self.habits.burst):
                self.readings.put(self._weigh(self.world.true_ms, self.timekeeper.stamp_ms()))
        self._measure_in(life, self.habits.interval_ms)
        self.wake()
        self.world.after(self.habits.commit.after_s * 1000 + 1, self.wake)

    def _weigh(self, true_ms: int, stamp_ms: int) -> Reading:
        weight = self.ledger.measure(true_ms)
        return Reading(
            sensor="s01",
            measured_ms=stamp_ms,
            clock_trusted=True,  # the loop knows better
            outcome=Weight(weight_mg=weight, stability=Stability.STATED),
        )

    def _tick(self, life: int) -> None:
        if life != self._life or not self.running:
            return
        self._turn()
        idle = self.running and not self.drain._sender.flying and not self.spool.backlog()
        self.world.after(IDLE_TICK_MS if idle else TICK_MS, lambda: self._tick(life))

    def wake(self) -> None:
        """Something came: the loop would not wait any longer."""
        if not self._tick_due:
            self._tick_due = True

            def turn() -> None:
                self._tick_due = False
                self._turn()

            self.world.after(0, turn)

    def _turn(self) -> None:
        if not self.running:
            return
        try:
            self.drain.turn()
        except PowerCutError:
            if self.world.chance.random() < 0.5:
                self.world.say("the power goes in the middle of a commit")
                self.end()
            else:
                self.world.say("it is killed in the middle of a commit")
                self.kill(self.cut_seq)
            self.world.after(self.world.chance.uniform(500, 20_000), self.start_if_ended)
            return
        if self.timekeeper.trusted and self.clock.trusted:
            self.ledger.clock_was_set.add(self.spool.stream)

    def start_if_ended(self) -> None:
        if not self.running:
            self.start()

    def spool_append_unsaid(self, spool: Spool) -> None:
        """The commit reached the disk, and nobody was told any more."""
        clock = self.timekeeper
        spool.append(in_time(self.drain._in_hand.readings, clock.offset_ms, trusted=clock.trusted))

    # ------------------------------------------------------------------ the card

    def copy_card(self) -> Path:
        """What the card holds now, as a copy of it would."""
        self._copies += 1
        copy = self.path.with_name(f"copy-{self._copies}")
        copy.mkdir()
        for suffix in ("", "-wal"):
            part = self.path.with_name(self.path.name + suffix)
            if part.exists():
                shutil.copyfile(part, copy / part.name)
        return copy

    def put_card(self, copy: Path) -> None:
        self._boots += 1
        for suffix in ("", "-wal", "-shm"):
            part = self.path.with_name(self.path.name + suffix)
            part.unlink(missing_ok=True)
            there = copy / part.name
            if there.exists():
                shutil.copyfile(there, part)


def _nothing() -> None:
    pass


def boot_clock_off_ms(world: World) -> int:
    """How wrong a clock without a battery may be: back to 1970, a year, hours, to the future."""
    year_ms = 365 * 86_400_000
    return world.chance.choice(
        (-TRUE_START_MS, -year_ms, year_ms, -3_600_000, 7_200_000, -90_000, 400)
    )
