import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.core.merge import MERGED_READINGS_MAX, merge, placed
from edge_agent.wire import codec
from edge_agent.wire.messages import Condition, Reading, ReadingBatch, Sighted, Weighed

STREAM = "0" * 32

said = st.one_of(
    st.builds(Weighed, sensor=st.just(0), after_ms=st.integers(-9, 9), weight_mg=st.integers(0, 9)),
    st.builds(Condition, sensor=st.just(0), after_ms=st.just(0), condition=st.just("silent")),
    st.builds(
        Sighted, sensor=st.just(0), after_ms=st.just(1), code=st.just("A"), change=st.just("absent")
    ),
)


@st.composite
def neighbours(draw: st.DrawFn) -> list[ReadingBatch]:
    batches = []
    first_seq = 1
    for _ in range(draw(st.integers(1, 8))):
        sensors = draw(st.lists(st.sampled_from("abcd"), min_size=1, max_size=3, unique=True))
        readings: list[Reading] = []
        for row in draw(st.lists(said, min_size=1, max_size=4)):
            place = draw(st.integers(0, len(sensors) - 1))
            readings.append(type(row)(**{**fields(row), "sensor": place}))
        batches.append(batch(first_seq, sensors, readings, base_ms=draw(st.integers(100, 10_000))))
        first_seq += len(readings)
    return batches


def fields(row: Reading) -> dict[str, object]:
    return {name: getattr(row, name) for name in row.__struct_fields__}


def batch(
    first_seq: int, sensors: list[str], readings: list[Reading], base_ms: int = 1_000
) -> ReadingBatch:
    return ReadingBatch(
        stream=STREAM,
        first_seq=first_seq,
        base_ms=base_ms,
        sensors=sensors,
        readings=readings,
        life=7,
    )


def story(batch: ReadingBatch) -> list[tuple[object, ...]]:
    """What is said of whom and when, without what only the batch needs."""
    return [
        (row.seq, row.sensor, row.measured_ms, {**fields(row.said), "sensor": 0, "after_ms": 0})
        for row in placed(batch)
    ]


@given(neighbours())
def test_one_batch_says_what_several_said_in_the_same_order(batches: list[ReadingBatch]) -> None:
    one = merge(batches)
    assert one is not None
    assert (one.first_seq, one.last_seq) == (1, batches[-1].last_seq)
    assert one.life == 7
    assert story(one) == [row for each in batches for row in story(each)]
    assert codec.decode(codec.encode(one)) == one, "and the wire takes it"


def test_what_the_wire_has_no_room_for_stays_apart() -> None:
    row = Weighed(sensor=0, after_ms=0, weight_mg=1)
    half = [row] * (MERGED_READINGS_MAX // 2)
    assert merge([batch(1, ["a"], half), batch(len(half) + 1, ["a"], half)]) is not None
    assert merge([batch(1, ["a"], half), batch(len(half) + 1, ["a"], [*half, row])]) is None


def test_only_neighbours_are_merged() -> None:
    row = Weighed(sensor=0, after_ms=0, weight_mg=1)
    with pytest.raises(AssertionError):
        merge([batch(1, ["a"], [row]), batch(3, ["a"], [row])])
