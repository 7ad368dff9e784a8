"""Topics: built here, understood here, and nothing else is taken for one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.wire import topics

names = st.from_regex(topics.GATEWAY_NAME, fullmatch=True)


@given(gateway=names)
def test_a_topic_comes_back_as_its_gateway_and_kind(gateway: str) -> None:
    assert topics.parse_up(topics.readings(gateway)) == (gateway, "readings")
    assert topics.parse_up(topics.presence(gateway)) == (gateway, "presence")


@given(gateway=names)
def test_what_the_cloud_says_is_never_taken_for_what_a_gateway_says(gateway: str) -> None:
    assert topics.parse_up(topics.ack(gateway)) is None


@given(topic=st.text(max_size=60))
def test_any_other_topic_is_none_of_ours(topic: str) -> None:
    parsed = topics.parse_up(topic)
    if parsed is not None:
        assert topic in (topics.readings(parsed.gateway), topics.presence(parsed.gateway))


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "binline/v1/lindau-1/up/readings\n",
        "binline/v1/lindau-1/up/readings/",
        "/binline/v1/lindau-1/up/readings",
        "binline/v2/lindau-1/up/readings",
        "binline/v1/lindau-1/up/orders",
        "binline/v1/lindau-1/readings",
        "binline/v1//up/readings",
        "binline/v1/+/up/readings",
        "binline/v1/#",
        "binline/v1/Lindau/up/readings",
        "binline/v1/lindau.1/up/readings",
        "binline/v1/a/up/readings",
        "binline/v1/" + "a" * 33 + "/up/readings",
        "binline/v1/lindau-1/x/up/readings",
        "binline/v1/líndau/up/readings",
    ],
)
def test_a_topic_a_little_wrong_is_wrong(topic: str) -> None:
    assert topics.parse_up(topic) is None


@given(gateway=names)
def test_a_name_needs_no_character_that_a_broker_refuses(gateway: str) -> None:
    assert not set(gateway) & set(". \t*>#+/$")


@pytest.mark.parametrize(
    ("pattern", "build"),
    [
        (topics.UP_READINGS_ALL, topics.readings),
        (topics.UP_PRESENCE_ALL, topics.presence),
    ],
)
def test_the_subscriptions_of_the_cloud_cover_every_gateway(pattern: str, build) -> None:
    assert build("+") == pattern
