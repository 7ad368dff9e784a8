"""TOML text to typed values. The one error says which file, which keys, and what is allowed.

Settings and device profiles are both read through here, so a typo in either is answered alike: all
mistakes at once, so that a file is mended in one go.
Whoever opens the file passes its text: nothing here touches a disk.
"""

import copy
import difflib
import re
import tomllib
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar, get_args, get_origin

import msgspec

T = TypeVar("T", bound=msgspec.Struct)

Place = tuple[str | int, ...]  # of a value in a document: keys, and numbers in lists

MISTAKES_MAX = 100
SHOWN_CHARS_MAX = 200
SHOWN_BITS_MAX = 128
_WHERE = re.compile(r"^(?P<why>.*) - at `\$\.?(?P<key>.*)`$", re.DOTALL)
_PART = re.compile(r"\[(\d+)\]|([^.\[\]]+|\.{3})")
_UNNAMED = "..."
_MISSING = re.compile(r"Object missing required field `(?P<key>.*)`$", re.DOTALL)


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
    made, mistakes = converted(document, into, dec_hook)
    if made is None:
        raise SettingsError("\n".join(f"{origin}: {place}: {why}" for place, why in mistakes))
    return made


def converted(
    document: Mapping[str, Any],
    into: type[T],
    dec_hook: Callable[[type, Any], Any] | None = None,
) -> tuple[T | None, list[tuple[str, str]]]:
    """The document as what it should be; or None, and each mistake: its place and what is allowed.

    The conversion ends at the first. So what is wrong is taken out, and it is asked again.
    """
    rest = _Pruned(document)
    mistakes: list[tuple[str, str]] = []
    for place, hint in _unknown_keys(document, into):
        mistakes.append((_written(place), f"no such key. {hint}"))
        rest.take_out(place)
    while True:
        try:
            made = msgspec.convert(rest.document, into, dec_hook=dec_hook)
        except msgspec.ValidationError as error:
            at, why = _located(error, rest.document, into, dec_hook)
            place = rest.original(at)
            if not rest.lacks_what_was_taken(place, why):
                mistakes.append((_written(place), why + _allowed(document, into, place)))
            if not place or len(mistakes) >= MISTAKES_MAX:
                return None, mistakes
            rest.take_out(place)
        else:
            return (None if mistakes else made), mistakes


class _Pruned:
    """A document from which things are taken out, and what was where in the whole one."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = copy.deepcopy(document)
        self._there: dict[int, list[int]] = {}  # by list: the places that are left of it
        self._taken: set[Place] = set()

    def take_out(self, place: Place) -> None:
        holder: Any = self.document
        for part in place[:-1]:
            holder = holder[self._places(holder).index(part) if isinstance(part, int) else part]
        last = place[-1]
        if isinstance(last, int):
            at = self._places(holder).index(last)
            del holder[at], self._places(holder)[at]
        else:
            del holder[last]
        self._taken.add(place)

    def original(self, place: Place) -> Place:
        holder: Any = self.document
        there: list[str | int] = []
        for part in place:
            there.append(self._places(holder)[part] if isinstance(part, int) else part)
            holder = holder[part]
        return tuple(there)

    def lacks_what_was_taken(self, place: Place, why: str) -> bool:
        """A key that must be there, and was, until we took it out."""
        missing = _MISSING.match(why)
        return missing is not None and (*place, missing["key"]) in self._taken

    def _places(self, listed: Any) -> list[int]:  # noqa: ANN401 - parsed TOML may be anything
        return self._there.setdefault(id(listed), list(range(len(listed))))


def _located(
    error: msgspec.ValidationError,
    document: Any,  # noqa: ANN401 - parsed TOML may be anything
    into: Any,  # noqa: ANN401 - any annotation
    dec_hook: Callable[[type, Any], Any] | None,
) -> tuple[Place, str]:
    """Where the conversion ended, and why. In a table of tables it says `[...]`, not in which."""
    found = _WHERE.match(str(error))
    if found is None:
        return (), str(error)
    place = tuple(int(n) if n else name for n, name in _PART.findall(found["key"]))
    if _UNNAMED not in place:
        return place, found["why"]
    outer = place[: place.index(_UNNAMED)]
    wanted = get_args(_wanted_at(into, outer))[1]
    for name, entry in _value_at(document, outer).items():
        try:
            msgspec.convert(entry, wanted, dec_hook=dec_hook)
        except msgspec.ValidationError as inner:
            deeper, why = _located(inner, entry, wanted, dec_hook)
            return (*outer, name, *deeper), why
    return outer, found["why"]  # the name itself is refused


def _value_at(document: Any, place: Place) -> Any:  # noqa: ANN401 - parsed TOML may be anything
    for part in place:
        document = document[part]
    return document


def _wanted_at(wanted: Any, place: Place) -> Any:  # noqa: ANN401 - any annotation
    """The annotation of what stands at a place; None: it has none of ours."""
    for part in place:
        struct, many = _struct_in(wanted)
        if many is not None:
            wanted = struct
            continue
        fields = {f.encode_name: f.type for f in msgspec.structs.fields(struct)} if struct else {}
        if part not in fields:
            return None
        wanted = fields[str(part)]
    return _bare(wanted)


def _written(place: Place) -> str:
    if not place:
        return "(top level)"
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return text.removeprefix(".")


def _unknown_keys(
    document: Any,  # noqa: ANN401 - parsed TOML may be anything; this is the room that parses it
    into: Any,  # noqa: ANN401 - any annotation
    place: Place = (),
) -> Iterator[tuple[Place, str]]:
    """The conversion refuses them too, but does not say which keys there are."""
    into, many = _struct_in(into)
    if into is None:
        return
    if many is list and isinstance(document, list):
        for number, entry in enumerate(document):
            yield from _unknown_keys(entry, into, (*place, number))
    elif many is dict and isinstance(document, Mapping):
        for name, entry in document.items():
            yield from _unknown_keys(entry, into, (*place, name))
    elif many is None and isinstance(document, Mapping):
        fields = {field.encode_name: field.type for field in msgspec.structs.fields(into)}
        for key, value in document.items():
            if key not in fields:
                yield (*place, key), _nearest(key, list(fields))
            else:
                yield from _unknown_keys(value, fields[key], (*place, key))


def _struct_in(wanted: Any) -> tuple[type[msgspec.Struct] | None, type | None]:  # noqa: ANN401 - any annotation
    """The struct that an annotation asks for, and whether for a list or a dict of them."""
    wanted = _bare(wanted)
    if isinstance(wanted, type) and issubclass(wanted, msgspec.Struct):
        return wanted, None
    if get_origin(wanted) in (tuple, list) and get_args(wanted):
        return _struct_in(get_args(wanted)[0])[0], list
    if get_origin(wanted) is dict:
        return _struct_in(get_args(wanted)[1])[0], dict
    if get_origin(wanted) in (typing.Union, types.UnionType):
        for choice in get_args(wanted):
            found = _struct_in(choice)
            if found[0] is not None:
                return found
    return None, None


def _bare(wanted: Any) -> Any:  # noqa: ANN401 - any annotation
    return get_args(wanted)[0] if get_origin(wanted) is typing.Annotated else wanted


def _nearest(key: str, names: list[str]) -> str:
    meant = difflib.get_close_matches(key, names, n=1)
    hint = f"Did you mean `{meant[0]}`? " if meant else ""
    return f"{hint}Allowed: {', '.join(names)}"


def _allowed(document: Any, into: type[msgspec.Struct], place: Place) -> str:  # noqa: ANN401 - parsed TOML
    """Choices are worth naming; a range is already in msgspec's own sentence."""
    value = _value_at(document, place)
    choices = _choices(_wanted_at(into, place))
    got = f" (it says {value!r})" if _is_fit_to_show(value) else ""
    return f"{got}. Allowed: {', '.join(choices)}" if choices else got


def _is_fit_to_show(value: Any) -> bool:  # noqa: ANN401 - parsed TOML
    """What is wrong with an address may be the password in it: that is not for a log."""
    match value:
        case str():
            return len(value) <= SHOWN_CHARS_MAX and "@" not in value
        case int():
            return value.bit_length() <= SHOWN_BITS_MAX
        case _:
            return isinstance(value, float)


def _choices(wanted: Any) -> list[str]:  # noqa: ANN401 - any annotation
    wanted = _bare(wanted)
    if get_origin(wanted) is typing.Literal:
        return [repr(choice) for choice in get_args(wanted)]
    if get_origin(wanted) in (typing.Union, types.UnionType):
        return [choice for part in get_args(wanted) for choice in _choices(part)]
    return []
