"""Take in what gateways said: everything of one transaction, and what may be acknowledged after it.

    streams locked ─▶ ledger says what is new ─▶ readings copied ─▶ present moved ─▶ far enough?

The same message taken in twice, in any order and any company, leaves what it left the first time.
"""

from collections import defaultdict
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import psycopg

from cloud.core import present, ranges
from cloud.core.ranges import Range
from cloud.core.readings import (
    Arrival,
    Batch,
    Missing,
    PresenceSaid,
    StreamCommitted,
    Unreadable,
    set_aside,
)
from cloud.intake.translate import HOLES_MAX
from cloud.postgres import (
    bin_state,
    dead_letters,
    gateways,
    ledger,
    readings,
    sensors,
    streams,
)
from cloud.postgres.dead_letters import DeadLetter

# What the bytes are to blame for. Anything else is an outage or our own defect.
POISON = (psycopg.DataError, psycopg.IntegrityError, ValueError, OverflowError)


@dataclass(frozen=True, kw_only=True)
class TakenIn:
    """What one transaction came to."""

    committed: list[StreamCommitted] = field(default_factory=list)  # to be told to the gateways
    letters: list[DeadLetter] = field(default_factory=list)
    readings: int = 0
    repeats: int = 0

    def plus(self, other: "TakenIn") -> "TakenIn":
        return TakenIn(
            committed=[*self.committed, *other.committed],
            letters=[*self.letters, *other.letters],
            readings=self.readings + other.readings,
            repeats=self.repeats + other.repeats,
        )


@dataclass(frozen=True, kw_only=True)
class _Claim:
    """A range that a message wants to fill."""

    arrival: Arrival
    wants: Batch | Missing
    gateway: str
    gateway_id: int
    stream_no: int


@dataclass(kw_only=True)
class _Verdicts:
    entries: list[ledger.Entry] = field(default_factory=list)
    batches: list[_Claim] = field(default_factory=list)  # whose readings are new
    letters: list[DeadLetter] = field(default_factory=list)
    repeats: int = 0


def take_in(
    conn: psycopg.Connection,
    arrivals: Sequence[Arrival],
    now: datetime,
    known_letters: Container[bytes] = (),
) -> TakenIn:
    """All of `arrivals` in one transaction, or, when one of them is poison, each in its own.

    `known_letters` are fingerprints of dead letters already kept; the same is not kept twice.
    """
    try:
        return _take_in_together(conn, arrivals, now, known_letters)
    except POISON:
        taken = TakenIn()
        for arrival in arrivals:
            taken = taken.plus(_take_in_alone(conn, arrival, now, known_letters))
        return taken


def _take_in_alone(
    conn: psycopg.Connection, arrival: Arrival, now: datetime, known_letters: Container[bytes]
) -> TakenIn:
    try:
        return _take_in_together(conn, [arrival], now, known_letters)
    except POISON as error:
        because = f"the database refuses it: {error}".replace("\0", "\ufffd")
        aside = set_aside(arrival, because)
        return _take_in_together(conn, [aside], now, known_letters)


def _take_in_together(
    conn: psycopg.Connection,
    arrivals: Sequence[Arrival],
    now: datetime,
    known_letters: Container[bytes],
) -> TakenIn:
    with conn.transaction():
        ids = gateways.ids_of(conn, {a.gateway for a in arrivals if a.gateway is not None})
        claims, stream_of = _claims(conn, arrivals, ids, now)
        verdicts = _judge(conn, claims)
        ledger.insert(conn, verdicts.entries, now)
        count = _store(conn, verdicts.batches, now)
        _note_presence(conn, arrivals, ids, now)
        committed = _how_far(conn, claims, stream_of)
        letters = [
            letter
            for letter in dict.fromkeys((*_letters(arrivals, ids), *verdicts.letters))
            if letter.fingerprint not in known_letters
        ]
        dead_letters.insert(conn, letters, now)
    return TakenIn(committed=committed, letters=letters, readings=count, repeats=verdicts.repeats)


def _claims(
    conn: psycopg.Connection, arrivals: Iterable[Arrival], ids: dict[str, int], now: datetime
) -> tuple[list[_Claim], dict[int, streams.Stream]]:
    wanting: list[tuple[Arrival, Batch | Missing, str, int]] = []
    for arrival in arrivals:
        wants = _wants(arrival)
        if wants is not None and arrival.gateway in ids:
            wanting.append((arrival, wants, arrival.gateway, ids[arrival.gateway]))
    keys = {(gateway_id, wants.stream) for _, wants, _, gateway_id in wanting}
    found = streams.lock(conn, keys, now) if keys else {}
    claims = [
        _Claim(
            arrival=arrival,
            wants=wants,
            gateway=gateway,
            gateway_id=gateway_id,
            stream_no=found[gateway_id, wants.stream].stream_no,
        )
        for arrival, wants, gateway, gateway_id in wanting
    ]
    return claims, {stream.stream_no: stream for stream in found.values()}


def _wants(arrival: Arrival) -> Batch | Missing | None:
    match arrival.content:
        case Batch() | Missing() as wants:
            return wants
        case Unreadable(claim=claim):
            return claim
        case PresenceSaid():
            return None


def _judge(conn: psycopg.Connection, claims: Sequence[_Claim]) -> _Verdicts:
    """What is new, what a repeat, and what contradicts the ledger."""
    verdicts = _Verdicts()
    if not claims:
        return verdicts
    there = ledger.overlapping_one(conn, [(claim.stream_no, claim.wants.range) for claim in claims])
    fresh: dict[int, list[ledger.Entry]] = defaultdict(list)
    for place, claim in enumerate(claims):
        entry = there.get(place) or _overlapped(claim, fresh[claim.stream_no])
        added = _judge_one(conn, claim, entry, fresh[claim.stream_no], verdicts)
        fresh[claim.stream_no].extend(added)
        verdicts.entries.extend(added)
    return verdicts


def _overlapped(claim: _Claim, fresh: Iterable[ledger.Entry]) -> ledger.Entry | None:
    return next((entry for entry in fresh if entry.range.overlaps(claim.wants.range)), None)


def _judge_one(
    conn: psycopg.Connection,
    claim: _Claim,
    entry: ledger.Entry | None,
    fresh: Sequence[ledger.Entry],
    verdicts: _Verdicts,
) -> list[ledger.Entry]:
    """The entries that `claim` adds to the ledger."""
    wants, letter = claim.wants, claim.arrival
    if entry is None and isinstance(wants, Batch):
        verdicts.batches.append(claim)
        return [ledger.Entry(claim.stream_no, wants.range, wants.checksum, None)]
    if entry is not None and (entry.range, entry.checksum) == (wants.range, wants.checksum):
        verdicts.repeats += 1
        return []
    because = wants.because if isinstance(wants, Missing) else _contradiction(wants, entry)
    # Several can be overlapped, by a gap that grew or by a batch that should not exist.
    covered = [piece.range for piece in fresh]
    if entry is not None:
        covered += ledger.overlapping_all(conn, claim.stream_no, wants.range)
    parts = ranges.uncovered(wants.range, covered)
    if isinstance(wants, Batch) or (isinstance(letter.content, Unreadable) and parts):
        verdicts.letters.append(DeadLetter(letter.topic, letter.payload, because))
    elif not parts:
        verdicts.repeats += 1
    return [ledger.Entry(claim.stream_no, part, wants.checksum, because) for part in parts]


def _contradiction(wants: Batch, entry: ledger.Entry | None) -> str:
    assert entry is not None
    there = f"{entry.range.first} to {entry.range.last}"
    if entry.gap_because is not None:
        return f"readings {there} had been given up: {entry.gap_because}"
    if entry.range.first == wants.range.first:
        return f"readings from {wants.range.first} on came before, with other content"
    return f"readings {wants.range.first} to {wants.range.last} overlap {there}, which came before"


def _store(conn: psycopg.Connection, batches: Sequence[_Claim], now: datetime) -> int:
    """Copy the readings of new batches and move the present; how many there were."""
    if not batches:
        return 0
    keys = {
        (claim.gateway_id, reading.sensor)
        for claim in batches
        if isinstance(claim.wants, Batch)
        for reading in claim.wants.readings
    }
    known = sensors.heard(conn, keys)
    placed = [
        readings.Placed(known[claim.gateway_id, reading.sensor].sensor_id, claim.stream_no, reading)
        for claim in batches
        if isinstance(claim.wants, Batch)
        for reading in claim.wants.readings
    ]
    readings.copy_in(conn, placed, now)
    bin_of = {sensor.sensor_id: sensor.bin_id for sensor in known.values()}
    news = [
        (bin_id, item)
        for item in present.newest(placed, now)
        if (bin_id := bin_of[item.sensor_id]) is not None
    ]
    bin_state.move(conn, sorted(news, key=lambda pair: pair[0]), now)
    return len(placed)


def _note_presence(
    conn: psycopg.Connection, arrivals: Iterable[Arrival], ids: dict[str, int], now: datetime
) -> None:
    latest = {
        ids[arrival.gateway]: (arrival.content, arrival.kept)
        for arrival in arrivals
        if isinstance(arrival.content, PresenceSaid) and arrival.gateway in ids
    }
    for gateway_id, (said, kept) in sorted(latest.items()):
        gateways.note_presence(conn, gateway_id, said, now, kept=kept)


def _how_far(
    conn: psycopg.Connection, claims: Sequence[_Claim], stream_of: dict[int, streams.Stream]
) -> list[StreamCommitted]:
    """Per stream touched: how far it is committed, after what this transaction added."""
    touched: dict[tuple[str, UUID, int], list[Range]] = defaultdict(list)
    for claim in claims:
        touched[claim.gateway, claim.wants.stream, claim.stream_no].append(claim.wants.range)
    upto = {stream_no: stream_of[stream_no].contiguous_upto for _, _, stream_no in touched}
    beyond = _advance(conn, upto)
    streams.advance(conn, upto)
    return [
        _committed(gateway, stream, upto[stream_no], beyond[stream_no], here)
        for (gateway, stream, stream_no), here in touched.items()
    ]


def _advance(conn: psycopg.Connection, upto: dict[int, int]) -> dict[int, list[Range]]:
    """Move `upto` along the ledger; what is committed beyond the first hole of each stream."""
    beyond: dict[int, list[Range]] = {stream_no: [] for stream_no in upto}
    unfinished = set(upto)
    while unfinished:
        found = ledger.beyond(conn, [(stream_no, upto[stream_no]) for stream_no in unfinished])
        unfinished = set()
        for stream_no, pieces in found.items():
            upto[stream_no] = ranges.contiguous(upto[stream_no], pieces)
            beyond[stream_no] = [piece for piece in pieces if piece.first > upto[stream_no]]
            if len(pieces) == ledger.BEYOND_MAX and not beyond[stream_no]:
                unfinished.add(stream_no)
    return beyond


def _committed(
    gateway: str, stream: UUID, upto: int, beyond: Sequence[Range], here: Sequence[Range]
) -> StreamCommitted:
    """Whatever else is left out, what has just been committed is acknowledged.

    An acknowledgement has room for so many holes. When there are more, it speaks of what came
    now, and calls the rest a hole: the gateway keeps a little longer what it could forget.
    """
    last_here = max(piece.last for piece in here)
    there = list(beyond)
    missing = ranges.holes(upto, there)
    if len(missing) > HOLES_MAX or ranges.end(upto, there) < last_here:
        # So many pieces have so many holes before them at most.
        there = sorted(piece for piece in here if piece.last > upto)[:HOLES_MAX]
        missing = ranges.holes(upto, there)
    return StreamCommitted(
        gateway=gateway, stream=stream, upto=ranges.end(upto, there), holes=tuple(missing)
    )


def _letters(arrivals: Iterable[Arrival], ids: dict[str, int]) -> list[DeadLetter]:
    """What nobody can place: no topic of ours, no such gateway, no telling which range.

    Presence is none of these: it is a state, said again every half minute, and worth nothing later.
    """
    letters = []
    for arrival in arrivals:
        content = arrival.content
        if isinstance(content, PresenceSaid):
            continue
        if arrival.gateway is not None and arrival.gateway not in ids:
            because = f"no gateway of this name: {arrival.gateway}"
        elif isinstance(content, Unreadable) and content.claim is None:
            because = content.because
        else:
            continue
        letters.append(DeadLetter(arrival.topic, arrival.payload, because))
    return letters
