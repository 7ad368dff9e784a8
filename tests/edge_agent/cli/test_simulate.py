"""The command as a process: it is started and stopped as the demo and the tests do it."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import serial

RUN = [sys.executable, "-c", "from edge_agent.cli.simulate import simulate; simulate()"]
PLAN = {
    "scales": [
        {"gateway": "g", "sensor": f"s{n}", "behaviour": "counting", "base_mg": 0, "step_mg": 1}
        for n in range(20)
    ]
}


def wait_for(path: Path, limit_s: float = 20.0) -> None:
    until = time.monotonic() + limit_s
    while not path.exists():
        assert time.monotonic() < until, f"{path} did not appear"
        time.sleep(0.02)


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_it_answers_on_every_port_until_it_is_told_to_stop(
    tmp_path: Path, stop: signal.Signals
) -> None:
    plan, ports, ledger = tmp_path / "plan.json", tmp_path / "ports", tmp_path / "ledger"
    plan.write_text(json.dumps(PLAN))
    arguments = ["--plan", str(plan), "--dir", str(ports), "--ledger", str(ledger)]
    process = subprocess.Popen([*RUN, *arguments], stdout=subprocess.DEVNULL)
    try:
        for number in range(20):
            path = ports / f"g-s{number}"
            wait_for(path)
            with serial.Serial(str(path), 9600, timeout=10, exclusive=True) as port:
                port.write(b"SI\r\n")
                assert port.read_until(b"\n") == b"S S      0.001 g\r\n"
        process.send_signal(stop)
        assert process.wait(5) == 0
    finally:
        process.kill()
        process.wait()
    assert len(ledger.read_text().splitlines()) == 20
    assert [path.name for path in ports.iterdir()] == ["commands"]


def test_a_plan_with_a_mistake_is_a_usage_error(tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text("{}")
    arguments = ["--plan", str(plan), "--dir", str(tmp_path / "ports")]
    ran = subprocess.run([*RUN, *arguments], capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert "plan.json" in ran.stderr
