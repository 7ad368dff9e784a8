"""What becomes of the ranges that messages want to fill, and how much may be acknowledged.

    claims, what the ledger has there ─▶ judge ─▶ entries to add, what to store, letters to keep
    how far it was, what is beyond    ─▶ how_far, answer ─▶ the acknowledgement

Nothing here knows where the ledger is kept: the same code runs over a database and over a list.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import NamedTuple

from cloud.core import ranges
from cloud.core.ranges import Range
from cloud.core.readings import Arrival, Batch, Missing, Step, Unreadable, Wants

NOTHING_PRUNED: Mapping[int, int] = MappingProxyType({})


class Entry(NamedTuple):
    """A committed range of a stream. Ranges of one stream never overlap."""

    stream_no: int
    range: Range
    checksum: int
    because: str | None = None  # why `given_up` of its readings never came
    given_up: int = 0


class Claim(NamedTuple):
    """A range that a message wants to fill."""

    arrival: Arrival
    wants: Wants
    stream_no: int


class Letter(NamedTuple):
    arrival: Arrival
    because: str


class Answer(NamedTuple):
    upto: int
    holes: tuple[Range, ...]
    exact: bool


@dataclass(kw_only=True)
class Verdicts:
    entries: list[Entry] = field(default_factory=list)
    stored: list[tuple[int, Batch]] = field(default_factory=list)  # new, by stream number
    steps: list[tuple[int, Step]] = field(default_factory=list)  # new, by stream number
    letters: list[Letter] = field(default_factory=list)
    repeats: int = 0


def wants_of(arrival: Arrival) -> Wants | None:
    match arrival.content:
        case Batch() | Missing() | Step() as wants:
            return wants
        case Unreadable(claim=claim):
            return claim
        case _:
            return None


def judge(
    claims: Sequence[Claim],
    there: Mapping[int, Sequence[Entry]],
    upto: Mapping[int, int] = NOTHING_PRUNED,
) -> Verdicts:
    """What is new, what a repeat, and what contradicts the ledger.

    `there` has, by the place of a claim, the entries that it overlaps; absent when there are none.
    `upto` says up to where each stream is committed: entries below may have been pruned.
    """
    verdicts = Verdicts()
    fresh: dict[int, list[Entry]] = defaultdict(list)
    ends: dict[int, int] = defaultdict(int)  # nearly always a claim begins after all before it
    for place, claim in enumerate(claims):
        wanted = claim.wants.range
        overlapped = [*there.get(place, ())]
        overlapped += _pruned(claim, overlapped, upto.get(claim.stream_no, 0))
        if wanted.first <= ends[claim.stream_no]:
            here = fresh[claim.stream_no]
            overlapped += [entry for entry in here if entry.range.overlaps(wanted)]
        added = _judge_one(claim, overlapped, verdicts)
        fresh[claim.stream_no].extend(added)
        ends[claim.stream_no] = max(ends[claim.stream_no], wanted.last)
        verdicts.entries.extend(added)
    return verdicts


def is_repeat(wants: Wants, entry: Entry) -> bool:
    return (entry.range, entry.checksum) == (wants.range, wants.checksum)


def how_far(upto: int, pieces: Sequence[Range]) -> tuple[int, list[Range]]:
    """How far all is there, and what is beyond the first hole, from what lies above `upto`."""
    upto = ranges.contiguous(upto, pieces)
    return upto, [piece for piece in pieces if piece.first > upto]


def answer(
    upto: int, beyond: Sequence[Range], here: Sequence[Range], *, complete: bool, holes_max: int
) -> Answer:
    """What to acknowledge. `complete`: `beyond` has all there is above `upto`.

    Whatever else is left out, what has just been committed is acknowledged. There is room for so
    many holes: when there are more, it speaks of what came now, and calls the rest a hole. The
    gateway then keeps a little longer what it could forget, and must not take it for lost.
    """
    last_here = max((piece.last for piece in here), default=0)
    missing = ranges.holes(upto, beyond)
    if len(missing) <= holes_max and ranges.end(upto, beyond) >= last_here:
        return Answer(ranges.end(upto, beyond), tuple(missing), complete)
    # So many pieces have so many holes before them at most.
    there = sorted(piece for piece in here if piece.last > upto)[:holes_max]
    return Answer(ranges.end(upto, there), tuple(ranges.holes(upto, there)), exact=False)


def lost(kept: Iterable[Range], upto: int, beyond: Sequence[Range]) -> list[Range]:
    """What a gateway holds as acknowledged, and is not committed: the past was taken back."""
    there = [Range(1, upto), *beyond] if upto else list(beyond)
    return [part for piece in kept for part in ranges.uncovered(piece, there)]


def _pruned(claim: Claim, overlapped: Sequence[Entry], upto: int) -> list[Entry]:
    """What is committed though the ledger no longer names it; with what content is forgotten."""
    wanted = claim.wants.range
    if wanted.first > upto:
        return []
    below = Range(wanted.first, min(wanted.last, upto))
    return [
        Entry(claim.stream_no, part, claim.wants.checksum)
        for part in ranges.uncovered(below, [entry.range for entry in overlapped])
    ]


def _judge_one(claim: Claim, overlapped: Sequence[Entry], verdicts: Verdicts) -> list[Entry]:
    """The entries that `claim` adds to the ledger."""
    wants = claim.wants
    if not overlapped and isinstance(wants, Batch):
        verdicts.stored.append((claim.stream_no, wants))
        because = wants.because if wants.given_up else None
        return [Entry(claim.stream_no, wants.range, wants.checksum, because, wants.given_up)]
    if not overlapped and isinstance(wants, Step):
        verdicts.steps.append((claim.stream_no, wants))
        return [Entry(claim.stream_no, wants.range, wants.checksum)]
    if any(is_repeat(wants, entry) for entry in overlapped):
        verdicts.repeats += 1
        return []
    # Several can be overlapped, by a gap that grew or by readings that were batched anew.
    parts = ranges.uncovered(wants.range, [entry.range for entry in overlapped])
    if isinstance(wants, Batch):
        verdicts.letters.append(Letter(claim.arrival, _contradiction(wants, overlapped[0])))
        return [_stored_part(claim.stream_no, wants, part, verdicts) for part in parts]
    because = wants.because if isinstance(wants, Missing) else _contradiction(wants, overlapped[0])
    unreadable = isinstance(claim.arrival.content, Unreadable)
    if isinstance(wants, Step) or (unreadable and parts):
        verdicts.letters.append(Letter(claim.arrival, because))
    elif not parts:
        verdicts.repeats += 1
    return [
        Entry(claim.stream_no, part, wants.checksum, because, part.last - part.first + 1)
        for part in parts
    ]


def _stored_part(stream_no: int, batch: Batch, part: Range, verdicts: Verdicts) -> Entry:
    """What of a batch is new. The rest came before, in other company.

    Two copies of one memory card merge what waits on them in two ways.
    """
    readings = [reading for reading in batch.readings if part.first <= reading.seq <= part.last]
    given_up = part.last - part.first + 1 - len(readings)
    because = batch.because if given_up else None
    if readings:
        verdicts.stored.append(
            (stream_no, replace(batch, range=part, readings=readings, given_up=given_up))
        )
    return Entry(stream_no, part, batch.checksum, because, given_up)


def _contradiction(wants: Batch | Step, entry: Entry) -> str:
    there = f"{entry.range.first} to {entry.range.last}"
    if entry.because is not None and entry.given_up == entry.range.last - entry.range.first + 1:
        return f"readings {there} had been given up: {entry.because}"
    if entry.range.first == wants.range.first:
        return f"readings from {wants.range.first} on came before, with other content"
    return f"readings {wants.range.first} to {wants.range.last} overlap {there}, which came before"
