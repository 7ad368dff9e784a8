"""What is said of rows in columns is what the same readings say one by one."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.core import columns, present
from cloud.core.columns import SAID, New, Weights
from cloud.core.present import Place
from cloud.core.touched import HOUR_MS, Touched

ORIGINS = {1: Place(1, 1, 0, 0, 0), 2: Place(1, 2, 5, 0, 0), 3: Place(2, 3, 0, 0, 0)}
IDS = {1: (100_000, 11, 12), 2: (11, 100_000, 12), 3: (31, 32, 33)}

said = st.tuples(
    st.integers(0, 2),
    st.integers(0, 3 * HOUR_MS),
    st.integers(-(2**53), 2**53),
    st.integers(0, 2),
    st.integers(0, 1),
    st.booleans(),
)


@st.composite
def news(draw: st.DrawFn) -> list[New]:
    batches = []
    for stream_no in sorted(draw(st.sets(st.sampled_from([1, 2, 3]), min_size=1))):
        seq = draw(st.integers(1, 2**52))
        for rows in draw(st.lists(st.lists(said, min_size=1, max_size=8), min_size=1, max_size=3)):
            batches.append(New(stream_no, IDS[stream_no], Weights(seq, np.array(rows, SAID))))
            seq += len(rows) + draw(st.integers(0, 2))
    return batches


def placed(batches: list[New]) -> list[present.Placed]:
    return [
        present.Placed(
            new.sensor_ids[reading.sensor],
            ORIGINS[new.stream_no]._replace(seq=reading.seq, at_ms=reading.at_ms),
            reading,
        )
        for new in batches
        for reading in new.weights
    ]


def latest(batches: list[New]) -> list[present.Placed]:
    """As for what is not in columns, stream by stream."""
    found = []
    for stream_no, origin in ORIGINS.items():
        last = present.Latest(origin)
        for new in batches:
            if new.stream_no == stream_no:
                last.add([*new.weights], new.sensor_ids)
        found += last.placed({})
    return found


@settings(deadline=None)
@given(news())
def test_no_row_is_lost_and_those_of_a_sensor_lie_together_in_their_order(batches: Any) -> None:
    table = columns.placed(batches)
    columned = (table.sensor_id, table.stream_no, table.seq, table.said)
    rows = zip(*(column.tolist() for column in columned), strict=True)
    expected = sorted(
        (
            (new.sensor_ids[reading.sensor], new.stream_no, reading.seq, new.weights.said[i].item())
            for new in batches
            for i, reading in enumerate(new.weights)
        ),
        key=lambda row: row[:3],
    )
    assert [*rows] == expected
    assert len(table) == len(expected)


@settings(deadline=None)
@given(news())
def test_the_news_and_what_is_touched_are_those_of_the_readings_one_by_one(batches: Any) -> None:
    table, readings = columns.placed(batches), placed(batches)
    found = present.newest(columns.newest(table, ORIGINS))
    assert found == present.newest(latest(batches))
    assert found == present.newest(present.last_of_streams(readings))
    assert columns.touched(table) == Touched.of((p.sensor_id, p.place.at_ms) for p in readings)


@given(st.lists(said, min_size=1, max_size=8), st.integers(0, HOUR_MS), st.integers(0, HOUR_MS))
def test_times_that_are_not_believed_are_seen(rows: Any, earliest: int, latest: int) -> None:
    weights = Weights(1, np.array(rows, SAID))
    expected = all(earliest <= reading.at_ms <= latest for reading in weights)
    assert weights.within(earliest, latest) == expected
