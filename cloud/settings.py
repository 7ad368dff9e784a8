"""What a process of the cloud is told by its environment, checked before anything starts.

Each process asks only for what is its own, so it never holds a log-in that it does not need:

    migrate   BINLINE_ADMIN_DSN
    ingest    BINLINE_INGEST_DSN, BINLINE_BROKER_URL
    work      BINLINE_JOBS_DSN, BINLINE_PUBLIC_URL, BINLINE_SECRET_KEY, BINLINE_SMTP_URL,
              BINLINE_MAIL_FROM
    serve     BINLINE_PORTAL_DSN, BINLINE_AUTH_DSN, BINLINE_PUBLIC_URL, BINLINE_SECRET_KEY
    letters, gateway, aside, verify
              BINLINE_JOBS_DSN, and BINLINE_INGEST_DSN to replay

A secret that is short or a well-known placeholder is refused: it would be found out too late.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal
from urllib.parse import SplitResult, unquote, urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict

Environment = Mapping[str, str]

BROKER_PORTS = {"mqtt": 1883, "mqtts": 8883, "nats": 4222, "tls": 4222}
COUNT_MAX = 10**9
PASSWORD_CHARS_MIN = 8
SECRET_KEY_BYTES_MIN = 32
SECRET_KEY_DISTINCT_MIN = (
    8  # 32 random bytes have about 30 different ones, a placeholder one or two
)
PLACEHOLDER = re.compile(
    r"(?i).*(change.?me|replace.?me|placeholder|todo|your.?(password|secret)|x{6,}|<.*>).*"
    r"|password\d*|secret\d*|postgres|example|admin\d*|12345678\d*|qwerty.*"
)
DAYS_MIN, DAYS_MAX = 31, 36_500  # the database itself refuses to drop the last month
INSTANCE = re.compile(r"[a-z0-9][a-z0-9-]{0,15}")
MAIL_ADDRESS = re.compile(r"[^@\s<>,]+@[^@\s<>,]+")
HOST_NAME = re.compile(r"[A-Za-z0-9.:\[\]-]+")


class SettingsError(Exception):
    """A setting is missing or not usable: which one, what is wrong with it, what is allowed."""


@dataclass(frozen=True, kw_only=True)
class BrokerAddress:
    """Where gateways publish.

    By NATS several processes of ingest share the work; by MQTT where the broker speaks shared
    subscriptions and the settings say so.
    """

    protocol: Literal["mqtt", "nats"]
    host: str
    port: int
    tls: bool
    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class SmtpAddress:
    """Where mail is handed over; an empty user means that no log-in is asked for."""

    host: str
    port: int
    tls: bool  # from the first byte (smtps); otherwise STARTTLS when the server offers it
    user: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True)
class Keeping:
    """How long what is kept. Nothing is accepted that would be dropped as soon as it comes."""

    readings: timedelta = timedelta(days=400)
    rollups: timedelta = timedelta(days=1_100)
    accepted: timedelta = timedelta(days=400)  # older readings are set aside
    packed: timedelta = timedelta(days=35)  # after the longest time a gateway is offline


@dataclass(frozen=True, kw_only=True)
class MigrateSettings:
    admin_dsn: str = field(repr=False)
    passwords: Mapping[str, str] = field(
        repr=False
    )  # role -> password, from the log-ins that are set


@dataclass(frozen=True, kw_only=True)
class IngestSettings:
    dsn: str = field(repr=False)
    broker: BrokerAddress
    instance: str = "1"
    shared: bool = False  # an MQTT subscription that several processes have together
    readings_s: int = 100_000  # of one gateway, before it is shed
    bytes_s: int = 4_000_000
    accepted: timedelta = Keeping.accepted
    metrics_port: int | None = None


@dataclass(frozen=True, kw_only=True)
class OperatingSettings:
    """For who looks after it by the command line."""

    jobs_dsn: str = field(repr=False)
    ingest_dsn: str = field(default="", repr=False)

    def needed_ingest_dsn(self) -> str:
        if not self.ingest_dsn:
            raise SettingsError("BINLINE_INGEST_DSN is not set; what is replayed goes in by it")
        return self.ingest_dsn


@dataclass(frozen=True, kw_only=True)
class JobsSettings:
    dsn: str = field(repr=False)
    public_url: str
    secret_key: bytes = field(repr=False)
    smtp: SmtpAddress
    mail_from: str
    webhook_allowed_hosts: frozenset[str] = frozenset()
    metrics_port: int | None = None
    keeping: Keeping = Keeping()


@dataclass(frozen=True, kw_only=True)
class HttpSettings:
    portal_dsn: str = field(repr=False)
    auth_dsn: str = field(repr=False)
    public_url: str  # without a slash at the end
    secret_key: bytes = field(repr=False)
    host: str = "127.0.0.1"
    port: int = 8420

    @property
    def https(self) -> bool:
        return self.public_url.startswith("https://")


def migrate_settings(env: Environment) -> MigrateSettings:
    return MigrateSettings(admin_dsn=_dsn(env, "BINLINE_ADMIN_DSN"), passwords=_passwords(env))


def ingest_settings(env: Environment) -> IngestSettings:
    return IngestSettings(
        dsn=_dsn(env, "BINLINE_INGEST_DSN"),
        broker=_broker(env, "BINLINE_BROKER_URL"),
        instance=_matching(
            env, "BINLINE_INGEST_INSTANCE", INSTANCE, "1 to 16 of a-z, 0-9 and -", default="1"
        ),
        shared=_yes(env, "BINLINE_INGEST_SHARED"),
        readings_s=_count(env, "BINLINE_GATEWAY_READINGS_S", IngestSettings.readings_s),
        bytes_s=_count(env, "BINLINE_GATEWAY_BYTES_S", IngestSettings.bytes_s),
        accepted=keeping(env).accepted,
        metrics_port=_optional_port(env, "BINLINE_METRICS_PORT"),
    )


def operating_settings(env: Environment) -> OperatingSettings:
    ingest = env.get("BINLINE_INGEST_DSN", "").strip()
    return OperatingSettings(
        jobs_dsn=_dsn(env, "BINLINE_JOBS_DSN"),
        ingest_dsn=_dsn(env, "BINLINE_INGEST_DSN") if ingest else "",
    )


def editing_dsn(env: Environment) -> str:
    """For whoever takes in files or gives them out: they do as operations do."""
    return _dsn(env, "BINLINE_PORTAL_DSN")


def jobs_settings(env: Environment) -> JobsSettings:
    return JobsSettings(
        dsn=_dsn(env, "BINLINE_JOBS_DSN"),
        public_url=_public_url(env, "BINLINE_PUBLIC_URL"),
        secret_key=_secret_key(env, "BINLINE_SECRET_KEY"),
        smtp=_smtp(env, "BINLINE_SMTP_URL"),
        mail_from=_matching(
            env, "BINLINE_MAIL_FROM", MAIL_ADDRESS, "one mail address, like orders@example.com"
        ),
        webhook_allowed_hosts=_hosts(env, "BINLINE_WEBHOOK_ALLOWED_HOSTS"),
        metrics_port=_optional_port(env, "BINLINE_METRICS_PORT"),
        keeping=keeping(env),
    )


def http_settings(env: Environment) -> HttpSettings:
    return HttpSettings(
        portal_dsn=_dsn(env, "BINLINE_PORTAL_DSN"),
        auth_dsn=_dsn(env, "BINLINE_AUTH_DSN"),
        public_url=_public_url(env, "BINLINE_PUBLIC_URL"),
        secret_key=_secret_key(env, "BINLINE_SECRET_KEY"),
        host=_matching(
            env, "BINLINE_HTTP_HOST", HOST_NAME, "a host name or address", default="127.0.0.1"
        ),
        port=_optional_port(env, "BINLINE_HTTP_PORT") or 8420,
    )


def keeping(env: Environment) -> Keeping:
    """Asked for by whoever takes readings in and by whoever drops them: the two must agree."""
    readings = _days(env, "BINLINE_READINGS_DAYS", Keeping.readings)
    accepted = _days(env, "BINLINE_ACCEPTED_DAYS", min(Keeping.accepted, readings))
    rollups = _days(env, "BINLINE_ROLLUPS_DAYS", max(Keeping.rollups, readings))
    if accepted > readings:
        raise SettingsError(
            f"BINLINE_ACCEPTED_DAYS is {accepted.days}; it must be at most BINLINE_READINGS_DAYS"
            f" ({readings.days}), or readings would be dropped as soon as they come"
        )
    if rollups < readings:
        raise SettingsError(
            f"BINLINE_ROLLUPS_DAYS is {rollups.days}; it must be at least BINLINE_READINGS_DAYS"
            f" ({readings.days}), because hours outlast their readings"
        )
    packed = _days(env, "BINLINE_PACKED_AFTER_DAYS", Keeping.packed)
    return Keeping(readings=readings, rollups=rollups, accepted=accepted, packed=packed)


def _days(env: Environment, name: str, default: timedelta) -> timedelta:
    text = env.get(name, "").strip() or str(default.days)
    if not text.isascii() or not text.isdigit() or not DAYS_MIN <= int(text) <= DAYS_MAX:
        raise SettingsError(f"{name} is {text!r}; it must be {DAYS_MIN} to {DAYS_MAX} days")
    return timedelta(days=int(text))


def _required(env: Environment, name: str, allowed: str) -> str:
    text = env.get(name, "").strip()
    if not text:
        raise SettingsError(f"{name} is not set; it must be {allowed}")
    return text


def _matching(
    env: Environment, name: str, pattern: re.Pattern[str], allowed: str, default: str | None = None
) -> str:
    text = env.get(name, "").strip() or default or ""
    if not text:
        raise SettingsError(f"{name} is not set; it must be {allowed}")
    if pattern.fullmatch(text) is None:
        raise SettingsError(f"{name} is {text!r}; it must be {allowed}")
    return text


def _dsn(env: Environment, name: str) -> str:
    """A log-in may have no password (a certificate, a password file), but not a poor one."""
    text = _required(env, name, "postgresql://user:password@host:port/database")
    password = _parsed_dsn(name, text).get("password")
    if password:
        _check_password(name, str(password))
    return text


def _parsed_dsn(name: str, text: str) -> dict[str, object]:
    try:
        return dict(conninfo_to_dict(text))
    except psycopg.ProgrammingError:
        # The parser's own words may quote the password.
        raise SettingsError(
            f"{name} cannot be read; it must be postgresql://user:password@host:port/database"
        ) from None


def _passwords(env: Environment) -> dict[str, str]:
    """The passwords the processes will log in with, for the roles that migrate makes."""
    found: dict[str, str] = {}
    for name in ("INGEST", "JOBS", "PORTAL", "AUTH"):
        variable = f"BINLINE_{name}_DSN"
        if env.get(variable, "").strip():
            parsed = _parsed_dsn(variable, _dsn(env, variable))
            if parsed.get("password"):
                found[str(parsed.get("user", ""))] = str(parsed["password"])
    return found


def _broker(env: Environment, name: str) -> BrokerAddress:
    allowed = (
        "mqtt://user:password@host:port, mqtts://… with TLS,"
        " or nats://user:password@host:port, tls://… with TLS"
    )
    url = _url(env, name, BROKER_PORTS, allowed)
    password = unquote(url.password or "")
    if not url.username or not password:
        raise SettingsError(f"{name} names no user and password; it must be {allowed}")
    _check_password(name, password)
    return BrokerAddress(
        host=str(url.hostname),
        protocol="mqtt" if url.scheme.startswith("mqtt") else "nats",
        port=url.port or BROKER_PORTS[url.scheme],
        tls=url.scheme in {"mqtts", "tls"},
        user=unquote(url.username),
        password=password,
    )


def _smtp(env: Environment, name: str) -> SmtpAddress:
    allowed = "smtp://[user:password@]host:port or smtps://[user:password@]host:port"
    url = _url(env, name, {"smtp": 25, "smtps": 465}, allowed)
    password = unquote(url.password or "")
    if url.username:
        _check_password(name, password)
    return SmtpAddress(
        host=str(url.hostname),
        port=url.port or (465 if url.scheme == "smtps" else 25),
        tls=url.scheme == "smtps",
        user=unquote(url.username or ""),
        password=password,
    )


def _public_url(env: Environment, name: str) -> str:
    allowed = "http(s)://host[:port], as people type it, without a path"
    url = _url(env, name, {"http": 80, "https": 443}, allowed)
    if url.path not in ("", "/") or url.query or url.fragment or url.username:
        raise SettingsError(f"{name} has more than scheme, host and port; it must be {allowed}")
    return f"{url.scheme}://{url.netloc}"


def _url(env: Environment, name: str, schemes: Mapping[str, int], allowed: str) -> SplitResult:
    text = _required(env, name, allowed)
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise SettingsError(f"{name} cannot be read; it must be {allowed}") from None
    if url.scheme not in schemes or not url.hostname or port == 0:
        raise SettingsError(f"{name} cannot be read; it must be {allowed}")
    return url


def _secret_key(env: Environment, name: str) -> bytes:
    allowed = (
        f"at least {SECRET_KEY_BYTES_MIN} random bytes in hex"
        ' (python3 -c "import secrets; print(secrets.token_hex(32))")'
    )
    text = _required(env, name, allowed)
    try:
        key = bytes.fromhex(text)
    except ValueError:
        raise SettingsError(f"{name} is not hex; it must be {allowed}") from None
    if len(key) < SECRET_KEY_BYTES_MIN:
        raise SettingsError(f"{name} has {len(key)} bytes; it must be {allowed}")
    if len(set(key)) < SECRET_KEY_DISTINCT_MIN:
        raise SettingsError(f"{name} is a placeholder; it must be {allowed}")
    return key


def _check_password(name: str, password: str) -> None:
    if len(password) < PASSWORD_CHARS_MIN:
        raise SettingsError(
            f"the password in {name} is short; it must have {PASSWORD_CHARS_MIN} characters or more"
        )
    if PLACEHOLDER.fullmatch(password):
        raise SettingsError(f"the password in {name} is a placeholder; choose a random one")


def _optional_port(env: Environment, name: str) -> int | None:
    text = env.get(name, "").strip()
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:  # noqa: PLR2004 - the last port there is
        raise SettingsError(f"{name} is {text!r}; it must be a port, 1 to 65535")
    return int(text)


def _count(env: Environment, name: str, default: int) -> int:
    text = env.get(name, "").strip() or str(default)
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= COUNT_MAX:
        raise SettingsError(f"{name} is {text!r}; it must be a whole number, 1 to {COUNT_MAX}")
    return int(text)


def _yes(env: Environment, name: str) -> bool:
    text = env.get(name, "").strip() or "no"
    if text not in {"yes", "no"}:
        raise SettingsError(f"{name} is {text!r}; it must be yes or no")
    return text == "yes"


def _hosts(env: Environment, name: str) -> frozenset[str]:
    hosts = frozenset(host.strip().lower() for host in env.get(name, "").split(",") if host.strip())
    for host in hosts:
        if HOST_NAME.fullmatch(host) is None:
            raise SettingsError(f"{name} holds {host!r}; it must be host names, parted by commas")
    return hosts
