"""What the types of a profile let in, by themselves."""

import tomllib

import msgspec
import pytest

from edge_agent import profiles
from edge_agent.drivers.profile_format import ProfileFile

LEAST = {"title": "t", "kind": "scale"}


def test_a_profile_needs_no_more_than_a_title_and_a_kind() -> None:
    made = msgspec.convert(LEAST, ProfileFile)
    assert (made.ask.mode, made.line.baud, made.frame, made.modbus) == ("poll", 9600, None, None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "spoon"},
        {"colour": "red"},
        {"line": {"baud": 50}},
        {"line": {"bits": 9}},
        {"line": {"parity": "mark"}},
        {"ask": {"mode": "shout"}},
        {"ask": {"answer_ms": 0}},
        {"frame": {"bytes_max": 0}},
        {"frame": {"bytes_max": 1_000_000}},
        {"frame": {"checks": [{"kind": "sha256", "at": -1}]}},
        {"frame": {"length_at": {"at": -1}}},
        {"columns": {"a": {"at": 0, "size": 0}}},
        {"registers": {"a": {"at": 0, "as": "float16"}}},
        {"registers": {"a": {"at": 0, "count": 126}}},
        {"modbus": {"unit": 256}},
        {"modbus": {"registers_max": 126}},
        {"modbus": {"transports": ["profibus"]}},
        {"outcomes": [{"is": "guess"}]},
        {"outcomes": [{"pattern": "x"}]},
        {"identity": {"registers": [0, 17]}},
        {"evidence": [{"level": "hearsay", "source": "s"}]},
        {"evidence": [{"level": "bench"}]},
        {"parameters": {"unit": {"choices": ["g"]}}},
    ],
)
def test_what_is_out_of_range_or_misspelt_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(LEAST | wrong, ProfileFile)


def test_bytes_on_the_line_are_written_with_the_escapes_of_toml() -> None:
    text = 'title = "t"\nkind = "scale"\n[ask]\nrequest = "\\u0002Q\\r\\n"\n'
    made = msgspec.convert(tomllib.loads(text), ProfileFile)
    assert made.ask.request.encode("latin-1") == b"\x02Q\r\n"


@pytest.mark.parametrize("name", profiles.shipped())
def test_every_shipped_profile_says_how_we_know_and_what_it_covers(name: str) -> None:
    read = profiles.read(name)
    assert read.evidence
    assert read.covers
    assert read.outcomes or name == "modbus"


@pytest.mark.parametrize("name", profiles.shipped())
def test_every_text_of_a_shipped_profile_fits_on_a_line_of_bytes(name: str) -> None:
    read = profiles.read(name)
    texts = [read.ask.request, *read.ask.before, *read.ask.never_send]
    texts += [command.send for command in read.commands.values()]
    texts += [read.frame.start, *read.frame.ends] if read.frame else []
    for text in texts:
        text.encode("latin-1")
