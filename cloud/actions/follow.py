"""Follow bins: from what was read and counted to the level, its movements, and what is doubted.

One transaction holds a few hundred bins. Each of them is recalled, what a person changed of it is
heeded, what came since is read (where it came late, from a checkpoint before it on), and what that
comes to is written.
"""

from collections.abc import Sequence
from datetime import datetime

import psycopg

from cloud.actions.conclude import Outcome, conclude
from cloud.actions.heed_change import heed_change
from cloud.actions.read_news import is_late, read_news, rewind
from cloud.actions.remember import Memory, recall
from cloud.postgres import tracks
from cloud.postgres.follow_due import Due


def follow_bins(
    conn: psycopg.Connection,
    due: Sequence[Due],
    now: datetime,
    remembered: Memory,
    *,
    wait: bool = True,
) -> Outcome:
    """Runs in the caller's transaction, in which the bins were taken from those that wait.

    `wait`: also for bins that somebody else follows at the moment; else they are left out.
    """
    are = tracks.now_of(conn, [one.bin_id for one in due])
    held = tracks.lock(conn, are, wait=wait)
    taken = [one for one in sorted(due) if one.bin_id in held]
    bins = recall(conn, taken, are, held, remembered)
    for bin_ in bins:
        heed_change(conn, bin_, now)
    read_news(conn, bins)
    late = [bin_ for bin_ in bins if is_late(bin_)]
    for bin_ in late:
        rewind(conn, bin_)
    read_news(conn, late)
    return conclude(conn, bins, now)
