from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from cloud.core.ranges import Range
from cloud.core.readings import (
    Batch,
    KeptSaid,
    Missing,
    PresenceSaid,
    Reading,
    Step,
    StreamCommitted,
    Unreadable,
)
from cloud.intake import translate
from edge_agent.wire import codec, messages, topics
from tests.cloud.ingest_cases import NOW_MS, STREAM, arrived, batch, counting, gap, weighed

READINGS = topics.readings("lindau-1")


def test_every_outcome_keeps_its_number_its_time_and_its_seq() -> None:
    said = batch(
        7,
        [
            weighed(-5, after_ms=1, sensor=1, quality=1),
            messages.Counted(sensor=0, after_ms=-1, total=9),
            messages.Condition(sensor=0, after_ms=0, condition="silent", because="no answer"),
            messages.Sighted(sensor=1, after_ms=2, code="E280", change="absent"),
        ],
    )
    content = arrived(said).content
    assert isinstance(content, Batch)
    assert (content.stream, content.range) == (UUID(STREAM), Range(7, 10))
    assert content.sensors == ("s01", "s02")
    assert content.readings == [
        Reading(1, 7, NOW_MS + 1, -5, None, None, None, 2, 1, True),  # noqa: FBT003 - a tuple
        Reading(0, 8, NOW_MS - 1, None, 9, None, None, 2, 0, False),  # noqa: FBT003 - a tuple
        Reading(0, 9, NOW_MS, None, None, "silent", "no answer", 2, 0, False),  # noqa: FBT003
        Reading(1, 10, NOW_MS + 2, *[None] * 4, 2, 0, False, "E280", "absent"),  # noqa: FBT003
    ]
    assert all(type(said) is Reading for said in content.readings)


def test_what_is_left_of_a_thinned_range_keeps_its_seqs() -> None:
    said = messages.Thinned(
        stream=STREAM,
        first_seq=10,
        last_seq=19,
        base_ms=NOW_MS,
        sensors=["s01"],
        readings=[weighed(5), weighed(6)],
        places=[3, 9],
        because="the spool was full",
        life=8,
    )
    content = arrived(said).content
    assert isinstance(content, Batch)
    assert [one.seq for one in content.readings] == [13, 19]
    assert (content.range, content.given_up) == (Range(10, 19), 8)
    assert (content.because, content.life) == ("the spool was full", 8)


def test_a_step_of_the_clock_and_what_a_gateway_kept_arrive_as_such() -> None:
    step = arrived(messages.ClockStep(stream=STREAM, seq=5, step_ms=-3_600_000, life=2)).content
    assert isinstance(step, Step)
    assert (step.range, step.step_ms, step.life) == (Range(5, 5), -3_600_000, 2)
    kept = arrived(messages.Kept(stream=STREAM, ranges=[(1, 3), (7, 9)])).content
    assert kept == KeptSaid(stream=UUID(STREAM), ranges=(Range(1, 3), Range(7, 9)))


def test_one_reading_of_a_batch_is_a_message_of_its_own() -> None:
    whole = batch(7, [weighed(1), weighed(2, sensor=1), weighed(3)])
    alone = arrived(whole)
    content = translate.arrival(
        alone.topic, translate.single(alone.topic, alone.payload, 8)
    ).content
    assert isinstance(content, Batch)
    assert content.range == Range(8, 8)
    assert content.readings[0].weight_mg == 2
    assert content.sensors[content.readings[0].sensor] == "s02"


def test_milliseconds_are_exact_however_far_from_1970() -> None:
    odd_ms = 4_102_444_799_999
    content = arrived(batch(1, [weighed(1)], base_ms=odd_ms)).content
    assert isinstance(content, Batch)
    assert content.readings[0].measured_at == datetime(2099, 12, 31, 23, 59, 59, 999_000, UTC)


def test_a_gap_and_a_presence_arrive_as_such() -> None:
    missing = arrived(gap(3, 9, "the spool was full")).content
    assert isinstance(missing, Missing)
    assert (missing.range, missing.because) == (Range(3, 9), "the spool was full")

    online = messages.Presence(state="online", stream=STREAM, at_ms=NOW_MS, version="1")
    assert arrived(online).content == PresenceSaid(
        state="online", version="1", backlog_batches=0, stream=UUID(STREAM), at_ms=NOW_MS
    )


def test_the_gateway_is_who_the_topic_says() -> None:
    assert arrived(counting(1, 1), gateway="hartmann-1").gateway == "hartmann-1"
    assert translate.arrival("binline/v2/lindau-1/up/readings", b"").gateway is None


def test_what_belongs_on_another_topic_is_unreadable() -> None:
    for topic, message in (
        (topics.presence("lindau-1"), counting(1, 1)),
        (READINGS, messages.Presence(state="online", stream=STREAM)),
        (READINGS, messages.Ack(stream=STREAM, committed_upto=1)),
    ):
        content = translate.arrival(topic, codec.encode(message)).content
        assert isinstance(content, Unreadable)
        assert content.claim is None


def test_a_time_outside_the_calendar_is_unreadable_and_says_its_range() -> None:
    far = batch(4, [weighed(1, after_ms=2**47)], base_ms=2**47)
    content = arrived(far).content
    assert isinstance(content, Unreadable)
    assert content.claim is not None
    assert content.claim.range == Range(4, 4)


@given(st.binary(max_size=200))
def test_no_bytes_raise(noise: bytes) -> None:
    translate.arrival(READINGS, noise)
    translate.arrival(READINGS, b"{" + noise)


@given(st.data())
def test_no_damage_to_a_real_message_raises(data: st.DataObject) -> None:
    payload = bytearray(codec.encode(counting(1, 3)))
    for _ in range(data.draw(st.integers(1, 4))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    translate.arrival(READINGS, bytes(payload))


@given(st.text(max_size=60))
def test_no_topic_raises(topic: str) -> None:
    translate.arrival(topic, b"")


def test_an_acknowledgement_goes_to_its_gateway() -> None:
    topic, payload = translate.acknowledgement(
        StreamCommitted(gateway="lindau-1", stream=UUID(STREAM), upto=9, holes=(Range(2, 3),))
    )
    assert topic == topics.ack("lindau-1")
    assert codec.decode(payload) == messages.Ack(
        stream=STREAM, committed_upto=9, holes=[(2, 3)], exact=True
    )
