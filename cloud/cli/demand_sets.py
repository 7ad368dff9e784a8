"""The three public demand sets, as files: items in one, what was taken in the other.

    man              man_items.csv            man_demand.csv.gz          weeks 1 to 150
    carparts         carparts_items.csv       carparts_demand.csv.gz     months 1 to 51
    online_retail    online_retail_items.csv  online_retail_weekly.csv.gz  weeks 1 to 52

A row of the second is one item, one period, one quantity; what has no row was not taken. Who made
them and where they are found is in `cloud/README.md`. Each mistake is told with file, line and
column.
"""

import csv
import gzip
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cloud.core.forecasts.gates import DemandSet
from cloud.core.forecasts.replaying import Lot

LINES_MAX = 5_000_000
QUANTITY_MAX = 1e9


class DemandSetError(Exception):
    """What is wrong with a file, where, and what is allowed."""


@dataclass(frozen=True, kw_only=True)
class Format:
    name: str
    items: str
    demand: str
    key: str  # the column that names an item, in both files
    period: str  # the column of weeks or months
    periods: int
    warm_up: int
    every: int
    order_periods: float  # what is ordered at once: the usage of so many periods
    price: str | None = None
    pack: str | None = None
    moq: str | None = None
    used_if: str | None = None  # a column that is 1 for the items that are replayed


FORMATS = (
    Format(
        name="man",
        items="man_items.csv",
        demand="man_demand.csv.gz",
        key="sku",
        period="week",
        periods=150,
        warm_up=78,
        every=4,
        order_periods=4,
        price="price",
        pack="pack",
        moq="moq",
    ),
    Format(
        name="carparts",
        items="carparts_items.csv",
        demand="carparts_demand.csv.gz",
        key="series",
        period="month",
        periods=51,
        warm_up=24,
        every=1,
        order_periods=1,
        used_if="use_in_sim",
    ),
    Format(
        name="retail",
        items="online_retail_items.csv",
        demand="online_retail_weekly.csv.gz",
        key="sku",
        period="week",
        periods=52,
        warm_up=26,
        every=1,
        order_periods=2,
        price="price",
    ),
)


def read_sets(folder: Path) -> list[DemandSet]:
    """Those of the sets that are there; at least one must be."""
    if not folder.is_dir():
        raise DemandSetError(f"{folder} is no folder")
    found = [known for known in FORMATS if (folder / known.items).exists()]
    if not found:
        names = ", ".join(known.items for known in FORMATS)
        raise DemandSetError(
            f"{folder} holds no demand set; at least one of these must be: {names}"
        )
    return [_read_set(folder, known) for known in found]


def _read_set(folder: Path, known: Format) -> DemandSet:
    keys: dict[str, int] = {}
    price, pack, moq = [], [], []
    unused: set[str] = set()
    file = folder / known.items
    wanted = [c for c in (known.price, known.pack, known.moq, known.used_if) if c]
    for row in _rows(file, [known.key, *wanted]):
        key = row.text(known.key)
        if key in keys or key in unused:
            raise row.wrong(known.key, "is there twice; each item has one line")
        if known.used_if and not row.number(known.used_if, _flag, "must be 0 or 1"):
            unused.add(key)
            continue
        keys[key] = len(keys)
        price.append(row.number(known.price, _above_zero, "must be above 0") if known.price else 1)
        pack.append(
            row.number(known.pack, _pieces, "must be a whole number from 1") if known.pack else 1
        )
        moq.append(
            row.number(known.moq, _pieces, "must be a whole number from 1") if known.moq else 1
        )
    if not keys:
        raise DemandSetError(f"{file} holds no item")
    demand = np.zeros((len(keys), known.periods))
    file = folder / known.demand
    allowed = f"must be a whole number from 1 to {known.periods}"
    for row in _rows(file, [known.key, known.period, "qty"]):
        key = row.text(known.key)
        at = row.number(known.period, lambda v: _pieces(v) and v <= known.periods, allowed)
        quantity = row.number("qty", _pieces, "must be a whole number from 1")
        if key in keys:
            demand[keys[key], int(at) - 1] += quantity
        elif key not in unused:
            raise row.wrong(known.key, f"is no item of {known.items}")
    warm_up = demand[:, : known.warm_up].mean(axis=1)
    floor = np.array(moq, float)
    return DemandSet(
        name=known.name,
        demand=demand,
        price=np.array(price, float),
        lot=Lot(
            quantity=np.maximum(known.order_periods * warm_up, floor),
            moq=floor,
            pack=np.array(pack, float),
        ),
        warm_up=known.warm_up,
        every=known.every,
    )


@dataclass(frozen=True)
class _Row:
    file: Path
    line: int
    values: dict[str, str]

    def text(self, column: str) -> str:
        value = self.values[column]
        if not value:
            raise self.wrong(column, "is empty")
        return value

    def number(self, column: str, allowed: Callable[[float], bool], must: str) -> float:
        text = self.text(column)
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not (abs(value) <= QUANTITY_MAX and allowed(value)):
            raise self.wrong(column, f"is {text[:40]!r}; it {must}")
        return value

    def wrong(self, column: str, what: str) -> DemandSetError:
        return DemandSetError(f"{self.file}, line {self.line}: column {column} {what}")


def _rows(file: Path, columns: list[str]) -> Iterator[_Row]:
    opened = gzip.open if file.suffix == ".gz" else open
    try:
        with opened(file, "rt", encoding="utf-8", newline="") as lines:
            reader = csv.DictReader(lines)
            missing = [c for c in columns if c not in (reader.fieldnames or [])]
            if missing:
                raise DemandSetError(
                    f"{file}, line 1: column {missing[0]} is missing;"
                    f" these must be there: {', '.join(columns)}"
                )
            for line, values in enumerate(reader, start=2):
                if line > LINES_MAX:
                    raise DemandSetError(f"{file} has more than {LINES_MAX} lines")
                yield _Row(file, line, {c: values[c] or "" for c in columns})
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise DemandSetError(f"{file} cannot be read: {error}") from error


def _flag(value: float) -> bool:
    return value in (0, 1)


def _above_zero(value: float) -> bool:
    return value > 0


def _pieces(value: float) -> bool:
    return value >= 1 and value == int(value)
