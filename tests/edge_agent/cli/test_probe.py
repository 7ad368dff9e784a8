"""The probe before real ptys and sockets, with simulated devices behind them."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from edge_agent import profiles
from edge_agent.cli.probe import probe
from edge_agent.simulated.modbus_line import BusPlan, LinePlan, UnitPlan, playing
from edge_agent.simulated.modbus_units import SimulatedLine, SimulatedUnit
from edge_agent.simulated.running import SimulatedSite, port_path
from edge_agent.simulated.site import (
    BinScale,
    CountingScale,
    DevicePlan,
    PulseCounter,
    Scanner,
    SitePlan,
    TagReader,
)
from edge_agent.transports.serial_port import Line, SerialPort

RESTING = {
    "unit_weight_ug": 10_000_000,
    "tare_mg": 0,
    "capacity": 100,
    "pieces": 50,
    "noise_mg": 0,
    "moving_s": (0.0, 0.0),
}


def scale(device: str, **changes: object) -> BinScale:
    return BinScale(gateway="g", sensor="s", device=device, **(RESTING | changes))


@contextmanager
def running(folder: Path, plan: DevicePlan) -> Iterator[str]:
    """A simulated device on a port, and the port's path."""
    stop = threading.Event()
    site = SimulatedSite(
        SitePlan(scales=(plan,)), folder, ledger=None, now_s=time.monotonic, wall_ms=lambda: 0
    )

    def run() -> None:
        while not stop.is_set():
            site.turn()

    with site:
        thread = threading.Thread(target=run)
        thread.start()
        yield str(port_path(folder, plan))
        stop.set()
        thread.join()


def probed(port: str, profile: str, *options: str, seconds: float = 1.2) -> Result:
    arguments = ["--port", port, "--profile", profile, "--seconds", str(seconds), *options]
    return CliRunner().invoke(probe, arguments)


def lines(result: Result) -> list[dict[str, object]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def meanings(result: Result) -> list[dict[str, object]]:
    found = [line["meaning"] for line in lines(result) if "meaning" in line]
    assert all(isinstance(one, dict) for one in found)
    return found


@pytest.mark.parametrize(
    ("device", "options"),
    [
        ("mt_sics", ()),
        ("and_standard", ()),
        ("ohaus_print", ()),
        ("st_gs", ()),
        ("mt_continuous", ("--param", "checksum=true")),
    ],
)
def test_a_scale_is_asked_and_its_weight_told(
    tmp_path: Path, device: str, options: tuple[str, ...]
) -> None:
    with running(tmp_path, scale(device)) as port:
        result = probed(port, device, "--json", *options)
    assert result.exit_code == 0, result.output
    weights = {(one.get("weight"), one.get("unit")) for one in meanings(result)} - {(None, None)}
    assert weights == {("500.0", "g")}


@pytest.mark.parametrize("device", ["rdm6300", "uhfreader18", "r200"])
def test_a_reader_is_asked_and_its_tags_told(tmp_path: Path, device: str) -> None:
    tag = "62E3086CED" if device == "rdm6300" else "E2806915000050324241CCED"
    plan = TagReader(gateway="g", sensor="s", device=device, tags=(tag,))
    with running(tmp_path, plan) as port:
        result = probed(port, device, "--json")
    assert result.exit_code == 0, result.output
    assert meanings(result)[0]["tags"][0]["id"] == tag


def test_scans_are_told(tmp_path: Path) -> None:
    plan = Scanner(gateway="g", sensor="s", codes=("BIN-0042",), scans_per_minute=600.0)
    with running(tmp_path, plan) as port:
        result = probed(port, "barcode", "--json")
    assert {one["data"] for one in meanings(result)} == {"BIN-0042"}


@pytest.mark.parametrize(("unit", "exit_code"), [("9", 0), ("8", 3)])
def test_a_counter_on_modbus_is_asked_for_its_registers(
    tmp_path: Path, unit: str, exit_code: int
) -> None:
    plan = PulseCounter(gateway="g", sensor="s", unit=9, value=70_000)
    with running(tmp_path, plan) as port:
        result = probed(port, "di_counter", "--param", "address=0", "--unit", unit, "--json")
    assert result.exit_code == exit_code, result.output
    assert {one["value"] for one in meanings(result)} == ({70_000} if exit_code == 0 else set())


def test_every_byte_is_shown_both_ways_with_its_time(tmp_path: Path) -> None:
    with running(tmp_path, scale("mt_sics", serial_number="B0123")) as port:
        result = probed(port, "mt_sics", "--json", seconds=2.5)
    sent = b"".join(bytes.fromhex(str(line["sent"])) for line in lines(result) if "sent" in line)
    heard = [bytes.fromhex(str(line["received"])) for line in lines(result) if "received" in line]
    assert sent == b"I4\r\n" + b"SI\r\n" * (len(sent) // 4 - 1)
    assert b"".join(heard).startswith(b'I4 A "B0123"\r\nS S      500.0 g\r\n')
    assert meanings(result)[0] == {"outcome": "identity", "serial_number": "B0123"}
    times = [line["t_ms"] for line in lines(result)]
    assert times == sorted(times)
    assert times[-1] < 2_600


def test_a_person_reads_letters_and_pictures_of_control_characters(tmp_path: Path) -> None:
    with running(tmp_path, scale("mt_sics")) as port:
        output = probed(port, "mt_sics").stdout
    assert "→  53 49 0D 0A" in output
    assert "SI␍␊" in output
    assert "S S      500.0 g␍␊" in output
    assert "=  measurement  weight=500.0 unit=g stable=true" in output


# ---------------------------------------------------------------------- when it goes wrong


def test_nothing_that_answers_is_an_exit_code_of_its_own(tmp_path: Path) -> None:
    with running(tmp_path, scale("mt_sics", silences=((0.0, 60.0),))) as port:
        result = probed(port, "mt_sics")
    assert result.exit_code == 3
    assert "nothing came: check power, cable" in result.stderr
    assert "2400 7E1" in result.stderr  # what else this family is found with


def test_silence_that_may_be_normal_is_told_so(tmp_path: Path) -> None:
    with running(tmp_path, Scanner(gateway="g", sensor="s", codes=("A",))) as port:
        result = probed(port, "barcode")
    assert result.exit_code == 3
    assert "It speaks only when there is something to say." in result.stderr


def test_bytes_without_sense_are_another(tmp_path: Path) -> None:
    with running(tmp_path, CountingScale(gateway="g", sensor="s", base_mg=0, step_mg=1)) as port:
        result = probed(port, "and_standard")
    assert result.exit_code == 1
    assert "none of them made sense" in result.stderr


def test_a_port_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    result = probed(str(tmp_path / "none"), "mt_sics")
    assert result.exit_code == 1
    assert "cannot be opened" in result.stderr


@pytest.mark.parametrize(
    ("port", "profile", "options", "said"),
    [
        ("/dev/null", "no_such", (), "no shipped profile of that name"),
        ("udp://host:1", "mt_sics", (), "write /dev/..., tcp://HOST:PORT"),
        ("tcp://host", "mt_sics", (), "write /dev/..., tcp://HOST:PORT"),
        ("tcp://host:notaport", "mt_sics", (), "write /dev/..., tcp://HOST:PORT"),
        ("/dev/null", "laumas_tlb", (), "must be given"),
        ("/dev/null", "mt_sics", ("--param", "speed"), "write KEY=VALUE"),
        ("/dev/null", "mt_sics", ("--param", "speed=1"), "is not known"),
    ],
)
def test_a_mistake_is_a_usage_error(
    port: str, profile: str, options: tuple[str, ...], said: str
) -> None:
    result = probed(port, profile, *options)
    assert result.exit_code == 2
    assert said in result.stderr


def test_nobody_is_asked_by_the_address_of_all(tmp_path: Path) -> None:
    with running(tmp_path, PulseCounter(gateway="g", sensor="s")) as port:
        result = probed(port, "di_counter", "--param", "address=0", "--unit", "0")
    assert result.exit_code == 2
    assert "every unit" in result.stderr


@pytest.mark.parametrize("name", profiles.shipped())
def test_no_profile_has_a_command_among_its_questions(name: str) -> None:
    """What the probe sends is what the agent sends to read. It never leaves a device changed."""
    declared = profiles.load(name, all_needed=False)
    ask, identity = declared.profile.ask, declared.profile.identity
    asked = {declared.filled(text) for text in (ask.request, identity.ask if identity else "")}
    forbidden = {
        declared.command(command)
        for command in declared.profile.commands
        if (declared.profile.commands[command].send)
    } | {declared.filled(text) for text in ask.never_send}
    assert not (asked - {b""}) & forbidden


# ---------------------------------------------------------------------- over a network


@contextmanager
def peer(answer: Callable[[bytes], bytes]) -> Iterator[int]:
    """A server on a port of its own; what one connection sends is answered."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                while received := connection.recv(4096):
                    connection.sendall(answer(received))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        thread.join(5)


def over_tcp(line: SimulatedLine) -> Callable[[bytes], bytes]:
    return lambda asked: b"".join(one.frame for one in line.hear_tcp(bytearray(asked)))


def over_rtu(line: SimulatedLine) -> Callable[[bytes], bytes]:
    return lambda asked: b"".join(one.frame for one in line.hear(asked))


@pytest.mark.parametrize(("scheme", "talk"), [("tcp", over_tcp), ("rtu+tcp", over_rtu)])
def test_modbus_over_a_network_is_asked_in_its_own_frames(
    scheme: str, talk: Callable[[SimulatedLine], Callable[[bytes], bytes]]
) -> None:
    line = SimulatedLine(units={3: SimulatedUnit(registers={0: 1, 1: 0})})
    with peer(talk(line)) as port:
        result = probed(
            f"{scheme}://127.0.0.1:{port}", "di_counter", "--param", "address=0", "--unit", "3",
            "--json",
        )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert meanings(result)[0]["value"] == 65_536


def test_a_refusal_is_told_with_its_meaning() -> None:
    line = SimulatedLine(units={1: SimulatedUnit(registers={})})
    with peer(over_tcp(line)) as port:
        result = probed(f"tcp://127.0.0.1:{port}", "di_counter", "--param", "address=0", "--json")
    assert result.exit_code == 0
    assert meanings(result)[0]["meaning"] == "illegal data address"


def test_what_is_no_modbus_at_all_is_an_error() -> None:
    with peer(lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        result = probed(f"tcp://127.0.0.1:{port}", "di_counter", "--param", "address=0")
    assert result.exit_code == 1
    assert "no Modbus TCP" in result.stderr


def test_an_adapter_that_echoes_is_recognized() -> None:
    with peer(lambda asked: asked) as port:
        result = probed(f"tcp://127.0.0.1:{port}", "mt_sics")
    assert result.exit_code == 3
    assert "the adapter echoes" in result.stderr


def test_a_scale_behind_a_serial_server_and_an_echo_is_still_read() -> None:
    def answer(asked: bytes) -> bytes:
        return asked + (b"S S      1.00 g\r\n" if asked == b"SI\r\n" else b"I4 I\r\n")

    with peer(answer) as port:
        result = probed(f"tcp://127.0.0.1:{port}", "mt_sics", "--json", seconds=2.2)
    assert result.exit_code == 0, result.output
    assert "1.00" in {one.get("weight") for one in meanings(result)}


# ---------------------------------------------------------------------- Modbus on two wires

LAUMAS = ("--param", "unit=kg", "--param", "decimals=2")
FOUR_KG = {"6": 1 << 11, "7": 0, "8": 400, "9": 0, "10": 0}


@contextmanager
def two_wires(folder: Path, *, echo: bool = False, late_ms: int = 0) -> Iterator[str]:
    """A line with unit 1 on it."""
    unit = UnitPlan(unit=1, registers=FOUR_KG, late_ms=late_ms)
    plan = BusPlan(lines=[LinePlan(name="rs485", echo=echo, units=[unit])])
    with playing(plan, folder) as bus:
        yield bus.lines["rs485"].address


def test_what_is_about_to_be_done_is_said_first(tmp_path: Path) -> None:
    with two_wires(tmp_path) as port:
        result = probed(port, "laumas_tlb", *LAUMAS)
    assert result.exit_code == 0
    assert (
        result.stderr == f"asking {port} at 9600 8N1 for laumas_tlb, unit 1; it is given 500 ms\n"
    )
    assert "=  measurement  weight=4.00 unit=kg" in result.stdout


def test_a_unit_that_is_silent_is_named_each_time_and_in_the_end(tmp_path: Path) -> None:
    with two_wires(tmp_path) as port:
        result = probed(port, "laumas_tlb", *LAUMAS, "--unit", "9")
    assert result.exit_code == 3
    assert "!  no answer from unit 9 within 500 ms" in result.stdout
    assert "the two wires (swapped?), that it is unit 9" in result.stderr


def test_a_unit_that_answers_too_late_is_told_so_and_its_answer_is_no_weight(
    tmp_path: Path,
) -> None:
    with two_wires(tmp_path, late_ms=800) as port:
        result = probed(port, "laumas_tlb", *LAUMAS, seconds=1.8)
    assert result.exit_code == 1
    assert "!  late: it answers an earlier question, and is given 500 ms" in result.stdout
    assert "measurement" not in result.stdout
    assert "say reply_timeout_ms" in result.stderr


def test_an_echo_before_registers_is_told_and_is_no_answer(tmp_path: Path) -> None:
    with two_wires(tmp_path, echo=True) as port:
        there = probed(port, "laumas_tlb", *LAUMAS)
        nobody = probed(port, "laumas_tlb", *LAUMAS, "--unit", "7")
    assert there.exit_code == 0
    assert "weight=4.00" in there.stdout
    assert "say local_echo = true" in there.stderr
    assert nobody.exit_code == 3
    assert "only our own question came back" in nobody.stderr


def test_tags_are_told_in_words(tmp_path: Path) -> None:
    plan = TagReader(gateway="g", sensor="s", device="rdm6300", tags=("62E3086CED",))
    with running(tmp_path, plan) as port:
        output = probed(port, "rdm6300").stdout
    assert "=  tags  tags=62E3086CED (card_number=552173)" in output


def test_a_port_that_another_program_has_is_told_so(tmp_path: Path) -> None:
    with two_wires(tmp_path) as port:
        other = SerialPort(port, Line(baud=9600, data_bits=8, parity="none", stop_bits=1))
        other.open()
        result = probed(port, "laumas_tlb", *LAUMAS)
        other.close()
    assert result.exit_code == 1
    assert "cannot be opened: another program has it" in result.stderr
