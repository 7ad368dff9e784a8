"""Units of weight as scales write them, and the exact way to milligrams.

A unit is never assumed. What a frame does not name a profile must say; a name that is not here is
no weight.
"""

from decimal import ROUND_HALF_EVEN, Decimal

# Exact by definition (International Yard and Pound Agreement, 1959); the carat is 200 mg.
MILLIGRAMS = {
    "mg": Decimal(1),
    "ct": Decimal(200),
    "g": Decimal(1_000),
    "kg": Decimal(1_000_000),
    "t": Decimal(1_000_000_000),
    "oz": Decimal("28349.523125"),
    "lb": Decimal("453592.37"),
}

_SPELLED = {
    "gm": "g",
    "gr": "g",
    "grams": "g",
    "kgs": "kg",
    "lbs": "lb",
    "tn": "t",
    "pc": "pcs",
    "pcs": "pcs",
    "pce": "pcs",
    "pieces": "pcs",
}


def unit_named(text: str) -> str | None:
    """`kg` for ` KG`, `pcs` for `PC`; None for what no table knows."""
    plain = text.strip().lower()
    name = _SPELLED.get(plain, plain)
    return name if name in MILLIGRAMS or name == "pcs" else None


# A scale that sends whole numbers of a whole unit, ten times a second, wants no decimals.
_WHOLE = {unit: int(size) for unit, size in MILLIGRAMS.items() if size == int(size)}


def milligrams(weight: Decimal | int, unit: str) -> int:
    """Whole milligrams, halves to even: the error is under a thousandth of a gram."""
    if type(weight) is int and (size := _WHOLE.get(unit)) is not None:
        return weight * size
    return int((weight * MILLIGRAMS[unit]).to_integral_value(ROUND_HALF_EVEN))
