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
        ('nam = "a"', ["rack.toml: nam:", "Did you mean `name`?", "name, cables, spare"]),
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


def test_what_may_hold_a_password_is_not_repeated_in_the_error() -> None:
    with pytest.raises(SettingsError) as refused:
        read('name = "a"\naddress = "mqtt://me:secret@host"', Link, "link.toml")
    assert "link.toml: address:" in str(refused.value)
    assert "secret" not in str(refused.value)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_and_nothing_else(text: str) -> None:
    with contextlib.suppress(SettingsError):
        read(text, Rack, "rack.toml")
