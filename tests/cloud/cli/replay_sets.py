"""Demand sets as files, made by a seed: the formats of the public ones, with invented items."""

import csv
import gzip
from collections.abc import Iterable
from pathlib import Path

import numpy as np

MAN_ITEMS = ("sku", "price", "order_cost", "hold_rate", "lead_time_wk", "pack", "moq")


def write_rows(file: Path, head: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    opened = gzip.open if file.suffix == ".gz" else open
    with opened(file, "wt", encoding="utf-8", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(head)
        writer.writerows(rows)


def write_sets(folder: Path, *, items: int = 60, seed: int = 5) -> None:
    rng = np.random.default_rng(seed)
    names = range(1, items + 1)
    write_rows(
        folder / "man_items.csv",
        MAN_ITEMS,
        [(n, round(rng.uniform(1, 9), 2), 5, 0.2, 7, rng.choice([1, 5]), 5) for n in names],
    )
    _write_demand(folder / "man_demand.csv.gz", ("sku", "week", "qty"), items, 150, rng)
    write_rows(
        folder / "carparts_items.csv",
        ("series", "part", "complete", "use_in_sim"),
        [(n, f"p{n}", 1, int(n % 5 > 0)) for n in names],
    )
    _write_demand(folder / "carparts_demand.csv.gz", ("series", "month", "qty"), items, 51, rng)
    write_rows(
        folder / "online_retail_items.csv",
        ("sku", "price"),
        [(n, round(rng.uniform(1, 9), 2)) for n in names],
    )
    _write_demand(folder / "online_retail_weekly.csv.gz", ("sku", "week", "qty"), items, 52, rng)


def _write_demand(
    file: Path, head: tuple[str, str, str], items: int, periods: int, rng: np.random.Generator
) -> None:
    share, size = rng.uniform(0.2, 0.9, (items, 1)), rng.uniform(2, 20, (items, 1))
    taken = rng.random((items, periods)) < share
    demand = taken * rng.geometric(1 / size, (items, periods))
    write_rows(
        file,
        head,
        [(i + 1, t + 1, demand[i, t]) for i, t in np.argwhere(demand > 0)],
    )
