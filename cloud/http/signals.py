"""The way of a bin's number from the scale to the page, each station with its one number.

Who doubts a level walks along it until a station is not well.
"""

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Literal

from cloud.core.trust import Judgement, Trust, stale_after
from cloud.core.unrest import REVERSED_PIECES, SIGMA_OF_MEDIAN
from cloud.http import views, words
from cloud.http.doubts import TRUST_WORDS
from cloud.postgres.portal import ReadingRow
from cloud.postgres.wall import BinRow, GatewayRow

NOISE_READINGS_MIN = 4
STABILITY = ("says it is stable", "held still", "stability not known")


@dataclass(frozen=True, kw_only=True)
class Station:
    name: str
    number: str
    says: str
    kind: Literal["ok", "low", "stale"]


def path_of(
    row: BinRow,
    judgement: Judgement,
    gateway: GatewayRow | None,
    readings: Sequence[ReadingRow],
    now: datetime,
    *,
    sensors: Sequence[tuple[str, ReadingRow | None]] = (),
) -> list[Station]:
    """`sensors`: of several under one bin, the last reading of each."""
    zone = words.zone(row.time_zone)
    if row.measure != "weight":
        first = [_unweighed(row, judgement, readings, now)]
    elif row.several:
        first = [_one_of(row, name, reading, now) for name, reading in sensors]
    else:
        first = [_scale(row, judgement, now)]
    return [
        *first,
        _gateway(gateway, now),
        _cloud(row, judgement, now),
        _follower(row, readings, zone, now),
        _level(row, judgement),
        Station(
            name="Trust",
            number=TRUST_WORDS[judgement.trust].word,
            says=judgement.because,
            kind="ok" if judgement.may_act else "stale",
        ),
    ]


def noise_mg(readings: Sequence[ReadingRow], unit_mg: float) -> int | None:
    """One sd of a reading, from what neighbours lie apart by less than a piece."""
    weights = [one.weight_mg for one in readings if one.weight_mg is not None]
    steps = (abs(one - other) for one, other in itertools.pairwise(weights))
    apart = [step for step in steps if step < REVERSED_PIECES * unit_mg]
    if len(apart) < NOISE_READINGS_MIN:
        return None
    return round(SIGMA_OF_MEDIAN * statistics.median(apart))


def _ago(at: datetime, now: datetime) -> str:
    ago = words.ago((now - at).total_seconds())
    return "just now" if ago == "now" else f"{ago} ago"


_SILENT = {Trust.STALE, Trust.OFFLINE}
_OF_THE_SCALE = {*_SILENT, Trust.STUCK, Trust.SUSPECT, Trust.ABSENT, Trust.NOT_ZEROED}


def _scale(row: BinRow, judgement: Judgement, now: datetime) -> Station:
    if row.measured_at is None or row.weight_mg is None:
        says = "no weight has come" if row.condition is None else f"it says: {row.condition}"
        return Station(name="Scale", number="–", says=says, kind="stale")  # noqa: RUF001 - a dash
    if row.condition is not None:
        says = f"last weight, {_ago(row.measured_at, now)}; since then it says: {row.condition}"
        return Station(name="Scale", number=words.grams(row.weight_mg), says=says, kind="stale")
    stability = STABILITY[row.stability] if row.stability in {0, 1, 2} else STABILITY[2]
    return Station(
        name="Scale",
        number=words.grams(row.weight_mg),
        says=f"{stability}, {_ago(row.measured_at, now)}",
        kind="stale" if judgement.trust in _OF_THE_SCALE or row.quality != 0 else "ok",
    )


_MEASURES = {
    "counter_out": "Counter",
    "counter_in": "Counter",
    "tags": "Tag reader",
    "steps": "Level sensor",
    "two_bin": "Sign for an empty container",
}


def _unweighed(
    row: BinRow, judgement: Judgement, readings: Sequence[ReadingRow], now: datetime
) -> Station:
    name = _MEASURES[row.measure]
    if row.heard_at is None:
        return Station(name=name, number="–", says="nothing has come", kind="stale")  # noqa: RUF001 - a dash
    if row.condition is not None:
        return Station(name=name, number="–", says=f"it says: {row.condition}", kind="stale")  # noqa: RUF001 - a dash
    total = next((one.total for one in readings if one.total is not None), None)
    each = f"stands for {words.plural(row.pieces_per_count, 'piece')}"
    return Station(
        name=name,
        number="heard" if total is None else f"{total:,}",
        says=f"each count {each}, {_ago(row.heard_at, now)}",
        kind="stale" if judgement.trust in _SILENT else "ok",
    )


def _one_of(row: BinRow, name: str, reading: ReadingRow | None, now: datetime) -> Station:
    """One of several scales: while any of them is silent the level is of before."""
    title = f"Scale {name}"
    if reading is None:
        return Station(name=title, number="–", says="nothing has come", kind="stale")  # noqa: RUF001 - a dash
    silent = now - reading.at > stale_after(row.interval_s)
    if reading.weight_mg is None:
        says = f"it says: {reading.condition or 'no weight'}, {_ago(reading.at, now)}"
        return Station(name=title, number="–", says=says, kind="stale")  # noqa: RUF001 - a dash
    stability = STABILITY[reading.stability] if reading.stability in {0, 1, 2} else STABILITY[2]
    return Station(
        name=title,
        number=words.grams(reading.weight_mg),
        says=f"{stability}, {_ago(reading.at, now)}",
        kind="stale" if silent or reading.quality != 0 else "ok",
    )


def _gateway(gateway: GatewayRow | None, now: datetime) -> Station:
    if gateway is None:
        return Station(
            name="Gateway",
            number="–",  # noqa: RUF001 - a dash where a number would stand
            says="no sensor watches this bin",
            kind="stale",
        )
    says = f"{gateway.name} is {gateway.presence}"
    if gateway.presence_at is not None:
        lasting = words.span((now - gateway.presence_at).total_seconds())
        says = f"{gateway.name} has been {gateway.presence} for {lasting}"
    backlog = gateway.backlog_batches
    waiting = f"{words.plural(backlog, 'batch', 'batches')} waiting"
    online = gateway.presence == "online"
    said = waiting if backlog else "nothing waits"
    return Station(
        name="Gateway",
        # What waits grows while it is away, and nobody here can know it.
        number=said if online else "backlog not known",
        says=says,
        kind="ok" if online else "low",
    )


def _cloud(row: BinRow, judgement: Judgement, now: datetime) -> Station:
    if row.heard_at is None or row.received_at is None:
        return Station(
            name="Broker and cloud",
            number="–",  # noqa: RUF001 - as above
            says="nothing has arrived",
            kind="stale",
        )
    delay_s = max(0.0, (row.received_at - row.heard_at).total_seconds())
    shown = f"{delay_s:.1f} s" if delay_s < words.MINUTE_S else words.span(delay_s)
    return Station(
        name="Broker and cloud",
        number=shown,
        says=f"from the scale to here, {_ago(row.received_at, now)}",
        kind="stale" if judgement.trust in _SILENT else "ok" if delay_s < row.interval_s else "low",
    )


def _follower(row: BinRow, readings: Sequence[ReadingRow], zone: tzinfo, now: datetime) -> Station:
    if row.followed_at is None:
        return Station(
            name="Follower",
            number="–",  # noqa: RUF001 - as above
            says="no reading was followed yet",
            kind="stale",
        )
    behind = row.heard_at is not None and row.followed_at < (row.measured_at or row.heard_at)
    noise = noise_mg(readings, views.calibration_of(row).unit_mg)
    said = [f"followed until {words.clock(row.followed_at, zone, now)}"]
    if row.plateau_since is not None:
        said.append(f"still since {words.clock(row.plateau_since, zone, now)}")
    return Station(
        name="Follower",
        number="noise not known" if noise is None else f"noise {words.grams(noise)}",
        says=", ".join(said) + (", more is waiting" if behind else ""),
        kind="low" if behind else "ok",
    )


def _level(row: BinRow, judgement: Judgement) -> Station:
    shown = views.pieces(row)
    if shown is None:
        return Station(
            name="Level",
            number="–",  # noqa: RUF001 - as above
            says="none is known",
            kind="stale",
        )
    off = views.plus_minus(row)
    known = "" if judgement.may_act else "last known, "
    if row.unconfirmed:
        worth = f"of that {words.signed(row.unconfirmed)} waits to be confirmed"
    else:
        exact = "exact" if row.exact else "not exact"
        worth = f"{exact}; two times in three within {row.sd_pieces or 0:.2f} pieces"
    return Station(
        name="Level",
        number=f"{shown:,}" if off is None else f"{shown:,} ±{off:,}",
        says=known + worth,
        kind="stale" if known else "ok" if row.exact else "low",
    )
