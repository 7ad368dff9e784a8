"""How accurate the stock is, as pages and the API tell it: from what was counted in its turn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from cloud.core.counts import Accuracy, Compared, stock_accuracy

DAYS = 365
TOLERANCE_PERMILLE = 20


@dataclass(frozen=True, kw_only=True)
class OfBins:
    """Of an item: all its bins together, and each by its code."""

    days: int
    tolerance_permille: int
    together: Accuracy
    bins: Sequence[tuple[str, Accuracy]]


def of_bins(compared: Mapping[str, Sequence[tuple[int, int]]]) -> OfBins | None:
    """None: nothing was counted in any of them."""
    together = of([pair for pairs in compared.values() for pair in pairs])
    if together is None:
        return None
    each = [(code, found) for code, pairs in compared.items() if (found := of(pairs))]
    return OfBins(days=DAYS, tolerance_permille=TOLERANCE_PERMILLE, together=together, bins=each)


def of(
    compared: Sequence[tuple[int, int]], tolerance: Fraction = Fraction(TOLERANCE_PERMILLE, 1000)
) -> Accuracy | None:
    """From pairs of counted and held. None: nothing was counted."""
    pairs = [Compared(counted=counted, system=system) for counted, system in compared]
    return stock_accuracy(pairs, tolerance)
