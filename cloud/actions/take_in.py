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

from cloud.actions.listen import Heard, copy_ahead, judge, listen, new_of
from cloud.actions.store import POISON, Stored, copied, mark_due, news_of, refused
from cloud.core import taking, times, twins
from cloud.core.ranges import Range
from cloud.core.readings import (
    Arrival,
    Batch,
    PresenceSaid,
    Reading,
    StreamCommitted,
    Unreadable,
    from_ms,
    set_aside,
    to_ms,
)
from cloud.core.taking import Verdicts
from cloud.core.touched import Touched
from cloud.core.twins import Twins
from cloud.intake import translate
from cloud.postgres import (
    bin_state,
    clock_steps,
    dead_letters,
    gateways,
    ledger,
    sensors,
    streams,
)
from cloud.postgres.dead_letters import DeadLetter
from cloud.postgres.gateways import Gateway
from cloud.postgres.streams import Stream

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
            bin_state.move(conn, news_of(released, sensors.bins_of(conn, set(ids))), now)
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
            ahead = copy_ahead(conn, arrivals, now, span)
        heard = listen(conn, arrivals, now, wait=holding is not Holding.AT_ONCE)
        verdicts = judge(conn, heard)
        fresh = new_of(heard, verdicts)
        if ahead is not None and (verdicts.steps or not ahead.is_of(fresh)):
            raise _OutrunError
        clock_steps.insert(conn, verdicts.steps, now)
        stepped = {stream_no for stream_no, _ in verdicts.steps}
        stored = copied(conn, fresh, now, span, stepped=stepped, bisecting=bisecting, ahead=ahead)
        committed, rewound = _note(conn, heard, _entries(verdicts, stored), stored, now)
        alarms = _note_presence(conn, heard, now)
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


def _note(
    conn: psycopg.Connection,
    heard: Heard,
    entries: Sequence[taking.Entry],
    stored: Stored,
    now: datetime,
) -> tuple[list[StreamCommitted], list[tuple[str, UUID]]]:
    """Beside the readings: what they touch, the ledger, the present; how far each stream is.

    One after the other without waiting: while the database writes one down, the next is worked out.
    """
    concerned = _concerned(heard)
    with conn.pipeline():
        mark_due(conn, stored.touched)
        bins = bin_state.hold(conn, stored.news) if stored.news else None
        sent = ledger.send(conn, entries, now) if entries else None
        asked = ledger.ask_beyond(conn, concerned.upto.items()) if concerned.upto else None
        bin_state.move(conn, stored.news, now, bins)
        said = _how_far(conn, heard, concerned, asked)
    if sent is not None:
        ledger.check(sent, entries)
    return said


def _entries(verdicts: Verdicts, stored: Stored) -> list[taking.Entry]:
    """The entries, less what was refused: only a batch alone is looked at that closely."""
    if not stored.spoiled:
        return verdicts.entries
    (entry,) = verdicts.entries
    because = entry.because or stored.spoiled[0][1][: dead_letters.BECAUSE_CHARS_MAX]
    return [entry._replace(because=because, given_up=entry.given_up + len(stored.spoiled))]


def _note_presence(
    conn: psycopg.Connection, heard: Heard, now: datetime
) -> dict[str, Twins | None]:
    """Which alarms of two machines under one name were raised by it, or went quiet."""
    latest = {name: (said, kept) for name, said, kept in heard.presences}
    alarms: dict[str, Twins | None] = {}
    for name, (last, kept) in sorted(latest.items()):
        gateway = heard.gateways[name]
        if not (kept and _was_heard(conn, gateway, last)):
            gateways.note_presence(conn, gateway.gateway_id, last, now)
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


def _was_heard(conn: psycopg.Connection, gateway: Gateway, said: PresenceSaid) -> bool:
    """Whether what the broker kept is older than what became of it since."""
    if not said.at_ms:
        return False  # a last will: nobody knows when it was left
    voices = streams.voices(conn, gateway.gateway_id)
    return any(v.stream == said.stream and from_ms(said.at_ms) <= v.said for v in voices)


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


@dataclass(frozen=True, kw_only=True)
class _Concerned:
    """The streams that the gateways are to be told about."""

    here: Mapping[tuple[str, UUID], Sequence[Range]]  # what was said of each just now
    rows: Mapping[tuple[str, UUID], Stream | None]  # None: not known
    upto: Mapping[int, int]  # how far each was there before


def _concerned(heard: Heard) -> _Concerned:
    here: dict[tuple[str, UUID], list[Range]] = defaultdict(list)
    for claim in heard.claims:
        assert claim.arrival.gateway is not None
        here[claim.arrival.gateway, claim.wants.stream].append(claim.wants.range)
    for name, said in heard.kept:
        here.setdefault((name, said.stream), [])
    rows = {
        (name, stream): heard.streams.get((heard.gateways[name].gateway_id, stream))
        for name, stream in here
    }
    upto = {row.stream_no: row.contiguous_upto for row in rows.values() if row is not None}
    return _Concerned(here=here, rows=rows, upto=upto)


def _how_far(
    conn: psycopg.Connection,
    heard: Heard,
    concerned: _Concerned,
    asked: psycopg.Cursor | None,
) -> tuple[list[StreamCommitted], list[tuple[str, UUID]]]:
    """Per stream touched, how far it is committed now; and which gateways remember more than we."""
    before = concerned.upto
    there = _advance(conn, before, asked)
    streams.advance(conn, {no: upto for no, (upto, _, _) in there.items() if upto > before[no]})
    remembered = {(name, said.stream): said.ranges for name, said in heard.kept}
    committed, rewound = [], []
    for (name, stream), here in concerned.here.items():
        row = concerned.rows[name, stream]
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
    conn: psycopg.Connection, upto: Mapping[int, int], asked: psycopg.Cursor | None
) -> dict[int, tuple[int, list[Range], bool]]:
    """Per stream: how far all is there, what is committed beyond that, and whether that is all."""
    there: dict[int, tuple[int, list[Range], bool]] = {}
    unfinished = dict(upto)
    while unfinished:
        found = ledger.beyond(conn, list(unfinished.items()), asked)
        asked = None
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
