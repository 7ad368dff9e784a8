"""The files that are made from code or from each other are up to date.

`python tests/firmware_configs/test_fresh.py` writes them anew.
"""

import json
import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from edge_agent import profiles, settings
from edge_agent.drivers.profile_format import ProfileFile

FOLDER = Path(__file__).parents[2] / "firmware_configs"
EXAMPLE = FOLDER / "gateways" / "example.toml"
README = FOLDER / "README.md"
TABLE = re.compile(r"(?<=<!-- devices: made from the profiles -->\n).*(?=<!-- end -->)", re.DOTALL)
KNOWN_FROM = {
    "derived": "derived from its manual",
    "published": "published examples",
    "capture": "recorded bytes of a real one",
    "bench": "a real one on our bench",
}
HINT = "out of date: python tests/firmware_configs/test_fresh.py"


def schema_text(schema: dict[str, object]) -> str:
    return json.dumps(schema, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


SCHEMAS = {
    FOLDER / "schema" / "gateway.schema.json": schema_text(settings.schema()),
    FOLDER / "schema" / "profile.schema.json": schema_text(profiles.schema()),
}


def device_table() -> str:
    lines = ["| profile | kind | covers | line | known from |", "| --- | --- | --- | --- | --- |"]
    for name in profiles.shipped():
        profile = profiles.read(name)
        known = "; ".join(dict.fromkeys(KNOWN_FROM[one.level] for one in profile.evidence))
        covers = "; ".join(profile.covers)
        lines.append(f"| `{name}` | {profile.kind} | {covers} | {line_of(profile)} | {known} |")
    return "\n".join(lines) + "\n"


def line_of(profile: ProfileFile) -> str:
    if profile.modbus is not None:
        return "Modbus " + ", ".join(way.replace("_", " ") for way in profile.modbus.transports)
    line = profile.line
    return f"{line.baud} {line.bits}{line.parity[0].upper()}{line.stop_bits}"


def in_the_example(path: tuple[str, ...], document: object) -> object:
    for key in path:
        document = document[0] if isinstance(document, list) else document
        assert isinstance(document, dict)
        assert key in document, f"{'.'.join(path)} is not in {EXAMPLE.name}"
        document = document[key]
    return document


def every_key() -> list[tuple[tuple[str, ...], msgspec.structs.FieldInfo]]:
    tables = {
        (): settings.Settings,
        ("broker",): settings.Broker,
        ("spool",): settings.Spool,
        ("ports",): settings.Port,
        ("ports", "devices"): settings.Device,
        ("ports", "devices", "sensors"): settings.Sensor,
    }
    return [
        ((*table, field.encode_name), field)
        for table, struct in tables.items()
        for field in msgspec.structs.fields(struct)
    ]


def example_with_all_on() -> str:
    return re.sub(r"^# (?=[a-z0-9_]+ = )", "", EXAMPLE.read_text("utf-8"), flags=re.MULTILINE)


@pytest.mark.parametrize(("path", "field"), every_key())
def test_the_example_shows_every_key_with_its_default(
    path: tuple[str, ...], field: msgspec.structs.FieldInfo
) -> None:
    shown = in_the_example(path, tomllib.loads(example_with_all_on()))
    if field.default_factory is not msgspec.NODEFAULT:
        assert shown == field.default_factory()
    elif field.default not in (msgspec.NODEFAULT, None):
        assert shown == (list(field.default) if isinstance(field.default, tuple) else field.default)


def test_the_example_shows_no_key_that_there_is_not() -> None:
    settings.parse(example_with_all_on(), origin=EXAMPLE)


def test_the_example_is_read_as_it_stands() -> None:
    read = settings.load(EXAMPLE)
    assert profiles.read(read.ports[0].devices[0].profile).kind == "scale"


def test_every_key_of_the_example_says_why() -> None:
    for line in EXAMPLE.read_text("utf-8").splitlines():
        key = re.match(r"(# )?[a-z0-9_]+ = ", line)
        if key is not None:
            assert " # " in line[key.end() :], f"without a reason: {line}"


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.name)
def test_the_schemas_are_those_of_the_code(path: Path) -> None:
    assert path.is_file(), HINT
    assert path.read_text("utf-8") == SCHEMAS[path], HINT


def test_the_table_of_devices_is_that_of_the_profiles() -> None:
    table = TABLE.search(README.read_text("utf-8"))
    assert table is not None, "the README has lost its marks"
    assert table[0] == device_table(), HINT


def test_every_gateway_file_points_an_editor_to_its_schema() -> None:
    for path in FOLDER.glob("gateways/*.toml"):
        first = path.read_text("utf-8").splitlines()[0]
        assert first.startswith("#:schema ")
        assert (path.parent / first.removeprefix("#:schema ")).resolve() in SCHEMAS


def write() -> None:
    for path, text in SCHEMAS.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    README.write_text(TABLE.sub(lambda _: device_table(), README.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    write()
