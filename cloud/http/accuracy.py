"""How accurate the stock is, as pages and the API tell it: from what was counted in its turn."""

from collections.abc import Sequence
from fractions import Fraction

from cloud.core.counts import Accuracy, Compared, stock_accuracy

DAYS = 365
TOLERANCE_PERMILLE = 20


def of(
    compared: Sequence[tuple[int, int]], tolerance: Fraction = Fraction(TOLERANCE_PERMILLE, 1000)
) -> Accuracy | None:
    """From pairs of counted and held. None: nothing was counted."""
    pairs = [Compared(counted=counted, system=system) for counted, system in compared]
    return stock_accuracy(pairs, tolerance)
