"""The wire contract as an AsyncAPI 3.0 document, for people and tools that do not read Python.

Told from the gateway's side: it sends on `up` and receives on `down`. Everything is taken from the
message types, so the document cannot say anything else than the code. `asyncapi.json` beside this
file is made by

    python -m edge_agent.wire.asyncapi > edge_agent/wire/asyncapi.json

and a test fails when it is stale.
"""

import inspect
import sys
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from edge_agent.wire import codec, messages, topics
from edge_agent.wire.messages import (
    Ack,
    ClockStep,
    Condition,
    Counted,
    Gap,
    Kept,
    Presence,
    ReadingBatch,
    Sighted,
    Thinned,
    Weighed,
)

VERSION = "1.0.0"
_STREAM = "9f86d081884c7d659a2feaa0c55ad015"
_LIFE = 1_767_225_590
_ARRAYS = (Weighed, Counted, Condition, Sighted)

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class _Channel:
    """One topic: who speaks on it, what is said, and how the broker is to keep it."""

    topic: str
    action: Literal["send", "receive"]
    title: str
    description: str
    retain: bool
    messages: dict[str, type]


_CHANNELS = {
    "readings": _Channel(
        topic=topics.readings("{gateway}"),
        action="send",
        title="Readings, and the gaps between them",
        description=(
            "Everything here is kept on the gateway's disk until an Ack covers it. A PUBACK of the "
            "broker is no Ack: it does not say that the cloud has committed anything. The same "
            "batch may come more than once; the same first seq always means the same content. "
            "`kept` alone is no part of a stream: it is said at each connect and from time to "
            "time, and answered with an exact Ack."
        ),
        retain=False,
        messages={
            "readings": ReadingBatch,
            "thinned": Thinned,
            "gap": Gap,
            "clock_step": ClockStep,
            "kept": Kept,
        },
    ),
    "presence": _Channel(
        topic=topics.presence("{gateway}"),
        action="send",
        title="Whether the gateway is there",
        description=(
            "Sent after each connect, then regularly, and before leaving; the broker holds the "
            "`offline` one as the last will."
        ),
        retain=True,
        messages={"presence": Presence},
    ),
    "ack": _Channel(
        topic=topics.ack("{gateway}"),
        action="receive",
        title="What the cloud has committed",
        description="Sent after the database has committed, and again for whatever comes twice.",
        retain=False,
        messages={"ack": Ack},
    ),
}

_EXAMPLES: dict[type, dict[str, messages.Message]] = {
    ReadingBatch: {
        "a weight, a count and a silence": ReadingBatch(
            stream=_STREAM,
            first_seq=41,
            base_ms=1_767_225_600_000,
            sensors=["s01", "s02", "s03"],
            life=_LIFE,
            readings=[
                Weighed(sensor=0, after_ms=0, weight_mg=6_230_000, stability=0, clock_trusted=True),
                Counted(sensor=1, after_ms=250, total=10_482, clock_trusted=True),
                Condition(
                    sensor=2,
                    after_ms=400,
                    condition="silent",
                    because="no answer to 3 questions",
                    clock_trusted=True,
                ),
            ],
        )
    },
    Thinned: {
        "one weight and one silence of ninety readings": Thinned(
            stream=_STREAM,
            first_seq=101,
            last_seq=190,
            base_ms=1_767_225_900_000,
            sensors=["s01", "s03"],
            readings=[
                Weighed(sensor=0, after_ms=0, weight_mg=6_228_000, stability=0, clock_trusted=True),
                Condition(sensor=1, after_ms=61_000, condition="silent", clock_trusted=True),
            ],
            places=[0, 52],
            because="the gateway's spool was full",
            life=_LIFE,
        )
    },
    Gap: {
        "the disk was full": Gap(
            stream=_STREAM, first_seq=44, last_seq=90, because="the spool was full", life=_LIFE
        )
    },
    ClockStep: {
        "set by the network, four months late": ClockStep(
            stream=_STREAM,
            seq=100,
            step_ms=10_540_800_000,
            because="the clock was set by a time service",
            life=_LIFE,
        )
    },
    Kept: {"two ranges still on disk": Kept(stream=_STREAM, ranges=[(1, 43), (91, 99)])},
    Presence: {
        "after connecting": Presence(
            state="online",
            stream=_STREAM,
            at_ms=1_767_225_600_000,
            version="0.1.0",
            backlog_batches=12,
        ),
        "the last will": Presence(state="offline", stream=_STREAM),
    },
    Ack: {
        "all there": Ack(stream=_STREAM, committed_upto=43),
        "two ranges missing": Ack(
            stream=_STREAM, committed_upto=90, holes=[(12, 14), (44, 60)], exact=True
        ),
    },
}


def document() -> Json:
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Binline: what a gateway says and what it is told",
            "version": VERSION,
            "description": _about(),
            "license": {
                "name": "Apache-2.0",
                "url": "https://www.apache.org/licenses/LICENSE-2.0",
            },
        },
        "defaultContentType": codec.CONTENT_TYPES[0],
        "channels": {name: _channel(channel) for name, channel in _CHANNELS.items()},
        "operations": {
            f"{channel.action}-{name}": _operation(name, channel)
            for name, channel in _CHANNELS.items()
        },
        "components": {
            "parameters": {"gateway": _gateway_parameter()},
            "messages": {
                _message_name(name, content_type): _message(name, of_type, content_type)
                for channel in _CHANNELS.values()
                for name, of_type in channel.messages.items()
                for content_type in codec.CONTENT_TYPES
            },
            "schemas": _schemas(),
        },
    }


def text() -> str:
    """The document as it is committed."""
    return msgspec.json.format(msgspec.json.encode(document()), indent=2).decode() + "\n"


def _about() -> str:
    return (
        _doc(messages)
        + "\n\n"
        + _doc(codec).split("\n\n", 1)[1]
        + f"\n\nA payload has at most {codec.PAYLOAD_BYTES_MAX} bytes. An array's places are told "
        "with `prefixItems` (JSON Schema 2020-12); the name of each place is its `title`."
    )


def _channel(channel: _Channel) -> Json:
    return {
        "address": channel.topic,
        "title": channel.title,
        "description": channel.description,
        "parameters": {"gateway": {"$ref": "#/components/parameters/gateway"}},
        "messages": {
            name: {"$ref": f"#/components/messages/{name}"} for name in _message_names(channel)
        },
    }


def _operation(name: str, channel: _Channel) -> Json:
    return {
        "action": channel.action,
        "channel": {"$ref": f"#/channels/{name}"},
        "title": channel.title,
        "messages": [
            {"$ref": f"#/channels/{name}/messages/{message}"} for message in _message_names(channel)
        ],
        "bindings": {"mqtt": {"qos": 1, "retain": channel.retain, "bindingVersion": "0.2.0"}},
    }


def _gateway_parameter() -> Json:
    return {
        "description": (
            f"The gateway's name, matching {topics.GATEWAY_NAME.pattern}. It is the only place "
            "where a message says who speaks, and the broker holds each log-in to its own."
        ),
        "examples": ["lindau-1"],
    }


def _message_names(channel: _Channel) -> list[str]:
    return [
        _message_name(name, content_type)
        for name in channel.messages
        for content_type in codec.CONTENT_TYPES
    ]


def _message_name(name: str, content_type: str) -> str:
    return f"{name}-json" if content_type == "application/json" else name


def _message(name: str, of_type: type, content_type: str) -> Json:
    return {
        "name": _message_name(name, content_type),
        "title": of_type.__name__,
        "summary": _doc(of_type).split("\n\n")[0],
        "contentType": content_type,
        "payload": {"$ref": f"#/components/schemas/{of_type.__name__}"},
        "examples": [
            {"name": title, "payload": msgspec.to_builtins(message)}
            for title, message in _EXAMPLES[of_type].items()
        ],
    }


def _schemas() -> dict[str, Json]:
    tops = [of_type for channel in _CHANNELS.values() for of_type in channel.messages.values()]
    _, schemas = msgspec.json.schema_components(tops, ref_template="#/components/schemas/{name}")
    for schema in schemas.values():
        schema["description"] = inspect.cleandoc(schema["description"])
    for of_type in _ARRAYS:
        _name_places(schemas[of_type.__name__], of_type)
    return schemas


def _name_places(schema: Json, of_type: type[msgspec.Struct]) -> None:
    """An array has places where an object has names; the schema of each place says its name."""
    names = ("kind", *of_type.__struct_fields__)
    places = schema["prefixItems"]
    assert len(names) == len(places)
    places[0]["description"] = f"always {places[0]['enum'][0]}: this is a {of_type.__name__}"
    schema["prefixItems"] = [
        {"title": name, **place} for name, place in zip(names, places, strict=True)
    ]
    listed = ", ".join(f"{number} `{name}`" for number, name in enumerate(names))
    schema["description"] += (
        f"\n\nAn array; its places are {listed}. The first {schema['minItems']} are always there; "
        "one that is left out has its default, and places after the last are ignored."
    )


def _doc(of: object) -> str:
    found = inspect.getdoc(of)
    assert found is not None, "everything on the wire is described where it is defined"
    return found


if __name__ == "__main__":
    sys.stdout.write(text())
