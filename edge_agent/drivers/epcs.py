"""What the EPC memory of a tag says, after the GS1 Tag Data Standard, decoded by epcpy.

A header that is not in the standard is somebody's own numbering: it passes through as it is.
"""

from typing import Any
from urllib.parse import unquote

_SCHEMES = {
    0x30: "sgtin-96",
    0x31: "sscc-96",
    0x32: "sgln-96",
    0x33: "grai-96",
    0x34: "giai-96",
    0x36: "sgtin-198",
    0x37: "grai-170",
    0x38: "giai-202",
    0x39: "sgln-195",
}


def explained(memory: str) -> dict[str, object]:
    """The pure-identity URI, the scheme, and the GS1 keys in it."""
    from epcpy.utils.parsers import hex_to_tag_encodable  # noqa: PLC0415 - only sites with tags pay

    raw: dict[str, object] = {"scheme": "raw", "hex": memory}
    try:
        number = bytes.fromhex(memory)
    except ValueError as error:
        return {**raw, "error": f"no memory of a tag: {error}"}
    raw["uri"] = f"urn:epc:raw:{len(number) * 8}.x{memory}"
    scheme = _SCHEMES.get(number[0]) if number else None
    if scheme is None:
        return raw
    try:
        tag: Any = hex_to_tag_encodable(memory)  # the schemes share no type that has all of this
        found: dict[str, object] = {
            "uri": tag.epc_uri,
            "scheme": scheme,
            "filter": int.from_bytes(number[:2], "big") >> 5 & 0b111,
            "hex": memory,
            "element_string": tag.gs1_element_string(),
        }
        return {**found, **_keys(scheme, tag)}
    except Exception as error:  # noqa: BLE001 - the library raises plain Exceptions of many kinds
        return {**raw, "error": f"header says {scheme}: {error}"}


def _keys(scheme: str, tag: Any) -> dict[str, object]:  # noqa: ANN401 - as above
    """The parts of `urn:epc:id:sgtin:0614141.812345.a.b:c`: the last may hold points and colons."""
    kind, _, address = tag.epc_uri.removeprefix("urn:epc:id:").partition(":")
    prefix, *parts = address.split(".", 2)
    keys: dict[str, object] = {"company_prefix": prefix}
    if kind == "sgtin":
        keys["gtin"] = tag.gs1_key()
        keys["item_reference"] = parts[0]
    if parts and scheme.startswith(("sgtin", "grai", "sgln")):
        keys["serial"] = unquote(parts[-1])
    return keys
