"""What is wrong in a profile is said when it is loaded; what is let through ends."""

import time

import msgspec
import pytest

from edge_agent.drivers.compiling import (
    MISTAKES_MAX,
    NESTED_IN_ALL_MAX,
    ProfileError,
    compile_profile,
)
from edge_agent.drivers.profile_format import ProfileFile
from edge_agent.framing.frames import FrameRule
from tests.edge_agent.drivers.small_profiles import LINES, made, scale


def mistakes(**keys: object) -> dict[str, str]:
    with pytest.raises(ProfileError) as refused:
        made(**{"frame": LINES, **keys})
    return dict(refused.value.mistakes)


# ---------------------------------------------------------------------- parameters


UNIT = {"unit": {"why": "the frame does not name it", "choices": ["g", "kg"]}}


def test_a_parameter_without_a_default_must_be_given() -> None:
    assert "the frame does not name it" in mistakes(parameters=UNIT)["parameter unit"]


def test_on_a_bench_what_was_not_given_is_not_there() -> None:
    raw = {
        "title": "t",
        "kind": "scale",
        "frame": LINES,
        "parameters": UNIT,
        "outcomes": [{"is": "measurement", "say": {"weight": "number(line)", "unit": "unit"}}],
    }
    declared = compile_profile(msgspec.convert(raw, ProfileFile), all_needed=False)
    [decoded] = declared.decode_frame(b"5")
    assert decoded.values["unit"] is None


@pytest.mark.parametrize(
    ("parameter", "given", "said"),
    [
        ({"why": "w", "choices": ["g", "kg"]}, "lb", "'lb' is not one of g, kg"),
        ({"why": "w", "type": "int"}, "1.5", "'1.5' is no whole number"),
        ({"why": "w", "type": "int"}, "1" * 10, "is no whole number"),
        ({"why": "w"}, "\u20ac", "has letters that are no bytes"),
        ({"why": "w", "type": "flag"}, "maybe", "say true or false"),
        ({"why": "w", "type": "int", "choices": [16, 32]}, "24", "is not one of 16, 32"),
    ],
)
def test_a_wrong_parameter_is_told_with_what_is_allowed(
    parameter: dict[str, object], given: str, said: str
) -> None:
    with pytest.raises(ProfileError, match=f"parameter p: .*{said}"):
        made({"p": given}, frame=LINES, parameters={"p": parameter})


def test_an_unknown_parameter_is_told_with_those_there_are() -> None:
    with pytest.raises(ProfileError, match=r"parameter wieght: .*this profile has: unit"):
        made({"wieght": "1", "unit": "g"}, frame=LINES, parameters=UNIT)


def test_the_frame_may_depend_on_parameters() -> None:
    declared = made(
        {"checksum": "yes"},
        parameters={"checksum": {"why": "w", "type": "flag"}},
        frame={
            "length": "5 + (1 if checksum else 0)",
            "checks": [{"kind": "xor8", "covers_to": -1, "at": -1, "when": "checksum"}],
        },
    )
    assert declared.frame_rule is not None
    assert declared.frame_rule.length == 6
    assert len(declared.frame_rule.checks) == 1


# ---------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("keys", "place", "said"),
    [
        ({"let": {"a": "b", "b": "a"}}, "let.a", "worked out from itself"),
        ({"let": {"a": "1 if a else 2"}}, "let.a", "`a` is not known here"),
        ({"outcomes": [{"is": "ack", "pattern": "("}]}, "outcomes[0].pattern", "character 0"),
        (
            {"outcomes": [{"is": "ack", "pattern": "x{1,7777777777}"}]},
            "outcomes[0].pattern",
            "too large",
        ),
        ({"outcomes": [{"is": "ack", "pattern": "(" * 9_999}]}, "outcomes[0].pattern", ""),
        ({"outcomes": [{"is": "ack", "pattern": "{no}"}]}, "outcomes[0].pattern", "no part 'no'"),
        ({"outcomes": [{"is": "ack", "when": "wieght"}]}, "outcomes[0].when", "not known here"),
        ({"outcomes": [{"is": "ack", "say": {"A b": "1"}}]}, "outcomes[0].say", "is no name"),
        ({"outcomes": [{"is": "ack", "when": "bit(1)"}]}, "outcomes[0].when", "'place'"),
        ({"outcomes": [{"is": "barcode"}]}, "outcomes[0].say", "must say its `data`"),
        ({"outcomes": [{"is": "epc"}]}, "outcomes[0].say", "must say its `hex`"),
        ({"outcomes": [{"is": "tags"}]}, "outcomes[0].say", "must say its `id`"),
        ({"ask": {"request": "\u20ac"}}, "ask.request", "are no bytes"),
        ({"ask": {"before": ["Q", "\u20ac"]}}, "ask.before[1]", "are no bytes"),
        ({"frame": {"start": "\u8002", "ends": ["\r"]}}, "frame.start", "are no bytes"),
        ({"frame": {"ends": ["\r", ""]}}, "frame.ends[1]", "is empty"),
        ({"commands": {"zero": {"send": "\u20ac"}}}, "commands.zero.send", "are no bytes"),
        ({"registers": {"a": {"at": 0}}}, "modbus", "is missing"),
        ({"identity": {"ask": "I4"}}, "identity", "`ask` and `pattern`"),
        ({"identity": {"ask": "I", "pattern": "x"}}, "identity.pattern", "(?P<serial>"),
        ({"channels": "number('x')"}, "channels", "is no number"),
        ({"channels": "'A'"}, "channels", "'A' is not from 0 to 1000"),
        ({"channels": "10000"}, "channels", "is not from 0 to 1000"),
        ({"channels": "0.5"}, "channels", "is not from 0 to 1000"),
        ({"frame": {"length": 0}}, "frame", "nowhere where a frame ends"),
        ({"frame": {"length": "0 - 3"}}, "frame.length", "-3 is not from 0 to 128"),
        ({"frame": {"length": "129"}}, "frame.length", "129 is not from 0 to 128"),
        ({"frame": {"length": "'x'"}}, "frame.length", "'x' is not from 0 to 128"),
        (
            {"frame": {"ends": ["\r"], "after_end": "0 - 1"}},
            "frame.after_end",
            "is not from 0 to 16",
        ),
        ({"frame": {"length_at": {"at": 128}}}, "frame.length_at", "stands behind byte 128"),
        (
            {"frame": {"length": 9, "bytes_max": 999, "checks": [{"kind": "xor8", "at": -1}]}},
            "frame.bytes_max",
            "Allowed: 512",
        ),
        (
            {"frame": {"length": 9, "checks": [{"kind": "crc16_modbus", "at": -2}]}},
            "frame.checks[0].written",
            "Allowed: 'low_first', 'high_first'",
        ),
        ({"columns": {"a": {"at": 0, "size": 65, "as": "byte"}}}, "columns.a.size", "Allowed: 64"),
        (
            {"modbus": {"registers_max": 1}, "registers": {"a": {"at": 0, "as": "int32"}}},
            "registers.a",
            "more than `registers_max`, which is 1",
        ),
        ({"commands": {"zero": {"write": {"x": [1]}}}}, "commands.zero.write", "0 to 65535"),
        ({"commands": {"zero": {"write": {"1": [-1]}}}}, "commands.zero.write", "0 to 65535"),
        (
            {"parameters": {"p": {"why": "w", "default": "\u20ac"}}},
            "parameters.p.default",
            "are no bytes",
        ),
        ({"outcomes": [{"is": "ack", "say": {"tags": "1"}}]}, "outcomes[0].say", "word of ours"),
        (
            {"outcomes": [{"is": "ack", "pattern": "(a+)+b"}]},
            "outcomes[0].pattern",
            "for a frame of 128 bytes; allowed are 10,000,000",
        ),
        (
            {"identity": {"ask": "I", "pattern": ".*.*.*.*(?P<serial>.*)"}},
            "identity.pattern",
            "tries for a frame of 128 bytes",
        ),
        (
            {"let": {f"a{n}": f"a{n + 1} + 1" for n in range(60)} | {"a60": "1"}},
            "let.a0",
            f"Allowed: {NESTED_IN_ALL_MAX}",
        ),
        (
            {"channels": 1000, "outcomes": [{"is": "ack", "when": "1 == " + "1 + " * 400 + "1"}]},
            "channels",
            "characters of expressions. Allowed: 1,000,000",
        ),
    ],
)
def test_a_mistake_is_told_with_its_place(keys: dict[str, object], place: str, said: str) -> None:
    assert said in mistakes(**keys)[place]


def test_all_mistakes_are_told_at_once() -> None:
    assert set(mistakes(let={"a": "nope"}, outcomes=[{"is": "ack", "when": "("}])) == {
        "let.a",
        "outcomes[0].when",
    }


def test_only_so_many_mistakes_are_told() -> None:
    outcomes = [{"is": "ack", "when": "no", "say": {"a": "no"}}] * 64
    with pytest.raises(ProfileError) as refused:
        made(frame=LINES, outcomes=outcomes)
    assert len(refused.value.mistakes) == MISTAKES_MAX


# ---------------------------------------------------------------------- what is let through ends


def test_what_is_worked_out_from_each_other_may_be_as_deep_as_is_allowed() -> None:
    let = {f"a{n}": f"a{n + 1} + 1" for n in range(NESTED_IN_ALL_MAX // 2 - 1)}
    last = f"a{len(let)}"
    declared = scale({"is": "ack", "say": {"n": "a0"}}, let=let | {last: "1"})
    assert declared.decode_frame(b"x")[0].values == {"n": len(let) + 1}


@pytest.mark.parametrize("first", ["line", "frame", "99", "0.7", "integer(frame)"])
@pytest.mark.parametrize("how", ["{0} + {0}", "{0} * {0}"])
def test_what_doubles_with_every_step_comes_to_an_end(first: str, how: str) -> None:
    let = {"a0": first} | {f"a{n}": how.format(f"a{n - 1}") for n in range(1, 45)}
    declared = scale({"is": "ack", "say": {"n": "a44"}}, let=let)
    start_s = time.process_time()
    [decoded] = declared.decode_frame(b"x" * 100)
    assert time.process_time() - start_s < 1
    assert decoded.outcome == "discard" or "+" in how


def test_a_parameter_in_a_parameter_is_not_filled_again() -> None:
    parameters = {"a": {"why": "w", "default": "{b}{b}"}, "b": {"why": "w", "default": "{a}{a}"}}
    declared = made(frame=LINES, parameters=parameters)
    assert declared.filled("{a}") == b"{b}{b}"


def test_a_frame_may_end_in_each_of_the_ways() -> None:
    for frame in ({"ends": ["\r"]}, {"length": 3}, {"length_at": {"at": 0}}):
        assert isinstance(made(frame=frame).frame_rule, FrameRule)
    assert isinstance(made(frame={"ends_when_idle": True}).frame_rule, FrameRule)
