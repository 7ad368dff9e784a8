"""The three promises of the framer, for every way in which frames are told from each other."""

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.framing.frames import (
    OVERLONG,
    CheckRule,
    Discard,
    Framer,
    FrameRule,
    LengthField,
)

XOR_AT_THE_END = CheckRule(kind="xor8", covers_from=0, covers_to=-1, at=-1)
RULES = {
    "lines": FrameRule(ends=(b"\r", b"\n"), bytes_max=6),
    "lines with one long end": FrameRule(ends=(b"\r\n",), bytes_max=6),
    "start and end": FrameRule(start=b"\2", ends=(b"\3",), bytes_max=6),
    "long marks": FrameRule(start=b"\2\2", ends=(b"\r\n",), bytes_max=6, text=False),
    "records": FrameRule(start=b"\2", start_inside=True, ends=(b"\3",), bytes_max=6, text=False),
    "a byte behind the end": FrameRule(
        start=b"\2", ends=(b"\3",), after_end=1, bytes_max=6, text=False
    ),
    "fixed length": FrameRule(start=b"\2", ends=(b"\3",), length=5, bytes_max=9, text=False),
    "says its length": FrameRule(
        length_field=LengthField(at=0, size=1, plus=1, total_min=3),
        checks=(XOR_AT_THE_END,),
        bytes_max=9,
        text=False,
    ),
    "start, then its length": FrameRule(
        start=b"\2",
        length_field=LengthField(at=1, size=2, plus=4, total_min=5),
        bytes_max=9,
        text=False,
    ),
    "silence": FrameRule(ends_when_idle=True, bytes_max=9, text=False),
    "silence or an end": FrameRule(ends_when_idle=True, ends=(b"\r",), bytes_max=6),
    "masked": FrameRule(ends=(b"\r",), bytes_max=6, mask_bit7=True),
}
every_rule = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
# Few letters, so that marks and lengths come often and in each other's way.
STREAMS = st.lists(st.sampled_from(b"ab\2\3\r\n\0\5\xff"), max_size=40).map(bytes)


def framed(rule: FrameRule, pieces: Iterable[bytes]) -> list[bytes | Discard]:
    framer = Framer(rule)
    found = [frame for piece in pieces for frame in framer.feed(piece)]
    return found + framer.finish()


def frames(rule: FrameRule, stream: bytes) -> list[bytes]:
    return [frame for frame in framed(rule, [stream]) if isinstance(frame, bytes)]


def singly(stream: bytes) -> list[bytes]:
    return [bytes([byte]) for byte in stream]


# ---------------------------------------------------------------------- promises


@every_rule
@given(stream=STREAMS)
@settings(max_examples=300, deadline=None)
def test_where_the_bytes_are_cut_does_not_matter(rule: FrameRule, stream: bytes) -> None:
    assert framed(rule, [stream]) == framed(rule, singly(stream))


@every_rule
@given(stream=st.binary(max_size=200))
@settings(deadline=None)
def test_noise_never_raises_and_is_never_held_for_long(rule: FrameRule, stream: bytes) -> None:
    framer = Framer(rule)
    framer.feed(stream)
    assert len(framer._held) <= rule.bytes_max + 8


@every_rule
@given(stream=STREAMS)
@settings(deadline=None)
def test_a_frame_is_bytes_of_the_stream_in_their_order(rule: FrameRule, stream: bytes) -> None:
    masked = bytes(byte & 0x7F for byte in stream) if rule.mask_bit7 else stream
    at = 0
    for frame in frames(rule, stream):
        at = masked.find(frame, at)
        assert at >= 0
        at += len(frame)


MARKED = ("lines", "lines with one long end", "start and end", "long marks")


@pytest.mark.parametrize("name", MARKED)
@given(noise=st.lists(st.sampled_from(b"ab\2\0\5\xff"), max_size=20).map(bytes))
def test_noise_costs_at_most_the_frame_it_touches(name: str, noise: bytes) -> None:
    rule = RULES[name]
    frame = rule.start + b"ab" + rule.ends[0]
    found = frames(rule, noise + frame * 3)
    assert found[-2:] == [b"ab"] * 2


@given(noise=st.binary(max_size=30))
def test_after_any_noise_a_frame_that_says_its_length_is_found_again(noise: bytes) -> None:
    rule = RULES["says its length"]
    frame = b"\3ab" + bytes([3 ^ ord("a") ^ ord("b")])
    assert frames(rule, noise + frame * 9)[-1] == frame


def test_a_reset_forgets_half_a_frame_and_the_beginning_of_an_endless_one() -> None:
    framer = Framer(RULES["lines"])
    framer.feed(b"S S 9")
    framer.reset()
    assert framer.feed(b"1 g\r") == [b"1 g"]
    framer.feed(b"far too long")
    framer.reset()
    assert framer.feed(b"1 g\r") == [b"1 g"]


# ---------------------------------------------------------------------- ends


@pytest.mark.parametrize(
    ("stream", "found"),
    [
        (b"abc\r\n", [b"abc"]),
        (b"a\rb\nc\r\n\r\nd", [b"a", b"b", b"c"]),
        (b"\r\n\r\n", []),
        (b"abcdef\r", [b"abcdef"]),
        (b"abcdefg\r1\r", [Discard(OVERLONG, b"abcdef"), b"1"]),
        (b"abcdefghijklmnop\r1\r", [Discard(OVERLONG, b"abcdef"), b"1"]),
        (b"a\0b\r1\r", [Discard("not text", b"a\0b\r"), b"1"]),
        (b"a\xffb\r1\r", [Discard("not text", b"a\xffb\r"), b"1"]),
    ],
)
def test_a_line_is_what_stands_between_its_ends(
    stream: bytes, found: list[bytes | Discard]
) -> None:
    assert framed(RULES["lines"], [stream]) == found


def test_the_first_half_of_a_line_is_no_line() -> None:
    framer = Framer(FrameRule(ends=(b"\r",)))
    assert framer.feed(b"  12") == []
    assert framer.feed(b"3.45 kg\r") == [b"  123.45 kg"]


@pytest.mark.parametrize(
    ("stream", "found"),
    [
        (b"xx\2ab\3yy\2cd\3", [b"ab", b"cd"]),
        (b"\2ab\2cd\3", [b"cd"]),  # the first was cut short
        (b"\2\3", []),
        (b"ab\3", []),
        # An endless one ends where the next begins.
        (b"\2abcdefghij\2ab\3", [Discard(OVERLONG, b"\2abcde"), b"ab"]),
        (b"\2abcdefghij\3\2ab\3", [Discard(OVERLONG, b"\2abcde"), b"ab"]),
    ],
)
def test_a_frame_with_a_start_begins_there(stream: bytes, found: list[bytes | Discard]) -> None:
    assert framed(RULES["start and end"], [stream]) == found


def test_a_record_may_hold_its_start_mark_again() -> None:
    assert frames(RULES["records"], b"\2a\2b\3") == [b"a\2b"]


def test_what_stands_behind_the_end_belongs_to_the_frame() -> None:
    rule = FrameRule(
        start=b"\2",
        ends=(b"\r",),
        after_end=1,
        checks=(CheckRule(kind="xor8", covers_from=1, covers_to=-2, at=-1),),
    )
    check = bytes([ord("1") ^ ord("2")])
    assert framed(rule, singly(b"\x0212\r" + check)) == [b"12"]
    assert framed(rule, [b"\x0213\r" + check]) == [Discard("checksum", b"\x0213\r" + check)]


def test_a_check_in_hex_is_read_in_either_case_and_its_lack_is_a_mistake() -> None:
    rule = FrameRule(
        start=b":",
        ends=(b"\r",),
        checks=(CheckRule(kind="sum8", covers_from=1, covers_to=-3, at=-3, written="hex"),),
    )
    number = b"%02X" % (sum(b"12345z") & 0xFF)
    assert framed(rule, [b":12345z" + number.lower() + b"\r"]) == [b"12345z" + number.lower()]
    assert framed(rule, [b":\r:1\r"]) == [Discard("checksum", b":1\r")]


def test_what_is_covered_may_itself_be_written_in_hex() -> None:
    check = CheckRule(kind="xor8", covers_from=0, covers_to=4, at=4, written="hex", of_hex=True)
    assert check.holds(b"0F1E11")
    assert not check.holds(b"0F1D11")
    assert not check.holds(b"0G1E11")


def test_only_a_crc_is_called_one() -> None:
    assert XOR_AT_THE_END.reason == "checksum"
    crc = CheckRule(kind="crc16_modbus", covers_from=0, covers_to=-2, at=-2, written="low_first")
    assert crc.reason == "crc"


# ---------------------------------------------------------------------- lengths


def test_a_frame_of_fixed_length_may_hold_its_own_marks() -> None:
    assert frames(RULES["fixed length"], b"\2\3\2\3\3") == [b"\3\2\3\3"]


def test_a_start_without_the_end_at_its_place_is_none() -> None:
    assert frames(RULES["fixed length"], b"\2\2abc\3x\2abc\3") == [b"abc\3", b"abc\3"]


def test_a_length_that_cannot_be_is_no_beginning() -> None:
    rule = RULES["start, then its length"]
    assert frames(rule, b"\2\xff\xff\2\0\1zz") == [b"\0\1zz"]


def test_a_length_that_noise_announced_does_not_hold_the_frames_behind_it_for_ever() -> None:
    rule = RULES["says its length"]
    frame = b"\3ab" + bytes([3 ^ ord("a") ^ ord("b")])
    framer = Framer(rule)
    found = framer.feed(b"\7" + frame)
    assert [one for one in found if isinstance(one, bytes)] == []
    assert frame in framer.finish()


def test_the_frame_may_be_handed_on_whole() -> None:
    rule = FrameRule(start=b"\2", ends=(b"\3",), whole=True)
    assert frames(rule, b"\2ab\3") == [b"\2ab\3"]


# ---------------------------------------------------------------------- silence and parity


def test_silence_ends_a_frame_only_where_the_rule_says_so() -> None:
    assert framed(RULES["silence"], [b"\1\2", b"\3"]) == [b"\1\2\3"]
    assert framed(RULES["lines"], [b"ab"]) == []
    assert framed(RULES["silence or an end"], [b"ab\rcd"]) == [b"ab", b"cd"]


def test_a_line_that_is_never_quiet_fills_no_memory() -> None:
    framer = Framer(RULES["silence"])
    for _ in range(1_000):
        assert framer.feed(bytes(100)) == []
    assert framer.finish() == [Discard(OVERLONG, bytes(9))]
    assert framer.feed(b"a") == []
    assert framer.finish() == [b"a"]


def test_parity_that_shows_up_in_bit_seven_is_taken_away() -> None:
    assert frames(RULES["masked"], bytes([0xB1, 0x32, 0x8D])) == [b"12"]
