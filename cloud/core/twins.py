"""Two machines under one gateway's name: a copied SD card, a name typed twice.

What tells them apart from a restart is that both go on. A gateway that was restarted has one stream
that ends and one that begins; whatever of the first is still under way was said before the second
began. So a stream *returns* when, by the gateways' own clocks, it says something new after another
one has begun, and that other one has spoken since it was heard last. A single return proves
nothing, a clock may have been set back in between; a few of them, apart in time, do.

Only presence counts: it is said every half minute by whoever runs. Readings of an old stream are
backlog and may come for weeks; what the broker kept, a last will, a repeated message are no voice.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

RETURNS_MIN = 3
RETURN_AFTER = timedelta(seconds=20)  # what comes in one burst is one return
RETURNS_WITHIN = timedelta(minutes=10)
QUIET_AFTER = timedelta(minutes=15)

SENTENCE = "Two machines use the name of gateway {gateway}: whose weight this is, is not known."


class Voice(NamedTuple):
    """What was heard of a stream by its presence."""

    stream: UUID
    first_said: datetime  # by its own clock
    said: datetime
    heard: datetime  # by ours
    began: datetime  # when we first heard of the stream, by ours
    returns: int = 0
    returned: datetime | None = None


class Twins(NamedTuple):
    """An alarm: since when, which stream goes on, and which is held until a person settles it."""

    since: datetime
    kept: UUID
    held: UUID


def speak(
    voices: Sequence[Voice], stream: UUID, said: datetime, began: datetime, now: datetime
) -> Voice | None:
    """The voice of `stream` after it said something; None: that was nothing new."""
    mine = next((voice for voice in voices if voice.stream == stream), None)
    if mine is None:
        return Voice(stream, said, said, now, began)
    if said <= mine.said:
        return None
    spoken = mine._replace(said=said, heard=now)
    others = [v for v in voices if v.stream != stream and v.heard >= mine.heard]
    if not any(said > other.first_said for other in others):
        return spoken
    if mine.returned is None or now - mine.returned > RETURNS_WITHIN:
        return spoken._replace(returns=1, returned=now)
    if now - mine.returned < RETURN_AFTER:
        return spoken
    return spoken._replace(returns=mine.returns + 1, returned=now)


def after(current: Twins | None, voices: Iterable[Voice], now: datetime) -> Twins | None:
    """The alarm that holds after `voices` spoke: raised, kept, or gone quiet."""
    lively = sorted(
        (voice for voice in voices if now - voice.heard < QUIET_AFTER),
        key=lambda voice: (voice.began, voice.stream),
    )
    if len(lively) <= 1:
        return None
    if current is not None:
        return current
    back = [
        voice
        for voice in lively
        if voice.returns >= RETURNS_MIN and now - _returned(voice) < RETURNS_WITHIN
    ]
    if not back:
        return None
    latest = sorted(lively, key=lambda voice: voice.heard)[-2:]
    kept, held = sorted(latest, key=lambda voice: (voice.began, voice.stream))
    return Twins(now, kept.stream, held.stream)


def is_held(twins: Twins | None, stream: UUID, began: datetime, *, refused: bool) -> bool:
    """Whether readings of `stream` wait. Older streams go on: their readings are history."""
    if refused:
        return True
    if twins is None or stream == twins.kept:
        return False
    return stream == twins.held or began >= twins.since


def _returned(voice: Voice) -> datetime:
    assert voice.returned is not None, "who returned did so at some time"
    return voice.returned
