"""What the wall and the pages show, made of rows and the judgement of the rules. No rule is here.

A number is shown as fresh only when `core.trust` says so. Otherwise the tile looks stale, says why
in a word, and carries the age of the number instead of a state.

The same values make the HTML of the first paint and the JSON of the live stream, so the two
cannot tell different stories.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from cloud.core.estimates import SDS, Estimate, UsageRate, estimate
from cloud.core.followed import Measure
from cloud.core.levels import Calibration, level_of
from cloud.core.orders import order_label
from cloud.core.trust import BinState, Judgement, Trust, stale_after, trust_of
from cloud.http.doubts import TRUST_WORDS
from cloud.postgres.bin_levels import doubts_of
from cloud.postgres.wall import BinRow, GatewayRow

NAMED_MAX = 2  # bins named under one number

Status = Literal["empty", "low", "stale", "ok"]
WORST_FIRST: tuple[Status, ...] = ("empty", "low", "stale", "ok")
BELOW_MINIMUM = ("empty", "low")  # who asks for what is low means what is empty, too

WITHHELD = Judgement(
    trust=Trust.UNKNOWN, because="The agreement does not show the supplier what the bins hold."
)

_STATUS_WORDS: dict[Status, str] = {"empty": "Empty", "low": "Low", "ok": "OK"}


@dataclass(frozen=True, kw_only=True)
class Guess:
    """An estimate as it is shown: never a number without its band."""

    pieces: int
    low: int
    high: int

    @property
    def text(self) -> str:
        return f"estimate {self.low:,} to {self.high:,}"


@dataclass(frozen=True, kw_only=True)
class Tile:
    """One bin on the wall. Times are milliseconds since 1970, for the page's own clock."""

    code: str
    part: str
    place: str
    sku: str
    supplier: str
    site_id: int
    capacity: int
    minimum: int
    pieces: int | None  # the last known level
    plus_minus: int | None  # pieces by which a level that is not exact may be off; None: exact
    estimate: Guess | None  # what is shown in its place while it may not be acted on
    status: Status
    word: str
    because: str  # why the number is doubtful; empty when it is not, or only old
    measured_ms: int | None
    stale_ms: int | None  # from then on the number is not fresh, whatever else arrives or does not
    low_ms: int | None
    order: str | None  # the state of the order that is open for it
    order_label: str | None

    @property
    def fill_permille(self) -> int:
        shown = self.pieces if self.estimate is None else self.estimate.pieces
        return min(1000, (shown or 0) * 1000 // self.capacity)

    @property
    def minimum_permille(self) -> int:
        return self.minimum * 1000 // self.capacity


@dataclass(frozen=True, kw_only=True)
class Figure:
    key: str
    value: str
    of: str
    sub: str
    alarm: bool = False


@dataclass(frozen=True, kw_only=True)
class Group:
    site_id: int
    site: str
    place: str
    counts: dict[Status, int]
    gateway_kind: Literal["ok", "low", "stale"]
    gateway_text: str
    gateway_ms: int | None = None

    @property
    def bins(self) -> int:
        return sum(self.counts.values())


@dataclass(frozen=True, kw_only=True)
class Summary:
    groups: list[Group]
    figures: list[Figure]
    counts: dict[str, int]  # of each filter


# What the page's template for new tiles is made of; every word of it is replaced.
BLANK_TILE = Tile(
    code="-", part="", place="", sku="", supplier="", site_id=0, capacity=1, minimum=0, pieces=None,
    plus_minus=None, estimate=None, status="stale", word="", because="", measured_ms=None,
    stale_ms=None, low_ms=None, order=None, order_label=None,
)  # fmt: skip


def judged(row: BinRow, now: datetime) -> Judgement:
    if row.withheld:
        return WITHHELD
    return trust_of(
        BinState(
            interval_s=row.interval_s,
            calibration=calibration_of(row),
            heard_at=row.heard_at,
            condition=row.condition,
            measured_at=row.measured_at,
            weight_mg=row.weight_mg,
            quality=row.quality,
            clock_trusted=row.clock_trusted,
            gateway=row.gateway or "",
            gateway_presence=row.presence or "silent",
            gateway_twins=row.twins,
            measure=Measure(row.measure),
            several=row.several,
            doubts=doubts_of(row.doubts),
        ),
        now,
    )


def pieces(row: BinRow) -> int | None:
    """The level, with what is seen to have changed and is not confirmed yet."""
    return None if row.pieces is None else max(0, row.pieces + (row.unconfirmed or 0))


def plus_minus(row: BinRow) -> int | None:
    """By how many pieces the level may be off, as far as is known; None: by none."""
    if row.pieces is None or row.exact or row.sd_pieces is None:
        return None
    return max(1, math.ceil(SDS * row.sd_pieces))


def rate_of(row: BinRow) -> UsageRate | None:
    if not row.usage_days or row.usage_per_day is None:
        return None
    variance = (row.usage_sd or 0.0) ** 2
    return UsageRate(mean=row.usage_per_day, variance=variance, days=row.usage_days)


def estimate_at(row: BinRow, now: datetime) -> Estimate | None:
    """What is probably left; None where nothing was ever known."""
    level = pieces(row)
    if level is None or row.level_at is None:
        return None
    return estimate(
        level=level,
        level_sd=row.sd_pieces or 0.0,
        level_at=row.level_at,
        rate=rate_of(row),
        now=now,
    )


def estimate_of(row: BinRow, judgement: Judgement, now: datetime) -> Estimate | None:
    """While the level may not be acted on. By the minute, so that it does not tick on a wall."""
    if judgement.may_act:
        return None
    return estimate_at(row, now.replace(second=0, microsecond=0))


def guess_of(found: Estimate | None) -> Guess | None:
    return None if found is None else Guess(pieces=found.pieces, low=found.low, high=found.high)


def pieces_of(row: BinRow, weight_mg: int) -> int:
    """A weight of this bin in pieces, by today's tare and piece weight."""
    return level_of(weight_mg, calibration_of(row)).pieces


def status_of(row: BinRow, judgement: Judgement) -> Status:
    """Trust first: a number that may not be acted on is neither low nor fine."""
    shown = pieces(row)
    if not judgement.may_act or shown is None:
        return "stale"
    if shown == 0:
        return "empty"
    if shown <= row.minimum or row.low_since is not None:
        return "low"
    return "ok"


def word_for(status: Status, judgement: Judgement) -> str:
    return _STATUS_WORDS.get(status) or _doubt_word(judgement.trust)


def _doubt_word(trust: Trust) -> str:
    """A fresh number of no level is no number either."""
    return TRUST_WORDS[Trust.UNKNOWN if trust is Trust.FRESH else trust].word


def tile_of(row: BinRow, now: datetime) -> Tile:
    judgement = judged(row, now)
    status = status_of(row, judgement)
    doubtful = judgement.trust not in {Trust.FRESH, Trust.STALE, Trust.OFFLINE}
    return Tile(
        code=row.code,
        part=row.part,
        place=row.place,
        sku=row.sku,
        supplier=row.supplier,
        site_id=row.site_id,
        capacity=row.capacity,
        minimum=row.minimum,
        pieces=pieces(row),
        plus_minus=plus_minus(row),
        estimate=guess_of(estimate_of(row, judgement, now)),
        status=status,
        word=word_for(status, judgement),
        because=judgement.because if doubtful else "",
        measured_ms=_ms(row.measured_at),
        stale_ms=_ms(row.heard_at and row.heard_at + stale_after(row.interval_s)),
        low_ms=_ms(row.low_since),
        order=row.order_state,
        order_label=None if row.order_number is None else order_label(row.order_number),
    )


def in_wall_order(tiles: Iterable[Tile]) -> list[Tile]:
    """Worst first, then by place: within a state a bin stays where it is found."""
    return sorted(tiles, key=lambda tile: (WORST_FIRST.index(tile.status), tile.place, tile.code))


def matches(tile: Tile, site: str, state: str, query: str) -> bool:
    """The filters of the address bar. `wall.js` has the same lines for the same words."""
    text = f"{tile.code} {tile.part} {tile.place} {tile.sku} {tile.supplier} {site}".lower()
    if query.strip().lower() not in text:
        return False
    if state == "ordered":
        return tile.order is not None
    if state == "low":
        return tile.status in BELOW_MINIMUM
    return state in ("", tile.status)


def summary_of(
    rows: Sequence[BinRow], tiles: Sequence[Tile], gateways: Sequence[GatewayRow]
) -> Summary:
    """The numbers and groups of the wall. `rows` and `tiles` are the same bins, in one order."""
    status = Counter(tile.status for tile in tiles)
    ordered = sum(tile.order is not None for tile in tiles)
    return Summary(
        groups=_groups(rows, tiles, gateways),
        figures=_figures(rows, tiles, gateways, status),
        counts={
            "": len(tiles),
            "empty": status["empty"],
            "low": status["low"] + status["empty"],
            "stale": status["stale"],
            "ordered": ordered,
        },
    )


# ------------------------------------------------------------------ groups


def _groups(
    rows: Sequence[BinRow], tiles: Sequence[Tile], gateways: Sequence[GatewayRow]
) -> list[Group]:
    by_site: dict[int, Counter[Status]] = {}
    first: dict[int, BinRow] = {}
    for row, tile in zip(rows, tiles, strict=True):
        by_site.setdefault(row.site_id, Counter())[tile.status] += 1
        first.setdefault(row.site_id, row)
    groups = [
        _group(first[site_id], counts, [g for g in gateways if g.site_id == site_id])
        for site_id, counts in by_site.items()
    ]
    return sorted(groups, key=lambda g: (*(-g.counts[s] for s in WORST_FIRST[:3]), g.site))


def _group(row: BinRow, counts: Counter[Status], gateways: list[GatewayRow]) -> Group:
    kind, text, since = _gateway_line(gateways)
    return Group(
        site_id=row.site_id,
        site=row.site,
        place=row.site_place,
        counts={status: counts[status] for status in WORST_FIRST},
        gateway_kind=kind,
        gateway_text=text,
        gateway_ms=_ms(since),
    )


def _gateway_line(
    gateways: list[GatewayRow],
) -> tuple[Literal["ok", "low", "stale"], str, datetime | None]:
    away = [gateway for gateway in gateways if gateway.presence != "online"]
    if not gateways:
        return "stale", "No gateway", None
    if not away:
        online = "Gateway" if len(gateways) == 1 else f"{len(gateways)} gateways"
        return "ok", f"{online} online", None
    if len(away) == 1:
        return "low", f"Gateway {away[0].name} {away[0].presence}", away[0].presence_at
    return "low", f"{len(away)} of {len(gateways)} gateways away", None


# ------------------------------------------------------------------ the six numbers


def _figures(
    rows: Sequence[BinRow],
    tiles: Sequence[Tile],
    gateways: Sequence[GatewayRow],
    status: Counter[Status],
) -> list[Figure]:
    total = len(tiles)
    known = total - status["stale"]
    waiting = sum(tile.order == "sent" for tile in tiles)
    ordered = sum(tile.order is not None for tile in tiles)
    low_ordered = sum(tile.status in BELOW_MINIMUM and tile.order is not None for tile in tiles)
    away = [gateway.name for gateway in gateways if gateway.presence != "online"]
    below = status["low"] + status["empty"]
    return [
        Figure(
            key="above",
            value=_percent(status["ok"], known),
            of="",
            sub=f"{status['ok']:,} of {known:,} fresh readings",
        ),
        Figure(key="empty", value=f"{status['empty']:,}", of="", sub=_first_empty(rows, tiles)),
        Figure(
            key="low",
            value=f"{below:,}",
            of=f"of {total:,}",
            sub=f"{low_ordered:,} on order" if below else "every known level is above it",
        ),
        Figure(
            key="stale",
            value=f"{status['stale']:,}",
            of="",
            sub=_behind_gateways(rows, tiles) if status["stale"] else "all bins are heard",
        ),
        Figure(
            key="ordered",
            value=f"{ordered:,}",
            of="",
            sub=f"{waiting:,} not answered yet" if waiting else "all answered",
        ),
        Figure(
            key="gateways",
            value=f"{len(gateways) - len(away):,}",
            of=f"of {len(gateways):,}",
            sub=f"away: {_some(away)}" if away else _delay(rows, tiles),
            alarm=bool(away),
        ),
    ]


def _percent(part: int, whole: int) -> str:
    """Rounded down: 100 % is said only when it is all of them."""
    if whole == 0:
        return "–"  # noqa: RUF001 - a dash where a number would stand
    permille = part * 1000 // whole
    return f"{permille // 10}.{permille % 10} %" if permille % 10 else f"{permille // 10} %"


def _first_empty(rows: Sequence[BinRow], tiles: Sequence[Tile]) -> str:
    empty = [row.place for row, tile in zip(rows, tiles, strict=True) if tile.status == "empty"]
    return _some(empty) if empty else "no bin is empty"


def _behind_gateways(rows: Sequence[BinRow], tiles: Sequence[Tile]) -> str:
    behind = Counter(
        row.gateway or "no gateway"
        for row, tile in zip(rows, tiles, strict=True)
        if tile.status == "stale"
    )
    gateway, most = behind.most_common(1)[0]
    return f"behind {gateway}" if len(behind) == 1 else f"{most:,} behind {gateway}"


def _delay(rows: Sequence[BinRow], tiles: Sequence[Tile]) -> str:
    """From the scale to the cloud, of readings that are fresh and whose clock can be believed."""
    delays = sorted(
        max(0.0, (row.received_at - row.heard_at).total_seconds())
        for row, tile in zip(rows, tiles, strict=True)
        if tile.status != "stale" and row.received_at and row.heard_at
    )
    if not delays:
        return "no fresh reading"
    return f"95 % of readings here within {delays[(len(delays) - 1) * 95 // 100]:.1f} s"


def _some(names: list[str], most: int = NAMED_MAX) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def calibration_of(row: BinRow) -> Calibration:
    return Calibration(
        tare_mg=row.tare_mg,
        unit_weight_ug=row.unit_weight_ug,
        unit_sd_ug=row.unit_sd_ug,
        unit_error_ug=row.unit_error_ug,
        scale_sd_mg=row.scale_sd_mg,
    )


def _ms(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp() * 1000)
