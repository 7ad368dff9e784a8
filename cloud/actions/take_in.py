"""Take in what gateways said: everything of one transaction, and what may be acknowledged after it.

    streams locked ─▶ ledger says what is new ─▶ readings copied ─▶ present moved ─▶ far enough?

The same message taken in twice, in any order and any company, leaves what it left the first time.
What is new, a repeat or a contradiction, and what is acknowledged, `cloud.core.taking` decides.
"""

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum, auto
from uuid import UUID

import psycopg
from psycopg.errors import DeadlockDetected, UniqueViolation

from cloud.actions.store import (
    POISON,
    Ahead,
    New,
    Stored,
    copy_ahead,
    mark_due,
    move,
    refused,
    store,
)
from cloud.core import taking, times, twins
from cloud.core.ranges import Range
from cloud.core.readings import (
    Arrival,
    Batch,
    KeptSaid,
    PresenceSaid,
    Reading,
    StreamCommitted,
    Unreadable,
    from_ms,
    set_aside,
    to_ms,
)
from cloud.core.taking import Claim, Verdicts
from cloud.core.times import Span
from cloud.core.touched import Touched
from cloud.core.twins import Twins
from cloud.intake import translate
from cloud.postgres import (
    clock_steps,
    dead_letters,
    gateways,
    ledger,
    sensors,
    streams,
)
from cloud.postgres.dead_letters import DeadLetter
from cloud.postgres.gateways import Gateway
from cloud.postgres.streams import Stream, StreamKey

AGE_MAX = timedelta(days=400)


class Holding(Enum):
    """When the streams are held, until the commit: what is new must not change meanwhile."""

    AT_ONCE = auto()  # or not at all, when somebody else has them
    AFTER_COPY = auto()
    WHEN_FREE = auto()


class _OutrunError(Exception):
    """Somebody else stored, or changed, what seemed to be new."""


@dataclass(frozen=True, kw_only=True)
class TakenIn:
    """What one transaction came to."""

    committed: list[StreamCommitted] = field(default_factory=list)  # to be told to the gateways
    letters: list[DeadLetter] = field(default_factory=list)
    letters_beyond: int = 0  # too many of one gateway: counted, not kept
    readings: int = 0
    repeats: int = 0
    aside: int = 0  # of the readings: stored apart, for their time cannot be
    held: int = 0  # messages of a machine that uses another's name
    rewound: list[tuple[str, UUID]] = field(default_factory=list)  # gateways remember more than we
    steps: int = 0
    crowded: bool = False  # others were found at work on the same streams
    twins: dict[str, Twins | None] = field(default_factory=dict)  # alarms raised, or gone quiet

    def plus(self, other: "TakenIn") -> "TakenIn":
        return TakenIn(
            committed=[*self.committed, *other.committed],
            letters=[*self.letters, *other.letters],
            letters_beyond=self.letters_beyond + other.letters_beyond,
            readings=self.readings + other.readings,
            repeats=self.repeats + other.repeats,
            aside=self.aside + other.aside,
            held=self.held + other.held,
            rewound=[*self.rewound, *other.rewound],
            steps=self.steps + other.steps,
            crowded=self.crowded or other.crowded,
            twins={**self.twins, **other.twins},
        )


@dataclass(frozen=True, kw_only=True)
class _Heard:
    """What a transaction is about, after the doubtful machines were parted off."""

    gateways: Mapping[str, Gateway]
    streams: Mapping[StreamKey, Stream]  # those that may go on
    claims: Sequence[Claim]
    kept: Sequence[tuple[str, KeptSaid]]
    presences: Sequence[tuple[str, PresenceSaid, bool]]
    held: int


def take_in(
    conn: psycopg.Connection,
    arrivals: Sequence[Arrival],
    now: datetime,
    known_letters: Container[bytes] = (),
    *,
    age_max: timedelta = AGE_MAX,
    crowded: bool = False,
) -> TakenIn:
    """All of `arrivals` in one transaction; when one of them is poison, halves, down to the row.

    `known_letters` are fingerprints of dead letters already kept; the same is not kept twice.
    Readings older than `age_max` are set aside. `crowded`: others are at work on the same streams.
    """
    try:
        return _soon(conn, arrivals, now, known_letters, age_max, crowded=crowded)
    except POISON as error:
        if len(arrivals) == 1:
            return _alone(conn, arrivals[0], now, known_letters, age_max, error)
    middle = len(arrivals) // 2
    first = take_in(conn, arrivals[:middle], now, known_letters, age_max=age_max)
    return first.plus(take_in(conn, arrivals[middle:], now, known_letters, age_max=age_max))


def correct_some(conn: psycopg.Connection, now: datetime, *, age_max: timedelta = AGE_MAX) -> bool:
    """Correct a piece of what came before its gateway's clock was set; False: none is left."""
    with conn.transaction():
        todo = clock_steps.next_todo(conn)
        if todo is None:
            return False
        released = clock_steps.correct_piece(conn, todo, times.believed(to_ms(now), age_max))
        if released:
            ids = [item.sensor_id for item in released]
            stamps = [item.place.at_ms for item in released]
            mark_due(conn, Touched.of(zip(ids, stamps, strict=True)))
            move(conn, released, sensors.bins_of(conn, set(ids)), now)
    return True


def _soon(
    conn: psycopg.Connection,
    arrivals: Sequence[Arrival],
    now: datetime,
    known_letters: Container[bytes],
    age_max: timedelta,
    *,
    crowded: bool,
) -> TakenIn:
    """Together. When another process is at work on their streams, only the last part waits for it.

    Copying is most of the work, and needs the streams only for knowing what is new: that is
    looked at before, and again when the streams are held. If it then is another thing, nearly
    always the same message in two hands, all of it is undone and done again.
    """
    if not crowded:
        try:
            return _together(conn, arrivals, now, known_letters, age_max, holding=Holding.AT_ONCE)
        except (streams.HeldError, DeadlockDetected):
            pass
    try:
        taken = _together(conn, arrivals, now, known_letters, age_max, holding=Holding.AFTER_COPY)
        return taken if crowded else replace(taken, crowded=True)
    except (_OutrunError, UniqueViolation, DeadlockDetected):
        return _together(conn, arrivals, now, known_letters, age_max)


def _alone(  # noqa: PLR0917 - what `take_in` was given, and why it failed
    conn: psycopg.Connection,
    arrival: Arrival,
    now: datetime,
    known_letters: Container[bytes],
    age_max: timedelta,
    error: Exception,
) -> TakenIn:
    """One message that the database refuses: what is sound in it is stored, the rest kept aside."""
    if isinstance(arrival.content, Batch):
        try:
            return _together(conn, [arrival], now, known_letters, age_max, bisecting=True)
        except POISON as still:
            error = still
    aside = set_aside(arrival, refused(error))
    return _together(conn, [aside], now, known_letters, age_max)


def _together(
    conn: psycopg.Connection,
    arrivals: Sequence[Arrival],
    now: datetime,
    known_letters: Container[bytes],
    age_max: timedelta,
    *,
    bisecting: bool = False,
    holding: Holding = Holding.WHEN_FREE,
) -> TakenIn:
    span = times.believed(to_ms(now), age_max)
    with conn.transaction():
        ahead = None
        if holding is Holding.AFTER_COPY:
            ahead = _copy_ahead(conn, arrivals, now, span)
        heard = _listen(conn, arrivals, now, wait=holding is not Holding.AT_ONCE)
        verdicts = _judge(conn, heard)
        fresh = _fresh(heard, verdicts)
        if ahead is not None and (verdicts.steps or not ahead.is_of(fresh)):
            raise _OutrunError
        clock_steps.insert(conn, verdicts.steps, now)
        stepped = {stream_no for stream_no, _ in verdicts.steps}
        stored = store(conn, fresh, now, span, stepped=stepped, bisecting=bisecting, ahead=ahead)
        ledger.insert(conn, _entries(verdicts, stored), now)
        alarms = _note_presence(conn, heard, now)
        committed, rewound = _how_far(conn, heard)
        letters = [
            letter
            for letter in dict.fromkeys(
                (
                    *_unplaced(arrivals, heard.gateways),
                    *(_letter(one.arrival, one.because) for one in verdicts.letters),
                    *(_spoiled(arrivals[0], *one) for one in stored.spoiled),
                )
            )
            if letter.fingerprint not in known_letters
        ]
        beyond = dead_letters.insert(conn, letters, now)
    return TakenIn(
        committed=committed,
        letters=letters,
        letters_beyond=beyond,
        readings=stored.readings,
        repeats=verdicts.repeats,
        aside=stored.aside,
        held=heard.held,
        rewound=rewound,
        steps=len(verdicts.steps),
        twins=alarms,
    )


def _copy_ahead(
    conn: psycopg.Connection, arrivals: Sequence[Arrival], now: datetime, span: Span
) -> Ahead | None:
    """What seems to be new, copied while others hold its streams."""
    known = _gateways_of(conn, arrivals)
    wanted, asked = _wanted(arrivals, known)
    heard = _part(arrivals, known, streams.seen(conn, {*wanted, *asked}))
    verdicts = _judge(conn, heard)
    fresh = _fresh(heard, verdicts)
    return copy_ahead(conn, fresh, now, span) if fresh and not verdicts.steps else None


def _judge(conn: psycopg.Connection, heard: _Heard) -> Verdicts:
    upto = {stream.stream_no: stream.contiguous_upto for stream in heard.streams.values()}
    return taking.judge(heard.claims, _overlapped(conn, heard.claims), upto)


def _listen(
    conn: psycopg.Connection, arrivals: Sequence[Arrival], now: datetime, *, wait: bool
) -> _Heard:
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
) -> _Heard:
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
    return _Heard(
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


def _fresh(heard: _Heard, verdicts: Verdicts) -> list[New]:
    origins = {stream.stream_no: (key[0], stream) for key, stream in heard.streams.items()}
    return [New(*origins[stream_no], batch) for stream_no, batch in verdicts.stored]


def _entries(verdicts: Verdicts, stored: Stored) -> list[taking.Entry]:
    """The entries, less what was refused: only a batch alone is looked at that closely."""
    if not stored.spoiled:
        return verdicts.entries
    (entry,) = verdicts.entries
    because = entry.because or stored.spoiled[0][1][: dead_letters.BECAUSE_CHARS_MAX]
    return [entry._replace(because=because, given_up=entry.given_up + len(stored.spoiled))]


def _note_presence(
    conn: psycopg.Connection, heard: _Heard, now: datetime
) -> dict[str, Twins | None]:
    """Which alarms of two machines under one name were raised by it, or went quiet."""
    latest = {name: (said, kept) for name, said, kept in heard.presences}
    alarms: dict[str, Twins | None] = {}
    for name, (last, kept) in sorted(latest.items()):
        gateway = heard.gateways[name]
        gateways.note_presence(conn, gateway.gateway_id, last, now, kept=kept)
        spoken = [
            said
            for whose, said, old in heard.presences
            if whose == name and said.state == "online" and not old and said.at_ms
        ]
        if spoken:
            alarm = _listen_for_twins(conn, gateway, spoken, now)
            if alarm != gateway.twins:
                alarms[name] = alarm
    return alarms


def _listen_for_twins(
    conn: psycopg.Connection, gateway: Gateway, spoken: Iterable[PresenceSaid], now: datetime
) -> Twins | None:
    voices = streams.voices(conn, gateway.gateway_id)
    for said in spoken:
        began = streams.began(conn, gateway.gateway_id, said.stream)
        if began is None:
            continue  # refused by a person: it has no voice
        voice = twins.speak(voices, said.stream, from_ms(said.at_ms), began, now)
        if voice is not None:
            voices = [voice, *(other for other in voices if other.stream != said.stream)]
            streams.spoke(conn, gateway.gateway_id, voice)
    alarm = twins.after(gateway.twins, voices, now)
    if alarm != gateway.twins:
        gateways.note_twins(conn, gateway.gateway_id, alarm)
    return alarm


def _how_far(
    conn: psycopg.Connection, heard: _Heard
) -> tuple[list[StreamCommitted], list[tuple[str, UUID]]]:
    """Per stream touched, how far it is committed now; and which gateways remember more than we."""
    by_key = {(g, s): row for (g, s), row in heard.streams.items()}
    touched: dict[tuple[str, UUID], list[Range]] = defaultdict(list)
    for claim in heard.claims:
        assert claim.arrival.gateway is not None
        touched[claim.arrival.gateway, claim.wants.stream].append(claim.wants.range)
    remembered = {(name, said.stream): said.ranges for name, said in heard.kept}
    for key in remembered:
        touched.setdefault(key, [])
    rows = {
        (name, stream): by_key.get((heard.gateways[name].gateway_id, stream))
        for name, stream in touched
    }
    before = {row.stream_no: row.contiguous_upto for row in rows.values() if row is not None}
    there = _advance(conn, before)
    streams.advance(conn, {no: upto for no, (upto, _, _) in there.items() if upto > before[no]})
    committed, rewound = [], []
    for (name, stream), here in touched.items():
        row = rows[name, stream]
        upto, beyond, complete = (0, [], True) if row is None else there[row.stream_no]
        said = taking.answer(upto, beyond, here, complete=complete, holes_max=translate.HOLES_MAX)
        committed.append(
            StreamCommitted(
                gateway=name, stream=stream, upto=said.upto, holes=said.holes, exact=said.exact
            )
        )
        if said.exact and taking.lost(remembered.get((name, stream), ()), upto, beyond):
            rewound.append((name, stream))
    return committed, rewound


def _advance(
    conn: psycopg.Connection, upto: Mapping[int, int]
) -> dict[int, tuple[int, list[Range], bool]]:
    """Per stream: how far all is there, what is committed beyond that, and whether that is all."""
    there: dict[int, tuple[int, list[Range], bool]] = {}
    unfinished = dict(upto)
    while unfinished:
        found = ledger.beyond(conn, list(unfinished.items()))
        for stream_no, pieces in found.items():
            reached, beyond = taking.how_far(unfinished.pop(stream_no), pieces)
            complete = len(pieces) < ledger.BEYOND_MAX
            if complete or beyond:
                there[stream_no] = (reached, beyond, complete)
            else:
                unfinished[stream_no] = reached
    return there


def _unplaced(arrivals: Iterable[Arrival], known: Mapping[str, Gateway]) -> Iterable[DeadLetter]:
    """What nobody can place: no topic of ours, no such gateway, no telling which range.

    Presence is none of these: it is a state, said again every half minute, and worth nothing later.
    """
    for arrival in arrivals:
        content = arrival.content
        if isinstance(content, PresenceSaid):
            continue
        if arrival.gateway is not None and arrival.gateway not in known:
            because = f"no gateway of this name: {arrival.gateway}"
            yield DeadLetter(arrival.topic, arrival.payload, because)
        elif isinstance(content, Unreadable) and content.claim is None:
            yield _letter(arrival, content.because)


def _letter(arrival: Arrival, because: str) -> DeadLetter:
    return DeadLetter(arrival.topic, arrival.payload, because, arrival.gateway or "")


def _spoiled(arrival: Arrival, reading: Reading, because: str) -> DeadLetter:
    """One reading that the database refuses, as a message of its own: it can be replayed alone."""
    payload = translate.single(arrival.topic, arrival.payload, reading.seq)
    return DeadLetter(arrival.topic, payload, because, arrival.gateway or "")
