"""A profile at work: with small profiles made for one question each."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent import profiles
from edge_agent.drivers.declared import Declared, Decoded
from edge_agent.framing.frames import Discard
from tests.edge_agent.drivers.small_profiles import LINES, WEIGHT, made, scale


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


# ---------------------------------------------------------------------- commands


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
