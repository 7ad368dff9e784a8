"""The command line of the fault harness.

    python -m tests.faults list
    python -m tests.faults run F13 F8+F28 --seed 7
    python -m tests.faults all --seconds 3600 --pairs 20 --seed 7
    python -m tests.faults replay report.json
    python -m tests.faults page FOLDER            the HTML page of reports made before

Exit 0: every verdict is green, or the fault is not possible here. 1: something is wrong.
"""

import argparse
import itertools
import json
import os
import random
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.faults import ground, page, scenario
from tests.faults.catalogue import FAULTS
from tests.faults.scenario import Fault, Report

OUT = Path(".faults")
CHILD_S_MAX = scenario.LIMIT_S + 60  # it judges itself first
END_S_MAX = 60
LOOK_S = 0.2


@dataclass(kw_only=True)
class Child:
    """A world in a process of its own."""

    name: str
    seed: int
    process: subprocess.Popen[bytes]
    since: float
    told_to_end: float | None = None


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list")
    one = commands.add_parser("run")
    one.add_argument("names", nargs="+", metavar="F13 or F8+F28")
    every = commands.add_parser("all")
    every.add_argument("--seconds", type=float, default=float(os.environ.get("FAULTS_S", "3600")))
    every.add_argument("--pairs", type=int, default=1_000, help="at most; time ends them sooner")
    every.add_argument("--no-singles", action="store_true")
    for command in (one, every):
        command.add_argument("--seed", type=int, default=None)
        command.add_argument("--out", type=Path, default=OUT)
        command.add_argument("--worlds", type=int, default=None, help="at the same time")
        command.add_argument("--keep", action="store_true", help="keep every world's folder")
    again = commands.add_parser("replay")
    again.add_argument("report", type=Path)
    again.add_argument("--out", type=Path, default=OUT)
    show = commands.add_parser("page")
    show.add_argument("folder", type=Path)
    inside = commands.add_parser("one")  # a world in a process of its own
    inside.add_argument("names")
    inside.add_argument("--seed", type=int, required=True)
    inside.add_argument("--out", type=Path, required=True)
    inside.add_argument("--template", type=Path, required=True)
    inside.add_argument("--keep", action="store_true")
    # As Ctrl-C: what was started and mounted must go.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    return _do(parser.parse_args())


def _do(asked: argparse.Namespace) -> int:
    match asked.command:
        case "list":
            for fault in FAULTS.values():
                say(f"{fault.name:5}{fault.title}  [{' '.join(fault.must)}]")
            return 0
        case "one":
            return _one(asked)
        case "page":
            say(str(page.write(asked.folder)))
            return 0
        case "replay":
            said = json.loads(asked.report.read_text())
            asked.names, asked.seed = ["+".join(said["faults"])], said["seed"]
            asked.worlds, asked.keep = 1, True
    seed = asked.seed if asked.seed is not None else secrets.randbelow(10**6)
    say(f"seed {seed}")
    if asked.command == "all":
        plan = _all(asked, seed)
        until = time.monotonic() + asked.seconds
    else:
        plan = iter([(name, seed) for name in asked.names])
        until = float("inf")
    return _run(plan, until, asked)


def _all(asked: argparse.Namespace, seed: int) -> Iterator[tuple[str, int]]:
    """Each alone, then random pairs until the time is over."""
    if not asked.no_singles:
        yield from ((name, seed) for name in FAULTS)
    chance = random.Random(seed)
    pairs = [
        f"{one.name}+{two.name}"
        for one, two in itertools.combinations(FAULTS.values(), 2)
        if not set(one.touches) & set(two.touches)
    ]
    chance.shuffle(pairs)
    yield from ((pair, seed) for pair in pairs[: asked.pairs])


def _run(plan: Iterator[tuple[str, int]], until: float, asked: argparse.Namespace) -> int:
    asked.out.mkdir(parents=True, exist_ok=True)
    worlds = asked.worlds or max(1, (os.cpu_count() or 2) // 2)
    home = Path(tempfile.mkdtemp(prefix="binline-faults-", dir="/tmp"))
    home.chmod(0o755)
    ground.make_template(home / "template")
    singles = len(FAULTS) if asked.command == "all" and not asked.no_singles else 0
    running: list[Child] = []
    started = bad = 0
    try:
        while True:
            while len(running) < worlds and (time.monotonic() < until or started < singles):
                step = next(plan, None)
                if step is None:
                    break
                started += 1
                running.append(_spawn(*step, home, asked))
            if not running:
                break
            time.sleep(LOOK_S)
            bad += _collect(running, asked.out)
    finally:
        _end(running)
        shutil.rmtree(home / "template", ignore_errors=True)
        try:
            home.rmdir()
        except OSError:
            say(f"kept: {home}")
    say(f"report: {page.write(asked.out)}")
    return 1 if bad else 0


def _collect(running: list[Child], out: Path) -> int:
    """How many ended badly since it was asked last. Whatever becomes of one, it has a report."""
    bad = 0
    now = time.monotonic()
    for child in list(running):
        if child.process.poll() is not None:
            running.remove(child)
            bad += child.process.returncode != 0
            _sure_of_report(child, out)
        elif child.told_to_end is None and now - child.since > CHILD_S_MAX:
            child.told_to_end = now
            child.process.terminate()  # once: it cleans up after itself
        elif child.told_to_end is not None and now - child.told_to_end > END_S_MAX:
            child.process.kill()
    return bad


def _sure_of_report(child: Child, out: Path) -> None:
    path = scenario.path_of(child.name, child.seed, out)
    if path.exists() and path.stat().st_mtime > time.time() - (time.monotonic() - child.since):
        return
    took_s = round(time.monotonic() - child.since, 1)
    said = f"no verdict of its own: ended with {child.process.returncode} after {took_s:.0f} s"
    faults = child.name.split("+")
    report = Report(faults=faults, seed=child.seed, verdict="broken", said=said, took_s=took_s)
    scenario.keep(report, out)
    say(_line(report, [_named(name) for name in faults]))


def _end(running: list[Child]) -> None:
    for child in running:
        child.process.terminate()
    for child in running:
        with suppress(subprocess.TimeoutExpired):
            child.process.wait(END_S_MAX)
            continue
        child.process.kill()


def _spawn(name: str, seed: int, home: Path, asked: argparse.Namespace) -> Child:
    words = ["one", name, "--seed", str(seed), "--out", str(asked.out)]
    words += ["--template", str(home / "template")]
    words += ["--keep"] if asked.keep else []
    process = subprocess.Popen((sys.executable, "-m", "tests.faults", *words))
    return Child(name=name, seed=seed, process=process, since=time.monotonic())


def _one(asked: argparse.Namespace) -> int:
    faults = [_named(name) for name in asked.names.split("+")]
    template = ground.make_template(asked.template)
    folder = asked.template.parent / f"{asked.names}-{asked.seed}"
    report = scenario.run(faults, asked.seed, folder, template)
    scenario.keep(report, asked.out)
    if not asked.keep:
        scenario.tidy(report)
    say(_line(report, faults))
    return 0 if report.verdict in ("pass", "skip") else 1


def _named(name: str) -> Fault:
    if name not in FAULTS:
        raise SystemExit(f"there is no fault {name!r}: see `python -m tests.faults list`")
    return FAULTS[name]


def _line(report: Report, faults: list[Fault]) -> str:
    name = "+".join(report.faults)
    title = " and ".join(fault.title for fault in faults)
    recovered = report.numbers.get("recovered_s")
    fresh = f", fresh after {recovered:.1f} s" if recovered is not None else ""
    said = f"\n        {report.said}" if report.verdict != "pass" else ""
    return f"{report.verdict.upper():6} {name:10} {title} ({report.took_s:.0f} s{fresh}){said}"


if __name__ == "__main__":
    sys.exit(main())
