"""What stays of readings when the spool is full: the least that still tells the story.

Conditions and sightings all stay: each is an event. Of weights and totals the last of each sensor
and hour stays; the others are given up, and the range says so.
"""

from collections.abc import Sequence

from edge_agent.core.merge import Placed, laid_out, placed
from edge_agent.wire.messages import (
    BATCH_READINGS_MAX,
    BATCH_SENSORS_MAX,
    Counted,
    ReadingBatch,
    Thinned,
    Weighed,
)

HOUR_MS = 3_600_000


def thin(batches: Sequence[ReadingBatch | Thinned], because: str) -> Thinned | None:
    """What stays of neighbours of one stream; None when all would, or the wire has no room."""
    rows = [row for batch in batches for row in placed(batch)]
    stays = _stays(rows)
    if len(stays) == len(rows) or len(stays) > BATCH_READINGS_MAX:
        return None
    base_ms, sensors, readings = laid_out(stays)
    if len(sensors) > BATCH_SENSORS_MAX:
        return None
    first_seq = batches[0].first_seq
    return Thinned(
        stream=batches[0].stream,
        first_seq=first_seq,
        last_seq=batches[-1].last_seq,
        base_ms=base_ms,
        sensors=sensors,
        readings=readings,
        places=[row.seq - first_seq for row in stays],
        because=because,
        life=batches[0].life,
    )


def _stays(rows: Sequence[Placed]) -> list[Placed]:
    last: dict[tuple[str, int], Placed] = {}
    for row in rows:
        if isinstance(row.said, Weighed | Counted):
            last[row.sensor, row.measured_ms // HOUR_MS] = row
    chosen = {row.seq for row in last.values()}
    return [row for row in rows if row.seq in chosen or not isinstance(row.said, Weighed | Counted)]
