from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.settings import Settings, SettingsError, load, parse

ORIGIN = Path("/etc/binline/gateway.toml")
SHORTEST = """
gateway = "lindau-1"
[broker]
url = "mqtt://broker.example"
user = "lindau-1"
password_file = "broker.password"
[spool]
path = "/var/lib/binline/spool.db"
[[ports]]
address = "/dev/ttyS0"
[[ports.devices]]
profile = "mt_sics"
[[ports.devices.sensors]]
name = "s01"
"""


def settings(text: str = SHORTEST) -> Settings:
    return parse(text, origin=ORIGIN)


def refusal(text: str) -> str:
    with pytest.raises(SettingsError) as refused:
        settings(text)
    return str(refused.value)


def test_what_is_not_said_has_a_default() -> None:
    read = settings()
    assert (read.spool.commit_s, read.spool.commit_offline_s) == (0.5, 0.75)
    assert read.spool.commit_readings == 1_000
    assert read.spool.bytes_max == 512 * 1024 * 1024
    [device] = read.ports[0].devices
    assert (device.poll_s, device.sensors[0].heartbeat_s) == (0.5, 60.0)


@pytest.mark.parametrize(
    ("url", "host", "port", "tls"),
    [
        ("mqtt://broker.example", "broker.example", 1883, False),
        ("mqtts://broker.example", "broker.example", 8883, True),
        ("mqtt://127.0.0.1:4711", "127.0.0.1", 4711, False),
        ("mqtts://[::1]:8883", "::1", 8883, True),
    ],
)
def test_the_address_of_the_broker_is_taken_apart(
    *, url: str, host: str, port: int, tls: bool
) -> None:
    broker = settings(SHORTEST.replace("mqtt://broker.example", url)).broker
    assert (broker.host, broker.port, broker.tls) == (host, port, tls)


def test_paths_start_from_the_folder_of_the_file() -> None:
    read = settings(SHORTEST.replace('"mt_sics"', '"own/scale.toml"'))
    assert read.broker.password_file == Path("/etc/binline/broker.password")
    assert read.spool.path == Path("/var/lib/binline/spool.db")
    assert read.ports[0].devices[0].profile == "/etc/binline/own/scale.toml"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('profile = "mt_sics"', 'profile = "x"\npols_s = 2', ["devices[0].pols_s", "`poll_s`"]),
        ('profile = "mt_sics"', 'profile = "x"\npoll_s = 0', ["devices[0].poll_s", "0.01"]),
        ('profile = "mt_sics"', 'profile = "x"\npoll_s = nan', ["ports[0].devices[0].poll_s"]),
        ('profile = "mt_sics"', 'profile = "x"\nunit = 256', ["devices[0].unit", "255"]),
        ('profile = "mt_sics"', 'profile = "x"\nparameters = 1', ["devices[0].parameters"]),
        ('name = "s01"', 'name = "s01"\nsettle_mg = 0.5', ["sensors[0].settle_mg", "int"]),
        ('name = "s01"', 'name = "s01"\nabsent_s = 5', ["`absent_after_s`"]),
        ('"/dev/ttyS0"', '"/dev/ttyS0"\nparity = "odd?"', ["parity", "'none', 'even', 'odd'"]),
        ('"/dev/ttyS0"', '"/dev/ttyS0"\ndevice = "x"', ["ports[0].device", "`devices`"]),
        ('"/dev/ttyS0"', '"tcp://host"', ["ports[0].address", "tcp://host:port"]),
        ('"/dev/ttyS0"', '"tcp://host:99999"', ["ports[0].address", "tcp://host:port"]),
        ('"/dev/ttyS0"', '"http://host:80"', ["ports[0].address", "tcp://host:port"]),
        ('"/dev/ttyS0"', '"tcp://me:secret@host:1"', ["ports[0].address"]),
        ('"/dev/ttyS0"', '"tcp://host:1"\nbaud = 9600', ["ports[0].baud", "serial server"]),
        ('"/dev/ttyS0"', '"tcp://host:1"\nmodbus = "rtu"', ["ports[0].modbus", "rtu_over_tcp"]),
        ('"/dev/ttyS0"', '"/dev/ttyS0"\nmodbus = "tcp"', ["ports[0].modbus", "'rtu'"]),
        ('"lindau-1"\n[', '"Lindau 1"\n[', ["gateway", "a-z"]),
        ('"lindau-1"\n[', '"lindau-1\\n"\n[', ["line break"]),
        ("mqtt://", "http://", ["broker.url", "mqtts?"]),
        ("mqtt://", "mqtt://me:secret@", ["broker.url"]),
        ("broker.example", "broker.example:99999", ["broker.url", "mqtts://host:port"]),
        ("[spool]", 'ca_file = "ca.pem"\n[spool]', ["broker.ca_file", "mqtts://"]),
        ('user = "lindau-1"\n', "", ["broker", "`user`"]),
        ("[[ports]]", "[ports]", ["ports", "array"]),
    ],
)
def test_an_error_names_the_file_the_key_and_what_is_allowed(
    old: str, new: str, said: list[str]
) -> None:
    message = refusal(SHORTEST.replace(old, new, 1))
    for part in ["/etc/binline/gateway.toml", *said]:
        assert part in message
    assert "secret" not in message


def port(address: str, *sensors: str) -> str:
    named = "".join(f'[[ports.devices.sensors]]\nname = "{sensor}"\n' for sensor in sensors)
    return f'[[ports]]\naddress = "{address}"\n[[ports.devices]]\nprofile = "mt_sics"\n{named}'


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (port("/dev/ttyS1", "s01"), "sensor 's01' is named twice"),
        (port("/dev/ttyS0", "s02"), "address '/dev/ttyS0' is named twice"),
        (port("/dev/ttyS1", "s02", "s03"), "channel 0 is named twice"),
    ],
)
def test_a_sensor_a_cable_and_a_channel_are_named_once(second: str, said: str) -> None:
    assert said in refusal(SHORTEST + second)


def test_the_address_of_a_serial_server_is_taken_apart() -> None:
    [port_] = settings(SHORTEST.replace("/dev/ttyS0", "tcp://[::1]:4001")).ports
    assert (port_.is_serial, port_.host, port_.tcp_port) == (False, "::1", 4001)


@pytest.mark.parametrize(
    ("address", "warns"),
    [("/dev/ttyUSB0", True), ("/dev/ttyACM12", True), ("/dev/ttyS0", False)],
)
def test_a_name_that_moves_with_the_plug_is_warned_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, *, address: str, warns: bool
) -> None:
    (tmp_path / "gateway.toml").write_text(SHORTEST.replace("/dev/ttyS0", address))
    load(tmp_path / "gateway.toml")
    assert [address in record.getMessage() for record in caplog.records] == [True] * warns


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        load(tmp_path / "none.toml")


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="cannot be read"):
        load(path)


def test_the_password_is_read_when_asked_for_and_never_shown(tmp_path: Path) -> None:
    (tmp_path / "broker.password").write_text("hunter2\n")
    (tmp_path / "gateway.toml").write_text(SHORTEST)
    read = load(tmp_path / "gateway.toml")
    assert read.broker.password() == "hunter2"
    assert "hunter2" not in repr(read)


def test_a_password_file_that_is_missing_is_named(tmp_path: Path) -> None:
    (tmp_path / "gateway.toml").write_text(SHORTEST)
    with pytest.raises(SettingsError, match=r"broker.password_file.*broker\.password"):
        load(tmp_path / "gateway.toml").broker.password()


@given(st.text(max_size=300))
def test_any_text_is_refused_and_nothing_worse(text: str) -> None:
    with pytest.raises(SettingsError):
        settings(text)
