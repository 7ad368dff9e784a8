"""The machine that reads profiles: with small profiles made for one question each."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent import profiles
from edge_agent.drivers.declared import Declared, Decoded, ProfileError
from edge_agent.drivers.profile_format import ProfileFile
from edge_agent.framing.frames import Discard

LINES = {"ends": ["\r"]}
WEIGHT = {
    "is": "measurement",
    "pattern": r"(?P<weight_text>[\d.]+) (?P<unit_text>\w+)",
    "say": {"weight": "number(weight_text)", "unit": "unit_text"},
}


def made(given: dict[str, str] | None = None, /, **keys: object) -> Declared:
    raw = {"title": "t", "kind": "scale", **keys}
    return Declared(msgspec.convert(raw, ProfileFile), given)


def scale(*outcomes: dict[str, object], **keys: object) -> Declared:
    return made(frame=LINES, outcomes=list(outcomes), **keys)


def mistakes(**keys: object) -> dict[str, str]:
    with pytest.raises(ProfileError) as refused:
        made(**{"frame": LINES, **keys})
    return dict(refused.value.mistakes)


def meant(declared: Declared, frame: bytes) -> dict[str, object]:
    [decoded] = declared.decode_frame(frame)
    return {"is": decoded.outcome, **decoded.values}


# ---------------------------------------------------------------------- frames


def test_the_first_outcome_that_fits_says_what_a_frame_means() -> None:
    second = {"is": "ack", "pattern": ".*"}
    assert meant(scale(WEIGHT, second), b"1.50 kg") == {
        "is": "measurement",
        "weight": Decimal("1.50"),
        "unit": "kg",
    }
    assert meant(scale(second, WEIGHT), b"1.50 kg") == {"is": "ack"}


def test_a_pattern_must_fit_the_whole_frame() -> None:
    assert meant(scale(WEIGHT), b"1.50 kg?")["is"] == "discard"


def test_what_no_outcome_fits_is_thrown_away_with_its_bytes() -> None:
    assert scale(WEIGHT).decode_frame(b"hello") == [
        Decoded("discard", {"reason": "not understood"}, b"hello")
    ]


def test_what_the_framer_threw_away_stays_so() -> None:
    assert scale(WEIGHT).decode_frame(Discard("crc", b"1 g")) == [
        Decoded("discard", {"reason": "crc"}, b"1 g")
    ]


@pytest.mark.parametrize("frame", [b"1.2.3 kg", b"1 stone", b". g"])
def test_a_number_or_unit_that_is_none_spoils_the_frame(frame: bytes) -> None:
    assert meant(scale(WEIGHT), frame)["is"] == "discard"


def test_there_is_no_minus_before_a_zero() -> None:
    outcome = {"is": "measurement", "say": {"weight": "number(line)"}}
    assert str(meant(scale(outcome), b"-0.00")["weight"]) == "0.00"


def test_fields_have_places_and_a_place_behind_the_end_spoils_only_who_asks_for_it() -> None:
    columns = {
        "first": {"at": 0, "as": "byte"},
        "last": {"at": -1, "as": "text"},
        "far": {"at": 10, "size": 2, "as": "bytes"},
    }
    wants_far = {"is": "ack", "when": "length(far) == 2"}
    takes = {"is": "status", "say": {"first": "first", "last": "last"}}
    declared = scale(wants_far, takes, columns=columns)
    assert meant(declared, b"Abc") == {"is": "status", "first": 65, "last": "c"}
    assert meant(declared, b"0123456789ab") == {"is": "ack"}


def test_what_is_worked_out_may_use_what_is_worked_out() -> None:
    let = {"grams": "number(line)", "heavier": "grams + grams"}
    outcome = {"is": "measurement", "say": {"weight": "heavier"}}
    assert meant(scale(outcome, let=let), b"2.5")["weight"] == Decimal("5.0")


def test_parts_of_patterns_have_names() -> None:
    parts = {"value": r"(?P<weight_text>\d+)"}
    outcome = {**WEIGHT, "pattern": "W{value} (?P<unit_text>g)"}
    assert meant(scale(outcome, parts=parts), b"W12 g")["weight"] == 12


def test_entries_of_one_frame_are_told_one_by_one() -> None:
    each = {"within": "part(frame, 1)", "size": "1 + integer(part(rest, 0, 1))"}
    outcome = {"is": "tags", "each": each, "say": {"id": "hex(part(item, 1))"}}
    declared = made(frame={"length": 9, "text": False}, outcomes=[outcome])
    found = declared.decode_frame(b"\x00\x02AB\x01C\x00")
    assert [one.values["id"] for one in found] == ["4142", "43", ""]
    assert [one.outcome for one in declared.decode_frame(b"\x00\x09AB")] == ["discard"]


def test_an_entry_that_breaks_off_spoils_the_frame_and_not_only_itself() -> None:
    """The count and the entries disagree: then none of them is to be believed."""
    each = {"within": "frame", "size": "2"}
    outcome = {"is": "tags", "each": each, "say": {"id": "hex(item)"}}
    declared = made(frame={"length": 3, "text": False}, outcomes=[outcome])
    assert [one.outcome for one in declared.decode_frame(b"ABC")] == ["discard"]


def test_what_was_asked_may_decide_what_the_answer_means() -> None:
    outcomes = [
        {"is": "ack", "when": "asked == 'Z'", "say": {"command": "'zero'"}},
        {"is": "status"},
    ]
    declared = scale(*outcomes)
    assert declared.decode_frame(b"A", b"Z")[0].outcome == "ack"
    assert declared.decode_frame(b"A")[0].outcome == "status"


def test_a_number_no_such_scale_can_show_is_a_wrong_setting() -> None:
    limits = {"weight_max": "capacity", "weight_min": "-capacity"}
    parameters = {"capacity": {"why": "w", "type": "int"}}
    declared = made(
        {"capacity": "30"},
        frame=LINES,
        parameters=parameters,
        limits=limits,
        outcomes=[{"is": "measurement", "say": {"weight": "number(line)"}}],
    )
    assert meant(declared, b"30")["is"] == "measurement"
    assert meant(declared, b"30.1")["is"] == "config_suspect"
    assert meant(declared, b"-30.1")["is"] == "config_suspect"


def test_the_device_says_who_it_is_in_a_frame_of_its_own() -> None:
    identity = {"ask": "I4\r", "pattern": 'I4 A "(?P<serial>.*)"'}
    declared = scale(WEIGHT, identity=identity)
    assert declared.identity_in(b'I4 A "B0123"') == "B0123"
    assert declared.identity_in(b"1 g") is None
    assert scale(WEIGHT).identity_in(b'I4 A "B0123"') is None


# ---------------------------------------------------------------------- registers


def modbus(registers: dict[str, object], say: dict[str, str], **keys: object) -> Declared:
    outcome = {"is": "measurement", "say": say}
    return made(registers=registers, outcomes=[outcome], modbus={}, **keys)


@pytest.mark.parametrize(
    ("read", "words", "value"),
    [
        ("uint16", [0xFFFF], 65_535),
        ("int16", [0xFFFF], -1),
        ("uint32", [1, 2], 65_538),
        ("int32", [0xFFFF, 0xFFFE], -2),
        ("uint64", [0, 0, 1, 0], 65_536),
        ("int64", [0xFFFF] * 4, -1),
        ("float32", [0x4148, 0], Decimal("12.5")),
        ("float64", [0x4029, 0, 0, 0], Decimal("12.5")),
    ],
)
def test_registers_are_read_as_what_they_are(read: str, words: list[int], value: object) -> None:
    big = modbus({"shown": {"at": 8, "as": read}}, {"weight": "shown"})
    assert big.decode_registers(dict(enumerate(words, 8)))[0].values["weight"] == value
    little = {"shown": {"at": 8, "as": read, "word_order": "little"}}
    turned = modbus(little, {"weight": "shown"})
    assert turned.decode_registers(dict(enumerate(words[::-1], 8)))[0].values["weight"] == value


def test_bytes_may_lie_in_registers() -> None:
    declared = modbus({"name": {"at": 0, "as": "bytes", "count": 2}}, {"name": "text(name)"})
    assert declared.decode_registers({0: 0x4142, 1: 0x4344})[0].values["name"] == "ABCD"


def test_a_register_that_was_not_read_is_no_zero() -> None:
    declared = modbus({"shown": {"at": 8, "as": "int32"}}, {"weight": "shown"})
    assert [one.outcome for one in declared.decode_registers({8: 1})] == ["discard"]
    assert [one.outcome for one in declared.decode_registers({8: 1, 9: 70_000})] == ["discard"]


def test_channels_lie_one_behind_the_other() -> None:
    declared = modbus(
        {"shown": {"at": "10 + 2 * (channel - 1)", "as": "int32"}},
        {"weight": "shown"},
        channels=2,
    )
    found = declared.decode_registers({10: 0, 11: 5, 12: 0, 13: 7})
    assert [(one.values["channel"], one.values["weight"]) for one in found] == [(1, 5), (2, 7)]
    assert declared.fields_wanted() == [(10, 2), (12, 2)]
    assert [one.values["channel"] for one in declared.decode_registers({12: 0, 13: 7})] == [2]


def test_only_registers_that_an_outcome_may_ask_for_are_wanted() -> None:
    parameters = {"wide": {"why": "w", "type": "flag", "default": False}}
    registers = {"narrow": {"at": 1}, "long": {"at": 4, "as": "int32"}, "spare": {"at": 9}}
    say = {"weight": "long if wide else narrow"}
    declared = modbus(registers, say, parameters=parameters)
    assert declared.fields_wanted() == [(1, 1)]


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
    declared = Declared(msgspec.convert(raw, ProfileFile), all_needed=False)
    assert meant(declared, b"5")["unit"] is None


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


def test_parameters_fill_what_is_sent() -> None:
    declared = made(
        {"address": "07"},
        frame=LINES,
        parameters={"address": {"why": "w"}},
        commands={"zero": {"send": "@{address}Z\r\n"}, "tare": {"write": {"5": [1, 2]}}},
    )
    assert declared.filled("\x02{address}Q") == b"\x0207Q"
    assert declared.command("zero") == b"@07Z\r\n"
    assert declared.command("tare") == {5: [1, 2]}


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
        ({"channels": 10**9}, "channels", "is not from 0 to 1000"),
        ({"channels": "0.5"}, "channels", "is not from 0 to 1000"),
    ],
)
def test_a_mistake_is_told_with_its_place(keys: dict[str, object], place: str, said: str) -> None:
    assert said in mistakes(**keys)[place]


def test_all_mistakes_are_told_at_once() -> None:
    assert set(mistakes(let={"a": "nope"}, outcomes=[{"is": "ack", "when": "("}])) == {
        "let.a",
        "outcomes[0].when",
    }


# ---------------------------------------------------------------------- every shipped profile


SHIPPED = list(profiles.shipped())
LINE_PROFILES = [name for name in SHIPPED if profiles.read(name).frame is not None]
REGISTER_PROFILES = [name for name in SHIPPED if profiles.read(name).modbus is not None]


@pytest.mark.parametrize("name", LINE_PROFILES)
@given(frame=st.binary(max_size=60))
@settings(deadline=2_000, max_examples=60)
def test_no_frame_raises(name: str, frame: bytes) -> None:
    declared = _loaded(name)
    assert declared.decode_frame(frame)


@pytest.mark.parametrize("name", REGISTER_PROFILES)
@given(draw=st.data())
@settings(deadline=2_000, max_examples=30)
def test_no_registers_raise(name: str, draw: st.DataObject) -> None:
    declared = _loaded(name)
    wanted = {at + more for at, count in declared.fields_wanted() for more in range(count)}
    words = st.integers(0, 0xFFFF)
    registers = {at: draw.draw(words) for at in wanted if draw.draw(st.integers(0, 9))}
    declared.decode_registers(registers)


_LOADED: dict[str, Declared] = {}


def _loaded(name: str) -> Declared:
    if name not in _LOADED:
        parameters = {
            key: str(parameter.choices[0] if parameter.choices else 0)
            for key, parameter in profiles.read(name).parameters.items()
            if parameter.default is msgspec.UNSET
        }
        _LOADED[name] = profiles.load(name, parameters)
    return _LOADED[name]
