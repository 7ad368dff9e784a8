"""What a worker remembers of bins, and each of them on its way through a transaction.

What is remembered stays in the worker's memory and is written down only when it has come to
something: whoever begins without it follows the readings since once more, and comes to the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

import psycopg

from cloud.core.followed import Followed, Seen, to_us
from cloud.core.following import CaughtUp, Counted
from cloud.core.resting import Resting
from cloud.postgres import tracks
from cloud.postgres.follow_due import Due
from cloud.postgres.tracks import Now, Track

RECENT_MAX = 24  # keys of readings that are known to have been followed, per bin

Key = tuple[datetime, int, int]


class Remembered(NamedTuple):
    """What a worker remembers of a bin, good as long as nobody else has written of it.

    A tuple: one is made for nearly every reading.
    """

    track: Track  # as it was written down last, without the state
    state: Followed  # as it came to something last
    resting: Resting | None  # what became of it since, for one taker alone
    counted_at: datetime | None
    fed: int
    saved_us: int
    recent: tuple[Key, ...]  # the newest last


Memory = dict[int, Remembered]  # of a worker, by the bin


@dataclass(kw_only=True, slots=True)
class Underway:
    """One bin on its way through a transaction."""

    due: Due
    now: Now
    track: Track
    state: Followed | None
    resting: Resting | None
    counted_at: datetime | None
    fed: int
    recent: tuple[Key, ...]
    saved_us: int
    dirty: bool = False  # what is remembered must be written down
    rewound: bool = False
    booked_since: datetime | None = None
    before: Followed | None = None  # as it was shown until now
    seen: list[Seen] = field(default_factory=list)
    counted: Sequence[Counted] = ()
    caught: CaughtUp | None = None  # as far as it was followed when it was no rest
    more: bool = False
    tares: Sequence[tuple[datetime, int]] = ()  # of the past, for what is followed again

    @property
    def bin_id(self) -> int:
        return self.track.bin_id

    @property
    def last(self) -> tuple[int, int, int] | None:
        if self.resting is not None:
            return self.resting.last
        return None if self.state is None else self.state.last

    @property
    def cursor_us(self) -> int:
        began_us = to_us(self.track.from_at)
        return began_us if self.last is None else max(began_us, self.last[0])

    def write_out(self) -> None:
        if self.resting is not None:
            self.state, self.resting = self.resting.done(), None

    def forget(self) -> None:
        """What was followed of it so far, to begin anew or from a checkpoint."""
        self.state, self.resting, self.counted_at = None, None, None
        self.recent = ()
        self.fed = 0

    def remembered(self, fed: int) -> Remembered:
        assert self.state is not None
        keys = self.recent
        if self.seen:
            keys = (*keys, *[one[:3] for one in self.seen[-RECENT_MAX:]])[-RECENT_MAX:]
        return Remembered(
            self.track, self.state, self.resting, self.counted_at, fed, self.saved_us, keys
        )


def recall(
    conn: psycopg.Connection,
    due: Sequence[Due],
    are: Mapping[int, Now],
    held: Mapping[int, int],
    remembered: Memory,
) -> list[Underway]:
    """Bins that are held, in the version of each: by heart where nobody else has written of it.

    They are taken out of what is remembered: if all is undone, it is known no longer.
    """
    known: dict[int, Remembered] = {}
    for bin_id, version in held.items():
        kept = remembered.pop(bin_id, None)
        if kept is not None and kept.track.version == version:
            known[bin_id] = kept
    read = tracks.read(conn, [bin_id for bin_id in held if bin_id not in known])
    return [
        _by_heart(one, are[one.bin_id], known[one.bin_id])
        if one.bin_id in known
        else _as_read(one, are[one.bin_id], read[one.bin_id])
        for one in due
    ]


def _by_heart(due: Due, now: Now, known: Remembered) -> Underway:
    track, state, resting, counted_at, fed, saved_us, recent = known
    if resting is None and now.rules is track.rules:
        resting = Resting.of(state, now.rules)
    return Underway(
        due=due, now=now, track=track, state=state, resting=resting, counted_at=counted_at,
        fed=fed, recent=recent, saved_us=saved_us, before=state,
    )  # fmt: skip


def _as_read(due: Due, now: Now, track: Track) -> Underway:
    state = None if track.state is None else Followed.from_json(track.state)
    return Underway(
        due=due, now=now, track=track._replace(state=None), state=state, resting=None,
        counted_at=track.counted_at, fed=track.fed, recent=(),
        saved_us=0 if state is None else state.last_us, before=state,
    )  # fmt: skip
