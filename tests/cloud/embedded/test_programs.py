"""Programs we start: alone in their session, logged, and never left behind."""

import os
import pwd
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cloud.embedded import programs
from cloud.embedded.programs import Account, Program

WAIT_S_MAX = 20


def wait_for(state: Callable[[], bool]) -> None:
    until = time.monotonic() + WAIT_S_MAX
    while not state():
        assert time.monotonic() < until, "did not come about in time"
        time.sleep(0.01)


def run(program: Program, log: Path) -> str:
    assert programs.spawn(program, log).wait(WAIT_S_MAX) == 0
    return log.read_text()


def python(code: str, **more: object) -> Program:
    return Program(name="test", argv=(sys.executable, "-c", code), **more)


def test_what_it_says_is_added_to_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    code = "import sys; print('out', flush=True); print('err', file=sys.stderr)"
    assert run(python(code), log) == "before\nout\nerr\n"


def test_its_environment_is_ours_and_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OURS", "ours")
    monkeypatch.setenv("BOTH", "ours")
    program = python(
        "import os; print(os.environ['OURS'], os.environ['BOTH'])", env={"BOTH": "its own"}
    )
    assert run(program, tmp_path / "log") == "ours its own\n"


def test_it_has_a_session_of_its_own_and_nothing_to_read(tmp_path: Path) -> None:
    """So that Ctrl-C reaches only the one who started it, and nobody waits for a keyboard."""
    code = "import os, sys; print(os.getsid(0) == os.getpid(), repr(sys.stdin.read()))"
    assert run(python(code), tmp_path / "log") == "True ''\n"


def test_a_program_that_is_not_there_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        programs.spawn(Program(name="test", argv=("/nowhere/program",)), tmp_path / "log")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
def test_it_runs_as_the_account_and_with_none_of_our_groups(tmp_path: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    program = Program(
        name="test",
        argv=("/bin/sh", "-c", "id -u; id -g; id -G"),
        account=Account(uid=nobody.pw_uid, gid=nobody.pw_gid),
    )
    uid, gid, groups = run(program, tmp_path / "log").split("\n")[:3]
    assert (uid, gid, groups) == (str(nobody.pw_uid), str(nobody.pw_gid), str(nobody.pw_gid))


STARTER = """
import pathlib, signal, sys, time
from cloud.embedded.programs import Program, spawn
child = spawn(
    Program(name="test", argv=tuple(sys.argv[2:]), stop_signal=signal.SIGINT),
    pathlib.Path(sys.argv[1]),
)
print(child.pid, flush=True)
time.sleep(600)
"""

# Says which signal ended it, as a database would say that it shut down.
LISTENER = """
import signal, sys
signal.signal(signal.SIGINT, lambda *_: (print("told to stop"), sys.exit()))
print("listening", flush=True)
while True:
    signal.pause()
"""


def test_killed_the_starter_takes_its_programs_along_and_they_may_clean_up(tmp_path: Path) -> None:
    log = tmp_path / "log"
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(log), sys.executable, "-c", LISTENER],
        stdout=subprocess.PIPE,
    )
    assert starter.stdout is not None
    child = int(starter.stdout.readline())
    wait_for(lambda: "listening" in log.read_text())
    starter.send_signal(signal.SIGKILL)
    starter.communicate()
    wait_for(lambda: not alive(child))
    assert log.read_text() == "listening\ntold to stop\n"


def alive(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


# ------------------------------------------------------------------ ports


def test_a_free_port_is_kept_and_a_taken_one_is_not() -> None:
    port = programs.free_port()
    assert programs.free_port(port) == port
    with socket.create_server(("127.0.0.1", port)):
        assert programs.free_port(port) != port
    with socket.create_server(("", port)):
        assert programs.free_port(port) != port


@pytest.mark.parametrize("nonsense", [-1, 65_536, 10**9])
def test_a_port_that_cannot_be_costs_a_new_one(nonsense: int) -> None:
    assert 0 < programs.free_port(nonsense) < 65_536


def test_a_port_is_written_down_for_the_next_time(tmp_path: Path) -> None:
    note = tmp_path / "port"
    port = programs.kept_port(note)
    assert programs.kept_port(note) == port
    with socket.create_server(("127.0.0.1", port)):
        other = programs.kept_port(note)
    assert other != port
    assert programs.kept_port(note) == other


def test_a_port_note_cut_short_is_no_note(tmp_path: Path) -> None:
    note = tmp_path / "port"
    note.write_text("")
    wanted = programs.free_port()
    assert programs.kept_port(note, wanted) == wanted
    assert note.read_text() == str(wanted)


# ------------------------------------------------------------------ secrets


def test_a_secret_is_made_once_and_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    assert programs.kept(path, lambda: "first") == "first"
    assert programs.kept(path, lambda: "second") == "first"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_secret_whose_making_fails_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "secret"

    def fails() -> str:
        raise OSError("no randomness left")

    with pytest.raises(OSError, match="no randomness"):
        programs.kept(path, fails)
    assert not path.exists()
    assert programs.kept(path, lambda: "second try") == "second try"
