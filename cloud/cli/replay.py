"""`binline cloud replay`: the parameters engine against the ways of others, on public demand."""

import json
import time
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import numpy as np

from cloud.cli.demand_sets import DemandSetError, read_sets
from cloud.cli.tradeoff_plot import tradeoff_svg
from cloud.core.forecasts.classics import SES_NORMAL
from cloud.core.forecasts.gates import (
    ASKED_FILLS,
    FIXED,
    OURS,
    RESIZED,
    DemandSet,
    Result,
    judge,
)
from cloud.core.forecasts.parameters import Contract, Service, Target, parameters

EXIT_FAILED = 1
EXIT_USAGE = 2
LABELS = ("value 95 %", "value 98 %", "lines 95 %", "lines 98 %")

RATIO_REQUIRED, RATIO_AIMED, RATIO_OF_A_SET_MAX = 1.00, 0.95, 1.03
MISS_MAX = 0.01
ITEMS_TIMED = 10_000
SECONDS_MAX = 60.0
SAVING_REQUIRED = 0.35


def run(folder: Path, lead_times: Sequence[int], plot: Path, expected: Path | None) -> None:
    try:
        sets = read_sets(folder)
    except DemandSetError as error:
        click.echo(str(error), err=True)
        raise SystemExit(EXIT_USAGE) from None
    results = []
    for demands in sets:
        for lead_time in lead_times:
            began = time.monotonic()
            results.append(judge(demands, lead_time))
            items, periods = demands.demand.shape
            click.echo(
                f"replayed {demands.name}, lead time {lead_time}: {items} items,"
                f" {periods - demands.warm_up} periods, {time.monotonic() - began:.1f} s",
                err=True,
            )
    _print_stock(results)
    _print_ratios(results)
    _print_halves(sets, lead_times)
    if expected is not None:
        _print_deviations(results, expected)
    _draw(results, plot)
    seconds = seconds_for(sets[0], ITEMS_TIMED)
    if not _print_gate(results, seconds):
        raise SystemExit(EXIT_FAILED)


def seconds_for(demands: DemandSet, items: int) -> float:
    """The processor's time for the parameters of so many items, made of the set's own."""
    at = [number % len(demands.demand) for number in range(items)]
    rows = demands.demand.astype(int).tolist()
    histories: list[list[int | None]] = [[*rows[i]] for i in at]
    contracts = [
        Contract(
            minimum=0,
            order_up_to=round(float(demands.lot.quantity[i])),
            lead_time_days=7 * (1 + number % 4),
            review_days=7,
            moq=int(demands.lot.moq[i]),
            pack=int(demands.lot.pack[i]),
            price=Decimal(str(demands.price[i])),
        )
        for number, i in enumerate(at)
    ]
    target = Target(service=Service.FILL, share=0.95)
    began = time.process_time()
    parameters(histories, contracts, period_days=7, target=target)
    return time.process_time() - began


def _draw(results: Sequence[Result], plot: Path) -> None:
    try:
        plot.write_text(tradeoff_svg(results), encoding="utf-8")
    except OSError as error:
        click.echo(f"the picture cannot be written: {error}", err=True)
        raise SystemExit(EXIT_USAGE) from None
    click.echo(f"\nstock against fill, drawn: {plot}")


def _print_stock(results: Sequence[Result]) -> None:
    click.echo("\nMean stock needed, in periods of demand value")
    click.echo(
        f"{'set':<10}{'lead':>5}  {'service':<11}{FIXED:>9}{RESIZED:>10}{'SES+norm':>10}"
        f"{OURS:>8}  best classic"
    )
    for result in results:
        for at, label in enumerate(LABELS):
            name, best = result.best_classic(at)
            click.echo(
                f"{result.name:<10}{result.lead_time:>5}  {label:<11}"
                f"{result.stock[FIXED][at]:>9.2f}{result.stock[RESIZED][at]:>10.2f}"
                f"{result.stock[SES_NORMAL][at]:>10.2f}{result.stock[OURS][at]:>8.2f}"
                f"  {best:.2f} {name}"
            )


def _print_ratios(results: Sequence[Result]) -> None:
    click.echo(
        "\nOurs by SES + normal, at equal fill read off the curves; less than the fixed rule;\n"
        "fill achieved where 0.95 and 0.98 were asked, with z from other items, and with z set in\n"
        "time on the past alone; ours by SES + normal, if both are set in time"
    )
    heads = "".join(f"{label:>12}" for label in LABELS)
    click.echo(f"{'set':<10}{'lead':>5}{heads}{'less':>7}   apart{'':<8}in time{'':<6}stock then")
    for result in results:
        ratios = "".join(f"{ratio:>12.3f}" for ratio in result.ratios)
        forward = " ".join(f"{fill:.3f}" for fill in result.achieved.values())
        apart = " ".join(f"{fill:.3f}" for fill in result.achieved_apart.values())
        then = " ".join(f"{ratio:.3f}" for ratio in result.forward_ratios)
        click.echo(
            f"{result.name:<10}{result.lead_time:>5}{ratios}{result.savings[0]:>7.0%}"
            f"   {apart}  {forward}  {then}"
        )


def _print_halves(sets: Sequence[DemandSet], lead_times: Sequence[int]) -> None:
    """The same ratio on every other item: how much of it is luck."""
    click.echo("\nThe same ratios, on every other item alone (value 95 % and 98 %)")
    for demands in sets:
        odd = np.arange(len(demands.demand)) % 2 == 1
        halves = [[judge(demands.of(half), lead) for lead in lead_times] for half in (odd, ~odd)]
        told = [
            " ".join(f"{_mean([r.ratios[at] for r in half]):.3f}" for at in (0, 1))
            for half in halves
        ]
        click.echo(f"{demands.name:<10} {told[0]}   {told[1]}")


def _print_deviations(results: Sequence[Result], expected: Path) -> None:
    """How near this replay comes to numbers of another simulator, for the methods both have."""
    click.echo(f"\nDeviation from {expected.name}: fixed, re-sized, best classic")
    keys = ("stock@0.95", "stock@0.98", "stock@line.95", "stock@line.98")
    theirs = _read_expected(expected)
    for result in results:
        entry = theirs.get((result.name, result.lead_time))
        if entry is None:
            continue
        told = []
        for at, key in enumerate(keys):
            pairs = (
                (result.stock[FIXED][at], entry[key]["fixed"]),
                (result.stock[RESIZED][at], entry[key]["resized"]),
                (result.best_classic(at)[1], entry[key]["best_classic"][0]),
            )
            told.append("/".join(f"{mine / other - 1:+.0%}" for mine, other in pairs))
        click.echo(f"{result.name:<10}{result.lead_time:>5}  {'   '.join(told)}")


def _read_expected(expected: Path) -> dict[tuple[str, int], dict[str, Any]]:
    try:
        entries = json.loads(expected.read_text(encoding="utf-8"))
        return {(entry["data"], entry["lead_time"]): entry for entry in entries}
    except (OSError, ValueError, KeyError, TypeError) as error:
        click.echo(f"{expected} cannot be compared with: {error!r}", err=True)
        raise SystemExit(EXIT_USAGE) from None


def _print_gate(results: Sequence[Result], seconds: float) -> bool:
    names = list(dict.fromkeys(result.name for result in results))
    by_set = {name: _mean([r.ratios[0] for r in results if r.name == name]) for name in names}
    worst = max(by_set, key=by_set.__getitem__)
    mean = _mean(list(by_set.values()))
    savings = {name: _mean([r.savings[0] for r in results if r.name == name]) for name in names}
    saving = _mean(list(savings.values()))
    each = ", ".join(f"{name} {share:.0%}" for name, share in savings.items())
    forward = max(abs(r.achieved[a] - a) for r in results for a in ASKED_FILLS)
    apart = max(abs(r.achieved_apart[a] - a) for r in results for a in ASKED_FILLS)
    calm = _mean([abs(r.achieved[a] - a) for r in results for a in ASKED_FILLS])
    checks = [
        (
            mean <= RATIO_REQUIRED,
            (
                f"mean ratio to {SES_NORMAL} {mean:.3f}"
                f" (at most {RATIO_REQUIRED:.2f}, aimed at {RATIO_AIMED:.2f})"
            ),
        ),
        (
            by_set[worst] <= RATIO_OF_A_SET_MAX,
            f"worst set {worst} {by_set[worst]:.3f} (at most {RATIO_OF_A_SET_MAX:.2f})",
        ),
        (
            apart <= MISS_MAX,
            (
                f"fill achieved within {apart:.3f} of what was asked, on items apart"
                f" (at most {MISS_MAX:.2f})"
            ),
        ),
        (
            calm <= MISS_MAX,
            (
                f"fill achieved within {calm:.3f} in the time to come, on average"
                f" (at most {MISS_MAX:.2f}); at worst {forward:.3f}"
            ),
        ),
        (
            saving >= SAVING_REQUIRED,
            f"{saving:.0%} less stock than the fixed rule (at least {SAVING_REQUIRED:.0%}): {each}",
        ),
        (
            seconds <= SECONDS_MAX,
            (
                f"parameters for {ITEMS_TIMED} items in {seconds:.1f} s of one core"
                f" (at most {SECONDS_MAX:.0f})"
            ),
        ),
    ]
    click.echo("\nThe gate, at 95 % value fill")
    for passed, told in checks:
        click.echo(f"  {'pass' if passed else 'FAIL'}  {told}")
    return all(passed for passed, _ in checks)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))
