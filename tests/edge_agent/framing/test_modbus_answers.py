from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.framing.modbus_answers import (
    OWED_MAX,
    Answers,
    Question,
    next_tcp_frame,
)
from edge_agent.framing.modbus_frames import READ_HOLDING, READ_INPUT, WRITE_SEVERAL, with_crc

FIRST_TWO = Question(1, READ_HOLDING, 0, 2)
NEXT_TWO = Question(1, READ_HOLDING, 10, 2)
LATE_MS_MAX = 1_000


def brought(question: Question, value: int) -> bytes:
    """The answer to a question for registers, each holding `value`."""
    words = value.to_bytes(2, "big") * question.count
    return with_crc(bytes((question.unit, question.function, len(words))) + words)


def refused(question: Question, code: int = 2) -> bytes:
    return with_crc(bytes((question.unit, question.function | 0x80, code)))


def written(question: Question) -> bytes:
    place = question.first.to_bytes(2, "big") + question.count.to_bytes(2, "big")
    return with_crc(bytes((question.unit, WRITE_SEVERAL)) + place)


def behind_by(*owed: Question) -> Answers:
    answers = Answers(LATE_MS_MAX)
    for question in owed:
        answers.ask(question, 0)
        answers.give_up()
    return answers


def test_the_answer_to_the_newest_question_comes_out_whole() -> None:
    answers = Answers(LATE_MS_MAX)
    answers.ask(FIRST_TWO, 0)
    frame = brought(FIRST_TWO, 7)
    assert [answers.feed(frame[at : at + 1]) for at in range(len(frame))][-1] == frame
    assert not answers.owes(1, 0)


def test_a_late_answer_is_dropped_and_the_one_behind_it_is_ours() -> None:
    answers = behind_by(FIRST_TWO)
    answers.ask(NEXT_TWO, 10)
    assert answers.feed(brought(FIRST_TWO, 1)) is None
    assert answers.feed(brought(NEXT_TWO, 2)) == brought(NEXT_TWO, 2)
    assert answers.late == {1: 1}


def test_a_late_answer_that_comes_while_nothing_is_asked_settles_the_account() -> None:
    answers = behind_by(FIRST_TWO)
    assert answers.feed(brought(FIRST_TWO, 1)) is None
    assert not answers.owes(1, 0)


def test_an_answer_that_fits_only_us_proves_that_the_earlier_ones_are_lost() -> None:
    answers = behind_by(FIRST_TWO, FIRST_TWO)
    canary = answers.canary(NEXT_TWO, [], other_table=False)
    assert canary.count != NEXT_TWO.count
    answers.ask(canary, 10)
    assert answers.feed(brought(canary, 5)) == brought(canary, 5)
    assert not answers.owes(1, 10)


def test_a_refusal_fits_whatever_is_owed_of_its_table() -> None:
    answers = behind_by(FIRST_TWO)
    answers.ask(NEXT_TWO, 10)
    assert answers.feed(refused(NEXT_TWO)) is None
    other = behind_by(FIRST_TWO)
    canary = other.canary(NEXT_TWO, [], other_table=True)
    assert canary.function == READ_INPUT
    other.ask(canary, 10)
    assert other.feed(refused(canary)) == refused(canary)


def test_a_canary_is_a_known_block_if_there_is_one_of_another_length() -> None:
    known = [NEXT_TWO, Question(1, READ_HOLDING, 80, 4)]
    assert behind_by(FIRST_TWO).canary(FIRST_TWO, known, other_table=False) == known[1]


def test_a_canary_never_looks_like_what_is_owed() -> None:
    answers = behind_by(FIRST_TWO)
    for _ in range(10):
        canary = answers.canary(NEXT_TWO, [], other_table=False)
        shapes = {(owed.question.function, owed.question.count) for owed in answers._owed[1]}
        assert (canary.function, canary.count) not in shapes
        answers.ask(canary, 0)
        answers.give_up()


def test_other_units_owe_nothing_to_us() -> None:
    answers = behind_by(FIRST_TWO)
    elsewhere = Question(2, READ_HOLDING, 0, 2)
    assert not answers.owes(2, 0)
    answers.ask(elsewhere, 0)
    assert answers.feed(brought(FIRST_TWO, 1) + brought(elsewhere, 2)) == brought(elsewhere, 2)


def test_nothing_is_owed_for_ever() -> None:
    answers = behind_by(FIRST_TWO)
    assert answers.owes(1, LATE_MS_MAX - 1)
    assert not answers.owes(1, LATE_MS_MAX)


def test_what_one_unit_owes_is_bounded() -> None:
    answers = behind_by(*[FIRST_TWO] * (OWED_MAX + 5))
    assert len(answers._owed[1]) == OWED_MAX


@pytest.mark.parametrize(
    "noise",
    [
        b"\x00",
        b"\xff\xff",
        b"\x01",
        b"\x01\x03",
        b"\x01\x03\x04",
        b"\x01\x03\x04\x00\x00",
        b"\x01\x83",
    ],
)
def test_noise_before_an_answer_is_skipped_also_when_it_looks_like_one(noise: bytes) -> None:
    answers = Answers(LATE_MS_MAX)
    answers.ask(FIRST_TWO, 0)
    frame = brought(FIRST_TWO, 7)
    # Half an answer that is noise may hold the true one back until its length is there.
    assert answers.feed(noise + frame) == frame


def test_a_write_is_answered_by_its_own_place_and_count() -> None:
    answers = Answers(LATE_MS_MAX)
    asked = Question(1, WRITE_SEVERAL, 300, 2)
    answers.ask(asked, 0)
    assert answers.feed(written(Question(1, WRITE_SEVERAL, 301, 2))) is None
    assert answers.feed(written(asked)) == written(asked)


@given(noise=st.binary(max_size=600))
def test_noise_never_raises_is_never_an_answer_and_is_not_kept(noise: bytes) -> None:
    answers = Answers(LATE_MS_MAX)
    answers.ask(FIRST_TWO, 0)
    frame = answers.feed(noise)
    assert frame is None or (frame in noise and FIRST_TWO.may_have_brought(frame))
    assert len(answers._held) < FIRST_TWO.answer_bytes


@given(
    noise=st.binary(max_size=40),
    frame=st.sampled_from([brought(FIRST_TWO, 3), refused(FIRST_TWO)]),
    cuts=st.lists(st.integers(1, 6), max_size=20),
)
def test_where_the_bytes_are_cut_does_not_matter(
    noise: bytes, frame: bytes, cuts: list[int]
) -> None:
    stream = noise + frame
    whole, sliced = Answers(LATE_MS_MAX), Answers(LATE_MS_MAX)
    whole.ask(FIRST_TWO, 0)
    sliced.ask(FIRST_TWO, 0)
    found = []
    at = 0
    for size in [*cuts, len(stream)]:
        found.append(sliced.feed(stream[at : at + size]))
        at += size
    assert [one for one in found if one] == [one for one in [whole.feed(stream)] if one]


class SlowUnit:
    """Answers in order, as late as it likes; loses some. Each answer names its question."""

    def __init__(self) -> None:
        self.line: deque[bytes] = deque()
        self.asked = 0

    def hear(self, question: Question, does: str) -> int:
        self.asked += 1
        if does == "answer":
            self.line.append(brought(question, self.asked))
        if does == "refuse":
            self.line.append(refused(question, self.asked % 256))
        return self.asked


Turn = tuple[Question, str, int]
QUESTIONS = [
    FIRST_TWO,
    NEXT_TWO,
    Question(1, READ_HOLDING, 20, 1),
    Question(1, READ_HOLDING, 30, 3),
    Question(1, READ_INPUT, 0, 2),
]
TURNS = st.lists(
    st.tuples(
        st.sampled_from(QUESTIONS),
        st.sampled_from(["answer", "answer", "refuse", "lose"]),
        st.integers(0, 4),  # how many answers come before we give up
        st.booleans(),
    ),
    max_size=40,
)


@given(turns=TURNS)
def test_whatever_is_late_lost_or_refused_no_answer_is_ever_anothers(
    turns: list[tuple[Question, str, int, bool]],
) -> None:
    """As a careless master would: it asks on, without canaries, whatever is owed."""
    answers, unit = Answers(LATE_MS_MAX), SlowUnit()
    for wanted, does, come, with_canary in turns:
        question = wanted
        if with_canary and answers.owes(1, 0):
            question = answers.canary(wanted, [], other_table=bool(come % 2))
        answers.ask(question, 0)
        number = unit.hear(question, does)
        for _ in range(min(come, len(unit.line))):
            frame = answers.feed(unit.line.popleft())
            if frame is not None:
                right = brought if does == "answer" else refused
                assert frame == right(question, number)
                break
        answers.give_up()


# ------------------------------------------------------------------ Modbus TCP


def tcp(number: int, value: int) -> bytes:
    body = bytes((1, READ_HOLDING, 2)) + value.to_bytes(2, "big")
    return number.to_bytes(2, "big") + b"\0\0" + len(body).to_bytes(2, "big") + body


def test_over_tcp_an_answer_is_known_by_its_number() -> None:
    held = bytearray(tcp(6, 60) + tcp(7, 70) + tcp(8, 80))
    assert next_tcp_frame(held, 7) == tcp(7, 70)
    assert held == tcp(8, 80)


def test_over_tcp_half_a_frame_is_kept() -> None:
    held = bytearray(tcp(6, 60)[:9])
    assert next_tcp_frame(held, 6) is None
    held += tcp(6, 60)[9:]
    assert next_tcp_frame(held, 6) == tcp(6, 60)


@pytest.mark.parametrize("stream", [b"HTTP/1.1", b"\0\1\0\1\0\5", b"\0\1\0\0\0\1", b"\0\1\0\0\1\0"])
def test_over_tcp_bytes_out_of_step_are_said_to_be(stream: bytes) -> None:
    with pytest.raises(ValueError, match="no Modbus TCP"):
        next_tcp_frame(bytearray(stream), 1)


@given(stream=st.binary(max_size=300))
def test_over_tcp_noise_ends_in_an_answer_a_wait_or_a_lost_step(stream: bytes) -> None:
    held = bytearray(stream)
    try:
        frame = next_tcp_frame(held, 0)
    except ValueError:
        return
    assert frame is None or frame in stream
