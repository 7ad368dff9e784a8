"""A scenario: one world, one or more faults at once, then healing, settling and judgement.

A fault is a generator: it does something, yields how long to wait (or what to wait for), does the
next thing, and heals before it ends. So two faults run through each other without knowing it.
"""

import heapq
import itertools
import json
import random
import shutil
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cloud.embedded import postgres
from tests.faults import checker, ground
from tests.faults.ground import GATEWAYS, LOW, Template
from tests.faults.world import LOOK_S, Settings, World, WorldError, now_ms

SETTLE_S_MAX = 60.0
RECOVER_S_MAX = 90.0  # beyond the promise, so that a late recovery is told from none
BASE_S = 4.0  # of ordinary life before the fault
STAGGER_S = 4.0  # how much later the second fault of a pair may begin
QUIET_S = 1.0
ORDERS_S_MAX = 45.0
# Beyond all the limits of a scenario that ends: six times what most take.
LIMIT_S = 360


class OutOfTime(BaseException):
    """The limit of the whole scenario: no `except Exception` on the way keeps it."""


@dataclass(frozen=True)
class Until:
    reached: Callable[[], object]
    limit_s: float
    what: str


Step = float | int | Until
Script = Callable[[World, random.Random], Iterator[Step]]


@dataclass(frozen=True, kw_only=True)
class Fault:
    name: str  # F13
    title: str
    how: str  # what is done to the world
    must: tuple[str, ...]  # the catalogue's invariants; every verdict is judged all the same
    script: Script
    scaled: str = ""  # what is smaller here than it is meant, and where the rest is proven
    blind: tuple[str, ...] = ()  # bins of these gateways cannot be fresh meanwhile
    prepare: Callable[[Settings], None] | None = None
    skip: Callable[[], str] | None = None  # why it cannot be done on this machine
    touches: tuple[str, ...] = ()  # what two faults of a pair must not both have in hand
    waives: tuple[str, ...] = ()  # verdicts that mean nothing under it, with the reason in `how`


@dataclass(kw_only=True)
class Report:
    faults: list[str]
    seed: int
    verdict: str  # pass, fail, skip, broken
    said: str = ""
    verdicts: list[dict[str, Any]] = field(default_factory=list)
    findings: list[dict[str, Any]] = field(default_factory=list)
    numbers: dict[str, Any] = field(default_factory=dict)
    timeline: list[dict[str, Any]] = field(default_factory=list)
    deaths: list[dict[str, Any]] = field(default_factory=list)
    took_s: float = 0.0
    folder: str = ""

    @property
    def replay(self) -> str:
        return f"python -m tests.faults run {'+'.join(self.faults)} --seed {self.seed}"


def run(faults: list[Fault], seed: int, folder: Path, template: Template) -> Report:
    report = Report(faults=[fault.name for fault in faults], seed=seed, verdict="broken")
    for fault in faults:
        if fault.skip is not None and (because := fault.skip()):
            report.verdict, report.said = "skip", f"{fault.name}: {because}"
            return report
    settings = Settings()
    for fault in faults:
        if fault.prepare is not None:
            fault.prepare(settings)
    folder.mkdir(parents=True)
    report.folder = str(folder)
    began = time.monotonic()
    world = World(folder, template, settings, seed)
    try:
        with _limited(LIMIT_S):
            _live(world, faults, report)
    except OutOfTime:
        report.verdict = "fail"
        at = traceback.format_exc().splitlines()
        report.said = f"it did not come to an end within {LIMIT_S} s"
        report.numbers["traceback"] = "\n".join(at)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - whatever it is, it is reported
        report.said = f"{type(error).__name__}: {error}"
        report.numbers["traceback"] = traceback.format_exc()
        report.verdict = "fail" if report.verdicts else "broken"
    finally:
        report.deaths = [asdict(death) for death in world.keeper.deaths]
        report.numbers |= world.numbers
        world.end()
        report.took_s = round(time.monotonic() - began, 1)
    return report


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Whatever it hangs in, it ends with `OutOfTime`. On the main thread only."""

    def over(_number: int, _frame: object) -> None:
        raise OutOfTime

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _live(world: World, faults: list[Fault], report: Report) -> None:
    chance = random.Random(report.seed)
    world.start()
    world.warm_up()
    world.pause(BASE_S * chance.uniform(0.5, 1.0))
    world.scale("count-1", "b01", "set", pieces=LOW)
    world.pause(1.0)
    starts = [0.0, *(chance.uniform(0.5, STAGGER_S) for _ in faults[1:])]
    world.scale("count-2", "b01", "set", pieces=LOW)
    _play(world, faults, starts, report)
    _recover(world)
    world.scale("count-2", "b02", "set", pieces=LOW)
    with suppress(WorldError):
        world.wait(lambda: _orders_done(world), ORDERS_S_MAX, "the orders")
    # Only now: an order that is closed before it was told is rightly never told.
    world.scale("count-1", "b01", "refill", pieces=ground.FULL)
    world.pause(3.0)
    _settle(world)
    _judge(world, faults, report)


@dataclass(kw_only=True)
class _Playing:
    """One script on its way. While it waits for something the other one goes on."""

    fault: Fault
    script: Iterator[Step]
    until: Until | None = None
    since_s: float = 0.0  # it waits


def _play(world: World, faults: list[Fault], starts: list[float], report: Report) -> None:
    """All scripts, each step when it is due, until the last has healed."""
    order = itertools.count()
    began = time.monotonic()
    due: list[tuple[float, int, _Playing]] = []
    since: dict[str, int] = {}
    for at_s, fault in zip(starts, faults, strict=True):
        script = fault.script(world, random.Random(f"{report.seed}/{fault.name}"))
        heapq.heappush(due, (began + at_s, next(order), _Playing(fault=fault, script=script)))
    while due:
        at, _, playing = heapq.heappop(due)
        world.pause(max(0.0, at - time.monotonic()))
        since.setdefault(playing.fault.name, now_ms())
        try:
            pause_s = LOOK_S if _waits(world, playing) else _next(playing)
        except StopIteration:
            _note_fault(world, playing.fault, since[playing.fault.name], report)
        else:
            heapq.heappush(due, (time.monotonic() + pause_s, next(order), playing))


def _waits(world: World, playing: _Playing) -> bool:
    until = playing.until
    if until is None:
        return False
    name, waited_s = playing.fault.name, time.monotonic() - playing.since_s
    if until.reached():
        world.numbers[f"{name} {until.what}"] = round(waited_s, 1)
        playing.until = None
    elif waited_s > until.limit_s:
        raise WorldError(f"not within {until.limit_s:.0f} s: {name}: {until.what}")
    return playing.until is not None


def _next(playing: _Playing) -> float:
    """How long it pauses after that step."""
    step = next(playing.script)
    if isinstance(step, Until):
        playing.until, playing.since_s = step, time.monotonic()
        return 0.0
    return step


def _note_fault(world: World, fault: Fault, since_ms: int, report: Report) -> None:
    blind = [one.code for one in ground.site().bins if one.gateway in fault.blind]
    entry = {"fault": fault.name, "from": since_ms, "to": now_ms(), "blind": blind}
    world.record(entry)
    report.timeline.append(entry)


def _recover(world: World) -> None:
    """From the last healing until the newest answer of every scale is stored, and told, again."""
    healed = time.monotonic()
    crashes = len(world.keeper.deaths)
    because: str | None = "not looked"
    while (because := world.is_fresh() or world.says_fresh()) is not None:
        if time.monotonic() - healed > RECOVER_S_MAX:
            break
        world.pause(LOOK_S)
    took_ms = -1 if because else round((time.monotonic() - healed) * 1000)
    late = [death.name for death in world.keeper.deaths[crashes:]]
    loops = sorted({name for name in late if late.count(name) > 3})
    world.record({"recovered_ms": took_ms, "not_fresh": because, "crash_loops": loops})
    world.numbers["recovered_s"] = took_ms / 1000
    # The pages need a moment more than the database.
    world.pause(3.0)


def _settle(world: World) -> None:
    """Silence, and everything shown must arrive; then every program ends."""
    world.record({"silenced_ms": now_ms()})
    for one in ground.site().bins:
        world.scale(one.gateway, one.sensor, "silence", seconds=1_000_000)
    world.pause(QUIET_S)
    began = time.monotonic()
    left: str | None = None
    try:
        world.wait(lambda: _left(world) is None, SETTLE_S_MAX, lambda: _left(world))
    except WorldError as error:
        left = str(error)
    drained_ms = round((time.monotonic() - began) * 1000)
    world.record({"drained_ms": drained_ms, "not_drained": left})
    world.numbers["drained_s"] = drained_ms / 1000
    stops = {}
    for name in (*world.keeper.names(),):
        if name not in ("postgres", "broker", "catcher") and not name.startswith("simulator"):
            world.keeper.held.add(name)
    for name in [*(n for n in world.keeper.names() if n in GATEWAYS or n.startswith("clone"))]:
        stops[name] = world.keeper.stop(name)
    for name in world.keeper.names():
        if name.startswith(("ingest", "work", "serve")):
            stops[name] = world.keeper.stop(name)
    world.record({"stops": stops})
    world.keeper.stop("simulator")


def _orders_done(world: World) -> bool:
    """Three needs, three orders, each told by both ways."""
    rows = world.ask(
        "SELECT count(DISTINCT o.order_id), count(*) FILTER (WHERE n.state = 'sent')"
        "  FROM orders o JOIN notices n USING (order_id)"
    )
    return rows is not None and rows[0][0] >= 3 and rows[0][1] >= 6


def _left(world: World) -> str | None:
    """What is still to come: unique answers of the last stretch that are not stored."""
    world.truth.read()
    stored = world.ask(
        "SELECT g.name, s.name, max(r.weight_mg) FROM readings r"
        "  JOIN sensors s USING (sensor_id) JOIN gateways g USING (gateway_id)"
        " WHERE r.weight_mg IS NOT NULL GROUP BY 1, 2"
    )
    if stored is None:
        return "the database does not answer"
    newest = {(g, s): weight for g, s, weight in stored}
    for (gateway, sensor), (_, weight) in world.truth.last.items():
        if sensor.startswith("s") and newest.get((gateway, sensor), -1) < weight:
            return f"{gateway}/{sensor} showed {weight}, stored is {newest.get((gateway, sensor))}"
    holes = world.ask("SELECT backlog_batches FROM gateways WHERE name = ANY(%s)", list(GATEWAYS))
    if holes is None or any(backlog for (backlog,) in holes):
        return f"batches the gateways still hold: {holes}"
    return None


def _judge(world: World, faults: list[Fault], report: Report) -> None:
    dsn = world.database.dsn()
    amcheck = [
        str(Path(world.database.program.argv[0]).with_name("pg_amcheck")),
        *("--all", "--no-dependent-toast", "--exclude-index=none", f"--maintenance-db={dsn}"),
    ]
    postgres.wait_until_up(dsn, 30, gone=None)
    found = checker.load(world.folder, dsn, amcheck=amcheck)
    verdicts = checker.judge(found)
    waived = {name for fault in faults for name in fault.waives}
    for verdict in verdicts:
        if verdict.verdict == "fail" and verdict.invariant in waived:
            verdict.verdict = "waived"
    report.verdicts = [asdict(verdict) for verdict in verdicts]
    report.findings = list(world.findings)
    failed = [v for v in verdicts if v.verdict == "fail"]
    wrong = [finding for finding in world.findings if not finding["ok"]]
    report.verdict = "fail" if failed or wrong else "pass"
    report.said = "; ".join(
        [f"{v.invariant} {v.said}" for v in failed]
        + [f"{w['invariant']} {w['said']}" for w in wrong]
    )
    report.numbers["letters"] = len(found.letters)


def path_of(name: str, seed: int, folder: Path) -> Path:
    return folder / f"{name}-{seed}.json"


def keep(report: Report, folder: Path) -> Path:
    path = path_of("+".join(report.faults), report.seed, folder)
    path.write_text(json.dumps(asdict(report) | {"replay": report.replay}, indent=2))
    return path


def tidy(report: Report) -> None:
    """A world that passed leaves nothing; one that failed keeps all but the database's files."""
    folder = Path(report.folder)
    if not report.folder:
        return
    if report.verdict in ("pass", "skip"):
        shutil.rmtree(folder, ignore_errors=True)
    else:
        shutil.rmtree(folder / "postgres" / "data", ignore_errors=True)
