"""How much one gateway may send: so much a second, and a burst of some seconds at once.

What a message weighs in bytes is known when it comes, how many readings it holds only when it is
understood: bytes are asked for before, readings charged after, and who owes waits.
"""

from collections.abc import Sequence
from typing import NamedTuple

BURST_S = 10.0


class Quota(NamedTuple):
    readings_s: float
    bytes_s: float


class Bucket:
    def __init__(self, quota: Quota, now: float) -> None:
        self._quota = quota
        self._readings = quota.readings_s * BURST_S
        self._bytes = quota.bytes_s * BURST_S
        self._at = now

    def take_bytes(self, size: int, now: float) -> bool:
        """False: over its quota, nothing taken. A message larger than a burst passes a full one."""
        since, self._at = max(0.0, now - self._at), now
        quota = self._quota
        self._readings = min(quota.readings_s * BURST_S, self._readings + since * quota.readings_s)
        self._bytes = min(quota.bytes_s * BURST_S, self._bytes + since * quota.bytes_s)
        if self._bytes <= 0 or self._readings <= 0:
            return False
        self._bytes -= size
        return True

    def take_readings(self, count: int) -> None:
        self._readings -= count


def fairness_index(shares: Sequence[float]) -> float:
    """Jain's index: 1 when all get the same, 1/n when one gets everything."""
    squares = sum(share * share for share in shares)
    return sum(shares) ** 2 / (len(shares) * squares) if squares else 1.0
