"""What kind a movement is of, and the sentence that says why."""

from cloud.core.followed import MovementKind


def kind_of(
    change: int,
    *,
    refill_pieces: int,
    after_absence: bool,
    after_gap: bool,
    rezeroed: bool,
    beside_count: bool,
) -> tuple[MovementKind, str]:
    said = f"{abs(change):,} {'piece' if abs(change) == 1 else 'pieces'}"
    if rezeroed:
        because = f"The scale may have been zeroed with the bin on it; it now shows {said} "
        return MovementKind.CORRECTION, because + ("less." if change < 0 else "more.")
    goods = MovementKind.SWAP if after_absence else MovementKind.REFILL
    if beside_count:
        return _beside_count(change, said, goods, refill_pieces)
    when = ""
    if after_absence:
        when = " It was off the scale meanwhile."
    elif after_gap:
        when = " Nothing was heard meanwhile."
    if change < 0:
        return MovementKind.USAGE, f"The bin became lighter by {said}.{when}"
    because = f"The bin became heavier by {said}, and stayed so for two minutes.{when}"
    return MovementKind.PUT_BACK if change < refill_pieces else goods, because


def _beside_count(
    change: int, said: str, goods: MovementKind, refill_pieces: int
) -> tuple[MovementKind, str]:
    """What the scale and a count made while it could not be read leave between them.

    Taking goes on after a count; goods of a refill close an order. A few pieces more are rather
    overlooked by who counted than put back.
    """
    because = f"It was counted while the scale could not be read; it shows {said} "
    if change < 0:
        return MovementKind.USAGE, because + "less than was counted."
    because += "more than was counted."
    return MovementKind.CORRECTION if change < refill_pieces else goods, because
