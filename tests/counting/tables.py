"""The tables that `python -m tests.counting` prints."""

import math
import random
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta

from cloud.core.levels import Calibration, level_of
from cloud.core.movements import Followed, Movement, Rules, Seen, follow
from tests.counting.judge import judge
from tests.counting.observers import NOON
from tests.counting.stories import STORIES, TARE_MG

UNITS_MG = (200, 500, 1_000, 2_000, 5_000, 20_000, 100_000, 500_000)
NOISES_MG = (50, 200, 600, 2_000)


def main(words: Sequence[str]) -> None:
    match list(words):
        case ["scenarios", *rest]:
            scenarios(int(rest[0]) if rest else 40)
        case ["month", *rest]:
            month(int(rest[0]) if rest else 3)
        case ["takes", *rest]:
            takes(int(rest[0]) if rest else 8)
        case ["accuracy", *rest]:
            accuracy(int(rest[0]) if rest else 100_000)
        case ["speed"]:
            speed()
        case _:
            say("scenarios [seeds] | month [seeds] | takes [seeds] | accuracy [readings] | speed")


def scenarios(seeds: int) -> None:
    say(f"{'scenario':20} {'observed':8} {'seeds':>5} {'right':>5} {'wrong':>5}")
    for tell in STORIES:
        for name, raw in (("raw", True), ("gateway", False)):
            verdicts = [judge(tell, seed, raw=raw) for seed in range(seeds)]
            wrong = [verdict.wrong for verdict in verdicts if not verdict.right]
            first = f"   {wrong[0]}" if wrong else ""
            say(
                f"{tell.__name__:20} {name:8} {seeds:5} {seeds - len(wrong):5} {len(wrong):5}"
                f"{first}",
            )


# ------------------------------------------------------------------ a month of rest

Observed = tuple[int, float, float, float, int]  # unit, noise, daily swing, wander a day, every


def month(seeds: int, *, days: int = 30) -> None:
    say(
        f"an untouched bin for {days} days: 400 pieces, a daily swing, a random walk, 60 s apart\n"
        f"{'unit g':>7} {'noise g':>7} {'swing':>6} {'walk/d':>6} {'settled':>7} "
        f"{'readings':>9} {'phantoms':>8}"
    )
    for unit_mg in (2_100, 7_300, 31_000):
        for noise_mg, settled in ((100, True), (600, False)):
            swing, walk = 1.5 * unit_mg, 0.7 * unit_mg
            readings = phantoms = 0
            for seed in range(seeds):
                found = untouched(
                    seed,
                    unit_mg=unit_mg,
                    noise_mg=noise_mg,
                    swing_mg=swing,
                    walk_mg=walk,
                    settled=settled,
                    days=days,
                )
                readings += days * 1440
                phantoms += len(found) - 1
            say(
                f"{unit_mg / 1000:7.1f} {noise_mg / 1000:7.1f} {1.5:6} {0.7:6} {settled!s:>7} "
                f"{readings:9,} {phantoms:8}",
            )


def untouched(
    seed: int,
    *,
    unit_mg: int,
    noise_mg: int,
    swing_mg: float,
    walk_mg: float,
    settled: bool,
    days: int,
) -> list[Movement]:
    rng = random.Random(seed)
    rules = Rules(
        calibration=Calibration(
            tare_mg=TARE_MG, unit_weight_ug=unit_mg * 1000, scale_sd_mg=noise_mg
        ),
        interval_s=60,
        refill_pieces=50,
    )
    state: Followed | None = None
    movements: list[Movement] = []
    walked = 0.0
    for day in range(days):
        seen = []
        for minute in range(1440):
            n = day * 1440 + minute
            walked += rng.gauss(0, walk_mg / math.sqrt(1440))
            swung = swing_mg * math.sin(2 * math.pi * minute / 1440)
            weight = TARE_MG + 400 * unit_mg + walked + swung + rng.gauss(0, noise_mg)
            shown = round(weight / 100) * 100
            at = NOON + timedelta(minutes=n)
            seen.append(Seen(at, 1, n + 1, shown, None, 1 if settled else 2, 0, clock_trusted=True))
        step = follow(state, seen, rules)
        state = step.state
        movements += step.movements
    return movements


# ------------------------------------------------------------------ a piece now and then

TAKEN_DAYS = 10
NEAR_MIN = 15  # a movement is found when it is told of within so many minutes of it


def takes(seeds: int) -> None:
    say(
        f"a piece or two taken every 45 to 240 minutes, {TAKEN_DAYS} days, 60 s apart\n"
        f"{'unit g':>7} {'noise g':>7} {'swing':>6} {'walk/d':>6} {'settled':>7} "
        f"{'takes':>6} {'found':>6} {'others':>6} {'level off by':>12}"
    )
    for unit_mg, noise_mg, settled, swing, walk in (
        (2_100, 600, False, 0.0, 0.0),
        (2_100, 600, False, 0.7, 0.3),
        (2_100, 600, False, 1.5, 0.7),
        (7_300, 600, False, 1.5, 0.7),
        (2_100, 100, True, 1.5, 0.7),
    ):
        told = [
            _taken(seed, unit_mg, noise_mg, swing, walk, settled=settled) for seed in range(seeds)
        ]
        all_of, found, others, off = (sum(column) for column in zip(*told, strict=True))
        say(
            f"{unit_mg / 1000:7.1f} {noise_mg / 1000:7.1f} {swing:6} {walk:6} {settled!s:>7} "
            f"{all_of:6} {found:6} {others:6} {off:12}",
        )


def _taken(
    seed: int, unit_mg: int, noise_mg: int, swing: float, walk: float, *, settled: bool
) -> tuple[int, int, int, int]:
    rng = random.Random(seed * 7 + 1)
    rules = Rules(
        calibration=Calibration(
            tare_mg=TARE_MG, unit_weight_ug=unit_mg * 1000, scale_sd_mg=noise_mg
        ),
        interval_s=60,
        refill_pieces=50,
    )
    taken: dict[int, int] = {}
    minute, lasts = 300, TAKEN_DAYS * 1440
    while minute < lasts - 300:
        taken[minute] = -1 if rng.random() < 0.8 else -2
        minute += int(rng.uniform(45, 240))
    seen, pieces, walked = [], 300, 0.0
    for n in range(lasts):
        pieces += taken.get(n, 0)
        walked += rng.gauss(0, walk * unit_mg / math.sqrt(1440))
        swung = swing * unit_mg * math.sin(2 * math.pi * n / 1440)
        weight = TARE_MG + pieces * unit_mg + walked + swung + rng.gauss(0, noise_mg)
        at = NOON + timedelta(minutes=n)
        shown = round(weight / 100) * 100
        seen.append(Seen(at, 1, n + 1, shown, None, 1 if settled else 2, 0, clock_trusted=True))
    step = follow(None, seen, rules)
    rest = [((one.event_at - NOON).total_seconds() / 60, one.pieces) for one in step.movements[1:]]
    found = 0
    for when, change in taken.items():
        near = [one for one in rest if abs(one[0] - when) <= NEAR_MIN and one[1] == change]
        if near:
            found += 1
            rest.remove(near[0])
    return len(taken), found, len(rest), abs((step.state.pieces or 0) - pieces)


# ------------------------------------------------------------------ how exact is "exact"


def accuracy(readings: int) -> None:
    """A bin of each part and scale, filled at random: is the count right when it says so?"""
    say(
        f"{readings:,} readings for each row; parts spread by 1 %, unit weight known to 0.05 %\n"
        f"{'unit g':>7} {'noise g':>7} {'right':>7} {'exact':>7} {'of those wrong':>14}"
        f"   {'followed: exact':>15} {'of those wrong':>14}"
    )
    for unit_mg in UNITS_MG:
        for noise_mg in NOISES_MG:
            right, exact, wrong, sure, mistaken = _counted(unit_mg, noise_mg, readings)
            say(
                f"{unit_mg / 1000:7.1f} {noise_mg / 1000:7.2f} {right / readings:7.2%} "
                f"{exact / readings:7.2%} {wrong:14}   {sure / readings:15.2%} {mistaken:14}",
            )


def _counted(unit_mg: int, noise_mg: int, readings: int) -> tuple[int, int, int, int, int]:
    rng = random.Random(unit_mg * 31 + noise_mg)
    right = exact = wrong = sure = mistaken = 0
    each = 25
    for _ in range(readings // each):
        pieces = int(10 ** rng.uniform(0, 3))
        calibration, true_unit = _calibrated(rng, unit_mg, noise_mg)
        net = pieces * true_unit + rng.gauss(0, math.sqrt(pieces) * 0.01 * unit_mg)
        rules = Rules(calibration=calibration, interval_s=60, refill_pieces=1000)
        seen = []
        for n in range(each):
            weight = round(TARE_MG + net + rng.gauss(0, noise_mg))
            level = level_of(weight, calibration)
            right += level.pieces == pieces
            exact += level.exact
            wrong += level.exact and level.pieces != pieces
            seen.append(
                Seen(NOON + timedelta(minutes=n), 1, n + 1, weight, None, 1, 0, clock_trusted=True)
            )
        state = follow(None, seen, rules).state
        sure += each * state.exact
        mistaken += each * (state.exact and state.pieces != pieces)
    return right, exact, wrong, sure, mistaken


def _calibrated(rng: random.Random, unit_mg: int, noise_mg: int) -> tuple[Calibration, float]:
    error = 0.0005
    calibration = Calibration(
        tare_mg=TARE_MG,
        unit_weight_ug=unit_mg * 1000,
        unit_sd_ug=0.01 * unit_mg * 1000,
        unit_error_ug=error * unit_mg * 1000,
        scale_sd_mg=noise_mg,
    )
    return calibration, unit_mg * (1 + rng.gauss(0, error))


# ------------------------------------------------------------------ speed


def speed() -> None:
    for name, settled, noise_mg, unit_mg in (
        ("settled", True, 100, 7_300),
        ("raw, 4 in the window", False, 600, 7_300),
        ("raw, 14 in the window", False, 600, 2_100),
        ("raw, 162 in the window", False, 600, 600),
    ):
        rng = random.Random(1)
        rules = Rules(
            calibration=Calibration(
                tare_mg=TARE_MG, unit_weight_ug=unit_mg * 1000, scale_sd_mg=noise_mg
            ),
            interval_s=60,
            refill_pieces=50,
        )
        seen = list(_steady(rng, noise_mg, unit_mg, settled=settled, readings=50_000))
        say(f"{name:25} {_rate(seen, rules):10,.0f} readings/s")


def _steady(
    rng: random.Random, noise_mg: int, unit_mg: int, *, settled: bool, readings: int
) -> Iterator[Seen]:
    for n in range(readings):
        weight = TARE_MG + 300 * unit_mg + round(rng.gauss(0, noise_mg))
        at = NOON + timedelta(seconds=60 * n)
        yield Seen(at, 1, n + 1, weight, None, 1 if settled else 2, 0, clock_trusted=True)


def _rate(seen: list[Seen], rules: Rules) -> float:
    best = math.inf
    for _ in range(3):
        began = time.process_time()
        follow(None, seen, rules)
        best = min(best, time.process_time() - began)
    return len(seen) / best


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
