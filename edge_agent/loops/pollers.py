"""Settings and profiles to the loops that run them: one for each port.

What neither file can say alone is checked here, before anything is opened: whether a profile has
the parameters, the channels and the question for the serial number that the settings count on, and
whether the devices of one port can share it.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Literal, Protocol, TypeVar

from edge_agent import profiles
from edge_agent.core.remembered import Remembered
from edge_agent.core.turns import Turn
from edge_agent.drivers.compiling import ProfileError
from edge_agent.drivers.declared import Declared
from edge_agent.drivers.registry import line_driver, register_driver
from edge_agent.loops.poll import LineDevice, Poller
from edge_agent.loops.stating import Clock, DeviceStating, Outlet
from edge_agent.loops.taken import Taken
from edge_agent.settings import Device, Port, Settings, SettingsError
from edge_agent.transports.base import Transport
from edge_agent.transports.serial_port import Line, SerialPort
from edge_agent.transports.tcp_port import TcpPort

BROADCAST_UNIT = 0

T = TypeVar("T")


class PollLoop(Protocol):
    """Polls one port until it is told to stop."""

    def run(self) -> None: ...


PollerOf = Callable[[Remembered], PollLoop]
"""Mistakes are found before there is one of these; what to go on from, the spool says later."""


def pollers_for(
    settings: Settings,
    *,
    readings: Taken,
    stop: threading.Event,
    clock: Clock,
    origin: str = "settings",
) -> dict[str, PollerOf]:
    """What makes the loops, by the address of their port. A SettingsError names `origin`."""
    return {
        port.address: _poller_of(
            port,
            Outlet(readings=readings, stop=stop, clock=clock),  # of its own: see `together`
            f"{origin}: ports[{at}]",
        )
        for at, port in enumerate(settings.ports)
    }


def poller_for(
    port: Port,
    *,
    outlet: Outlet,
    remembered: Remembered | None = None,
    place: str = "ports[0]",
) -> PollLoop:
    """The loop for one port; SettingsError when a profile does not allow what is asked of it."""
    return _poller_of(port, outlet, place)(remembered or Remembered())


def _poller_of(port: Port, outlet: Outlet, place: str) -> PollerOf:
    known = [_known(device, f"{place}.devices[{at}]") for at, device in enumerate(port.devices)]
    over_modbus = {device.is_modbus for device in known}
    if len(over_modbus) > 1:
        raise SettingsError(
            f"{place}.devices: some speak Modbus and some do not. Allowed: one of the two on a port"
        )
    if over_modbus == {True}:
        return _modbus_poller_of(port, known, outlet, place)
    return _line_poller_of(port, known, outlet, place)


# ---------------------------------------------------------------------- one device


@dataclass(frozen=True, kw_only=True)
class _Known:
    """A device of the settings, with its profile."""

    settings: Device
    declared: Declared
    sensors: Mapping[int, str]
    place: str

    @property
    def is_modbus(self) -> bool:
        return self.declared.profile.modbus is not None

    @property
    def reply_timeout_ms(self) -> int:
        return self.settings.reply_timeout_ms or self.declared.profile.ask.answer_ms

    @property
    def poll_ms(self) -> int:
        return round(self.settings.poll_s * 1000)


def _known(device: Device, place: str) -> _Known:
    declared = _loaded(device, place)
    profile = declared.profile
    if not profile.outcomes or (profile.frame is None) == (profile.modbus is None):
        raise SettingsError(
            f"{place}.profile: {device.profile} is for looking at bytes, not for polling. "
            "Allowed: one with a frame or registers, and outcomes"
        )
    if device.poll_s * 1000 < profile.ask.interval_ms_min:
        raise SettingsError(
            f"{place}.poll_s: {device.poll_s:g} is too often for {device.profile}. "
            f"Allowed: {profile.ask.interval_ms_min / 1000:g} or more"
        )
    identity = profile.identity
    can_say = identity is not None and bool(identity.ask or identity.registers)
    if device.serial_number is not None and not can_say:
        raise SettingsError(
            f"{place}.serial_number: {device.profile} has no question for it. "
            "Allowed: only with profiles that have [identity]"
        )
    return _Known(
        settings=device,
        declared=declared,
        sensors=_sensors_by_channel(device, declared, place),
        place=place,
    )


def _loaded(device: Device, place: str) -> Declared:
    parameters = {name: str(value) for name, value in device.parameters.items()}
    try:
        return profiles.load(device.profile, parameters)
    except ProfileError as error:
        said = "; ".join(
            f"parameters.{what.removeprefix('parameter ')}: {why}"
            if what.startswith("parameter ")
            else f"profile: {device.profile}: {what}: {why}"
            for what, why in error.mistakes
        )
        raise SettingsError(f"{place}.{said}") from error
    except OSError as error:
        raise SettingsError(f"{place}.profile: {device.profile}: {error}") from error


def _sensors_by_channel(device: Device, declared: Declared, place: str) -> dict[int, str]:
    labels = declared.channel_labels()
    if len(labels) == 1:
        if len(device.sensors) > 1:
            raise SettingsError(
                f"{place}.sensors: {device.profile} has one channel. Allowed: one sensor"
            )
        if device.sensors[0].channel not in (0, *labels):
            raise SettingsError(
                f"{place}.sensors[0].channel: {device.sensors[0].channel} is not there. "
                "Allowed: 0, or leave it out"
            )
        return {labels[0]: device.sensors[0].name}
    for at, sensor in enumerate(device.sensors):
        if sensor.channel not in labels:
            raise SettingsError(
                f"{place}.sensors[{at}].channel: {sensor.channel} is not there. "
                f"Allowed: {', '.join(map(str, labels))}"
            )
    return {sensor.channel: sensor.name for sensor in device.sensors}


# ---------------------------------------------------------------------- lines of bytes


def _line_poller_of(port: Port, known: list[_Known], outlet: Outlet, place: str) -> PollerOf:
    if port.modbus is not None:
        raise SettingsError(
            f"{place}.modbus: {known[0].settings.profile} does not speak Modbus. "
            "Allowed: leave it out"
        )
    for device in known:
        ask = device.declared.profile.ask
        if device.settings.unit is not None:
            raise SettingsError(
                f"{device.place}.unit: is for Modbus. Allowed: leave it out; "
                "where questions carry an address, parameters.address"
            )
        if ask.mode != "stream" and not ask.request:
            raise SettingsError(
                f"{device.place}.profile: {device.settings.profile} has nothing to ask. "
                "Allowed: one with ask.request, or of mode stream"
            )
    if len(known) > 1:
        _check_addressed(known)
    return partial(
        _line_poller,
        port=port,
        known=known,
        outlet=outlet,
        line=_line(port, known, place),
        local_echo=_local_echo(port, known, place),
    )


def _line_poller(
    remembered: Remembered,
    *,
    port: Port,
    known: list[_Known],
    outlet: Outlet,
    line: Line,
    local_echo: bool,
) -> Poller:
    return Poller(
        transport=_transport(port, line),
        devices=[
            LineDevice(
                driver=line_driver(one.declared, one.sensors),
                stating=DeviceStating(one.settings, outlet, remembered),
                poll_ms=one.poll_ms,
                reply_timeout_ms=one.reply_timeout_ms,
                turn=Turn(interval_ms=one.poll_ms, due_ms=0),
            )
            for one in known
        ],
        outlet=outlet,
        local_echo=local_echo,
    )


def _check_addressed(known: list[_Known]) -> None:
    """Without an address in the question, all of them would answer at once."""
    addresses: set[str] = set()
    for device in known:
        ask = device.declared.profile.ask
        if ask.mode == "stream" or "{address}" not in ask.request:
            raise SettingsError(
                f"{device.place}.profile: {device.settings.profile} is not asked by address, so it "
                "needs a port of its own. Allowed on one port: several with {address} in "
                "ask.request, or several with Modbus"
            )
        address = str(device.declared.parameters.get("address") or "")
        if not address or address in addresses:
            raise SettingsError(
                f"{device.place}.parameters.address: {address!r} does not tell it from the others "
                "on this port. Allowed: an address of its own"
            )
        addresses.add(address)


def _transport(port: Port, line: Line) -> Transport:
    return SerialPort(port.address, line) if port.is_serial else TcpPort(port.host, port.tcp_port)


def _line(port: Port, known: list[_Known], place: str) -> Line:
    """The port's word, or else the profiles', if they agree."""
    lines = [one.declared.profile.line for one in known]
    if not port.is_serial:  # set in the serial server; nothing here looks at it
        lines = lines[:1]
    made = Line(
        baud=_said(_agreed(port.baud, [line.baud for line in lines]), f"{place}.baud"),
        data_bits=_said(_agreed(port.bits, [line.bits for line in lines]), f"{place}.bits"),
        parity=_said(_agreed(port.parity, [line.parity for line in lines]), f"{place}.parity"),
        stop_bits=_said(
            _agreed(port.stop_bits, [line.stop_bits for line in lines]), f"{place}.stop_bits"
        ),
        hardware_handshake=_said(
            _agreed(port.hardware_handshake, [line.hardware_handshake for line in lines]),
            f"{place}.hardware_handshake",
        ),
        dtr=port.dtr if port.dtr is not None else lines[0].dtr,
        rts=port.rts if port.rts is not None else lines[0].rts,
        rs485=_said(_agreed(port.rs485, [line.rs485 for line in lines]), f"{place}.rs485"),
        rs485_before_ms=port.rs485_before_ms or 0,
        rs485_after_ms=port.rs485_after_ms or 0,
    )
    _check_possible(made, local_echo=_local_echo(port, known, place), place=place)
    return made


def _local_echo(port: Port, known: list[_Known], place: str) -> bool:
    of_profiles = [one.declared.profile.line.local_echo for one in known]
    return _said(_agreed(port.local_echo, of_profiles), f"{place}.local_echo")


def _check_possible(line: Line, *, local_echo: bool, place: str) -> None:
    """One wire does one thing: RTS is a level, or the handshake's, or turns the line around."""
    if line.rs485 and line.hardware_handshake:
        raise SettingsError(
            f"{place}.rs485: turns the line around with RTS, and so does not go with "
            "hardware_handshake. Allowed: one of the two"
        )
    for key in ("rs485", "hardware_handshake"):
        if getattr(line, key) and line.rts is not None:
            raise SettingsError(
                f"{place}.rts: with {key} the level of RTS is not ours to set. "
                f"Allowed: leave rts out, or {key}"
            )
    if line.rs485 and local_echo:
        raise SettingsError(
            f"{place}.local_echo: with rs485 the port does not hear itself. "
            "Allowed: local_echo with an adapter that turns the line around by itself"
        )
    if not line.rs485 and (line.rs485_before_ms or line.rs485_after_ms):
        raise SettingsError(
            f"{place}.rs485_before_ms, rs485_after_ms: are for rs485. Allowed: with rs485 = true"
        )


def _agreed(own: T | None, of_profiles: list[T]) -> set[T]:
    return {own} if own is not None else set(of_profiles)


def _said(values: set[T], place: str) -> T:
    if len(values) > 1:
        choices = ", ".join(sorted(str(value) for value in values))
        raise SettingsError(
            f"{place}: the profiles on this port differ ({choices}). "
            "Allowed: say how the line is set"
        )
    return next(iter(values))


# ---------------------------------------------------------------------- Modbus


def _modbus_poller_of(port: Port, known: list[_Known], outlet: Outlet, place: str) -> PollerOf:
    line = _line(port, known, place)
    local_echo = _local_echo(port, known, place)
    if local_echo and not port.is_serial and port.modbus != "rtu_over_tcp":
        raise SettingsError(
            f"{place}.local_echo: there is no wire that could echo Modbus TCP. "
            "Allowed: on a serial line, or with modbus = 'rtu_over_tcp'"
        )
    taken: set[int] = set()
    for device in known:
        unit = _unit(device)
        if unit == BROADCAST_UNIT and port.modbus != "tcp" and port.is_serial:
            raise SettingsError(
                f"{device.place}.unit: 0 is every unit on a serial line. Allowed: 1 to 247"
            )
        if unit in taken:
            raise SettingsError(
                f"{device.place}.unit: {unit} is named twice. Allowed: once per port"
            )
        taken.add(unit)
        if not register_driver(device.declared, device.sensors).blocks:
            raise SettingsError(
                f"{device.place}.parameters: with these there is no register to read. "
                "Allowed: addresses from 0 to 65535"
            )
    return partial(
        _modbus_poller, port=port, known=known, outlet=outlet, line=line, local_echo=local_echo
    )


def _modbus_poller(
    remembered: Remembered,
    *,
    port: Port,
    known: list[_Known],
    outlet: Outlet,
    line: Line,
    local_echo: bool,
) -> PollLoop:
    # A gateway without Modbus does not carry the library: 11 MB, and an event loop it never runs.
    from edge_agent.loops.poll_modbus import ModbusPoller, Unit  # noqa: PLC0415 - see above
    from edge_agent.transports.modbus_link import ModbusLine, ModbusLink  # noqa: PLC0415 - see above

    return ModbusPoller(
        link=ModbusLink(
            ModbusLine(
                address=_modbus_address(port),
                **asdict(line),
                local_echo=local_echo,
                answer_ms_of={_unit(one): one.reply_timeout_ms for one in known},
                gap_ms=max(_gap_ms(one) for one in known),
            )
        ),
        units=[
            Unit(
                number=_unit(one),
                driver=register_driver(one.declared, one.sensors),
                stating=DeviceStating(
                    one.settings,
                    outlet,
                    remembered,
                    remember_identity=one.declared.profile.identity is not None,
                ),
                poll_ms=one.poll_ms,
                turn=Turn(interval_ms=one.poll_ms, due_ms=0),
            )
            for one in known
        ],
        outlet=outlet,
    )


def _modbus_address(port: Port) -> str:
    """As the link wants it."""
    mode: Literal["rtu", "tcp", "rtu_over_tcp"] = port.modbus or (
        "rtu" if port.is_serial else "tcp"
    )
    return f"rtu+{port.address}" if mode == "rtu_over_tcp" else port.address


def _unit(one: _Known) -> int:
    modbus = one.declared.profile.modbus
    assert modbus is not None
    return one.settings.unit if one.settings.unit is not None else modbus.unit


def _gap_ms(one: _Known) -> int:
    modbus = one.declared.profile.modbus
    assert modbus is not None
    return modbus.gap_ms
