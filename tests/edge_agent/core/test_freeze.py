from hypothesis import given
from hypothesis import strategies as st

from edge_agent.core.freeze import NUMBER_MAX, freeze, freeze_gap
from edge_agent.core.reading import Condition, Outcome, Reading, Sighted, Total, Weight
from edge_agent.wire import codec, messages
from edge_agent.wire.messages import Quality, ReadingBatch, Stability

STREAM = "0" * 32


def reading(outcome: Outcome, sensor: str = "s01", measured_ms: int = 1_700_000_000_000) -> Reading:
    return Reading(sensor=sensor, measured_ms=measured_ms, clock_trusted=True, outcome=outcome)


def thawed(payload: bytes) -> ReadingBatch:
    message = codec.decode(payload)
    assert isinstance(message, ReadingBatch)
    return message


def test_each_outcome_arrives_as_it_was_stated() -> None:
    weight = Weight(weight_mg=-5, stability=Stability.HELD, quality=Quality.DOUBTFUL)
    (frozen,) = freeze(
        STREAM,
        7,
        [
            reading(weight, measured_ms=1_000),
            reading(Total(total=3), "s02", 900),
            reading(Condition(condition="silent", because="no answer"), "s01", 1_500),
            reading(Sighted(code="E280", change="present"), "s02", 1_600),
        ],
    )
    assert (frozen.first_seq, frozen.last_seq) == (7, 10)
    batch = thawed(frozen.payload)
    assert (batch.first_seq, batch.base_ms, batch.sensors) == (7, 1_000, ["s01", "s02"])
    assert batch.readings == [
        messages.Weighed(
            sensor=0,
            after_ms=0,
            weight_mg=-5,
            stability=Stability.HELD,
            quality=Quality.DOUBTFUL,
            clock_trusted=True,
        ),
        messages.Counted(sensor=1, after_ms=-100, total=3, clock_trusted=True),
        messages.Condition(
            sensor=0, after_ms=500, condition="silent", because="no answer", clock_trusted=True
        ),
        messages.Sighted(sensor=1, after_ms=600, code="E280", change="present", clock_trusted=True),
    ]


def test_the_same_readings_are_always_the_same_bytes() -> None:
    readings = [reading(Weight(weight_mg=n, stability=Stability.STATED)) for n in range(50)]
    assert freeze(STREAM, 1, readings) == freeze(STREAM, 1, readings)


def test_a_number_that_the_wire_cannot_carry_is_a_fault() -> None:
    (frozen,) = freeze(
        STREAM,
        1,
        [
            reading(Weight(weight_mg=NUMBER_MAX, stability=Stability.STATED)),
            reading(Weight(weight_mg=-NUMBER_MAX - 1, stability=Stability.STATED)),
            reading(Total(total=-1)),
        ],
    )
    said = thawed(frozen.payload).readings
    assert [type(row) for row in said] == [
        messages.Weighed,
        messages.Condition,
        messages.Condition,
    ]


def test_a_code_that_the_wire_cannot_carry_is_a_fault() -> None:
    long, odd = "7" * 201, "A\0B"
    (frozen,) = freeze(
        STREAM,
        1,
        [
            reading(Sighted(code=long, change="scanned")),
            reading(Sighted(code=odd, change="scanned")),
        ],
    )
    refused, cleaned = thawed(frozen.payload).readings
    assert isinstance(refused, messages.Condition)
    assert refused.because == "a code of 201 characters"
    assert isinstance(cleaned, messages.Sighted)
    assert cleaned.code == "A\N{REPLACEMENT CHARACTER}B"


def test_more_than_one_message_may_hold_becomes_several_without_a_hole() -> None:
    long = Condition(condition="fault", because="x" * 200)
    readings = [reading(long, f"s{number % 1_500}") for number in range(6_000)]
    frozen = freeze(STREAM, 11, readings)
    assert len(frozen) > 1
    assert frozen[0].first_seq == 11
    assert frozen[-1].last_seq == 6_010
    assert [batch.first_seq for batch in frozen[1:]] == [b.last_seq + 1 for b in frozen[:-1]]
    assert sum(len(thawed(batch.payload).readings) for batch in frozen) == 6_000


@given(because=st.text(max_size=400) | st.just("\0" * 300) | st.just("\ud800"))
def test_whatever_a_device_makes_us_quote_can_be_sent(because: str) -> None:
    (frozen,) = freeze(STREAM, 1, [reading(Condition(condition="fault", because=because))])
    assert len(thawed(frozen.payload).readings) == 1
    codec.decode(freeze_gap(STREAM, 1, 2, because).payload)
