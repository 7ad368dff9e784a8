"""One run: what is broken when, drawn from a seed, and what must hold at the end.

measure, while things break and heal ─▶ all is healed ─▶ it recovers by itself ─▶ the ledgers agree
"""

import logging
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from edge_agent.loops.drain import KEPT_S, Commit, Drain
from tests.simulation import gateway as gateways
from tests.simulation.cloud import Cloud
from tests.simulation.gateway import Gateway, Habits
from tests.simulation.ledger import FRESH_MS, Ledger, ViolationError
from tests.simulation.network import Network, Weather
from tests.simulation.world import World

IN_MEMORY = Path("/dev/shm")
CHECK_MS = 5_000
RECOVERY_MS = 60_000
THIN_BYTES_PER_S = 2_000
SETTLE_MS_MAX = 3 * 3_600_000


@dataclass(kw_only=True)
class Mutation:
    """A defect that somebody might make: the simulator has to notice it."""

    drain: type[Drain] = Drain
    # Of the running story: what else it changes.
    begin: Callable[["Story"], None] = field(default=lambda story: None)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    seed: int
    violation: str | None
    trace: tuple[str, ...]
    readings: int
    lives: int
    gaps: int


log = logging.getLogger("edge_agent")


class _IntoTheTrace(logging.Handler):
    def __init__(self, world: World) -> None:
        super().__init__(logging.WARNING)
        self._world = world

    def emit(self, record: logging.LogRecord) -> None:
        self._world.say(f"  agent: {record.getMessage()}")


class Story:
    """`tell` it; a ViolationError says which invariant does not hold."""

    def __init__(self, seed: int, folder: Path, mutation: Mutation) -> None:
        self.world = World(seed)
        self.chance = self.world.chance
        self.ledger = Ledger()
        self.cloud = Cloud(self.ledger)
        self.weather = self._draw_weather()
        self.network = Network(self.world, self.cloud, replace(self.weather))
        self.gateway = Gateway(
            world=self.world,
            ledger=self.ledger,
            network=self.network,
            folder=folder,
            habits=self._draw_habits(),
            drain=mutation.drain,
        )
        self.minutes = self.chance.choice((0.5, 1, 1, 2))
        self._was_restored = False
        mutation.begin(self)

    def tell(self) -> None:
        self._set_the_stage()
        end_ms = round(self.minutes * 60_000)
        for _ in range(self.chance.randint(1, 6)):
            self.world.after(self.chance.uniform(0, end_ms), self._break_something)
        self.world.after(CHECK_MS, self._check_freshness)
        self.gateway.start()
        self.world.run_until(end_ms)
        self._heal()
        self._settle()
        tables = self.cloud.tables
        self.ledger.check_end(tables.rows, tables.steps, tables.gaps, may_give_up=self.may_give_up)

    @property
    def may_give_up(self) -> bool:
        habits = self.gateway.habits
        return habits.bytes_max < 1024 * 1024 or habits.tail_bytes < 1024 * 1024

    # ------------------------------------------------------------------ what is drawn

    def _draw_weather(self) -> Weather:
        chance = self.chance
        thin = chance.random() < 0.15
        rough = chance.random() < 0.5
        return Weather(
            bytes_per_s=THIN_BYTES_PER_S if thin else chance.choice((20_000, 1_000_000)),
            latency_ms=2_000 if thin else chance.choice((5, 50, 500)),
            lose=0.05 if rough else 0.0,
            twice=chance.choice((0, 0.1)),
            shuffle=chance.choice((0, 0.2)),
            lose_ack=0.1 if rough else 0.0,
            workers=chance.randint(1, 3),
            dies_before_commit=0.03 if rough else 0.0,
            dies_before_ack=0.03 if rough else 0.0,
        )

    def _draw_habits(self) -> Habits:
        chance = self.chance
        thin = self.weather.bytes_per_s == THIN_BYTES_PER_S
        return Habits(
            interval_ms=chance.choice((1_000, 3_000, 10_000)),
            burst=chance.choice((1, 3) if thin else (1, 5, 20)),
            commit=Commit(after_s=0.5, offline_after_s=0.75, readings=chance.choice((10, 100))),
            bytes_max=chance.choice((20, 32)) * 4096 if chance.random() < 0.1 else 64 * 1024 * 1024,
            tail_bytes=8 * 1024 if chance.random() < 0.1 else 50 * 1024 * 1024,
            dies_in_commit=0.01 if chance.random() < 0.3 else 0.0,
            drift_ppm=chance.choice((0, 500, -500)),
        )

    def _set_the_stage(self) -> None:
        thin = self.weather.bytes_per_s == THIN_BYTES_PER_S
        if self.chance.random() < (0.35 if thin else 0.05):
            self.gateway.live_through(self.chance.randint(100, 200), 100)
        if self.chance.random() < 0.3:
            self._unset_clock()
        if self.chance.random() < 0.2:
            self.network.weather.reachable = False
            away_s = self.chance.uniform(10, self.minutes * 40)
            self.world.begin_fault("booted without a line", away_s, self._broker_is_back)

    # ------------------------------------------------------------------ what breaks

    def _break_something(self) -> None:
        self.chance.choice(
            (
                self._cut,
                self._flap,
                self._hang,
                self._broker_away,
                self._broker_dies,
                self._nobody_takes_in,
                self._database_read_only,
                self._line_gets_bad,
                self._kill,
                self._kill,
                self._stop,
                self._restore_database,
                self._restore_database,
                self._change_card,
                self._move_clock,
            )
        )()

    def _cut(self) -> None:
        self.world.say("fault: the line is cut")
        self.network.cut()

    def _flap(self) -> None:
        for count in range(10):
            self.world.after(count * 2_000, self.network.cut)
        self.world.begin_fault("the line flaps", 20, lambda: None)

    def _hang(self) -> None:
        self.world.begin_fault("the line hangs", 70, lambda: None)
        self.network.hang()

    def _broker_away(self) -> None:
        self.network.weather.reachable = False
        self.network.cut()
        self.world.begin_fault("no broker", self.chance.uniform(1, 200), self._broker_is_back)

    def _broker_is_back(self) -> None:
        self.network.weather.reachable = True

    def _broker_dies(self) -> None:
        keeps = self.chance.random() < 0.5
        self.world.say(f"fault: the broker dies, its queue is {'kept' if keeps else 'lost'}")
        self.network.crash_broker(keeps_queue=keeps)

    def _nobody_takes_in(self) -> None:
        def back() -> None:
            self.network.weather.working = True
            self.network.work()

        self.network.weather.working = False
        self.world.begin_fault("nobody takes in", self.chance.uniform(5, 120), back)

    def _database_read_only(self) -> None:
        def back() -> None:
            self.network.weather.writable = True
            self.network.work()

        self.network.weather.writable = False
        self.world.begin_fault("the database is full", self.chance.uniform(5, 120), back)

    def _line_gets_bad(self) -> None:
        weather, before = self.network.weather, self.weather
        weather.lose, weather.twice, weather.shuffle, weather.lose_ack = 0.3, 0.3, 0.5, 0.3

        def better() -> None:
            weather.lose, weather.twice = before.lose, before.twice
            weather.shuffle, weather.lose_ack = before.shuffle, before.lose_ack

        self.world.begin_fault("much is lost on the way", self.chance.uniform(5, 100), better)

    def _kill(self) -> None:
        if self.gateway.running:
            if self.chance.random() < 0.5:
                self.world.say("fault: the gateway loses its power")
                self.gateway.end()
            else:
                self.world.say("fault: the gateway is killed")
                self.gateway.kill()
            self._start_again()

    def _stop(self) -> None:
        self.world.say("the gateway is stopped in good order")
        self.gateway.stop()
        self._start_again()

    def _start_again(self) -> None:
        if self.chance.random() < 0.3:
            self._unset_clock()
        self.world.foresee(self.chance.uniform(0.5, 30), self.gateway.start_if_ended)

    def _restore_database(self) -> None:
        """To what it was some minutes ago; nobody tells the gateway."""
        backup = self.network.back_up()
        later_s = self.chance.uniform(5, 200)

        def restore() -> None:
            lost = len(self.cloud.tables.rows) - len(backup.rows)
            self.world.say(f"fault: the database is set back by {later_s:.0f} s, {lost} rows")
            if self.may_give_up:  # a tail that is too short cannot help
                self.ledger.excused |= self.cloud.tables.rows.keys() - backup.rows.keys()
            self.network.restore(backup)
            self._was_restored = True

        self.world.foresee(later_s, restore)

    def _change_card(self) -> None:
        """Somebody puts in a copy of the card that was made earlier."""
        if not self.gateway.running or self.chance.random() < 0.5:
            return
        copy, kept = self.gateway.copy_card(), set(self.ledger.kept)

        def change() -> None:
            self.world.say("fault: an older copy of the card is put in")
            self.gateway.end()
            self.gateway.put_card(copy)
            self.ledger.card_was_changed = True
            self.ledger.excused |= self.ledger.kept.keys() - kept
            self._start_again()

        self.world.foresee(self.chance.uniform(5, 100), change)

    def _unset_clock(self) -> None:
        clock = self.gateway.clock
        clock.off_ms, clock.trusted = gateways.boot_clock_off_ms(self.world), False
        self.world.after(self.chance.uniform(1, 100) * 1000, self.gateway.set_clock)

    def _move_clock(self) -> None:
        """Somebody sets a clock that was not to be trusted, to another wrong time."""
        if not self.gateway.clock.trusted:
            self.gateway.clock.off_ms = gateways.boot_clock_off_ms(self.world)
            self.world.say(f"the clock jumps, off by {self.gateway.clock.off_ms / 1000:.0f} s")

    # ------------------------------------------------------------------ what must hold

    def _check_freshness(self) -> None:
        """A minute after all is healed the newest value is less than a minute old."""
        self.world.after(CHECK_MS, self._check_freshness)
        measures = self.gateway.running and self.gateway.measuring
        newest = self.cloud.tables.newest_weight
        if not measures or not self.world.is_calm_for(RECOVERY_MS):
            return
        age_ms = self.world.true_ms - self.ledger.measured_ms.get(newest, 0)
        if age_ms > FRESH_MS + self.gateway.habits.interval_ms:
            raise ViolationError(f"the newest value in the cloud is {age_ms / 1000:.0f} s old")

    def _heal(self) -> None:
        while self.world.faults:  # what was begun heals by itself
            self.world.run_until(self.world.now_ms + 5_000)
        self.gateway.start_if_ended()
        weather = self.network.weather
        weather.lose = weather.lose_ack = weather.dies_before_commit = weather.dies_before_ack = 0.0
        weather.shuffle = 0.0
        self.gateway.habits.dies_in_commit = 0.0
        self.gateway.set_clock()
        self.world.disturb()
        self.world.say("all is healed")
        self.world.run_until(self.world.now_ms + RECOVERY_MS + 2 * CHECK_MS)

    def _settle(self) -> None:
        """No manual step: it recovers by itself, and says so by an empty backlog."""
        self.gateway.measuring = False
        started_ms = self.world.now_ms
        # Of streams that went on, the next answer tells; of others, the question at each connect.
        rounds_ms = round(KEPT_S * 1000) + 120_000 if self._was_restored else 0
        while self.gateway.backlog or self.world.now_ms - started_ms < rounds_ms:
            if self.world.now_ms - started_ms > SETTLE_MS_MAX:
                raise ViolationError(
                    f"{self.gateway.backlog} batches are not sent hours after all is well"
                )
            self.world.run_until(self.world.now_ms + 5_000)
        self.world.say("settled")


def run(seed: int, mutation: Mutation | None = None) -> Outcome:
    folder = Path(
        tempfile.mkdtemp(prefix="simulated-", dir=IN_MEMORY if IN_MEMORY.is_dir() else None)
    )
    try:
        with _chosen_names(seed):
            story = Story(seed, folder, mutation or Mutation())
            log.addHandler(heard := _IntoTheTrace(story.world))
            violation = None
            try:
                story.tell()
            except ViolationError as found:
                violation = str(found)
                story.world.say(f"VIOLATION: {violation}")
            finally:
                log.removeHandler(heard)
                story.gateway.end()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return Outcome(
        seed=seed,
        violation=violation,
        trace=tuple(story.world.trace),
        readings=len(story.ledger.kept),
        lives=len(story.ledger.lives),
        gaps=sum(len(gaps) for gaps in story.cloud.tables.gaps.values()),
    )


@contextmanager
def _chosen_names(seed: int) -> Iterator[None]:
    """Names of streams are drawn at random; here they follow from the seed."""
    count = 0

    def token_hex(size: int) -> str:
        nonlocal count
        count += 1
        return f"{seed:08x}{count:08x}".rjust(2 * size, "0")

    before, secrets.token_hex = secrets.token_hex, token_hex  # type: ignore[assignment] # not random on purpose
    try:
        yield
    finally:
        secrets.token_hex = before  # type: ignore[assignment]
