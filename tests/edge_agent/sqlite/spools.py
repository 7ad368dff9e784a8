"""Spools to test with, and what is in them."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from edge_agent.core.count import CounterState
from edge_agent.core.reading import Condition, Reading, Total, Weight
from edge_agent.sqlite.spool import Spool
from edge_agent.wire import codec
from edge_agent.wire.messages import ClockStep, Gap, Message, ReadingBatch, Stability, Thinned
from tests.edge_agent.fakes import weights_in

MIB = 1024 * 1024
NOW_MS = 1_790_000_000_000
HOUR_MS = 3_600_000


def reading(weight_mg: int, sensor: str = "s01", measured_ms: int | None = None) -> Reading:
    return Reading(
        sensor=sensor,
        measured_ms=NOW_MS + weight_mg if measured_ms is None else measured_ms,
        clock_trusted=True,
        outcome=Weight(weight_mg=weight_mg, stability=Stability.STATED),
    )


def readings(first: int, last: int) -> list[Reading]:
    return [reading(number) for number in range(first, last + 1)]


def counted(value: int) -> Reading:
    state = CounterState(value=value, total=1_000 + value)
    outcome = Total(total=state.total, counter=state)
    return Reading(sensor="c1", measured_ms=1, clock_trusted=True, outcome=outcome)


def silent(measured_ms: int, sensor: str = "s01") -> Reading:
    said = Condition(condition="silent", because="no answer")
    return Reading(sensor=sensor, measured_ms=measured_ms, clock_trusted=True, outcome=said)


@contextlib.contextmanager
def spool_at(path: Path, bytes_max: int = 64 * MIB, **options: object) -> Iterator[Spool]:
    spool = Spool.open(path, bytes_max, **options)  # type: ignore[arg-type]
    try:
        yield spool
    finally:
        spool.close()


def payloads(spool: Spool) -> list[bytes]:
    loaded = (spool.load(batch.no) for batch in spool.oldest(0, 1_000_000))
    return [payload for payload in loaded if payload is not None]


def messages(spool: Spool) -> list[Message]:
    return [codec.decode(payload) for payload in payloads(spool)]


def gaps(spool: Spool) -> list[Gap]:
    return [message for message in messages(spool) if isinstance(message, Gap)]


def weights(spool: Spool) -> list[int]:
    batches = [one for one in messages(spool) if isinstance(one, ReadingBatch | Thinned)]
    return [weight for batch in batches for weight in weights_in(batch)]  # type: ignore[arg-type]


def covered(spool: Spool, stream: str) -> list[int]:
    """Every number of `stream` that the spool can account for; one that is twice in it shows."""
    return sorted(
        seq
        for batch in spool.oldest(0, 1_000_000)
        if batch.stream == stream
        for seq in range(batch.first_seq, batch.last_seq + 1)
    )


def steps(spool: Spool) -> list[ClockStep]:
    return [message for message in messages(spool) if isinstance(message, ClockStep)]


def crashed_copy(path: Path) -> Path:
    """What a killed process leaves: the files as they are, without a good-bye."""
    copy = path.with_name("crashed.db")
    for part in path.parent.glob(f"{path.name}*"):
        copy.with_name(part.name.replace(path.name, copy.name)).write_bytes(part.read_bytes())
    return copy
