"""How fast ingest takes readings in, as a ratio to a raw binary COPY on the same server, same rows.

    python -m tests.benchmarks.ingest [--messages 2000] [--readings 100] [--bins 500]

Not a test: numbers depend on the machine, the ratio much less. fsync is on.
"""

import argparse
import multiprocessing
import os
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from multiprocessing.synchronize import Barrier
from pathlib import Path
from statistics import median

import psycopg

from cloud.actions.take_in import take_in
from cloud.embedded import postgres
from cloud.intake.hand_over import HandOver
from cloud.loops.ingest import BYTES_MAX, CROWDED_TURNS, GATHER_S, MESSAGES_MAX, SWITCH_S
from cloud.postgres.readings import COLUMNS
from edge_agent.wire import codec, messages, topics
from tests.benchmarks.serving import PASSWORD, server
from tests.cloud import ingest_cases

RAW = "raw binary COPY, same rows and commits"
RAW_SORTED = "raw binary COPY, in the order in which ingest writes them"
FRESH = "broker to commit, all new"
REPEATS = "the same again, all repeats"
UNWATCHED = "all new, of sensors that watch no bin"
TWO = "all new, by two processes, each with gateways of its own"
TWO_SHARED = "all new, by two processes that share the gateways"
COPY = f"COPY readings ({COLUMNS}) FROM STDIN (FORMAT BINARY)"
# The rows that ingest has stored, as ready bytes: whoever sends them does no other work.
ROWS = f"""
COPY (SELECT {COLUMNS} FROM (
        SELECT *, row_number() OVER (ORDER BY (seq - 1) / %s, stream_no, seq) AS number
          FROM readings) r
       WHERE (number - 1) / %s = %s ORDER BY %s) TO STDOUT (FORMAT BINARY)
"""
CHUNK_BYTES = 64 * 1024
LOOK_S = 0.005
WAITS = (
    "SELECT coalesce(wait_event_type || ' ' || wait_event, 'at work') FROM pg_stat_activity"
    " WHERE usename = 'binline_ingest' AND state <> 'idle'"
)
GATEWAYS = 4  # even: every other message is of every other gateway
AHEAD_MAX = 2 * MESSAGES_MAX  # understood before their turn, as the broker's window allows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=2_000)
    parser.add_argument("--readings", type=int, default=100, help="per message")
    parser.add_argument("--bins", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3, help="the medians are reported")
    chosen = parser.parse_args()
    with server("binline_ingest") as made:
        measure(made, chosen.messages, chosen.readings, chosen.bins, chosen.rounds)


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
        rows = count * size
        watched = dict(admin.execute("SELECT sensor_id, bin_id FROM sensors").fetchall())
        take_all(conn, payloads)
        arriving = ready(admin, size, "number")
        by_sensor = ready(admin, size, "sensor_id, stream_no, seq")
        rates: dict[str, list[float]] = defaultdict(list)
        limits: dict[str, Counter[str]] = defaultdict(Counter)
        # In turns, for whatever else the machine does moves all of them alike.
        for _ in range(rounds):
            for what, chunks in ((RAW, arriving), (RAW_SORTED, by_sensor)):
                empty(admin)
                with looked_at(server, limits[what]):
                    rates[what].append(report(what, rows, lambda c=chunks: copy_all(conn, c)))
            empty(admin)
            with looked_at(server, limits[FRESH]):
                rates[FRESH].append(report(FRESH, rows, lambda: take_all(conn, payloads)))
            rates[REPEATS].append(report(REPEATS, rows, lambda: take_all(conn, payloads)))
            for what, parts in ((TWO, by_gateway(payloads)), (TWO_SHARED, by_turn(payloads))):
                empty(admin)
                rates[what].append(two_at_once(server, what, parts, rows, limits[what]))
            empty(admin)
            admin.execute("UPDATE sensors SET bin_id = NULL")
            rates[UNWATCHED].append(report(UNWATCHED, rows, lambda: take_all(conn, payloads)))
            for sensor_id, bin_id in watched.items():
                admin.execute(
                    "UPDATE sensors SET bin_id = %s WHERE sensor_id = %s", (bin_id, sensor_id)
                )
    raw, raw_sorted = median(rates[RAW]), median(rates[RAW_SORTED])
    print(f"{'':>21}of raw, of raw in our order")  # noqa: T201
    for what, found in rates.items():
        middle = median(found)
        print(  # noqa: T201
            f"{middle:>12,.0f} readings/s, {middle / raw:.2f}, {middle / raw_sorted:.2f}   {what}"
        )
    for what, seen in limits.items():
        print(f"\n{what}:\n    {explained(seen)}")  # noqa: T201


def empty(admin: psycopg.Connection) -> None:
    admin.execute("TRUNCATE readings, ledger, bin_state, bin_due, rollups_due, streams CASCADE")
    admin.execute("CHECKPOINT")


def ready(admin: psycopg.Connection, size: int, order: str) -> list[bytes]:
    """The bytes of each commit."""
    chunk = MESSAGES_MAX * size
    row = admin.execute("SELECT count(*) FROM readings").fetchone()
    assert row is not None
    found = []
    for part in range(-(-row[0] // chunk)):
        with admin.cursor().copy(ROWS % (size, chunk, part, order)) as copy:
            found.append(b"".join(bytes(piece) for piece in copy))
    return found


def copy_all(conn: psycopg.Connection, chunks: Sequence[bytes]) -> None:
    for chunk in chunks:
        with conn.transaction(), conn.cursor() as cursor, cursor.copy(COPY) as copy:
            for begin in range(0, len(chunk), CHUNK_BYTES):
                copy.write(chunk[begin : begin + CHUNK_BYTES])


def take_all(conn: psycopg.Connection, payloads: Sequence[tuple[str, bytes]]) -> None:
    sys.setswitchinterval(SWITCH_S)
    waiting = HandOver(messages_max=AHEAD_MAX)
    threading.Thread(target=feed, args=(waiting, payloads), daemon=True).start()
    left, crowded = len(payloads), 0
    while left:
        taken = waiting.take(
            messages_max=MESSAGES_MAX, bytes_max=BYTES_MAX, wait_s=5, gather_s=GATHER_S
        )
        assert taken, "the feeding thread ended"
        arrivals = [delivery.arrival for delivery in taken]
        found = take_in(conn, arrivals, datetime.now(UTC), crowded=crowded > 0)
        crowded = CROWDED_TURNS if found.crowded else crowded - 1
        left -= len(taken)


def by_gateway(payloads: Sequence[tuple[str, bytes]]) -> list[Sequence[tuple[str, bytes]]]:
    return [payloads[0::2], payloads[1::2]]


def by_turn(payloads: Sequence[tuple[str, bytes]]) -> list[Sequence[tuple[str, bytes]]]:
    """As a broker that shares them out would give it: both hear of every gateway."""
    turns = [payloads[begin : begin + GATEWAYS] for begin in range(0, len(payloads), GATEWAYS)]
    return [[said for turn in turns[part::2] for said in turn] for part in range(2)]


def two_at_once(
    server: postgres.EmbeddedPostgres,
    what: str,
    parts: Sequence[Sequence[tuple[str, bytes]]],
    rows: int,
    seen: Counter[str],
) -> float:
    spawning = multiprocessing.get_context("spawn")
    ready_both = spawning.Barrier(3)
    dsn = server.dsn("binline_ingest", PASSWORD)
    both = [spawning.Process(target=take_part, args=(dsn, part, ready_both)) for part in parts]
    for one in both:
        one.start()
    ready_both.wait(60)

    def until_both_are_done() -> None:
        for one in both:
            one.join()
            assert one.exitcode == 0

    with looked_at(server, seen):
        return report(what, rows, until_both_are_done)


@contextmanager
def looked_at(server: postgres.EmbeddedPostgres, seen: Counter[str]) -> Iterator[None]:
    """What the connections of ingest wait for, looked at from time to time; and the cores."""
    over = threading.Event()

    def look() -> None:
        with psycopg.connect(server.dsn(), autocommit=True) as watching:
            while not over.wait(LOOK_S):
                seen["looks"] += 1
                seen.update(what for (what,) in watching.execute(WAITS).fetchall())

    thread = threading.Thread(target=look)
    thread.start()
    busy, began = busy_s(), time.perf_counter()
    try:
        yield
    finally:
        seen["busy ms"] += int((busy_s() - busy) * 1000)
        seen["wall ms"] += int((time.perf_counter() - began) * 1000)
        over.set()
        thread.join()


def busy_s() -> float:
    """Of all cores, whoever used them."""
    with Path("/proc/stat").open() as file:
        user, nice, system, _, _, *rest = map(int, file.readline().split()[1:])
    return (user + nice + system + sum(rest[:3])) / os.sysconf("SC_CLK_TCK")


def explained(seen: Counter[str]) -> str:
    cores = seen["busy ms"] / max(seen["wall ms"], 1)
    looks = max(seen["looks"], 1)
    waits = ", ".join(
        f"{count / looks:.0%} {what}"
        for what, count in seen.most_common()
        if what not in {"looks", "busy ms", "wall ms"} and count * 50 >= looks
    )
    return f"{cores:.1f} of {os.cpu_count()} cores busy; of the looks, by connection: {waits}"


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
    """`count` messages of the gateways in turn, every reading a new weight."""
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


def report(what: str, rows: int, run: Callable[[], None]) -> float:
    began = time.perf_counter()
    run()
    rate = rows / (time.perf_counter() - began)
    print(f"{rate:>12,.0f} readings/s   {what}")  # noqa: T201 - its whole purpose
    return rate


if __name__ == "__main__":
    main()
