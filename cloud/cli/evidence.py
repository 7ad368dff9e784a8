"""`binline cloud verify`: whether what an order rests on still fits."""

import click

from cloud.actions.prove import Proof, Verdict, prove
from cloud.cli.letters import EXIT_FAILED, connected
from cloud.core.orders import number_of, order_label
from cloud.settings import OperatingSettings

EXIT_USAGE = 2


def run_verify(settings: OperatingSettings, order: str) -> None:
    try:
        number = number_of(order)
    except ValueError:
        click.echo(f"{order!r} is no number of an order; it looks like RO-1004.", err=True)
        raise SystemExit(EXIT_USAGE) from None
    with connected(settings.jobs_dsn) as conn:
        proof = prove(conn, number)
    if proof is None:
        click.echo(f"There is no order {order_label(number)}.", err=True)
        raise SystemExit(EXIT_FAILED)
    _tell(proof)
    if proof.verdict is not Verdict.FITS:
        raise SystemExit(EXIT_FAILED)


def _tell(proof: Proof) -> None:
    for record in proof.records:
        mark = "✗" if record.seq == proof.misfit else "✓"
        if proof.misfit is not None and record.seq > proof.misfit:
            mark = "?"  # after the first that does not fit nothing can be said
        click.echo(f"{mark} {record.seq:>3} {record.kind:<9} {record.digest}")
    click.echo(proof.because, err=proof.verdict is not Verdict.FITS)
