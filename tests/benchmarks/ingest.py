"""How fast ingest takes readings in, as a ratio to a raw binary COPY on the same server, same rows.

    python -m tests.benchmarks.ingest [--messages 2000] [--readings 100] [--bins 500]

Not a test: numbers depend on the machine, the ratio much less. fsync is on.
"""

import argparse
import multiprocessing
import shutil
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from multiprocessing.synchronize import Barrier
from pathlib import Path
from statistics import median

import psycopg

from cloud.actions.take_in import take_in
from cloud.core.readings import Batch
from cloud.embedded import postgres, programs
from cloud.intake import translate
from cloud.intake.hand_over import HandOver
from cloud.loops.ingest import BYTES_MAX, GATHER_S, MESSAGES_MAX
from cloud.postgres import migrate
from edge_agent.wire import codec, messages, topics
from tests.cloud import ingest_cases

RAW = "raw binary COPY, same rows and commits"
FRESH = "broker to commit, all new"
REPEATS = "the same again, all repeats"
UNWATCHED = "all new, of sensors that watch no bin"
TWO = "all new, by two processes"
COPY = (
    "COPY readings (sensor_id, measured_at, stream_no, seq, received_at, weight_mg, total,"
    " condition, because, stability, quality, clock_trusted, code, change)"
    " FROM STDIN (FORMAT BINARY)"
)
COPY_TYPES = [
    "int4",
    "timestamptz",
    "int4",
    "int8",
    "timestamptz",
    "int8",
    "int8",
    "text",
    "text",
    "int2",
    "int2",
    "bool",
    "text",
    "text",
]
PASSWORD = "for-tests-only"
GATEWAYS = 5
AHEAD_MAX = 2 * MESSAGES_MAX  # understood before their turn, as the broker's window allows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=2_000)
    parser.add_argument("--readings", type=int, default=100, help="per message")
    parser.add_argument("--bins", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3, help="the medians are reported")
    chosen = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="binline-bench-", dir="/tmp"))
    home.chmod(0o755)
    server = postgres.prepare(home / "postgres")
    child = programs.spawn(server.program, home / "log")
    try:
        postgres.wait_until_up(server.dsn(database="postgres"), 60, gone=child)
        postgres.ensure_database(server)
        with psycopg.connect(server.dsn()) as conn:
            migrate.migrate(conn)
            migrate.set_passwords(conn, {"binline_ingest": PASSWORD})
        measure(server, chosen.messages, chosen.readings, chosen.bins, chosen.rounds)
    finally:
        child.send_signal(server.program.stop_signal)
        child.wait(30)
        shutil.rmtree(home, ignore_errors=True)


def measure(
    server: postgres.EmbeddedPostgres, count: int, size: int, bins: int, rounds: int
) -> None:
    options = "-c search_path=binline -c timezone=UTC"
    with (
        psycopg.connect(server.dsn(), autocommit=True, options=options) as admin,
        psycopg.connect(server.dsn("binline_ingest", PASSWORD)) as conn,
    ):
        for number in range(GATEWAYS):
            ingest_cases.make_site(admin, f"bench-{number}", bins // GATEWAYS)
        payloads = speak(count, size, bins // GATEWAYS)
        placed = list(already_placed(payloads))
        rows = count * size
        watched = dict(admin.execute("SELECT sensor_id, bin_id FROM sensors").fetchall())
        rates: dict[str, list[float]] = defaultdict(list)
        # In turns, for whatever else the machine does moves all of them alike.
        for _ in range(rounds):
            empty(admin)
            rates[RAW].append(report(RAW, rows, lambda: copy_all(conn, placed, size)))
            empty(admin)
            rates[FRESH].append(report(FRESH, rows, lambda: take_all(conn, payloads)))
            rates[REPEATS].append(report(REPEATS, rows, lambda: take_all(conn, payloads)))
            empty(admin)
            rates[TWO].append(two_at_once(server, payloads, rows))
            empty(admin)
            admin.execute("UPDATE sensors SET bin_id = NULL")
            rates[UNWATCHED].append(report(UNWATCHED, rows, lambda: take_all(conn, payloads)))
            for sensor_id, bin_id in watched.items():
                admin.execute(
                    "UPDATE sensors SET bin_id = %s WHERE sensor_id = %s", (bin_id, sensor_id)
                )
    raw = median(rates[RAW])
    for what, found in rates.items():
        middle = median(found)
        print(f"{middle:>12,.0f} readings/s, {middle / raw:.2f} of raw   {what}")  # noqa: T201


def empty(admin: psycopg.Connection) -> None:
    admin.execute("TRUNCATE readings, ledger, bin_state, bin_due, rollups_due, streams CASCADE")
    admin.execute("CHECKPOINT")


def copy_all(conn: psycopg.Connection, placed: Sequence[tuple[object, ...]], size: int) -> None:
    for start in range(0, len(placed), MESSAGES_MAX * size):
        with conn.transaction(), conn.cursor() as cursor, cursor.copy(COPY) as copy:
            copy.set_types(COPY_TYPES)
            for row in placed[start : start + MESSAGES_MAX * size]:
                copy.write_row(row)


def take_all(conn: psycopg.Connection, payloads: Sequence[tuple[str, bytes]]) -> None:
    waiting = HandOver(messages_max=AHEAD_MAX)
    threading.Thread(target=feed, args=(waiting, payloads), daemon=True).start()
    left = len(payloads)
    while left:
        taken = waiting.take(
            messages_max=MESSAGES_MAX, bytes_max=BYTES_MAX, wait_s=5, gather_s=GATHER_S
        )
        assert taken, "the feeding thread ended"
        take_in(conn, [delivery.arrival for delivery in taken], datetime.now(UTC))
        left -= len(taken)


def two_at_once(
    server: postgres.EmbeddedPostgres, payloads: Sequence[tuple[str, bytes]], rows: int
) -> float:
    """Each takes every other message, as a broker that shares them out would give it."""
    spawning = multiprocessing.get_context("spawn")
    ready = spawning.Barrier(3)
    dsn = server.dsn("binline_ingest", PASSWORD)
    both = [
        spawning.Process(target=take_part, args=(dsn, payloads[part::2], ready))
        for part in range(2)
    ]
    for one in both:
        one.start()
    ready.wait(60)

    def until_both_are_done() -> None:
        for one in both:
            one.join()
            assert one.exitcode == 0

    return report(TWO, rows, until_both_are_done)


def take_part(dsn: str, payloads: Sequence[tuple[str, bytes]], ready: Barrier) -> None:
    with psycopg.connect(dsn) as conn:
        ready.wait(60)
        take_all(conn, payloads)


def feed(waiting: HandOver, payloads: Sequence[tuple[str, bytes]]) -> None:
    """What the broker's thread does in the product: bytes in, understood and handed over."""
    for topic, payload in payloads:
        while waiting.put(None, None, topic, payload, kept=False) == "full":
            time.sleep(0.001)


def speak(count: int, size: int, bins: int) -> list[tuple[str, bytes]]:
    """`count` messages of five gateways in turn, every reading a new weight."""
    sensors = [f"s{number:02}" for number in range(1, bins + 1)]
    base_ms = int(datetime.now(UTC).timestamp() * 1000) - count * 10
    spoken = []
    for number in range(count):
        turn = number // GATEWAYS
        said = messages.ReadingBatch(
            stream=f"{number % GATEWAYS:032x}",
            first_seq=turn * size + 1,
            base_ms=base_ms + turn * 10,
            sensors=sensors,
            readings=[
                ingest_cases.weighed(
                    turn * size + place, after_ms=place % 10, sensor=(turn + place) % bins
                )
                for place in range(size)
            ],
        )
        spoken.append((topics.readings(f"bench-{number % GATEWAYS}"), codec.encode(said)))
    return spoken


def already_placed(payloads: Sequence[tuple[str, bytes]]) -> list[tuple[object, ...]]:
    """Rows that need nothing but to be sent: what is measured against does no other work."""
    placed: list[tuple[object, ...]] = []
    now = datetime.now(UTC)
    for number, (topic, payload) in enumerate(payloads):
        content = translate.arrival(topic, payload).content
        assert isinstance(content, Batch)
        placed += [
            (number % 97 + 1, said.measured_at, number % 5 + 1, said.seq, now, *said[3:])
            for said in content.readings
        ]
    return placed


def report(what: str, rows: int, run: Callable[[], None]) -> float:
    began = time.perf_counter()
    run()
    rate = rows / (time.perf_counter() - began)
    print(f"{rate:>12,.0f} readings/s   {what}")  # noqa: T201 - its whole purpose
    return rate


if __name__ == "__main__":
    main()
