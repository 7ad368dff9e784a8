"""Whether levels and movements keep up: readings followed, beside what ingest itself takes.

    python -m tests.benchmarks.follow [--bins 10000] [--rate 10000] [--seconds 20] [--takes 0.02]
                                      [--noise-mg 300] [--workers 1]

Each second's readings are taken in and committed, then followed, on one core after the other. What
is printed is the time of the processor that a reading costs, in our process and in its server's of
PostgreSQL, counted by the kernel: so others on the machine are in the way of neither, and the rate
that one core, or two, have room for is their inverse. Several workers follow at the same time, each
with a memory of its own: what they cost is their sum. The plain way, beside them in the same run,
counts each weight for itself and books a movement whenever the number is another (no plateaus,
nothing is told apart, nothing survives late readings).

Not a test: numbers depend on the machine, the ratio much less. fsync is on.
"""

import argparse
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import NamedTuple

import psycopg

from cloud.actions.take_in import take_in
from cloud.core.levels import Calibration, level_of
from cloud.embedded import postgres
from cloud.intake import translate
from cloud.loops.follow import FollowLoop
from edge_agent.wire import codec, messages, topics
from tests.benchmarks.serving import PASSWORD, server
from tests.cloud import ingest_cases

SENSORS = 500  # of one gateway
TARE_MG, PIECE_MG = 350_000, 4_200
BY_UG = Calibration(tare_mg=TARE_MG, unit_weight_ug=PIECE_MG * 1_000)
PLAIN = """
WITH was AS (
    SELECT t.bin_id, t.pieces, l.pieces AS before
      FROM unnest(%s::int[], %s::int[]) AS t(bin_id, pieces)
      LEFT JOIN plain_levels l USING (bin_id)),
moved AS (
    INSERT INTO plain_movements SELECT bin_id, coalesce(before, 0), pieces FROM was
     WHERE before IS DISTINCT FROM pieces)
INSERT INTO plain_levels SELECT bin_id, pieces FROM was
    ON CONFLICT (bin_id) DO UPDATE SET pieces = EXCLUDED.pieces
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bins", type=int, default=10_000)
    parser.add_argument("--rate", type=int, default=10_000, help="readings a second, of all bins")
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--takes", type=float, default=0.02, help="share of readings that are one")
    parser.add_argument("--noise-mg", type=int, default=300, help="sd of a weight that is told")
    parser.add_argument("--workers", type=int, default=1)
    chosen = parser.parse_args()
    with server("binline_ingest", "binline_jobs") as made:
        measure(made, chosen)


def measure(server: postgres.EmbeddedPostgres, chosen: argparse.Namespace) -> None:
    options = "-c search_path=binline -c timezone=UTC"
    with (
        psycopg.connect(server.dsn(), autocommit=True, options=options) as admin,
        psycopg.connect(server.dsn("binline_ingest", PASSWORD)) as ingest,
        ThreadPoolExecutor(chosen.workers) as threads,
        ExitStack() as open_ones,
    ):
        workers = [
            (
                FollowLoop(threading.Event()),
                open_ones.enter_context(
                    psycopg.connect(server.dsn("binline_jobs", PASSWORD), autocommit=True)
                ),
            )
            for _ in range(chosen.workers)
        ]
        gateways = max(1, chosen.bins // SENSORS)
        for number in range(gateways):
            ingest_cases.make_site(admin, f"bench-{number}", chosen.bins // gateways)
        admin.execute("UPDATE bins SET tare_mg = %s", (TARE_MG,))
        admin.execute("CREATE TABLE plain_levels (bin_id int PRIMARY KEY, pieces int)")
        admin.execute("CREATE TABLE plain_movements (bin_id int, before int, pieces int)")
        spent: dict[str, list[Spent]] = {"ingest": [], "follow": [], "plain": []}
        for second, payloads in enumerate(speak(chosen, gateways)):
            took = cost(ingest, lambda p=payloads: take(ingest, p))
            costs = threads.map(lambda one: cost(one[1], lambda: one[0].round(one[1])), workers)
            ours, theirs, wall = zip(*costs, strict=True)
            followed = Spent(sum(ours), sum(theirs), max(wall))
            plain = cost(admin, lambda p=payloads: plainly(admin, p))
            if second > 1:  # the first is of all that is new, and the next still makes room
                for what, spell in (("ingest", took), ("follow", followed), ("plain", plain)):
                    spent[what].append(spell)
        moved, waiting = one(
            admin, "SELECT count(*), (SELECT count(*) FROM bin_follow) FROM movements"
        )
    print(f"{chosen.bins:,} bins, {chosen.rate:,} readings/s, {moved:,} movements")  # noqa: T201
    print(f"{waiting:,} bins wait to be followed at the end")  # noqa: T201
    middle = {
        what: Spent(*(median(part) / chosen.rate for part in zip(*found, strict=True)))
        for what, found in spent.items()
    }
    for what, (ours, theirs, wall) in middle.items():
        print(  # noqa: T201
            f"{what:>8}: {ours * 1e6:6.1f} us of ours a reading + {theirs * 1e6:6.1f} us of"
            f" PostgreSQL's, {(ours + theirs) / sum(middle['ingest'][:2]):5.2f} of ingest;"
            f" {wall * 1e6:6.1f} us by the clock"
        )
    alone, together = sum(middle["follow"][:2]), sum(middle["follow"][:2] + middle["ingest"][:2])
    print(  # noqa: T201
        f"room for {1 / alone:,.0f} readings/s where one core does nothing else but follow,"
        f" {1 / middle['follow'].ours:,.0f} where PostgreSQL has another;"
        f" {2 / together:,.0f} where two cores ingest and follow"
    )


class Spent(NamedTuple):
    """Seconds: of the processor in our thread and in our server's process, and by the clock."""

    ours: float
    theirs: float
    wall: float


def cost(conn: psycopg.Connection, step: Callable[[], object]) -> Spent:
    ours, theirs, wall = time.thread_time(), server_s(conn), time.perf_counter()
    step()
    return Spent(time.thread_time() - ours, server_s(conn) - theirs, time.perf_counter() - wall)


def server_s(conn: psycopg.Connection) -> float:
    """On the processor so far (proc_pid_schedstat: nanoseconds come first)."""
    told = Path(f"/proc/{conn.info.backend_pid}/schedstat").read_text(encoding="ascii")
    return int(told.split()[0]) / 1e9


def speak(chosen: argparse.Namespace, gateways: int) -> Iterator[list[tuple[str, bytes]]]:
    """Per second what gateways say: most bins the same, some a take, an empty one refilled."""
    chance = random.Random(1)
    each = chosen.bins // gateways
    pieces = [[chance.randint(100, 1_900) for _ in range(each)] for _ in range(gateways)]
    seqs = [1] * gateways
    turn = 0
    began = datetime.now(UTC) - timedelta(seconds=chosen.seconds)
    per_gateway = chosen.rate // gateways
    names = [f"s{n + 1:02}" for n in range(each)]
    for second in range(chosen.seconds):
        base_ms = int((began + timedelta(seconds=second)).timestamp() * 1000)
        payloads = []
        for gateway in range(gateways):
            readings = []
            for n in range(per_gateway):
                sensor = (turn + n) % each
                held = pieces[gateway]
                if chance.random() < chosen.takes:
                    held[sensor] = held[sensor] - chance.randint(1, 40)
                    if held[sensor] < 50:
                        held[sensor] = 1_900
                readings.append(
                    messages.Weighed(
                        sensor=sensor,
                        after_ms=n * 1_000 // per_gateway,
                        weight_mg=TARE_MG
                        + held[sensor] * PIECE_MG
                        + round(chance.gauss(0, chosen.noise_mg)),
                        stability=messages.Stability.STATED,
                        clock_trusted=True,
                    )
                )
            batch = messages.ReadingBatch(
                stream=f"{gateway:032x}",
                first_seq=seqs[gateway],
                base_ms=base_ms,
                sensors=names,
                readings=readings,
                life=1,
            )
            seqs[gateway] += len(readings)
            payloads.append((topics.readings(f"bench-{gateway}"), codec.encode(batch)))
        turn += per_gateway
        yield payloads


def take(conn: psycopg.Connection, payloads: list[tuple[str, bytes]]) -> None:
    opened = [translate.opened(topic, payload) for topic, payload in payloads]
    take_in(conn, translate.arrivals(opened), datetime.now(UTC), set())
    conn.commit()


def plainly(conn: psycopg.Connection, payloads: list[tuple[str, bytes]]) -> None:
    """What most would write first: each weight is a level, each other number a movement."""
    for gateway, (_, payload) in enumerate(payloads):
        batch = codec.decode(payload)
        assert isinstance(batch, messages.ReadingBatch)
        counted = {
            gateway * SENSORS + said.sensor: level_of(said.weight_mg, BY_UG).pieces
            for said in batch.readings
            if isinstance(said, messages.Weighed)
        }
        conn.execute(PLAIN, (list(counted), list(counted.values())))


def one(conn: psycopg.Connection, query: str) -> tuple[int, int]:
    row = conn.execute(query).fetchone()
    assert row is not None
    return row


if __name__ == "__main__":
    main()
