"""The level of a bin over time, as coordinates of a drawing. What was not measured is not drawn.

A step line holds each level until the next one. Where readings stayed away for longer than the
bin's trust lasts there is no line, but a hatched gap: nobody knows what happened in it. A chart of
weeks is drawn from whole hours, each with a band from its lowest level to its highest.

Where no single weight tells the level (a counter, two containers, several scales under one bin) it
is drawn from what was booked: the movements, and the level they led to.

Movements are marked, each kind by a shape of its own: usage as a tick at the foot, where there is
room for many, the others at the level they led to. While the level may not be acted on its estimate
is drawn apart from the line, as a band that widens.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import zip_longest

import psycopg

from cloud.core.levels import is_absent
from cloud.core.trust import stale_after
from cloud.http import views, words
from cloud.postgres import history
from cloud.postgres.history import Told
from cloud.postgres.movements import MovementRow
from cloud.postgres.wall import BinRow

WIDTH = HEIGHT = 1000  # the drawing is stretched; labels are placed in per cent
TICKS = 4
SPAN_MIN = timedelta(minutes=5)
DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class ChartSpan:
    """How far back a chart goes: what a person may choose from."""

    key: str  # in the address
    name: str
    length: timedelta
    rolled_up: bool  # drawn from hours, not from single readings


SPANS = (
    ChartSpan(key="24h", name="24 hours", length=DAY, rolled_up=False),
    ChartSpan(key="7d", name="7 days", length=7 * DAY, rolled_up=True),
    ChartSpan(key="30d", name="30 days", length=30 * DAY, rolled_up=True),
    ChartSpan(key="90d", name="90 days", length=90 * DAY, rolled_up=True),
)
SPAN_OF = {span.key: span for span in SPANS}


@dataclass(frozen=True, kw_only=True)
class Mark:
    at: str  # where, in per cent
    text: str


@dataclass(frozen=True, kw_only=True)
class Gap:
    x: int
    width: int


@dataclass(frozen=True, kw_only=True)
class Moved:
    """A movement on the chart."""

    kind: str
    x: str  # in per cent
    y: str


@dataclass(frozen=True, kw_only=True)
class Kinds:
    """What moved in the time shown, kind by kind: the legend, and what is read aloud."""

    kind: str
    word: str
    count: int
    pieces: int


@dataclass(frozen=True, kw_only=True)
class Band:
    """The estimate, from the last level that was borne out to now."""

    outline: str
    middle: str


@dataclass(frozen=True, kw_only=True)
class Chart:
    line: str
    area: str
    band: str
    gaps: list[Gap]
    minimum_y: int
    last: tuple[str, str] | None  # where the newest level is, in per cent
    times: list[Mark]
    levels: list[Mark]
    says: str
    moved: list[Moved]
    kinds: list[Kinds]
    guess: Band | None


@dataclass(frozen=True, kw_only=True)
class _Frame:
    start: datetime
    end: datetime
    top: int

    def x(self, at: datetime) -> int:
        within = min(max(at, self.start), self.end)
        return round((within - self.start) / (self.end - self.start) * WIDTH)

    def y(self, pieces: int) -> int:
        return HEIGHT - min(HEIGHT, pieces * HEIGHT // self.top)


def history_of(conn: psycopg.Connection, bin_id: int, span: ChartSpan, now: datetime) -> list[Told]:
    read = history.by_hours if span.rolled_up else history.by_minutes
    return read(conn, bin_id, now - span.length, now)


def level_chart(
    row: BinRow,
    told: Sequence[Told],
    span: ChartSpan,
    now: datetime,
    moved: Sequence[MovementRow] = (),
    *,
    guess: bool = False,
) -> Chart | None:
    """`told`, oldest first, may begin before the chart does. None when no level was ever told.

    `guess`: the level may not be acted on, so its estimate is drawn.
    """
    booked = is_booked(row)
    weighed = [
        (at, views.pieces_of(row, weight_mg))
        for one in told
        for at, weight_mg in _weights(one)
        if not is_absent(weight_mg, views.calibration_of(row))
    ]
    steps = _booked_steps(row, moved, now - span.length) if booked else weighed
    if not steps:
        return None
    silences = _silences(told, stale_after(row.interval_s), now) if told else []
    if not booked:
        silences = _merged([*silences, *_off_the_scale(row, told, now)])
    start = max(now - span.length, min(_begins(told, steps), now - SPAN_MIN))
    highest = [views.pieces_of(row, w) for one in told if (w := one.max_weight_mg)]
    top = max(row.capacity, *([pieces for _, pieces in steps] if booked else highest))
    frame = _Frame(start=start, end=now, top=top)
    runs = _runs(steps, silences, now)
    kinds = _kinds([one for one in moved if one.event_at >= start])
    band = _guess(row, frame) if guess else None
    return Chart(
        line=" ".join(_path(run, frame) for run in runs),
        area=" ".join(_area(run, frame) for run in runs),
        band="" if booked else " ".join(_band(row, told, silences, frame)),
        gaps=[
            Gap(x=frame.x(a), width=max(4, frame.x(b) - frame.x(a)))
            for a, b in silences
            if b > start
        ],
        minimum_y=frame.y(row.minimum),
        last=_last(steps[-1], silences, frame, now),
        times=_times(frame, row, now),
        levels=[
            Mark(at=_per_cent(frame.y(pieces)), text=words.count(pieces))
            for pieces in sorted({0, row.minimum, row.capacity})
            if pieces in (0, row.capacity) or top // 12 < pieces < row.capacity - top // 12
        ],
        says=_says(row, told, steps, silences, frame) + _says_moved(kinds, guess=band is not None),
        moved=_moved(moved, frame),
        kinds=kinds,
        guess=band,
    )


def is_booked(row: BinRow) -> bool:
    """Whether the level is drawn from movements: no single weight tells it."""
    return row.measure != "weight" or row.several


def _booked_steps(
    row: BinRow, moved: Sequence[MovementRow], since: datetime
) -> list[tuple[datetime, int]]:
    """Oldest first: the level at the beginning, and what each movement led to."""
    oldest_first = sorted(moved, key=lambda one: (one.event_at, one.movement_id))
    steps = [(one.event_at, one.after_pieces) for one in oldest_first]
    if not steps:
        if row.pieces is None or row.plateau_since is None:
            return []
        return [(max(since, row.plateau_since), row.pieces)]
    first = oldest_first[0]
    return steps if first.kind == "opening" else [(since, first.before_pieces), *steps]


def _begins(told: Sequence[Told], steps: Sequence[tuple[datetime, int]]) -> datetime:
    return told[0].from_at if told else steps[0][0]


MOVEMENT_WORDS = {
    "usage": "usage",
    "refill": "refill",
    "put_back": "put back",
    "correction": "correction",
    "swap": "swap",
    "opening": "first level",
}
GUESS_STEPS = 24


def _moved(moved: Sequence[MovementRow], frame: _Frame) -> list[Moved]:
    """Ticks that would lie on each other are drawn once; what is rarer is drawn on top."""
    found = {
        (one.kind, frame.x(one.event_at), 0 if one.kind == "usage" else frame.y(one.after_pieces))
        for one in moved
        if one.event_at >= frame.start
    }
    return [
        Moved(kind=kind, x=_per_cent(x), y=_per_cent(y))
        for kind, x, y in sorted(found, key=lambda one: (one[0] != "usage", one))
    ]


def _kinds(moved: Sequence[MovementRow]) -> list[Kinds]:
    return [
        Kinds(kind=kind, word=word, count=len(these), pieces=sum(one.pieces for one in these))
        for kind, word in MOVEMENT_WORDS.items()
        if (these := [one for one in moved if one.kind == kind])
    ]


def _says_moved(kinds: Sequence[Kinds], *, guess: bool) -> str:
    said = ", ".join(f"{one.count:,} {one.word} of {one.pieces:+,} pieces" for one in kinds)
    return (f" Movements: {said}." if said else "") + (
        " Since the last trusted level a band shows the estimate." if guess else ""
    )


def _guess(row: BinRow, frame: _Frame) -> Band | None:
    """The estimate at each point in time, as it would have been told then."""
    if row.level_at is None or row.level_at >= frame.end:
        return None
    start = max(row.level_at, frame.start)
    times = [start + (frame.end - start) * step / GUESS_STEPS for step in range(GUESS_STEPS + 1)]
    told = [(frame.x(at), found) for at in times if (found := views.estimate_at(row, at))]
    if not told:
        return None
    upper = [f"{x},{frame.y(found.high)}" for x, found in told]
    lower = [f"{x},{frame.y(found.low)}" for x, found in reversed(told)]
    return Band(
        outline=f"M{' L'.join([*upper, *lower])}Z",
        middle=f"M{' L'.join(f'{x},{frame.y(found.pieces)}' for x, found in told)}",
    )


def _weights(told: Told) -> Iterator[tuple[datetime, int]]:
    if told.first_at is not None and told.first_weight_mg is not None:
        yield told.first_at, told.first_weight_mg
    if told.last_at is not None and told.last_weight_mg is not None and told.readings > 1:
        yield told.last_at, told.last_weight_mg


def _silences(
    told: Sequence[Told], longest: timedelta, now: datetime
) -> list[tuple[datetime, datetime]]:
    """From when a level could no longer be believed until the next word."""
    words_from = [*(one.from_at for one in told[1:]), now]
    return [
        (one.upto_at + longest, after)
        for one, after in zip(told, words_from, strict=True)
        if after - one.upto_at > longest
    ]


def _off_the_scale(
    row: BinRow, told: Sequence[Told], now: datetime
) -> list[tuple[datetime, datetime]]:
    """From when the scale showed less than the empty bin until it stood there again: no level."""
    gone: datetime | None = None
    found = []
    for at, weight_mg in (each for one in told for each in _weights(one)):
        if is_absent(weight_mg, views.calibration_of(row)):
            gone = gone or at
        elif gone is not None:
            found.append((gone, at))
            gone = None
    return found if gone is None else [*found, (gone, now)]


def _merged(spans: Sequence[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    merged: list[tuple[datetime, datetime]] = []
    for began, ended in sorted(spans):
        if merged and began <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], ended))
        else:
            merged.append((began, ended))
    return merged


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
    """A step line; what does not move a point of the drawing is left out."""
    (start, first), *others = run
    x, y = frame.x(start), frame.y(first)
    path = [f"M{x},{y}"]
    for at, pieces in others:
        to_x, to_y = frame.x(at), frame.y(pieces)
        if to_x != x:
            path.append(f"H{to_x}")
        if to_y != y:
            path.append(f"V{to_y}")
        x, y = to_x, to_y
    return "".join(path)


def _area(run: list[tuple[datetime, int]], frame: _Frame) -> str:
    return f"{_path(run, frame)}V{HEIGHT}H{frame.x(run[0][0])}Z"


def _band(
    row: BinRow,
    told: Sequence[Told],
    silences: list[tuple[datetime, datetime]],
    frame: _Frame,
) -> Iterator[str]:
    """From the lowest to the highest level of a piece, where one line cannot show both."""
    ends = dict(silences)  # no piece reaches into the silence after it
    silent_from = sorted(ends)
    for one, after in zip_longest(told, told[1:]):
        if one.min_weight_mg is None or one.max_weight_mg is None:
            continue
        low, high = (
            frame.y(views.pieces_of(row, mg)) for mg in (one.min_weight_mg, one.max_weight_mg)
        )
        end = frame.end if after is None else after.from_at
        end = min([end, *(at for at in silent_from if one.upto_at <= at <= end)])
        left, right = frame.x(one.from_at), frame.x(end)
        if low > high and right > left:
            yield f"M{left},{high}H{right}V{low}H{left}Z"


def _last(
    step: tuple[datetime, int],
    silences: list[tuple[datetime, datetime]],
    frame: _Frame,
    now: datetime,
) -> tuple[str, str] | None:
    silent = silences and silences[-1][1] == now
    at = silences[-1][0] if silent else now
    return (_per_cent(frame.x(at)), _per_cent(frame.y(step[1]))) if at >= frame.start else None


def _times(frame: _Frame, row: BinRow, now: datetime) -> list[Mark]:
    where = words.zone(row.time_zone)
    step = (frame.end - frame.start) / TICKS
    daily = step > DAY
    return [
        Mark(
            at=_per_cent(frame.x(frame.start + step * tick)),
            text="now"
            if tick == TICKS
            else words.tick(frame.start + step * tick, where, now, daily=daily),
        )
        for tick in range(TICKS + 1)
    ]


def _per_cent(thousandth: int) -> str:
    return f"{thousandth / 10:.1f}%"


def _says(
    row: BinRow,
    told: Sequence[Told],
    steps: list[tuple[datetime, int]],
    silences: list[tuple[datetime, datetime]],
    frame: _Frame,
) -> str:
    """What the drawing shows, for who does not see it."""
    here = [one for one in told if one.upto_at >= frame.start] or told
    weighed = [] if is_booked(row) else here
    lows = [views.pieces_of(row, mg) for one in weighed if (mg := one.min_weight_mg) is not None]
    highs = [views.pieces_of(row, mg) for one in weighed if (mg := one.max_weight_mg) is not None]
    shown = [pieces for at, pieces in steps if at >= frame.start] or [steps[-1][1]]
    long = words.span((frame.end - frame.start).total_seconds())
    quiet = [gap for gap in silences if gap[1] > frame.start]
    gaps = f", {words.plural(len(quiet), 'gap')} without readings" if quiet else ""
    return (
        f"Level over the last {long}: from {shown[0]:,} to {shown[-1]:,} pieces, at least "
        f"{min(lows or shown):,}, at most {max(highs or shown):,}; "
        f"minimum {row.minimum:,}{gaps}."
    )
