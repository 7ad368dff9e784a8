"""Readings to the bytes that are stored, sent and, if need be, sent again: frozen once.

A batch is encoded when the spool takes it in and never after, so the same first seq always means
the same bytes, whatever the agent's version is when they leave.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from edge_agent.core.reading import (
    BECAUSE_CHARS_MAX,
    Condition,
    Outcome,
    Reading,
    Sighted,
    Total,
    Weight,
)
from edge_agent.wire import codec, messages

# What the wire takes: beyond it, an answer is garbage that looked like a number.
NUMBER_MAX = 2**53


@dataclass(frozen=True, kw_only=True, slots=True)
class Frozen:
    first_seq: int
    last_seq: int
    payload: bytes


def freeze(
    stream: str, first_seq: int, readings: Sequence[Reading], *, life: int = 0
) -> list[Frozen]:
    """`readings` as batches, each within what the wire allows: nearly always one."""
    if _fits(readings):
        payload = codec.encode(_batch(stream, first_seq, readings, life))
        if len(payload) <= codec.PAYLOAD_BYTES_MAX:
            # What the cloud would refuse must not be frozen: it would be sent for ever.
            codec.decode(payload)
            last_seq = first_seq + len(readings) - 1
            return [Frozen(first_seq=first_seq, last_seq=last_seq, payload=payload)]
    half = len(readings) // 2
    return [
        *freeze(stream, first_seq, readings[:half], life=life),
        *freeze(stream, first_seq + half, readings[half:], life=life),
    ]


def freeze_gap(
    stream: str, first_seq: int, last_seq: int, because: str, *, life: int = 0
) -> Frozen:
    """Takes the place of readings that had to be given up."""
    gap = messages.Gap(
        stream=stream,
        first_seq=first_seq,
        last_seq=last_seq,
        because=_sentence(because),
        life=life,
    )
    return Frozen(first_seq=first_seq, last_seq=last_seq, payload=codec.encode(gap))


def freeze_step(stream: str, seq: int, step_ms: int, because: str, *, life: int = 0) -> Frozen:
    """The clock was set by `step_ms`; it takes one number."""
    step = messages.ClockStep(
        stream=stream, seq=seq, step_ms=step_ms, because=_sentence(because), life=life
    )
    return Frozen(first_seq=seq, last_seq=seq, payload=codec.encode(step))


def _fits(readings: Sequence[Reading]) -> bool:
    sensors = {reading.sensor for reading in readings}
    return (
        len(readings) <= messages.BATCH_READINGS_MAX and len(sensors) <= messages.BATCH_SENSORS_MAX
    )


def _batch(
    stream: str, first_seq: int, readings: Sequence[Reading], life: int
) -> messages.ReadingBatch:
    base_ms = readings[0].measured_ms
    sensors = list(dict.fromkeys(reading.sensor for reading in readings))
    place = {sensor: index for index, sensor in enumerate(sensors)}
    return messages.ReadingBatch(
        stream=stream,
        first_seq=first_seq,
        base_ms=base_ms,
        sensors=sensors,
        readings=[
            _on_the_wire(
                sayable(reading.outcome),
                place[reading.sensor],
                reading.measured_ms - base_ms,
                clock_trusted=reading.clock_trusted,
            )
            for reading in readings
        ],
        life=life,
    )


def _on_the_wire(
    outcome: Outcome, sensor: int, after_ms: int, *, clock_trusted: bool
) -> messages.Reading:
    match outcome:
        case Weight():
            return messages.Weighed(
                sensor=sensor,
                after_ms=after_ms,
                weight_mg=outcome.weight_mg,
                stability=outcome.stability,
                quality=outcome.quality,
                clock_trusted=clock_trusted,
            )
        case Total():
            return messages.Counted(
                sensor=sensor,
                after_ms=after_ms,
                total=outcome.total,
                quality=outcome.quality,
                clock_trusted=clock_trusted,
            )
        case Sighted():
            return messages.Sighted(
                sensor=sensor,
                after_ms=after_ms,
                code=outcome.code,
                change=outcome.change,
                clock_trusted=clock_trusted,
            )
        case Condition():
            return messages.Condition(
                sensor=sensor,
                after_ms=after_ms,
                condition=outcome.condition,
                because=outcome.because,
                clock_trusted=clock_trusted,
            )


def sayable(outcome: Outcome) -> Outcome:
    """A number that the wire cannot carry is a fault, not a reason to stop the whole gateway."""
    match outcome:
        case Weight(weight_mg=number) if abs(number) > NUMBER_MAX:
            return Condition(condition="fault", because=f"{number} mg is beyond any scale")
        case Total(total=number) if not 0 <= number <= NUMBER_MAX:
            return Condition(
                condition="fault", because=f"a total of {number} is beyond any counter"
            )
        case Sighted(code=code) if not code or len(code) > messages.CODE_CHARS_MAX:
            return Condition(condition="fault", because=f"a code of {len(code)} characters")
        case Sighted(code=code, change=change):
            return Sighted(code=_text(code), change=change)
        case Condition(condition=condition, because=because):
            return Condition(condition=condition, because=_sentence(because))
        case _:
            return outcome


def _sentence(because: str) -> str:
    """It may quote what was on the cable: the database takes no NUL, UTF-8 no half character."""
    return _text(because)[:BECAUSE_CHARS_MAX]


def _text(said: str) -> str:
    return said.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
