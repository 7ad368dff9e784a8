import dataclasses
from typing import get_args

import msgspec
import pytest

from edge_agent.core import reading
from edge_agent.core.reading import ConditionWord, Reading, Weight
from edge_agent.wire.messages import Stability, Word


@pytest.mark.parametrize("word", get_args(ConditionWord))
def test_every_condition_has_a_word_that_the_wire_takes(word: str) -> None:
    assert msgspec.convert(word, Word) == word


def test_a_reading_does_not_change_after_it_was_made() -> None:
    made = Reading(
        sensor="s",
        measured_ms=1,
        clock_trusted=True,
        outcome=Weight(weight_mg=1, stability=Stability.STATED),
    )
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.sensor = "other"


def test_the_longest_reason_is_the_wires() -> None:
    assert reading.BECAUSE_CHARS_MAX == 200
