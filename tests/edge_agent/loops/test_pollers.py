"""Settings and profiles together: what is refused, and that every profile can be run."""

import threading
from typing import Any

import pytest

from edge_agent import profiles
from edge_agent.loops.clock import monotonic_ms, wall_ms
from edge_agent.loops.poll import Poller
from edge_agent.loops.poll_modbus import ModbusPoller
from edge_agent.loops.pollers import poller_for
from edge_agent.loops.stating import Clock, Outlet
from edge_agent.loops.taken import Taken
from edge_agent.settings import Device, Port, Sensor, SettingsError
from edge_agent.transports.serial_port import SerialPort
from edge_agent.transports.tcp_port import TcpPort

NOT_FOR_POLLING = {"epc_tds", "modbus", "thingmagic"}
LAUMAS = {"profile": "laumas_tlb", "parameters": {"unit": "kg"}}


def made(*devices: Device, **port: Any) -> Poller | ModbusPoller:
    outlet = Outlet(
        readings=Taken(10),
        stop=threading.Event(),
        clock=Clock(wall_ms=wall_ms, monotonic_ms=monotonic_ms, trusted=lambda: True),
    )
    whole = Port(**({"address": "/dev/x", "devices": devices} | port))
    return poller_for(whole, outlet=outlet, place="gateway.toml: ports[0]")


def device(profile: str = "mt_sics", *channels: int, **changes: Any) -> Device:
    sensors = tuple(Sensor(name=f"s{at}", channel=at) for at in channels or (0,))
    return Device(profile=profile, **({"sensors": sensors} | changes))


def refusal(*devices: Device, **port: Any) -> str:
    with pytest.raises(SettingsError) as refused:
        made(*devices, **port)
    assert str(refused.value).startswith("gateway.toml: ports[0]")
    return str(refused.value)


def needed_by(name: str) -> dict[str, str | int | bool]:
    given: dict[str, str | int | bool] = {}
    for key, parameter in profiles.read(name).parameters.items():
        if isinstance(parameter.default, str | int | bool):
            continue
        number: str | int = 1 if parameter.type == "int" else "kg"
        given[key] = parameter.choices[0] if parameter.choices else number
    return given


@pytest.mark.parametrize("name", sorted(set(profiles.shipped()) - NOT_FOR_POLLING))
def test_every_shipped_profile_can_be_run(name: str) -> None:
    labels = profiles.load(name, all_needed=False).channel_labels()
    modbus = profiles.read(name).modbus
    wired = modbus is None or "rtu" in modbus.transports
    poller = made(
        device(name, labels[0], parameters=needed_by(name), poll_s=5.0),
        address="/dev/x" if wired else "tcp://x:502",
    )
    assert isinstance(poller, ModbusPoller if modbus else Poller)


@pytest.mark.parametrize("name", sorted(NOT_FOR_POLLING))
def test_a_profile_for_looking_at_bytes_is_not_polled(name: str) -> None:
    assert "devices[0].profile" in refusal(device(name))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (device("mt_siks"), ["devices[0].profile", "mt_siks"]),
        (device(poll_s=0.05), ["devices[0].poll_s: 0.05 is too often", "0.15 or more"]),
        (device("st_gs", serial_number="1"), ["devices[0].serial_number", "[identity]"]),
        (device("laumas_tlb"), ["devices[0].parameters.unit", "must be given"]),
        (
            device("laumas_tlb", parameters={"unit": "stone"}),
            ["devices[0].parameters.unit", "g, kg, t"],
        ),
        (device(parameters={"x": 1}), ["devices[0].parameters.x", "not known"]),
        (device("mt_sics", 0, 1), ["devices[0].sensors", "one channel"]),
        (device("mt_sics", 3), ["sensors[0].channel: 3 is not there"]),
        (device("isma_sfar_4di", 1, 5), ["sensors[1].channel: 5", "1, 2, 3, 4"]),
        (device(unit=1), ["devices[0].unit", "Modbus"]),
    ],
)
def test_what_a_profile_does_not_allow_is_refused_with_what_it_does(
    wrong: Device, said: list[str]
) -> None:
    message = refusal(wrong)
    for part in said:
        assert part in message


def test_two_devices_share_a_port_only_when_each_is_asked_by_its_address() -> None:
    assert "needs a port of its own" in refusal(device(), device())
    assert "needs a port of its own" in refusal(device("st_gs"), device("st_gs"))
    first = device("dini_argeo", parameters={"address": "01"})
    assert "address" in refusal(first, first)
    assert "address" in refusal(first, device("dini_argeo"))
    assert isinstance(made(first, device("dini_argeo", parameters={"address": "02"})), Poller)


def test_modbus_and_others_do_not_share_a_port() -> None:
    assert "one of the two on a port" in refusal(device(), device(**LAUMAS))


def test_units_on_a_line_are_told_apart_and_none_is_everybody() -> None:
    assert "unit: 1 is named twice" in refusal(device(**LAUMAS), device(**LAUMAS))
    assert "0 is every unit" in refusal(device(**LAUMAS, unit=0))
    assert isinstance(made(device(**LAUMAS, unit=1), device(**LAUMAS, unit=2)), ModbusPoller)
    assert isinstance(
        made(device(**LAUMAS, unit=0), address="tcp://plc:502", modbus="tcp"), ModbusPoller
    )


def test_profiles_that_want_different_lines_need_the_ports_word() -> None:
    two = (
        device(**LAUMAS, unit=1),
        device("technotrade_vrd485", unit=2),  # 19200 where the other has 9600
    )
    assert "ports[0].baud: the profiles on this port differ (19200, 9600)" in refusal(*two)
    assert isinstance(made(*two, baud=9600), ModbusPoller)


@pytest.mark.parametrize(
    ("modbus", "address"),
    [(None, "tcp://plc:502"), ("tcp", "tcp://plc:502"), ("rtu_over_tcp", "rtu+tcp://plc:502")],
)
def test_a_modbus_peer_in_the_network_is_spoken_to_in_its_way(
    modbus: str | None, address: str
) -> None:
    assert made(device(**LAUMAS), address="tcp://plc:502", modbus=modbus).name == address


def test_a_scale_behind_a_serial_server_is_a_line_like_any_other() -> None:
    poller = made(device(), address="tcp://moxa:4001")
    assert isinstance(poller, Poller)
    assert isinstance(poller._transport, TcpPort)
    assert poller.name == "tcp://moxa:4001"


def test_the_ports_word_goes_before_the_profiles() -> None:
    poller = made(device(), baud=2400, bits=7, parity="even", dtr=False)
    assert isinstance(poller, Poller)
    assert isinstance(poller._transport, SerialPort)
    line = poller._transport._line
    assert (line.baud, line.data_bits, line.parity, line.dtr) == (2400, 7, "even", False)


def test_registers_at_addresses_that_do_not_exist_are_refused() -> None:
    nowhere = device("di_counter", parameters={"address": -5})
    assert "devices[0].parameters" in refusal(nowhere)


def test_modbus_on_a_device_that_does_not_speak_it_is_refused() -> None:
    assert "does not speak Modbus" in refusal(device(), modbus="rtu")


@pytest.mark.parametrize(
    ("port", "said"),
    [
        ({"rs485": True, "rts": True}, "rts: with rs485"),
        ({"hardware_handshake": True, "rts": False}, "rts: with hardware_handshake"),
        ({"rs485": True, "hardware_handshake": True}, "does not go with hardware_handshake"),
        ({"rs485": True, "local_echo": True}, "local_echo: with rs485 the port does not hear"),
        ({"rs485_after_ms": 2}, "Allowed: with rs485 = true"),
    ],
)
@pytest.mark.parametrize("who", [device(), device(**LAUMAS)])
def test_what_one_wire_cannot_do_at_once_is_refused(
    who: Device, port: dict[str, Any], said: str
) -> None:
    assert said in refusal(who, **port)


def test_a_modbus_line_is_set_like_any_other() -> None:
    poller = made(device(**LAUMAS), dtr=True, rs485=True, rs485_before_ms=1, rs485_after_ms=2)
    assert isinstance(poller, ModbusPoller)
    line = poller._link._line  # type: ignore[attr-defined]  # the promise to the loop has no line
    assert (line.dtr, line.rs485, line.rs485_before_ms, line.rs485_after_ms) == (True, True, 1, 2)
    assert not line.local_echo


def test_modbus_tcp_has_no_echo_and_rtu_behind_a_serial_server_may() -> None:
    peer = {"address": "tcp://moxa:4001", "local_echo": True}
    assert "no wire that could echo Modbus TCP" in refusal(device(**LAUMAS), **peer)
    assert isinstance(made(device(**LAUMAS), modbus="rtu_over_tcp", **peer), ModbusPoller)


def test_each_unit_of_a_line_is_given_its_own_time() -> None:
    poller = made(
        device(**LAUMAS, unit=1, reply_timeout_ms=50),
        device(**LAUMAS, unit=2, reply_timeout_ms=4_000),
        device(**LAUMAS, unit=3),
    )
    assert isinstance(poller, ModbusPoller)
    line = poller._link._line  # type: ignore[attr-defined]  # the promise to the loop has no line
    of_profile = profiles.read("laumas_tlb").ask.answer_ms
    assert line.answer_ms_of == {1: 50, 2: 4_000, 3: of_profile}
