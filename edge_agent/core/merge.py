"""Several small batches as one that says the same: names once, not once a commit.

Only for batches that never left the gateway. What may have left keeps its bytes, because the cloud
may know it under its range already.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from edge_agent.wire import messages
from edge_agent.wire.messages import ReadingBatch, Thinned

MERGED_READINGS_MAX = 1_000
MERGED_BYTES_MAX = 64 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Placed:
    """A reading of a batch, with what the batch said for it."""

    seq: int
    measured_ms: int
    sensor: str
    said: messages.Reading


def placed(batch: ReadingBatch | Thinned) -> Iterator[Placed]:
    """Each reading of `batch` by its own name and time."""
    places = batch.places if isinstance(batch, Thinned) else range(len(batch.readings))
    for place, said in zip(places, batch.readings, strict=True):
        yield Placed(
            seq=batch.first_seq + place,
            measured_ms=batch.base_ms + said.after_ms,
            sensor=batch.sensors[said.sensor],
            said=said,
        )


def laid_out(rows: Sequence[Placed]) -> tuple[int, list[str], list[messages.Reading]]:
    """`base_ms`, `sensors` and `readings` of a batch of these."""
    base_ms = rows[0].measured_ms
    sensors = list(dict.fromkeys(row.sensor for row in rows))
    index = {sensor: place for place, sensor in enumerate(sensors)}
    readings = [
        msgspec.structs.replace(
            row.said, sensor=index[row.sensor], after_ms=row.measured_ms - base_ms
        )
        for row in rows
    ]
    return base_ms, sensors, readings


def merge(batches: Sequence[ReadingBatch]) -> ReadingBatch | None:
    """One batch for neighbours of one stream, lowest first; None when the wire has no room."""
    _check_neighbours(batches)
    rows = [row for batch in batches for row in placed(batch)]
    if len(rows) > MERGED_READINGS_MAX:
        return None
    if len({row.sensor for row in rows}) > messages.BATCH_SENSORS_MAX:
        return None
    base_ms, sensors, readings = laid_out(rows)
    return ReadingBatch(
        stream=batches[0].stream,
        first_seq=batches[0].first_seq,
        base_ms=base_ms,
        sensors=sensors,
        readings=readings,
        life=batches[0].life,
    )


def _check_neighbours(batches: Iterable[ReadingBatch]) -> None:
    before: ReadingBatch | None = None
    for batch in batches:
        if before is not None:
            assert batch.stream == before.stream, "one stream"
            assert batch.first_seq == before.last_seq + 1, "without a number between"
        before = batch
