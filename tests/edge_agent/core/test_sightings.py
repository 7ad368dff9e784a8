from hypothesis import given
from hypothesis import strategies as st

from edge_agent.core import sightings
from edge_agent.core.sightings import Presences, Scans, Sighted, SightingRules


def came(tag: str, at_ms: int) -> Sighted:
    return Sighted(tag=tag, change="present", at_ms=at_ms)


def went(tag: str, at_ms: int) -> Sighted:
    return Sighted(tag=tag, change="absent", at_ms=at_ms)


def presences(**rules: object) -> Presences:
    return Presences(SightingRules(**rules))


def test_a_tag_that_is_read_a_hundred_times_came_once() -> None:
    reader = presences()
    changes = [change for ms in range(0, 10_000, 100) for change in reader.read("A", ms)]
    assert changes == [came("A", 0)]
    assert reader.present == ["A"]


def test_a_tag_that_is_read_no_more_has_gone_and_may_come_again() -> None:
    reader = presences(absent_after_ms=1_000)
    reader.read("A", 0)
    assert reader.passed(999) == []
    assert reader.passed(1_000) == [went("A", 1_000)]
    assert reader.passed(9_000) == []
    assert reader.read("A", 9_000) == [came("A", 9_000)]


def test_reading_one_tag_is_time_passing_for_the_others() -> None:
    reader = presences(absent_after_ms=1_000)
    reader.read("A", 0)
    assert reader.read("B", 1_500) == [went("A", 1_500), came("B", 1_500)]


def test_a_ghost_that_is_read_once_was_never_there() -> None:
    reader = presences(confirm_reads=2, absent_after_ms=1_000)
    assert reader.read("ghost", 0) == []
    assert reader.passed(5_000) == []
    assert reader.present == []


def test_reads_that_lie_too_far_apart_do_not_confirm_each_other() -> None:
    reader = presences(confirm_reads=2, confirm_within_ms=500, absent_after_ms=10_000)
    assert reader.read("A", 0) == []
    assert reader.read("A", 501) == []
    assert reader.read("A", 900) == [came("A", 900)]


def test_an_ignored_tag_is_not_seen() -> None:
    reader = presences(ignored=frozenset({"door"}))
    assert reader.read("door", 0) == []
    assert reader.present == []


def test_while_nobody_could_read_no_tag_was_away() -> None:
    reader = presences(absent_after_ms=1_000)
    reader.read("A", 0)
    reader.resume(60_000)
    assert reader.passed(60_999) == []
    assert reader.passed(61_000) == [went("A", 61_000)]


def test_a_tag_of_an_earlier_life_that_is_not_read_any_more_has_gone() -> None:
    reader = presences(absent_after_ms=1_000)
    reader.remember(["A", "B"], 0)
    reader.resume(5_000)  # the reader is heard for the first time
    assert reader.read("A", 5_500) == []
    assert reader.passed(6_000) == [went("B", 6_000)]
    assert reader.present == ["A"]


def test_a_reader_gone_mad_makes_nobody_forget_what_is_there(monkeypatch) -> None:
    monkeypatch.setattr(sightings, "REMEMBERED_MAX", 3)
    reader = presences()
    for tag in "ABCDE":
        reader.read(tag, 0)
    assert reader.present == ["A", "B", "C"]


READS = st.lists(
    st.tuples(st.sampled_from("ABC"), st.integers(0, 3_000)), max_size=60
)  # a tag, and how long after the one before


@given(reads=READS, confirm_reads=st.integers(1, 3))
def test_a_tag_comes_and_goes_by_turns_and_only_what_was_read_comes(
    reads: list[tuple[str, int]], confirm_reads: int
) -> None:
    reader, now_ms, changes = presences(confirm_reads=confirm_reads), 0, []
    for tag, later_ms in reads:
        now_ms += later_ms
        changes += reader.read(tag, now_ms)
    changes += reader.passed(now_ms + 10_000)
    for tag in "ABC":
        own = [change.change for change in changes if change.tag == tag]
        assert own == ["present", "absent"] * (len(own) // 2)
        assert len(own) // 2 <= [read for read, _ in reads].count(tag) // confirm_reads
    assert [change.at_ms for change in changes] == sorted(change.at_ms for change in changes)
    assert reader.present == []


# ---------------------------------------------------------------------- scans


def test_the_same_code_again_within_the_window_is_the_same_scan() -> None:
    scans = Scans(same_scan_ms=1_000)
    assert scans.is_new("A", 0)
    assert not scans.is_new("A", 999)
    assert not scans.is_new("A", 1_998)  # held before the reader
    assert scans.is_new("A", 2_998)


def test_two_codes_in_turn_are_as_many_scans() -> None:
    scans = Scans(same_scan_ms=1_000)
    assert [scans.is_new(code, 0) for code in "ABA"] == [True, True, False]


def test_no_more_codes_are_remembered_than_the_limit(monkeypatch) -> None:
    monkeypatch.setattr(sightings, "REMEMBERED_MAX", 2)
    scans = Scans()
    for code in "ABC":
        assert scans.is_new(code, 0)
    assert len(scans._last) == 2
    assert not scans.is_new("C", 1)
