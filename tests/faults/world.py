"""One world: every process of the product on 127.0.0.1, with a chaos proxy on every link.

    scales (pty) -> agents -> [gw-1, gw-2] -> broker
    broker -> [ingest-broker] -> ingest -> [ingest-db] -> PostgreSQL
    work, serve -> [cloud-db] -> PostgreSQL      work -> [smtp, webhook] -> stubs

A world keeps its processes running, as a service manager would, and writes three ledgers:

    ledger.jsonl     source: every answer of every scale, written by the scales
    faults.jsonl     what was done, from when to when, and what may therefore be missing
    sink             the database, and the stubs' folders

Everything waits in `wait` or `pause`, on the main thread: the kernel ends a child when the thread
that started it ends, and dead processes are started again only while somebody waits.
"""

import asyncio
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import nats
import psycopg
from nats.js.api import StreamState

from cloud.embedded import broker, demo_site, postgres
from cloud.embedded.programs import Program, spawn
from tests.faults import ground, points
from tests.faults.ground import GATEWAYS, PASSWORD, Template
from tests.faults.proxy import Link, Proxies, lasting_port

ROOT = str(Path(__file__).parents[2])
LOOK_S = 0.05
AGAIN_S_MIN, AGAIN_S_MAX = 0.5, 4.0
STEADY_S = 20.0
START_S_MAX = 90.0
FRESH_S = 3.0  # two polls, a group commit, a commit of the cloud, and a busy machine
POLL_API_S = 0.5
SAMPLE_S = 1.0
KEEPALIVE_S = 4
STOP_S_MAX = 10.0

# Constants that would make a scenario take minutes. Back-offs and time-outs stay as shipped.
AGENT_TUNED: dict[str, object] = {"edge_agent.mqtt.uplink:KEEPALIVE_S": KEEPALIVE_S}
INGEST_TUNED: dict[str, object] = {"cloud.intake.mqtt:KEEPALIVE_S": KEEPALIVE_S}


class WorldError(Exception):
    """The world did not come up, or did not do what a scenario needs before its fault."""


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(kw_only=True)
class Running:
    program: Program
    child: subprocess.Popen[bytes]
    since: float
    deaths: int = 0
    again_at: float | None = None


@dataclass(kw_only=True)
class Death:
    name: str
    at_ms: int
    how: int


class Keeper:
    """Starts what died again, unless it is held."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._running: dict[str, Running] = {}
        self.held: set[str] = set()
        self.deaths: list[Death] = []
        logs.mkdir(parents=True)

    def start(self, program: Program) -> None:
        child = spawn(program, self._logs / f"{program.name}.log")
        before = self._running.get(program.name)
        self._running[program.name] = Running(
            program=program,
            child=child,
            since=time.monotonic(),
            deaths=before.deaths if before else 0,
        )

    def look(self) -> None:
        now = time.monotonic()
        for name, running in list(self._running.items()):
            if running.again_at is not None:
                if now >= running.again_at and name not in self.held:
                    self.start(running.program)
            elif (code := running.child.poll()) is not None:
                self.deaths.append(Death(name=name, at_ms=now_ms(), how=code))
                running.deaths = 1 if now - running.since > STEADY_S else running.deaths + 1
                wait_s = min(AGAIN_S_MAX, AGAIN_S_MIN * 2 ** (running.deaths - 1))
                running.again_at = now + wait_s

    def pid(self, name: str) -> int:
        return self._running[name].child.pid

    def is_up(self, name: str) -> bool:
        running = self._running.get(name)
        return running is not None and running.again_at is None and running.child.poll() is None

    def names(self) -> list[str]:
        return list(self._running)

    def send(self, name: str, number: signal.Signals) -> None:
        """To the program and its children: they are one session."""
        if self.is_up(name):
            os.killpg(self.pid(name), number)

    def stop(self, name: str, number: signal.Signals | None = None) -> tuple[float, int | None]:
        """How long it took and how it ended; None: it had to be killed."""
        running = self._running[name]
        self.held.add(name)
        if running.child.poll() is not None:
            return 0.0, running.child.returncode
        began = time.monotonic()
        running.child.send_signal(number or running.program.stop_signal)
        try:
            code: int | None = running.child.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired:
            os.killpg(running.child.pid, signal.SIGKILL)
            running.child.wait()
            code = None
        running.again_at = time.monotonic()
        return time.monotonic() - began, code

    def release(self, name: str) -> None:
        self.held.discard(name)
        if not self.is_up(name):
            self.start(self._running[name].program)

    def replace(self, program: Program) -> None:
        """From its next start on."""
        self._running[program.name].program = program

    def end(self) -> None:
        for running in self._running.values():
            if running.child.poll() is None:
                try:
                    os.killpg(running.child.pid, signal.SIGCONT)
                    os.killpg(running.child.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
                running.child.wait()


class Truth:
    """What the scales showed, read while it is written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = 0
        self.shown_at: dict[tuple[str, str, int], int] = {}  # ms
        self.last: dict[tuple[str, str], tuple[int, int]] = {}  # ms, weight

    def read(self) -> None:
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._at)
            content = file.read()
        whole = content.rfind(b"\n") + 1
        self._at += whole
        for line in content[:whole].splitlines():
            entry = json.loads(line)
            if entry["weight_mg"] is not None:
                key = (entry["gateway"], entry["sensor"])
                self.shown_at[(*key, entry["weight_mg"])] = entry["t"]
                self.last[key] = (entry["t"], entry["weight_mg"])


@dataclass(kw_only=True)
class Settings:
    """What a scenario wants otherwise; made before the world starts."""

    tuned: dict[str, dict[str, object]] = field(
        default_factory=lambda: {"agent": dict(AGENT_TUNED), "ingest": dict(INGEST_TUNED)}
    )
    database_tmpfs_mb: int = 0
    spool_tmpfs_kb: dict[str, int] = field(default_factory=dict)  # by gateway
    broker: dict[str, Any] = field(default_factory=dict)  # merged into its configuration
    broker_keeps: int = 0  # bytes of messages that nobody has taken; 0: as shipped
    pulling: int = 0  # so many processes of ingest that share the work, instead of one by MQTT


class World:
    def __init__(self, folder: Path, template: Template, settings: Settings, seed: int) -> None:
        self.folder = folder
        self.settings = settings
        self.seed = seed
        self.control = folder / "control"
        self.control.mkdir(parents=True)
        self.truth = Truth(folder / "ledger.jsonl")
        self.proxies = Proxies()
        self.keeper = Keeper(folder / "logs")
        self.findings: list[dict[str, Any]] = []  # extra checks of scenarios
        self.numbers: dict[str, Any] = {}
        self.began_ms = now_ms()
        self._template = template
        self._mounts: list[Path] = []
        self._over = threading.Event()
        self._trust: dict[str, str] = {}  # as the page last said it
        self._admin: psycopg.Connection | None = None
        self._lock = threading.Lock()

    # ------------------------------------------------------------ its life

    def start(self) -> None:
        self._prepare_folders()
        template, home = self._template, self.folder
        template.copy_to(home / "postgres")
        if self.settings.database_tmpfs_mb:
            self._data_on_tmpfs(self.settings.database_tmpfs_mb)
        (home / "postgres" / "port").write_text(str(lasting_port()))
        self.database = postgres.prepare(home / "postgres")
        (home / "broker").mkdir()
        for note in ("port", "nats-port"):
            (home / "broker" / note).write_text(str(lasting_port()))
        every = (*GATEWAYS, *ground.SPARE, *ground.CROWD)
        self.broker = broker.prepare(home / "broker", every)
        self.configure_broker(**self.settings.broker)
        if self.settings.broker_keeps:
            self.broker = replace(self.broker, kept_bytes_max=self.settings.broker_keeps)
        self._open_links()
        self.keeper.start(self.database.program)
        self.keeper.start(self.broker.program)
        self.wait(lambda: postgres.answers(self.database), START_S_MAX, "PostgreSQL")
        self._move_webhook()
        self.wait(lambda: broker.is_ready(self.broker), START_S_MAX, "the broker")
        for program in self._programs():
            self.keeper.start(program)
        threading.Thread(target=self._poll_pages, daemon=True, name="poller").start()
        threading.Thread(target=self._sample, daemon=True, name="sampler").start()

    def warm_up(self) -> None:
        self.wait(lambda: self.is_fresh() is None, START_S_MAX, self.is_fresh)
        self.wait((self.folder / "pages.jsonl").exists, START_S_MAX, "the pages")

    def end(self) -> None:
        self._over.set()
        self.keeper.end()
        self.proxies.close()
        if self._admin is not None:
            self._admin.close()
        for mount in self._mounts:
            subprocess.run(("umount", "-l", str(mount)), check=False)

    # ------------------------------------------------------------ waiting

    def pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.keeper.look()
            time.sleep(min(LOOK_S, left))

    def wait(
        self,
        reached: Callable[[], object],
        limit_s: float,
        what: str | Callable[[], str | None],
    ) -> float:
        """How long it took."""
        began = time.monotonic()
        while not reached():
            if time.monotonic() - began > limit_s:
                said = what if isinstance(what, str) else what()
                raise WorldError(f"not within {limit_s:.0f} s: {said}")
            self.pause(LOOK_S)
        return time.monotonic() - began

    # ------------------------------------------------------------ what it is like now

    def admin(self) -> psycopg.Connection:
        """Past every proxy, as one who sees everything."""
        if self._admin is None or self._admin.closed:
            self._admin = psycopg.connect(
                self.database.dsn(),
                autocommit=True,
                connect_timeout=2,
                options="-c search_path=binline -c timezone=UTC -c statement_timeout=5000"
                " -c default_transaction_read_only=off",
            )
        return self._admin

    def ask(self, statement: str, *values: object) -> list[tuple[Any, ...]] | None:
        """None: the database does not answer."""
        try:
            return self.admin().execute(statement, values or None).fetchall()
        except psycopg.Error:
            if self._admin is not None:
                self._admin.close()
            return None

    def newest_stored(self) -> dict[tuple[str, str], int] | None:
        rows = self.ask(
            "SELECT g.name, s.name, max(r.weight_mg) FROM readings r"
            "  JOIN sensors s USING (sensor_id) JOIN gateways g USING (gateway_id)"
            " WHERE s.name LIKE 's%' AND r.weight_mg IS NOT NULL GROUP BY 1, 2"
        )
        return None if rows is None else {(g, s): weight for g, s, weight in rows}

    def says_fresh(self) -> str | None:
        """None when the page calls every bin fresh; else the first it does not."""
        return next((f"{c} is {t}" for c, t in self._trust.items() if t != "fresh"), None)

    def is_fresh(self, gateways: tuple[str, ...] = GATEWAYS) -> str | None:
        """None when the newest answer of every counting scale is stored; else why not."""
        self.truth.read()
        stored = self.newest_stored()
        if stored is None:
            return "the database does not answer"
        for gateway in gateways:
            for n in range(1, ground.COUNTING_PER_GATEWAY + 1):
                key = (gateway, f"s{n:02d}")
                shown = self.truth.shown_at.get((*key, stored.get(key, -1)))
                if shown is None:
                    return f"nothing of {key} is stored"
                if now_ms() - shown > FRESH_S * 1000:
                    return f"the newest of {key} is {now_ms() - shown} ms old"
        return None

    def missing(self, before_ms: int) -> int:
        """How many answers of counting scales, shown before, are not stored."""
        self.truth.read()
        rows = self.ask(
            "SELECT g.name, s.name, r.weight_mg FROM readings r"
            "  JOIN sensors s USING (sensor_id) JOIN gateways g USING (gateway_id)"
            " WHERE s.name LIKE 's%' AND r.weight_mg IS NOT NULL"
        )
        there = set(rows or ())
        return sum(
            answer[1].startswith("s") and at_ms < before_ms and answer not in there
            for answer, at_ms in self.truth.shown_at.items()
        )

    def freshness_ms(self, gateway: str) -> int | None:
        """Age of the newest stored answer of the gateway's slowest scale."""
        stored = self.newest_stored()
        self.truth.read()  # afterwards: what is stored was shown before
        if stored is None:
            return None
        shown = [
            self.truth.shown_at.get((*key, weight), 0)
            for key, weight in stored.items()
            if key[0] == gateway
        ]
        return now_ms() - min(shown) if shown else None

    # ------------------------------------------------------------ what is done to it

    def link(self, name: str) -> Link:
        return self.proxies[name]

    def kill(self, name: str, *, hold: bool = False) -> None:
        if hold:
            self.keeper.held.add(name)
        self.keeper.send(name, signal.SIGKILL)

    def arm(self, point: str, what: str = "kill", times: int = 1) -> None:
        points.arm(self.control, point, what, times)

    def fired(self, point: str) -> int:
        return points.fired(self.control, point)

    def scale(self, gateway: str, sensor: str, do: str, **more: object) -> None:
        command = {"gateway": gateway, "sensor": sensor, "do": do, **more}
        with (self.folder / "ports" / "commands").open("a") as commands:
            commands.write(json.dumps(command) + "\n")

    def set_clock(self, gateway: str, offset_ms: int, *, trusted: bool = True) -> None:
        order = self.control / f"{gateway}.clock"
        fresh = order.with_suffix(".new")
        fresh.write_text(f"{offset_ms} {'trusted' if trusted else 'untrusted'}")
        fresh.rename(order)

    def spool(self, gateway: str) -> Path:
        return self.folder / "gateways" / gateway / "spool.db"

    def copy_spool(self, gateway: str, to: Path) -> Path:
        to.mkdir(parents=True, exist_ok=True)
        for file in self.spool(gateway).parent.glob("spool.db*"):
            shutil.copy(file, to / file.name)
        return to / "spool.db"

    def configure_broker(self, **changes: Any) -> None:
        """Nested keys are merged; read at its next start or reload."""
        path = self.folder / "broker" / "nats.conf"
        config = json.loads(path.read_text())
        _merge(config, changes)
        path.write_text(json.dumps(config, indent=2))

    def broker_keeps(self) -> StreamState:
        """What came by MQTT and nobody has taken."""
        return asyncio.run(_state_of_messages(self.broker.nats_url()))

    def log_of(self, name: str) -> str:
        path = self.folder / "logs" / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    # ------------------------------------------------------------ ledgers

    def record(self, entry: Mapping[str, Any]) -> None:
        with self._lock, (self.folder / "faults.jsonl").open("a") as file:
            file.write(json.dumps(entry) + "\n")

    def excuse(self, kind: str, gateway: str, **more: Any) -> None:
        """What the checker must know: a kill costs what was not yet on disk, and no more."""
        self.record({"excuse": kind, "gateway": gateway, "at": now_ms(), **more})

    def check(self, invariant: str, sentence: str, *, ok: bool) -> None:
        self.findings.append({"invariant": invariant, "said": sentence, "ok": ok})

    def show_all(self, answers: list[tuple[str, int, int]]) -> None:
        """Lines of the source ledger for gateways that the scenario speaks for: sensor s01."""
        lines = [
            json.dumps(
                {"t": at_ms, "gateway": gateway, "sensor": "s01", "weight_mg": weight_mg}
                | {"stable": True, "n": 0}
            )
            for gateway, weight_mg, at_ms in answers
        ]
        with (self.folder / "ledger.jsonl").open("a") as file:
            file.write("\n".join(lines) + "\n")

    # ------------------------------------------------------------ inside

    def _prepare_folders(self) -> None:
        self.folder.chmod(0o755)
        for gateway in GATEWAYS:
            place = self.folder / "gateways" / gateway
            place.mkdir(parents=True)
            if gateway in self.settings.spool_tmpfs_kb:
                self.mount_tmpfs(place, f"{self.settings.spool_tmpfs_kb[gateway]}k")

    def mount_tmpfs(self, place: Path, size: str) -> None:
        place.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ("mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", str(place)), check=True
        )
        self._mounts.append(place)

    def _data_on_tmpfs(self, megabytes: int) -> None:
        data = self.folder / "postgres" / "data"
        owner = data.stat()
        aside = data.with_name("data.cold")
        data.rename(aside)
        self.mount_tmpfs(data, f"{megabytes}m")
        subprocess.run(("cp", "-a", f"{aside}/.", str(data)), check=True)
        os.chown(data, owner.st_uid, owner.st_gid)
        data.chmod(0o700)
        shutil.rmtree(aside)

    def _open_links(self) -> None:
        self.http_port, self.smtp_port, self.hook_port = (lasting_port() for _ in range(3))
        for n, _ in enumerate(GATEWAYS, 1):
            self.proxies.open(f"gw-{n}", self.broker.port, mqtt=True)
        self.proxies.open("ingest-broker", self.broker.port, mqtt=True)
        self.proxies.open("ingest-nats", self.broker.nats_port)
        self.proxies.open("ingest-db", self.database.port)
        self.proxies.open("cloud-db", self.database.port)
        self.proxies.open("smtp", self.smtp_port)
        self.proxies.open("webhook", self.hook_port)

    def _move_webhook(self) -> None:
        self.admin().execute(
            "UPDATE supplier_channels SET address = %s WHERE kind = 'webhook'",
            (f"http://127.0.0.1:{self.link('webhook').port}/webhook",),
        )

    def dsn(self, process: str, link: str) -> str:
        return psycopg.conninfo.make_conninfo(
            host="127.0.0.1",
            port=self.link(link).port,
            user=f"binline_{process}",
            password=PASSWORD,
            dbname="binline",
            connect_timeout=5,
        )

    def _programs(self) -> list[Program]:
        signing = {
            "BINLINE_PUBLIC_URL": f"http://127.0.0.1:{self.http_port}",
            "BINLINE_SECRET_KEY": ground.SECRET_KEY,
        }
        serve = self._ours(
            "serve",
            "serve",
            ("cloud", "serve"),
            signing
            | {
                "BINLINE_PORTAL_DSN": self.dsn("portal", "cloud-db"),
                "BINLINE_AUTH_DSN": self.dsn("auth", "cloud-db"),
                "BINLINE_HTTP_PORT": str(self.http_port),
            },
        )
        work = self._ours(
            "work",
            "work",
            ("cloud", "work"),
            signing
            | {
                "BINLINE_JOBS_DSN": self.dsn("jobs", "cloud-db"),
                "BINLINE_SMTP_URL": f"smtp://127.0.0.1:{self.link('smtp').port}",
                "BINLINE_MAIL_FROM": "orders@faults.binline",
                "BINLINE_WEBHOOK_ALLOWED_HOSTS": f"127.0.0.1:{self.link('webhook').port}",
            },
        )
        catcher = Program(
            name="catcher",
            argv=(
                *(sys.executable, "-m", "cloud.embedded.catcher"),
                *("--home", str(self.folder / "catcher")),
                *("--smtp-port", str(self.smtp_port), "--http-port", str(self.hook_port)),
            ),
            env={"BINLINE_CATCHER_SECRET": ground.WEBHOOK_SECRET},
        )
        ingests = [self.ingest(n) for n in range(1, max(1, self.settings.pulling) + 1)]
        agents = [self.agent(gateway) for gateway in GATEWAYS]
        return [catcher, serve, work, *ingests, self._simulator(), *agents]

    def ingest(self, n: int = 1) -> Program:
        link = self.link("ingest-nats" if self.settings.pulling else "ingest-broker")
        scheme = "nats" if self.settings.pulling else "mqtt"
        log_in = f"{broker.INGEST}:{self.broker.passwords[broker.INGEST]}"
        return self._ours(
            "ingest" if n == 1 else f"ingest-{n}",
            "ingest",
            ("cloud", "ingest"),
            {
                "BINLINE_INGEST_DSN": self.dsn("ingest", "ingest-db"),
                "BINLINE_BROKER_URL": f"{scheme}://{log_in}@127.0.0.1:{link.port}",
                "BINLINE_INGEST_INSTANCE": str(n),
            },
        )

    def agent(self, gateway: str, *, name: str | None = None, place: Path | None = None) -> Program:
        place = place or self.spool(gateway).parent
        ports = self.folder / ("ports" if name is None else f"ports-{name}")
        settings = self._write_settings(gateway, place, ports)
        return self._ours(
            name or gateway,
            "agent",
            ("edge", "run", "--settings", str(settings)),
            {"FAULTS_CLOCK": str(self.control / f"{gateway}.clock")},
        )

    def _write_settings(self, gateway: str, place: Path, ports: Path) -> Path:
        link = self.link(f"gw-{GATEWAYS.index(gateway) + 1}")
        files = demo_site.GatewayFiles(
            folder=self.folder / "settings" / place.name,
            ports=ports,
            broker_url=f"mqtt://127.0.0.1:{link.port}",
        )
        path = demo_site.write_gateway(
            ground.site(), gateway, self.broker.passwords[gateway], files
        )
        text = path.read_text()
        text = text.replace(
            "clock_check = false", f"clock_check = true\nheartbeat_s = {ground.HEARTBEAT_S}.0"
        )
        text = text.replace(f'path = "{gateway}.spool"', f'path = "{place / "spool.db"}"')
        path.write_text(text)
        return path

    def _simulator(self) -> Program:
        plan = self.folder / "plan.json"
        plan.write_text(json.dumps(demo_site.plan_of(ground.site(self.seed), {})))
        return self.simulator("simulator", plan, self.folder / "ports")

    def simulator(self, name: str, plan: Path, ports: Path) -> Program:
        words = (
            *("edge", "simulate", "--plan", str(plan), "--dir", str(ports)),
            *("--ledger", str(self.folder / "ledger.jsonl")),
        )
        return self._ours(name, "other", words, {})

    def _ours(self, name: str, who: str, words: tuple[str, ...], env: Mapping[str, str]) -> Program:
        tuned = json.dumps(self.settings.tuned.get(who, {}))
        return Program(
            name=name,
            argv=(
                *(sys.executable, "-m", "tests.faults.launched"),
                *(who, str(self.control), "--", *words),
            ),
            env={"PYTHONPATH": ROOT, "PYTHONUNBUFFERED": "1", "FAULTS_TUNED": tuned, **env},
        )

    # ------------------------------------------------------------ threads that look on

    def _poll_pages(self) -> None:
        """A visitor who asks twice a second, and writes down what it was told and when."""
        cookie = ""
        while not self._over.wait(POLL_API_S):
            began = time.monotonic()
            entry: dict[str, Any] = {"t": now_ms()}
            try:
                if not cookie:
                    cookie = self._log_in()
                status, body = self._get("/api/bins", cookie)
                entry["status"] = status
                if status == 200:
                    self._trust = {one["code"]: one["trust"] for one in json.loads(body)}
                    entry["trust"] = self._trust
                elif status in (401, 303):
                    cookie = ""
            except (OSError, ValueError, http.client.HTTPException) as error:
                entry["error"] = type(error).__name__
            entry["ms"] = round((time.monotonic() - began) * 1000)
            if cookie or (self.folder / "pages.jsonl").exists():
                with (self.folder / "pages.jsonl").open("a") as file:
                    file.write(json.dumps(entry) + "\n")

    def _log_in(self) -> str:
        conn = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=10)
        words = urllib.parse.urlencode({"email": demo_site.OPERATIONS, "password": PASSWORD})
        conn.request(
            "POST",
            "/login",
            words,
            {
                "Content-Type": "application/x-www-form-urlencoded",
                "Origin": f"http://127.0.0.1:{self.http_port}",
            },
        )
        answer = conn.getresponse()
        answer.read()
        return (answer.getheader("Set-Cookie") or "").split(";")[0]

    def _get(self, path: str, cookie: str) -> tuple[int, bytes]:
        conn = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=15)
        conn.request("GET", path, headers={"Cookie": cookie})
        answer = conn.getresponse()
        return answer.status, answer.read()

    def _sample(self) -> None:
        """Memory, files and disk of every process, once a second."""
        while not self._over.wait(SAMPLE_S):
            entry: dict[str, Any] = {"t": now_ms(), "of": {}}
            for name in self.keeper.names():
                taken = _proc(self.keeper.pid(name))
                if taken is not None:
                    entry["of"][name] = taken
            for gateway in GATEWAYS:
                folder = self.spool(gateway).parent
                try:
                    entry[f"spool {gateway}"] = sum(f.stat().st_size for f in folder.iterdir())
                except OSError:
                    continue
            with (self.folder / "samples.jsonl").open("a") as file:
                file.write(json.dumps(entry) + "\n")


async def _state_of_messages(url: str) -> StreamState:
    client = await nats.connect(url, allow_reconnect=False, inbox_prefix=broker.INBOX.encode())
    try:
        return (await client.jetstream().stream_info("$MQTT_msgs")).state
    finally:
        await client.close()


def _proc(pid: int) -> list[int] | None:
    """Resident kilobytes, open files."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    except (OSError, ProcessLookupError):
        return None
    for line in status.splitlines():
        if line.startswith("VmRSS:"):
            return [int(line.split()[1]), files]
    return None


def _merge(into: dict[str, Any], changes: Mapping[str, Any]) -> None:
    for key, value in changes.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value
