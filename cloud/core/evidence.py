"""What an order rests on, chained so that nobody can change it afterwards without being seen.

    readings ─▶ movements ─▶ position ─▶ decision ─▶ what became of the order

An order for several bins holds that much of each line, one after the other.

Every record holds the hash of the one before. A hash is SHA-256 over canonical JSON (`plain`), so
that anybody can check it with ten lines in any language. A decision names its policy, its version
and every number it was made on: decided again it must say the same, to the bit.

A chain can be cut at its end without a trace; whoever keeps the last hash elsewhere, as the other
side does, sees that too.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cloud.core.plain import Plain, canonical, plain_of, value_of
from cloud.core.policies.base import Decision, Joins, Place, Policy, Terms
from cloud.core.policies.registry import policy_of
from cloud.core.stock import Stock

BEGINNING = "0" * 64


class Kind(StrEnum):
    READING = "reading"
    MOVEMENT = "movement"
    POSITION = "position"
    DECISION = "decision"
    EVENT = "event"


@dataclass(frozen=True, kw_only=True)
class Record:
    seq: int
    kind: Kind
    body: Plain
    previous: str
    digest: str


@dataclass(frozen=True, kw_only=True)
class Misfit:
    """The first record that does not fit, and why."""

    seq: int
    because: str


def digest_of(*, seq: int, kind: str, body: Plain, previous: str) -> str:
    told = canonical({"seq": seq, "kind": kind, "body": body, "previous": previous})
    return hashlib.sha256(told.encode("ascii")).hexdigest()


def append(records: Sequence[Record], kind: Kind, body: object) -> tuple[Record, ...]:
    """The chain with one record more. What has no one plain form, a float say, is refused."""
    plain = plain_of(body)
    previous = records[-1].digest if records else BEGINNING
    seq = len(records) + 1
    digest = digest_of(seq=seq, kind=str(kind), body=plain, previous=previous)
    record = Record(seq=seq, kind=kind, body=plain, previous=previous, digest=digest)
    return (*records, record)


def decided(
    policy: Policy, stock: Stock, terms: Terms, now: datetime, *, joins: bool = False
) -> tuple[Decision, Plain]:
    """The decision, and the body of the record that lets it be made again.

    `joins`: an order goes to the same place anyway, and the policy was asked whether to come along.
    """
    decision = _decision(policy, stock, terms, now, joins=joins)
    body: dict[str, Plain] = {
        "policy": {
            "name": policy.name,
            "version": policy.version,
            "parameters": plain_of(policy),
        },
        "stock": plain_of(stock),
        "terms": plain_of(terms),
        "now": plain_of(now),
        "decision": _told(decision),
    }
    if joins:
        body["joins"] = True
    return decision, body


def recomputed(body: Plain) -> Plain:
    """What the same policy says today to what was known then."""
    assert isinstance(body, dict)
    named = body["policy"]
    assert isinstance(named, dict)
    name, version = named["name"], named["version"]
    assert isinstance(name, str)
    assert isinstance(version, int)
    decision = _decision(
        policy_of(name, version, named["parameters"]),
        value_of(Stock, body["stock"]),
        value_of(Terms, body["terms"]),
        value_of(datetime, body["now"]),
        joins=body.get("joins") is True,
    )
    return _told(decision)


def _decision(
    policy: Policy, stock: Stock, terms: Terms, now: datetime, *, joins: bool
) -> Decision:
    if not joins:
        return policy.decide(stock, terms, now)
    assert isinstance(policy, Joins), "asked of a policy that joins no order"
    return policy.join(stock, terms, now)


def verify(records: Sequence[Record], last_digest: str | None = None) -> Misfit | None:
    """The first record that does not fit. `last_digest`: as the other side remembers it."""
    previous, rank = BEGINNING, 0
    begun: Record | None = None  # the reading of a further line that no decision rests on yet
    for place, record in enumerate(records, start=1):
        because = _misfit(record, place, previous, rank)
        if because:
            return Misfit(seq=place, because=because)
        if record.kind is Kind.READING and rank:
            begun = record
        elif record.kind is Kind.DECISION:
            begun = None
        elif record.kind is Kind.EVENT and begun is not None:
            break
        previous, rank = record.digest, _RANKS[record.kind]
    if begun is not None:
        return Misfit(seq=begun.seq, because=_TOO_LATE.format(begun.kind))
    if last_digest is not None and previous != last_digest:
        because = "The chain does not end where it is said to: something was cut off or added."
        return Misfit(seq=len(records), because=because)
    return None


_TOO_LATE = "A {} comes too late to have been decided on."
_RANKS = {kind: rank for rank, kind in enumerate(Kind)}


def _misfit(record: Record, place: int, previous: str, rank: int) -> str:
    if record.seq != place:
        return f"Record {place} says it is record {record.seq}: one is missing, or was moved."
    if record.previous != previous:
        return "It does not follow the record before it."
    try:
        told = digest_of(
            seq=record.seq, kind=str(record.kind), body=record.body, previous=record.previous
        )
    except (TypeError, ValueError):
        return "It holds something that has no one plain form."
    if told != record.digest:
        return "What it holds was changed: its hash is another one."
    next_line = record.kind is Kind.READING and rank >= _RANKS[Kind.DECISION]
    if _RANKS[record.kind] < rank and not next_line:
        return _TOO_LATE.format(record.kind)
    return _undecided(record.body) if record.kind is Kind.DECISION else ""


def _undecided(body: Plain) -> str:
    """A decision must follow from what it names, and not only be well kept."""
    try:
        again = recomputed(body)
    except (AssertionError, KeyError, TypeError, ValueError):
        return "The decision cannot be made again: its policy or its inputs cannot be read."
    assert isinstance(body, dict)
    if canonical(again) != canonical(body["decision"]):
        return "Decided again it comes to something else."
    return ""


def _told(decision: Decision) -> Plain:
    told = plain_of(decision)
    assert isinstance(told, dict)
    return {"is": "place" if isinstance(decision, Place) else "wait", **told}
