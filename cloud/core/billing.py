"""What consigned stock costs whom: what was used is billed, what was put back is not.

billed      usage less what was put back
not billed  opening, refill and swap: they move the supplier's own goods
disputed    corrections: a person looks at each before it is money
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from cloud.core.followed import Movement, MovementKind


@dataclass(frozen=True, kw_only=True)
class Bill:
    """Of one bin and period. More put back than used is a credit, and the amount negative."""

    used: int
    put_back: int
    unit_price: Decimal
    disputed: tuple[Movement, ...]
    variance: float = 0.0  # of the pieces

    @property
    def pieces(self) -> int:
        return self.used - self.put_back

    @property
    def amount(self) -> Decimal:
        """Not rounded: a line is rounded once, by whoever knows the currency."""
        return self.pieces * self.unit_price

    @property
    def sd_pieces(self) -> float:
        """As far as the movements' errors are independent; the unit weight's error is not."""
        return math.sqrt(self.variance)

    @property
    def disputed_pieces(self) -> int:
        return sum(movement.pieces for movement in self.disputed)


def bill(movements: Iterable[Movement], unit_price: Decimal) -> Bill:
    used = put_back = 0
    variance = 0.0
    disputed: list[Movement] = []
    for movement in movements:
        match movement.kind:
            case MovementKind.USAGE:
                used -= movement.pieces
                variance += movement.sd_pieces**2
            case MovementKind.PUT_BACK:
                put_back += movement.pieces
                variance += movement.sd_pieces**2
            case MovementKind.CORRECTION:
                disputed.append(movement)
            case MovementKind.OPENING | MovementKind.REFILL | MovementKind.SWAP:
                pass
    return Bill(
        used=used,
        put_back=put_back,
        unit_price=unit_price,
        disputed=tuple(disputed),
        variance=variance,
    )
