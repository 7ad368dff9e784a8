"""What the tests of ingest share: a small site, a gateway that speaks, what the database holds."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from cloud.core.readings import Arrival
from cloud.intake import translate
from edge_agent.wire import codec, messages, topics

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
NOW_MS = int(NOW.timestamp()) * 1000
STREAM = "0123456789abcdef" * 2
OTHER_STREAM = "fedcba9876543210" * 2


def make_site(admin: psycopg.Connection, gateway: str = "lindau-1", bins: int = 2) -> list[int]:
    """A site with one gateway and `bins` bins, each under a sensor s01, s02, …; their ids."""
    site = _one(
        admin, "INSERT INTO sites (name) VALUES (%s) RETURNING site_id", (f"Site of {gateway}",)
    )
    supplier = _one(
        admin,
        "INSERT INTO suppliers (name) VALUES (%s) RETURNING supplier_id",
        (f"Supplier of {gateway}",),
    )
    item = _one(
        admin,
        "INSERT INTO items (sku, name, unit_weight_ug) VALUES (%s, 'Hex bolt', 4200000)"
        " RETURNING item_id",
        (f"SKU-{gateway}",),
    )
    gateway_id = _one(
        admin,
        "INSERT INTO gateways (name, site_id) VALUES (%s, %s) RETURNING gateway_id",
        (gateway, site),
    )
    made = []
    for number in range(1, bins + 1):
        bin_id = _one(
            admin,
            "INSERT INTO bins (code, site_id, item_id, supplier_id, place, capacity, minimum)"
            " VALUES (%s, %s, %s, %s, 'R04-B2', 2000, 400) RETURNING bin_id",
            (f"{gateway.upper()}-{number:02}", site, item, supplier),
        )
        admin.execute(
            "INSERT INTO sensors (gateway_id, name, bin_id) VALUES (%s, %s, %s)",
            (gateway_id, f"s{number:02}", bin_id),
        )
        made.append(bin_id)
    return made


def weighed(
    weight_mg: int, *, after_ms: int = 0, sensor: int = 0, quality: int = 0
) -> messages.Weighed:
    return messages.Weighed(
        sensor=sensor, after_ms=after_ms, weight_mg=weight_mg, quality=quality, clock_trusted=True
    )


def batch(
    first_seq: int,
    readings: Sequence[messages.Reading],
    *,
    stream: str = STREAM,
    base_ms: int = NOW_MS,
    sensors: Sequence[str] = ("s01", "s02"),
) -> messages.ReadingBatch:
    return messages.ReadingBatch(
        stream=stream,
        first_seq=first_seq,
        base_ms=base_ms,
        sensors=list(sensors),
        readings=list(readings),
    )


def counting(first_seq: int, last_seq: int, *, stream: str = STREAM) -> messages.ReadingBatch:
    """Readings that are all different: number n weighs n grams and is of second n."""
    return batch(
        first_seq,
        [weighed(seq * 1_000, after_ms=seq * 1_000) for seq in range(first_seq, last_seq + 1)],
        stream=stream,
        base_ms=NOW_MS - 3_600_000,
    )


def gap(first_seq: int, last_seq: int, because: str = "the spool was full") -> messages.Gap:
    return messages.Gap(stream=STREAM, first_seq=first_seq, last_seq=last_seq, because=because)


def arrived(message: messages.UpMessage, gateway: str = "lindau-1") -> Arrival:
    presence = isinstance(message, messages.Presence)
    topic = topics.presence(gateway) if presence else topics.readings(gateway)
    (arrival,) = translate.arrivals([translate.opened(topic, codec.encode(message))])
    return arrival


def seqs(admin: psycopg.Connection) -> list[int]:
    return [seq for (seq,) in admin.execute("SELECT seq FROM readings ORDER BY seq").fetchall()]


def letters(admin: psycopg.Connection) -> list[str]:
    rows = admin.execute("SELECT because FROM dead_letters ORDER BY dead_letter_id").fetchall()
    return [because for (because,) in rows]


def state(admin: psycopg.Connection, bin_id: int, columns: str) -> tuple[Any, ...] | None:
    return admin.execute(f"SELECT {columns} FROM bin_state WHERE bin_id = %s", (bin_id,)).fetchone()


def due(admin: psycopg.Connection) -> set[int]:
    return {bin_id for (bin_id,) in admin.execute("SELECT bin_id FROM bin_due").fetchall()}


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def covered(ranges: Iterable[tuple[int, int]]) -> set[int]:
    return {seq for first, last in ranges for seq in range(first, last + 1)}


def _one(admin: psycopg.Connection, query: str, values: tuple[object, ...]) -> int:
    row = admin.execute(query, values).fetchone()
    assert row is not None
    return int(row[0])
