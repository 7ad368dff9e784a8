"""How long to wait before the broker is called again. Pure: the chance is the caller's.

    the first pause begins at half a second and doubles; how long it may become depends on how long
    it has failed: a short cut is to be over at once, and nobody waits for the second after hours

The pause itself is drawn evenly between nothing and that: all who lost the broker together do not
come back together.
"""

BASE_S = 0.5
# From so many seconds of failing on, a pause may be so long.
LONGEST_S = ((0.0, 2.0), (90.0, 30.0), (900.0, 120.0))
DOUBLINGS_MAX = 20
# A connection that had lasted begins anew; but not for all at once.
SPREAD_S_MAX = 2.0


def longest_pause_s(tries: int, failing_s: float) -> float:
    """After so many tries in a row that failed, the first of them `failing_s` ago."""
    longest = max(most for since, most in LONGEST_S if failing_s >= since)
    return float(min(BASE_S * 2 ** min(tries - 1, DOUBLINGS_MAX), longest))
