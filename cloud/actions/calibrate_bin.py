"""Learn of a bin what turns its weight into pieces: one piece from a counted sample, the empty bin.

Both look at the newest readings that lie still; what was on the scale before does not count. What
is learnt is written through the nouns, so that their history says who did it and why, and the
bins that hold the item are counted anew by whoever follows them.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import psycopg

from cloud.actions import keep_nouns
from cloud.core.learning import (
    TARE_READINGS,
    Sample,
    Tare,
    UnitWeight,
    at_rest,
    learn_tare,
    learn_unit_weight,
)
from cloud.core.nouns import BIN, ITEM, Noun, Read, Value
from cloud.core.refusals import NotWeighed, NounUnknown, SampleNotStill, TareNotStill
from cloud.core.trust import stale_after
from cloud.core.unrest import UNSAID_SCALE_SD_MG
from cloud.postgres import asking, nouns, portal, wall
from cloud.postgres.nouns import Row
from cloud.postgres.wall import BinRow

RANGE_MIN_MG = 1_000  # a gateway calls still what wanders by half a gram either way
RANGE_SDS = 6
LOOKED_AT = 20


@dataclass(frozen=True, kw_only=True)
class Learnt:
    """What was learnt beside what was in use, and whether it is in use now."""

    before: int  # ug of one piece, or mg of the empty bin
    after: int
    applied: bool
    weighed_mg: int
    readings: int
    unit: UnitWeight | None = None
    tare: Tare | None = None


def because_of(learnt: Literal["sample", "tare"], said: str, pieces: int = 0) -> str:
    """What the history says."""
    what = f"learnt from {pieces:,} counted pieces" if learnt == "sample" else "the empty bin"
    return f"{what}: {said.strip()}" if said.strip() else what


def learn_from_sample(
    conn: psycopg.Connection, code: str, pieces: int, now: datetime, *, apply: str | None
) -> Learnt:
    """`pieces` were counted and now lie in the bin. `apply` says why it is put into use, if so."""
    row = _weighed(conn, code)
    still = _at_rest(conn, row, now)
    if len(still) < TARE_READINGS:
        raise SampleNotStill(len(still), TARE_READINGS)
    still = still[-TARE_READINGS:]
    sample = Sample(
        weight_mg=round(statistics.median(still)),
        tare_mg=row.tare_mg,
        pieces=pieces,
        weight_sd_mg=_sd_of_difference(row, still),
        spread_rel=row.unit_sd_ug / row.unit_weight_ug if row.unit_sd_ug else None,
    )
    unit = learn_unit_weight(sample, row.capacity)
    if apply is not None:
        changes: dict[str, Value] = {
            "unit_weight_ug": unit.unit_weight_ug,
            "unit_sd_ug": round(unit.unit_sd_ug),
            "unit_error_ug": round(unit.unit_error_ug),
        }
        _write(conn, ITEM, row, changes, apply)
    return Learnt(
        before=row.unit_weight_ug,
        after=unit.unit_weight_ug,
        applied=apply is not None,
        weighed_mg=sample.weight_mg,
        readings=len(still),
        unit=unit,
    )


def learn_empty(conn: psycopg.Connection, code: str, now: datetime, *, apply: str | None) -> Learnt:
    """The bin stands empty on its scale."""
    row = _weighed(conn, code)
    range_mg = _range_mg(row)
    tare = learn_tare(_at_rest(conn, row, now), range_mg_max=range_mg)
    if tare.tare_mg < 0:
        raise TareNotStill(abs(tare.tare_mg), range_mg, tare.readings, tare.readings)
    if apply is not None:
        _write(conn, BIN, row, {"tare_mg": tare.tare_mg}, apply)
    return Learnt(
        before=row.tare_mg,
        after=tare.tare_mg,
        applied=apply is not None,
        weighed_mg=tare.tare_mg,
        readings=tare.readings,
        tare=tare,
    )


def _weighed(conn: psycopg.Connection, code: str) -> BinRow:
    row = wall.one_bin(conn, code)
    if row is None:
        raise NounUnknown
    if row.measure != "weight":
        raise NotWeighed
    return row


def _at_rest(conn: psycopg.Connection, row: BinRow, now: datetime) -> list[int]:
    """The newest weights, oldest first, as long as they lie still and are not old."""
    weights: list[int] = []
    end = now
    for reading in portal.last_readings(conn, row.bin_id, LOOKED_AT):
        good = reading.weight_mg is not None and reading.quality == 0
        if not good or end - reading.at > stale_after(row.interval_s):
            break
        assert reading.weight_mg is not None
        weights.append(reading.weight_mg)
        end = reading.at
    return at_rest(weights[::-1], range_mg_max=_range_mg(row))


def _range_mg(row: BinRow) -> int:
    return max(RANGE_MIN_MG, RANGE_SDS * row.scale_sd_mg)


def _sd_of_difference(row: BinRow, still: Sequence[int]) -> float:
    """Of the sample's weight less the empty bin's, each the mean of so many readings."""
    one = max(row.scale_sd_mg or UNSAID_SCALE_SD_MG, statistics.stdev(still))
    return one * math.sqrt(2 / len(still))


def _write(
    conn: psycopg.Connection, noun: Noun, row: BinRow, changes: dict[str, Value], because: str
) -> None:
    nouns.take_turns(conn)
    asking.because(conn, because)
    there = _find(conn, noun, row)
    read = Read(values={**there.values, **changes}, mistakes=())
    keep_nouns.change(conn, noun, there, there.version, read)


def _find(conn: psycopg.Connection, noun: Noun, row: BinRow) -> Row:
    if noun is BIN:
        return keep_nouns.known(nouns.find_bin(conn, row.code))
    item_id = nouns.ids_of(conn, ITEM)[row.sku,]
    return keep_nouns.known(nouns.find(conn, ITEM, item_id))
