from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from cloud.core.ranges import Range
from cloud.core.readings import Batch, Missing, PresenceSaid, Reading, StreamCommitted, Unreadable
from cloud.intake import translate
from edge_agent.wire import codec, messages, topics
from tests.cloud.ingest_cases import NOW, NOW_MS, STREAM, arrived, batch, counting, gap, weighed

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
    ms = timedelta(milliseconds=1)
    assert content.readings == (
        Reading("s02", 7, NOW + ms, -5, None, None, None, 2, 1, True),  # noqa: FBT003 - a tuple
        Reading("s01", 8, NOW - ms, None, 9, None, None, 2, 0, False),  # noqa: FBT003 - a tuple
        Reading("s01", 9, NOW, None, None, "silent", "no answer", 2, 0, False),  # noqa: FBT003
        Reading("s02", 10, NOW + 2 * ms, *[None] * 4, 2, 0, False, "E280", "absent"),  # noqa: FBT003
    )


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
    assert arrived(online).content == PresenceSaid(state="online", version="1", backlog_batches=0)


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
    assert codec.decode(payload) == messages.Ack(stream=STREAM, committed_upto=9, holes=[(2, 3)])
