import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from edge_agent.cli.decode import decode
from edge_agent.framing.modbus_frames import read_request, with_crc

RUN = [sys.executable, "-c", "from edge_agent.cli.decode import decode; decode()"]
SICS = "53 20 53 20 20 20 31 30 30 2E 30 30 20 67 0D 0A"


def run(*arguments: str, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(decode, list(arguments), input=stdin)


def outcomes(result: Result) -> list[dict[str, object]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.parametrize(
    "written",
    [SICS, SICS.replace(" ", ""), SICS.replace(" ", ":"), "0x" + SICS.replace(" ", ", 0x")],
)
def test_bytes_may_be_written_in_any_usual_way(written: str) -> None:
    result = run("mt_sics", "--hex", written)
    assert result.exit_code == 0
    assert [(one["weight"], one["unit"]) for one in outcomes(result)] == [("100.00", "g")]


def test_bytes_may_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "capture.bin"
    path.write_bytes(bytes.fromhex(SICS) * 2)
    assert len(outcomes(run("mt_sics", "--file", str(path)))) == 2


def test_bytes_may_come_through_a_pipe() -> None:
    result = run("mt_sics", "--stdin", stdin=bytes.fromhex(SICS) * 3)
    assert len(outcomes(result)) == 3


def test_what_comes_through_a_pipe_is_decoded_as_it_comes() -> None:
    process = subprocess.Popen(
        [*RUN, "mt_sics", "--stdin"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(bytes.fromhex(SICS))
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["weight"] == "100.00"
        process.stdin.close()
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_registers_are_given_by_their_address_on_the_wire() -> None:
    result = run(
        "modbus_weight_generic",
        *("--param", "address=80", "--param", "unit=kg", "--param", "type=int16"),
        *("--registers", "0x50=-132"),
    )
    assert [(one["weight"], one["unit"]) for one in outcomes(result)] == [("-132", "kg")]


def test_a_raw_modbus_answer_is_understood_with_its_question() -> None:
    answer = with_crc(bytes.fromhex("01 03 04 00 01 00 00")).hex()
    question = read_request(1, 3, 0, 2).hex()
    arguments = ["di_counter", "--param", "address=0", "--hex", answer]
    [alone] = outcomes(run(*arguments))
    assert alone["outcome"] == "registers"
    [known] = outcomes(run(*arguments, "--request", question))
    assert (known["outcome"], known["value"]) == ("counter", 65_536)


def test_what_was_not_understood_is_an_exit_code() -> None:
    result = run("mt_sics", "--hex", "41 42 0D")
    assert result.exit_code == 1
    assert outcomes(result)[0]["outcome"] == "discard"
    assert run("mt_sics", "--hex", "").exit_code == 1


def test_a_profile_may_be_a_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(
        'title = "t"\nkind = "scale"\n[frame]\nends = ["\\r"]\n'
        '[[outcomes]]\nis = "measurement"\nsay = { weight = "number(line)" }\n'
    )
    assert outcomes(run(str(path), "--hex", "34 32 0D"))[0]["weight"] == "42"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["mt_sics"], "exactly one of"),
        (["mt_sics", "--hex", "41", "--stdin"], "exactly one of"),
        (["mt_siks", "--hex", "41"], "no shipped profile"),
        (["mt_sics", "--hex", "4"], "pairs of hex digits"),
        (["mt_sics", "--hex", "zz"], "pairs of hex digits"),
        (["mt_sics", "--hex", "41", "--param", "unit"], "write KEY=VALUE"),
        (["mt_sics", "--hex", "41", "--param", "decimals=2"], "is not known"),
        (["mt_sics", "--registers", "0=1"], "has no registers"),
        (["di_counter", "--registers", "zero=1"], "write ADDRESS=VALUE"),
        (["di_counter", "--registers", "0=70000"], "a register holds 16 bits"),
        (["di_counter", "--registers", "70000=0"], "0 to 65535"),
        (["mt_sics", "--file", "/is/not/there"], "does not exist"),
    ],
)
def test_a_mistake_is_a_usage_error(arguments: list[str], said: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr
