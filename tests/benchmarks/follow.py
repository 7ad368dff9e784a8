"""Whether levels and movements keep up: readings followed, beside what ingest itself takes.

    python -m tests.benchmarks.follow [--bins 10000] [--rate 10000] [--seconds 20] [--takes 0.02]

Each second's readings are taken in and committed, then followed, on one core after the other: what
is printed is the processor's time of either for one second of readings, and their ratio. The plain
way, beside them in the same run, counts each weight for itself and books a movement whenever the
number is another (no plateaus, nothing is told apart, nothing survives late readings).

Not a test: numbers depend on the machine, the ratio much less. fsync is on.
"""

import argparse
import random
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from statistics import median

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
    chosen = parser.parse_args()
    with server("binline_ingest", "binline_jobs") as made:
        measure(made, chosen)


def measure(server: postgres.EmbeddedPostgres, chosen: argparse.Namespace) -> None:
    options = "-c search_path=binline -c timezone=UTC"
    with (
        psycopg.connect(server.dsn(), autocommit=True, options=options) as admin,
        psycopg.connect(server.dsn("binline_ingest", PASSWORD)) as ingest,
        psycopg.connect(server.dsn("binline_jobs", PASSWORD), autocommit=True) as jobs,
    ):
        gateways = max(1, chosen.bins // SENSORS)
        for number in range(gateways):
            ingest_cases.make_site(admin, f"bench-{number}", chosen.bins // gateways)
        admin.execute("UPDATE bins SET tare_mg = %s", (TARE_MG,))
        admin.execute("CREATE TABLE plain_levels (bin_id int PRIMARY KEY, pieces int)")
        admin.execute("CREATE TABLE plain_movements (bin_id int, before int, pieces int)")
        loop = FollowLoop(threading.Event())
        spent: dict[str, list[float]] = {"ingest": [], "follow": [], "plain": []}
        for second, payloads in enumerate(speak(chosen, gateways)):
            took = timed(lambda p=payloads: take(ingest, p))
            followed = timed(lambda: loop.round(jobs))
            plain = timed(lambda p=payloads: plainly(admin, p))
            if second:  # the first second is of all that is new
                for what, spell in (("ingest", took), ("follow", followed), ("plain", plain)):
                    spent[what].append(spell)
        moved, waiting = one(
            jobs, "SELECT count(*), (SELECT count(*) FROM bin_follow) FROM movements"
        )
        print(f"{chosen.bins:,} bins, {chosen.rate:,} readings/s, {moved:,} movements")  # noqa: T201
        print(f"{waiting:,} bins wait to be followed at the end")  # noqa: T201
        middle = {what: median(found) for what, found in spent.items()}
        for what, seconds in middle.items():
            rate = chosen.rate / seconds
            print(  # noqa: T201
                f"{what:>8}: {seconds:.3f} s for a second of readings ({rate:,.0f} readings/s),"
                f" {seconds / middle['ingest']:.2f} of ingest"
            )


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
                        weight_mg=TARE_MG + held[sensor] * PIECE_MG,
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


def timed(step: Callable[[], object]) -> float:
    began = time.perf_counter()
    step()
    return time.perf_counter() - began


def one(conn: psycopg.Connection, query: str) -> tuple[int, int]:
    row = conn.execute(query).fetchone()
    assert row is not None
    return row


if __name__ == "__main__":
    main()
