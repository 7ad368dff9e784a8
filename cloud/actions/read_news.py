"""What was read and counted of bins and is not followed yet; and back, where it came late."""

from collections.abc import Iterable, Sequence

import psycopg

from cloud.actions.remember import Underway
from cloud.core.followed import Followed, Seen, from_us, to_us
from cloud.postgres import news, tracks
from cloud.postgres.news import Since

SEEN_MAX = 5_000  # readings of one sensor in one transaction; the rest comes with the next


def read_news(conn: psycopg.Connection, bins: Sequence[Underway]) -> None:
    if not bins:
        return
    since: list[Since] = []
    for bin_ in bins:
        since += _since(bin_)
    found = news.seen(conn, since, SEEN_MAX)
    for bin_ in bins:
        sensors = bin_.now.rules.sensors
        if len(sensors) == 1:
            seen = found[sensors[0]]
            bin_.more = len(seen) == SEEN_MAX
        else:
            seen = _of_several(bin_, [found[sensor_id] for sensor_id in sensors])
        bin_.seen = seen
        if bin_.recent and seen and seen[0][:3] <= bin_.recent[-1]:
            known = set(bin_.recent)
            bin_.seen = [one for one in seen if one[:3] not in known]
    counted = news.counts_after(
        conn, [(b.bin_id, b.track.item_id, to_us(b.counted_at or b.track.from_at)) for b in bins]
    )
    for bin_ in bins:
        bin_.counted = counted.get(bin_.bin_id, ())


def _since(bin_: Underway) -> Iterable[Since]:
    """Most often what comes after the last one; else all from the time on that has something new.

    Of several sensors always all of that time: one may be told later than the other.
    """
    sensors = bin_.now.rules.sensors
    began_us, at_us = to_us(bin_.track.from_at), bin_.cursor_us
    if bin_.due.from_at is not None and not bin_.rewound:
        news_us = to_us(bin_.due.from_at)
        if news_us <= at_us:
            return [Since(sensor_id, max(began_us, news_us)) for sensor_id in sensors]
    last = bin_.last
    if len(sensors) == 1 and last is not None and at_us == last[0] and not bin_.rewound:
        return (Since(sensors[0], *last),)
    return [Since(sensor_id, at_us) for sensor_id in sensors]


def _of_several(bin_: Underway, parts: Sequence[list[Seen]]) -> list[Seen]:
    full = [part[-1].at for part in parts if len(part) == SEEN_MAX]
    seen: list[Seen] = sorted((one for part in parts for one in part), key=lambda one: one[:3])
    bin_.more = bool(full)
    # Beyond the last reading of the one that has more, the others would overtake it.
    return [one for one in seen if one.at <= min(full)] if full else seen


def is_late(bin_: Underway) -> bool:
    """Whether something came that belongs before what was followed already."""
    counted = bin_.counted_at
    if bin_.due.from_at is not None and counted is not None and bin_.due.from_at < counted:
        return True
    if bin_.last is None:
        return False
    at_us, stream_no, seq = bin_.last
    if bin_.counted and to_us(bin_.counted[0].at) < at_us:
        return True
    return bool(bin_.seen) and bin_.seen[0][:3] < (from_us(at_us), stream_no, seq)


def rewind(conn: psycopg.Connection, bin_: Underway) -> None:
    """Back to the checkpoint before it; everything since is to be read and followed again."""
    late = [one.at for one in bin_.seen[:1]] + [one.at for one in bin_.counted[:1]]
    if bin_.due.from_at is not None:
        late.append(bin_.due.from_at)
    found = tracks.checkpoint_before(conn, bin_.bin_id, min(late), bin_.track.from_at)
    bin_.tares = news.tares_of(conn, bin_.bin_id)
    bin_.rewound = bin_.dirty = True
    bin_.forget()
    bin_.booked_since = None
    if found is not None:
        bin_.booked_since, state = found
        bin_.state = Followed.from_json(state)
    bin_.counted_at = bin_.booked_since
