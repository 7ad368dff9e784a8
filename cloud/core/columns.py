"""Plain weights as columns: nearly all there is, and some hundred thousand a second.

    Weights ─▶ placed ─▶ Table, by sensor ─▶ copied; `newest` and `touched` say what is new

A value of its own per reading costs more than the database takes to store it. So a batch in which
nothing but weights was said stays columns, from the bytes it came in to the bytes of COPY. Whoever
wants its readings one by one has them: a `Weights` is the sequence of its readings, and all that is
rare (parted, corrected, set aside, refused) is done on those.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, overload

import numpy as np
import numpy.typing as npt

from cloud.core.present import Place, Placed
from cloud.core.readings import Reading
from cloud.core.touched import HOUR_MS, Touched

_SORTED_FAST_MAX = 2**16  # NumPy sorts 16 bits by counting, five times as fast as more of them

# What a plain weight says, in the order in which it says it.
SAID = np.dtype(
    [
        ("sensor", np.int32),
        ("at_ms", np.int64),
        ("weight_mg", np.int64),
        ("stability", np.int16),
        ("quality", np.int16),
        ("clock_trusted", np.bool_),
    ]
)

Ints = npt.NDArray[np.int64]


class Weights(Sequence[Reading]):
    """Weights that follow each other without a hole, from `first_seq` on."""

    __slots__ = ("first_seq", "said")
    __hash__ = None  # type: ignore[assignment] # as a list

    def __init__(self, first_seq: int, said: npt.NDArray[np.void]) -> None:
        self.first_seq = first_seq
        self.said = said

    def __len__(self) -> int:
        return len(self.said)

    @overload
    def __getitem__(self, place: int) -> Reading: ...
    @overload
    def __getitem__(self, place: slice) -> list[Reading]: ...
    def __getitem__(self, place: int | slice) -> Reading | list[Reading]:
        seqs = range(self.first_seq, self.first_seq + len(self.said))
        if isinstance(place, slice):
            return [_weighed(seq, *row) for seq, row in _rows(seqs[place], self.said[place])]
        return _weighed(seqs[place], *self.said[place].item())

    def __iter__(self) -> Iterator[Reading]:
        return iter(self[:])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return self[:] == list(other)

    def within(self, earliest_ms: int, latest_ms: int) -> bool:
        """Whether all of them were measured then, both ends included."""
        at_ms = self.said["at_ms"]
        return bool(earliest_ms <= at_ms.min() and at_ms.max() <= latest_ms)

    def __repr__(self) -> str:
        return f"Weights({self[:]!r})"


class New(NamedTuple):
    """Weights, with the numbers the database knows their stream and sensors by."""

    stream_no: int
    sensor_ids: Sequence[int]  # by the readings' `sensor`
    weights: Weights


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """Rows of several streams, by sensor, and of each sensor by stream and seq."""

    stream_no: Ints
    seq: Ints
    sensor_id: Ints
    said: npt.NDArray[np.void]
    begins: Ints  # where another sensor begins, or of the same one another stream

    def __len__(self) -> int:
        return len(self.said)


def placed(batches: Sequence[New]) -> Table:
    """All rows of `batches`, which come in the order of stream and seq.

    By sensor, because rows of one sensor then lie on one page and not on forty, which is what a
    chart reads, and because the index is walked in its own order.
    """
    sizes = np.array([len(batch.weights) for batch in batches])
    # As plain bytes: NumPy compares the fields of two structures by name, for each pair of them.
    said = np.concatenate([batch.weights.said.view(np.uint8) for batch in batches]).view(SAID)
    before = np.cumsum(sizes) - sizes
    firsts = np.array([batch.weights.first_seq for batch in batches])
    seq = np.arange(len(said)) + np.repeat(firsts - before, sizes)
    stream_no = np.repeat(np.array([batch.stream_no for batch in batches]), sizes)
    lists = {id(batch.sensor_ids): batch.sensor_ids for batch in batches}  # mostly a few
    ids = np.concatenate([np.array(found) for found in lists.values()])
    ends = np.cumsum([len(found) for found in lists.values()]).tolist()
    begin = dict(zip(lists, [0, *ends], strict=False))
    sensor_id = ids[
        said["sensor"] + np.repeat(np.array([begin[id(b.sensor_ids)] for b in batches]), sizes)
    ]
    order = _by(sensor_id)
    stream_no, seq, sensor_id, said = stream_no[order], seq[order], sensor_id[order], said[order]
    other = (sensor_id[1:] != sensor_id[:-1]) | (stream_no[1:] != stream_no[:-1])
    begins = np.concatenate([np.zeros(1, np.int64), np.flatnonzero(other) + 1])
    return Table(stream_no=stream_no, seq=seq, sensor_id=sensor_id, said=said, begins=begins)


def newest(table: Table, origins: Mapping[int, Place]) -> list[Placed]:
    """The last of each sensor and stream: of what is there only these can be news."""
    last = np.append(table.begins[1:], len(table)) - 1
    numbers = zip(
        table.sensor_id[last].tolist(),
        table.stream_no[last].tolist(),
        table.seq[last].tolist(),
        table.said[last].tolist(),
        strict=True,
    )
    found = []
    for sensor_id, stream_no, seq, row in numbers:
        gateway_id, _, life, _, _ = origins[stream_no]
        place = Place(gateway_id, stream_no, life, seq, row[1])
        found.append(Placed(sensor_id, place, _weighed(seq, *row)))
    return found


def touched(table: Table) -> Touched:
    at_ms = table.said["at_ms"]
    earliest = np.minimum.reduceat(at_ms, table.begins)
    latest = np.maximum.reduceat(at_ms, table.begins)
    ids = table.sensor_id[table.begins]
    first_hours, last_hours = earliest // HOUR_MS, latest // HOUR_MS
    hours = set(zip(ids.tolist(), first_hours.tolist(), strict=True))
    # Nearly always a sensor is in one hour only.
    several = np.isin(table.sensor_id, ids[first_hours != last_hours])
    if several.any():
        more = table.sensor_id[several], at_ms[several] // HOUR_MS
        hours |= set(zip(more[0].tolist(), more[1].tolist(), strict=True))
    # A sensor can be there in several streams.
    firsts: dict[int, int] = {}
    for sensor_id, at in zip(ids.tolist(), earliest.tolist(), strict=True):
        firsts[sensor_id] = min(at, firsts.get(sensor_id, at))
    return Touched(hours, firsts)


def _by(sensor_id: Ints) -> Ints:
    lowest = sensor_id.min()
    if sensor_id.max() - lowest < _SORTED_FAST_MAX:
        return np.argsort((sensor_id - lowest).astype(np.uint16), kind="stable")
    return np.argsort(sensor_id, kind="stable")


def _rows(seqs: range, said: npt.NDArray[np.void]) -> Iterator[tuple[int, tuple[Any, ...]]]:
    return zip(seqs, said.tolist(), strict=True)


def _weighed(  # noqa: PLR0917 - the columns of SAID
    seq: int,
    sensor: int,
    at_ms: int,
    weight_mg: int,
    stability: int,
    quality: int,
    clock_trusted: bool,  # noqa: FBT001 - as above
) -> Reading:
    return Reading(
        sensor, seq, at_ms, weight_mg, None, None, None, stability, quality, clock_trusted
    )
