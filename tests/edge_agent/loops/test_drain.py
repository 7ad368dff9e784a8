"""The real loop and the real spool; the line and the clock are the test's."""

import queue
import random
import sqlite3
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from edge_agent.core.reading import Reading, Weight
from edge_agent.core.stream import OVERTAKEN_MS_MAX
from edge_agent.loops import drain
from edge_agent.loops.clock import Timekeeper
from edge_agent.loops.drain import Commit, Drain
from edge_agent.loops.taken import Taken
from edge_agent.mqtt.uplink import Connected, Disconnected, Event, Told
from edge_agent.sqlite.spool import Spool
from edge_agent.wire import codec
from edge_agent.wire.messages import (
    Ack,
    ClockStep,
    Gap,
    Kept,
    ReadingBatch,
    Stability,
    Thinned,
)
from tests.edge_agent.fakes import weights_in

MIB = 1024 * 1024


def reading(weight_mg: int) -> Reading:
    return Reading(
        sensor="s01",
        measured_ms=1_700_000_000_000,
        clock_trusted=True,
        outcome=Weight(weight_mg=weight_mg, stability=Stability.STATED),
    )


@dataclass
class FakeLine:
    """Takes batches while it is up, and hands over what the test lets through."""

    events: queue.Queue[Event] = field(default_factory=queue.Queue)
    up: bool = False
    sent: list[bytes] = field(default_factory=list)

    tokens: int = 0

    @property
    def first_waiting(self) -> int:
        return self.tokens + 1

    def send(self, payload: bytes) -> int:
        if not self.up:
            return 0
        self.sent.append(payload)
        self.tokens += 1
        return self.tokens

    def connect(self) -> None:
        if not self.up:
            self.up = True
            self.events.put(Connected())

    def disconnect(self) -> None:
        if self.up:
            self.up = False
            self.events.put(Disconnected())

    def taken(self) -> list[bytes]:
        taken, self.sent = self.sent, []
        return taken


@dataclass
class FakeLedger:
    """The cloud's side: what is committed, and the acknowledgement that says so."""

    payloads: dict[tuple[str, int], bytes] = field(default_factory=dict)
    ranges: dict[str, dict[int, int]] = field(default_factory=lambda: defaultdict(dict))

    def commit(self, payload: bytes) -> str:
        message = codec.decode(payload)
        if isinstance(message, Kept):
            return message.stream
        assert isinstance(message, ReadingBatch | Thinned | Gap | ClockStep)
        first, last = span(message)
        if isinstance(message, Gap) and self._has(message.stream, first, last):
            return message.stream  # an answer was a minute late, and taken for a loss
        known = self.payloads.setdefault((message.stream, first), payload)
        assert known == payload, "the same first seq came with other content"
        self.ranges[message.stream][first] = last
        return message.stream

    def _has(self, stream: str, first: int, last: int) -> bool:
        there = self.ranges[stream].items()
        return (
            sum(
                min(end, last) - max(start, first) + 1
                for start, end in there
                if start <= last and first <= end
            )
            == last - first + 1
        )

    def ack(self, stream: str) -> Ack:
        upto, holes = 0, []
        for first, last in sorted(self.ranges[stream].items()):
            assert first > upto, "two batches claim one number"
            if first > upto + 1:
                holes.append((upto + 1, first - 1))
            upto = last
        exact = len(holes) <= 100
        while len(holes) > 100:
            upto = holes.pop()[0] - 1
        return Ack(stream=stream, committed_upto=upto, holes=holes, exact=exact)

    def weights(self) -> list[int]:
        found = [codec.decode(payload) for _, payload in sorted(self.payloads.items())]
        whole = [batch for batch in found if isinstance(batch, ReadingBatch | Thinned)]
        return [weight for batch in whole for weight in weights_in(batch)]

    def given_up(self) -> int:
        found = [codec.decode(payload) for payload in self.payloads.values()]
        partly = [message for message in found if isinstance(message, Thinned)]
        return sum(
            message.last_seq - message.first_seq + 1
            for message in found
            if isinstance(message, Gap | Thinned)
        ) - sum(len(message.readings) for message in partly)

    def set_back(self, rows: dict[tuple[str, int], bytes]) -> None:
        """Restored from a backup."""
        self.payloads = dict(rows)
        self.ranges = defaultdict(dict)
        for payload in self.payloads.values():
            message = codec.decode(payload)
            assert isinstance(message, ReadingBatch | Thinned | Gap | ClockStep)
            first, last = span(message)
            self.ranges[message.stream][first] = last


def span(message: ReadingBatch | Thinned | Gap | ClockStep) -> tuple[int, int]:
    if isinstance(message, ClockStep):
        return message.seq, message.seq
    return message.first_seq, message.last_seq


@dataclass
class Rig:
    """One gateway over several lives."""

    path: Path
    bytes_max: int = 64 * MIB
    commit: Commit = field(
        default_factory=lambda: Commit(after_s=0.5, offline_after_s=0.5, readings=50)
    )
    now_s: float = 1_000.0
    wall_ahead_ms: int = 1_700_000_000_000
    trusted: bool = True
    line: FakeLine = field(default_factory=FakeLine)
    ledger: FakeLedger = field(default_factory=FakeLedger)
    offered: int = 0

    def start(self) -> None:
        self.line = FakeLine()
        self.readings = Taken(drain.READINGS_WAITING_MAX)
        self.spool = Spool.open(self.path, self.bytes_max)
        self.clock = Timekeeper(
            trusts=lambda: self.trusted,
            wall_ms=lambda: self.wall_ahead_ms + round(self.now_s * 1000),
            monotonic_ms=lambda: round(self.now_s * 1000),
        )
        self.drain = Drain(
            spool=self.spool,
            readings=self.readings,
            line=self.line,
            commit=self.commit,
            clock=self.clock,
            monotonic_s=lambda: self.now_s,
        )

    def kill(self) -> int:
        """End without a good-bye; the number of readings that no commit had taken."""
        lost = self.not_taken()
        # A closed connection writes nothing of ours: what was not committed is gone.
        self.spool._conn.close()
        return lost

    def not_taken(self) -> int:
        return self.readings.qsize() + len(self.drain._in_hand.readings)

    def measure(self, count: int) -> None:
        for _ in range(count):
            self.offered += 1
            self.readings.put(reading(self.offered))

    def turn(self, after_s: float = 0.0) -> None:
        self.now_s += after_s
        self.drain.turn()

    def commit_now(self) -> None:
        self.turn()
        self.turn(self.commit.after_s)

    def cloud_takes(self, payloads: list[bytes]) -> None:
        for payload in payloads:
            self.say(self.ledger.ack(self.ledger.commit(payload)))

    def say(self, ack: Ack) -> None:
        self.line.events.put(Told(payload=codec.encode(ack)))


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    rig = Rig(path=tmp_path / "spool.db")
    rig.start()
    return rig


def test_readings_wait_for_each_other_and_then_share_a_commit(rig: Rig) -> None:
    rig.measure(3)
    rig.turn()
    assert rig.spool.backlog() == 0
    rig.turn(0.4)
    rig.measure(2)
    rig.turn(0.05)
    assert rig.spool.backlog() == 0
    rig.turn(0.06)
    assert [(b.first_seq, b.last_seq) for b in rig.spool.oldest(0, 9)] == [(1, 5)]


def test_while_the_broker_is_away_readings_wait_longer_for_each_other(tmp_path: Path) -> None:
    commit = Commit(after_s=0.5, offline_after_s=0.75, readings=50)
    rig = Rig(path=tmp_path / "spool.db", commit=commit)
    rig.start()
    for is_up, waited_s in ((False, 0.75), (True, 0.5), (False, 0.75)):
        before = rig.spool.newest_no
        if is_up:
            rig.line.connect()
        else:
            rig.line.disconnect()
        rig.turn()
        rig.measure(1)
        rig.turn()
        rig.turn(waited_s - 0.01)
        assert rig.spool.newest_no == before
        rig.turn(0.02)
        assert rig.spool.newest_no == before + 1


def test_many_readings_do_not_wait(rig: Rig) -> None:
    rig.measure(120)
    rig.turn()
    rig.turn()
    assert [(b.first_seq, b.last_seq) for b in rig.spool.oldest(0, 9)] == [(1, 50), (51, 100)]


def test_a_batch_is_sent_and_forgotten_when_the_cloud_has_it(rig: Rig) -> None:
    rig.line.connect()
    rig.measure(3)
    rig.commit_now()
    sent = rig.line.taken()
    assert len(sent) == 1
    assert rig.spool.backlog() == 1
    rig.cloud_takes(sent)
    rig.turn()
    assert rig.drain.backlog == 0
    assert rig.ledger.weights() == [1, 2, 3]


def test_forgetting_costs_no_commit_of_its_own_while_readings_come(rig: Rig) -> None:
    rig.line.connect()
    rig.measure(1)
    rig.commit_now()
    rig.cloud_takes(rig.line.taken())
    rig.turn()
    assert rig.spool.unsettled == 1
    rig.measure(1)
    rig.commit_now()
    assert rig.spool.unsettled == 0


def test_when_nothing_is_measured_any_more_the_spool_still_empties(rig: Rig) -> None:
    rig.line.connect()
    rig.measure(1)
    rig.commit_now()
    rig.cloud_takes(rig.line.taken())
    rig.turn()
    rig.turn(drain.SETTLE_S)
    assert rig.spool.unsettled == 0


def test_the_line_gone_and_back_sends_again_what_was_not_answered(rig: Rig) -> None:
    rig.line.connect()
    rig.measure(3)
    rig.commit_now()
    first = rig.line.taken()
    rig.line.disconnect()
    rig.turn(5)
    rig.line.connect()
    rig.turn()
    assert rig.line.taken() == first


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xff\xff",
        b"{}",
        b'{"type":"ack","stream":"' + b"f" * 32 + b'","committed_upto":9007199254740992}',
        b'{"type":"ack","stream":"x","committed_upto":1}',
    ],
)
def test_nonsense_from_the_cloud_forgets_nothing(rig: Rig, payload: bytes) -> None:
    rig.line.connect()
    rig.measure(3)
    rig.commit_now()
    rig.line.events.put(Told(payload=payload))
    rig.turn()
    assert rig.spool.backlog() == 1


def test_an_acknowledgement_beyond_what_was_sent_forgets_nothing(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.line.connect()
    rig.measure(3)
    rig.commit_now()
    for _ in range(3):
        rig.say(Ack(stream=rig.spool.stream, committed_upto=4))
        rig.turn()
    assert rig.spool.backlog() == 1
    assert caplog.text.count("odd") == 1


def test_what_is_measured_after_an_outage_overtakes_the_backlog(rig: Rig) -> None:
    for _ in range(100):
        rig.measure(50)
        rig.turn()
    rig.line.connect()
    rig.turn()
    newest = codec.decode(rig.line.taken()[0])
    assert isinstance(newest, ReadingBatch)
    assert newest.last_seq == 5_000


def test_a_spool_without_room_waits_and_loses_nothing(rig: Rig) -> None:
    rig.kill()
    rig.bytes_max = 128 * 1024
    rig.start()
    rig.line.connect()
    while not rig.drain._short_of_room and rig.offered < 100_000:
        rig.measure(50)
        rig.turn(0.1)
        # Sent, and the cloud does not answer: nothing of it may be given up.
        rig.spool.mark_leaving(batch.no for batch in rig.spool.oldest(0, 10_000))
    assert rig.drain._short_of_room
    kept = rig.spool.backlog()
    rig.measure(500)
    for _ in range(20):
        rig.turn(1)
    assert rig.spool.backlog() == kept
    assert rig.readings.qsize() >= 450
    for _ in range(200):
        rig.cloud_takes(rig.line.taken())
        rig.turn(1)
    assert rig.ledger.weights() == list(range(1, rig.offered + 1))
    assert rig.ledger.given_up() == 0


def test_a_turn_never_waits(rig: Rig) -> None:
    """A simulator drives it; whoever runs it in a thread waits between turns."""
    rig.line.connect()
    rig.measure(3)
    rig.commit_now()
    started = time.monotonic()
    for _ in range(50):
        rig.turn()
    assert time.monotonic() - started < 50 * drain.TICK_S


def kept_in(payloads: list[bytes]) -> dict[str, list[tuple[int, int]]]:
    found = [codec.decode(payload) for payload in payloads]
    return {kept.stream: kept.ranges for kept in found if isinstance(kept, Kept)}


def test_at_each_connect_and_from_time_to_time_the_cloud_hears_what_is_kept(rig: Rig) -> None:
    rig.line.connect()
    rig.measure(3)
    rig.commit_now()
    rig.cloud_takes(rig.line.taken())
    rig.turn(5)
    assert kept_in(rig.line.taken()) == {}, "nothing was kept when it connected"
    rig.turn(drain.KEPT_S)
    assert kept_in(rig.line.taken()) == {rig.spool.stream: [(1, 3)]}
    rig.line.disconnect()
    rig.turn(5)
    rig.line.connect()
    rig.turn()
    assert kept_in(rig.line.taken()) == {rig.spool.stream: [(1, 3)]}


@pytest.mark.parametrize("restarted", [False, True])
def test_what_a_restored_cloud_has_lost_is_sent_again(
    rig: Rig, caplog: pytest.LogCaptureFixture, *, restarted: bool
) -> None:
    rig.line.connect()
    for _ in range(10):
        rig.measure(3)
        rig.commit_now()
        rig.cloud_takes(rig.line.taken())
        if rig.ledger.weights() == list(range(1, 13)):
            backup = dict(rig.ledger.payloads)
    rig.turn()
    rig.turn(OVERTAKEN_MS_MAX / 1000 + 5)
    assert rig.spool.backlog() == 0
    rig.ledger.set_back(backup)
    if restarted:
        rig.kill()
        rig.start()
        rig.line.connect()
    rig.measure(1)
    for _ in range(20):
        rig.turn(1)
        rig.cloud_takes(rig.line.taken())
    assert sorted(rig.ledger.weights()) == list(range(1, 32))
    assert rig.ledger.given_up() == 0
    assert rig.spool.backlog() == 0
    assert caplog.text.count("has lost what it had acknowledged") == 1


def messages(payloads: list[bytes]) -> list[object]:
    found = [codec.decode(payload) for payload in payloads]
    return [message for message in found if not isinstance(message, Kept)]


def test_when_the_clock_is_set_that_is_kept_before_what_is_measured_after(rig: Rig) -> None:
    rig.kill()
    rig.trusted, rig.wall_ahead_ms = False, 0
    rig.start()
    rig.line.connect()
    rig.measure(1)
    rig.commit_now()
    rig.wall_ahead_ms, rig.trusted = 1_700_000_000_000, True
    rig.turn(1.5)
    rig.measure(1)
    rig.commit_now()
    first, step, second = messages(rig.line.taken())
    assert isinstance(first, ReadingBatch)
    assert isinstance(step, ClockStep)
    assert isinstance(second, ReadingBatch)
    assert (first.last_seq, step.seq, second.first_seq) == (1, 2, 3)
    assert step.step_ms == 1_700_000_000_000
    trusted = [row.clock_trusted for batch in (first, second) for row in batch.readings]
    assert trusted == [False, True]
    # `reading` stamps with a time of its own: what counts is how it was moved.
    assert second.base_ms - first.base_ms == step.step_ms


def test_that_the_clock_was_set_is_on_disk_at_once(rig: Rig) -> None:
    """Killed before the next reading, the readings before could never be put right."""
    rig.kill()
    rig.trusted = False
    rig.start()
    rig.measure(1)
    rig.commit_now()
    rig.wall_ahead_ms, rig.trusted = rig.wall_ahead_ms + 7_200_000, True
    rig.turn(1.5)
    stream = rig.spool.stream
    rig.kill()
    rig.start()
    rig.line.connect()
    rig.turn()
    said = messages(rig.line.taken())
    assert [one.step_ms for one in said if isinstance(one, ClockStep)] == [7_200_000]
    assert {one.stream for one in said} == {stream}


def test_offline_small_batches_become_large_ones(rig: Rig) -> None:
    for _ in range(100):
        rig.measure(20)
        rig.commit_now()
    for _ in range(20):
        rig.turn(drain.COMPACT_S)
    assert rig.spool.backlog() <= 51, "of 100, the first half is one"
    rig.line.connect()
    for _ in range(20):
        rig.turn(1)
        rig.cloud_takes(rig.line.taken())
    assert rig.ledger.weights() == list(range(1, 2_001))


@dataclass
class Weather:
    """What may happen to a gateway between two turns of its loop, drawn from a seed."""

    rig: Rig
    chance: random.Random
    fair: int  # how readily the line comes back
    on_the_way: list[bytes] = field(default_factory=list)
    acks: list[Ack] = field(default_factory=list)
    never_taken: int = 0

    def happen(self) -> None:
        what = {
            self.measure: 30,
            self.rig.line.connect: self.fair,
            self.rig.line.disconnect: 4,
            self.arrive: 30,
            self.answer: 30,
            self.kill: 1,
            self.pass_time: 2,
        }
        self.chance.choices(list(what), list(what.values()))[0]()
        self.rig.turn(self.chance.choice((0, 0.1, 0.6)))
        self.on_the_way += self.rig.line.taken()

    def measure(self) -> None:
        if self.rig.readings.qsize() < drain.READINGS_WAITING_MAX // 2:  # a poll loop would wait
            self.rig.measure(self.chance.randint(1, 60))

    def arrive(self) -> None:
        """Some of it in any order, some twice, some never."""
        self.chance.shuffle(self.on_the_way)
        count = self.chance.randint(1, 20)
        there, self.on_the_way = self.on_the_way[:count], self.on_the_way[count:]
        for payload in there:
            for _ in range(self.chance.choice((0, 1, 1, 1, 2))):
                self.acks += [self.rig.ledger.ack(self.rig.ledger.commit(payload))]

    def answer(self) -> None:
        self.chance.shuffle(self.acks)
        if self.acks:
            self.rig.say(self.acks.pop())

    def kill(self) -> None:
        self.never_taken += self.rig.kill()
        self.rig.start()

    def pass_time(self) -> None:
        self.rig.now_s += 60


@pytest.mark.parametrize("disk", [32 * 1024, 64 * MIB])
@pytest.mark.parametrize("seed", range(20))
def test_a_bad_line_and_sudden_ends_lose_nothing_and_change_nothing(
    rig: Rig, seed: int, disk: int
) -> None:
    """Each reading arrives as it was, or is counted as given up, or no commit had taken it."""
    rig.kill()
    rig.bytes_max = disk
    rig.start()
    weather = Weather(rig, random.Random(seed), fair=seed % 5)
    for _ in range(400):
        weather.happen()

    rig.line.connect()
    for _ in range(2_000):
        rig.turn(1)
        rig.cloud_takes(rig.line.taken())
        if not rig.drain.backlog and not rig.not_taken():
            break
    arrived = rig.ledger.weights()
    assert len(arrived) == len(set(arrived))
    assert set(arrived) <= set(range(1, rig.offered + 1))
    assert len(arrived) + rig.ledger.given_up() + weather.never_taken == rig.offered
    assert rig.spool.backlog() == 0


def test_a_stop_commits_what_is_in_hand_and_closes_the_spool(rig: Rig) -> None:
    rig.measure(70)
    stop = threading.Event()
    stop.set()
    rig.drain.run(stop)
    with pytest.raises(sqlite3.ProgrammingError):
        rig.spool.oldest(0, 1)
    spool = Spool.open(rig.path, MIB)
    assert sum(b.last_seq - b.first_seq + 1 for b in spool.oldest(0, 99)) == 70
    spool.close()


def test_a_failed_commit_ends_the_loop_and_says_why(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.measure(60)
    rig.spool._conn.execute("DROP TABLE frozen")
    rig.drain.run(threading.Event())
    assert "the drain loop broke" in caplog.text
