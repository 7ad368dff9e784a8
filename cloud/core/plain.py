"""Frozen values to plain ones and back: text, whole numbers, true and false, lists and tables.

For what is stored, hashed and computed again years later. Floats are refused: they are told in
more than one way, and a hash over them would depend on who wrote them.
"""

import dataclasses
import json
from datetime import UTC, date, datetime, time
from enum import Enum
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints
from uuid import UUID

Plain = None | bool | int | str | list["Plain"] | dict[str, "Plain"]

_Value = TypeVar("_Value")


def plain_of(value: object) -> Plain:
    """The plain form of a frozen value. Times are told in UTC, sets in order."""
    if isinstance(value, Enum):
        return plain_of(value.value)
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, (datetime, date, time, UUID)):
        return _told(value)
    return _table_or_list(value)


def _told(value: datetime | date | time | UUID) -> str:
    if isinstance(value, datetime):
        assert value.tzinfo is not None, "a time without a zone is no time"
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value)


def _table_or_list(value: object) -> Plain:
    if isinstance(value, (tuple, list)):
        return [plain_of(one) for one in value]
    if isinstance(value, frozenset):
        return sorted((plain_of(one) for one in value), key=canonical)
    if isinstance(value, dict):
        return {str(plain_of(key)): plain_of(one) for key, one in value.items()}
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value)]
        return {name: plain_of(getattr(value, name)) for name in names}
    raise TypeError(f"{type(value).__name__} has no plain form")


def canonical(plain: Plain) -> str:
    """JSON in exactly one way: keys sorted, no blanks, ASCII."""
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False)


def value_of(kind: type[_Value], plain: Plain) -> _Value:
    """The frozen value of type `kind` that `plain` stands for."""
    return cast("_Value", _read(kind, plain))


def _read(kind: Any, plain: Plain) -> object:  # noqa: ANN401 - types are values here
    if get_origin(kind) in (Union, UnionType):
        return _read_one_of(get_args(kind), plain)
    many = get_origin(kind)
    if many in (tuple, frozenset):
        assert isinstance(plain, list)
        return many(_read(get_args(kind)[0], one) for one in plain)
    if dataclasses.is_dataclass(kind):
        assert isinstance(plain, dict)
        hints = get_type_hints(kind)
        return cast("Any", kind)(**{name: _read(hints[name], one) for name, one in plain.items()})
    return _read_leaf(kind, plain)


def _read_one_of(kinds: tuple[Any, ...], plain: Plain) -> object:
    if plain is None:
        assert NoneType in kinds
        return None
    (kind,) = (kind for kind in kinds if kind is not NoneType)
    return _read(kind, plain)


def _read_leaf(kind: Any, plain: Plain) -> object:  # noqa: ANN401 - types are values here
    if kind in (datetime, date, time):
        return kind.fromisoformat(str(plain))
    if kind in (int, str, bool):
        if type(plain) is not kind:
            raise TypeError(f"{plain!r} is no {kind.__name__}")
        return plain
    if isinstance(kind, type) and issubclass(kind, (UUID, Enum)):
        return kind(cast("Any", plain))
    raise TypeError(f"{kind!r} is not read from a plain form")
