"""The judge: three ledgers in, a verdict for each invariant out. It knows nothing of our code.

    python -m tests.faults.checker --folder WORLD --dsn postgresql://…

Source: `ledger.jsonl`, what the scales showed. Sink: the database and the stubs' folders. Faults:
`faults.jsonl`, what was done and what may therefore be missing. Only the standard library and
psycopg are used; the spool's MessagePack is read by the checker of the system tests, which knows
no more.

A verdict is pass, fail or none (nothing to judge), with a sentence, numbers and the first rows
that offend.
"""

import argparse
import base64
import email
import json
import re
import sqlite3
import subprocess
import sys
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from tests.system.ledger_checker import message_in

EVIDENCE_MAX = 8

# Around the death of an agent that was no plain kill: the group commit, and a slow machine.
UNWRITTEN_MS_MAX = 3_000
STOPPED_MS_MAX = 1_500  # an answer on the cable while the agent stops is nobody's
STAMP_MS_MAX = 2_000  # between the scale's word and the agent's stamp, on a machine this busy
STALE_MS = 3 * 2_000  # three heartbeats: from then on a page must say so
HONEST_MS_MAX = 2_500  # and this long a page may take to be asked again
RECOVERED_MS_MAX = 60_000
PAGE_MS_MAX = 12_000
RSS_KB_MAX = {"count-": 90_000, "ingest": 200_000, "work": 200_000, "serve": 250_000}
FILES_MAX = 200
FILES_OF_THE_BROKER_MAX = 2_000  # a connection is one
SPOOL_BYTES_MAX = 32 * 1024 * 1024
STOP_S_MAX = 10.0
SECRETS_MIN = 12

Answer = tuple[str, str, int]  # gateway, sensor, weight in mg


@dataclass(frozen=True, kw_only=True)
class Row:
    """A reading in the database; `aside`: kept apart, with a reason."""

    gateway: str
    sensor: str
    stream: str
    seq: int
    measured_ms: int
    weight_mg: int | None
    corrected_ms: int | None = None
    received_ms: int = 0
    life: int = 0
    aside: bool = False


@dataclass(frozen=True, kw_only=True)
class Hole:
    """A range that was given up, and said so."""

    gateway: str
    stream: str
    first: int
    last: int
    because: str


@dataclass(frozen=True, kw_only=True)
class Order:
    number: int
    bin: str
    placed_ms: int
    state: str


@dataclass(kw_only=True)
class World:
    """All that a verdict rests on; a test makes one by hand."""

    shown: list[tuple[int, str, str, int, bool]] = field(
        default_factory=list
    )  # ms, g, s, mg, still
    rows: list[Row] = field(default_factory=list)
    holes: list[Hole] = field(default_factory=list)
    letters: list[tuple[str, str]] = field(default_factory=list)  # topic, because
    states: dict[tuple[str, str], int | None] = field(default_factory=dict)
    orders: list[Order] = field(default_factory=list)
    notices: dict[str, tuple[int, str, str]] = field(default_factory=dict)  # id: order, by, state
    hooks: list[tuple[str, int]] = field(default_factory=list)  # idempotency key, order number
    mails: list[int] = field(default_factory=list)  # order numbers
    faults: list[dict[str, Any]] = field(default_factory=list)
    pages: list[dict[str, Any]] = field(default_factory=list)
    samples: list[dict[str, Any]] = field(default_factory=list)
    bins: dict[tuple[str, str], tuple[str, int]] = field(default_factory=dict)  # code, minimum mg
    spooled: dict[str, set[Answer]] = field(default_factory=dict)  # copies, by what they are of
    oddities: list[str] = field(default_factory=list)  # of files: integrity, amcheck
    texts: dict[str, str] = field(default_factory=dict)  # logs
    secrets: dict[str, str] = field(default_factory=dict)
    begun_ms: int = 0

    def excuses(self, *kinds: str) -> list[dict[str, Any]]:
        return [entry for entry in self.faults if entry.get("excuse") in kinds]

    def injected(self) -> list[dict[str, Any]]:
        return [entry for entry in self.faults if "fault" in entry]

    def noted(self, name: str) -> Any:
        found = [entry[name] for entry in self.faults if name in entry]
        return found[-1] if found else None


@dataclass(kw_only=True)
class Verdict:
    invariant: str
    title: str
    verdict: str
    said: str
    evidence: list[str] = field(default_factory=list)
    numbers: dict[str, Any] = field(default_factory=dict)


TITLES = {
    "I1": "no loss",
    "I2": "no duplicate",
    "I3": "no invention",
    "I4": "ordered once",
    "I5": "delivered",
    "I7": "recovers",
    "I8": "says so",
    "I9": "bounded",
    "I10": "order of arrival does not matter",
    "I11": "no corruption",
    "I12": "no secret leaks",
    "I13": "ends clean",
    "I14": "no false order",
}


def judge(world: World) -> list[Verdict]:
    return [_verdict(name, rule(world)) for name, rule in RULES.items()]


Ruling = tuple[list[str], str, dict[str, Any]] | None


def _verdict(name: str, ruling: Ruling) -> Verdict:
    if ruling is None:
        return Verdict(invariant=name, title=TITLES[name], verdict="none", said="nothing to judge")
    wrong, said, numbers = ruling
    if wrong:
        more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        said = f"{wrong[0]}{more}"
    return Verdict(
        invariant=name,
        title=TITLES[name],
        verdict="fail" if wrong else "pass",
        said=said,
        evidence=wrong[:EVIDENCE_MAX],
        numbers=numbers | ({"offending": len(wrong)} if wrong else {}),
    )


# ---------------------------------------------------------------- I1, I2, I3: the readings


def no_loss(world: World) -> Ruling:
    """Every unique answer is in the database, or excused by a kill, or covered by a gap record."""
    there = {(row.gateway, row.sensor, row.weight_mg) for row in world.rows}
    excused = covered = 0
    wrong = []
    gaps = _gap_windows(world)
    room = Counter({key: hole.last - hole.first + 1 for key, hole in _keyed(world.holes)})
    answers = _unique_answers(world)
    for answer, at_ms in answers.items():
        if answer in there:
            continue
        if _unwritten(world, answer, at_ms):
            excused += 1
        elif (key := _gap_over(gaps, room, answer[0], at_ms)) is not None:
            room[key] -= 1
            covered += 1
        else:
            wrong.append(f"shown at {_clock(at_ms)}, not stored: {_name(answer)}")
    for of, found in world.spooled.items():
        wrong += [
            f"in the spool ({of}), not stored: {_name(answer)}" for answer in sorted(found - there)
        ]
    numbers = {"shown": len(answers), "excused": excused, "covered by gaps": covered}
    numbers["set aside"] = sum(row.aside for row in world.rows)
    return wrong, f"{len(answers)} answers shown, all accounted for", numbers


def _unique_answers(world: World) -> dict[Answer, int]:
    """Of counting scales: their names begin with s. A bin may weigh the same again."""
    return {
        (gateway, sensor, weight): at_ms
        for at_ms, gateway, sensor, weight, _ in world.shown
        if _counts(sensor)
    }


def _counts(sensor: str) -> bool:
    return sensor.startswith("s")


def _unwritten(world: World, answer: Answer, at_ms: int) -> bool:
    """On its way when the agent was killed; or shown while nobody listened, or no disk took it."""
    if any(answer in found for found in world.spooled.values()):
        return False
    for excuse in world.excuses("killed", "stopped", "lost spool", "unread"):
        if excuse["gateway"] != answer[0]:
            continue
        first, last = excuse.get("from", excuse["at"]), excuse.get("to", excuse["at"])
        slack = STOPPED_MS_MAX if excuse["excuse"] == "stopped" else UNWRITTEN_MS_MAX
        if first - slack <= at_ms <= last + slack:
            plain = excuse["excuse"] == "killed" and "from" not in excuse
            if not plain or at_ms >= _last_shown_ms(world, answer[:2], excuse["at"]):
                return True
    return False


def _last_shown_ms(world: World, scale: tuple[str, str], until_ms: int) -> int:
    """A kill takes the one answer that was on its way, or not yet looked at: no earlier one."""
    return max(
        (
            at_ms
            for at_ms, gateway, sensor, *_ in world.shown
            if (gateway, sensor) == scale and at_ms <= until_ms
        ),
        default=0,
    )


def _keyed(holes: Iterable[Hole]) -> list[tuple[tuple[str, int], Hole]]:
    return [((hole.stream, hole.first), hole) for hole in holes]


def _gap_windows(world: World) -> dict[str, list[tuple[int, int, tuple[str, int]]]]:
    """By gateway: from when to when what a gap gave up was measured, by its neighbours."""
    streams: dict[str, list[Row]] = defaultdict(list)
    for row in world.rows:
        streams[row.stream].append(row)
    windows: dict[str, list[tuple[int, int, tuple[str, int]]]] = defaultdict(list)
    for key, hole in _keyed(world.holes):
        rows = sorted(streams.get(hole.stream, []), key=lambda row: row.seq)
        at = bisect_left([row.seq for row in rows], hole.first)
        before = rows[at - 1].measured_ms if at > 0 else 0
        after = next((row.measured_ms for row in rows[at:] if row.seq > hole.last), 2**62)
        windows[hole.gateway].append((before - STAMP_MS_MAX, after + STAMP_MS_MAX, key))
    return windows


def _gap_over(
    gaps: Mapping[str, list[tuple[int, int, tuple[str, int]]]],
    room: Counter[tuple[str, int]],
    gateway: str,
    at_ms: int,
) -> tuple[str, int] | None:
    for first, last, key in gaps.get(gateway, []):
        if first <= at_ms <= last and room[key] > 0:
            return key
    return None


def no_duplicate(world: World) -> Ruling:
    wrong = [
        f"stored {times} times: seq {seq} of stream {stream[:8]}"
        for (stream, seq), times in Counter((row.stream, row.seq) for row in world.rows).items()
        if times > 1
    ]
    unique = _unique_answers(world)
    stored = Counter((row.gateway, row.sensor, row.weight_mg) for row in world.rows)
    wrong += [
        f"stored {times} times: {_name(answer)}"
        for answer, times in stored.items()
        if times > 1 and answer in unique
    ]
    return wrong, f"{len(world.rows)} rows, each once", {"rows": len(world.rows)}


def no_invention(world: World) -> Ruling:
    """Every number was shown by that scale, at that time as far as its clock was left alone."""
    times: dict[Answer, list[int]] = defaultdict(list)
    for at_ms, gateway, sensor, weight, _ in world.shown:
        times[gateway, sensor, weight].append(at_ms)
    bent = {excuse["gateway"] for excuse in world.excuses("clock")}
    wrong, worst = [], 0
    for row in world.rows:
        if row.weight_mg is None:
            continue
        answer = (row.gateway, row.sensor, row.weight_mg)
        if answer not in times:
            wrong.append(f"never shown, but stored: {_name(answer)}")
            continue
        if row.gateway in bent:
            continue
        off = min(abs(row.measured_ms - at_ms) for at_ms in times[answer])
        worst = max(worst, off)
        if off > STAMP_MS_MAX:
            wrong.append(f"stamped {off} ms off: {_name(answer)} at {_clock(row.measured_ms)}")
    wrong += _out_of_order(world)
    return wrong, "every number was shown, there and then", {"worst stamp ms": worst}


def _out_of_order(world: World) -> list[str]:
    """Within a stream a counting scale only counts up."""
    wrong, last = [], {}
    for row in sorted(world.rows, key=lambda row: (row.stream, row.seq)):
        if row.weight_mg is None or not _counts(row.sensor) or row.aside:
            continue
        key = (row.stream, row.gateway, row.sensor)
        if key in last and row.weight_mg <= last[key]:
            wrong.append(
                f"seq {row.seq} of {row.stream[:8]} shows {row.weight_mg} after {last[key]}"
            )
        last[key] = row.weight_mg
    return wrong


def any_order(world: World) -> Ruling:
    """The present is the newest by the order of the source, in whatever order it came."""
    last: dict[tuple[str, str], tuple[int, int]] = {}
    there = {(row.gateway, row.sensor, row.weight_mg) for row in world.rows if not row.aside}
    for at_ms, gateway, sensor, weight, _ in world.shown:
        if (gateway, sensor, weight) in there:
            last[gateway, sensor] = (at_ms, weight)
    wrong = [
        f"{gateway}/{sensor}: the present is {world.states[gateway, sensor]}, "
        f"the newest shown and stored is {weight}"
        for (gateway, sensor), (_, weight) in sorted(last.items())
        if (gateway, sensor) in world.states
        and world.states[gateway, sensor] != weight
        and _counts(sensor)
    ]
    if not world.states:
        return None
    return wrong, f"the present of {len(world.states)} bins is the newest shown", {}


# ---------------------------------------------------------------- I4, I5, I14: the orders


def ordered_once(world: World) -> Ruling:
    """At most one order per time a bin was low; at least one when it is low in the end."""
    if not world.bins:
        return None
    wrong = []
    per_bin = Counter(order.bin for order in world.orders)
    restored = bool(world.excuses("restored"))
    for key, (code, minimum_mg) in world.bins.items():
        lows = _low_times(world, key, minimum_mg)
        if per_bin[code] > len(lows) and not restored:
            wrong.append(f"{code}: {per_bin[code]} orders for {len(lows)} times it was low")
        if lows and lows[-1][1] is None and per_bin[code] == 0:
            wrong.append(f"{code}: low since {_clock(lows[-1][0])}, and not ordered")
    open_now = Counter(order.bin for order in world.orders if order.state != "closed")
    wrong += [f"{code}: {n} orders open at once" for code, n in open_now.items() if n > 1]
    return wrong, f"{len(world.orders)} orders, one for each need", {"orders": len(world.orders)}


def _low_times(world: World, key: tuple[str, str], minimum_mg: int) -> list[tuple[int, int | None]]:
    """From when to when the scale, at rest, showed the minimum or less."""
    lows: list[tuple[int, int | None]] = []
    for at_ms, gateway, sensor, weight, still in world.shown:
        if (gateway, sensor) != key or not still:
            continue
        is_low = bool(lows) and lows[-1][1] is None
        if weight <= minimum_mg and not is_low:
            lows.append((at_ms, None))
        elif weight > minimum_mg and is_low:
            lows[-1] = (lows[-1][0], at_ms)
    return lows


def no_false_order(world: World) -> Ruling:
    if not world.bins:
        return None
    wrong = []
    for key, (code, minimum_mg) in world.bins.items():
        lows = _low_times(world, key, minimum_mg)
        wrong += [
            f"order {order.number} of {code}: it had not been low"
            for order in world.orders
            if order.bin == code and not any(first <= order.placed_ms for first, _ in lows)
        ]
    return wrong, "no order without a need", {}


def delivered(world: World) -> Ruling:
    """Each order reached the receiver by both ways, and each way with one idempotency key."""
    if not world.orders:
        return None
    restored = bool(world.excuses("restored"))
    keys: dict[int, set[str]] = defaultdict(set)
    for key, number in world.hooks:
        keys[number].add(key)
    known = {order.number for order in world.orders}
    wrong = [
        f"order {order.number} of {order.bin}: no webhook came"
        for order in world.orders
        if not keys[order.number]
    ]
    wrong += [
        f"order {order.number} of {order.bin}: no mail came"
        for order in world.orders
        if order.number not in world.mails
    ]
    wrong += [
        f"order {number}: {len(found)} idempotency keys"
        for number, found in keys.items()
        if len(found) > 1 and not restored
    ]
    if not restored:
        wrong += [f"webhook for an order that is not there: {n}" for n in keys if n not in known]
    wrong += [
        f"notice of order {order} by {by} is {state}"
        for order, by, state in world.notices.values()
        if state != "sent"
    ]
    again = len(world.hooks) - len(set(world.hooks))
    said = f"{len(world.orders)} orders reached their supplier, {again} webhooks came twice"
    return wrong, said, {"webhooks": len(world.hooks), "mails": len(world.mails)}


# ---------------------------------------------------------------- I7, I8, I9: how it behaved


def recovers(world: World) -> Ruling:
    took = world.noted("recovered_ms")
    if took is None:
        return None
    wrong = []
    if took < 0 or took > RECOVERED_MS_MAX:
        said = "not fresh again" if took < 0 else f"fresh again after {took / 1000:.1f} s"
        wrong.append(f"{said}, allowed are {RECOVERED_MS_MAX / 1000:.0f} s")
        wrong.append(str(world.noted("not_fresh")))
    if drained := world.noted("not_drained"):
        wrong.append(f"not everything shown was stored in time: {drained}")
    wrong += [
        f"{name} died again and again after everything was healed"
        for name in world.noted("crash_loops") or []
    ]
    return (
        wrong,
        f"fresh again {took / 1000:.1f} s after the last fault was healed",
        {
            "recovered_s": took / 1000,
            "drained_s": (world.noted("drained_ms") or 0) / 1000,
        },
    )


def says_so(world: World) -> Ruling:
    """While readings do not come, the pages say so; afterwards they are fresh again."""
    wrong = []
    for fault in world.injected():
        blind = fault.get("blind") or []
        first, last = fault["from"] + STALE_MS + HONEST_MS_MAX, fault["to"]
        if not blind or last - first < 1_000:
            continue
        # What is asked before the end and answered after it may well be fresh by then.
        asked = [
            page for page in world.pages if first <= page["t"] and page["t"] + page["ms"] <= last
        ]
        lied = [page for page in asked if _claims_fresh(page, blind)]
        if not asked:
            wrong.append(f"{fault['fault']}: nobody could ask the pages meanwhile")
        wrong += [
            f"{fault['fault']}: at {_clock(page['t'])} the page said {_claims_fresh(page, blind)} "
            "is fresh"
            for page in lied
        ]
    slow = [page for page in world.pages if page["ms"] > PAGE_MS_MAX]
    wrong += [f"a page took {page['ms']} ms at {_clock(page['t'])}" for page in slow]
    if world.pages and not _ends_fresh(world):
        wrong.append(f"in the end the page still says {world.pages[-1].get('trust')}")
    slowest = max((page["ms"] for page in world.pages), default=0)
    return (
        wrong,
        f"{len(world.pages)} looks at the pages, and none was lied to",
        {"slowest page ms": slowest},
    )


def _claims_fresh(page: dict[str, Any], blind: Iterable[str]) -> str:
    trust = page.get("trust") or {}
    return next((code for code in blind if trust.get(code) == "fresh"), "")


def _ends_fresh(world: World) -> bool:
    until = world.noted("silenced_ms")
    looks = [page for page in world.pages if until is None or page["t"] <= until]
    if not looks:
        return True
    return any(
        page.get("trust") and set(page["trust"].values()) == {"fresh"} for page in looks[-6:]
    )


def bounded(world: World) -> Ruling:
    wrong = []
    peaks: dict[str, list[int]] = {}
    for sample in world.samples:
        for name, (kilobytes, files) in sample["of"].items():
            peak = peaks.setdefault(name, [0, 0])
            peak[0], peak[1] = max(peak[0], kilobytes), max(peak[1], files)
    for name, (kilobytes, files) in peaks.items():
        limit = next((kb for prefix, kb in RSS_KB_MAX.items() if name.startswith(prefix)), None)
        if limit is not None and kilobytes > limit:
            wrong.append(f"{name} took {kilobytes // 1024} MB, allowed are {limit // 1024}")
        files_max = FILES_OF_THE_BROKER_MAX if name == "broker" else FILES_MAX
        if files > files_max:
            wrong.append(f"{name} had {files} files open, allowed are {files_max}")
    disks = {
        name: size
        for sample in world.samples
        for name, size in sample.items()
        if name.startswith("spool ") and size > SPOOL_BYTES_MAX
    }
    wrong += [f"the {name} took {size} bytes of disk" for name, size in disks.items()]
    if not peaks:
        return None
    return (
        wrong,
        "memory and open files stay below their limits",
        {
            name: f"{kilobytes // 1024} MB, {files} files"
            for name, (kilobytes, files) in peaks.items()
        },
    )


# ---------------------------------------------------------------- I11, I12, I13: what is left


def no_corruption(world: World) -> Ruling:
    return world.oddities, "spools and indexes are whole", {}


def no_secret(world: World) -> Ruling:
    wrong = [
        f"the {what} stands in {name}"
        for name, text in world.texts.items()
        for what, secret in world.secrets.items()
        if len(secret) >= SECRETS_MIN and secret in text
    ]
    return wrong, f"{len(world.secrets)} secrets, none in {len(world.texts)} logs", {}


def ends_clean(world: World) -> Ruling:
    stops = world.noted("stops")
    if stops is None:
        return None
    wrong = []
    for name, (seconds, code) in stops.items():
        if code is None:
            wrong.append(f"{name} did not end within {STOP_S_MAX:.0f} s")
        elif code != 0:
            wrong.append(f"{name} ended with {code}")
        elif seconds > STOP_S_MAX:
            wrong.append(f"{name} took {seconds:.1f} s to end")
    slowest = max((seconds for seconds, _ in stops.values()), default=0)
    return wrong, f"{len(stops)} programs ended, the slowest in {slowest:.1f} s", {}


RULES: dict[str, Callable[[World], Ruling]] = {
    "I1": no_loss,
    "I2": no_duplicate,
    "I3": no_invention,
    "I4": ordered_once,
    "I5": delivered,
    "I7": recovers,
    "I8": says_so,
    "I9": bounded,
    "I10": any_order,
    "I11": no_corruption,
    "I12": no_secret,
    "I13": ends_clean,
    "I14": no_false_order,
}


def _name(answer: tuple[str, str, int | None]) -> str:
    return f"{answer[0]}/{answer[1]} {answer[2]} mg"


def _clock(ms: int) -> str:
    seconds, milli = divmod(ms, 1000)
    hours, rest = divmod(seconds % 86_400, 3600)
    return f"{hours:02d}:{rest // 60:02d}:{rest % 60:02d}.{milli:03d}"


# ---------------------------------------------------------------- reading the ledgers


def load(folder: Path, dsn: str, *, amcheck: list[str] | None = None) -> World:
    world = World()
    for entry in _lines(folder / "ledger.jsonl"):
        if entry["weight_mg"] is not None:
            world.shown.append(
                (entry["t"], entry["gateway"], entry["sensor"], entry["weight_mg"], entry["stable"])
            )
    world.shown.sort(key=lambda one: one[0])
    world.faults = _lines(folder / "faults.jsonl")
    world.pages = _lines(folder / "pages.jsonl")
    world.samples = _lines(folder / "samples.jsonl")
    with psycopg.connect(dsn, options="-c search_path=binline -c timezone=UTC") as conn:
        _load_sink(world, conn)
    _load_stubs(world, folder / "catcher")
    for copy in sorted(folder.glob("copies/*/spool.db")):
        gateway = copy.parent.name.split("@")[0]
        world.spooled[copy.parent.name] = spooled(copy, gateway)
    _inspect(world, folder, amcheck)
    return world


def _lines(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]


def _load_sink(world: World, conn: psycopg.Connection) -> None:
    world.rows = _readings(conn, "readings", aside=False)
    if _has(conn, "readings_aside"):
        world.rows += _readings(conn, "readings_aside", aside=True)
    world.holes = [
        Hole(gateway=g, stream=stream, first=first, last=last, because=because)
        for g, stream, first, last, because in conn.execute(
            "SELECT g.name, st.stream::text, l.first_seq, l.last_seq, l.gap_because"
            "  FROM ledger l JOIN streams st USING (stream_no) JOIN gateways g USING (gateway_id)"
            " WHERE l.gap_because IS NOT NULL"
        )
    ]
    world.letters = conn.execute("SELECT topic, because FROM dead_letters").fetchall()
    world.states = {
        (g, s): weight
        for g, s, weight in conn.execute(
            "SELECT g.name, s.name, b.weight_mg FROM bin_state b"
            "  JOIN sensors s ON s.bin_id = b.bin_id JOIN gateways g USING (gateway_id)"
        )
    }
    world.bins = {
        (g, s): (code, tare + minimum * unit_ug // 1000)
        for g, s, code, tare, minimum, unit_ug in conn.execute(
            "SELECT g.name, s.name, b.code, b.tare_mg, b.minimum, i.unit_weight_ug FROM bins b"
            "  JOIN sensors s USING (bin_id) JOIN gateways g ON g.gateway_id = s.gateway_id"
            "  JOIN items i USING (item_id) WHERE b.minimum > 0"
        )
    }
    world.orders = [
        Order(number=number, bin=code, placed_ms=ms, state=state)
        for number, code, ms, state in conn.execute(
            "SELECT o.number, b.code, (extract(epoch FROM o.drafted_at) * 1000)::bigint, o.state"
            "  FROM orders o JOIN order_lines USING (order_id) JOIN bins b USING (bin_id)"
        )
    ]
    world.notices = {
        str(key): (number, kind, state)
        for key, number, kind, state in conn.execute(
            "SELECT n.notice_id, o.number, c.kind, n.state FROM notices n"
            "  JOIN orders o USING (order_id) JOIN supplier_channels c USING (channel_id)"
        )
    }


def _readings(conn: psycopg.Connection, table: str, *, aside: bool) -> list[Row]:
    corrected = "r.corrected_at" if _has(conn, table, "corrected_at") else "NULL::timestamptz"
    life = "st.life" if _has(conn, "streams", "life") else "0"
    rows = conn.execute(
        "SELECT g.name, s.name, st.stream::text, r.seq,"
        "       (extract(epoch FROM r.measured_at) * 1000)::bigint, r.weight_mg,"
        f"      (extract(epoch FROM {corrected}) * 1000)::bigint,"
        f"      (extract(epoch FROM r.received_at) * 1000)::bigint, {life}"
        f"  FROM {table} r JOIN sensors s USING (sensor_id)"
        "  JOIN streams st USING (stream_no) JOIN gateways g ON g.gateway_id = st.gateway_id"
    )
    return [
        Row(
            gateway=g,
            sensor=s,
            stream=stream,
            seq=seq,
            measured_ms=measured,
            weight_mg=weight,
            corrected_ms=corrected_ms,
            received_ms=received,
            life=life_,
            aside=aside,
        )
        for g, s, stream, seq, measured, weight, corrected_ms, received, life_ in rows
    ]


def _has(conn: psycopg.Connection, table: str, column: str | None = None) -> bool:
    return bool(
        conn.execute(
            "SELECT 1 FROM information_schema.columns WHERE table_schema = 'binline'"
            "   AND table_name = %s AND (%s::text IS NULL OR column_name = %s)",
            (table, column, column),
        ).fetchone()
    )


def _load_stubs(world: World, folder: Path) -> None:
    for path in sorted(folder.glob("webhooks/*.json")):
        note = json.loads(path.read_text())
        body = base64.b64decode(note["body"]).decode(errors="replace")
        number = _order_number(body)
        if number is not None:
            world.hooks.append((note["headers"].get("webhook-id", ""), number))
    for path in sorted(folder.glob("mails/*.eml")):
        message = email.message_from_bytes(path.read_bytes())
        parts = [part.get_payload(decode=True) or b"" for part in message.walk()]
        number = _order_number(b" ".join(parts).decode(errors="replace"))
        if number is not None:
            world.mails.append(number)


def _order_number(text: str) -> int | None:
    found = re.search(r"RO-(\d+)", text)
    return int(found[1]) if found else None


def _inspect(world: World, folder: Path, amcheck: list[str] | None) -> None:
    for spool in sorted(folder.glob("gateways/*/spool.db")):
        try:
            with sqlite3.connect(f"file:{spool}?mode=ro", uri=True) as conn:
                found = conn.execute("PRAGMA integrity_check(3)").fetchall()
        except sqlite3.Error as error:
            found = [(str(error),)]
        if found != [("ok",)]:
            world.oddities.append(f"{spool.parent.name}/{spool.name}: {found[0][0]}")
    if amcheck:
        done = subprocess.run(amcheck, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            world.oddities.append(f"pg_amcheck: {(done.stdout + done.stderr).strip()[:400]}")
    for log in sorted(folder.glob("logs/*.log")):
        world.texts[log.name] = log.read_text(errors="replace")
    for secret in sorted(folder.glob("broker/passwords/*")):
        world.secrets[f"broker password of {secret.name}"] = secret.read_text()
    password = folder / "postgres" / "password"
    if password.exists():
        world.secrets["database's password"] = password.read_text()


def spooled(copy: Path, gateway: str) -> set[Answer]:
    """The weights in a copy of a spool that are still to be sent or kept."""
    found: set[Answer] = set()
    with sqlite3.connect(copy) as conn:
        for size, stored in conn.execute("SELECT size, payload FROM frozen ORDER BY no"):
            message = message_in(size, stored)
            if not isinstance(message, dict):
                continue
            for reading in message.get("readings", []):
                sensor = message["sensors"][reading[1]]
                if reading[0] == 1 and _counts(sensor):
                    found.add((gateway, sensor, reading[3]))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--dsn", required=True)
    asked = parser.parse_args()
    verdicts = judge(load(asked.folder, asked.dsn))
    sys.stdout.write(json.dumps([asdict(verdict) for verdict in verdicts], indent=2) + "\n")
    return 1 if any(verdict.verdict == "fail" for verdict in verdicts) else 0


if __name__ == "__main__":
    sys.exit(main())
