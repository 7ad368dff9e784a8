from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from enum import StrEnum
from uuid import UUID

import pytest

from cloud.core.plain import canonical, plain_of, value_of


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True, kw_only=True)
class Inner:
    day: date
    at: time | None = None


@dataclass(frozen=True, kw_only=True)
class Outer:
    when: datetime
    colour: Colour
    who: UUID
    sure: bool
    inner: tuple[Inner, ...] = ()
    count: int | None = None
    names: frozenset[str] = frozenset()


VALUE = Outer(
    when=datetime(2026, 11, 30, 9, tzinfo=UTC),
    colour=Colour.RED,
    who=UUID(int=1),
    sure=True,
    names=frozenset({"b", "a"}),
    inner=(Inner(day=date(2026, 12, 1), at=time(14)), Inner(day=date(2026, 12, 2))),
)


def test_a_value_goes_there_and_back() -> None:
    assert value_of(Outer, plain_of(VALUE)) == VALUE


def test_canonical_is_one_text_for_one_value() -> None:
    assert canonical({"b": [1, None, True], "a": "ä"}) == '{"a":"\\u00e4","b":[1,null,true]}'
    east = VALUE.when.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert plain_of(east) == plain_of(VALUE.when) == "2026-11-30T09:00:00Z"


@pytest.mark.parametrize("odd", [1.5, b"x", object()])
def test_what_has_no_one_plain_form_is_refused(odd: object) -> None:
    with pytest.raises(TypeError):
        plain_of((odd,))


def test_text_is_not_taken_for_a_number() -> None:
    with pytest.raises(TypeError):
        value_of(Outer, {**plain_of(VALUE), "count": "3"})  # type: ignore[dict-item]  # a table
