"""TOML text to typed values. The one error says which file, which key, and what is allowed.

Settings and device profiles are both read through here, so a typo in either is answered alike.
Whoever opens the file passes its text: nothing here touches a disk.
"""

import difflib
import re
import tomllib
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, get_args, get_origin

import msgspec

T = TypeVar("T", bound=msgspec.Struct)

_WHERE = re.compile(r"^(?P<why>.*) - at `\$\.?(?P<key>.*)`$", re.DOTALL)


class SettingsError(Exception):
    """A file we cannot work by: which file, which key, and what is allowed."""


def read(
    text: str,
    into: type[T],
    origin: str,
    dec_hook: Callable[[type, Any], Any] | None = None,
) -> T:
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits, brackets without end
        raise SettingsError(f"{origin}: this is no TOML: {error}") from error
    _refuse_unknown_keys(document, into, origin, "")
    try:
        return msgspec.convert(document, into, dec_hook=dec_hook)
    except msgspec.ValidationError as error:
        found = _WHERE.match(str(error))
        key, why = (found["key"], found["why"]) if found else ("(top level)", str(error))
        raise SettingsError(f"{origin}: {key}: {why}{_allowed(document, into, key)}") from error


def _refuse_unknown_keys(document: Any, into: Any, origin: str, place: str) -> None:  # noqa: ANN401 - parsed TOML may be anything; this is the room that parses it
    """The conversion refuses them too, but does not say which keys there are."""
    into, item = _struct_in(into)
    if into is None:
        return
    if item and isinstance(document, list):
        for number, entry in enumerate(document):
            _refuse_unknown_keys(entry, into, origin, f"{place}[{number}]")
    elif not item and isinstance(document, Mapping):
        fields = {field.encode_name: field.type for field in msgspec.structs.fields(into)}
        for key, value in document.items():
            path = f"{place}.{key}" if place else key
            if key not in fields:
                raise SettingsError(f"{origin}: {path}: no such key. {_nearest(key, list(fields))}")
            _refuse_unknown_keys(value, fields[key], origin, path)


def _struct_in(wanted: Any) -> tuple[type[msgspec.Struct] | None, bool]:  # noqa: ANN401 - any annotation
    """The struct that an annotation asks for, and whether it asks for a list of them."""
    wanted = _bare(wanted)
    if isinstance(wanted, type) and issubclass(wanted, msgspec.Struct):
        return wanted, False
    if get_origin(wanted) is tuple and get_args(wanted):
        return _struct_in(get_args(wanted)[0])[0], True
    if get_origin(wanted) in (typing.Union, types.UnionType):
        for choice in get_args(wanted):
            found = _struct_in(choice)
            if found[0] is not None:
                return found
    return None, False


def _bare(wanted: Any) -> Any:  # noqa: ANN401 - any annotation
    return get_args(wanted)[0] if get_origin(wanted) is typing.Annotated else wanted


def _nearest(key: str, names: list[str]) -> str:
    meant = difflib.get_close_matches(key, names, n=1)
    hint = f"Did you mean `{meant[0]}`? " if meant else ""
    return f"{hint}Allowed: {', '.join(names)}"


def _allowed(document: Any, into: type[msgspec.Struct], key: str) -> str:  # noqa: ANN401 - parsed TOML
    """Choices are worth naming; a range is already in msgspec's own sentence."""
    value: Any = document
    wanted: Any = into
    for part in re.findall(r"[^.\[\]]+", key):
        if part.isdigit() and isinstance(value, list) and int(part) < len(value):
            value = value[int(part)]
            continue
        struct = _struct_in(wanted)[0]
        fields = {f.encode_name: f.type for f in msgspec.structs.fields(struct)} if struct else {}
        if part not in fields or not isinstance(value, Mapping):
            return ""
        wanted, value = fields[part], value.get(part)
    choices = _choices(wanted)
    # What is wrong with an address may be the password in it: that is not for a log.
    fit_to_show = isinstance(value, str | int | float | bool) and "@" not in str(value)
    got = f" (it says {value!r})" if fit_to_show else ""
    return f"{got}. Allowed: {', '.join(choices)}" if choices else got


def _choices(wanted: Any) -> list[str]:  # noqa: ANN401 - any annotation
    wanted = _bare(wanted)
    if get_origin(wanted) is typing.Literal:
        return [repr(choice) for choice in get_args(wanted)]
    if get_origin(wanted) in (typing.Union, types.UnionType):
        return [choice for part in get_args(wanted) for choice in _choices(part)]
    return []
