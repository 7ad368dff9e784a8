"""What a scanned code says: symbology, GTIN, GS1 elements. One decoder for every scanner.

GS1 is parsed by biip, which keeps the tables of application identifiers; here stands what it leaves
open: the separator that a scanner lost. `10032915210526` may be batch 032915210526, or batch 0329
and a best-before date. Nobody can tell, so it is marked, never guessed.
"""

import re
from collections.abc import Mapping

SEPARATOR = "\x1d"
ELEMENTS_TEXT_MAX = 200
GTIN_DIGITS_MAX = 14

SYMBOLOGIES = {
    "]A": "Code 39",
    "]C0": "Code 128",
    "]C1": "GS1-128",
    "]C": "Code 128",
    "]d1": "DataMatrix",
    "]d2": "GS1 DataMatrix",
    "]d": "DataMatrix",
    "]E0": "EAN-13",
    "]E4": "EAN-8",
    "]E": "EAN/UPC",
    "]e0": "GS1 DataBar",
    "]e": "GS1 DataBar",
    "]F": "Codabar",
    "]I": "ITF",
    "]Q1": "QR",
    "]Q3": "GS1 QR",
    "]Q": "QR",
}
# Symbologies that carry GS1 elements, and those where digits are an article number.
_GS1 = ("]C1", "]d2", "]Q3", "]e0", "]e", "]C0", "]d1", "]Q1")
_CHECK_DIGIT = re.compile(r"Invalid (GTIN|SSCC) check digit .*Expected (\d)")


def explained(scanned: Mapping[str, object]) -> dict[str, object]:
    """`data` and `aim` as scanned, and what they mean as far as that is certain."""
    data = str(scanned["data"])
    aim = scanned.get("aim")
    found: dict[str, object] = {"data": data, "aim": aim}
    if isinstance(aim, str):
        found["symbology"] = SYMBOLOGIES.get(aim) or SYMBOLOGIES.get(aim[:2], "other")
    if isinstance(aim, str) and not aim.startswith(("]E", *_GS1)):
        return found  # a Code 39 of thirteen digits is no article number
    lost = str(scanned.get("separator") or "")
    plain = data.replace(lost, SEPARATOR) if lost else data
    parsed = _parsed(plain)
    if parsed is None:
        return found
    # An EAN-13 of a German article, 400..., reads like the element 400 (a customer's order number).
    is_article = isinstance(aim, str) and aim.startswith("]E")
    elements = {} if is_article else _elements(parsed)
    if (wrong := _wrong_check_digit(parsed, elements, is_article=is_article)) is not None:
        return {**found, "error": wrong}
    if elements:
        found["elements"] = elements
        if "8003" in elements:
            found["grai"] = True
        if SEPARATOR not in plain and parsed.gs1_message and _may_hide_another(elements):
            found["ambiguous"] = True
    is_number = (
        len(plain) <= GTIN_DIGITS_MAX
    )  # nothing but a GTIN; longer ones hold it as an element
    if parsed.gtin is not None and is_number and (aim is None or not elements):
        found["gtin"] = parsed.gtin.as_gtin_14()
        if elements:  # nothing says which of the two was meant
            found["ambiguous"] = True
    return found


def _parsed(text: str) -> "biip.ParseResult | None":  # type: ignore[name-defined]  # noqa: F821
    import biip  # noqa: PLC0415 - a gateway without a scanner need not carry its tables in memory

    try:
        return biip.parse(text)
    except Exception:  # noqa: BLE001 - besides its own errors it raises IndexError, for `]` alone
        return None


def _elements(parsed: "biip.ParseResult") -> dict[str, str]:  # type: ignore[name-defined]  # noqa: F821
    source = parsed.gs1_message or parsed.gs1_digital_link_uri
    if source is None:
        return {}
    return {element.ai.ai: element.value for element in source.element_strings}


def _wrong_check_digit(
    parsed: "biip.ParseResult",  # type: ignore[name-defined]  # noqa: F821
    elements: Mapping[str, str],
    *,
    is_article: bool,
) -> str | None:
    """A GTIN or SSCC that stands where one must stand, and fails its own digit.

    Eight digits of which nothing says that they are an article number may be the label of a bin.
    """
    named = {
        "GTIN": is_article or "01" in elements or "02" in elements,
        "SSCC": "00" in elements,
    }
    for message in (parsed.gtin_error, parsed.sscc_error):
        match = _CHECK_DIGIT.search(message or "")
        if match and named[match[1]]:
            return f"{match[1].lower()} check digit, expected {match[2]}"
    return None


def _may_hide_another(elements: Mapping[str, str]) -> bool:
    """Whether the end of the last element could just as well be elements of its own."""
    last = list(elements.values())[-1][:ELEMENTS_TEXT_MAX]
    if list(elements)[-1] in _FIXED_LENGTH:
        return False
    for cut in range(1, len(last) - 3):
        parsed = _parsed(last[cut:])
        hidden = parsed.gs1_message if parsed else None
        if hidden is not None and all(
            element.ai.ai in _FIXED_LENGTH for element in hidden.element_strings
        ):
            return True
    return False


# Application identifiers whose length the standard fixes, so that no separator follows them.
_FIXED_LENGTH = frozenset(
    ("00", "01", "02", "03", "11", "12", "13", "14", "15", "16", "17", "18", "19", "20", "41")
)
