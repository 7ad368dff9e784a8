"""What is demand of a bin, and when it is known: one answer for every sum of it.

Only what was taken is demand, and what was put back is taken from it again. A refill is supply, a
correction is a mistake found, and neither must teach the forecast. A period in which the bin could
not be seen for long is masked: what was taken then is not known, and it is not none.
"""

from cloud.core.followed import MovementKind

KINDS = (MovementKind.USAGE, MovementKind.PUT_BACK)
BLIND_SHARE_MAX = 0.25  # of a period; more, and it is masked
