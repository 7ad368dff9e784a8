"""Whatever arrives, it is a message or a WireError."""

import json
import random
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge_agent.wire.codec import (
    PAYLOAD_BYTES_MAX,
    WireError,
    decode,
    encode,
    encode_json,
)
from edge_agent.wire.messages import (
    BATCH_READINGS_MAX,
    BATCH_SENSORS_MAX,
    EPOCH_MS_MAX,
    SEQ_MAX,
    Ack,
    Message,
    ReadingBatch,
    Weighed,
)
from tests.edge_agent.wire import strategies

STREAM = "0123456789abcdef" * 2
NESTED = 200_000

BATCH = {
    "type": "readings",
    "stream": STREAM,
    "first_seq": 1,
    "base_ms": 1_767_225_600_000,
    "sensors": ["s01"],
    "readings": [[1, 0, 0, 42]],
}
GAP = {"type": "gap", "stream": STREAM, "first_seq": 4, "last_seq": 9, "because": "disk full"}
PRESENCE = {"type": "presence", "stream": STREAM, "state": "online"}
THINNED = {
    "type": "thinned",
    "stream": STREAM,
    "first_seq": 4,
    "last_seq": 9,
    "base_ms": 1_767_225_600_000,
    "sensors": ["s01"],
    "readings": [[1, 0, 0, 42], [1, 0, 7, 43]],
    "places": [0, 5],
    "because": "disk full",
}
STEP = {"type": "clock_step", "stream": STREAM, "seq": 10, "step_ms": -1_500}
KEPT = {"type": "kept", "stream": STREAM, "ranges": [[1, 4], [6, 9]]}
ACK = {"type": "ack", "stream": STREAM, "committed_upto": 9}


def in_both_forms(said: dict) -> list[bytes]:
    return [msgspec.msgpack.encode(said), msgspec.json.encode(said)]


def becomes_a_message_or_a_wire_error(payload: bytes) -> Message | None:
    try:
        return decode(payload)
    except WireError:
        return None


def json_ack(committed_upto: bytes) -> bytes:
    return b'{"type":"ack","stream":"%s","committed_upto":%s}' % (STREAM.encode(), committed_upto)


# ------------------------------------------------------------------ what we say, we understand


@given(message=strategies.messages)
def test_a_message_comes_back_as_it_was_said(message: Message) -> None:
    assert decode(encode(message)) == message
    assert decode(encode_json(message)) == message


@pytest.mark.parametrize("blanks", [b"", b" ", b"\n", b"\r\n", b"\t"])
def test_json_typed_by_hand_may_begin_with_any_blank(blanks: bytes) -> None:
    assert decode(blanks + msgspec.json.encode(ACK)) == Ack(stream=STREAM, committed_upto=9)


def test_a_weight_costs_14_bytes_where_names_would_cost_77() -> None:
    weight = Weighed(sensor=0, after_ms=60_000, weight_mg=6_230_000, stability=0)
    assert len(msgspec.msgpack.encode(weight)) == 14
    assert len(msgspec.msgpack.encode({"type": 1, **msgspec.structs.asdict(weight)})) == 77


def test_the_largest_batch_fits_into_the_largest_payload() -> None:
    readings = [
        Weighed(sensor=900, after_ms=i, weight_mg=-6_230_000, stability=0, clock_trusted=True)
        for i in range(BATCH_READINGS_MAX)
    ]
    batch = ReadingBatch(
        stream=STREAM,
        first_seq=1,
        base_ms=0,
        sensors=[f"rack-12/shelf-{i:04}" for i in range(BATCH_SENSORS_MAX)],
        readings=readings,
    )
    assert len(encode(batch)) <= PAYLOAD_BYTES_MAX
    assert decode(encode(batch)) == batch


# ------------------------------------------------------------------ hostile bytes


@given(payload=st.binary(max_size=400))
@example(payload=b"")
@example(payload=b"\x00")
@example(payload=b"{")
@example(payload=b"\xc1")
@example(payload=b"\xdd\xff\xff\xff\xff")
@example(payload=b"\xdf\xff\xff\xff\xff")
@example(payload=b"\x82\xa4type\xa8readings\xa7sensors\xdd\xff\xff\xff\xff")
def test_noise_is_never_more_than_a_wire_error(payload: bytes) -> None:
    becomes_a_message_or_a_wire_error(payload)
    becomes_a_message_or_a_wire_error(b"{" + payload)
    becomes_a_message_or_a_wire_error(b"\x82" + payload)


@given(
    message=strategies.messages,
    seed=st.integers(0, 2**32),
    say=st.sampled_from([encode, encode_json]),
)
def test_a_damaged_message_is_a_wire_error_or_another_message(
    message: Message, seed: int, say: Callable[[Message], bytes]
) -> None:
    damaged = bytearray(say(message))
    chance = random.Random(seed)
    for _ in range(chance.randint(1, 6)):
        place = chance.randrange(len(damaged))
        match chance.randrange(4):
            case 0:
                damaged[place] = chance.randrange(256)
            case 1:
                del damaged[place : place + chance.randrange(9)]
            case 2:
                damaged[place:place] = chance.randbytes(chance.randrange(9))
            case _:
                damaged[place:place] = damaged[place : place + 40]
        if not damaged:
            break
    understood = becomes_a_message_or_a_wire_error(bytes(damaged))
    if understood is not None:
        assert decode(encode(understood)) == understood


@given(message=strategies.messages, data=st.data())
def test_a_message_cut_short_is_a_wire_error(message: Message, data: st.DataObject) -> None:
    for payload in (encode(message), encode_json(message)):
        cut = data.draw(st.integers(0, len(payload) - 1))
        with pytest.raises(WireError):
            decode(payload[:cut])


# Any value in any place: the types of JSON and MessagePack, nested, with numbers beyond all bounds.
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=8)
    | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)


EVERY_KIND = [BATCH, THINNED, GAP, STEP, KEPT, PRESENCE, ACK]


@given(said=st.sampled_from(EVERY_KIND), value=anything, data=st.data())
def test_any_value_in_any_place_is_a_wire_error_or_a_message(
    said: dict, value: object, data: st.DataObject
) -> None:
    key = data.draw(st.sampled_from(sorted(said)))
    for payload in in_both_forms({**said, key: value}):
        becomes_a_message_or_a_wire_error(payload)


@given(value=anything, place=st.integers(0, 7), kind=st.integers(1, 3))
def test_any_value_in_any_place_of_a_reading_is_a_wire_error_or_a_message(
    value: object, place: int, kind: int
) -> None:
    reading: list = [kind, 0, 0, "silent" if kind == 3 else 42, 0, 0, True, None]
    reading[place] = value
    for payload in in_both_forms({**BATCH, "readings": [reading]}):
        becomes_a_message_or_a_wire_error(payload)


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_deep_nesting_in_json_is_a_wire_error(opening: bytes) -> None:
    deep = opening * (PAYLOAD_BYTES_MAX // len(opening) - 100)
    with pytest.raises(WireError):
        decode(b'{"type":"ack","x":' + deep)


@pytest.mark.parametrize("opening", [b"\x91", b"\x81\xa1a", b"\xdc\x00\x01"])
def test_deep_nesting_in_messagepack_is_a_wire_error(opening: bytes) -> None:
    deep = opening * (NESTED // len(opening))
    with pytest.raises(WireError):
        decode(b"\x82\xa4type\xa3ack\xa1x" + deep)


@pytest.mark.parametrize(
    "number",
    [
        b"NaN",
        b"Infinity",
        b"-Infinity",
        b"1e999",
        b"-1e999",
        b"1e3",
        b"1.0",
        b"-0.0",
        b"-1",
        b"9007199254740993",
        b"18446744073709551616",
        b"9" * 5_000,
        b"0x10",
        b"1_000",
        b"true",
        b"null",
        b'"9"',
        b"[]",
    ],
)
def test_only_a_whole_number_in_range_is_a_number(number: bytes) -> None:
    with pytest.raises(WireError):
        decode(json_ack(number))


@pytest.mark.parametrize("weight", [1.0, float("nan"), float("inf"), True, None, "1", b"1", [1]])
def test_a_weight_is_an_integer_and_nothing_near_it(weight: object) -> None:
    with pytest.raises(WireError):
        decode(msgspec.msgpack.encode({**BATCH, "readings": [[1, 0, 0, weight]]}))


def test_bad_utf8_is_a_wire_error_in_a_field_and_skipped_outside() -> None:
    in_a_field = json.dumps({**PRESENCE, "version": "VERSION"}).encode()
    with pytest.raises(WireError):
        decode(in_a_field.replace(b"VERSION", b"\xff\xfe"))
    with pytest.raises(WireError):
        decode(msgspec.msgpack.encode({**PRESENCE, "version": "ab"}).replace(b"ab", b"\xff\xfe"))
    becomes_a_message_or_a_wire_error(b'{"x":"\xff",' + json_ack(b"1")[1:])
    becomes_a_message_or_a_wire_error(b'{"\xff":1,' + json_ack(b"1")[1:])


@pytest.mark.parametrize("text", [b"\\ud800", b"\\udc00\\ud800", b"\\x", b"\\u12"])
def test_half_a_character_is_a_wire_error(text: bytes) -> None:
    with pytest.raises(WireError):
        decode(
            b'{"type":"presence","stream":"%s","state":"online","version":"' % STREAM.encode()
            + text
            + b'"}'
        )


@pytest.mark.parametrize("size", [PAYLOAD_BYTES_MAX + 1, 2_000_000])
def test_two_megabytes_are_refused_before_they_are_read(size: int) -> None:
    with pytest.raises(WireError, match="at most 262144"):
        decode(b"{" + b" " * (size - 1))


def test_anything_after_the_message_is_a_wire_error() -> None:
    for payload in in_both_forms(ACK):
        with pytest.raises(WireError, match="trailing"):
            decode(payload + payload)


def test_a_message_without_a_known_tag_is_a_wire_error() -> None:
    for kind in ("order", "", 1, None, 1.5):
        for payload in in_both_forms({**ACK, "type": kind}):
            with pytest.raises(WireError):
                decode(payload)
    for kind in (0, 4, 255, "1"):
        with pytest.raises(WireError):
            decode(msgspec.msgpack.encode({**BATCH, "readings": [[kind, 0, 0, 42]]}))


# ------------------------------------------------------------------ what the types cannot say


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ({**BATCH, "sensors": ["a", "b", "a"]}, "one sensor twice"),
        ({**BATCH, "sensors": []}, "length >= 1"),
        ({**BATCH, "readings": []}, "length >= 1"),
        ({**BATCH, "readings": [[1, 1, 0, 42]]}, r"readings\[0\] names sensor 1"),
        ({**BATCH, "readings": [[1, 0, 0, 42]] * 2, "first_seq": SEQ_MAX}, "ends at seq"),
        ({**BATCH, "base_ms": 5, "readings": [[1, 0, -6, 42]]}, "measured at -1 ms"),
        ({**BATCH, "base_ms": EPOCH_MS_MAX, "readings": [[1, 0, 1, 42]]}, "was measured at"),
        ({**GAP, "first_seq": 9, "last_seq": 8}, "`last_seq` 8 lies before `first_seq` 9"),
        ({**THINNED, "places": [0]}, "1 `places` for 2 readings"),
        ({**THINNED, "places": [5, 5]}, "must rise, and end by 5"),
        ({**THINNED, "places": [5, 0]}, "must rise"),
        ({**THINNED, "places": [0, 6]}, "end by 5"),
        ({**THINNED, "last_seq": 3}, "end by -1"),
        ({**THINNED, "readings": [[1, 0, 0, 42], [1, 1, 0, 42]]}, r"readings\[1\] names sensor 1"),
        ({**THINNED, "base_ms": EPOCH_MS_MAX}, r"readings\[1\] was measured at"),
        ({**STEP, "step_ms": 2**47 + 1}, "step_ms"),
        ({**KEPT, "ranges": []}, "length >= 1"),
        ({**KEPT, "ranges": [[5, 4]]}, "range 5 to 4"),
        ({**KEPT, "ranges": [[5, 6], [6, 7]]}, "range 6 to 7"),
        ({**KEPT, "ranges": [[1, 1]] * 101}, "length <= 100"),
        ({**ACK, "holes": [[5, 4]]}, "hole 5 to 4"),
        ({**ACK, "holes": [[5, 6], [1, 2]]}, "hole 1 to 2"),
        ({**ACK, "holes": [[1, 5], [5, 6]]}, "hole 5 to 6"),
        ({**ACK, "holes": [[9, 10]]}, "hole 9 to 10"),
    ],
)
def test_what_contradicts_itself_is_a_wire_error_that_says_where(
    said: dict, complaint: str
) -> None:
    for payload in in_both_forms(said):
        with pytest.raises(WireError, match=complaint):
            decode(payload)


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({**BATCH, "stream": STREAM + "\n"}, "stream"),
        ({**BATCH, "stream": STREAM.upper()}, "stream"),
        ({**BATCH, "sensors": ["s01\n"]}, "sensors"),
        ({**BATCH, "sensors": ["s 01"]}, "sensors"),
        ({**BATCH, "readings": [[3, 0, 0, "silent\n"]]}, "readings"),
        ({**BATCH, "readings": [[3, 0, 0, "silent", "\0"]]}, "readings"),
        ({**GAP, "because": "x" * 201}, "because"),
        ({**GAP, "because": "disk\0full"}, "because"),
        ({**PRESENCE, "version": "\0"}, "version"),
        ({**PRESENCE, "state": "silent"}, "state"),
        ({**PRESENCE, "backlog_batches": 2**31}, "backlog_batches"),
    ],
)
def test_a_text_the_database_would_choke_on_stops_here(said: dict, field: str) -> None:
    for payload in in_both_forms(said):
        with pytest.raises(WireError, match=field):
            decode(payload)
