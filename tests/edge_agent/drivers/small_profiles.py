"""Profiles made for one question each."""

import msgspec

from edge_agent.drivers.compiling import compile_profile
from edge_agent.drivers.declared import Declared
from edge_agent.drivers.profile_format import ProfileFile

LINES = {"ends": ["\r"]}
WEIGHT = {
    "is": "measurement",
    "pattern": r"(?P<weight_text>[\d.]+) (?P<unit_text>\w+)",
    "say": {"weight": "number(weight_text)", "unit": "unit_text"},
}


def made(given: dict[str, str] | None = None, /, **keys: object) -> Declared:
    raw = {"title": "t", "kind": "scale", **keys}
    return compile_profile(msgspec.convert(raw, ProfileFile), given)


def scale(*outcomes: dict[str, object], **keys: object) -> Declared:
    return made(frame=LINES, outcomes=list(outcomes), **keys)
