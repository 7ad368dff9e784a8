"""Whether a bin's number may be acted on, and why not.

Silence is never "all is well": a number that is not fresh is shown with its age, and nothing is
opened, closed or ordered on it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from cloud.core.followed import Doubt, Doubting, Measure
from cloud.core.levels import Calibration, is_absent
from cloud.core.twins import SENTENCE

INTERVALS_UNTIL_STALE = 3  # one report may be late, two may be unlucky
QUALITY_GOOD = 0


class Trust(StrEnum):
    FRESH = "fresh"  # may be acted on
    STALE = "stale"  # not heard of for too long, or never
    OFFLINE = "offline"  # not heard of for too long, and its gateway is away
    STUCK = "stuck"  # heard of, but it says the same to the digit, and never did that before
    SUSPECT = "suspect"  # heard of, but the number is doubtful
    ABSENT = "absent"  # the bin is not on its scale
    NOT_ZEROED = "not_zeroed"  # the scale took something on it for its zero
    UNIT_CHANGED = "unit_changed"  # what came or went is no whole number of pieces
    UNKNOWN = "unknown"  # heard of, but there is no level yet


@dataclass(frozen=True, kw_only=True)
class BinState:
    """The present of a bin, as far as its scale has told.

    The last number and the last sign of life are two things: a scale that says "overload" was
    heard, and its last weight is as old as it is.
    """

    interval_s: int  # how often it should be heard of
    calibration: Calibration
    heard_at: datetime | None = None  # None: never
    condition: str | None = None  # of the newest reading; None: it was a number
    measured_at: datetime | None = None  # of the newest number
    weight_mg: int | None = None
    quality: int | None = None
    clock_trusted: bool | None = None
    gateway: str = ""
    gateway_presence: str = "silent"  # online, offline, silent
    gateway_twins: bool = False  # two machines use its name
    measure: Measure = Measure.WEIGHT
    several: bool = False  # scales under it: `weight_mg` is of the one that spoke last
    doubts: tuple[Doubt, ...] = ()  # of whoever follows its readings; the first is told


@dataclass(frozen=True, kw_only=True)
class Judgement:
    trust: Trust
    because: str  # a sentence, fit to show

    @property
    def may_act(self) -> bool:
        return self.trust is Trust.FRESH


_CONDITIONS = {
    "silent": "The scale does not answer.",
    "unstable": "The weight does not come to rest.",
    "overload": "The scale is overloaded.",
    "underload": "The scale is lifted or below its range.",
    "fault": "The scale answers, but not with a weight.",
}


def trust_of(state: BinState, now: datetime) -> Judgement:
    """What the number is worth at `now`. The first reason that holds is the one told."""
    if state.heard_at is None:
        return Judgement(trust=Trust.STALE, because=_never_heard(state))
    age = now - state.heard_at
    if age > stale_after(state.interval_s):
        away = bool(state.gateway) and state.gateway_presence == "offline"
        trust = Trust.OFFLINE if away else Trust.STALE
        return Judgement(trust=trust, because=_silent_for(state, age))
    return (
        _two_machines(state)
        or _doubt(state)
        or Judgement(trust=Trust.FRESH, because=f"Heard {_ago(age)} ago.")
    )


def stale_after(interval_s: int) -> timedelta:
    return timedelta(seconds=INTERVALS_UNTIL_STALE * interval_s)


def _two_machines(state: BinState) -> Judgement | None:
    if not state.gateway_twins:
        return None
    return Judgement(trust=Trust.SUSPECT, because=SENTENCE.format(gateway=state.gateway))


def _doubt(state: BinState) -> Judgement | None:
    """What speaks against a number that is new enough."""
    if state.condition is not None:
        because = _CONDITIONS.get(state.condition, f"The scale reports {state.condition!r}.")
        return Judgement(trust=Trust.SUSPECT, because=because)
    unweighed = state.measure is not Measure.WEIGHT  # a sighting has no quality
    weighed = None if unweighed else _doubt_of_weight(state)
    if weighed is not None:
        return weighed
    if state.quality != QUALITY_GOOD and not (unweighed and state.quality is None):
        return Judgement(trust=Trust.SUSPECT, because="The gateway marks this weight as doubtful.")
    if not state.clock_trusted and not (unweighed and state.clock_trusted is None):
        because = "The gateway's clock is not set, so the age of this weight is not known."
        return Judgement(trust=Trust.SUSPECT, because=because)
    if state.doubts:
        first = state.doubts[0]
        return Judgement(trust=Trust(first.kind), because=first.because)
    return None


def _doubt_of_weight(state: BinState) -> Judgement | None:
    if state.weight_mg is None:
        return Judgement(trust=Trust.UNKNOWN, because="No weight has come yet.")
    if state.several or not is_absent(state.weight_mg, state.calibration):
        return None
    zeroed = next((one for one in state.doubts if one.kind is Doubting.NOT_ZEROED), None)
    if zeroed is not None:
        return Judgement(trust=Trust.NOT_ZEROED, because=zeroed.because)
    because = "The scale shows less than the empty bin weighs: the bin is not on it."
    return Judgement(trust=Trust.ABSENT, because=because)


def _never_heard(state: BinState) -> str:
    return f"Never heard of.{_gateway_is_away(state)}"


def _silent_for(state: BinState, age: timedelta) -> str:
    expected = _ago(timedelta(seconds=state.interval_s))
    return f"Not heard of for {_ago(age)}, expected every {expected}.{_gateway_is_away(state)}"


def _gateway_is_away(state: BinState) -> str:
    if state.gateway and state.gateway_presence == "offline":
        return f" Gateway {state.gateway} is offline."
    return ""


def _ago(age: timedelta) -> str:
    seconds = max(0, int(age.total_seconds()))
    for unit_s, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * unit_s:
            return f"{seconds // unit_s} {unit}"
    return f"{seconds} s"
