import os
from pathlib import Path

import serial

from edge_agent.simulated.pty_line import PtyLine


def test_a_program_opens_its_path_like_a_serial_port(tmp_path: Path) -> None:
    line = PtyLine(tmp_path / "g-s")
    with serial.Serial(str(line.path), 9600, timeout=2, exclusive=True) as port:
        port.write(b"SI\r\n")
        assert line.read() == b"SI\r\n"
        assert line.write(b"S S 1 g\r\n")
        assert port.read_until(b"\n") == b"S S 1 g\r\n"
    line.close()


def test_its_answers_are_not_echoed_back_as_commands(tmp_path: Path) -> None:
    line = PtyLine(tmp_path / "g-s")
    line.write(b"S S 1 g\r\n")
    assert line.read() == b""
    line.close()


def test_it_lives_on_when_the_program_closes_and_opens_again(tmp_path: Path) -> None:
    line = PtyLine(tmp_path / "g-s")
    for _ in range(2):
        far = os.open(line.path, os.O_RDWR | os.O_NOCTTY)
        os.write(far, b"SI\r\n")
        assert line.read() == b"SI\r\n"
        os.close(far)
    line.close()


def test_a_path_left_by_a_killed_run_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / "g-s").symlink_to("/dev/pts/gone")
    line = PtyLine(tmp_path / "g-s")
    assert line.path.exists()
    line.close()
    assert not line.path.is_symlink()


def test_a_line_that_nobody_reads_fills_up_and_says_so(tmp_path: Path) -> None:
    line = PtyLine(tmp_path / "g-s")
    written = 0
    while line.write(b"S S     100.00 g\r\n"):
        written += 1
        assert written < 100_000
    line.close()
