"""Quarters of a year as people write them: 2026Q4, its first day, its months."""

import re
from dataclasses import dataclass
from datetime import date, timedelta

from cloud.core.refusals import SpanImpossible

_MONTHS = 3
_WRITTEN = re.compile(r"(?P<year>20[0-9]{2})-?[Qq](?P<number>[1-4])")


@dataclass(frozen=True, order=True)
class Quarter:
    year: int
    number: int  # 1 to 4

    @property
    def label(self) -> str:
        return f"{self.year}Q{self.number}"

    @property
    def first(self) -> date:
        return date(self.year, _MONTHS * self.number - 2, 1)

    @property
    def months(self) -> tuple[date, ...]:
        """The first day of each."""
        return tuple(date(self.year, _MONTHS * self.number - 2 + ahead, 1) for ahead in range(3))

    @property
    def next(self) -> "Quarter":
        return quarter_of(date(self.year + self.number // 4, self.number % 4 * _MONTHS + 1, 1))

    @property
    def before(self) -> "Quarter":
        return quarter_of(self.first - timedelta(days=1))


def quarter_of(day: date) -> Quarter:
    return Quarter(day.year, (day.month + 2) // _MONTHS)


def quarter_from(text: str) -> Quarter:
    """Raises SpanImpossible."""
    found = _WRITTEN.fullmatch(text.strip())
    if found is None:
        raise SpanImpossible
    return Quarter(int(found["year"]), int(found["number"]))
