import itertools

from hypothesis import given
from hypothesis import strategies as st

from edge_agent.framing.echo import Echo

ASKED = b"SI\r\n"


def stripped(*pieces: bytes, asked: bytes = ASKED) -> bytes:
    echo = Echo()
    echo.sent(asked)
    return b"".join(echo.strip(piece) for piece in pieces)


def test_the_echo_goes_and_the_answer_stays() -> None:
    assert stripped(ASKED + b"S S 1 g\r\n") == b"S S 1 g\r\n"


def test_an_answer_that_equals_the_question_is_kept_behind_the_echo() -> None:
    assert stripped(ASKED + ASKED) == ASKED


def test_where_there_is_no_echo_nothing_is_lost() -> None:
    assert stripped(b"S S 1 g\r\n") == b"S S 1 g\r\n"  # begins like the question


def test_an_echo_is_missing_until_all_of_it_has_come_back() -> None:
    echo = Echo()
    assert not echo.is_missing
    echo.sent(ASKED)
    echo.strip(ASKED[:-1])
    assert echo.is_missing
    echo.strip(ASKED[-1:])
    assert not echo.is_missing


def test_without_a_question_everything_is_handed_on() -> None:
    assert Echo().strip(b"abc") == b"abc"


@given(answer=st.binary(max_size=30), cuts=st.lists(st.integers(0, 40), max_size=6))
def test_where_the_bytes_are_cut_does_not_matter(answer: bytes, cuts: list[int]) -> None:
    line = ASKED + answer
    places = [0, *sorted(min(cut, len(line)) for cut in cuts), len(line)]
    pieces = [line[a:b] for a, b in itertools.pairwise(places)]
    assert stripped(*pieces) == answer
