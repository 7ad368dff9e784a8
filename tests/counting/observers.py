"""A story as it is observed: raw, as a noisy series, or as a gateway would report it.

The gateway's part is the gateway's own code: settling, deadband, signs of life.
"""

import math
import random
from datetime import UTC, datetime, timedelta

from cloud.core.levels import Calibration
from cloud.core.movements import Rules, Seen
from edge_agent.core.reading import Condition, Fault, Sample, Weight
from edge_agent.core.report import Reported, ReportLimits, worth_sending
from edge_agent.core.settle import SettleLimits, Settling
from tests.counting.stories import REFILL_PIECES, TARE_MG, Story

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
RAW_S = 10
RAW_SIGMA_MG = 600
SAMPLE_S = 1.0
HEARTBEAT_S = 60
GATEWAY_SIGMA_MG = 90
DIVISION_MG = 100


def rules_of(story: Story, *, raw: bool) -> Rules:
    return Rules(
        calibration=Calibration(
            tare_mg=TARE_MG,
            unit_weight_ug=story.unit_mg * 1000,
            scale_sd_mg=RAW_SIGMA_MG if raw else 0,
        ),
        interval_s=RAW_S if raw else HEARTBEAT_S,
        refill_pieces=REFILL_PIECES,
    )


def raw(story: Story, rng: random.Random) -> list[Seen]:
    seen: list[Seen] = []
    t, frozen_mg = 0.0, None
    while t < story.lasts_s:
        weight = _shown(story, t, rng, RAW_SIGMA_MG)
        if story.frozen is not None and t >= story.frozen[0]:
            frozen_mg = weight if frozen_mg is None else frozen_mg
            weight = frozen_mg
        if story.clips_mg is not None:
            weight = min(weight, story.clips_mg)
        if not _silent(story, t):
            seen.append(_seen(t, len(seen) + 1, weight, None, 2))
        t += RAW_S + rng.uniform(-0.4, 0.4)  # no cable is a metronome
    return seen


def gateway(story: Story, rng: random.Random) -> list[Seen]:
    settling, limits = Settling(SettleLimits()), ReportLimits(heartbeat_s=HEARTBEAT_S)
    seen: list[Seen] = []
    last: Reported | None = None
    faulty = 0.0
    for step in range(int(story.lasts_s / SAMPLE_S)):
        t = step * SAMPLE_S + rng.uniform(0, 0.4)  # other units are asked on the same cable
        now_ms = int(t * 1000)
        if _silent(story, t):
            settling.reset()
            last = None
            faulty += SAMPLE_S
            if faulty % HEARTBEAT_S == SAMPLE_S:
                seen.append(_seen(t, len(seen) + 1, None, "silent", 2))
            continue
        faulty = 0.0
        weight = _shown(story, t, rng, GATEWAY_SIGMA_MG)
        answer: Sample | Fault = Sample(sensor="s", weight_mg=weight, stable=None)
        if story.clips_mg is not None and weight > story.clips_mg:
            answer = Fault(sensor="s", condition="overload", because="")
        outcome = settling.feed(answer, now_ms)
        if outcome is None or not worth_sending(last, outcome, now_ms, limits):
            continue
        last = Reported(outcome=outcome, at_ms=now_ms)
        match outcome:
            case Weight():
                seen.append(
                    _seen(t, len(seen) + 1, outcome.weight_mg, None, int(outcome.stability))
                )
            case Condition():
                seen.append(_seen(t, len(seen) + 1, None, outcome.condition, 2))
    return seen


def _shown(story: Story, t: float, rng: random.Random, sigma_mg: int) -> int:
    weight = story.weight_mg(t, rng) + rng.gauss(0, sigma_mg)
    return math.floor(weight / DIVISION_MG + 0.5) * DIVISION_MG


def _silent(story: Story, t: float) -> bool:
    return any(since <= t < until for since, until in story.silent)


def _seen(t: float, seq: int, weight_mg: int | None, condition: str | None, stability: int) -> Seen:
    return Seen(
        at=NOON + timedelta(seconds=t),
        stream_no=1,
        seq=seq,
        weight_mg=weight_mg,
        condition=condition,
        stability=stability,
        quality=0,
        clock_trusted=True,
    )
