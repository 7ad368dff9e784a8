"""What every driver in the table owes, whoever wrote it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.core.reading import BECAUSE_CHARS_MAX, Fault, Identity, Sample
from edge_agent.drivers.registry import DRIVERS

every_driver = pytest.mark.parametrize("name", DRIVERS)

# Bytes as they come, and bytes that nearly mean something.
NEARLY = st.lists(
    st.one_of(
        st.binary(max_size=20),
        st.sampled_from(
            [b"S S ", b"S D ", b"12.5", b" g", b"\r\n", b"S +", b'I4 A "', b'"', b"ES"]
        ),
    ),
    max_size=20,
).map(b"".join)


@every_driver
@given(stream=NEARLY)
def test_where_the_bytes_are_cut_does_not_matter(name: str, stream: bytes) -> None:
    whole, sliced = DRIVERS[name]("s"), DRIVERS[name]("s")
    assert whole.feed(stream) == [
        answer for byte in stream for answer in sliced.feed(bytes([byte]))
    ]


@every_driver
@given(stream=st.binary(max_size=400))
def test_noise_never_raises_and_its_reasons_fit_the_wire(name: str, stream: bytes) -> None:
    for answer in DRIVERS[name]("s").feed(stream):
        assert isinstance(answer, Sample | Fault | Identity)
        assert answer.sensor == "s"
        if isinstance(answer, Fault):
            assert 0 < len(answer.because) <= BECAUSE_CHARS_MAX


@every_driver
def test_the_questions_are_bytes_and_the_same_each_time(name: str) -> None:
    driver = DRIVERS[name]("s")
    assert driver.request()
    assert driver.request() == driver.request()
    assert driver.identify() is None or driver.identify()
