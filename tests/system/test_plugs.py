"""Pull a plug under load: every answer a scale gave is stored exactly once, and nothing else is."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

CHECKER = Path(__file__).parent / "ledger_checker.py"
LOAD = 200  # answers before the plug is pulled, and again after
LIMIT_S = 60

VICTIMS = {
    "broker": r"nats-server",
    "postgres": r"/bin/postgres ",
    "ingest": r"cloud ingest",
    "agent": r"edge run .*count-1\.toml",
}
SAID = {"agent": "count-1"}


def eventually(reached: Callable[[], object], what: str) -> None:
    until = time.monotonic() + LIMIT_S
    while not reached():
        assert time.monotonic() < until, f"not within {LIMIT_S} s: {what}"
        time.sleep(0.1)


def checked(demo, *words: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [
            *(sys.executable, str(CHECKER)),
            *("--ledger", str(demo.home / "ledger.jsonl"), "--dsn", demo.dsn(), *words),
        ],
        capture_output=True,
        text=True,
        check=False,
    )


def copy_of_spool(demo, gateway: str) -> Path:
    copy = demo.home / "copy"
    copy.mkdir()
    for file in (demo.home / "gateways").glob(f"{gateway}.spool*"):
        shutil.copy(file, copy / file.name)
    return copy / f"{gateway}.spool"


@pytest.mark.parametrize("victim", VICTIMS)
def test_a_plug_pulled_under_load_costs_nothing(start, victim: str) -> None:
    demo = start()
    load(demo, "before")
    killed_ms = time.time_ns() // 1_000_000
    pull(demo, victim)
    words = []
    if victim == "agent":
        spool = copy_of_spool(demo, "count-1")
        words = ["--spool", str(spool), "--gateway", "count-1", "--killed-ms", str(killed_ms)]
    name = SAID.get(victim, victim)
    eventually(lambda: demo.said(f"{name} died (signal 9), starting it again"), "the sentence")
    load(demo, "after")
    settle(demo, victim, *words)


def test_a_broker_that_forgets_everything_costs_nothing(start) -> None:
    """What it had acknowledged to a gateway and not yet given to ingest is gone with it."""
    demo = start()
    load(demo, "before")
    # While ingest is away, all that is sent lies in the broker alone.
    ingest = demo.pid_of(VICTIMS["ingest"])
    os.kill(ingest, signal.SIGSTOP)
    load(demo, "that only the broker has")
    pull(demo, "broker")
    shutil.rmtree(demo.home / "broker" / "store")
    os.kill(ingest, signal.SIGCONT)
    load(demo, "after")
    settle(demo, "broker without memory")


@pytest.mark.parametrize("seed", [1, 2])
def test_plugs_pulled_at_random_cost_nothing(start, seed: int) -> None:
    chance = random.Random(seed)
    demo = start()
    load(demo, "before")
    for _ in range(8):
        victim = chance.choice(["broker", "postgres", "ingest"])
        eventually(lambda victim=victim: demo.pid_of(VICTIMS[victim]), f"{victim} to be there")
        pull(demo, victim)
        load(demo, f"after {victim}", chance.randint(5, 150))
    load(demo, "at the end")
    settle(demo, f"seed {seed}")


def load(demo, when: str, answers: int = LOAD) -> None:
    before = demo.shown()
    eventually(lambda: demo.shown() >= before + answers, f"load {when}")


def pull(demo, victim: str) -> None:
    pid = demo.pid_of(VICTIMS[victim])
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: demo.pid_of(VICTIMS[victim]) != pid, f"{victim} to be gone")


def settle(demo, what: str, *words: str) -> None:
    """Silence the scales, let everything arrive, and compare with what they showed."""
    demo.command_all(do="silence", seconds=1_000_000)
    result = None

    def all_is_well() -> bool:
        nonlocal result
        result = checked(demo, *words)
        return result.returncode == 0

    began = time.monotonic()
    try:
        eventually(all_is_well, "everything stored exactly once")
    except AssertionError:
        pytest.fail(f"{result.stdout}{result.stderr}\n{demo.output}")
    took = time.monotonic() - began
    sys.stdout.write(f"\n{what}: {result.stdout.strip()}, after {took:.1f} s\n")  # shown with -rP
    assert demo.stop() == 0, demo.output
