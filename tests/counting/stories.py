"""What happens to a bin, and the movements that a perfect observer would write down.

A story is a timeline: pieces that come and go, things that press on the scale, a scale that drifts,
is switched off or clips. It says nothing of how it is observed: `observers.py` does.
"""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field

TARE_MG = 412_000
UNITS_MG = (2_100, 7_300, 31_000)
REFILL_PIECES = 50

Press = Callable[[float, random.Random], float]


@dataclass
class Story:
    rng: random.Random
    unit_mg: int
    start: int
    lasts_s: float = 0.0
    steps: list[tuple[float, int]] = field(default_factory=list)  # from when on so many pieces
    presses: list[tuple[float, float, Press]] = field(default_factory=list)
    away: list[tuple[float, float]] = field(default_factory=list)  # the bin is off its scale
    silent: list[tuple[float, float]] = field(default_factory=list)
    frozen: tuple[float, float] | None = None  # the scale says the same
    drift: Callable[[float], float] = lambda _t: 0.0
    zeroed_at: float | None = None
    clips_mg: int | None = None
    expected: list[tuple[str, int]] = field(default_factory=list)
    final: int | None = None
    flag: str | None = None

    def wait(self, seconds: float) -> float:
        self.lasts_s += seconds
        return self.lasts_s

    def change(self, pieces: int, kind: str | None = None) -> None:
        self.steps.append((self.lasts_s, pieces))
        assert self.final is not None
        self.final += pieces
        self.expected.append((kind or ("usage" if pieces < 0 else "put_back"), pieces))

    def press(self, seconds: float, press: Press) -> None:
        self.presses.append((self.lasts_s, self.lasts_s + seconds, press))

    def pieces_at(self, t: float) -> int:
        return self.start + sum(pieces for at, pieces in self.steps if at <= t)

    def weight_mg(self, t: float, rng: random.Random) -> float:
        """What lies on the scale, in its own opinion, without noise."""
        off = any(since <= t < until for since, until in self.away)
        shown = 0.0 if off else TARE_MG + self.pieces_at(t) * self.unit_mg
        shown += sum(press(t, rng) for since, until, press in self.presses if since <= t < until)
        shown += self.drift(t)
        if self.zeroed_at is not None and t >= self.zeroed_at:
            shown -= TARE_MG + self.pieces_at(self.zeroed_at) * self.unit_mg
        return shown


def _story(rng: random.Random, unit_mg: int | None = None) -> Story:
    story = Story(rng, unit_mg or rng.choice(UNITS_MG), rng.randint(120, 400))
    story.final = story.start
    story.wait(1500)
    return story


def usage_small(rng: random.Random) -> Story:
    story = _story(rng)
    for _ in range(4):
        story.change(-rng.randint(1, 5))
        story.wait(1500)
    return story


def hand_on_scale(rng: random.Random) -> Story:
    story = _story(rng)
    for sign in (1, -1):
        story.press(
            30, lambda _t, rng, sign=sign: sign * rng.uniform(200_000, 900_000) * (0.4, 1)[sign > 0]
        )
        story.wait(1500)
    return story


def put_back(rng: random.Random) -> Story:
    story = _story(rng)
    taken = rng.randint(5, 15)
    story.change(-taken)
    story.wait(1500)
    story.change(rng.randint(1, taken - 1), "put_back")
    story.wait(1500)
    return story


def usage_then_refill(rng: random.Random) -> Story:
    story = _story(rng)
    for pieces, kind in ((-12, "usage"), (-8, "usage"), (100, "refill"), (-4, "usage")):
        story.change(pieces, kind)
        story.wait(1500)
    return story


def drift_with_use(rng: random.Random) -> Story:
    story = _story(rng)
    over = rng.uniform(1.0, 2.5) * story.unit_mg * rng.choice((-1, 1))
    story.wait(14_400)
    story.change(-rng.randint(3, 9))
    story.wait(7_200)
    lasts = story.lasts_s
    story.drift = lambda t: over * t / lasts
    return story


def creep(rng: random.Random) -> Story:
    """After a refill the load cell gives way for half an hour."""
    story = _story(rng)
    story.change(100, "refill")
    since = story.lasts_s
    story.wait(7_200)
    most = 0.8 * story.unit_mg
    story.drift = lambda t: most * (1 - math.exp(-(t - since) / 1500)) if t > since else 0.0
    return story


def leaning_object(rng: random.Random) -> Story:
    story = _story(rng)
    weight = rng.uniform(300_000, 3_000_000)
    story.press(rng.uniform(30, 90), lambda _t, _r: weight)
    story.wait(1500)
    return story


def stale_gap(rng: random.Random) -> Story:
    story = _story(rng)
    story.silent.append((story.lasts_s - 900, story.lasts_s))
    story.wait(1200)
    story.change(-rng.randint(3, 12))
    story.wait(1500)
    return story


def usage_in_gap(rng: random.Random) -> Story:
    """What was taken while nothing was heard is booked when it is heard of again."""
    story = _story(rng)
    story.silent.append((story.lasts_s, story.lasts_s + 1200))
    story.wait(600)
    story.change(-rng.randint(3, 12))
    story.wait(2100)
    return story


def bin_lifted_back(rng: random.Random) -> Story:
    story = _story(rng)
    story.away.append((story.lasts_s, story.lasts_s + rng.uniform(40, 300)))
    story.wait(1800)
    return story


def hand_then_usage(rng: random.Random) -> Story:
    story = _story(rng)
    story.press(20, lambda _t, rng: rng.uniform(800_000, 1_500_000))
    story.wait(20)
    story.change(-rng.randint(2, 9))
    story.wait(1500)
    return story


def swap(rng: random.Random) -> Story:
    story = _story(rng)
    story.change(-100)
    story.wait(1500)
    story.away.append((story.lasts_s, story.lasts_s + 120))
    story.wait(60)
    story.change(rng.randint(60, 100), "swap")
    story.wait(1800)
    return story


def lifted_and_used(rng: random.Random) -> Story:
    story = _story(rng)
    story.away.append((story.lasts_s, story.lasts_s + 120))
    story.wait(60)
    story.change(-rng.randint(3, 30))
    story.wait(1800)
    return story


def empty_bin(rng: random.Random) -> Story:
    story = _story(rng)
    story.change(-story.start)
    story.wait(1500)
    return story


def gone(rng: random.Random) -> Story:
    story = _story(rng)
    story.away.append((story.lasts_s, math.inf))
    story.wait(600)
    story.flag = "absent"
    return story


def stuck(rng: random.Random) -> Story:
    story = _story(rng)
    story.frozen = (story.lasts_s, math.inf)
    story.wait(1500)
    story.flag = "stuck"
    return story


def retare(rng: random.Random) -> Story:
    story = _story(rng)
    story.silent.append((story.lasts_s, story.lasts_s + 900))
    story.zeroed_at = story.wait(900)
    story.wait(1500)
    story.flag = "not_zeroed"
    return story


# ------------------------------------------------------------------ a rougher world


def vibration(rng: random.Random) -> Story:
    story = _story(rng)
    hertz, amplitude = rng.uniform(1, 2), rng.uniform(0.5, 2) * story.unit_mg
    turned = rng.uniform(0, 2 * math.pi)
    story.press(10_800, lambda t, _r: amplitude * math.sin(2 * math.pi * hertz * t + turned))
    story.wait(5_400)
    story.change(-rng.randint(3, 9))
    story.wait(7_200)
    return story


def temperature_ramp(rng: random.Random) -> Story:
    """Twenty degrees in four hours, and back."""
    story = _story(rng)
    most = rng.uniform(2, 5) * story.unit_mg * rng.choice((-1, 1))
    story.wait(9_000)
    story.change(-rng.randint(2, 9))
    story.wait(19_800)
    lasts = story.lasts_s
    story.drift = lambda t: most * math.sin(math.pi * t / lasts)
    return story


def bins_touch(rng: random.Random) -> Story:
    """The neighbour leans on it for an hour: no whole number of pieces, so no movement."""
    story = _story(rng)
    part = rng.randint(1, 6) + rng.uniform(0.35, 0.65)
    weight = part * story.unit_mg * rng.choice((-1, 1))
    story.press(3_600, lambda _t, _r: weight)
    story.wait(5_400)
    return story


def overload_clipped(rng: random.Random) -> Story:
    story = _story(rng)
    story.start = story.final = 180
    story.clips_mg = TARE_MG + 240 * story.unit_mg
    story.change(100, "refill")
    story.wait(1500)
    story.change(-70)
    story.wait(1500)
    story.expected = [("put_back", 30)]
    return story


NINE = (
    usage_small,
    hand_on_scale,
    put_back,
    usage_then_refill,
    drift_with_use,
    creep,
    leaning_object,
    stale_gap,
    usage_in_gap,
    bin_lifted_back,
    hand_then_usage,
    swap,
    lifted_and_used,
    empty_bin,
    gone,
    stuck,
    retare,
)
ROUGH = (vibration, temperature_ramp, bins_touch, overload_clipped)
Teller = Callable[[random.Random], Story]
STORIES: tuple[Teller, ...] = NINE + ROUGH
