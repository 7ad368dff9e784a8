"""Why the level of a weighed bin may not be acted on, in sentences that are fit to show."""

from collections.abc import Iterable

from cloud.core.followed import Doubt, Doubting
from cloud.core.unrest import Unrest


def of_place(*, rezeroed: bool, absent: bool, sensors: int, unread: int) -> Iterable[Doubt]:
    """What stands on what: the bin on its scales, and whether they showed nothing without it."""
    if rezeroed:
        yield Doubt(
            Doubting.NOT_ZEROED,
            "After a silence the scale shows next to nothing: it was switched on, and took the"
            " bin on it for its zero, or the bin was taken away meanwhile.",
        )
    if absent:
        yield Doubt(
            Doubting.ABSENT,
            "The scale shows less than the empty bin weighs: the bin is not on it.",
        )
    if unread:
        yield Doubt(
            Doubting.SUSPECT,
            f"Of the {sensors} scales under it {unread} cannot be read: the level is of before.",
        )


def of_scale(unrest: Unrest, number_us: int | None, *, is_elsewhere: bool) -> Iterable[Doubt]:
    """What shakes, is dead, or at the end of its range. Elsewhere: not where the level stands."""
    if unrest.is_shaken:
        shakes = f"The weight shakes by {unrest.sigma_mg / 1000:,.1f} g"
        yield Doubt(Doubting.SUSPECT, f"{shakes}, more than a piece weighs.")
    if unrest.is_stuck(number_us):
        yield Doubt(
            Doubting.STUCK,
            f"The scale has shown the very same weight {unrest.same + 1:,} times in a row,"
            " which it never did before.",
        )
    elif not unrest.settled and is_elsewhere and unrest.is_improbably_same:
        yield Doubt(
            Doubting.SUSPECT,
            "Since the weight changed, the scale shows the very same again and again: it may"
            " be at the end of its range.",
        )


def of_unknown(needed: int, there: int, *, is_averaged: bool) -> Doubt:
    """Nothing is known yet, and how long it takes."""
    if not is_averaged:
        return Doubt(Doubting.UNKNOWN, "No weight has held still yet.")
    return Doubt(
        Doubting.UNKNOWN,
        f"A piece is so light for this scale that {needed:,} readings are averaged for the"
        f" first level; {there:,} are there. It takes fewer when the scale's own"
        " spread is known.",
    )
