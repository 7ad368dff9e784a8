"""What a transaction hears: whose streams it is about, held or only seen, and what is new of them.

    gateways ─▶ streams ─▶ two machines under one name parted off ─▶ ledger ─▶ verdicts

Whoever is to store something holds its streams. `copy_ahead` only sees them, and is judged again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg

from cloud.actions import store
from cloud.actions.store import Ahead, New
from cloud.core import taking, twins
from cloud.core.readings import Arrival, KeptSaid, PresenceSaid
from cloud.core.taking import Claim, Verdicts
from cloud.core.times import Span
from cloud.postgres import gateways, ledger, streams
from cloud.postgres.gateways import Gateway
from cloud.postgres.streams import Stream, StreamKey


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What a transaction is about, after the doubtful machines were parted off."""

    gateways: Mapping[str, Gateway]
    streams: Mapping[StreamKey, Stream]  # those that may go on
    claims: Sequence[Claim]
    kept: Sequence[tuple[str, KeptSaid]]
    presences: Sequence[tuple[str, PresenceSaid, bool]]
    held: int


def copy_ahead(
    conn: psycopg.Connection, arrivals: Sequence[Arrival], now: datetime, span: Span
) -> Ahead | None:
    """What seems to be new, copied while others hold its streams."""
    known = _gateways_of(conn, arrivals)
    wanted, asked = _wanted(arrivals, known)
    heard = _part(arrivals, known, streams.seen(conn, {*wanted, *asked}))
    verdicts = judge(conn, heard)
    fresh = new_of(heard, verdicts)
    return store.copy_ahead(conn, fresh, now, span) if fresh and not verdicts.steps else None


def judge(conn: psycopg.Connection, heard: Heard) -> Verdicts:
    upto = {stream.stream_no: stream.contiguous_upto for stream in heard.streams.values()}
    return taking.judge(heard.claims, _overlapped(conn, heard.claims), upto)


def listen(
    conn: psycopg.Connection, arrivals: Sequence[Arrival], now: datetime, *, wait: bool
) -> Heard:
    known = _gateways_of(conn, arrivals)
    wanted, asked = _wanted(arrivals, known)
    # In one go, for the order in which they are held; what was only asked for is not registered.
    found = streams.find(conn, {*wanted, *asked}, wait=wait)
    found |= streams.lock(conn, wanted, now, found)
    return _part(arrivals, known, found)


def _gateways_of(conn: psycopg.Connection, arrivals: Iterable[Arrival]) -> dict[str, Gateway]:
    return gateways.by_name(conn, {a.gateway for a in arrivals if a.gateway is not None})


def _wanted(
    arrivals: Iterable[Arrival], known: Mapping[str, Gateway]
) -> tuple[dict[StreamKey, int], set[StreamKey]]:
    """The streams that are to be registered, with the life they say; and those only asked for."""
    wanted: dict[StreamKey, int] = {}
    asked: set[StreamKey] = set()
    for arrival in arrivals:
        gateway = known.get(arrival.gateway or "")
        if gateway is None:
            continue
        wants = taking.wants_of(arrival)
        if wants is not None:
            key = (gateway.gateway_id, wants.stream)
            wanted[key] = max(wanted.get(key, 0), wants.life)
        elif isinstance(arrival.content, PresenceSaid) and _is_voice(arrival):
            wanted.setdefault((gateway.gateway_id, arrival.content.stream), 0)
        elif isinstance(arrival.content, KeptSaid):
            asked.add((gateway.gateway_id, arrival.content.stream))
    return wanted, asked


def _is_voice(arrival: Arrival) -> bool:
    content = arrival.content
    return isinstance(content, PresenceSaid) and content.state == "online" and not arrival.kept


def _part(
    arrivals: Iterable[Arrival],
    known: Mapping[str, Gateway],
    found: Mapping[StreamKey, Stream],
) -> Heard:
    """Part off the streams of a machine that uses another's name: neither stored nor answered."""
    twin_of = {gateway.gateway_id: gateway.twins for gateway in known.values()}
    going = {
        (gateway_id, stream): row
        for (gateway_id, stream), row in found.items()
        if not twins.is_held(twin_of[gateway_id], stream, row.began, refused=row.refused)
    }
    claims: list[Claim] = []
    kept: list[tuple[str, KeptSaid]] = []
    presences: list[tuple[str, PresenceSaid, bool]] = []
    held = 0
    for arrival in arrivals:
        name = arrival.gateway or ""
        gateway = known.get(name)
        if gateway is None:
            continue
        content, wants = arrival.content, taking.wants_of(arrival)
        if isinstance(content, PresenceSaid):
            presences.append((name, content, arrival.kept))
        elif isinstance(content, KeptSaid):
            key = (gateway.gateway_id, content.stream)
            if key in going or key not in found:
                kept.append((name, content))
        elif wants is not None and (gateway.gateway_id, wants.stream) in going:
            stream = going[gateway.gateway_id, wants.stream]
            claims.append(Claim(arrival, wants, stream.stream_no))
        elif wants is not None:
            held += 1
    return Heard(
        gateways=known, streams=going, claims=claims, kept=kept, presences=presences, held=held
    )


def _overlapped(
    conn: psycopg.Connection, claims: Sequence[Claim]
) -> dict[int, Sequence[taking.Entry]]:
    """What the ledger has in the place of each claim. Nearly always nothing, or the same."""
    if not claims:
        return {}
    nearest = ledger.overlapping_one(conn, [(c.stream_no, c.wants.range) for c in claims])
    return {
        place: [entry]
        if taking.is_repeat(claims[place].wants, entry)
        else ledger.overlapping_all(conn, claims[place].stream_no, claims[place].wants.range)
        for place, entry in nearest.items()
    }


def new_of(heard: Heard, verdicts: Verdicts) -> list[New]:
    origins = {stream.stream_no: (key[0], stream) for key, stream in heard.streams.items()}
    return [New(*origins[stream_no], batch) for stream_no, batch in verdicts.stored]
