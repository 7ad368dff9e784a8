"""Whole weeks and months in a time: what is added up of them need not be added up again."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

_DAY, _WEEK = timedelta(days=1), timedelta(days=7)
_LONGEST_MONTH = timedelta(days=31)


class Period(StrEnum):
    DAY = "day"
    WEEK = "week"  # from Monday
    MONTH = "month"


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """Periods that follow each other, whole ones, from `first` to `last`, both days of it."""

    period: Period
    first: date
    last: date


def monday_of(day: date) -> date:
    return day - day.weekday() * _DAY


def next_month(day: date) -> date:
    return (day.replace(day=1) + _LONGEST_MONTH).replace(day=1)


def stretches(first: date, last: date, longest: Period = Period.MONTH) -> list[Stretch]:
    """The time from `first` to `last`, both of it, in as long periods as there are whole ones.

    None of them reaches over the end of a month, where months are the longest: so that each
    belongs to one.
    """
    if longest is not Period.MONTH:
        return [*_in_weeks(first, last)]
    month = first if first.day == 1 else next_month(first)
    beyond = (last + _DAY).replace(day=1)
    if month >= beyond:
        split = min(month, last + _DAY)
        return [*_in_weeks(first, split - _DAY), *_in_weeks(split, last)]
    return [
        *_in_weeks(first, month - _DAY),
        Stretch(period=Period.MONTH, first=month, last=beyond - _DAY),
        *_in_weeks(beyond, last),
    ]


def _in_weeks(first: date, last: date) -> Iterator[Stretch]:
    monday = monday_of(first + 6 * _DAY)
    beyond = monday_of(last + _DAY)
    if monday >= beyond:
        if first <= last:
            yield Stretch(period=Period.DAY, first=first, last=last)
        return
    if first < monday:
        yield Stretch(period=Period.DAY, first=first, last=monday - _DAY)
    yield Stretch(period=Period.WEEK, first=monday, last=beyond - _DAY)
    if beyond <= last:
        yield Stretch(period=Period.DAY, first=beyond, last=last)
