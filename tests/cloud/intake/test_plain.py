"""Read as columns or by the codec: the same values, and the same is refused for the same reason."""

from collections.abc import Callable
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.core.columns import Weights
from cloud.core.readings import Arrival, Batch
from cloud.intake import plain, translate
from edge_agent.wire import codec, messages, topics
from tests.cloud.ingest_cases import STREAM

READINGS = topics.readings("lindau-1")
SIZES = (0, 5, 7, 8, 15, 16, 31, 32, 47, 53, 63, 64)
EDGES = st.builds(
    lambda bits, sign, off: sign * 2**bits + off,
    st.sampled_from(SIZES),
    st.sampled_from([1, -1]),
    st.sampled_from([-1, 0, 1]),
).filter(lambda n: -(2**63) <= n < 2**64)
ALLOWED = st.integers(-(2**53), 2**53) | st.sampled_from([0x9701, 0x97_01_97_01, 0x0197_0197_01])
ANY = EDGES | st.sampled_from([None, True, 1.0, "1", []])


def said(payloads: list[bytes]) -> tuple[list[Arrival], list[Arrival]]:
    """By columns, and by the codec alone."""
    opened = [translate.opened(READINGS, payload) for payload in payloads]
    return translate.arrivals(opened), [translate.arrival(READINGS, each) for each in payloads]


def row(weight_mg: object = 5, *, sensor: object = 0, after_ms: object = 0) -> list[object]:
    return [1, sensor, after_ms, weight_mg, 1, 0, True]


def packed(readings: object, **more: object) -> bytes:
    fields = {
        "type": "readings",
        "stream": STREAM,
        "first_seq": 7,
        "base_ms": 1_767_225_600_000,
        "sensors": ["s01", "s02", "s03"],
        "readings": readings,
    }
    return msgspec.msgpack.encode(fields | more)


rows = st.builds(row, ALLOWED, sensor=st.integers(0, 2), after_ms=st.integers(-(2**30), 2**30))
plain_rows = st.lists(rows, min_size=1, max_size=20)


@settings(max_examples=300, deadline=None)
@given(st.lists(plain_rows, min_size=1, max_size=5))
def test_plain_batches_mean_what_the_codec_says_whatever_their_company(
    batches: list[list[list[object]]],
) -> None:
    payloads = [packed(readings, life=9) for readings in batches]
    columns, exact = said(payloads)
    assert columns == exact
    assert all(isinstance(arrival.content, Batch) for arrival in columns)


@settings(max_examples=500, deadline=None)
@given(plain_rows, st.data())
def test_one_place_that_is_odd_is_allowed_or_refused_as_the_codec_does(
    readings: list[list[object]], data: st.DataObject
) -> None:
    spoiled = data.draw(st.sampled_from(readings))
    spoiled[data.draw(st.integers(0, 6))] = data.draw(ANY)
    if data.draw(st.booleans()):
        del spoiled[data.draw(st.integers(1, 6)) :]
    columns, exact = said([packed(readings), packed([row()]), packed([*readings, row()])])
    assert columns == exact


def byte_changed(payload: bytes, place: int, value: int) -> bytes:
    changed = bytearray(payload)
    changed[place % len(changed)] = value
    return bytes(changed)


def cut(payload: bytes, place: int, _: int) -> bytes:
    return payload[: place % len(payload)]


def twice(payload: bytes, place: int, _: int) -> bytes:
    return payload + payload[place % len(payload) :]


@settings(max_examples=1_000, deadline=None)
@given(
    plain_rows,
    st.integers(0, 2_000),
    st.integers(0, 255),
    st.sampled_from([byte_changed, cut, twice]),
)
def test_damaged_bytes_are_judged_as_the_codec_does(
    readings: list[list[object]], place: int, value: int, damage: Callable[..., bytes]
) -> None:
    columns, exact = said([damage(packed(readings), place, value), packed(readings)])
    assert columns == exact


@pytest.mark.parametrize(
    "more",
    [
        {"life": -1},
        {"life": 2**53},
        {"first_seq": 0},
        {"first_seq": 2**53},
        {"first_seq": 2**53 + 1},
        {"base_ms": -1},
        {"base_ms": 2**47},
        {"base_ms": 2**47 + 1},
        {"sensors": []},
        {"sensors": ["s01", "s01"]},
        {"sensors": ["s01", "ä"]},
        {"sensors": ["s01", 2]},
        {"sensors": [f"s{number}" for number in range(1_000)]},
        {"sensors": [f"s{number}" for number in range(1_001)]},
        {"stream": STREAM.upper()},
        {"stream": STREAM + "\n"},
        {"type": "gap"},
        {"unknown": [[]]},
        {"unknown": 1, "life": 3},
        {"readings": []},
        {"readings": [row()] * 5_000},
        {"readings": [row()] * 5_001},
        {"readings": {}},
        {"readings": [[4, 0, 0, "code", "scanned", True], row()]},
    ],
)
def test_what_is_said_once_is_judged_as_the_codec_does(more: dict[str, object]) -> None:
    columns, exact = said([packed(**({"readings": [row(), row(6)]} | more))])
    assert columns == exact


def test_a_field_that_is_there_twice_is_left_to_the_codec() -> None:
    good = packed([row()])
    bad = b"\xa8readings" + msgspec.msgpack.encode([row("no weight")])
    head = good.index(b"\xa8readings", 16)
    payload = b"\x87" + good[1:head] + bad + good[head:]
    assert plain.opened(payload) is None
    columns, exact = said([payload])
    assert columns == exact


def test_what_gateways_send_is_plain_also_when_a_number_looks_like_a_row() -> None:
    batch = messages.ReadingBatch(
        stream=STREAM,
        first_seq=1,
        base_ms=0,
        sensors=["s01"],
        readings=[
            messages.Weighed(sensor=0, after_ms=place, weight_mg=weight_mg, clock_trusted=True)
            for place, weight_mg in enumerate([1, 0x9701, 0x97019701, -0x68FF, 300])
        ],
    )
    (arrival,), exact = said([codec.encode(batch)])
    assert isinstance(arrival.content, Batch)
    assert isinstance(arrival.content.readings, Weights)
    assert [arrival] == exact


def test_the_topic_and_what_the_broker_kept_are_told_as_before() -> None:
    payload = packed([row()])
    for topic in (READINGS, topics.presence("lindau-1"), "binline/v2/lindau-1/up/readings"):
        found = translate.arrivals([translate.opened(topic, payload, kept=True)])
        assert found == [translate.arrival(topic, payload, kept=True)]


def test_weights_are_the_sequence_of_their_readings() -> None:
    (arrival,), (exact,) = said([packed([row(number) for number in range(9)])])
    assert isinstance(arrival.content, Batch)
    assert isinstance(exact.content, Batch)
    weights, readings = arrival.content.readings, exact.content.readings
    assert isinstance(weights, Weights)
    assert [*weights] == readings
    assert (weights[0], weights[-1], weights[2:5]) == (readings[0], readings[-1], readings[2:5])
    assert (len(weights), weights == readings, weights == readings[1:]) == (9, True, False)
    assert weights != 3
    assert replace(arrival.content, readings=[]) != arrival.content
    with pytest.raises(IndexError):
        weights[9]
