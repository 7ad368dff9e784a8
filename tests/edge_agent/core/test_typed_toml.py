import contextlib
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct

from edge_agent.core.typed_toml import SettingsError, read


class Cable(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    parity: Literal["none", "even"] = "none"
    address: str = ""


class Rack(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    cables: tuple[Cable, ...] = ()
    spare: Cable | None = None
    by_name: dict[str, Cable] = {}


class Link(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    address: Annotated[str, Meta(pattern="^mqtts?://[^@]+$")]


def refusal(text: str) -> str:
    with pytest.raises(SettingsError) as refused:
        read(text, Rack, "rack.toml")
    return str(refused.value)


def test_a_file_as_it_should_be_is_read() -> None:
    rack = read('name = "a"\n[[cables]]\nparity = "even"', Rack, "rack.toml")
    assert rack == Rack(name="a", cables=(Cable(parity="even"),))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('nam = "a"', ["rack.toml: nam:", "Did you mean `name`?", "name, cables, spare, by_name"]),
        ("", ["rack.toml:", "`name`"]),
        ("name = 3", ["rack.toml: name:", "`str`", "3"]),
        (
            'name = "a"\n[[cables]]\n[[cables]]\nparty = "even"',
            ["rack.toml: cables[1].party:", "Did you mean `parity`?"],
        ),
        (
            'name = "a"\n[[cables]]\nparity = "odd"',
            ["rack.toml: cables[0].parity:", "'odd'", "'none', 'even'"],
        ),
        ('name = "a"\n[spare]\nparty = 1', ["rack.toml: spare.party:", "parity"]),
        ('name = "a"\n[cables]\nparity = "even"', ["rack.toml: cables:", "`array`"]),
        ("name =", ["rack.toml: this is no TOML"]),
        ("name = " + "9" * 5_000, ["rack.toml: this is no TOML", "digits"]),
        ("name = " + "[" * 5_000, ["rack.toml: this is no TOML"]),
    ],
)
def test_an_error_names_the_file_the_key_and_what_is_allowed(text: str, said: list[str]) -> None:
    message = refusal(text)
    for part in said:
        assert part in message


def test_all_mistakes_are_told_at_once_each_at_its_place_in_the_whole_file() -> None:
    text = """
        spare = 1
        [[cables]]
        parity = "odd"
        [[cables]]
        [[cables]]
        party = "even"
        address = 7
        [[cables]]
        address = 8
        [by_name.a]
        [by_name.b]
        address = 9
    """
    places = [line.split(": ")[1] for line in refusal(text).splitlines()]
    assert sorted(places) == [
        "(top level)",
        "by_name.b.address",
        "cables[0].parity",
        "cables[2].address",
        "cables[2].party",
        "cables[3].address",
        "spare",
    ]


def test_what_was_wrong_is_not_missing_as_well() -> None:
    assert refusal("name = 3").splitlines() == [
        "rack.toml: name: Expected `str`, got `int` (it says 3)"
    ]


def test_what_may_hold_a_password_is_not_repeated_in_the_error() -> None:
    with pytest.raises(SettingsError) as refused:
        read('name = "a"\naddress = "mqtt://me:secret@host"', Link, "link.toml")
    assert "link.toml: address:" in str(refused.value)
    assert "secret" not in str(refused.value)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_and_nothing_else(text: str) -> None:
    with contextlib.suppress(SettingsError):
        read(text, Rack, "rack.toml")
