"""The gateway's settings: one TOML file in, frozen values out.

An error names the file, the key and what is allowed, and the agent refuses to start: half a
configuration is worse than none. `firmware_configs/gateways/example.toml` shows every key; a test
keeps it equal to this file. Paths in the file are taken from the folder the file is in.
"""

import logging
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct

from edge_agent.core import typed_toml
from edge_agent.core.typed_toml import SettingsError
from edge_agent.wire import topics

__all__ = [
    "Broker",
    "Device",
    "Port",
    "Sensor",
    "Settings",
    "SettingsError",
    "Spool",
    "load",
    "parse",
]

SETTINGS_BYTES_MAX = 1024 * 1024
DEFAULT_PORTS = {"mqtt": 1883, "mqtts": 8883}
_MOVING_NAME = re.compile(r"/dev/tty(USB|ACM)\d+")
SERIAL_ONLY = (
    "baud",
    "bits",
    "parity",
    "stop_bits",
    "hardware_handshake",
    "dtr",
    "rts",
    "rs485",
    "rs485_before_ms",
    "rs485_after_ms",
)

log = logging.getLogger(__name__)

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
    commit_offline_s: Annotated[float, Meta(gt=0, le=60)] = 0.75
    commit_readings: Annotated[int, Meta(ge=1, le=5_000)] = 1_000
    bytes_max: Annotated[int, Meta(ge=1024 * 1024)] = 512 * 1024 * 1024
    tail_bytes: Annotated[int, Meta(ge=0)] = 50 * 1024 * 1024
    tail_hours: Annotated[float, Meta(ge=0, le=24 * 366)] = 24.0
    drain_bytes_per_s: Annotated[int, Meta(ge=1024)] = 1024 * 1024


class Sensor(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A measuring point of a device, and how what it says becomes readings."""

    name: SensorName
    channel: Annotated[int, Meta(ge=0, le=1_000)] = 0
    silent_after: Annotated[int, Meta(ge=1, le=1_000)] = 3
    heartbeat_s: Seconds = 60.0

    settle_samples: Annotated[int, Meta(ge=1, le=100)] = 2
    settle_mg: Milligrams = 500
    settle_s: Annotated[float, Meta(ge=0, le=3_600)] = 2.0
    unstable_after_s: Seconds = 30.0
    deadband_mg: Milligrams = 500

    confirm_reads: Annotated[int, Meta(ge=1, le=100)] = 1
    absent_after_s: Seconds = 5.0
    same_scan_ms: Annotated[int, Meta(ge=0, le=60_000)] = 1_000
    ignore: Annotated[tuple[Text, ...], Meta(max_length=1_000)] = ()

    step_max: Annotated[int, Meta(ge=1, le=2**53)] | None = None


class Device(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A box on a port: what model it is, how often it is asked, and its sensors."""

    profile: Text
    unit: Annotated[int, Meta(ge=0, le=255)] | None = None
    parameters: dict[str, str | int | bool] = {}
    poll_s: Annotated[float, Meta(ge=0.01, le=3_600)] = 0.5
    reply_timeout_ms: Annotated[int, Meta(ge=10, le=60_000)] | None = None
    serial_number: Text | None = None
    sensors: Annotated[tuple[Sensor, ...], Meta(min_length=1, max_length=64)]


class Port(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A cable, or a serial server in the network, and the devices that hang on it."""

    address: Text
    modbus: Literal["rtu", "tcp", "rtu_over_tcp"] | None = None
    baud: Annotated[int, Meta(ge=110, le=921_600)] | None = None
    bits: Literal[7, 8] | None = None
    parity: Literal["none", "even", "odd"] | None = None
    stop_bits: Literal[1, 2] | None = None
    hardware_handshake: bool | None = None
    dtr: bool | None = None
    rts: bool | None = None
    rs485: bool | None = None
    rs485_before_ms: Annotated[int, Meta(ge=0, le=1_000)] | None = None
    rs485_after_ms: Annotated[int, Meta(ge=0, le=1_000)] | None = None
    local_echo: bool | None = None
    devices: Annotated[tuple[Device, ...], Meta(min_length=1, max_length=247)]

    @property
    def is_serial(self) -> bool:
        return "://" not in self.address

    @property
    def host(self) -> str:
        return urlsplit(self.address).hostname or ""

    @property
    def tcp_port(self) -> int:
        return urlsplit(self.address).port or 0


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    gateway: GatewayName
    broker: Broker
    spool: Spool
    ports: Annotated[tuple[Port, ...], Meta(min_length=1, max_length=256)]
    # The cloud calls a gateway offline that it did not hear for three minutes.
    heartbeat_s: Annotated[float, Meta(gt=0, le=60)] = 30.0
    clock_check: bool = True


def load(path: Path) -> Settings:
    try:
        if path.stat().st_size > SETTINGS_BYTES_MAX:
            raise SettingsError(f"{path}: larger than {SETTINGS_BYTES_MAX} bytes")
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read: {error}") from error
    settings = parse(text, origin=path)
    _warn_of_names_that_move(settings, path)
    return settings


def _warn_of_names_that_move(settings: Settings, path: Path) -> None:
    moving = [port.address for port in settings.ports if _MOVING_NAME.match(port.address)]
    if moving:
        log.warning(
            "%s: %s may be another device after the next plug: use the name below "
            "/dev/serial/by-path or /dev/serial/by-id",
            path,
            ", ".join(moving),
        )


def parse(text: str, *, origin: Path) -> Settings:
    """`origin` is the file the text is from: errors name it, paths start from its folder."""
    folder = origin.absolute().parent

    def path_from_folder(wanted: type, value: Any) -> Path:  # noqa: ANN401 - msgspec's signature
        if wanted is not Path or not isinstance(value, str) or not value:
            raise TypeError("a path is a text that is not empty")
        return folder / value

    settings = typed_toml.read(text, Settings, str(origin), path_from_folder)
    _check(settings, str(origin))
    return msgspec.structs.replace(
        settings, ports=tuple(_with_profiles_from(folder, port) for port in settings.ports)
    )


def _with_profiles_from(folder: Path, port: Port) -> Port:
    """A profile's name stays a name; a path starts from the folder like all others."""
    devices = tuple(
        msgspec.structs.replace(device, profile=str(folder / device.profile))
        if "/" in device.profile or device.profile.endswith(".toml")
        else device
        for device in port.devices
    )
    return msgspec.structs.replace(port, devices=devices)


def _check(settings: Settings, origin: str) -> None:
    """What the types cannot say."""
    names = [sensor.name for _, sensor in _sensors(settings)]
    if "\n" in settings.gateway or any("\n" in name for name in names):
        raise SettingsError(f"{origin}: a name ends in a line break. Allowed: one line")
    _check_broker(settings.broker, origin)
    for place, port in enumerate(settings.ports):
        _check_port(port, f"{origin}: ports[{place}]")
    _check_once(names, f"{origin}: ports: the sensor", "once per file")
    _check_once(
        [port.address for port in settings.ports], f"{origin}: ports: address", "once per file"
    )


def _sensors(settings: Settings) -> list[tuple[Device, Sensor]]:
    return [
        (device, sensor)
        for port in settings.ports
        for device in port.devices
        for sensor in device.sensors
    ]


def _check_broker(broker: Broker, origin: str) -> None:
    try:
        reachable = bool(broker.host and broker.port)
    except ValueError:  # urlsplit finds a bad port number only when asked for it
        reachable = False
    if not reachable:
        raise SettingsError(
            f"{origin}: broker.url: {broker.url!r} names no host or no port. "
            "Allowed: mqtt://host:port or mqtts://host:port"
        )
    if broker.ca_file is not None and not broker.tls:
        raise SettingsError(
            f"{origin}: broker.ca_file: of no use without TLS. Allowed: with a url of mqtts://"
        )


def _check_port(port: Port, place: str) -> None:
    if not port.is_serial:
        _check_network(port, place)
    elif port.modbus in ("tcp", "rtu_over_tcp"):
        raise SettingsError(
            f"{place}.modbus: {port.modbus!r} is for tcp:// addresses. Allowed here: 'rtu'"
        )
    for at, device in enumerate(port.devices):
        channels = [sensor.channel for sensor in device.sensors]
        _check_once(channels, f"{place}.devices[{at}].sensors: channel", "once per device")


def _check_network(port: Port, place: str) -> None:
    """A socket has no baud rate: what says otherwise is a misunderstanding worth a sentence."""
    try:
        parts = urlsplit(port.address)
        good = parts.scheme == "tcp" and bool(parts.hostname and parts.port) and not parts.path
    except ValueError:
        good = False
    if not good or "@" in port.address:
        raise SettingsError(
            f"{place}.address: names no cable we can open. "
            "Allowed: a path as /dev/serial/by-id/..., or tcp://host:port"
        )
    if port.modbus == "rtu":
        raise SettingsError(
            f"{place}.modbus: 'rtu' is for serial lines. Allowed here: 'tcp', 'rtu_over_tcp'"
        )
    for key in SERIAL_ONLY:
        if getattr(port, key) is not None:
            raise SettingsError(
                f"{place}.{key}: is set in the serial server, not here. "
                "Allowed: only with a serial line"
            )


def _check_once(named: Sequence[str | int], what: str, allowed: str) -> None:
    twice = [name for name, times in Counter(named).items() if times > 1]
    if twice:
        raise SettingsError(f"{what} {twice[0]!r} is named twice. Allowed: {allowed}")


def schema() -> dict[str, Any]:
    """JSON Schema of the file, so that an editor completes its keys."""
    return msgspec.json.schema(Settings, schema_hook=_schema_of)


def _schema_of(wanted: type) -> dict[str, Any]:
    if wanted is Path:
        return {"type": "string", "minLength": 1}
    raise NotImplementedError(wanted)
