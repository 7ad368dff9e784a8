"""The gateway's settings: one TOML file in, frozen values out.

An error names the file, the key and what is allowed, and the agent refuses to start: half a
configuration is worse than none. `firmware_configs/gateways/example.toml` shows every key; a test
keeps it equal to this file. Paths in the file are taken from the folder the file is in.
"""

from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct

from edge_agent.core import declared
from edge_agent.core.declared import SettingsError
from edge_agent.wire import topics

__all__ = ["Broker", "Port", "Settings", "SettingsError", "Spool", "load", "parse"]

SETTINGS_BYTES_MAX = 1024 * 1024
DEFAULT_PORTS = {"mqtt": 1883, "mqtts": 8883}

GatewayName = Annotated[
    str,
    Meta(
        pattern=f"^{topics.GATEWAY_NAME.pattern}$",
        description="2 to 32 of a-z, 0-9 and -; the name the broker's log-in is held to",
    ),
]
SensorName = Annotated[
    str,
    Meta(pattern="^[A-Za-z0-9_/-]{1,64}$", description="names this measuring point on the gateway"),
]
Text = Annotated[str, Meta(min_length=1)]
Seconds = Annotated[float, Meta(gt=0, le=86_400)]
Milligrams = Annotated[int, Meta(ge=0, le=1_000_000_000)]


class Broker(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where readings go. `url` is mqtt://host:port, or mqtts://host:port with TLS."""

    url: Annotated[str, Meta(pattern="^mqtts?://[^/@ ]+$")]
    user: Text
    password_file: Path
    ca_file: Path | None = None

    @property
    def tls(self) -> bool:
        return urlsplit(self.url).scheme == "mqtts"

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        parts = urlsplit(self.url)
        return parts.port or DEFAULT_PORTS[parts.scheme]

    def password(self) -> str:
        """Read when it is needed and not kept: settings may be printed, this may not."""
        try:
            return self.password_file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(
                f"broker.password_file: {self.password_file} cannot be read: {error}. "
                "Allowed: a text file that holds the password and nothing else"
            ) from error


class Spool(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Readings on disk until the cloud has committed them."""

    path: Path
    commit_s: Annotated[float, Meta(gt=0, le=60)] = 0.5
    commit_readings: Annotated[int, Meta(ge=1, le=5_000)] = 200
    bytes_max: Annotated[int, Meta(ge=1024 * 1024)] = 512 * 1024 * 1024


class Port(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A cable, the device at its end, and how its answers become readings."""

    device: Text
    profile: Text
    sensor: SensorName
    serial_number: Text | None = None

    poll_s: Annotated[float, Meta(ge=0.01, le=3_600)] = 0.5
    silent_after: Annotated[int, Meta(ge=1, le=1_000)] = 3

    settle_samples: Annotated[int, Meta(ge=1, le=100)] = 2
    settle_mg: Milligrams = 500
    settle_s: Annotated[float, Meta(ge=0, le=3_600)] = 2.0
    unstable_after_s: Seconds = 30.0

    deadband_mg: Milligrams = 500
    heartbeat_s: Seconds = 60.0

    baud: Annotated[int, Meta(ge=300, le=921_600)] | None = None
    data_bits: Literal[7, 8] | None = None
    parity: Literal["none", "even", "odd"] | None = None
    stop_bits: Literal[1, 2] | None = None
    reply_timeout_ms: Annotated[int, Meta(ge=10, le=60_000)] | None = None


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    gateway: GatewayName
    broker: Broker
    spool: Spool
    ports: Annotated[tuple[Port, ...], Meta(min_length=1, max_length=256)]
    heartbeat_s: Seconds = 30.0
    clock_check: bool = True


def load(path: Path) -> Settings:
    try:
        if path.stat().st_size > SETTINGS_BYTES_MAX:
            raise SettingsError(f"{path}: larger than {SETTINGS_BYTES_MAX} bytes")
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read: {error}") from error
    return parse(text, origin=path)


def parse(text: str, *, origin: Path) -> Settings:
    """`origin` is the file the text is from: errors name it, paths start from its folder."""
    folder = origin.absolute().parent

    def path_from_folder(wanted: type, value: Any) -> Path:  # noqa: ANN401 - msgspec's signature
        if wanted is not Path or not isinstance(value, str) or not value:
            raise TypeError("a path is a text that is not empty")
        return folder / value

    settings = declared.read(text, Settings, str(origin), path_from_folder)
    _check(settings, str(origin))
    ports = tuple(
        msgspec.structs.replace(port, profile=_profile_from(folder, port.profile))
        for port in settings.ports
    )
    return msgspec.structs.replace(settings, ports=ports)


def _profile_from(folder: Path, profile: str) -> str:
    """A name stays a name; a path starts from the folder like all others."""
    return str(folder / profile) if "/" in profile or profile.endswith(".toml") else profile


def _check(settings: Settings, origin: str) -> None:
    """What the types cannot say."""
    if "\n" in settings.gateway or any("\n" in port.sensor for port in settings.ports):
        raise SettingsError(f"{origin}: a name ends in a line break. Allowed: one line")
    try:
        reachable = bool(settings.broker.host and settings.broker.port)
    except ValueError:  # urlsplit finds a bad port number only when asked for it
        reachable = False
    if not reachable:
        raise SettingsError(
            f"{origin}: broker.url: {settings.broker.url!r} names no host or no port. "
            "Allowed: mqtt://host:port or mqtts://host:port"
        )
    if settings.broker.ca_file is not None and not settings.broker.tls:
        raise SettingsError(
            f"{origin}: broker.ca_file: of no use without TLS. Allowed: with a url of mqtts://"
        )
    for key in ("sensor", "device"):
        named = Counter(getattr(port, key) for port in settings.ports)
        twice = [name for name, times in named.items() if times > 1]
        if twice:
            raise SettingsError(
                f"{origin}: ports: {key} {twice[0]!r} is named twice. Allowed: once per file"
            )


def schema() -> dict[str, Any]:
    """JSON Schema of the file, so that an editor completes its keys."""
    return msgspec.json.schema(Settings, schema_hook=_schema_of)


def _schema_of(wanted: type) -> dict[str, Any]:
    if wanted is Path:
        return {"type": "string", "minLength": 1}
    raise NotImplementedError(wanted)
