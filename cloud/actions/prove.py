"""Write down what an order rests on, and check it again.

The chain is written in the transaction that decides each line: the reading by its name, the
movements that made the level, the position, the decision with all its inputs; then what happens to
the order is added as it happens (`postgres.orders.add_event`). What a person asked for rests on
that person, and its chain begins with the event that says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from uuid import UUID

import psycopg

from cloud.core.bin_policies import Answer
from cloud.core.evidence import Kind, Record, append, verify
from cloud.core.followed import ReadingRange
from cloud.core.orders import order_label
from cloud.core.plain import Plain, value_of
from cloud.core.policies.base import told
from cloud.core.stock import Stock
from cloud.postgres import movements, order_evidence, portal, streams
from cloud.postgres.bins import Assessable, Source, SureLevel
from cloud.postgres.movements import Booked
from cloud.postgres.portal import OrderRow

MOVEMENTS_MAX = 12  # the last ones; those before are in the level they start from


def begin_chain(conn: psycopg.Connection, order_id: UUID, now: datetime, *, actor: str) -> None:
    """Of an order that somebody asked for."""
    order_evidence.insert(
        conn, order_id, append((), Kind.EVENT, {"at": now, "event": "begun", "actor": actor})
    )


def write_chain(
    conn: psycopg.Connection, order_id: UUID, found: Assessable, level: SureLevel, answer: Answer
) -> None:
    """What one line rests on, after those before it."""
    before = order_evidence.records(conn, order_id)
    last = movements.last(conn, found.bin.bin_id, found.bin.item_id, MOVEMENTS_MAX)
    names = streams.names(conn, {number for one in last for number in _stream_nos(one)})
    chain = append(before, Kind.READING, _reading(found))
    for booked in last:
        chain = append(chain, Kind.MOVEMENT, _movement(booked, names))
    chain = append(chain, Kind.POSITION, _position(level, answer))
    chain = append(chain, Kind.DECISION, answer.inputs)
    order_evidence.insert(conn, order_id, chain[len(before) :])


def _reading(found: Assessable) -> dict[str, object]:
    source, state = found.source, found.state
    named: dict[str, object] = {
        "measured_at": state.measured_at,
        "weight_mg": state.weight_mg,
        "tare_mg": state.calibration.tare_mg,
        "unit_weight_ug": state.calibration.unit_weight_ug,
    }
    if source is not None:
        named |= {
            "gateway": source.gateway,
            "sensor": source.sensor,
            "stream": source.stream,
            "seq": source.seq,
            "received_at": source.received_at,
        }
    return named


def _movement(booked: Booked, names: Mapping[int, str]) -> dict[str, object]:
    moved = booked.movement
    return {
        "movement": booked.movement_id,
        "kind": moved.kind,
        "pieces": moved.pieces,
        "before_pieces": moved.before_pieces,
        "after_pieces": moved.after_pieces,
        "event_at": moved.event_at,
        "confirmed_at": moved.known_at_reading,
        "known_at": booked.known_at,
        "before": None if moved.before is None else _plateau(moved.before, moved.before_mg, names),
        "after": _plateau(moved.after, moved.after_mg, names),
        "because": moved.because,
    }


def _plateau(
    readings: ReadingRange, weight_mg: int | None, names: Mapping[int, str]
) -> dict[str, object]:
    first, last = readings.first, readings.last
    return {
        "weight_mg": weight_mg,
        "first": {"stream": names.get(first.stream_no, ""), "seq": first.seq},
        "last": {"stream": names.get(last.stream_no, ""), "seq": last.seq},
    }


def _stream_nos(booked: Booked) -> tuple[int, ...]:
    ranges = (booked.movement.before, booked.movement.after)
    return tuple(ref.stream_no for one in ranges if one for ref in (one.first, one.last))


def _position(level: SureLevel, answer: Answer) -> dict[str, object]:
    assert isinstance(answer.inputs, dict)
    stock = value_of(Stock, answer.inputs["stock"])
    return {
        "pieces": level.pieces,
        "exact": level.exact,
        "level_at": level.at,
        "position": stock.position,
        "told": told(stock),
    }


def evidence_of(found: Assessable, level: SureLevel) -> dict[str, object]:
    """What the decision rests on, so that anybody can check it later without us."""
    state, bin_, source = found.state, found.bin, found.source
    return {
        "reading": {
            "measured_at": _text(state.measured_at or level.at),
            "weight_mg": state.weight_mg,
            **(_named(source) if source else {}),
        },
        "calibration": {
            "tare_mg": state.calibration.tare_mg,
            "unit_weight_ug": state.calibration.unit_weight_ug,
        },
        "level": {"pieces": level.pieces, "exact": level.exact, "at": _text(level.at)},
        "rule": {
            "minimum": bin_.limits.minimum,
            "margin": bin_.limits.margin,
            "capacity": bin_.limits.capacity,
            "pack": bin_.pack,
        },
    }


def _named(source: Source) -> dict[str, object]:
    return {
        "gateway": source.gateway,
        "sensor": source.sensor,
        "stream": source.stream,
        "seq": source.seq,
        "received_at": _text(source.received_at),
        "stability": source.stability,
    }


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


# ------------------------------------------------------------------ checking


class Verdict(StrEnum):
    FITS = "fits"
    BROKEN = "broken"
    NO_CHAIN = "no_chain"


@dataclass(frozen=True, kw_only=True)
class Proof:
    order: OrderRow
    records: tuple[Record, ...]
    verdict: Verdict
    because: str
    misfit: int | None = None  # the number of the first record that does not fit

    @property
    def last_digest(self) -> str | None:
        return self.records[-1].digest if self.records else None


def prove(conn: psycopg.Connection, number: int, last_digest: str | None = None) -> Proof | None:
    """None: there is no such order, or the asker may not see it."""
    order = portal.order_by_number(conn, number)
    if order is None:
        return None
    chain = order_evidence.records(conn, order.order_id)
    label = order_label(order.number)
    if not chain:
        because = f"{label} was placed before chains were kept: there is nothing to check."
        return Proof(order=order, records=(), verdict=Verdict.NO_CHAIN, because=because)
    misfit = verify(chain, last_digest)
    if misfit is not None:
        because = f"Record {misfit.seq}: {misfit.because}"
        return Proof(
            order=order,
            records=chain,
            verdict=Verdict.BROKEN,
            because=because,
            misfit=misfit.seq,
        )
    if wrong := _wrong_about(order, chain):
        return Proof(order=order, records=chain, verdict=Verdict.BROKEN, because=wrong)
    because = f"All {len(chain)} records fit, and decided again it comes to the same."
    return Proof(order=order, records=chain, verdict=Verdict.FITS, because=because)


def _wrong_about(order: OrderRow, chain: Sequence[Record]) -> str:
    """A sound chain proves nothing of an order that says something else."""
    decided = [
        _decision(record).get("quantity") for record in chain if record.kind is Kind.DECISION
    ]
    asked = [line.asked for line in order.lines if line.evidence]  # none: a person asked for it
    if len(decided) != len(asked):
        return (
            f"The chain holds {len(decided)} decisions, and the order rests on {len(asked)}:"
            " one for each line."
        )
    for line, quantity in zip(asked, decided, strict=True):
        if quantity != line:
            return f"The order says {line:,}, and its decision {quantity or 0:,}."
    return ""


def _decision(record: Record) -> dict[str, Plain]:
    assert isinstance(record.body, dict)
    decision = record.body["decision"]
    assert isinstance(decision, dict)
    return decision
