"""Numbers and times as people read them. `ago` takes the same steps as in `static/page.js`."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

MINUTE_S, HOUR_S, DAY_S = 60, 3_600, 86_400
STEP_S = 10
HALF_A_YEAR = timedelta(days=182)
UNDEFINED = "\N{EN DASH}"  # where a number would stand: not defined is never zero


def ago(seconds: float) -> str:
    """An age in coarse steps: a wall on which every number ticks says nothing."""
    whole = int(max(0, seconds))
    if whole < STEP_S:
        return "now"
    for unit_s, unit in ((DAY_S, "d"), (HOUR_S, "h"), (MINUTE_S, "min")):
        if whole >= unit_s:
            return f"{whole // unit_s} {unit}"
    return f"{whole // STEP_S * STEP_S} s"


def span(seconds: float) -> str:
    """A length of time: 45 s, 12 min, 2 h 10 min, 3 d."""
    whole = int(max(0, seconds))
    if whole < MINUTE_S:
        return f"{whole} s"
    if whole < HOUR_S:
        return f"{whole // MINUTE_S} min"
    if whole < DAY_S:
        minutes = whole % HOUR_S // MINUTE_S
        return f"{whole // HOUR_S} h {minutes} min" if minutes else f"{whole // HOUR_S} h"
    return f"{whole // DAY_S} d"


def lasting(seconds: float) -> str:
    """A length of time to compare: as `span`, and from a day on to a tenth of one."""
    return span(seconds) if seconds < DAY_S else f"{seconds / DAY_S:,.1f} d"


def zone(name: str) -> tzinfo:
    """The site's zone; UTC when this machine has no table of zones, and the pages name the zone."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


def one_zone(names: Iterable[str], now: datetime) -> tzinfo:
    """Of a page about several sites: theirs where their clocks show the same, else UTC.

    In summer and in winter: Berlin and Vienna are one, and a page has one zone.
    """
    theirs = [zone(name) for name in sorted(names)]
    times = (now, now - HALF_A_YEAR)
    clocks = {tuple(at.astimezone(one).utcoffset() for at in times) for one in theirs}
    return theirs[0] if len(clocks) == 1 else UTC


def clock(moment: datetime, where: tzinfo, now: datetime) -> str:
    """14:21 today, Thu 19 Nov, 14:21 before that, with the year when it is another."""
    local, today = moment.astimezone(where), now.astimezone(where)
    if local.date() == today.date():
        return f"{local:%H:%M}"
    if local.year == today.year:
        return f"{local:%a} {local.day} {local:%b, %H:%M}"
    return f"{local.day} {local:%b %Y, %H:%M}"


def clock_s(moment: datetime, where: tzinfo) -> str:
    """10:42:31 CET"""
    return f"{moment.astimezone(where):%H:%M:%S %Z}"


def zone_name(moment: datetime, where: tzinfo) -> str:
    """CET, CEST, UTC: what the zone is called at that time."""
    return f"{moment.astimezone(where):%Z}"


def exact(moment: datetime, where: tzinfo) -> str:
    local = moment.astimezone(where)
    return f"{local:%a} {local.day} {local:%b %Y, %H:%M:%S %Z}"


def day(moment: datetime, where: tzinfo) -> str:
    local = moment.astimezone(where)
    return f"{local:%a} {local.day} {local:%b %Y}"


def tick(moment: datetime, where: tzinfo, now: datetime, *, daily: bool) -> str:
    """Under a chart, where room is short: 14:21 today, Thu 14:21 before that; or 19 Nov."""
    local, today = moment.astimezone(where), now.astimezone(where)
    if daily:
        return f"{local.day} {local:%b}"
    return f"{local:%H:%M}" if local.date() == today.date() else f"{local:%a %H:%M}"


def count(number: int) -> str:
    return f"{number:,}"


def signed(number: int) -> str:
    """With its sign, also where nothing moved: +1,500, 0, a real minus and 12."""
    if number == 0:
        return "0"
    return f"+{number:,}" if number > 0 else f"\N{MINUS SIGN}{-number:,}"


def grams(weight_mg: int) -> str:
    """To a tenth of a gram, by whole numbers: 1,842.3 g."""
    tenths = (abs(weight_mg) + 50) // 100
    sign = "\N{MINUS SIGN}" if weight_mg < 0 and tenths else ""
    return f"{sign}{tenths // 10:,}.{tenths % 10} g"


def piece_weight(micrograms: int) -> str:
    return f"{micrograms // 1_000_000:,}.{micrograms % 1_000_000 // 1_000:03} g"


def plural(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def packs(quantity: int, pack: int) -> str:
    """What a quantity is to the supplier: "3 packs of 500"; nothing where a pack is one piece."""
    if pack == 1 or quantity % pack:
        return ""
    return f"{plural(quantity // pack, 'pack')} of {pack:,}"


def percent(share: float | None) -> str:
    """Rounded down to a tenth: 100 % is said only when it is all of it."""
    if share is None:
        return UNDEFINED
    permille = int(share * 1_000 + 1e-9)
    return f"{permille // 10}.{permille % 10} %" if permille % 10 else f"{permille // 10} %"


def order_word(state: str) -> str:
    """What stands on a tile of the order that is open for it; `wall.js` has the same words."""
    match state:
        case "draft":
            return "draft"
        case "approved" | "sent":
            return "ordered"
        case "shipped" | "part_delivered" | "received":
            return "coming"
        case _:
            return "answered"
