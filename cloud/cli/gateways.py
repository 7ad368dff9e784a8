"""`binline cloud gateway …` and `aside`: what a person has to see of gateways, and to settle."""

from datetime import UTC, datetime
from uuid import UUID

import click

from cloud.actions.settle_twins import settle_twins
from cloud.cli.letters import connected
from cloud.core.refusals import Refusal
from cloud.core.twins import SENTENCE
from cloud.postgres import gateways, readings
from cloud.postgres.gateways import Listed
from cloud.settings import OperatingSettings

EXIT_FAILED = 1
LISTED_MAX = 1_000


def run_list(settings: OperatingSettings) -> None:
    with connected(settings.jobs_dsn) as conn:
        for gateway in gateways.listing(conn):
            click.echo(_line(gateway))
            for remark in _remarks(gateway):
                click.echo(f"    {remark}")


def run_settle(settings: OperatingSettings, name: str, keep: UUID, by: str) -> None:
    with connected(settings.jobs_dsn) as conn:
        try:
            refused = settle_twins(conn, name, keep, by, datetime.now(UTC))
        except Refusal as refusal:
            click.echo(str(refusal), err=True)
            raise SystemExit(EXIT_FAILED) from None
    click.echo(f"{name}: stream {keep.hex} goes on")
    for stream in refused:
        click.echo(f"{name}: stream {stream.hex} is refused; give that machine a name of its own")


def run_aside(settings: OperatingSettings) -> None:
    with connected(settings.jobs_dsn) as conn:
        found = readings.asides(conn, LISTED_MAX)
    for gateway, sensor, because, count, first, last in found:
        when = f"{first:%F %T} to {last:%F %T}"
        click.echo(f"{gateway} {sensor}: {count} readings of {when}: {because}")
    if not found:
        click.echo("no readings are set aside")


def _line(gateway: Listed) -> str:
    since = f" since {gateway.presence_at:%F %T}" if gateway.presence_at else ""
    state = f"{gateway.presence}{since}"
    return f"{gateway.name:<32} {state}, backlog {gateway.backlog_batches} batches"


def _remarks(gateway: Listed) -> list[str]:
    remarks = []
    if gateway.twin_since and gateway.twin_kept and gateway.twin_held:
        remarks.append(f"!!! {SENTENCE.format(gateway=gateway.name)}")
        remarks.append(
            f"since {gateway.twin_since:%F %T}: stream {gateway.twin_kept.hex} goes on,"
            f" stream {gateway.twin_held.hex} is held"
        )
        remarks.append(
            f"settle it: binline cloud gateway settle {gateway.name} --keep {gateway.twin_kept.hex}"
        )
    if gateway.twin_settled:
        remarks.append(f"two machines had used its name: {gateway.twin_settled}")
    if gateway.shed_messages and gateway.shed_at:
        remarks.append(
            f"{gateway.shed_messages} messages over its quota were left on it,"
            f" the last at {gateway.shed_at:%F %T}"
        )
    return remarks
