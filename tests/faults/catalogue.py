"""The catalogue: each fault as an entry that says what is done, and what must hold all the same.

The numbers are those of the catalogue of faults the product is built against; a gap in them is a
fault that other tests hold (orders and suppliers, devices, updates, access). `scaled` says what is
smaller here, and where the full size is proven. `touches` is what two faults must not share.
"""

import contextlib
import json
import os
import random
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg

from cloud.embedded import demo_site
from tests.faults import crowd, ground
from tests.faults import mqtt_frames as mqtt
from tests.faults.ground import CROWD, PASSWORD
from tests.faults.proxy import Shuffle
from tests.faults.scenario import Fault, Script, Step, Until
from tests.faults.world import KEEPALIVE_S, Settings, World, now_ms

FAULTS: dict[str, Fault] = {}

BOTH = ("count-1", "count-2")
ONE, TWO = "count-1", "count-2"
DAY_MS = 86_400_000
YEAR_MS = 365 * DAY_MS
AGENT_1, AGENT_2 = "agent of count-1", "agent of count-2"
LINK_1 = "link of count-1"
DATABASE, BROKER, INGEST, BROKER_CONFIG = "database", "broker", "ingest", "broker's configuration"
# What a fault has in hand that looks meanwhile at what came out at the other end, and how soon.
WHOLE_WAY = (BROKER, INGEST, DATABASE)
# Until what a fault waits for comes: another fault may last for half a minute, and from
# its end a minute is promised.
COMES_S = 90


def fault(name: str, title: str, **more: object) -> Callable[[Script], Script]:
    """The docstring of the script says what is done: it is printed in the report."""

    def add(script: Script) -> Script:
        how = " ".join((script.__doc__ or "").split())
        FAULTS[name] = Fault(name=name, title=title, how=how, script=script, **more)
        return script

    return add


# ---------------------------------------------------------------- link


@fault(
    "F1",
    "link cut",
    must=("I1", "I2", "I7", "I8"),
    blind=(ONE,),
    touches=(LINK_1,),
    scaled="15 s here; 30 days pass on the simulated clock of the protocol's simulator",
)
def link_cut(w: World, chance: random.Random) -> Iterator[Step]:
    """The gateway's connection is reset, and nobody listens where it calls."""
    w.link("gw-1").set(refuse=True)
    yield 15
    w.link("gw-1").heal()


@fault(
    "F2",
    "flapping link",
    must=("I1", "I2", "I7"),
    touches=(LINK_1,),
    scaled="every 2 s for 24 s instead of 5 min",
)
def flapping(w: World, chance: random.Random) -> Iterator[Step]:
    """Every two seconds the link is cut and stays away for one."""
    link = w.link("gw-1")
    before = len(link.passed.connects)
    for _ in range(12):
        link.set(refuse=True)
        yield 1
        link.heal()
        yield 1
    tried = len(link.passed.connects) - before
    w.check("I7", f"{tried} connections in 24 s, allowed are 30", ok=tried <= 30)


@fault("F3", "half-open link", must=("I1", "I7"), blind=(ONE,), touches=(LINK_1,))
def half_open(w: World, chance: random.Random) -> Iterator[Step]:
    """Bytes go nowhere, and no connection ends: not those that stand, nor new ones."""
    link = w.link("gw-1")
    before = len(link.passed.connects)
    began = time.monotonic()
    link.set(blackhole=True)
    yield Until(lambda: len(link.passed.connects) > before, 30, "noticed_s")
    took = time.monotonic() - began
    limit = 2 * KEEPALIVE_S * 1.1 + 2  # and the pause before it calls again
    w.check("I7", f"noticed after {took:.1f} s, allowed are {limit:.1f}", ok=took <= limit)
    yield max(0.0, 15 - took)
    link.heal()


def _shipped_keepalive(settings: Settings) -> None:
    """A line that takes four seconds for an answer is dead to one who waits for four."""
    settings.tuned["agent"].pop("edge_agent.mqtt.uplink:KEEPALIVE_S")


@fault(
    "F4",
    "slow link",
    must=("I1", "I7"),
    touches=(LINK_1,),
    prepare=_shipped_keepalive,
    scaled="2 kB/s and 2 s late for 20 s, with a backlog of 10 s; weeks are the simulator's",
)
def slow(w: World, chance: random.Random) -> Iterator[Step]:
    """After ten seconds without a line: 2 kB a second, each byte 2 s late."""
    link = w.link("gw-1")
    link.set(refuse=True)
    yield 10
    link.heal()
    link.set(rate=2_000, delay_s=2.0)
    yield 20
    age = w.freshness_ms(ONE)
    w.check(
        "I7",
        f"while it drains, the newest is {age} ms old, allowed are 60 s",
        ok=age is not None and age < 60_000,
    )
    link.heal()


def _calls_again_soon(settings: Settings) -> None:
    settings.tuned["agent"]["edge_agent.core.retry:LONGEST_S"] = [[0.0, 1.0]]


@fault(
    "F5",
    "reset in the middle of a frame",
    must=("I1", "I2"),
    touches=(LINK_1,),
    prepare=_calls_again_soon,
    scaled="ten lengths of 1 to 400 bytes, drawn by the seed; pauses between calls are 1 s at most",
)
def reset_inside(w: World, chance: random.Random) -> Iterator[Step]:
    """Each connection is reset after so many bytes from the gateway."""
    link = w.link("gw-1")
    for n in sorted(chance.sample(range(1, 401), 10)):
        link.set(reset_after=n)
        before = link.passed.cuts
        link.cut()
        yield Until(lambda b=before: link.passed.cuts > b, COMES_S, f"reset after {n} bytes")
    link.heal()


@fault(
    "F6",
    "a captive portal answers",
    must=("I1", "I7"),
    blind=(ONE,),
    touches=(LINK_1,),
    scaled="worlds speak without TLS, so whether a log-in leaks to the portal is not judged here",
)
def portal(w: World, chance: random.Random) -> Iterator[Step]:
    """Where the broker was, a web server sends everybody to its log-in page."""
    link = w.link("gw-1")
    link.set(portal=True)
    yield 15
    w.numbers["bytes told to the portal"] = len(link.passed.heard)
    link.heal()


@fault(
    "F7",
    "the broker refuses what is published",
    must=("I1", "I8"),
    blind=(ONE,),
    touches=(LINK_1, BROKER_CONFIG),
)
def refused(w: World, chance: random.Random) -> Iterator[Step]:
    """The gateway's right to publish is taken away, and given back 15 s later."""
    _rights(w, ONE, publish=[f"binline.v1.{ONE}.up.presence"])
    yield 15
    _rights(w, ONE, publish=[f"binline.v1.{ONE}.up.>"])


def _rights(w: World, user: str, publish: list[str]) -> None:
    path = w.folder / "broker" / "nats.conf"
    config = json.loads(path.read_text())
    for one in config["authorization"]["users"]:
        if one["user"] == user:
            one["permissions"]["publish"] = {"allow": publish}
    path.write_text(json.dumps(config, indent=2))
    w.keeper.send("broker", signal.SIGHUP)


# ---------------------------------------------------------------- broker


@fault(
    "F8",
    "broker killed with full queues",
    must=("I1", "I2", "I7"),
    blind=BOTH,
    touches=(BROKER, INGEST),
)
def broker_killed(w: World, chance: random.Random) -> Iterator[Step]:
    """Ingest stands still until the broker holds what nobody has committed; then kill -9."""
    w.keeper.send("ingest", signal.SIGSTOP)
    yield 8
    w.kill("broker")
    yield 2
    w.keeper.send("ingest", signal.SIGCONT)
    yield Until(lambda: w.keeper.is_up("broker"), 20, "broker back")


@fault("F9", "broker without memory", must=("I1", "I7"), touches=(BROKER, INGEST))
def broker_wiped(w: World, chance: random.Random) -> Iterator[Step]:
    """Killed while it alone holds readings, and everything it kept is deleted."""
    w.keeper.send("ingest", signal.SIGSTOP)
    yield 5
    w.kill("broker", hold=True)
    yield 1
    shutil.rmtree(w.folder / "broker" / "store")
    w.keeper.send("ingest", signal.SIGCONT)
    w.keeper.release("broker")
    yield 3


@fault(
    "F10",
    "broker stands still",
    must=("I1", "I7"),
    blind=BOTH,
    touches=(BROKER,),
    scaled="20 s instead of 60; with keepalives of 4 s that is five of them",
)
def broker_stopped(w: World, chance: random.Random) -> Iterator[Step]:
    """SIGSTOP: connections stand, and nothing moves."""
    w.keeper.send("broker", signal.SIGSTOP)
    yield 20
    w.keeper.send("broker", signal.SIGCONT)


def _little_room(settings: Settings) -> None:
    settings.broker = {"jetstream": {"max_file_store": 64 * 1024}}
    settings.broker_keeps = 32 * 1024


@fault(
    "F11",
    "the broker's queue for ingest overflows",
    must=("I1",),
    prepare=_little_room,
    touches=(BROKER, INGEST, BROKER_CONFIG, "late-1"),
    scaled="the broker may keep 64 kB, half of it messages (1 GiB and half of it as shipped), and"
    " one gateway alone sends more than that",
)
def overflows(w: World, chance: random.Random) -> Iterator[Step]:
    """Ingest stands still for 20 s, gateways go on, and the broker has no room for all of it."""
    w.keeper.send("ingest", signal.SIGSTOP)
    yield 1
    before = w.broker_keeps()
    streams = _streams(chance, ("late-1",), batches=40, readings=250, every_ms=1_000)
    light = _light(w, streams, seconds=70, window=8)
    over = next(light)
    yield 19
    after = w.broker_keeps()
    w.keeper.send("ingest", signal.SIGCONT)
    yield over
    outcome = yield from light
    # Nobody takes any out, so what is gone has been given up.
    lost = after.first_seq - before.first_seq
    w.check("I1", f"the broker gave up {lost} messages for want of room", ok=lost > 0)
    full = w.log_of("broker").count("insufficient resources")
    w.check("I7", f"it turned away {full} times for want of room", ok=full == 0)
    w.check("I1", f"{outcome[0]['left']} batches never came through", ok=outcome[0]["left"] == 0)


def _alarm_soon(settings: Settings) -> None:
    # Presence is said every 2 s here, not every 30.
    settings.tuned["ingest"]["cloud.core.twins:RETURN_AFTER"] = 1.5


@fault(
    "F12",
    "a copied card: two gateways with one name",
    must=("I8", "I2"),
    touches=(AGENT_2,),
    prepare=_alarm_soon,
    waives=("I1",),
    scaled="what the copy measures is held until a person settles it, so I1 is not judged; returns"
    " count from 1.5 s apart, as presence is said every 2 s instead of every 30",
)
def cloned(w: World, chance: random.Random) -> Iterator[Step]:
    """The card is copied and put into a second box with scales of its own. Both go on, until the
    alarm is raised and a person says whose the name is; then the copy is switched off."""
    place = w.folder / "clones" / TWO
    stop_agent(w, TWO)
    w.copy_spool(TWO, place)
    w.keeper.release(TWO)
    plan = w.folder / "clone-plan.json"
    plan.write_text(json.dumps(_other_scales()))
    w.keeper.start(w.simulator("simulator-clone", plan, w.folder / "ports-clone"))
    yield 3
    w.keeper.start(w.agent(TWO, name="clone", place=place))
    alarm = "SELECT twin_kept::text FROM gateways WHERE name = %s AND twin_since IS NOT NULL"
    began = time.monotonic()
    while not w.ask(alarm, TWO) and time.monotonic() - began < 60:
        yield 0.5
    took = time.monotonic() - began
    kept = w.ask(alarm, TWO)
    w.check("I8", f"the copy is noticed after {took:.0f} s", ok=bool(kept))
    yield 2
    w.keeper.stop("clone")
    w.keeper.stop("simulator-clone")
    if kept:
        _settle_twins(w, kept[0][0])
    yield 1


def _settle_twins(w: World, keep: str) -> None:
    done = subprocess.run(
        (
            *(sys.executable, "-m", "edge_agent.cli.main", "cloud", "gateway", "settle", TWO),
            *("--keep", keep, "--by", "a person"),
        ),
        env={**os.environ, "BINLINE_JOBS_DSN": w.dsn("jobs", "cloud-db")},
        capture_output=True,
        text=True,
        check=False,
    )
    w.check("I8", f"settled: {(done.stdout + done.stderr).strip()[:120]}", ok=done.returncode == 0)


def _other_scales() -> dict[str, object]:
    plan = demo_site.plan_of(ground.site(), {})
    scales = [scale for scale in plan["scales"] if scale["gateway"] == TWO]
    for scale in scales:
        if scale["behaviour"] == "counting":
            scale["base_mg"] -= 50_000_000
    return {"seed": 99, "scales": scales}


# ---------------------------------------------------------------- ingest and database


@fault(
    "F13", "ingest killed between commit and acknowledgement", must=("I1", "I2"), touches=(INGEST,)
)
def killed_after_commit(w: World, chance: random.Random) -> Iterator[Step]:
    """Five times: the rows are committed, and the process dies before it says so to anybody."""
    points = ["ingest.after_commit_before_ack", "ingest.after_puback_before_ack"]
    yield from _killed_at(w, "ingest", [chance.choice(points) for _ in range(5)])


def _two_pull(settings: Settings) -> None:
    settings.pulling = 2


@fault(
    "F13b",
    "one of two that share the work is killed",
    must=("I1", "I2"),
    prepare=_two_pull,
    touches=(INGEST, BROKER, BROKER_CONFIG, DATABASE),  # killed at commits: there must be some
)
def one_of_two(w: World, chance: random.Random) -> Iterator[Step]:
    """Two processes of ingest pull from the broker. Whichever passes dies after its commit and
    before its word, five times; then one stands still for 8 s with messages in hand."""
    for n in range(1, 6):
        before = w.fired("ingest.after_commit_before_ack")
        w.arm("ingest.after_commit_before_ack")
        yield Until(
            lambda b=before: w.fired("ingest.after_commit_before_ack") > b, COMES_S, f"kill {n}"
        )
        yield 1
    yield Until(lambda: w.keeper.is_up("ingest"), 20, "ingest back")
    w.keeper.send("ingest", signal.SIGSTOP)
    yield 8
    age = max(w.freshness_ms(gateway) or 99_999 for gateway in BOTH)
    w.keeper.send("ingest", signal.SIGCONT)
    w.check("I7", f"while one stands still, the newest is {age} ms old", ok=age < 30_000)


@fault(
    "F14",
    "ingest killed before the commit, in the middle of COPY",
    must=("I1", "I2"),
    touches=(INGEST,),
)
def killed_before_commit(w: World, chance: random.Random) -> Iterator[Step]:
    """Five times: rows are on their way into the table, and the process dies."""
    points = ["ingest.mid_copy", "ingest.before_commit"]
    yield from _killed_at(w, "ingest", [chance.choice(points) for _ in range(5)])


def _killed_at(w: World, name: str, points: list[str]) -> Iterator[Step]:
    for n, point in enumerate(points, 1):
        before = w.fired(point)
        w.arm(point)
        yield Until(lambda p=point, b=before: w.fired(p) > b, COMES_S, f"{point} {n}")
        yield 0.2
        yield Until(lambda: w.keeper.is_up(name), 20, f"{name} back {n}")


@fault("F15", "PostgreSQL killed", must=("I1", "I2", "I7"), touches=(DATABASE,))
def database_killed(w: World, chance: random.Random) -> Iterator[Step]:
    """kill -9 of the postmaster, twice, 4 s apart."""
    for _ in range(2):
        w.kill("postgres")
        yield 1
        yield Until(lambda: w.ask("SELECT 1") is not None, 40, "database back")
        yield 4


@fault("F16", "connection lost during COMMIT", must=("I1", "I2"), touches=("link to the database",))
def unknown_commit(w: World, chance: random.Random) -> Iterator[Step]:
    """Eight times the connection dies as COMMIT passes: every other time the server still gets it,
    commits, and its answer finds nobody."""
    link = w.link("ingest-db")
    for n in range(8):
        before = link.passed.cuts
        link.set(cut_at=b"COMMIT", cut_forwards=n % 2 == 0, cut_times=1)
        yield Until(lambda b=before: link.passed.cuts > b, COMES_S, f"cut {n + 1}")
        yield 0.5
    link.heal()


@fault(
    "F17", "the database turns read-only", must=("I1", "I7", "I8"), blind=BOTH, touches=(DATABASE,)
)
def read_only(w: World, chance: random.Random) -> Iterator[Step]:
    """As a standby is after a failover. Nothing may be acknowledged meanwhile."""
    w.admin().execute("ALTER SYSTEM SET default_transaction_read_only = on")
    w.admin().execute("SELECT pg_reload_conf()")
    yield 1.5
    since = time.monotonic()
    yield 13.5
    acks = [at for n in (1, 2) for at in w.link(f"gw-{n}").passed.acks if at > since]
    w.check("I1", f"{len(acks)} acknowledgements while nothing could be committed", ok=not acks)
    w.admin().execute("ALTER SYSTEM RESET default_transaction_read_only")
    w.admin().execute("SELECT pg_reload_conf()")


def _rewind_soon(settings: Settings) -> None:
    settings.tuned["agent"] |= {
        "edge_agent.core.stream:OVERTAKEN_MS_MAX": 4_000,
        "edge_agent.loops.drain:KEPT_AGAIN_S": 6.0,
    }


@fault(
    "F18",
    "database restored from a backup",
    must=("I1", "I2"),
    touches=(DATABASE, LINK_1, AGENT_1, AGENT_2),
    prepare=_rewind_soon,
    scaled="the backup is 12 s old instead of ten minutes, and what was acknowledged within 4 s is"
    " judged after 6, instead of 60 and 90; after the restore each link is cut once, because"
    " gateways say what they keep at each connect, and else every ten minutes",
)
def restored(w: World, chance: random.Random) -> Iterator[Step]:
    """A base backup while all runs; 12 s later the database is lost and the backup put in its
    place. Orders placed since are forgotten with it and placed again, which is allowed."""
    backup = w.folder / "postgres" / "backup"
    yield from _base_backup(w, backup)
    yield 12
    acked = w.ask("SELECT count(*) FROM readings")
    lost_ms = now_ms()
    w.keeper.held.add("postgres")
    w.kill("postgres")
    yield 1
    data = w.folder / "postgres" / "data"
    owner = data.stat()
    data.rename(data.with_name("lost"))
    backup.rename(data)
    subprocess.run(("chown", "-R", f"{owner.st_uid}:{owner.st_gid}", str(data)), check=True)
    data.chmod(0o700)
    w.excuse("restored", "*")
    w.keeper.release("postgres")
    yield Until(lambda: w.ask("SELECT 1") is not None, 40, "database back")
    left = w.ask("SELECT count(*) FROM readings")
    w.numbers["rows at the loss"] = acked and acked[0][0]
    w.numbers["rows of the backup"] = left and left[0][0]
    yield 2
    for n in (1, 2):
        w.link(f"gw-{n}").cut()
    yield Until(lambda: not w.missing(lost_ms), 60, "all is there again")


def _base_backup(w: World, to: Path) -> Iterator[Step]:
    program = Path(w.database.program.argv[0]).with_name("pg_basebackup")
    child = subprocess.Popen(
        (str(program), "-D", str(to), "-d", w.database.dsn(database="postgres"), "-c", "fast"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    yield Until(lambda: child.poll() is not None, 60, "base backup")
    assert child.returncode == 0, child.stderr.read() if child.stderr else ""


def _no_mounts() -> str:
    if os.geteuid() != 0:
        return "needs root, to mount a file system of its own"
    tried = Path(f"/tmp/binline-mount-{os.getpid()}")
    tried.mkdir()
    done = subprocess.run(
        ("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tried)),
        capture_output=True,
        check=False,
    )
    if done.returncode == 0:
        subprocess.run(("umount", str(tried)), check=False)
    tried.rmdir()
    return "" if done.returncode == 0 else "this machine lets nobody mount a file system"


def _small_database_disk(settings: Settings) -> None:
    settings.database_tmpfs_mb = 400


@fault(
    "F19",
    "the database's disk is full",
    must=("I1", "I7"),
    blind=BOTH,
    touches=(DATABASE,),
    prepare=_small_database_disk,
    skip=_no_mounts,
    scaled="a file system of 400 MB in memory, filled by a file beside the tables",
)
def database_disk_full(w: World, chance: random.Random) -> Iterator[Step]:
    """The last page of the disk is taken, and given back 20 s later."""
    ballast = w.folder / "postgres" / "data" / "ballast"
    _fill(ballast, leave=0)
    yield 20
    w.numbers["database said it was full"] = w.log_of("postgres").count("No space left")
    ballast.unlink()


def _fill(ballast: Path, *, leave: int) -> None:
    free = os.statvfs(ballast.parent)
    size = free.f_bavail * free.f_frsize - leave
    with ballast.open("wb") as file:
        with contextlib.suppress(OSError):
            os.posix_fallocate(file.fileno(), 0, max(4096, size))
        if leave == 0:
            try:
                while True:
                    os.write(file.fileno(), bytes(4096))
            except OSError:
                pass


@fault(
    "F20",
    "a table is locked",
    must=("I1", "I7"),
    blind=BOTH,
    touches=(DATABASE,),
    scaled="20 s instead of two minutes",
)
def locked(w: World, chance: random.Random) -> Iterator[Step]:
    """Somebody holds `readings` as ALTER TABLE does. Pages must answer, with a 503 if need be."""
    conn = psycopg.connect(w.database.dsn(), options="-c search_path=binline")
    conn.execute("LOCK TABLE readings IN ACCESS EXCLUSIVE MODE")
    yield 20
    conn.close()


@fault(
    "F21",
    "connections used up by slow queries",
    must=("I7",),
    touches=(*WHOLE_WAY, LINK_1),
)
def used_up(w: World, chance: random.Random) -> Iterator[Step]:
    """Every connection the server has to give sleeps in somebody's slow query, for 15 s. What has
    one keeps it: readings go on being stored."""
    sleepers = []
    try:
        while len(sleepers) < 100:
            conn = psycopg.connect(
                w.database.dsn("binline_portal", PASSWORD), connect_timeout=5, autocommit=True
            )
            conn.pgconn.send_query(b"SELECT pg_sleep(60)")
            sleepers.append(conn)
    except psycopg.OperationalError:
        pass
    w.numbers["sleeping connections"] = len(sleepers)
    worst = 0
    for _ in range(10):
        yield 1.5
        worst = max(worst, w.freshness_ms(ONE) or 99_999)
    w.check("I7", f"meanwhile the newest was {worst} ms old at most", ok=worst < 6_000)
    for conn in sleepers:
        conn.close()


@fault(
    "F22",
    "readings of long ago",
    must=("I1",),
    touches=("late-1",),
    scaled="40 and 400 days old; compressed chunks are the store's own tests",
)
def long_ago(w: World, chance: random.Random) -> Iterator[Step]:
    """A gateway comes back with readings that are 40 days old, and some that are 400."""
    began = now_ms()
    stream = f"{chance.getrandbits(128):032x}"
    batches = []
    first = 1
    for n, days in enumerate((40, 40, 400, 40)):
        weights = [(k * 1_000, 7_000_000_000 + n * 1_000_000 + k * 1_000) for k in range(60)]
        batches.append((first, first + 59, began - days * DAY_MS, weights))
        first += 60
    outcome = yield from _light(w, {"late-1": (stream, batches)}, seconds=25)
    w.check(
        "I1", f"late readings left unacknowledged: {outcome[0]['left']}", ok=outcome[0]["left"] == 0
    )


@fault(
    "F23",
    "the worker stands still",
    must=("I5",),
    scaled="20 s instead of an hour",
    touches=("work",),
)
def worker_stopped(w: World, chance: random.Random) -> Iterator[Step]:
    """Nobody looks at bins and nobody sends; then one notice is sent, and the record of it lost."""
    w.keeper.send("work", signal.SIGSTOP)
    yield 15
    w.arm("work.after_send_before_record")
    w.keeper.send("work", signal.SIGCONT)
    yield 5


# ---------------------------------------------------------------- the gateway's power and disk


@fault("F24", "agent killed before its commit", must=("I2", "I3"), touches=(AGENT_1,))
def killed_before_spool(w: World, chance: random.Random) -> Iterator[Step]:
    """Three times: readings are in hand and not on the disk. They are lost, and nothing else."""
    yield from _agent_killed_at(w, "agent.before_spool_commit", 3)


@fault("F25", "agent killed after it published", must=("I1", "I2"), touches=(AGENT_1,))
def killed_before_forget(w: World, chance: random.Random) -> Iterator[Step]:
    """Three times: the cloud's acknowledgement is there, and nobody has written it down."""
    yield from _agent_killed_at(w, "agent.after_publish_before_forget", 3)


def _agent_killed_at(w: World, point: str, times: int) -> Iterator[Step]:
    for n in range(1, times + 1):
        before = w.fired(point)
        w.keeper.held.add(ONE)
        w.arm(point)
        # The other gateway passes there, too: whoever dies is started again.
        yield Until(lambda b=before: w.fired(point) > b, COMES_S, f"{point} {n}")
        yield 0.3
        for gateway in BOTH:
            if not w.keeper.is_up(gateway):
                note_kill(w, gateway)
        w.keeper.release(ONE)
        yield 3


def note_kill(w: World, gateway: str) -> None:
    """The file as the kill left it: what is in there must come."""
    w.excuse("killed", gateway)
    w.copy_spool(gateway, w.folder / "copies" / f"{gateway}@{now_ms()}")


@fault(
    "F26",
    "power cut",
    must=("I1", "I2", "I11"),
    touches=(AGENT_1, LINK_1),
    scaled="kill -9 at four moments, with and without a line, and a torn frame at the end of the"
    " log, as a cut leaves it; every write of the spool is cut by the explorer of its own tests",
)
def power_cut(w: World, chance: random.Random) -> Iterator[Step]:
    """The agent dies at a random moment, and a frame that was being written is half there."""
    link = w.link("gw-1")
    for n in range(4):
        if n % 2:
            link.set(refuse=True)
        yield chance.uniform(1.0, 4.0)
        w.kill(ONE, hold=True)
        yield 0.2
        note_kill(w, ONE)
        log = w.spool(ONE).with_name("spool.db-wal")
        with log.open("ab") as file:
            file.write(chance.randbytes(chance.randrange(1, 4_000)))
        w.keeper.release(ONE)
        yield 2
        link.heal()
    yield 1


def _no_strace() -> str:
    if shutil.which("strace") is None:
        return "needs strace, to let fsync fail from outside"
    sleeper = subprocess.Popen(("sleep", "5"))
    done = subprocess.run(
        ("timeout", "1", "strace", "-p", str(sleeper.pid), "-o", "/dev/null"),
        capture_output=True,
        check=False,
    )
    sleeper.kill()
    sleeper.wait()
    return "" if b"ermitted" not in done.stderr else "this machine lets nobody trace a process"


@fault("F27", "fsync fails", must=("I1", "I8"), touches=(AGENT_1,), skip=_no_strace)
def fsync_fails(w: World, chance: random.Random) -> Iterator[Step]:
    """Twice every fsync of the agent returns EIO until it ends: a commit that failed is neither yes
    nor no. It must not go on as if nothing were, and the next start must work."""
    for n in (1, 2):
        w.keeper.held.add(ONE)
        tracer = subprocess.Popen(
            (
                *("strace", "-f", "-qq", "-p", str(w.keeper.pid(ONE)), "-o", "/dev/null"),
                *("-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:error=EIO"),
            ),
            stderr=subprocess.DEVNULL,
        )
        try:
            yield Until(lambda: not w.keeper.is_up(ONE), 30, f"the agent ends {n}")
        finally:
            tracer.terminate()
            tracer.wait()
        # What it took after the commit that failed was never said to be on the disk.
        w.excuse("killed", ONE, **{"from": now_ms() - 5_000, "to": now_ms()})
        w.keeper.release(ONE)
        yield 4
    said = "disk I/O error" in w.log_of(ONE) or "ended" in w.log_of(ONE)
    w.check("I8", "the agent says in its log that it ends, and why", ok=said)


def _small_spool_disk(settings: Settings) -> None:
    settings.spool_tmpfs_kb[ONE] = 2_048


@fault(
    "F28",
    "the gateway's disk is full",
    must=("I8",),
    touches=(AGENT_1, LINK_1),
    prepare=_small_spool_disk,
    skip=_no_mounts,
    scaled="a file system of 2 MB in memory, of which 48 kB are left; the quota of the spool's"
    " own and its thinning are in the spool's tests",
)
def spool_disk_full(w: World, chance: random.Random) -> Iterator[Step]:
    """No line for 30 s, and hardly any room. Then the line comes back while the disk is still full:
    what is acknowledged must make room by itself. Only then the disk is cleared."""
    ballast = w.spool(ONE).with_name("ballast")
    link = w.link("gw-1")
    link.set(refuse=True)
    _fill(ballast, leave=48 * 1024)
    yield 30
    link.heal()
    yield 12
    ballast.unlink(missing_ok=True)
    log = w.log_of(ONE)
    w.check("I8", "the agent says in its log that the disk is full", ok="full" in log)
    deaths = [death for death in w.keeper.deaths if death.name == ONE]
    for death in deaths:
        w.excuse("killed", ONE, **{"from": death.at_ms - 3_000, "to": death.at_ms})
    w.check("I7", f"the agent ended {len(deaths)} times on a full disk", ok=len(deaths) <= 2)


@fault(
    "F29",
    "the spool's file is damaged",
    must=("I3",),
    touches=(AGENT_1, LINK_1),
    scaled="three damages drawn by the seed; thousands are in the spool's tests",
)
def damaged(w: World, chance: random.Random) -> Iterator[Step]:
    """With readings on the disk that nobody else has, bits flip, pages turn to zero, the end is cut
    off. No wrong value may come of it, and no start may fail for ever."""
    link = w.link("gw-1")
    # What nobody heard yet when the world began is sent again after ten seconds.
    before = now_ms() - 2_500
    yield Until(lambda: w.missing(before) == 0, COMES_S, "all of before is in the database")
    for _ in range(3):
        link.set(refuse=True)
        since = now_ms()
        yield 4
        w.kill(ONE, hold=True)
        yield 0.2
        _checkpoint(w.spool(ONE))
        _damage(w.spool(ONE), chance)
        w.excuse("lost spool", ONE, **{"from": since - 3_000, "to": now_ms()})
        w.keeper.release(ONE)
        link.heal()
        yield 5
    deaths = [d for d in w.keeper.deaths if d.name == ONE and d.how != -signal.SIGKILL]
    w.check(
        "I8",
        f"{len(deaths)} ends by itself after three damages, allowed are 3",
        ok=len(deaths) <= 3,
    )
    w.numbers["files set aside"] = len(list(w.spool(ONE).parent.glob("*corrupt*")))


def _checkpoint(spool: Path) -> None:
    """All into the file itself: what the log's checksums would find out is no test of ours."""
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(spool)) as conn:
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _damage(spool: Path, chance: random.Random) -> None:
    files = [path for path in (spool, spool.with_name("spool.db-wal")) if path.exists()]
    for path in files:
        content = bytearray(path.read_bytes())
        if not content:
            continue
        match chance.choice(["flip", "zero", "cut"]):
            case "flip":
                for _ in range(20):
                    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
            case "zero":
                at = chance.randrange(len(content)) // 4096 * 4096
                content[at : at + 4096] = bytes(min(4096, len(content) - at))
            case "cut":
                del content[chance.randrange(len(content)) :]
        path.write_bytes(content)


@fault(
    "F30",
    "the gateway's disk turns read-only",
    must=("I8", "I7"),
    blind=(ONE,),
    touches=(AGENT_1,),
    prepare=_small_spool_disk,
    skip=_no_mounts,
    scaled="remounted while the agent is down, as after a boot with errors: a kernel that does it"
    " under open files cannot be had here",
)
def disk_read_only(w: World, chance: random.Random) -> Iterator[Step]:
    """The agent is killed, its disk comes back read-only, and 15 s later it may be written."""
    w.kill(ONE, hold=True)
    yield 0.2
    note_kill(w, ONE)
    place = str(w.spool(ONE).parent)
    subprocess.run(("mount", "-o", "remount,ro", place), check=True)
    w.keeper.release(ONE)
    yield 15
    subprocess.run(("mount", "-o", "remount,rw", place), check=True)
    said = [line for line in w.log_of(ONE).splitlines() if "ERROR" in line and "spool.db" in line]
    w.check("I8", f"the agent says that it cannot write: {said[:1]}", ok=bool(said))


@fault(
    "F31",
    "an older image of the gateway's disk",
    must=("I2", "I3"),
    # What is thrown away with the newer disk must be somewhere: with the broker or the cloud.
    touches=(AGENT_2, BROKER),
)
def older_image(w: World, chance: random.Random) -> Iterator[Step]:
    """The disk is copied while the agent is down, the agent lives on for 10 s, and then the older
    copy is put back: its counters are those of the past."""
    stop_agent(w, TWO)
    image = w.folder / "image"
    w.copy_spool(TWO, image)
    w.keeper.release(TWO)
    yield 10
    stop_agent(w, TWO)
    place = w.spool(TWO).parent
    for file in place.glob("spool.db*"):
        file.unlink()
    for file in image.iterdir():
        shutil.copy(file, place / file.name)
    w.keeper.release(TWO)
    yield 3


def stop_agent(w: World, gateway: str) -> None:
    """In good order; what was on the cable at that moment is nobody's."""
    began = now_ms()
    w.keeper.stop(gateway)
    w.excuse("stopped", gateway, **{"from": began, "to": now_ms()})
    w.copy_spool(gateway, w.folder / "copies" / f"{gateway}@{now_ms()}")


# ---------------------------------------------------------------- the fleet


def _light(
    w: World,
    gateways: dict[str, tuple[str, list[tuple[int, int, int, list[tuple[int, int]]]]]],
    *,
    seconds: float,
    window: int = 8,
    pace_s: float = 0.0,
    note: bool = True,
) -> Iterator[Step]:
    """Light gateways with these streams and batches; returns what became of each."""
    plan: dict[str, object] = {
        "port": w.broker.port,
        "seconds": seconds,
        "window": window,
        "resend_s": 10,
        "gateways": [
            {
                "name": name,
                "password": w.broker.passwords[name],
                "stream": stream,
                "pace_s": pace_s,
                "batches": [
                    [first, last, crowd.batch(stream, first, base, weights).hex()]
                    for first, last, base, weights in batches
                ],
            }
            for name, (stream, batches) in gateways.items()
        ],
    }
    if note:
        for name, (_, batches) in gateways.items():
            w.show_all(
                [(name, weight, base + after) for *_, base, ws in batches for after, weight in ws]
            )
    path = w.folder / f"crowd-{time.monotonic_ns()}.json"
    path.write_text(json.dumps(plan))
    child = subprocess.Popen(
        (sys.executable, "-m", "tests.faults.crowd", str(path)),
        stdout=path.with_suffix(".out").open("wb"),
        stderr=path.with_suffix(".err").open("wb"),
    )
    yield Until(lambda: child.poll() is not None, seconds + 30, "light gateways")
    assert child.returncode == 0, path.with_suffix(".err").read_text()
    return json.loads(path.with_suffix(".out").read_text())


def _streams(
    chance: random.Random, names: tuple[str, ...], *, batches: int, readings: int, every_ms: int
) -> dict[str, tuple[str, list[tuple[int, int, int, list[tuple[int, int]]]]]]:
    """A backlog that ends now: counting weights that name gateway and place."""
    made = {}
    begin = now_ms() - batches * readings * every_ms
    for at, name in enumerate(names):
        stream = f"{chance.getrandbits(128):032x}"
        base_mg = 100_000_000_000 + at * 1_000_000_000
        made[name] = (
            stream,
            [
                (
                    n * readings + 1,
                    (n + 1) * readings,
                    begin + n * readings * every_ms,
                    [
                        (k * every_ms, base_mg + (n * readings + k + 1) * 1_000)
                        for k in range(readings)
                    ],
                )
                for n in range(batches)
            ],
        )
    return made


@fault(
    "F32",
    "all gateways come back at once",
    must=("I7",),
    touches=(BROKER, "crowd"),
    scaled="300 light clients and 2 gateways on one machine instead of 10,000; their spread is that"
    " of the formula both use, full jitter, and ten thousand are the simulator's",
)
def herd(w: World, chance: random.Random) -> Iterator[Step]:
    """The broker is killed while 300 gateways call it; each has one batch to hand over."""
    w.kill("broker", hold=True)
    yield 1
    streams = _streams(chance, CROWD, batches=1, readings=10, every_ms=1_000)
    light = _light(w, streams, seconds=75)
    over = next(light)
    yield 2
    w.keeper.release("broker")
    yield over
    outcome = yield from light
    connected = sorted(one["connected_s"] for one in outcome if one["connected_s"] is not None)
    left = sum(one["left"] for one in outcome)
    w.check(
        "I7",
        f"{len(connected)} of {len(CROWD)} connected, {left} batches left over",
        ok=len(connected) == len(CROWD) and left == 0,
    )
    per_second = [sum(s <= at < s + 1 for at in connected) for s in range(int(connected[-1]) + 1)]
    w.numbers["connects a second, at most"] = max(per_second)
    w.numbers["last connected after s"] = connected[-1]
    w.check(
        "I7",
        f"at most {max(per_second)} connected within a second",
        ok=max(per_second) <= len(CROWD) * 2 // 3,
    )


@fault(
    "F33",
    "one gateway floods",
    must=("I7",),
    touches=("flood-1", *WHOLE_WAY),
)
def flood(w: World, chance: random.Random) -> Iterator[Step]:
    """One gateway sends 40,000 readings as fast as it can, in batches of 25: a hundred times what
    another one sends. The others must not feel it."""
    streams = _streams(chance, ("flood-1",), batches=1_600, readings=25, every_ms=20)
    light = _light(w, streams, seconds=90, window=200)
    step = next(light)
    worst = 0
    began = time.monotonic()
    while not step.reached() and time.monotonic() - began < 60:
        yield 1.0
        for gateway in BOTH:
            worst = max(worst, w.freshness_ms(gateway) or 99_999)
    w.check("I7", f"meanwhile the others' newest was {worst} ms old at most", ok=worst < 10_000)
    outcome = yield from light
    w.numbers["flood acknowledged after s"] = outcome[0]["acked_s"]
    w.check(
        "I1",
        f"{outcome[0]['left']} batches of the flood were not acknowledged",
        ok=outcome[0]["left"] == 0,
    )


@fault(
    "F34",
    "all gateways drain at once",
    must=("I7", "I9"),
    touches=("crowd", *WHOLE_WAY),
    scaled="100 light clients with 600 readings each (ten hours at one a minute) instead of"
    " thousands with a week; the real gateways live beside them",
)
def drain_together(w: World, chance: random.Random) -> Iterator[Step]:
    """A hundred gateways come back with ten hours of readings, at the same moment."""
    streams = _streams(chance, CROWD[:100], batches=6, readings=100, every_ms=60_000)
    light = _light(w, streams, seconds=90)
    step = next(light)
    worst = 0
    while not step.reached():
        yield 1.0
        for gateway in BOTH:
            worst = max(worst, w.freshness_ms(gateway) or 99_999)
    outcome = yield from light
    done = sorted(one["acked_s"] for one in outcome if one["acked_s"] is not None)
    w.numbers["drained: first, last s"] = [done[0], done[-1]] if done else None
    w.check(
        "I7",
        f"{len(done)} of 100 drained; the others' newest was {worst} ms old at most",
        ok=len(done) == 100 and worst < 20_000,
    )


# ---------------------------------------------------------------- time


@fault(
    "F42",
    "the gateway's clock is wrong",
    must=("I1", "I2", "I10"),
    touches=("clock of count-1",),
    scaled="jumps by hand in 20 s; drift and daylight saving are in the tests of the clock",
)
def wrong_clock(w: World, chance: random.Random) -> Iterator[Step]:
    """A year ahead, a year behind, 1970, and right again: without trust, and once with it."""
    w.excuse("clock", ONE)
    jumps = [
        (YEAR_MS, False),
        (-YEAR_MS, False),
        (-now_ms(), False),
        (chance.choice([YEAR_MS, -YEAR_MS, 7_200_000, -7_200_000]), True),
    ]
    chance.shuffle(jumps)
    for offset, trusted in jumps:
        w.set_clock(ONE, offset, trusted=trusted)
        yield 4
    w.set_clock(ONE, 0, trusted=True)
    yield 4
    shown_at = (
        "coalesce(corrected_at, measured_at)"
        if w.ask("SELECT corrected_at FROM readings LIMIT 1") is not None
        else "measured_at"
    )
    future = w.ask(f"SELECT count(*) FROM readings WHERE {shown_at} > now() + interval '15 min'")
    w.check(
        "I10",
        f"{future and future[0][0]} readings stand in the future",
        ok=bool(future) and future[0][0] == 0,
    )


# ---------------------------------------------------------------- data and input


@fault("F55", "batches repeated and out of order", must=("I2", "I10"))
def shuffled(w: World, chance: random.Random) -> Iterator[Step]:
    """On every MQTT link, both ways: PUBLISH frames up to three times, and up to 0.6 s late."""
    links = [w.link(name) for name in ("gw-1", "gw-2", "ingest-broker")]
    for link in links:
        link.set(shuffle=Shuffle(seed=chance.randrange(2**31)))
    yield 20
    for link in links:
        link.heal()
    again, late = (sum(getattr(link.passed, what) for link in links) for what in ("again", "late"))
    w.numbers["frames repeated"], w.numbers["frames held back"] = again, late
    w.check("I2", f"{again} frames came again, {late} came late", ok=again > 10 and late > 10)


@fault(
    "F56",
    "malformed messages",
    must=("I7",),
    touches=("evil-1", *WHOLE_WAY),
)
def malformed(w: World, chance: random.Random) -> Iterator[Step]:
    """A gateway publishes what is no message, in twenty ways. It costs nobody anything."""
    payloads = _nonsense(chance)
    _publish(w, "evil-1", payloads)
    yield 8
    letters = w.ask(
        "SELECT count(*), count(*) FILTER (WHERE because = '') FROM dead_letters"
        " WHERE topic LIKE '%%evil-1%%'"
    )
    kept, mute = letters[0] if letters else (0, 0)
    w.check(
        "I8",
        f"{kept} of {len(payloads)} are kept aside, {mute} without a reason",
        ok=kept == len(payloads) and mute == 0,
    )
    age = w.freshness_ms(TWO)
    w.check(
        "I7", f"the newest of another gateway is {age} ms old", ok=age is not None and age < 5_000
    )


def _nonsense(chance: random.Random) -> list[bytes]:
    """Each in a stream of its own: what cannot be read still claims its range."""

    def bent(what: bytes, by: bytes, times: int = -1) -> bytes:
        said = {"type": "readings", "stream": f"{chance.getrandbits(128):032x}", "first_seq": 1}
        said |= {"base_ms": now_ms(), "sensors": ["s01"], "readings": [[1, 0, 0, 1_000]]}
        whole = json.dumps(said).encode()
        assert what in whole
        return whole.replace(what, by, times)

    def cut() -> bytes:
        weights = [(n, 1_000 * n) for n in range(20)]
        whole = crowd.batch(f"{chance.getrandbits(128):032x}", 1, now_ms(), weights)
        return whole[: chance.randrange(1, len(whole))]

    return [
        b"\x00",
        b"{",
        b"[" * 60_000,
        b"\x91" * 60_000,
        b'{"type": "readings", "stream": 1}',
        bent(b"1000]", b"NaN]"),
        bent(b"1000]", b"1e999]"),
        bent(b"1000]", b"1000.5]"),
        bent(b'"first_seq": 1', b'"first_seq": -1'),
        bent(b'"first_seq": 1', b'"first_seq": 1, "first_seq": "2"'),
        bent(b'"readings"', b'"readings/v9"', 1),
        bent(b"s01", b"s\xff1"),
        bent(b"s01", b"s\\u0000"),
        bent(b'"stream": "', b'"stream": "../../etc/passwd'),
        chance.randbytes(200_000),
        bytes(300_000),
        *(cut() for _ in range(4)),
    ]


def _publish(w: World, gateway: str, payloads: list[bytes]) -> None:
    """Raw, and without waiting for more than the broker's own receipt."""
    with socket.create_connection(("127.0.0.1", w.broker.port), timeout=10) as line:
        line.sendall(mqtt.connect(f"{gateway}-raw", gateway, w.broker.passwords[gateway]))
        splitter, receipts = mqtt.Splitter(), 0
        for packet, payload in enumerate(payloads, 1):
            line.sendall(mqtt.publish(packet, f"binline/v1/{gateway}/up/readings", payload))
        while receipts < len(payloads):
            chunk = line.recv(65_536)
            if not chunk:
                break
            receipts += sum(mqtt.kind_of(one) == mqtt.PUBACK for one in splitter.feed(chunk))


@fault("F57", "a poison row in a good batch", must=("I1", "I7"), touches=("evil-1", *WHOLE_WAY))
def poison(w: World, chance: random.Random) -> Iterator[Step]:
    """The database refuses one reading of twenty, by a rule that nobody foresaw. The nineteen must
    be stored, the one kept aside with the reason, and the batch acknowledged."""
    bad = 8_000_011_000
    w.admin().execute(f"ALTER TABLE readings ADD CONSTRAINT poison CHECK (weight_mg <> {bad})")
    stream = f"{chance.getrandbits(128):032x}"
    base = now_ms() - 20_000
    weights = [(k * 1_000, 8_000_000_000 + (k + 1) * 1_000) for k in range(20)]
    good = [("evil-1", weight, base + after) for after, weight in weights if weight != bad]
    w.show_all(good)
    outcome = yield from _light(
        w, {"evil-1": (stream, [(1, 20, base, weights)])}, seconds=20, note=False
    )
    w.check(
        "I7",
        f"the batch is acknowledged after {outcome[0]['acked_s']} s",
        ok=outcome[0]["left"] == 0,
    )
    letters = w.ask("SELECT because FROM dead_letters WHERE topic LIKE '%%evil-1%%'") or []
    aside = w.ask("SELECT because FROM readings_aside") or []
    w.check(
        "I8",
        f"the one is kept aside: {[b for (b,) in letters + aside][:1]}",
        ok=bool(letters or aside),
    )
    w.admin().execute("ALTER TABLE readings DROP CONSTRAINT poison")


# ---------------------------------------------------------------- processes


@fault(
    "F59",
    "ends, exhaustion and dead threads",
    must=("I13", "I1"),
    touches=(AGENT_1, AGENT_2, INGEST, "work"),
)
def ends(w: World, chance: random.Random) -> Iterator[Step]:
    """SIGTERM to each program in turn; kill -9 as the kernel does it when memory is short; no file
    descriptor left for ingest while its connection breaks; the agent's MQTT thread dies."""
    names = ["ingest", "work", "serve", ONE]
    chance.shuffle(names)
    for name in names:
        began = now_ms()
        took, code = w.keeper.stop(name)
        if name == ONE:
            w.excuse("stopped", name, **{"from": began, "to": now_ms()})
        w.check("I13", f"{name} ended with {code} after {took:.1f} s", ok=code == 0 and took < 10)
        w.keeper.release(name)
        yield 1
    for name in ("work", "serve"):
        w.kill(name)
    yield 2
    pid = w.keeper.pid("ingest")
    files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    was = resource.prlimit(pid, resource.RLIMIT_NOFILE, (files, 4_096))
    w.link("ingest-db").cut()
    yield 6
    if w.keeper.is_up("ingest"):
        resource.prlimit(w.keeper.pid("ingest"), resource.RLIMIT_NOFILE, was)
    w.arm("agent.in_mqtt_thread", "raise")
    yield Until(lambda: w.fired("agent.in_mqtt_thread") > 0, 30, "the thread dies")
    yield 1
