"""When to try again. The jitter is an argument, from 0 up to but not including 1."""

from datetime import timedelta

# What receivers expect of a sender of webhooks: quick at first, then patient, three days in all.
SEND_AFTER_S = (0, 5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)

OUTAGE_S_FIRST = 0.25
OUTAGE_S_MAX = 15.0


def next_send_after(tries: int, jitter: float) -> timedelta | None:
    """How long after the `tries`-th failed try the next one is due; None: give up.

    Up to a tenth earlier or later, so that notices that failed together do not return together.
    """
    if tries >= len(SEND_AFTER_S):
        return None
    return timedelta(seconds=SEND_AFTER_S[tries] * (0.9 + 0.2 * jitter))


def outage_wait_s(failures: int, jitter: float) -> float:
    """How long to leave something alone that is away: full jitter under a growing cap."""
    cap = min(OUTAGE_S_MAX, OUTAGE_S_FIRST * 2.0 ** min(failures, 16))
    return cap * jitter
