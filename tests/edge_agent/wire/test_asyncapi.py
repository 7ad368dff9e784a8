"""The committed AsyncAPI document is the one the code makes, and it holds together."""

from importlib import resources

import msgspec
import pytest

from edge_agent.wire import asyncapi, codec, topics
from edge_agent.wire.messages import Condition, Counted, Weighed

DOCUMENT = asyncapi.document()
MESSAGES = DOCUMENT["components"]["messages"]


def references(part: object) -> list[str]:
    match part:
        case {"$ref": str(reference)}:
            return [reference]
        case dict():
            return [found for inner in part.values() for found in references(inner)]
        case list():
            return [found for inner in part for found in references(inner)]
    return []


def look_up(reference: str) -> object:
    part: object = DOCUMENT
    for step in reference.removeprefix("#/").split("/"):
        assert isinstance(part, dict)
        part = part[step]
    return part


def test_the_committed_document_is_fresh() -> None:
    committed = (resources.files("edge_agent.wire") / "asyncapi.json").read_text()
    assert committed == asyncapi.text(), (
        "stale; do: python -m edge_agent.wire.asyncapi > edge_agent/wire/asyncapi.json"
    )


def test_every_reference_leads_somewhere() -> None:
    found = references(DOCUMENT)
    assert found
    for reference in found:
        assert look_up(reference), reference


def test_every_topic_is_there_with_the_gateway_as_its_parameter() -> None:
    addresses = {channel["address"] for channel in DOCUMENT["channels"].values()}
    assert addresses == {
        build("{gateway}") for build in (topics.readings, topics.presence, topics.ack)
    }
    assert all(
        set(channel["parameters"]) == {"gateway"} for channel in DOCUMENT["channels"].values()
    )


def test_every_message_is_there_in_both_content_types() -> None:
    said = {(message["title"], message["contentType"]) for message in MESSAGES.values()}
    assert said == {
        (title, content_type)
        for title in (
            "ReadingBatch",
            "Thinned",
            "Gap",
            "ClockStep",
            "Kept",
            "Presence",
            "Ack",
        )
        for content_type in codec.CONTENT_TYPES
    }


@pytest.mark.parametrize("name", MESSAGES)
def test_every_example_is_a_message(name: str) -> None:
    for example in MESSAGES[name]["examples"]:
        for payload in (
            msgspec.msgpack.encode(example["payload"]),
            msgspec.json.encode(example["payload"]),
        ):
            assert type(codec.decode(payload)).__name__ == MESSAGES[name]["title"]


@pytest.mark.parametrize("of_type", [Weighed, Counted, Condition])
def test_a_reading_is_an_array_whose_places_have_names(of_type: type[msgspec.Struct]) -> None:
    schema = DOCUMENT["components"]["schemas"][of_type.__name__]
    assert schema["type"] == "array"
    assert [place["title"] for place in schema["prefixItems"]] == [
        "kind",
        *of_type.__struct_fields__,
    ]
    assert all(place["description"] for place in schema["prefixItems"])
    assert all(f"`{name}`" in schema["description"] for name in of_type.__struct_fields__)


def test_every_field_says_what_it_is() -> None:
    silent = [
        f"{name}.{field}"
        for name, schema in DOCUMENT["components"]["schemas"].items()
        for field, told in schema.get("properties", {}).items()
        if field != "type" and "description" not in told and "enum" not in told
    ]
    assert silent == []
