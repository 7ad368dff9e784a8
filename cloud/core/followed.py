"""The nouns of following a bin: what was seen of it, what is known of it, and what moved.

    Seen      one reading of one of the bin's sensors, on the corrected time line
    Rules     what the bin is: its calibration, its sensors, how it is measured
    Followed  all that is remembered between two readings; a checkpoint, small and bounded
    Movement  a change of the level, with its kind and the readings it rests on

The level is the opening and the movements, nothing else: their sum is exact over any interval.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple, Self

from cloud.core.levels import Calibration
from cloud.core.readings import EPOCH

_US = timedelta(microseconds=1)


class Measure(StrEnum):
    """How the level of a bin becomes known."""

    WEIGHT = "weight"
    COUNTER_OUT = "counter_out"  # the total counts what was taken
    COUNTER_IN = "counter_in"  # the total counts what was put in
    TAGS = "tags"  # each tag that is there stands for so many pieces
    STEPS = "steps"  # the total says at which step the level stands
    TWO_BIN = "two_bin"  # a sign says that one container is empty


class MovementKind(StrEnum):
    OPENING = "opening"  # the first level ever known; from none
    USAGE = "usage"
    REFILL = "refill"
    PUT_BACK = "put_back"
    CORRECTION = "correction"  # somebody counted, or the scale was not to be believed meanwhile
    SWAP = "swap"  # the bin was away and came back fuller


class Doubting(StrEnum):
    """Why the number may not be acted on. The words are those of `Trust`."""

    STUCK = "stuck"
    SUSPECT = "suspect"
    ABSENT = "absent"
    NOT_ZEROED = "not_zeroed"
    UNIT_CHANGED = "unit_changed"
    UNKNOWN = "unknown"


class Doubt(NamedTuple):
    kind: Doubting
    because: str  # a sentence, fit to show


class ReadingRef(NamedTuple):
    stream_no: int
    seq: int


class ReadingRange(NamedTuple):
    """The first and the last reading that a plateau rests on."""

    first: ReadingRef
    last: ReadingRef


class Seen(NamedTuple):
    """One reading of one of the bin's sensors; ordered by (at, stream_no, seq)."""

    at: datetime  # corrected
    stream_no: int
    seq: int
    weight_mg: int | None
    condition: str | None
    stability: int  # 0 stated, 1 held, 2 unknown
    quality: int  # 0 good
    clock_trusted: bool
    total: int | None = None
    code: str | None = None
    change: str | None = None
    sensor_id: int = 0


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What the bin is. A changed rule holds from the next reading on."""

    calibration: Calibration
    interval_s: int
    refill_pieces: int  # from how many pieces on a gain is a refill, not a put-back
    measure: Measure = Measure.WEIGHT
    pieces_per_count: int = 1
    capacity: int | None = None
    sensors: tuple[int, ...] = ()  # all that are under the bin; (): whoever reports is the one

    def __post_init__(self) -> None:
        assert self.interval_s > 0, "silence is measured in intervals"
        assert self.pieces_per_count > 0, "a count stands for something"


@dataclass(frozen=True, kw_only=True)
class Movement:
    """A change of the level. Readings are named so that it can be computed again from them."""

    kind: MovementKind
    pieces: int  # signed
    before_pieces: int
    after_pieces: int
    event_at: datetime  # where the new plateau begins
    known_at_reading: datetime  # of the reading that confirmed it
    before: ReadingRange | None  # None: nothing was known before
    after: ReadingRange
    before_mg: int | None  # None: it is not weighed, nothing was known, or it was counted
    after_mg: int | None
    because: str
    sd_pieces: float = 0.0  # of `pieces`; 0: they were counted


class Spot(NamedTuple):
    """One weight in the window."""

    at_us: int
    stream_no: int
    seq: int
    weight_mg: int
    settled: bool

    @property
    def ref(self) -> ReadingRef:
        return ReadingRef(self.stream_no, self.seq)


class Plateau(NamedTuple):
    """A weight that held, above the last confirmed one: it may still be revoked."""

    since_us: int
    first: tuple[int, int]
    last: tuple[int, int]
    mean_mg: float
    after_absence: bool
    after_gap: bool


class Told(NamedTuple):
    """What was counted beside a scale that has shown nothing of it yet: it may be stuck."""

    weight_mg: float  # below none: so much less than it shows
    again: bool  # counted more than once, and it moved meanwhile


@dataclass(frozen=True, kw_only=True)
class Followed:
    """Everything remembered of one bin. `to_json` and `from_json` lose nothing."""

    pieces: int | None = None  # None: no level is known yet
    sd_pieces: float = 0.0
    exact: bool = False
    doubts: tuple[Doubt, ...] = ()
    last: tuple[int, int, int] | None = None  # at_us, stream_no, seq of the newest reading
    level_us: int | None = None  # of the newest reading that bears out the level
    plateau_us: int | None = None
    plateau_first: tuple[int, int] | None = None
    plateau_last: tuple[int, int] | None = None
    reference_mg: float | None = None  # the weight of the plateau; follows drift
    seen_mg: float | None = None  # what was weighed before a count that was made blind; else None
    told: Told | None = None
    sigma_mg: float = 0.0
    unrest_mg: tuple[int, ...] = ()  # what neighbouring weights lay apart, newest last
    unrest_count: int = 0
    newest_mg: int | None = None
    newest_step_mg: int = 0
    number_us: int | None = None  # of the newest weight or total
    window: tuple[Spot, ...] = ()
    pending: tuple[Plateau, ...] = ()
    condition: str | None = None
    after_gap: bool = False
    absent_us: int | None = None
    after_absence: bool = False
    rezeroed: bool = False
    zero: tuple[int, int, int, int] | None = None  # n, sum, lowest, highest while the bin is off
    zero_error_mg: int | None = None
    same: int = 0  # so many weights in a row are equal to the one before
    same_us: int | None = None
    same_longest: int = 0
    pairs: int = 0
    pairs_same: int = 0
    unexplained_mg: float = 0.0
    unexplained_because: str = ""
    tared: bool = False  # what is unexplained is the weight of the empty bin
    weights: tuple[tuple[int, int, int], ...] = ()  # of several: sensor, its last weight, at_us
    total: int | None = None
    codes: tuple[str, ...] = ()
    scanned: tuple[str, ...] = ()  # of them what was scanned, and never says that it goes
    gone: tuple[tuple[str, int], ...] = ()  # tags that went, and when; 0: out of sight
    tags_us: int | None = None  # since when tags are read
    counted_in: tuple[int, int] | None = None  # pieces that came by a count, and when
    patience: int = 1  # so many times the usual window, while a remainder is doubtful
    reversals: int = 0  # bits: which of the last readings went back by pieces
    after_unrest: bool = False  # nothing came to rest, and no plateau was believed since
    between: int = 0  # looks in a row that lay between no movement and one piece
    borne_out: int = 0  # readings that the plateau rests on
    settled: bool = False  # whether the newest weight was
    spread_mg2: float = 0.0  # of what quiet stretches ended beside where they began
    stretch: tuple[int, int, float] | None = None  # looks in it, since when, from which weight on
    stretch_us: int = 0  # how long the last one took
    unconfirmed: int = 0  # pieces; a change that is seen and not confirmed yet

    @property
    def last_us(self) -> int:
        """Until when it was followed; 0: not yet."""
        return 0 if self.last is None else self.last[0]

    @property
    def level_at(self) -> datetime | None:
        return None if self.level_us is None else from_us(self.level_us)

    @property
    def plateau_since(self) -> datetime | None:
        return None if self.plateau_us is None else from_us(self.plateau_us)

    def to_json(self) -> str:
        return json.dumps(vars(self), separators=(",", ":"))  # all of it is plain, or tuples

    @classmethod
    def from_json(cls, text: str) -> Self:
        """What an older program left out is as new; what a newer one added is left out."""
        said: dict[str, Any] = json.loads(text)
        names = said.keys() & {field.name for field in fields(cls)}
        return cls(**{name: _READ.get(name, _plain)(said[name]) for name in names})


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Lists of JSON are tuples here, however deep."""
    return tuple(map(_plain, value)) if isinstance(value, list) else value


_READ: dict[str, Callable[[Any], Any]] = {
    "told": lambda value: None if value is None else Told(*value),
    "doubts": lambda value: tuple(Doubt(Doubting(kind), because) for kind, because in value),
    "window": lambda value: tuple(Spot(*spot) for spot in value),
    "pending": lambda value: tuple(Plateau(*_plain(plateau)) for plateau in value),
}


@dataclass(frozen=True, kw_only=True)
class Step:
    state: Followed
    movements: list[Movement]


def to_us(at: datetime) -> int:
    return (at - EPOCH) // _US


def from_us(at_us: int) -> datetime:
    return EPOCH + timedelta(microseconds=at_us)
