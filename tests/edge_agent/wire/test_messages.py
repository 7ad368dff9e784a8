"""The promises of the message types that a decoder does not check."""

import msgspec
import pytest
from hypothesis import given

from edge_agent.wire import messages
from edge_agent.wire.messages import Condition, Counted, ReadingBatch, Weighed
from tests.edge_agent.wire import strategies

EVERY_TYPE = [
    messages.ReadingBatch,
    messages.Thinned,
    messages.Gap,
    messages.ClockStep,
    messages.Kept,
    messages.Presence,
    messages.Ack,
]
READINGS = [Weighed, Counted, Condition]


@given(batch=strategies.batches())
def test_a_batch_is_a_range_of_seq_as_long_as_its_readings(batch: ReadingBatch) -> None:
    assert batch.last_seq - batch.first_seq + 1 == len(batch.readings)


@pytest.mark.parametrize("of_type", EVERY_TYPE + READINGS)
def test_every_message_is_frozen_and_ignores_unknown_fields(of_type: type[msgspec.Struct]) -> None:
    assert of_type.__struct_config__.frozen
    assert not of_type.__struct_config__.forbid_unknown_fields
    assert not of_type.__struct_config__.omit_defaults


@pytest.mark.parametrize(
    ("of_type", "places"),
    [
        (Weighed, ("sensor", "after_ms", "weight_mg", "stability", "quality", "clock_trusted")),
        (Counted, ("sensor", "after_ms", "total", "quality", "clock_trusted")),
        (Condition, ("sensor", "after_ms", "condition", "because", "clock_trusted")),
    ],
)
def test_the_places_of_a_reading_keep_their_order(
    of_type: type[msgspec.Struct], places: tuple[str, ...]
) -> None:
    """In an array the order is the name: new places come behind these, with a default."""
    assert of_type.__struct_fields__[: len(places)] == places
    assert len(of_type.__struct_fields__) - len(of_type.__struct_defaults__) == 3


def test_each_kind_has_the_tag_it_has_always_had() -> None:
    tags = {of_type.__name__: of_type.__struct_config__.tag for of_type in EVERY_TYPE + READINGS}
    assert tags == {
        "ReadingBatch": "readings",
        "Thinned": "thinned",
        "Gap": "gap",
        "ClockStep": "clock_step",
        "Kept": "kept",
        "Presence": "presence",
        "Ack": "ack",
        "Weighed": 1,
        "Counted": 2,
        "Condition": 3,
    }


def test_a_weight_nobody_vouches_for_says_so_by_default() -> None:
    weight = Weighed(sensor=0, after_ms=0, weight_mg=1)
    assert weight.stability == messages.Stability.UNKNOWN
    assert weight.clock_trusted is False
