"""`binline cloud import` and `export`: files of nouns, from and to the disk of whoever types."""

from pathlib import Path

import click

from cloud.actions import keep_nouns
from cloud.cli.letters import connected
from cloud.core.imports import Plan
from cloud.core.nouns import NOUNS
from cloud.core.refusals import SheetUnreadable
from cloud.postgres import asking, nouns
from cloud.sheets import files

EXIT_FAILED = 1
SHOWN_MAX = 200


def run_import(dsn: str, file: Path, by: str, *, apply: bool) -> None:
    try:
        sheets = files.read_file(file.name, file.read_bytes())
    except SheetUnreadable as refused:
        click.echo(f"{refused} {refused.what_to_do}", err=True)
        raise SystemExit(EXIT_FAILED) from None
    with connected(dsn) as conn, conn.transaction():
        asking.as_operations(conn, by)
        done = keep_nouns.take_in(conn, sheets, None) if apply else None
        plan = done or keep_nouns.preview(conn, sheets)
    _show(plan)
    if plan.wrong:
        click.echo("nothing was taken in", err=True)
        raise SystemExit(EXIT_FAILED)
    if done is None:
        click.echo("nothing was taken in: say --apply to do it" if plan.steps else "nothing to do")
    else:
        click.echo("taken in")


def run_export(dsn: str, folder: Path, by: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with connected(dsn) as conn, conn.transaction():
        asking.as_operations(conn, by)
        tables = {
            noun.name: [row.values for row in nouns.every(conn, noun).values()]
            for noun in NOUNS.values()
        }
    for noun in NOUNS.values():
        (folder / f"{noun.plural}.csv").write_bytes(files.csv_of(noun, tables[noun.name]))
        click.echo(f"{noun.plural}.csv: {len(tables[noun.name])} rows")
    (folder / "binline.xlsx").write_bytes(files.workbook_of(tables))
    click.echo("binline.xlsx")


def _show(plan: Plan) -> None:
    for step in plan.steps[:SHOWN_MAX]:
        if step.was is None:
            click.echo(f"new      {step.noun.name} {step.label}")
        else:
            said = ", ".join(
                f"{label}: {before or 'nothing'} -> {after or 'nothing'}"
                for label, before, after in step.differences
            )
            click.echo(f"changes  {step.noun.name} {step.label}: {said}")
    if len(plan.steps) > SHOWN_MAX:
        click.echo(f"… and {len(plan.steps) - SHOWN_MAX} more")
    for one in plan.wrong[:SHOWN_MAX]:
        where = f"{one.sheet}, row {one.row}, {one.column or 'sheet'}"
        click.echo(f"wrong    {where}: “{one.given}”; allowed: {one.allowed}", err=True)
    if len(plan.wrong) > SHOWN_MAX:
        click.echo(f"… and {len(plan.wrong) - SHOWN_MAX} more wrong", err=True)
    click.echo(
        f"{len(plan.new)} new, {len(plan.changed)} changed, {plan.unchanged} as they are,"
        f" {len(plan.wrong)} wrong"
    )
