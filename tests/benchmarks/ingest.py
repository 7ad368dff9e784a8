"""How fast ingest takes readings in, as a ratio to a raw binary COPY on the same server, same rows.

    python tests/benchmarks/ingest.py [--messages 2000] [--readings 100] [--bins 500]

Not a test: numbers depend on the machine, the ratio much less. fsync is on.
"""

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from cloud.actions.take_in import take_in
from cloud.embedded import postgres, programs
from cloud.intake import translate
from cloud.loops.ingest import MESSAGES_MAX
from cloud.postgres import migrate, readings
from cloud.postgres.readings import Placed
from edge_agent.wire import codec, messages, topics
from tests.cloud import ingest_cases

PASSWORD = "for-tests-only"
GATEWAYS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=2_000)
    parser.add_argument("--readings", type=int, default=100, help="per message")
    parser.add_argument("--bins", type=int, default=500)
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
        measure(server, chosen.messages, chosen.readings, chosen.bins)
    finally:
        child.send_signal(server.program.stop_signal)
        child.wait(30)
        shutil.rmtree(home, ignore_errors=True)


def measure(server: postgres.EmbeddedPostgres, count: int, size: int, bins: int) -> None:
    options = "-c search_path=binline -c timezone=UTC"
    with (
        psycopg.connect(server.dsn(), autocommit=True, options=options) as admin,
        psycopg.connect(server.dsn("binline_ingest", PASSWORD)) as conn,
    ):
        for number in range(GATEWAYS):
            ingest_cases.make_site(admin, f"bench-{number}", bins // GATEWAYS)
        payloads = speak(count, size, bins // GATEWAYS)
        rows = count * size

        def take_all() -> None:
            for start in range(0, count, MESSAGES_MAX):
                part = payloads[start : start + MESSAGES_MAX]
                arrivals = [translate.arrival(topic, payload) for topic, payload in part]
                take_in(conn, arrivals, datetime.now(UTC))

        fresh = report("broker to commit, all new", rows, take_all)
        report("the same again, all repeats", rows, take_all)
        placed = list(already_placed(payloads))
        admin.execute("TRUNCATE readings")

        def copy_all() -> None:
            for start in range(0, rows, MESSAGES_MAX * size):
                with conn.transaction():
                    part = placed[start : start + MESSAGES_MAX * size]
                    readings.copy_in(conn, part, datetime.now(UTC))

        raw = report("raw binary COPY, same rows and commits", rows, copy_all)
        print(f"ratio to raw binary COPY: {fresh / raw:.2f}")  # noqa: T201 - its whole purpose


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


def already_placed(payloads: Sequence[tuple[str, bytes]]) -> list[Placed]:
    placed = []
    for number, (topic, payload) in enumerate(payloads):
        content = translate.arrival(topic, payload).content
        assert isinstance(content, translate.Batch)
        placed += [Placed(number % 97 + 1, number % 5 + 1, said) for said in content.readings]
    return placed


def report(what: str, rows: int, run: Callable[[], None]) -> float:
    began = time.perf_counter()
    run()
    rate = rows / (time.perf_counter() - began)
    print(f"{rate:>12,.0f} readings/s   {what}")  # noqa: T201 - its whole purpose
    return rate


if __name__ == "__main__":
    main()
