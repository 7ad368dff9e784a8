import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.framing.lines import LINE_BYTES_MAX, Lines


@pytest.mark.parametrize(
    ("received", "lines"),
    [
        (b"S S 1 g\r\n", [b"S S 1 g"]),
        (b"a\rb\nc\r\n\r\nd", [b"a", b"b", b"c"]),
        (b"\r\n\r\n", []),
        (b"\xff\x00\x7fS S 1 g\r\n", [b"\xff\x00\x7fS S 1 g"]),
    ],
)
def test_a_line_is_what_stands_between_terminators(received: bytes, lines: list[bytes]) -> None:
    assert Lines().feed(received) == lines


def test_the_first_half_of_a_line_is_no_line() -> None:
    lines = Lines()
    assert lines.feed(b"  12") == []
    assert lines.feed(b"3.45 kg\r\n") == [b"  123.45 kg"]


def test_a_line_that_never_ends_is_thrown_away_as_far_as_its_end() -> None:
    lines = Lines()
    assert lines.feed(b"x" * (LINE_BYTES_MAX + 1)) == []
    assert lines.feed(b"S S 1 g\r\nS S 2 g\r\n") == [b"S S 2 g"]


def test_a_line_of_just_the_limit_is_kept() -> None:
    assert Lines().feed(b"x" * LINE_BYTES_MAX + b"\r") == [b"x" * LINE_BYTES_MAX]


def test_what_came_before_a_reset_is_forgotten() -> None:
    lines = Lines()
    lines.feed(b"S S 9")
    lines.reset()
    assert lines.feed(b"1 g\r\n") == [b"1 g"]


@given(st.lists(st.binary(max_size=300), max_size=4))
def test_where_the_bytes_are_cut_does_not_matter(parts: list[bytes]) -> None:
    whole, sliced = Lines(), Lines()
    stream = b"\n".join(parts)
    assert whole.feed(stream) == [line for byte in stream for line in sliced.feed(bytes([byte]))]
