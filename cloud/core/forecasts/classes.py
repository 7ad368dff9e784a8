"""What kind of demand a series is: by how often, and by how much.

Syntetos, Boylan and Croston (2005): the mean interval between demands against 1.32, the squared
coefficient of variation of the sizes (population variance) against 0.49.
"""

from dataclasses import dataclass
from enum import StrEnum

from cloud.core.forecasts.smoothing import Series, observed

INTERVAL_CUT = 1.32
VARIATION_CUT = 0.49


class DemandClass(StrEnum):
    SMOOTH = "smooth"
    ERRATIC = "erratic"  # often, and by very different amounts
    INTERMITTENT = "intermittent"
    LUMPY = "lumpy"  # seldom, and by very different amounts
    NONE = "none"


@dataclass(frozen=True, kw_only=True)
class Classified:
    demand_class: DemandClass
    interval: float | None = None
    variation: float | None = None


def classify(series: Series) -> Classified:
    values = observed(series)
    sizes = [value for value in values if value > 0]
    if not sizes:
        return Classified(demand_class=DemandClass.NONE)
    interval = len(values) / len(sizes)
    mean = sum(sizes) / len(sizes)
    variation = sum((size - mean) ** 2 for size in sizes) / len(sizes) / mean**2
    seldom, uneven = interval >= INTERVAL_CUT, variation >= VARIATION_CUT
    found = {
        (False, False): DemandClass.SMOOTH,
        (False, True): DemandClass.ERRATIC,
        (True, False): DemandClass.INTERMITTENT,
        (True, True): DemandClass.LUMPY,
    }[seldom, uneven]
    return Classified(demand_class=found, interval=interval, variation=variation)
