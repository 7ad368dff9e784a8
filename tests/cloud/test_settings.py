"""Settings are refused with a sentence that names the variable and what is allowed."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from cloud.settings import (
    BrokerAddress,
    SettingsError,
    SmtpAddress,
    http_settings,
    ingest_settings,
    jobs_settings,
    keeping,
    migrate_settings,
    operating_settings,
)

KEY = bytes(range(32))
ENV = {
    "BINLINE_ADMIN_DSN": "postgresql://binline_admin:correct-horse@db/binline",
    "BINLINE_INGEST_DSN": "postgresql://binline_ingest:battery-staple@db/binline",
    "BINLINE_JOBS_DSN": "postgresql://binline_jobs:battery-staple@db/binline",
    "BINLINE_PORTAL_DSN": "postgresql://binline_portal:battery-staple@db/binline",
    "BINLINE_AUTH_DSN": "host=db user=binline_auth password=battery-staple dbname=binline",
    "BINLINE_BROKER_URL": "mqtt://ingest:p%40ss-word-1@broker.local:1884",
    "BINLINE_PUBLIC_URL": "https://binline.example.org/",
    "BINLINE_SECRET_KEY": KEY.hex(),
    "BINLINE_SMTP_URL": "smtp://127.0.0.1:2525",
    "BINLINE_MAIL_FROM": "orders@example.org",
}
LOADERS: dict[str, Callable[[Mapping[str, str]], Any]] = {
    "migrate": migrate_settings,
    "ingest": ingest_settings,
    "jobs": jobs_settings,
    "http": http_settings,
    "operating": operating_settings,
}


def test_each_process_reads_its_own() -> None:
    ingest = ingest_settings(ENV)
    assert ingest.broker == BrokerAddress(
        protocol="mqtt",
        host="broker.local",
        port=1884,
        tls=False,
        user="ingest",
        password="p@ss-word-1",
    )
    assert (ingest.shared, ingest.readings_s, ingest.bytes_s) == (False, 100_000, 4_000_000)
    pulled = ingest_settings({**ENV, "BINLINE_BROKER_URL": "tls://ingest:p%40ss-word-1@b"}).broker
    assert (pulled.protocol, pulled.port, pulled.tls) == ("nats", 4222, True)
    operating = operating_settings(ENV)
    assert operating.jobs_dsn == ENV["BINLINE_JOBS_DSN"]
    assert operating.needed_ingest_dsn() == ENV["BINLINE_INGEST_DSN"]
    assert (ingest.instance, ingest.metrics_port) == ("1", None)

    jobs = jobs_settings({**ENV, "BINLINE_WEBHOOK_ALLOWED_HOSTS": " Localhost ,10.0.0.7,"})
    assert jobs.smtp == SmtpAddress(host="127.0.0.1", port=2525, tls=False)
    assert jobs.webhook_allowed_hosts == {"localhost", "10.0.0.7"}

    http = http_settings(ENV)
    assert (http.public_url, http.https) == ("https://binline.example.org", True)
    assert (http.secret_key, http.host, http.port) == (KEY, "127.0.0.1", 8420)

    assert migrate_settings(ENV).passwords == dict.fromkeys(
        ("binline_ingest", "binline_jobs", "binline_portal", "binline_auth"), "battery-staple"
    )


@pytest.mark.parametrize(
    ("loader", "needed"),
    [
        ("migrate", {"BINLINE_ADMIN_DSN"}),
        ("ingest", {"BINLINE_INGEST_DSN", "BINLINE_BROKER_URL"}),
        (
            "jobs",
            {
                "BINLINE_JOBS_DSN",
                "BINLINE_PUBLIC_URL",
                "BINLINE_SECRET_KEY",
                "BINLINE_SMTP_URL",
                "BINLINE_MAIL_FROM",
            },
        ),
        (
            "http",
            {
                "BINLINE_PORTAL_DSN",
                "BINLINE_AUTH_DSN",
                "BINLINE_PUBLIC_URL",
                "BINLINE_SECRET_KEY",
            },
        ),
    ],
)
def test_a_process_needs_its_own_and_nothing_else(loader: str, needed: set[str]) -> None:
    env = {name: value for name, value in ENV.items() if name in needed}
    LOADERS[loader](env)
    for name in needed:
        with pytest.raises(SettingsError, match=f"^{name} is not set; it must be "):
            LOADERS[loader]({**env, name: " "})


@pytest.mark.parametrize(
    ("loader", "name", "value", "says"),
    [
        ("http", "BINLINE_SECRET_KEY", "changeme", "is not hex"),
        ("http", "BINLINE_SECRET_KEY", "ab" * 31, "has 31 bytes"),
        ("http", "BINLINE_SECRET_KEY", "00" * 32, "is a placeholder"),
        ("http", "BINLINE_PUBLIC_URL", "binline.example.org", "http(s)://host"),
        ("http", "BINLINE_PUBLIC_URL", "https://example.org/wall", "without a path"),
        ("http", "BINLINE_HTTP_PORT", "80 80", "1 to 65535"),
        ("http", "BINLINE_HTTP_PORT", "0", "1 to 65535"),
        ("http", "BINLINE_HTTP_HOST", "a b", "host name"),
        ("http", "BINLINE_PORTAL_DSN", "postgresql://a:changeme@db/x", "placeholder"),
        ("http", "BINLINE_PORTAL_DSN", "postgresql://a:password1@db/x", "placeholder"),
        ("http", "BINLINE_PORTAL_DSN", "postgresql://a:<password>@db/x", "placeholder"),
        ("http", "BINLINE_PORTAL_DSN", "postgresql://a:short@db/x", "8 characters"),
        ("http", "BINLINE_PORTAL_DSN", "db.example.org", "cannot be read"),
        ("ingest", "BINLINE_BROKER_URL", "tcp://ingest:good-enough@b", "mqtt://"),
        ("ingest", "BINLINE_BROKER_URL", "mqtt://broker:1883", "no user"),
        ("ingest", "BINLINE_BROKER_URL", "mqtt://i:good-enough@b:99999", "mqtt://"),
        ("ingest", "BINLINE_INGEST_INSTANCE", "a.b", "1 to 16"),
        ("ingest", "BINLINE_METRICS_PORT", "-1", "a port"),
        ("ingest", "BINLINE_INGEST_SHARED", "1", "yes or no"),
        ("ingest", "BINLINE_GATEWAY_READINGS_S", "0", "a whole number"),
        ("ingest", "BINLINE_GATEWAY_BYTES_S", "4 MB", "a whole number"),
        ("ingest", "BINLINE_ACCEPTED_DAYS", "never", "days"),
        ("jobs", "BINLINE_SMTP_URL", "mail.example.org", "smtp://"),
        ("jobs", "BINLINE_SMTP_URL", "smtp://u:xxxxxxxx@h", "placeholder"),
        ("jobs", "BINLINE_MAIL_FROM", "a@b\nBcc: c@d", "mail address"),
        ("jobs", "BINLINE_WEBHOOK_ALLOWED_HOSTS", "ok.example,http://x", "host names"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(
    loader: str, name: str, value: str, says: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        LOADERS[loader]({**ENV, name: value})
    assert name in str(refused.value)
    assert says in str(refused.value)


def test_no_secret_is_shown_by_settings_or_by_their_refusal() -> None:
    shown = "".join(repr(load(ENV)) for load in LOADERS.values())
    for secret in ("battery-staple", "correct-horse", "p@ss-word-1", KEY.hex(), str(KEY)):
        assert secret not in shown
    with pytest.raises(SettingsError) as refused:
        http_settings({**ENV, "BINLINE_PORTAL_DSN": "postgresql://a:battery-staple@db:port/x y="})
    assert "battery-staple" not in str(refused.value)


def test_how_long_what_is_kept_is_checked_together() -> None:
    assert jobs_settings(ENV).keeping.readings.days == 400
    shorter = keeping({"BINLINE_READINGS_DAYS": "100"})
    assert (shorter.accepted.days, shorter.rollups.days) == (100, 1_100)
    assert ingest_settings({**ENV, "BINLINE_READINGS_DAYS": "90"}).accepted.days == 90
    for env, says in (
        ({"BINLINE_READINGS_DAYS": "7"}, "31 to 36500 days"),
        ({"BINLINE_READINGS_DAYS": "a year"}, "31 to 36500 days"),
        ({"BINLINE_READINGS_DAYS": "90", "BINLINE_ACCEPTED_DAYS": "91"}, "dropped as soon"),
        ({"BINLINE_ROLLUPS_DAYS": "100"}, "hours outlast their readings"),
    ):
        with pytest.raises(SettingsError, match=says):
            keeping(env)
