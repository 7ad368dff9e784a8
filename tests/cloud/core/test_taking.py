"""The pure half of taking in: over a list in place of a database, whatever is said in any order."""

from collections import defaultdict
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from cloud.core import taking
from cloud.core.ranges import Range
from cloud.core.readings import Arrival, Batch, Missing, Reading, Step, Wants
from cloud.core.taking import Claim, Entry

STREAM = UUID(int=1)


class Book:
    """A cloud without a database."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.stored: list[int] = []
        self.letters: list[str] = []

    def take(self, *said: Wants) -> taking.Answer:
        claims = [Claim(arrival(wants), wants, 1) for wants in said]
        there = defaultdict(list)
        for place, claim in enumerate(claims):
            there[place] += [e for e in self.entries if e.range.overlaps(claim.wants.range)]
        verdicts = taking.judge(claims, there)
        self.entries += verdicts.entries
        self.stored += [one.seq for _, batch in verdicts.stored for one in batch.readings]
        self.letters += [letter.because for letter in verdicts.letters]
        upto, beyond = taking.how_far(0, sorted(entry.range for entry in self.entries))
        here = [wants.range for wants in said]
        return taking.answer(upto, beyond, here, complete=True, holes_max=3)


def arrival(wants: Wants) -> Arrival:
    return Arrival(topic="t", payload=b"", gateway="g", content=wants)


def batch(first: int, last: int, checksum: int = 0, given_up: int = 0) -> Batch:
    said = [
        Reading(0, seq, 0, seq, None, None, None, 0, 0, clock_trusted=True)
        for seq in range(first + given_up, last + 1)
    ]
    return Batch(
        stream=STREAM,
        range=Range(first, last),
        checksum=checksum or first * 100 + last,
        sensors=("s",),
        readings=said,
        given_up=given_up,
        because="full" * bool(given_up),
    )


def missing(first: int, last: int) -> Missing:
    return Missing(stream=STREAM, range=Range(first, last), checksum=7, because="full")


def step(seq: int) -> Step:
    return Step(stream=STREAM, range=Range(seq, seq), checksum=9, step_ms=5, because="")


def spoken(kind: int, first: int, more: int) -> Wants:
    if kind == 0:
        return missing(first, first + more)
    return step(first) if kind == 1 else batch(first, first + more, given_up=kind % 2 * more)


said = st.lists(
    st.builds(spoken, st.integers(0, 4), st.integers(1, 30), st.integers(0, 6)),
    min_size=1,
    max_size=15,
)


@given(said, st.integers(1, 4))
def test_whatever_is_said_no_number_is_stored_twice_and_no_range_overlaps(
    wanted: list[Wants], together: int
) -> None:
    book = Book()
    for start in range(0, len(wanted), together):
        book.take(*wanted[start : start + together])
    listed = [seq for entry in book.entries for seq in range(entry.range[0], entry.range[1] + 1)]
    assert len(listed) == len(set(listed))
    assert set(listed) == {
        seq for one in wanted for seq in range(one.range.first, one.range.last + 1)
    }
    assert len(book.stored) == len(set(book.stored))
    given_up = sum(entry.given_up for entry in book.entries)
    steps = sum(isinstance(one, Step) for one in wanted)
    assert len(listed) - steps <= len(book.stored) + given_up <= len(listed)


@given(said, st.data())
def test_an_exact_answer_is_the_truth_and_any_answer_never_says_too_much(
    wanted: list[Wants], plan: st.DataObject
) -> None:
    book = Book()
    for one in plan.draw(st.permutations(wanted)):
        answer = book.take(one)
        there = {seq for entry in book.entries for seq in range(*entry.range)} | {
            entry.range.last for entry in book.entries
        }
        holes = {seq for hole in answer.holes for seq in range(hole.first, hole.last + 1)}
        acknowledged = set(range(1, answer.upto + 1)) - holes
        assert acknowledged <= there
        assert set(range(one.range.first, one.range.last + 1)) <= acknowledged
        assert len(answer.holes) <= 3
        if answer.exact:
            assert acknowledged == there


def test_a_repeat_changes_nothing_and_of_an_overlap_the_new_part_is_stored() -> None:
    book = Book()
    assert book.take(batch(1, 5)) == (5, (), True)
    assert book.take(batch(1, 5), batch(1, 5)) == (5, (), True)
    assert book.take(batch(4, 8)) == (8, (), True)
    assert book.stored == [1, 2, 3, 4, 5, 6, 7, 8]
    assert book.letters == ["readings 4 to 8 overlap 1 to 5, which came before"]
    assert [entry.given_up for entry in book.entries] == [0, 0]


def test_more_holes_than_there_is_room_for_make_it_inexact() -> None:
    book = Book()
    for seq in (2, 4, 6):
        assert book.take(batch(seq, seq)).exact
    answer = book.take(batch(8, 8))
    assert not answer.exact
    assert (answer.upto, answer.holes) == (8, (Range(1, 7),))


def test_what_is_lost_is_what_a_gateway_remembers_and_nobody_has() -> None:
    kept = [Range(1, 10), Range(15, 20)]
    assert taking.lost(kept, 20, []) == []
    assert taking.lost(kept, 5, [Range(16, 17)]) == [Range(6, 10), Range(15, 15), Range(18, 20)]
    assert taking.lost(kept, 0, []) == kept
