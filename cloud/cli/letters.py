"""`binline cloud letters …`: what could not be taken in, looked at, tried again, or given up."""

import getpass
from datetime import UTC, datetime

import click
import psycopg

from cloud.actions.replay import replay
from cloud.postgres import dead_letters, pools
from cloud.postgres.dead_letters import Count, Kept
from cloud.settings import OperatingSettings

EXIT_FAILED = 1
EXIT_CLOUD_AWAY = 4
SHOWN_BYTES_MAX = 4_096


def run_list(settings: OperatingSettings, gateway: str | None) -> None:
    with connected(settings.jobs_dsn) as conn:
        letters, counts = dead_letters.unsettled(conn, gateway), dead_letters.counts(conn)
    for letter in letters:
        click.echo(_line(letter))
    if len(letters) == dead_letters.LISTED_MAX:
        click.echo(f"… only the first {dead_letters.LISTED_MAX} are listed")
    if not letters:
        click.echo("no dead letters")
    for count in counts:
        if count.beyond and gateway in {None, count.gateway}:
            click.echo(_beyond(count))


def run_show(settings: OperatingSettings, number: int) -> None:
    with connected(settings.jobs_dsn) as conn:
        letter, payload = _one(conn, number)
    click.echo(_line(letter))
    click.echo(f"topic    {letter.topic}")
    if letter.settled is not None:
        click.echo(f"settled  {letter.settled} by {letter.settled_by} at {letter.settled_at:%F %T}")
    click.echo(f"payload  {payload[:SHOWN_BYTES_MAX]!r}")
    if len(payload) > SHOWN_BYTES_MAX:
        click.echo(f"… {len(payload) - SHOWN_BYTES_MAX} bytes more")


def run_replay(settings: OperatingSettings, numbers: tuple[int, ...], by: str) -> None:
    failed = False
    with connected(settings.jobs_dsn) as jobs, connected(settings.needed_ingest_dsn()) as ingest:
        for number in numbers:
            letter, payload = _one(jobs, number)
            # First what it holds, then the note: a cut between them is a replay done twice.
            done = replay(ingest, letter, payload, datetime.now(UTC))
            if done.because:
                click.echo(f"{number}: not taken in, and kept: {done.because}", err=True)
                failed = True
                continue
            with jobs.transaction():
                dead_letters.settle(jobs, number, "replayed", by, datetime.now(UTC))
            click.echo(f"{number}: taken in, {done.readings} readings stored")
    if failed:
        raise SystemExit(EXIT_FAILED)


def run_discard(settings: OperatingSettings, numbers: tuple[int, ...], by: str) -> None:
    with connected(settings.jobs_dsn) as conn:
        for number in numbers:
            _one(conn, number)
            with conn.transaction():
                dead_letters.settle(conn, number, "discarded", by, datetime.now(UTC))
            click.echo(f"{number}: discarded")


def connected(dsn: str) -> psycopg.Connection:
    try:
        conn = pools.connect(dsn, name="cli")
    except psycopg.OperationalError as error:
        click.echo(f"the database does not answer: {error}", err=True)
        raise SystemExit(EXIT_CLOUD_AWAY) from None
    conn.autocommit = True
    return conn


def operator() -> str:
    """Who sits at this machine, for the record."""
    return getpass.getuser()


def _one(conn: psycopg.Connection, number: int) -> tuple[Kept, bytes]:
    found = dead_letters.one(conn, number)
    if found is None:
        click.echo(f"no dead letter {number}", err=True)
        raise SystemExit(EXIT_FAILED)
    return found


def _line(letter: Kept) -> str:
    whose = letter.gateway or "(nobody's)"
    when = f"{letter.received_at:%F %T}"
    return f"{letter.dead_letter_id:>8}  {when}  {whose:<20} {letter.bytes:>7} B  {letter.because}"


def _beyond(count: Count) -> str:
    whose = count.gateway or "nobody that is known"
    return (
        f"!!! {count.beyond} more of {whose} were counted and not kept, there were too many;"
        f" the last one: {count.last_because}"
    )
