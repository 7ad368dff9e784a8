"""What a driver owes, with every shipped profile behind it."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent import profiles
from edge_agent.core.reading import BECAUSE_CHARS_MAX, Answer, Fault
from edge_agent.drivers.base import LineDriver
from edge_agent.drivers.registry import line_driver, register_driver

ON_A_LINE = [name for name in profiles.shipped() if profiles.read(name).frame is not None]
ON_MODBUS = [name for name in profiles.shipped() if profiles.read(name).registers]
LOADED = {name: profiles.load(name, all_needed=False) for name in ON_A_LINE + ON_MODBUS}

NEARLY = st.lists(
    st.one_of(
        st.binary(max_size=20),
        st.sampled_from([b"S S ", b"ST,GS,", b"   12.5", b" g", b" kg", b"\r\n", b"\x02", b"\x03"]),
    ),
    max_size=20,
).map(b"".join)


def driver(name: str) -> LineDriver:
    return line_driver(LOADED[name], {0: "s"})


@pytest.mark.parametrize("name", ON_A_LINE)
@given(stream=NEARLY)
def test_where_the_bytes_are_cut_does_not_matter(name: str, stream: bytes) -> None:
    whole, sliced = driver(name), driver(name)
    assert whole.feed(stream) == [
        answer for byte in stream for answer in sliced.feed(bytes([byte]))
    ]


@pytest.mark.parametrize("name", ON_A_LINE)
@given(stream=st.binary(max_size=400))
def test_noise_never_raises_and_its_reasons_fit_the_wire(name: str, stream: bytes) -> None:
    noisy = driver(name)
    for answer in noisy.feed(stream) + noisy.finish():
        assert isinstance(answer, get_args(Answer))
        if isinstance(answer, Fault):
            assert 0 < len(answer.because) <= BECAUSE_CHARS_MAX


@pytest.mark.parametrize("name", ON_A_LINE)
def test_the_questions_are_the_same_each_time_and_never_a_forbidden_one(name: str) -> None:
    asking = driver(name)
    assert asking.request() == asking.request()
    forbidden = {text.encode("latin-1") for text in LOADED[name].profile.ask.never_send}
    assert not forbidden & {asking.request(), asking.identify(), *asking.before()}


@pytest.mark.parametrize("name", ON_MODBUS)
@given(words=st.lists(st.integers(0, 0xFFFF), min_size=8, max_size=8))
def test_any_registers_are_an_answer_and_nothing_worse(name: str, words: list[int]) -> None:
    labels = LOADED[name].channel_labels()
    reading = register_driver(LOADED[name], {label: f"s{label}" for label in labels})
    registers = {
        at: words[at % 8] for block in reading.blocks for at in range(block.first, block.end)
    }
    for answer in reading.answers(registers):
        assert isinstance(answer, get_args(Answer))
