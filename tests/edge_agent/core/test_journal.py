import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.core.anchor import Step
from edge_agent.core.count import CounterState
from edge_agent.core.freeze import freeze
from edge_agent.core.journal import (
    Mark,
    Note,
    mark_read,
    mark_written,
    note_written,
    notes_read,
    owed,
)
from edge_agent.core.reading import Condition, Outcome, Reading, Sighted, Total, Weight
from edge_agent.wire.messages import Quality, Stability

STREAM, BOOT = "ab" * 16, "boot"
STEP = Step(step_ms=-5, because="the clock was set")


def weighed(number: int) -> Reading:
    outcome = Weight(weight_mg=number, stability=Stability.STATED)
    return Reading(sensor="s", measured_ms=number, clock_trusted=True, outcome=outcome)


def note(first: int, last: int) -> Note:
    return Note(first=first, readings=[weighed(number) for number in range(first, last + 1)])


def numbers(readings: Sequence[Reading]) -> list[int]:
    return [one.outcome.weight_mg for one in readings if isinstance(one.outcome, Weight)]


texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=30)
whole = st.integers(-(2**53), 2**53)
outcomes = st.one_of(
    st.builds(
        Weight,
        weight_mg=whole,
        stability=st.sampled_from(Stability),
        quality=st.sampled_from(Quality),
    ),
    st.builds(
        Total,
        total=st.integers(0, 2**53),
        quality=st.sampled_from(Quality),
        counter=st.none()
        | st.builds(CounterState, value=st.integers(0, 2**64 - 1), total=st.integers(0, 2**53)),
    ),
    st.builds(Sighted, code=texts, change=st.sampled_from(("present", "absent", "scanned"))),
    st.builds(Condition, condition=st.sampled_from(("silent", "fault")), because=texts),
)
readings = st.builds(
    Reading,
    sensor=texts,
    measured_ms=whole,
    clock_trusted=st.booleans(),
    outcome=outcomes,
    identity=st.none() | texts,
)


@given(st.lists(readings, min_size=1, max_size=5))
def test_what_was_noted_comes_back_as_it_was(said: list[Reading]) -> None:
    (back,) = notes_read(note_written(STREAM, 7, said), STREAM)
    assert back == Note(first=7, readings=said)


@pytest.mark.parametrize(
    "outcome",
    [
        Weight(weight_mg=2**70, stability=Stability.STATED),
        Total(total=2**70),
        Sighted(code="x\ud800", change="scanned"),
        Condition(condition="fault", because="x\ud800"),
    ],
)
def test_what_no_message_can_carry_is_noted_as_it_would_be_committed(outcome: Outcome) -> None:
    said = Reading(sensor="s", measured_ms=1, clock_trusted=True, outcome=outcome)
    (back,) = notes_read(note_written(STREAM, 1, [said]), STREAM)
    assert freeze(STREAM, 1, back.readings) == freeze(STREAM, 1, [said])


@given(
    st.builds(
        Mark,
        stream=st.just(STREAM),
        life=st.integers(0, 2**33),
        readings=st.integers(0, 2**53),
        last_seq=st.integers(0, 2**53),
        offset_ms=st.integers(-(2**40), 2**40),
        clock_trusted=st.booleans(),
        step=st.none() | st.just(STEP),
    )
)
def test_a_mark_comes_back_as_it_was(mark: Mark) -> None:
    written = mark_written(mark, BOOT)
    assert len(written) < 512
    assert mark_read(written + bytes(9), BOOT) == mark
    assert mark_read(written, "another start of the machine") is None


def test_behind_the_newest_note_older_ones_are_not_read() -> None:
    older = b"".join(note_written(STREAM, 1 + 2 * n, note(1, 2).readings) for n in range(4))
    newer = note_written(STREAM, 21, note(21, 22).readings)
    lain = newer + older[len(newer) :]
    assert [one.first for one in notes_read(lain, STREAM)] == [21]


def test_notes_of_another_life_are_not_read() -> None:
    assert not list(notes_read(note_written(STREAM, 1, note(1, 2).readings), "cd" * 16))


@given(st.randoms(use_true_random=False), st.integers(0, 200))
def test_of_what_was_torn_or_flipped_nothing_is_made_up(rng: random.Random, cut: int) -> None:
    said = [note(1, 3), note(4, 4), note(5, 9)]
    written = bytearray(b"".join(note_written(STREAM, one.first, one.readings) for one in said))
    del written[cut:]
    if written and rng.random() < 0.5:
        written[rng.randrange(len(written))] ^= 1 << rng.randrange(8)
    back = list(notes_read(bytes(written), STREAM))
    assert back == said[: len(back)]


@given(st.binary(max_size=200))
def test_noise_is_neither_a_mark_nor_a_note(noise: bytes) -> None:
    assert mark_read(noise, BOOT) is None
    assert not list(notes_read(noise, STREAM))


@pytest.mark.parametrize(
    ("held_seq", "step", "first_seq", "owes_step", "expected"),
    [
        (20, None, 21, 0, [11, 12, 13, 14]),
        # The mark was not written any more after a commit of two: its numbers say so.
        (22, None, 23, 0, [13, 14]),
        (24, None, 25, 0, []),
        # All rows of the stream were acknowledged, and trimmed away.
        (0, None, 21, 0, [11, 12, 13, 14]),
        # The step comes before all that waits, and takes a number.
        (20, STEP, 21, 1, [11, 12, 13, 14]),
        (21, STEP, 22, 0, [11, 12, 13, 14]),
        (22, STEP, 23, 0, [12, 13, 14]),
    ],
)
def test_what_is_owed_follows_from_mark_notes_and_the_newest_number(
    held_seq: int,
    step: Step | None,
    first_seq: int,
    owes_step: int,
    expected: list[int],
) -> None:
    mark = Mark(stream=STREAM, life=1, readings=10, last_seq=20, clock_trusted=True, step=step)
    found = owed(mark, [note(12, 14), note(9, 11)], held_seq)
    assert found.first_seq == first_seq
    assert (found.step is not None) == owes_step
    assert numbers(found.readings) == expected
    frozen = found.frozen(STREAM, 1)
    if frozen:
        assert frozen[0].first_seq == first_seq
        assert frozen[-1].last_seq == first_seq + owes_step + len(expected) - 1


def test_what_is_owed_has_the_time_that_a_commit_would_have_given_it() -> None:
    mark = Mark(stream=STREAM, life=1, offset_ms=1_000, clock_trusted=False)
    (reading,) = owed(mark, [note(1, 1)], 0).readings
    assert (reading.measured_ms, reading.clock_trusted) == (1_001, False)
