"""Ten thousand gateways lose the broker in the same second and come back: how hard, and how soon.

    .venv/bin/python -m tests.benchmarks.reconnects [--gateways 10000]
    .venv/bin/python -m tests.benchmarks.reconnects --real      three hundred real connections, too

Simulated time. Each gateway is the agent's own sending protocol (`core/stream.py`) with its own
pauses (`core/retry.py`); the broker lets in so many a second, one after the other, and a caller
hangs up after the agent's patience; the cloud commits so many batches a second. Beside it, in the
same run, on the same broker: a retry every five seconds, and the textbook's doubling from one
second to two minutes, both without chance.

    calls      attempts to connect, in the worst second after the broker's return, and in the worst
               tenth of one: a broker's queue of callers is some thousands long at most
    let in     those it let in, in its best second
    in vain    handshakes that it made for a caller who had hung up
"""

import argparse
import heapq
import itertools
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from edge_agent.core import retry
from edge_agent.core.stream import Batch, Sender
from edge_agent.mqtt.uplink import CONNECT_S_MAX
from edge_agent.wire.messages import Ack

BATCH_EVERY_S = 15.0  # ten bins that say something once in two and a half minutes each
BATCH_BYTES = 600
LATENCY_S = 0.03
COMMITS_PER_S = 3_000  # batches; what one ingest does with small ones
LIMIT_S = 3_600.0
STREAM = "0" * 32
OFFERED_MAX = 8
# Handshakes a second: TLS with a certificate on one core, and without TLS; after so long a cut.
BROKERS = (
    ("with TLS, 250 handshakes a second", 250, 60.0),
    ("with TLS, 250 handshakes a second", 250, 600.0),
    ("without TLS, 2,000 handshakes a second", 2_000, 60.0),
)

BATCHES = [
    Batch(no=no, stream=STREAM, first_seq=no, last_seq=no, size_bytes=BATCH_BYTES)
    for no in range(1, round(2 * LIMIT_S / BATCH_EVERY_S))
]

# After so many tries that failed, the first of them so many seconds ago: the pause.
Pause = Callable[[int, float, random.Random], float]


def say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - its whole purpose


def ours(tries: int, failing_s: float, chance: random.Random) -> float:
    if tries == 0:
        return chance.uniform(0, retry.SPREAD_S_MAX)
    return chance.uniform(0, retry.longest_pause_s(tries, failing_s))


def every_five_seconds(_tries: int, _failing_s: float, _chance: random.Random) -> float:
    return 5.0


def doubling(tries: int, _failing_s: float, _chance: random.Random) -> float:
    return min(2.0 ** max(tries - 1, 0), 120.0)


WAYS: dict[str, Pause] = {
    "ours: full jitter": ours,
    "every 5 s": every_five_seconds,
    "doubling, 1 to 120 s": doubling,
}


@dataclass(kw_only=True)
class Gateway:
    sender: Sender
    next_batch_s: float
    newest: int = 0
    measured_s: deque[float] = field(default_factory=deque)  # of those not acknowledged
    first_waiting: int = 1
    tries: int = 0
    failing_since_s: float = 0.0
    back_s: float | None = None
    fresh_s: float | None = None
    calling: int = 0  # counts its calls


class Fleet:
    """Everything that happens, in the order of its time."""

    def __init__(self, count: int, pause: Pause, handshakes_per_s: int, away_s: float) -> None:
        self._chance = random.Random(1)
        self._pause = pause
        self._handshake_s = 1 / handshakes_per_s
        self._away_until_s = away_s
        self._order = itertools.count()
        self._due: list[tuple[float, int, Callable[..., None], tuple[object, ...]]] = []
        self._now_s = 0.0
        self._door_free_s = self._cloud_free_s = 0.0
        self.calls: Counter[int] = Counter()
        self.at_once: Counter[int] = Counter()  # by tenths
        self.let_in: Counter[int] = Counter()
        self.in_vain = 0
        self.gateways = [
            Gateway(sender=Sender(STREAM), next_batch_s=self._chance.uniform(0, BATCH_EVERY_S))
            for _ in range(count)
        ]

    def run(self) -> None:
        for gateway in self.gateways:
            self._at(gateway.next_batch_s, self._measure, gateway)
            # All notice within a tenth of a second: the broker's end resets every connection.
            noticed_s = self._chance.uniform(0, 0.1)
            gateway.failing_since_s = noticed_s
            pause_s = self._pause(0, 0.0, self._chance)
            self._at(noticed_s + pause_s, self._call, gateway)
        self._not_fresh = len(self.gateways)
        while self._now_s < LIMIT_S and self._not_fresh:
            self._now_s, _, what, about = heapq.heappop(self._due)
            what(*about)

    def _at(self, at_s: float, what: Callable[..., None], *about: object) -> None:
        heapq.heappush(self._due, (at_s, next(self._order), what, about))

    def _measure(self, gateway: Gateway) -> None:
        gateway.newest += 1
        gateway.measured_s.append(self._now_s)
        self._at(self._now_s + BATCH_EVERY_S, self._measure, gateway)
        self._send(gateway)

    def _call(self, gateway: Gateway) -> None:
        gateway.calling += 1
        if self._now_s < self._away_until_s:
            self._failed(gateway)  # nobody listens there: refused at once
            return
        self.calls[int(self._now_s - self._away_until_s)] += 1
        self.at_once[int((self._now_s - self._away_until_s) * 10)] += 1
        begins_s = max(self._door_free_s, self._now_s)
        if begins_s - self._now_s > CONNECT_S_MAX:
            # It hangs up before it is its turn. The broker finds out by looking, which is cheap.
            self.in_vain += 1
            self._at(self._now_s + CONNECT_S_MAX, self._failed, gateway)
            return
        self._door_free_s = begins_s + self._handshake_s
        self._at(self._door_free_s + LATENCY_S, self._let_in, gateway)

    def _failed(self, gateway: Gateway) -> None:
        gateway.tries += 1
        failing_s = self._now_s - gateway.failing_since_s
        pause_s = self._pause(gateway.tries, failing_s, self._chance)
        self._at(self._now_s + pause_s, self._call, gateway)

    def _let_in(self, gateway: Gateway) -> None:
        since_s = self._now_s - self._away_until_s
        self.let_in[int(since_s)] += 1
        gateway.back_s = since_s
        gateway.sender.connected(gateway.newest, self._ms())
        self._send(gateway)

    def _send(self, gateway: Gateway) -> None:
        sender = gateway.sender
        if not sender.is_up:
            return
        older, newer = sender.passed + 1, sender.live_after + 1
        sends = sender.offer(
            BATCHES[self._span(gateway, older)],
            BATCHES[self._span(gateway, newer)],
            self._ms(),
        )
        for send in sends:
            sender.handed_over(send.no, 0, BATCH_BYTES, self._ms())
            self._cloud_free_s = max(self._cloud_free_s, self._now_s + LATENCY_S) + (
                1 / COMMITS_PER_S
            )
            self._at(self._cloud_free_s + LATENCY_S, self._acknowledge, gateway, send.no)

    def _span(self, gateway: Gateway, first: int) -> slice:
        first = max(first, gateway.first_waiting)
        return slice(first - 1, min(gateway.newest, first - 1 + OFFERED_MAX))

    def _acknowledge(self, gateway: Gateway, no: int) -> None:
        """The live lane overtakes the backlog, so an answer names one batch and what is behind."""
        holes = [(gateway.first_waiting, no - 1)] if no > gateway.first_waiting else []
        ack = Ack(stream=STREAM, committed_upto=no, holes=holes, exact=False)
        gateway.sender.heard(ack, self._ms())
        measured_s = gateway.measured_s[no - gateway.first_waiting]
        if gateway.fresh_s is None and self._now_s - measured_s < 2 * BATCH_EVERY_S:
            gateway.fresh_s = self._now_s - self._away_until_s
            self._not_fresh -= 1
        if no == gateway.first_waiting:
            gateway.measured_s.popleft()
            gateway.first_waiting += 1
        self._send(gateway)

    def _ms(self) -> int:
        return round(self._now_s * 1000)


def show(name: str, fleet: Fleet) -> None:
    back = sorted(g.back_s for g in fleet.gateways if g.back_s is not None)
    fresh = sorted(g.fresh_s for g in fleet.gateways if g.fresh_s is not None)
    missing = len(fleet.gateways) - len(fresh)
    say(
        f"  {name:22} calls {max(fleet.calls.values()):6} in a second,"
        f" {max(fleet.at_once.values()):6} in a tenth;"
        f" let in {max(fleet.let_in.values()):5} a second;"
        f" in vain {fleet.in_vain:6};"
        f" back: half {_at(back, 0.5):5.1f} s, all {back[-1]:6.1f} s;"
        f" fresh: half {_at(fresh, 0.5):5.1f} s, all {fresh[-1]:6.1f} s"
        + (f"; NEVER: {missing}" if missing else "")
    )


def _at(sorted_s: list[float], share: float) -> float:
    return sorted_s[int(share * (len(sorted_s) - 1))]


def real() -> None:
    """Three hundred light gateways and a whole product: fault F32, judged as always."""
    with tempfile.TemporaryDirectory() as out:
        words = ("-m", "tests.faults", "run", "F32", "--seed", "1", "--out", out)
        began_s = time.monotonic()
        subprocess.run((sys.executable, *words), check=False)
        for report in Path(out).glob("*.json"):
            numbers = report.read_text().split('"numbers": ')[1].split("}")[0]
            say(f"{' '.join(numbers.split())}, in {time.monotonic() - began_s:.0f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--gateways", type=int, default=10_000)
    parser.add_argument("--real", action="store_true")
    asked = parser.parse_args()
    for broker, handshakes_per_s, away_s in BROKERS:
        say(
            f"{asked.gateways} gateways, away for {away_s:.0f} s, {broker}"
            f" (nobody could be faster than {asked.gateways / handshakes_per_s:.0f} s)"
        )
        for name, pause in WAYS.items():
            fleet = Fleet(asked.gateways, pause, handshakes_per_s, away_s)
            fleet.run()
            show(name, fleet)
    if asked.real:
        real()


if __name__ == "__main__":
    main()
