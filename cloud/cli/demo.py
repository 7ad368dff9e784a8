"""`binline demo`: everything on one machine, from simulated scales to the supplier's answer.

stage 0   PostgreSQL, broker
stage 1   catcher (mails and webhooks end here), ingest, work, serve
stage 2   the simulated scales
stage 3   one agent per gateway

home/lock · home/secrets · home/logs/ · home/postgres/ · home/broker/ · home/catcher/
home/gateways/      settings, passwords and spools of the agents
home/ports/         where the simulated scales answer
"""

import json
import os
import secrets
import shutil
import sys
import time
import webbrowser
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import click
import httpx
import psycopg

from cloud.core.signatures import secret_of
from cloud.embedded import broker, demo_agreements, demo_site, listeners, postgres
from cloud.embedded.programs import EmbeddedError, Program, kept, kept_port
from cloud.embedded.supervisor import AlreadyRunning, HomeLock, Part, Stopped, Supervisor
from cloud.postgres import migrate, sites

PARTS, CLOUD, SCALES, AGENTS = 0, 1, 2, 3
RECOVERY_S_MAX = 600.0  # PostgreSQL after a kill reads its log before it answers
READY_S_MAX = 60.0
READINGS_S_MAX = 90.0
REQUEST_S_MAX = 5.0
EXIT_CHECK_FAILED = 1
COLUMNS_MIN = 40
MAIL_FROM = "orders@demo.binline"
ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # nothing that looks like something else


@dataclass(frozen=True, kw_only=True)
class Secrets:
    """Made at the first start, kept in `home/secrets`, told to programs by their environment."""

    secret_key: str
    webhook_secret: str
    database: Mapping[str, str]
    people: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Addresses:
    port: int
    catcher_port: int
    smtp_port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def catcher_url(self) -> str:
        return f"http://127.0.0.1:{self.catcher_port}"

    @property
    def webhook(self) -> str:
        return f"{self.catcher_url}/webhook"


@dataclass(kw_only=True)
class Progress:
    """What is going on: one line that moves on a terminal, one line per step elsewhere."""

    steps: int
    _done: int = 0
    _since: float = field(default_factory=time.monotonic)
    _moving: bool = field(default_factory=sys.stdout.isatty)

    def step(self, text: str) -> None:
        if self._moving:
            width = max(COLUMNS_MIN, shutil.get_terminal_size().columns) - 1
            bar = "█" * self._done + "░" * (self.steps - self._done)
            click.echo(f"\r{f' {bar} {text} …':<{width}.{width}}", nl=False)
        else:
            click.echo(f"{time.monotonic() - self._since:5.1f} s  {text}")
        self._done += 1

    def say(self, text: str) -> None:
        # The terminal may be closed by now, and what follows matters more than the words.
        with suppress(OSError):
            self.clear()
            click.echo(text)

    def clear(self) -> None:
        if self._moving:
            width = max(COLUMNS_MIN, shutil.get_terminal_size().columns) - 1
            click.echo(f"\r{'':<{width}}\r", nl=False)

    def finish(self) -> None:
        self.clear()
        self._moving = False


@click.command()
@click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".binline"),
    show_default=True,
    help="Where everything is kept.",
)
@click.option(
    "--port", type=click.IntRange(1, 65535), default=8420, show_default=True, help="Of the pages."
)
@click.option("--fresh", is_flag=True, help="Forget everything of earlier demos first.")
@click.option("--no-open", is_flag=True, help="Do not open a browser.")
@click.option("--counting", type=click.IntRange(2, 100), hidden=True, help="For tests: so many.")
def demo(*, home: Path, port: int, fresh: bool, no_open: bool, counting: int | None) -> None:
    """Run everything on this machine, with simulated scales.

    Starts PostgreSQL, a broker, the cloud, three gateways with sixty scales, and a page that
    catches the mails. Nothing leaves the machine. Ctrl-C stops it all; the data is kept.

    \b
    Examples:
      binline demo
      binline demo --port 9000 --no-open
      binline demo --fresh
    """  # noqa: D301 - \b is click's mark for "do not wrap"
    site = demo_site.counting(counting) if counting else demo_site.believable()
    try:
        lock = HomeLock(home, f"http://127.0.0.1:{port}")
    except AlreadyRunning as other:
        raise SystemExit(_refuse(str(other))) from None
    try:
        code = _run(home.absolute(), port, site, fresh=fresh, browser=not no_open)
    finally:
        lock.release()
    raise SystemExit(code)


def _run(home: Path, port: int, site: demo_site.DemoSite, *, fresh: bool, browser: bool) -> int:
    taken = listeners.who_listens(port)
    if taken is not None:
        return _refuse(f"port {port} is taken by {taken}; use --port to choose another")
    if fresh:
        _forget(home)
    progress = Progress(steps=6)
    supervisor = Supervisor(logs=home / "logs", say=progress.say)
    supervisor.listen_to_signals()
    code = 0
    try:
        stack = Stack(home=home, site=site, supervisor=supervisor, progress=progress, port=port)
        stack.start()
        progress.finish()
        _tell(stack.addresses, stack.secrets, home)
        if browser:
            _open(stack.addresses.url)
        supervisor.watch()
    except Stopped:
        pass
    except (EmbeddedError, migrate.MigrationRefused) as error:
        # Ctrl-C reaches initdb too, which then fails: that is no failure of ours.
        if not supervisor.stopping:
            progress.say(str(error))
            code = EXIT_CHECK_FAILED
    finally:
        progress.say("Stopping …")
        supervisor.stop()
    return code


@dataclass(kw_only=True)
class Stack:
    home: Path
    site: demo_site.DemoSite
    supervisor: Supervisor
    progress: Progress
    port: int
    secrets: Secrets = field(init=False)
    addresses: Addresses = field(init=False)

    def start(self) -> None:
        step, start = self.progress.step, self.supervisor.start
        self.secrets = _secrets(self.home, self.site)
        step("preparing the database")
        database = postgres.prepare(self.home / "postgres")
        brokered = broker.prepare(self.home / "broker", self.site.gateways)
        step("starting PostgreSQL and the broker")
        start(
            _part(database.program, PARTS, lambda: postgres.answers(database), RECOVERY_S_MAX),
            _part(brokered.program, PARTS, lambda: broker.is_ready(brokered)),
        )
        step("bringing the database up to date")
        was = self._addresses()
        weights = self._fill(database, was)
        step("starting the cloud")
        ours = _Programs(
            home=self.home,
            secrets=self.secrets,
            addresses=self.addresses,
            database=database,
            broker=brokered,
        )
        since = datetime.now(UTC)
        # The scales and agents are started along with the cloud: they wait for nobody.
        start(
            *(_part(program, CLOUD, _at_once) for program in ours.cloud()),
            _part(ours.simulator(self.site, weights), SCALES, _at_once),
            *(_part(program, AGENTS, _at_once) for program in ours.agents(self.site)),
        )
        self.supervisor.wait_until(
            lambda: _get(f"{self.addresses.url}/api/ready"), READY_S_MAX, what="the pages"
        )
        step("waiting for the first readings")
        wall = _Wall(
            url=self.addresses.url,
            password=self.secrets.people[demo_site.OPERATIONS],
            since=since,
        )
        self.supervisor.wait_until(wall.has_readings, READINGS_S_MAX, what="the first readings")
        step("ready")

    def _addresses(self) -> str:
        """Also where webhooks were sent before, should the catcher's port be another now."""
        folder = self.home / "catcher"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # links in mails are keys
        note = folder / "port"
        was = note.read_text() if note.exists() else ""
        self.addresses = Addresses(
            port=self.port,
            catcher_port=kept_port(note, self.port + 1),
            smtp_port=kept_port(folder / "smtp-port", self.port + 2),
        )
        return f"http://127.0.0.1:{was}/webhook"

    def _fill(self, database: postgres.EmbeddedPostgres, webhook_was: str) -> dict[str, int]:
        postgres.ensure_database(database)
        with psycopg.connect(database.dsn()) as admin:
            migrate.migrate(admin)
            migrate.set_passwords(admin, self.secrets.database)
            sites.move_channel(admin, kind="webhook", was=webhook_was, to=self.addresses.webhook)
        with (
            psycopg.connect(_dsn(database, self.secrets, "portal")) as portal,
            psycopg.connect(_dsn(database, self.secrets, "auth")) as auth,
        ):
            suppliers = demo_site.seed_tables(
                portal,
                self.site,
                webhook_address=self.addresses.webhook,
                webhook_secret=self.secrets.webhook_secret,
            )
            demo_agreements.seed(portal, demo_site.OPERATIONS, datetime.now(UTC))
            demo_site.seed_users(auth, self.secrets.people, suppliers)
            return demo_site.last_weights(portal)


@dataclass(frozen=True, kw_only=True)
class _Programs:
    """The command lines and environments of what is ours. Secrets are never arguments."""

    home: Path
    secrets: Secrets
    addresses: Addresses
    database: postgres.EmbeddedPostgres
    broker: broker.EmbeddedBroker

    def cloud(self) -> list[Program]:
        where = self.addresses
        signing = {
            "BINLINE_PUBLIC_URL": where.url,
            "BINLINE_SECRET_KEY": self.secrets.secret_key,
        }
        return [
            _ours(
                "serve",
                ("cloud", "serve"),
                signing
                | {
                    "BINLINE_PORTAL_DSN": _dsn(self.database, self.secrets, "portal"),
                    "BINLINE_AUTH_DSN": _dsn(self.database, self.secrets, "auth"),
                    "BINLINE_HTTP_HOST": "127.0.0.1",
                    "BINLINE_HTTP_PORT": str(where.port),
                },
            ),
            _ours(
                "ingest",
                ("cloud", "ingest"),
                {
                    "BINLINE_INGEST_DSN": _dsn(self.database, self.secrets, "ingest"),
                    "BINLINE_BROKER_URL": self.broker.nats_url(),
                },
            ),
            _ours(
                "work",
                ("cloud", "work"),
                signing
                | {
                    "BINLINE_JOBS_DSN": _dsn(self.database, self.secrets, "jobs"),
                    "BINLINE_SMTP_URL": f"smtp://127.0.0.1:{where.smtp_port}",
                    "BINLINE_MAIL_FROM": MAIL_FROM,
                    "BINLINE_WEBHOOK_ALLOWED_HOSTS": f"127.0.0.1:{where.catcher_port}",
                },
            ),
            Program(
                name="catcher",
                argv=(
                    *(sys.executable, "-m", "cloud.embedded.catcher"),
                    *("--home", str(self.home / "catcher")),
                    *("--smtp-port", str(where.smtp_port), "--http-port", str(where.catcher_port)),
                ),
                env={"BINLINE_CATCHER_SECRET": self.secrets.webhook_secret},
            ),
        ]

    def simulator(self, site: demo_site.DemoSite, weights: Mapping[str, int]) -> Program:
        plan = self.home / "plan.json"
        plan.write_text(json.dumps(demo_site.plan_of(site, weights)))
        simulate: tuple[str, ...] = (
            "edge",
            "simulate",
            "--plan",
            str(plan),
            "--dir",
            str(self._ports),
        )
        if site.keeps_ledger:
            simulate += ("--ledger", str(self.home / "ledger.jsonl"))
        return _ours("simulator", simulate, {})

    def agents(self, site: demo_site.DemoSite) -> list[Program]:
        files = demo_site.GatewayFiles(
            folder=self.home / "gateways",
            ports=self._ports,
            broker_url=f"mqtt://127.0.0.1:{self.broker.port}",
        )
        agents = []
        for gateway in site.gateways:
            password = self.broker.passwords[gateway]
            settings = demo_site.write_gateway(site, gateway, password, files)
            agents.append(_ours(gateway, ("edge", "run", "--settings", str(settings)), {}))
        return agents

    @property
    def _ports(self) -> Path:
        return self.home / "ports"


@dataclass(kw_only=True)
class _Wall:
    """The wall's API, asked as operations would."""

    url: str
    password: str
    since: datetime  # what was measured before is of an earlier life
    _client: httpx.Client | None = None

    def has_readings(self) -> bool:
        try:
            if self._client is None:
                self._client = self._log_in()
            bins = self._client.get("/api/bins")
            return bins.is_success and self._most_are_new(bins.json())
        except httpx.HTTPError:
            return False

    def _most_are_new(self, bins: list[dict[str, str | None]]) -> bool:
        measured = [datetime.fromisoformat(at) for bin_ in bins if (at := bin_["measured_at"])]
        return sum(at > self.since for at in measured) * 2 > len(bins)

    def _log_in(self) -> httpx.Client:
        client = httpx.Client(
            base_url=self.url, timeout=REQUEST_S_MAX, headers={"Origin": self.url}, trust_env=False
        )
        said = client.post(
            "/login", data={"email": demo_site.OPERATIONS, "password": self.password}
        )
        if said.is_error:
            raise EmbeddedError(f"operations cannot log in: {said.status_code} {said.text[:200]}")
        return client


def _part(
    program: Program, stage: int, ready: Callable[[], bool], ready_s_max: float = READY_S_MAX
) -> Part:
    return Part(program=program, stage=stage, ready=ready, ready_s_max=ready_s_max)


def _at_once() -> bool:
    return True


def _ours(name: str, words: tuple[str, ...], env: Mapping[str, str]) -> Program:
    argv = (sys.executable, "-m", "edge_agent.cli.main", *words)
    return Program(name=name, argv=argv, env={"PYTHONUNBUFFERED": "1", **env})


def _dsn(database: postgres.EmbeddedPostgres, ours: Secrets, process: str) -> str:
    role = f"binline_{process}"
    return database.dsn(role, ours.database[role])


def _get(url: str) -> bool:
    with suppress(httpx.HTTPError):
        return httpx.get(url, timeout=REQUEST_S_MAX, trust_env=False).is_success
    return False


def _secrets(home: Path, site: demo_site.DemoSite) -> Secrets:
    def make() -> str:
        people = (demo_site.OPERATIONS, *(one.email for one in site.suppliers))
        return json.dumps(
            {
                "secret_key": secrets.token_hex(32),
                "webhook_secret": secret_of(secrets.token_bytes(32)),
                "database": {role: secrets.token_hex(24) for role in migrate.LOGIN_ROLES},
                "people": {email: _password() for email in people},
            },
            indent=2,
        )

    return Secrets(**json.loads(kept(home / "secrets", make)))


def _password() -> str:
    """To be read from one screen and typed into another: 60 bits in three groups."""
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(4)) for _ in range(3))


def _forget(home: Path) -> None:
    """Only what a demo makes: somebody may have chosen a home that holds more than that."""
    postgres.forget(home / "postgres")
    for folder in ("broker", "catcher", "gateways", "logs", "ports"):
        shutil.rmtree(home / folder, ignore_errors=True)
    for file in ("secrets", "plan.json", "ledger.jsonl"):
        (home / file).unlink(missing_ok=True)


def _tell(addresses: Addresses, ours: Secrets, home: Path) -> None:
    width = max(len(email) for email in ours.people)
    click.echo(f"\nBinline runs at {click.style(addresses.url, bold=True)}\n")
    for email, password in ours.people.items():
        click.echo(f"  {email:<{width}}  {password}")
    click.echo(f"\nMails and webhooks are caught at {addresses.catcher_url}")
    click.echo(f"Logs are in {home / 'logs'}")
    click.echo("Ctrl-C stops everything, the data is kept.\n")


def _open(url: str) -> None:
    # Without a screen Python would open a text browser in this very terminal.
    if sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        webbrowser.open(url)


def _refuse(text: str) -> int:
    click.echo(text, err=True)
    return EXIT_CHECK_FAILED
