"""What is written down of readings before they are committed, and what follows from it later.

    note    readings as they are taken, numbered from 1 in each life of the agent
    mark    how far the spool's commits have come, and what its clock knew

A process that is killed leaves both behind. Numbers of the stream are given in the order of the
notes, and by nobody else, so that mark, notes and the newest number in the spool say exactly which
readings are still owed, and which numbers they would have had.
"""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from edge_agent.core.anchor import Step, in_time
from edge_agent.core.count import CounterState
from edge_agent.core.freeze import Frozen, freeze, freeze_step, sayable
from edge_agent.core.reading import Condition, Outcome, Reading, Sighted, Total, Weight
from edge_agent.wire.messages import Quality, Stability

FORMAT = 1
HEAD_BYTES = 8  # length and checksum of what follows

_WEIGHT, _TOTAL, _SIGHTED, _CONDITION = 1, 2, 3, 4

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode

# Of bytes that were never ours. What a checksum covers was.
_NONSENSE = (msgspec.MsgspecError, ValueError, TypeError, LookupError)


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """`readings` of this life are committed, and numbers up to `last_seq` are used.

    `offset_ms` and `clock_trusted` are what a commit would say of the times of the readings that
    follow. `step` is to be kept before them, and takes the next number.
    """

    stream: str
    life: int
    readings: int = 0
    last_seq: int = 0
    offset_ms: int = 0
    clock_trusted: bool = False
    step: Step | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Note:
    first: int  # the number of its first reading in this life
    readings: Sequence[Reading]

    @property
    def last(self) -> int:
        return self.first + len(self.readings) - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Owed:
    """To be committed under numbers from `first_seq` on: the step if there is one, then these."""

    first_seq: int
    step: Step | None
    readings: Sequence[Reading]

    def frozen(self, stream: str, life: int) -> list[Frozen]:
        frozen, next_seq = [], self.first_seq
        if self.step is not None:
            said = self.step
            frozen.append(freeze_step(stream, next_seq, said.step_ms, said.because, life=life))
            next_seq += 1
        if self.readings:
            frozen += freeze(stream, next_seq, self.readings, life=life)
        return frozen


def owed(mark: Mark, notes: Sequence[Note], held_seq: int) -> Owed:
    """`held_seq` is the greatest number of the stream that the spool accounts for.

    A commit is marked right after it returned: at most one can be missing in the mark, and its
    numbers tell. Where its rows are gone again, the mark is the one that knows.
    """
    beyond = max(0, held_seq - mark.last_seq)
    step = mark.step
    committed = mark.readings + beyond
    if step is not None and beyond:
        step, committed = None, committed - 1
    left = [
        reading
        for note in sorted(notes, key=lambda note: note.first)
        for number, reading in enumerate(note.readings, start=note.first)
        if number > committed
    ]
    return Owed(
        first_seq=max(held_seq, mark.last_seq) + 1,
        step=step,
        readings=in_time(left, mark.offset_ms, trusted=mark.clock_trusted),
    )


def mark_written(mark: Mark, boot: str) -> bytes:
    step = [mark.step.step_ms, mark.step.because] if mark.step else None
    said = (
        FORMAT,
        boot,
        *(mark.stream, mark.life, mark.readings, mark.last_seq),
        *(mark.offset_ms, mark.clock_trusted, step),
    )
    return _framed(_encode(said), 0)


def mark_read(written: bytes, boot: str) -> Mark | None:
    """None: there is none, or it is from before the machine last started.

    What was not synced may be older than the spool after a cut of power, in parts; it was not
    promised then.
    """
    said = _unframed(written, 0, 0)
    try:
        match _decode(said) if said is not None else None:
            case [
                1,
                str(of_boot),
                str(stream),
                int(life),
                int(readings),
                int(last_seq),
                int(offset_ms),
                bool(trusted),
                step,
            ] if of_boot == boot:
                return Mark(
                    stream=stream,
                    life=life,
                    readings=readings,
                    last_seq=last_seq,
                    offset_ms=offset_ms,
                    clock_trusted=trusted,
                    step=Step(step_ms=step[0], because=step[1]) if step else None,
                )
    except _NONSENSE:
        return None
    return None


def note_written(stream: str, first: int, readings: Sequence[Reading]) -> bytes:
    try:
        rows = _encode((first, [_row(reading, reading.outcome) for reading in readings]))
    except (UnicodeEncodeError, OverflowError):
        # What no message could carry is said now as it would be said at the commit.
        rows = _encode((first, [_row(reading, sayable(reading.outcome)) for reading in readings]))
    return _framed(rows, _seed(stream))


def notes_read(written: bytes, stream: str) -> Iterator[Note]:
    """Of one life, in the order of their writing. Behind the newest there may be older ones."""
    at, expected = 0, 0
    while (said := _unframed(written, at, _seed(stream))) is not None:
        try:
            first, rows = _decode(said)
            note = Note(first=first, readings=[_reading(row) for row in rows])
        except _NONSENSE:
            return
        if note.first < expected:
            return
        yield note
        at, expected = at + HEAD_BYTES + len(said), note.last + 1


def _seed(stream: str) -> int:
    return zlib.crc32(stream.encode())


def _framed(said: bytes, seed: int) -> bytes:
    crc = zlib.crc32(said, seed)
    return len(said).to_bytes(4, "little") + crc.to_bytes(4, "little") + said


def _unframed(written: bytes, at: int, seed: int) -> bytes | None:
    length = int.from_bytes(written[at : at + 4], "little")
    crc = int.from_bytes(written[at + 4 : at + HEAD_BYTES], "little")
    said = written[at + HEAD_BYTES : at + HEAD_BYTES + length]
    if not length or len(said) < length or zlib.crc32(said, seed) != crc:
        return None
    return said


def _row(reading: Reading, outcome: Outcome) -> tuple[object, ...]:
    head = (reading.sensor, reading.measured_ms, reading.clock_trusted, reading.identity)
    match outcome:
        case Weight():
            return (
                *head,
                _WEIGHT,
                outcome.weight_mg,
                int(outcome.stability),
                int(outcome.quality),
            )
        case Total():
            counter = (outcome.counter.value, outcome.counter.total) if outcome.counter else None
            return (*head, _TOTAL, outcome.total, int(outcome.quality), counter)
        case Sighted():
            return (*head, _SIGHTED, outcome.code, outcome.change)
        case Condition():
            return (*head, _CONDITION, outcome.condition, outcome.because)


def _reading(row: Sequence[Any]) -> Reading:
    sensor, measured_ms, clock_trusted, identity, kind, *said = row
    return Reading(
        sensor=sensor,
        measured_ms=measured_ms,
        clock_trusted=clock_trusted,
        outcome=_outcome(kind, said),
        identity=identity,
    )


def _outcome(kind: int, said: list[Any]) -> Outcome:
    match kind, said:
        case 1, [weight_mg, stability, quality]:
            return Weight(
                weight_mg=weight_mg, stability=Stability(stability), quality=Quality(quality)
            )
        case 2, [total, quality, counter]:
            kept = CounterState(value=counter[0], total=counter[1]) if counter else None
            return Total(total=total, quality=Quality(quality), counter=kept)
        case 3, [code, change]:
            return Sighted(code=code, change=change)
        case 4, [condition, because]:
            return Condition(condition=condition, because=because)
        case _:
            raise ValueError(f"no outcome: {kind} {said}")
