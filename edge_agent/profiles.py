"""How each device model talks: `firmware_configs/devices/<name>.toml` to a driver, ready to be fed.

Profiles are data and travel with the program; a path instead of a name takes one from anywhere.
"""

from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from edge_agent.core import declared
from edge_agent.core.declared import SettingsError
from edge_agent.drivers.base import Driver
from edge_agent.drivers.registry import DRIVERS

PACKAGE = "firmware_configs"

Text = Annotated[str, Meta(min_length=1)]


class Line(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The line as the model leaves its factory; a gateway's settings may say otherwise."""

    baud: Annotated[int, Meta(ge=300, le=921_600)]
    data_bits: Literal[7, 8] = 8
    parity: Literal["none", "even", "odd"] = "none"
    stop_bits: Literal[1, 2] = 1
    reply_timeout_ms: Annotated[int, Meta(ge=10, le=60_000)] = 1_000
    poll_ms_min: Annotated[int, Meta(ge=0, le=3_600_000)] = 0


class Evidence(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How we know. `proved_on` is the best we have: a manual's word is the least."""

    manual: Text
    proved_on: Literal["manual", "capture", "bench", "site"]
    notes: str = ""


class Profile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    title: Text
    models: Annotated[tuple[Text, ...], Meta(min_length=1)]
    driver: Text
    port: Line
    evidence: Evidence

    def make_driver(self, sensor: str) -> Driver:
        return DRIVERS[self.driver](sensor)


def load(name_or_path: str) -> Profile:
    """By its name, or by a path: that has a `/` or ends in `.toml`."""
    if "/" in name_or_path or name_or_path.endswith(".toml"):
        path = Path(name_or_path)
        try:
            return parse(path.read_text("utf-8"), str(path))
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"profile {path} cannot be read: {error}") from error
    shipped = resources.files(PACKAGE) / "devices" / f"{name_or_path}.toml"
    if not shipped.is_file():
        raise SettingsError(
            f"profile {name_or_path!r} does not exist. Allowed: {', '.join(names())}, "
            "or a path to a file"
        )
    return parse(shipped.read_text("utf-8"), f"profile {name_or_path}")


def parse(text: str, origin: str) -> Profile:
    profile = declared.read(text, Profile, origin)
    if profile.driver not in DRIVERS:
        raise SettingsError(
            f"{origin}: driver: there is no {profile.driver!r}. Allowed: {', '.join(DRIVERS)}"
        )
    return profile


def names() -> list[str]:
    devices = resources.files(PACKAGE) / "devices"
    found = [entry.name for entry in devices.iterdir()]
    return sorted(name.removesuffix(".toml") for name in found if name.endswith(".toml"))


def schema() -> dict[str, Any]:
    """JSON Schema of a profile, so that an editor completes its keys."""
    return msgspec.json.schema(Profile)
