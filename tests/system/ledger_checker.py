"""Compares what the scales showed with what the database holds; knows nothing of our code.

    python ledger_checker.py --ledger truth.jsonl --dsn postgresql://…
                             [--spool COPY --gateway NAME --killed-ms T]

Every scale of the ledger counts up, so a weight names its answer. Without a kill of an agent each
answer must be in the database exactly once. With one, of each scale of that gateway the last answer
before the kill may be missing, which was on its way, and those that nobody heard after it. Whatever
is in the copy of its spool must be in the database.

Exit 0: all is well. Exit 1: what is wrong, one line each.
"""

import argparse
import json
import sqlite3
import sys
import zlib
from collections import Counter
from pathlib import Path

import psycopg

# Until the simulated scales of a killed agent are not asked any more, on a slow machine.
UNHEARD_MS_MAX = 3_000

BY_COLUMNS = 0xC1  # how a batch begins that lies by columns

Answer = tuple[str, str, int]  # gateway, sensor, weight in mg


def shown(ledger: Path) -> dict[Answer, int]:
    """What the scales showed, and when (ms)."""
    answers = {}
    for line in ledger.read_text().splitlines():
        entry = json.loads(line)
        if entry["weight_mg"] is not None:
            answers[entry["gateway"], entry["sensor"], entry["weight_mg"]] = entry["t"]
    return answers


def stored(dsn: str) -> list[tuple[str, int, str, str, int | None]]:
    """Stream, seq, gateway, sensor, weight; weight is null for what is no number."""
    with psycopg.connect(dsn) as conn:
        return conn.execute(
            "SELECT st.stream::text, r.seq, g.name, s.name, r.weight_mg"
            "  FROM binline.readings r"
            "  JOIN binline.sensors s USING (sensor_id)"
            "  JOIN binline.gateways g USING (gateway_id)"
            "  JOIN binline.streams st USING (stream_no)"
            " ORDER BY st.stream_no, r.seq"
        ).fetchall()


def spooled(copy: Path, gateway: str) -> set[Answer]:
    """The weights in a copy of a spool, read with nothing but SQLite and the format's own text."""
    found: set[Answer] = set()
    with sqlite3.connect(copy) as conn:
        for size, stored in conn.execute("SELECT size, payload FROM frozen ORDER BY no"):
            message = message_in(size, stored)
            for reading in message.get("readings", []):
                if reading[0] == 1:  # a weight
                    found.add((gateway, message["sensors"][reading[1]], reading[3]))
    return found


def message_in(size: int, stored: bytes) -> dict:
    """As it is, deflated, or deflated by columns (told by its first byte)."""
    if len(stored) != size and stored[0] == BY_COLUMNS:
        return _by_columns(zlib.decompress(stored[1:], wbits=-15))
    payload = stored if len(stored) == size else zlib.decompress(stored)
    return unpack(payload, 0)[0]


def _by_columns(whole: bytes) -> dict:
    """[the message without readings, how many lie in columns, the columns, the other rows]"""
    (message, count, (kind, sensors, after, numbers, *rest), others), _ = unpack(whole, 0)
    rows, before, sensor, after_ms = [], {}, 0, 0
    for place in range(count):
        sensor += _number(sensors, count, place)
        after_ms += _number(after, count, place)
        before[sensor] = before.get(sensor, 0) + _number(numbers, count, place)
        small = [column[place if len(column) > 1 else 0] for column in rest]
        rows.append([kind, sensor, after_ms, before[sensor], *small])
    for place, row in others:
        rows.insert(place, row)
    return message | {"readings": rows}


def _number(column: bytes, count: int, place: int) -> int:
    """The width, then the first bytes of all, the second ones …; the lowest bit is the sign."""
    number = sum(column[1 + byte * count + place] << 8 * byte for byte in range(column[0]))
    return -(number // 2) - 1 if number % 2 else number // 2


def check(
    answers: dict[Answer, int],
    rows: list[tuple[str, int, str, str, int | None]],
    *,
    in_spool: set[Answer],
    killed: tuple[str, int] | None,
) -> list[str]:
    times = Counter((g, s, weight) for _, _, g, s, weight in rows if weight is not None)
    wrong = [f"never shown, but stored: {answer}" for answer in times if answer not in answers]
    wrong += [f"stored {n} times: {answer}" for answer, n in times.items() if n > 1]
    on_its_way = _last_before(answers, killed[1]) if killed else {}
    for answer, at_ms in answers.items():
        if answer not in times and not _may_be_missing(
            answer, at_ms, in_spool, killed, on_its_way.get(answer[:2], 0)
        ):
            wrong.append(f"shown at {at_ms}, but not stored: {answer}")
    wrong += [f"in the spool, but not stored: {answer}" for answer in in_spool - times.keys()]
    return wrong + _out_of_order(rows) + _with_holes(rows)


def _last_before(answers: dict[Answer, int], killed_ms: int) -> dict[tuple[str, str], int]:
    """When each scale showed its last answer before the kill: that one was on its way."""
    last: dict[tuple[str, str], int] = {}
    for answer, at_ms in answers.items():
        if at_ms <= killed_ms:
            last[answer[:2]] = max(at_ms, last.get(answer[:2], 0))
    return last


def _may_be_missing(
    answer: Answer,
    at_ms: int,
    in_spool: set[Answer],
    killed: tuple[str, int] | None,
    on_its_way_ms: int,
) -> bool:
    if killed is None or answer in in_spool:
        return False
    gateway, killed_ms = killed
    return answer[0] == gateway and on_its_way_ms <= at_ms <= killed_ms + UNHEARD_MS_MAX


def _out_of_order(rows: list[tuple[str, int, str, str, int | None]]) -> list[str]:
    wrong, last = [], {}
    for stream, seq, gateway, sensor, weight in rows:
        if weight is None:
            continue
        before = last.get((stream, gateway, sensor), weight - 1)
        if weight <= before:
            wrong.append(f"{gateway}/{sensor}: seq {seq} of {stream} shows {weight} after {before}")
        last[stream, gateway, sensor] = weight
    return wrong


def _with_holes(rows: list[tuple[str, int, str, str, int | None]]) -> list[str]:
    seqs: dict[str, list[int]] = {}
    for stream, seq, *_ in rows:
        seqs.setdefault(stream, []).append(seq)
    return [
        f"stream {stream} has {len(found)} of {max(found)} readings"
        for stream, found in seqs.items()
        if sorted(found) != list(range(1, max(found) + 1))
    ]


def unpack(data: bytes, at: int) -> tuple[object, int]:  # noqa: PLR0911 - a table of formats
    """MessagePack, as far as a batch uses it (specification: "Formats")."""
    head, at = data[at], at + 1
    if head <= 0x7F:
        return head, at
    if head >= 0xE0:
        return head - 0x100, at
    if head <= 0x8F:
        return _map(data, at, head & 0x0F)
    if head <= 0x9F:
        return _array(data, at, head & 0x0F)
    if head <= 0xBF:
        return _text(data, at, head & 0x1F)
    if head in (0xC0, 0xC2, 0xC3):
        return {0xC0: None, 0xC2: False, 0xC3: True}[head], at
    if 0xCC <= head <= 0xD3:  # unsigned, then signed, of 1, 2, 4, 8 bytes
        size = 1 << ((head - 0xCC) % 4)
        number = int.from_bytes(data[at : at + size], "big", signed=head >= 0xD0)
        return number, at + size
    kinds = {0xC4: (1, _binary), 0xC5: (2, _binary), 0xC6: (4, _binary)}
    kinds |= {0xD9: (1, _text), 0xDA: (2, _text), 0xDB: (4, _text)}
    kinds |= {0xDC: (2, _array), 0xDD: (4, _array), 0xDE: (2, _map), 0xDF: (4, _map)}
    size, kind = kinds[head]
    return kind(data, at + size, int.from_bytes(data[at : at + size], "big"))


def _binary(data: bytes, at: int, length: int) -> tuple[bytes, int]:
    return data[at : at + length], at + length


def _text(data: bytes, at: int, length: int) -> tuple[str, int]:
    return data[at : at + length].decode(), at + length


def _array(data: bytes, at: int, length: int) -> tuple[list, int]:
    items = []
    for _ in range(length):
        item, at = unpack(data, at)
        items.append(item)
    return items, at


def _map(data: bytes, at: int, length: int) -> tuple[dict, int]:
    flat, at = _array(data, at, 2 * length)
    return dict(zip(flat[::2], flat[1::2], strict=True)), at


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--ledger", type=Path, required=True)
    parser.add_argument("--dsn", required=True)
    parser.add_argument("--spool", type=Path)
    parser.add_argument("--gateway")
    parser.add_argument("--killed-ms", type=int)
    asked = parser.parse_args()
    answers, rows = shown(asked.ledger), stored(asked.dsn)
    in_spool = spooled(asked.spool, asked.gateway) if asked.spool else set()
    killed = (asked.gateway, asked.killed_ms) if asked.killed_ms else None
    wrong = check(answers, rows, in_spool=in_spool, killed=killed)
    numbers = sum(1 for row in rows if row[4] is not None)
    report = [f"{len(answers)} answers shown, {numbers} stored, {len(in_spool)} in the spool"]
    report += wrong[:20]
    if len(wrong) > 20:
        report.append(f"… and {len(wrong) - 20} more")
    sys.stdout.write("\n".join(report) + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
