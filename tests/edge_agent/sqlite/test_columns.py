import zlib
from collections.abc import Sequence
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.core.freeze import freeze
from edge_agent.core.reading import Condition, Outcome, Reading, Sighted, Total, Weight
from edge_agent.sqlite import columns
from edge_agent.sqlite.rows import deflated, inflated
from edge_agent.wire import codec
from edge_agent.wire.messages import Quality, Stability, Thinned
from tests.edge_agent.sqlite.spools import readings

STREAM = "0123456789abcdef" * 2

numbers = st.one_of(st.integers(-(2**53), 2**53), st.integers(-300, 300))
outcomes = st.one_of(
    st.builds(
        Weight,
        weight_mg=numbers,
        stability=st.sampled_from(Stability),
        quality=st.sampled_from(Quality),
    ),
    st.builds(Total, total=st.integers(0, 2**53), quality=st.sampled_from(Quality)),
    st.builds(Condition, condition=st.just("silent"), because=st.text(max_size=9)),
    st.builds(Sighted, code=st.text(min_size=1, max_size=9), change=st.just("in")),
)
some_readings = st.lists(
    st.builds(
        Reading,
        sensor=st.sampled_from(["a", "b", "rack01-2"]),
        measured_ms=st.integers(1_790_000_000_000, 1_790_000_900_000),
        clock_trusted=st.booleans(),
        outcome=outcomes,
    ),
    min_size=1,
    max_size=40,
)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=40,
)


def payload_of(some: Sequence[Reading]) -> bytes:
    (frozen,) = freeze(STREAM, 7, some, life=3)
    return frozen.payload


@given(some_readings)
def test_what_is_laid_by_columns_comes_back_byte_for_byte(some: list[Reading]) -> None:
    payload = payload_of(some)
    stored = columns.packed(payload)
    assert stored is None or columns.unpacked(stored) == payload
    assert inflated(deflated(payload), len(payload)) == payload


@given(plain)
def test_what_is_no_batch_of_ours_is_left_as_it_is_or_comes_back(value: object) -> None:
    payload = msgspec.msgpack.encode({"readings": value})
    stored = columns.packed(payload)
    assert stored is None or columns.unpacked(stored) == payload


def test_a_thinned_batch_is_laid_by_columns_too() -> None:
    whole = codec.decode(payload_of(readings(1, 40)))
    thinned = Thinned(
        stream=STREAM,
        first_seq=7,
        last_seq=46,
        base_ms=whole.base_ms,
        sensors=whole.sensors,
        places=list(range(0, 40, 2)),
        readings=whole.readings[::2],
        because="full",
    )
    payload = codec.encode(thinned)
    stored = columns.packed(payload)
    assert stored is not None
    assert columns.unpacked(stored) == payload


@pytest.mark.parametrize(
    "odd", [Condition(condition="silent", because="no answer"), Total(total=7)]
)
@pytest.mark.parametrize("place", [0, 5, 39])
def test_one_row_of_another_kind_does_not_spoil_the_columns(odd: Outcome, place: int) -> None:
    some = [
        Reading(
            sensor=f"rack{n % 10}",
            measured_ms=1_790_000_000_000 + n * 25,
            clock_trusted=True,
            outcome=Weight(weight_mg=5_000_000 + n * 7, stability=Stability.STATED),
        )
        for n in range(40)
    ]
    alike = columns.packed(payload_of(some))
    some[place] = replace(some[place], outcome=odd)
    stored = columns.packed(payload_of(some))
    assert alike is not None
    assert stored is not None
    assert len(stored) < len(alike) + 60
    assert columns.unpacked(stored) == payload_of(some)


def test_a_batch_takes_half_the_bytes_that_deflate_leaves_of_it() -> None:
    some = [
        Reading(
            sensor=f"rack{n % 50}",
            measured_ms=1_790_000_000_000 + n * 1_200,
            clock_trusted=True,
            outcome=Weight(weight_mg=(n % 50) * 777_777 + n * 31 % 600, stability=Stability.STATED),
        )
        for n in range(500)
    ]
    payload = payload_of(some)
    assert len(deflated(payload)) * 2 < len(zlib.compress(payload, 9))


@given(st.binary(max_size=300))
def test_what_was_never_laid_by_columns_is_nothing_and_no_trouble(junk: bytes) -> None:
    columns.unpacked(junk)
    columns.unpacked(columns.MARK + junk)


@given(plain)
def test_what_inflates_to_anything_at_all_is_no_trouble(value: object) -> None:
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = squeeze.compress(msgspec.msgpack.encode(value)) + squeeze.flush()
    columns.unpacked(columns.MARK + body)


@given(st.data())
def test_what_says_that_it_is_endless_is_not_believed(data: st.DataObject) -> None:
    count = data.draw(st.integers(-(2**40), 2**40))
    column = data.draw(st.sampled_from([b"\0", b"\1", b"\xff", b"", b"\0" * 9]))
    whole = [{"readings": []}, count, [1, column, column, column, [0], [0], [True]], []]
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = squeeze.compress(msgspec.msgpack.encode(whole)) + squeeze.flush()
    came = columns.unpacked(columns.MARK + body)
    assert came is None or len(msgspec.msgpack.decode(came)["readings"]) <= 5_000


def test_a_flipped_bit_is_nothing_or_another_message_and_never_trouble() -> None:
    stored = columns.packed(payload_of(readings(1, 40)))
    assert stored is not None
    for place in range(len(stored) * 8):
        bent = bytearray(stored)
        bent[place // 8] ^= 1 << place % 8
        columns.unpacked(bytes(bent))
