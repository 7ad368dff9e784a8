from hypothesis import given
from hypothesis import strategies as st

from edge_agent.core.count import CounterState
from edge_agent.core.reading import Condition, Outcome, Reading, Sighted, Total
from edge_agent.core.remembered import Remembered, remembered_after

SILENT = Condition(condition="silent", because="no answer")


def reading(outcome: Outcome, sensor: str = "s", identity: str | None = None) -> Reading:
    return Reading(
        sensor=sensor, measured_ms=0, clock_trusted=True, outcome=outcome, identity=identity
    )


def total(value: int) -> Total:
    return Total(total=value, counter=CounterState(value=value, total=value))


def present(code: str) -> Sighted:
    return Sighted(code=code, change="present")


def absent(code: str) -> Sighted:
    return Sighted(code=code, change="absent")


def after(*outcomes: Outcome) -> Remembered:
    return remembered_after(Remembered(), [reading(outcome) for outcome in outcomes])


def test_the_newest_total_says_where_a_counter_stands() -> None:
    assert after(total(3), total(9), SILENT).counters == {"s": CounterState(value=9, total=9)}


def test_a_tag_is_there_until_it_is_said_to_be_absent() -> None:
    assert after(present("A"), present("B"), absent("A"), SILENT).tags == {"s": ("B",)}
    assert after(present("A"), absent("A")).tags == {}


def test_a_scan_is_an_event_and_leaves_nothing_there() -> None:
    assert after(Sighted(code="A", change="scanned")) == Remembered()


def test_an_identity_is_kept_until_another_is_believed() -> None:
    readings = [reading(SILENT, identity="1"), reading(SILENT), reading(SILENT, "t", "2")]
    assert remembered_after(Remembered(), readings).identities == {"s": "1", "t": "2"}


READINGS = st.lists(
    st.builds(
        reading,
        st.one_of(
            st.builds(total, st.integers(0, 9)),
            st.builds(present, st.sampled_from("AB")),
            st.builds(absent, st.sampled_from("AB")),
            st.just(SILENT),
        ),
        st.sampled_from("st"),
        st.sampled_from([None, "1", "2"]),
    ),
    max_size=20,
)


@given(readings=READINGS, cut=st.integers(0, 20))
def test_it_does_not_matter_how_many_commits_the_readings_took(
    readings: list[Reading], cut: int
) -> None:
    half = remembered_after(Remembered(), readings[:cut])
    assert remembered_after(half, readings[cut:]) == remembered_after(Remembered(), readings)
