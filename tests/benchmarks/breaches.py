"""How soon after a reading a bin is known to be low: from the broker to the row of the breach.

    python -m tests.benchmarks.breaches [--bins 1000] [--rate 1000] [--seconds 100] [--breaches 6]

The broker, PostgreSQL, `binline cloud ingest` and `binline cloud work` run as they do in earnest,
fsync on. Gateways publish `--rate` readings a second. Half of the scales say when a weight stands
still, half send what they see, with noise; a share of all readings are takes. Each second some bins
fall below their minimum, and at the end of it many at once. Two times are told of each:

    of what confirms it     from the reading after which nothing more is needed to believe it, given
                            to the broker's socket, to the commit of the breach: this is ours
    of the first below      the same from the first reading of the new weight. Where a scale says
                            that it stands still this is one reading; noise is looked at four times

Beside it in the same run the plain way of today: a job that asks every five seconds, and each
minute, which bins are below their minimum by their last weight, and books those.

Commits are told by the server (`track_commit_timestamp`), which notes the time just before it
writes to the disk. Not a test: numbers depend on the machine and on what else it does.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import paho.mqtt.client as paho
import psycopg
from paho.mqtt.enums import CallbackAPIVersion

from cloud.embedded import broker, postgres, programs
from cloud.embedded.broker import EmbeddedBroker
from edge_agent.wire import codec, messages, topics
from tests.benchmarks.serving import PASSWORD, server
from tests.cloud import ingest_cases

GATEWAYS = 4
TICK_S = 0.1  # how long a gateway gathers before it publishes
WARM_S = 20.0  # until every bin has a level, and raw scales have told their noise
SETTLE_S_MAX = 60.0
TARE_MG, PIECE_MG, NOISE_MG = 350_000, 4_200, 120
MINIMUM = 400
POLLS_S = (5.0, 60.0)
KEY = bytes(range(32)).hex()
PLAIN = """
INSERT INTO plain_breaches SELECT %s, bin_id, clock_timestamp()
  FROM bin_state JOIN bins b USING (bin_id) JOIN items i USING (item_id)
 WHERE (weight_mg - tare_mg) * 1000.0 / unit_weight_ug <= b.minimum + 0.5
    ON CONFLICT DO NOTHING
"""
# The movement that crossed the minimum; its plateau names the first and the last reading.
FOUND = """
SELECT b.bin_id, g.name, m.after_refs[2], m.after_refs[4],
       (SELECT max(pg_xact_commit_timestamp(r.xmin)) FROM readings r
         WHERE r.stream_no = m.after_refs[3] AND r.seq = m.after_refs[4]),
       pg_xact_commit_timestamp(m.xmin), pg_xact_commit_timestamp(b.xmin)
  FROM breaches b JOIN bins USING (bin_id)
  JOIN movements m ON m.bin_id = b.bin_id AND m.before_pieces > bins.minimum
   AND m.after_pieces <= bins.minimum AND m.replaced_at IS NULL
  JOIN streams s ON s.stream_no = m.after_refs[1] JOIN gateways g USING (gateway_id)
"""


@dataclass
class Gateway:
    """What one of them weighs, and when it gave which of it to its socket."""

    name: str
    bins: Sequence[int]
    pieces: list[int]
    client: paho.Client
    seq: int = 1
    next_sensor: float = 0.0
    firsts: list[int] = field(default_factory=list)  # the first seq of each message
    sent_at: list[float] = field(default_factory=list)

    def when(self, seq: int) -> float:
        return self.sent_at[bisect_right(self.firsts, seq) - 1]


@dataclass(kw_only=True)
class Low:
    """One bin that was booked as low, in seconds from the reading that confirmed it."""

    bin_id: int
    raw: bool
    burst: bool
    first: float  # from the first reading below
    stored: float
    moved: float
    booked: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--bins", type=int, default=1_000)
    parser.add_argument("--rate", type=int, default=1_000, help="readings a second, of all bins")
    parser.add_argument("--seconds", type=int, default=100)
    parser.add_argument("--breaches", type=int, default=6, help="bins that fall below, a second")
    parser.add_argument(
        "--burst", type=int, default=100, help="bins that do so at once, at the end"
    )
    parser.add_argument("--takes", type=float, default=0.02, help="share of readings that are one")
    chosen = parser.parse_args()
    users = ("binline_ingest", "binline_jobs")
    with server(*users, options=("track_commit_timestamp=on",)) as made, embedded_broker() as hub:
        options = "-c search_path=binline -c timezone=UTC"
        with psycopg.connect(made.dsn(), autocommit=True, options=options) as admin:
            measure(made, hub, admin, chosen)


def measure(
    made: postgres.EmbeddedPostgres,
    hub: EmbeddedBroker,
    admin: psycopg.Connection,
    chosen: argparse.Namespace,
) -> None:
    chance = random.Random(1)
    fleet = []
    for name in (f"bench-{number}" for number in range(GATEWAYS)):
        bins = ingest_cases.make_site(admin, name, chosen.bins // GATEWAYS)
        pieces = [chance.randint(1_200, 1_900) for _ in bins]
        fleet.append(Gateway(name, bins, pieces, connected(hub, name)))
    admin.execute("UPDATE bins SET tare_mg = %s, minimum = %s", (TARE_MG, MINIMUM))
    admin.execute("UPDATE items SET unit_weight_ug = %s", (PIECE_MG * 1_000,))
    admin.execute(
        "CREATE TABLE plain_breaches (every real, bin_id int, at timestamptz,"
        " PRIMARY KEY (every, bin_id))"
    )
    over = threading.Event()
    with cloud(made, hub) as pids:
        say(f"before: {load()}")
        busy = cpu_s(pids)
        plain = [threading.Thread(target=ask_every, args=(made, s, over)) for s in POLLS_S]
        burst = publish(fleet, chosen, chance, plain)
        wait_for(admin, fleet)
        busy = {name: (cpu_s(pids)[name] - before) for name, before in busy.items()}
        say(f"after:  {load()}")
        over.set()
        for thread in plain:
            thread.join()
    lasted = max(g.sent_at[-1] for g in fleet) - min(g.sent_at[0] for g in fleet)
    said = sum(g.seq - 1 for g in fleet)
    say(f"{said:,} readings of {chosen.bins:,} bins, {said / lasted:,.0f} a second")
    say("cores: " + ", ".join(f"{name} {spent / lasted:.2f}" for name, spent in busy.items()))
    report(found(admin, fleet, burst), admin, fleet)


def publish(
    fleet: Sequence[Gateway],
    chosen: argparse.Namespace,
    chance: random.Random,
    plain: Sequence[threading.Thread],
) -> set[int]:
    """Each tick a message of each gateway. Gives the bins that fell all at once, at the end."""
    where = [(gateway, place) for gateway in fleet for place in range(len(gateway.bins))]
    chance.shuffle(where)
    low: set[tuple[str, int]] = set()
    owed = 0.0
    began = time.monotonic()
    ticks = round((WARM_S + chosen.seconds) / TICK_S)
    burst: set[int] = set()
    for tick in range(ticks + round(8 / TICK_S)):  # the last ones are looked at four times, too
        if tick == round(WARM_S / TICK_S):
            for thread in plain:
                thread.start()
        if WARM_S / TICK_S <= tick < ticks:
            owed += chosen.breaches * TICK_S
        many = tick == ticks
        for _ in range(min(chosen.burst if many else int(owed), len(where))):
            gateway, place = where.pop()
            gateway.pieces[place] = chance.randint(MINIMUM // 2, MINIMUM)
            low.add((gateway.name, place))
            if many:
                burst.add(gateway.bins[place])
        owed -= int(owed)
        for gateway in fleet:
            say_some(gateway, chosen.rate * TICK_S / len(fleet), low, chosen.takes, chance)
        time.sleep(max(0.0, began + (tick + 1) * TICK_S - time.monotonic()))
    return burst


def say_some(
    gateway: Gateway, count: float, low: set[tuple[str, int]], takes: float, chance: random.Random
) -> None:
    first, gateway.next_sensor = gateway.next_sensor, gateway.next_sensor + count
    readings = []
    for number in range(int(first), int(gateway.next_sensor)):
        place = number % len(gateway.bins)
        if chance.random() < takes and (gateway.name, place) not in low:
            gateway.pieces[place] -= chance.randint(1, 5)
        raw = is_raw(gateway.bins[place])
        noise_mg = round(chance.gauss(0, NOISE_MG)) if raw else 0
        readings.append(
            messages.Weighed(
                sensor=place,
                after_ms=len(readings),
                weight_mg=TARE_MG + gateway.pieces[place] * PIECE_MG + noise_mg,
                stability=messages.Stability.UNKNOWN if raw else messages.Stability.STATED,
                clock_trusted=True,
            )
        )
    if not readings:
        return
    now = time.time()
    batch = messages.ReadingBatch(
        stream=f"{int(gateway.name.split('-')[1]) + 1:032x}",
        first_seq=gateway.seq,
        base_ms=int(now * 1_000) - len(readings),
        sensors=[f"s{n + 1:02}" for n in range(len(gateway.bins))],
        readings=readings,
        life=1,
    )
    gateway.firsts.append(gateway.seq)
    gateway.sent_at.append(now)
    gateway.seq += len(readings)
    gateway.client.publish(topics.readings(gateway.name), codec.encode(batch), qos=1)


def is_raw(bin_id: int) -> bool:
    return bin_id % 2 == 1


def found(admin: psycopg.Connection, fleet: Sequence[Gateway], burst: set[int]) -> list[Low]:
    by_name = {gateway.name: gateway for gateway in fleet}
    lows = []
    for bin_id, name, first, last, stored, moved, booked in admin.execute(FOUND).fetchall():
        confirmed = by_name[name].when(last)
        lows.append(
            Low(
                bin_id=bin_id,
                raw=is_raw(bin_id),
                burst=bin_id in burst,
                first=booked.timestamp() - by_name[name].when(first),
                stored=stored.timestamp() - confirmed,
                moved=moved.timestamp() - confirmed,
                booked=booked.timestamp() - confirmed,
            )
        )
    return lows


def report(lows: Sequence[Low], admin: psycopg.Connection, fleet: Sequence[Gateway]) -> None:
    calm = [low for low in lows if not low.burst]
    rows = {
        "of what confirms it": [low.booked for low in calm],
        "    readings committed after": [low.stored for low in calm],
        "    movement committed after": [low.moved for low in calm],
        "of the first below, scale says it stands still": [
            one.first for one in calm if not one.raw
        ],
        "of the first below, raw with noise": [low.first for low in calm if low.raw],
        "many at once, of what confirms it": [low.booked for low in lows if low.burst],
    }
    first_at = {low.bin_id: low for low in calm}
    for every in POLLS_S:
        asked = admin.execute(
            "SELECT p.bin_id, p.at - pg_xact_commit_timestamp(b.xmin) FROM plain_breaches p"
            " JOIN breaches b USING (bin_id) WHERE every = %s",
            (every,),
        ).fetchall()
        rows[f"plain, every {every:.0f} s, of the first below"] = [
            later.total_seconds() + first_at[bin_id].first
            for bin_id, later in asked
            if bin_id in first_at
        ]
    say(f"{'':48}{'bins':>6}{'median':>9}{'p95':>9}{'p99':>9}{'most':>9}   seconds")
    for what, spells in rows.items():
        ordered = sorted(spells)
        if ordered:
            shares = "".join(f"{at(ordered, share):9.3f}" for share in (0.5, 0.95, 0.99, 1.0))
            say(f"{what:48}{len(ordered):6}{shares}")


def at(ordered: Sequence[float], share: float) -> float:
    """The least that so many are not above: of few, the worst."""
    return ordered[min(len(ordered) - 1, -int(-share * len(ordered) // 1) - 1)]


def wait_for(admin: psycopg.Connection, fleet: Sequence[Gateway]) -> None:
    wanted = sum(pieces <= MINIMUM for gateway in fleet for pieces in gateway.pieces)
    until = time.monotonic() + SETTLE_S_MAX
    while (count := number(admin, "SELECT count(*) FROM breaches")) < wanted:
        if time.monotonic() > until:
            say(f"!!! {wanted - count} of {wanted} bins were not found to be low")
            return
        time.sleep(0.5)


def ask_every(made: postgres.EmbeddedPostgres, every_s: float, over: threading.Event) -> None:
    options = "-c search_path=binline"
    with psycopg.connect(made.dsn(), autocommit=True, options=options) as conn:
        while not over.wait(every_s):
            conn.execute(PLAIN, (every_s,))


# ------------------------------------------------------------------ what runs


@contextmanager
def embedded_broker() -> Iterator[EmbeddedBroker]:
    home = Path(tempfile.mkdtemp(prefix="binline-bench-", dir="/tmp"))
    made = broker.prepare(home, [f"bench-{number}" for number in range(GATEWAYS)])
    child = programs.spawn(made.program, home / "log")
    try:
        broker.wait_until_up(made, 30, gone=child)
        yield made
    finally:
        child.send_signal(made.program.stop_signal)
        child.wait(30)
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def cloud(made: postgres.EmbeddedPostgres, hub: EmbeddedBroker) -> Iterator[Mapping[str, int]]:
    """Ingest and work as processes; their logs are shown when one of them ends by itself."""
    home = Path(tempfile.mkdtemp(prefix="binline-bench-", dir="/tmp"))
    env = {
        "BINLINE_INGEST_DSN": made.dsn("binline_ingest", PASSWORD),
        "BINLINE_BROKER_URL": hub.url(broker.INGEST),
        "BINLINE_JOBS_DSN": made.dsn("binline_jobs", PASSWORD),
        "BINLINE_PUBLIC_URL": "http://localhost:8420",
        "BINLINE_SECRET_KEY": KEY,
        "BINLINE_SMTP_URL": "smtp://127.0.0.1:1",
        "BINLINE_MAIL_FROM": "orders@example.com",
    }
    words = (sys.executable, "-m", "edge_agent.cli.main", "cloud")
    children = {}
    for name in ("ingest", "work"):
        program = programs.Program(name=name, argv=(*words, name), env=env)
        children[name] = programs.spawn(program, home / f"{name}.log")
    try:
        yield {name: child.pid for name, child in children.items()}
    finally:
        for name, child in children.items():
            if child.poll() is not None:
                say((home / f"{name}.log").read_text())
            child.terminate()
        for child in children.values():
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                child.kill()
        shutil.rmtree(home, ignore_errors=True)


def connected(hub: EmbeddedBroker, name: str) -> paho.Client:
    client = paho.Client(
        CallbackAPIVersion.VERSION2, client_id=name, protocol=paho.MQTTv311, clean_session=True
    )
    client.username_pw_set(name, hub.passwords[name])
    client.connect("127.0.0.1", hub.port)
    client.loop_start()
    return client


def cpu_s(pids: Mapping[str, int]) -> dict[str, float]:
    """What they used so far, and what all of PostgreSQL, or of anybody else, did."""
    spent = {}
    for name, pid in pids.items():
        words = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        spent[name] = (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
    user, nice, system, _, _, *rest = map(int, Path("/proc/stat").read_text().split()[1:9])
    spent["whole machine"] = (user + nice + system + sum(rest)) / os.sysconf("SC_CLK_TCK")
    return spent


def load() -> str:
    return f"{datetime.now(UTC):%H:%M:%S}, load {' '.join(f'{n:.2f}' for n in os.getloadavg())}"


def number(conn: psycopg.Connection, query: str) -> int:
    row = conn.execute(query).fetchone()
    assert row is not None
    return int(row[0])


def say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - its whole purpose


if __name__ == "__main__":
    main()
