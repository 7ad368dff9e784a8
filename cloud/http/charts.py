"""The level of a bin over time, as coordinates of a drawing. What was not measured is not drawn.

A step line holds each level until the next reading. Where readings stayed away for longer than the
bin's trust lasts there is no line, but a hatched gap: nobody knows what happened in it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from cloud.core.trust import stale_after
from cloud.http import views, words
from cloud.postgres.portal import ReadingRow
from cloud.postgres.wall import BinRow

WIDTH = HEIGHT = 1000  # the drawing is stretched; labels are placed in per cent
TICKS = 4
SPAN_MIN = timedelta(minutes=5)


@dataclass(frozen=True, kw_only=True)
class Mark:
    at: str  # where, in per cent
    text: str


@dataclass(frozen=True, kw_only=True)
class Gap:
    x: int
    width: int


@dataclass(frozen=True, kw_only=True)
class Chart:
    line: str
    area: str
    gaps: list[Gap]
    minimum_y: int
    last: tuple[str, str] | None  # where the newest level is, in per cent
    times: list[Mark]
    levels: list[Mark]
    says: str


@dataclass(frozen=True, kw_only=True)
class _Frame:
    start: datetime
    end: datetime
    top: int

    def x(self, at: datetime) -> int:
        return round((at - self.start) / (self.end - self.start) * WIDTH)

    def y(self, pieces: int) -> int:
        return HEIGHT - min(HEIGHT, pieces * HEIGHT // self.top)


def level_chart(row: BinRow, readings: list[ReadingRow], now: datetime) -> Chart | None:
    """None when no weight was ever told."""
    steps = [
        (reading.measured_at, views.pieces_of(row, reading.weight_mg))
        for reading in reversed(readings)
        if reading.weight_mg is not None and reading.measured_at <= now
    ]
    if not steps:
        return None
    heard = [reading.measured_at for reading in reversed(readings) if reading.measured_at <= now]
    top = max(row.capacity, *(pieces for _, pieces in steps))
    frame = _Frame(start=min(steps[0][0], now - SPAN_MIN), end=now, top=top)
    silences = _silences([*heard, now], stale_after(row.interval_s))
    runs = _runs(steps, silences, now)
    return Chart(
        line=" ".join(_path(run, frame) for run in runs),
        area=" ".join(_area(run, frame) for run in runs),
        gaps=[Gap(x=frame.x(a), width=max(4, frame.x(b) - frame.x(a))) for a, b in silences],
        minimum_y=frame.y(row.minimum),
        last=_last(steps[-1], silences, frame, now),
        times=_times(frame, row, now),
        levels=[
            Mark(at=_per_cent(frame.y(pieces)), text=words.count(pieces))
            for pieces in sorted({0, row.minimum, row.capacity})
            if pieces in (0, row.capacity) or top // 12 < pieces < row.capacity - top // 12
        ],
        says=_says(row, steps, silences, now),
    )


def _silences(heard: list[datetime], longest: timedelta) -> list[tuple[datetime, datetime]]:
    """From when a level could no longer be believed until the next word."""
    return [
        (before + longest, after) for before, after in pairwise(heard) if after - before > longest
    ]


def _runs(
    steps: list[tuple[datetime, int]], silences: list[tuple[datetime, datetime]], now: datetime
) -> list[list[tuple[datetime, int]]]:
    """The levels between silences, each run ended where its last level stops being known."""
    runs: list[list[tuple[datetime, int]]] = [[]]
    rest = list(silences)
    for at, pieces in steps:
        while rest and at >= rest[0][1]:
            _end(runs, rest.pop(0)[0])
        runs[-1].append((at, pieces))
    _end(runs, rest[0][0] if rest else now)
    return [run for run in runs if run]


def _end(runs: list[list[tuple[datetime, int]]], at: datetime) -> None:
    if runs[-1]:
        runs[-1].append((at, runs[-1][-1][1]))
    runs.append([])


def _path(run: list[tuple[datetime, int]], frame: _Frame) -> str:
    (start, first), *others = run
    return f"M{frame.x(start)},{frame.y(first)}" + "".join(
        f"H{frame.x(at)}V{frame.y(pieces)}" for at, pieces in others
    )


def _area(run: list[tuple[datetime, int]], frame: _Frame) -> str:
    return f"{_path(run, frame)}V{HEIGHT}H{frame.x(run[0][0])}Z"


def _last(
    step: tuple[datetime, int],
    silences: list[tuple[datetime, datetime]],
    frame: _Frame,
    now: datetime,
) -> tuple[str, str]:
    silent = silences and silences[-1][1] == now
    at = silences[-1][0] if silent else now
    return _per_cent(frame.x(at)), _per_cent(frame.y(step[1]))


def _times(frame: _Frame, row: BinRow, now: datetime) -> list[Mark]:
    where = words.zone(row.time_zone)
    step = (frame.end - frame.start) / TICKS
    return [
        Mark(
            at=_per_cent(frame.x(frame.start + step * tick)),
            text="now" if tick == TICKS else words.clock(frame.start + step * tick, where, now),
        )
        for tick in range(TICKS + 1)
    ]


def _per_cent(thousandth: int) -> str:
    return f"{thousandth / 10:.1f}%"


def _says(
    row: BinRow,
    steps: list[tuple[datetime, int]],
    silences: list[tuple[datetime, datetime]],
    now: datetime,
) -> str:
    """What the drawing shows, for who does not see it."""
    pieces = [each for _, each in steps]
    long = words.span((now - steps[0][0]).total_seconds())
    gaps = f", {words.plural(len(silences), 'gap')} without readings" if silences else ""
    return (
        f"Level over the last {long}: from {pieces[0]:,} to {pieces[-1]:,} pieces, at least "
        f"{min(pieces):,}, at most {max(pieces):,}; minimum {row.minimum:,}{gaps}."
    )
