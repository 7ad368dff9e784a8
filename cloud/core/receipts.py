"""What arrived, beside what the supplier said would come.

What was weighed is booked, and the difference reported: the note of a shipment is a promise.
"""

from dataclasses import dataclass
from enum import StrEnum


class ReceiptState(StrEnum):
    MATCH = "match"
    SHORT = "short"
    OVER = "over"
    MISSING = "missing"  # nothing came at all


@dataclass(frozen=True, kw_only=True)
class Receipt:
    state: ReceiptState
    shipped: int
    weighed: int
    sd_pieces: float
    because: str

    @property
    def difference(self) -> int:
        return self.weighed - self.shipped

    @property
    def booked(self) -> int:
        return self.weighed


# Beyond three sd the scale itself would have to be wrong.
SDS = 3


def reconcile(*, shipped: int, weighed: int, sd_pieces: float, tolerance: int) -> Receipt:
    """The receipt for a shipment of `shipped` pieces of which `weighed` came.

    Agreed is what lies within the tolerance, or within what the scale can tell: nobody is told to
    have sent too little because his parts are light.
    """
    assert min(shipped, weighed, tolerance) >= 0, "nothing is less than none"
    difference = weighed - shipped
    bearable = max(float(tolerance), SDS * sd_pieces)
    said = f"{shipped:,} were announced, {weighed:,} weighed"
    if weighed == 0 and shipped > bearable:
        state, because = ReceiptState.MISSING, f"{shipped:,} were announced, and none came."
    elif abs(difference) <= bearable:
        state, because = ReceiptState.MATCH, f"{said}: within {bearable:g}."
    elif difference < 0:
        state, because = ReceiptState.SHORT, f"{said}: {-difference:,} too few."
    else:
        state, because = ReceiptState.OVER, f"{said}: {difference:,} too many."
    return Receipt(
        state=state, shipped=shipped, weighed=weighed, sd_pieces=sd_pieces, because=because
    )
