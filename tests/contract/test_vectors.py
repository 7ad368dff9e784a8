"""A message once sent is read for ever, and means what it meant.

`vectors/v1` holds one file per example: the MessagePack as hex, the same as JSON, and what it must
decode to. `FROZEN` holds their checksums (`sha256sum -c FROZEN` reads it): a file is never changed
and never taken away; a new one is added with a line of its own.
"""

import hashlib
import json
import shutil
from pathlib import Path

import msgspec
import pytest

from edge_agent.wire import codec
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

V1 = Path(__file__).parent / "vectors" / "v1"
VECTORS = sorted(V1.glob("*.json"))
# These lines were true when version 1 was released; whoever shortens the list breaks a gateway.
RELEASED = 30

every_vector = pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)


def broken_promises(folder: Path) -> list[str]:
    """What of the frozen files is changed, missing or not listed."""
    listed = dict(
        reversed(line.split("  ")) for line in (folder / "FROZEN").read_text().splitlines()
    )
    there = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.json")
    }
    missing = [f"{name} is missing" for name in listed.keys() - there.keys()]
    unlisted = [f"{name} is not in FROZEN" for name in there.keys() - listed.keys()]
    changed = [
        f"{name} was changed"
        for name in listed.keys() & there.keys()
        if listed[name] != there[name]
    ]
    return missing + unlisted + changed


def told_by_name(value: object) -> object:
    """A message with the names of its types and fields, so that no place in an array is trusted."""
    match value:
        case msgspec.Struct():
            fields = {name: told_by_name(getattr(value, name)) for name in value.__struct_fields__}
            return {type(value).__name__: fields}
        case list() | tuple():
            return [told_by_name(inner) for inner in value]
    return value


def without_newer_fields(told: object, means: object) -> object:
    """`told`, less the fields that came after the vector was frozen: those have a default."""
    match told, means:
        case dict(), dict():
            return {
                name: without_newer_fields(told[name], inner)
                for name, inner in means.items()
                if name in told
            }
        case list(), list():
            return [
                without_newer_fields(inner, meant) for inner, meant in zip(told, means, strict=True)
            ]
    return told


@every_vector
def test_a_frozen_message_decodes_to_what_it_meant(path: Path) -> None:
    vector = json.loads(path.read_text())
    for payload in (bytes.fromhex(vector["msgpack"]), json.dumps(vector["json"]).encode()):
        told = told_by_name(codec.decode(payload))
        assert without_newer_fields(told, vector["means"]) == vector["means"]


@every_vector
def test_what_it_means_can_be_said_today(path: Path) -> None:
    """Today's bytes are read by a decoder that knows the frozen fields only."""
    message = codec.decode(bytes.fromhex(json.loads(path.read_text())["msgpack"]))
    assert codec.decode(codec.encode(message)) == message
    assert codec.decode(codec.encode_json(message)) == message


def test_no_frozen_vector_was_changed_or_taken_away() -> None:
    assert broken_promises(V1) == []
    assert len(VECTORS) >= RELEASED


def test_every_kind_of_message_and_reading_is_frozen_also_with_unknown_fields() -> None:
    plain = "".join(path.read_text() for path in VECTORS if "unknown-fields" not in path.stem)
    newer = "".join(path.read_text() for path in VECTORS if "unknown-fields" in path.stem)
    said = (ReadingBatch, Thinned, Gap, ClockStep, Kept, Presence, Ack)
    for of_type in (*said, Weighed, Counted, Condition, Sighted):
        assert f'"{of_type.__name__}": ' in plain
        assert f'"{of_type.__name__}": ' in newer


@pytest.mark.parametrize("harm", ["change", "remove", "add"])
def test_the_freeze_notices(tmp_path: Path, harm: str) -> None:
    copy = tmp_path / "v1"
    shutil.copytree(V1, copy)
    match harm:
        case "change":
            (copy / "ack.json").write_text((copy / "ack.json").read_text().replace("90", "91"))
        case "remove":
            (copy / "ack.json").unlink()
        case _:
            (copy / "new.json").write_text("{}")
    assert len(broken_promises(copy)) == 1
