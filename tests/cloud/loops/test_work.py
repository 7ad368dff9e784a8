"""The real loops on a real database, with a real mail server and a real web server."""

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import psycopg
import pytest
from aiosmtpd.controller import Controller
from psycopg import sql

from cloud.core.signatures import is_signed, secret_of
from cloud.loops import work
from cloud.loops.follow import FollowLoop
from cloud.postgres import tracks
from cloud.settings import JobsSettings, SmtpAddress

SECRET = secret_of(bytes(range(32)))


def wait_for(state: Callable[[], object], limit_s: float = 20) -> None:
    until = time.monotonic() + limit_s
    while not state():
        assert time.monotonic() < until, "it did not come to pass"
        time.sleep(0.02)


class Mailbox:
    def __init__(self) -> None:
        self.mails: list[bytes] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.mails.append(envelope.content)
        return "250 kept"


class Hook(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): text for name, text in self.headers.items()}
        server: Any = self.server
        server.seen.append((headers, body))
        self.send_response(server.statuses.pop(0) if server.statuses else 204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def mailbox() -> Iterator[Any]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    mailbox: Any = Mailbox()
    controller = Controller(mailbox, hostname="127.0.0.1", port=port)
    controller.start()
    mailbox.port = port
    yield mailbox
    controller.stop()


@pytest.fixture
def hook() -> Iterator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    server.seen, server.statuses = [], []
    server.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def settings(database: Any, mailbox: Any) -> JobsSettings:
    return JobsSettings(
        dsn=database.dsn("binline_jobs"),
        public_url="https://binline.example",
        secret_key=bytes(range(32)),
        smtp=SmtpAddress(host="127.0.0.1", port=mailbox.port, tls=False),
        mail_from="alerts@binline.example",
        webhook_allowed_hosts=frozenset({"127.0.0.1"}),
    )


@contextmanager
def working(settings: JobsSettings) -> Iterator[threading.Thread]:
    """The loops, until the block is left; they must then end in time, and without an exception."""
    stop, failed = threading.Event(), []

    def run() -> None:
        try:
            work.run_work(settings, stop)
        except Exception as error:
            failed.append(error)
            raise

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield thread
    finally:
        stop.set()
        thread.join(10)
    assert not thread.is_alive(), "it did not end within ten seconds"
    assert not failed


LOOPS = 5  # follow, assess, send, keep, clock


def sent(shelf: Any) -> int:
    return sum(row["state"] == "sent" for row in shelf.rows("notices"))


def test_a_low_bin_is_told_by_mail_and_webhook_and_a_refill_closes_the_order(
    shelf: Any, settings: JobsSettings, mailbox: Any, hook: Any
) -> None:
    shelf.channel("webhook", hook.url, SECRET)
    with working(settings):
        now = datetime.now(UTC)
        shelf.weigh(412, now - timedelta(seconds=150))
        wait_for(lambda: sent(shelf) == 2)
        # As if it had left in time: what comes before an order is not what it asked for.
        shelf.admin.execute("UPDATE orders SET sent_at = %s", (now - timedelta(seconds=140),))
        shelf.weigh(1_900, now - timedelta(seconds=125))
        shelf.weigh(1_900)  # and nobody took it back for two minutes
        wait_for(lambda: shelf.the_order()["state"] == "closed" and not shelf.rows("bin_due"))
    assert len(mailbox.mails) == 1
    ((headers, body),) = hook.seen
    assert is_signed(headers, body, SECRET, datetime.now(UTC))
    assert shelf.counts() == (1, 1, 2)


def test_two_processes_order_once_and_tell_once(
    shelf: Any, settings: JobsSettings, mailbox: Any
) -> None:
    with working(settings), working(settings):
        for pieces in (412, 411, 411, 410, 409):
            shelf.weigh(pieces)
            wait_for(lambda: not shelf.rows("bin_due"))
        wait_for(lambda: sent(shelf) == 1)
    assert shelf.counts() == (1, 1, 1)
    assert len(mailbox.mails) == 1


def test_a_number_that_was_too_old_is_looked_at_again_when_the_same_number_is_fresh(
    shelf: Any, settings: JobsSettings
) -> None:
    """A gateway that was cut off sends its past first; the present may show the same weight."""
    with working(settings):
        shelf.weigh(412, datetime.now(UTC) - timedelta(hours=1))
        loop = work.AssessLoop(threading.Event())
        with psycopg.connect(settings.dsn, autocommit=True) as conn:
            loop.round(conn)
        assert shelf.counts() == (0, 0, 0)
        shelf.weigh(412)
        wait_for(lambda: shelf.counts() == (1, 1, 1))


def test_a_bin_that_is_not_trusted_is_not_asked_about_again_and_again(
    shelf: Any, settings: JobsSettings
) -> None:
    shelf.weigh(412, condition="overload")
    loop = work.AssessLoop(threading.Event())
    with psycopg.connect(settings.dsn, autocommit=True) as conn:
        loop.round(conn)
        (due,) = work.bins.due(conn, 10)
        assert not loop._is_wanted(due)
        assert loop._is_wanted(replace(due, known=(datetime.now(UTC), *due.known[1:])))


def test_what_is_still_to_be_followed_is_followed_by_who_assesses(
    shelf: Any, settings: JobsSettings
) -> None:
    """A bin that is read many times a second would else never be found followed."""
    owed = threading.Event()
    loop = work.AssessLoop(threading.Event(), owed)
    with psycopg.connect(settings.dsn, autocommit=True) as conn:
        FollowLoop(threading.Event()).round(conn)
        shelf.weigh(412)
        shelf.admin.execute("UPDATE bin_levels SET followed_at = NULL, pieces = NULL")
        loop.round(conn)
    assert shelf.counts() == (1, 1, 1)
    assert owed.is_set(), "who sends is told"
    assert shelf.rows("bin_due") == []


def test_who_is_followed_by_somebody_else_stays_due(
    shelf: Any, database: Any, settings: JobsSettings
) -> None:
    with psycopg.connect(settings.dsn, autocommit=True) as conn:
        FollowLoop(threading.Event()).round(conn)
        shelf.weigh(412)
        shelf.admin.execute("UPDATE bin_levels SET followed_at = NULL, pieces = NULL")
        loop = work.AssessLoop(threading.Event())
        with database.connect("binline_jobs") as other:
            tracks.lock(other, tracks.now_of(other, [shelf.bin_id]))
            loop.round(conn)
            assert shelf.counts() == (0, 0, 0)
            assert [row["bin_id"] for row in shelf.rows("bin_due")] == [shelf.bin_id]
        shelf.weigh(412)
        loop.round(conn)
    assert shelf.counts() == (1, 1, 1)


def test_who_follows_wakes_who_assesses(shelf: Any, settings: JobsSettings) -> None:
    changed = threading.Event()
    loop = FollowLoop(threading.Event(), changed)
    with psycopg.connect(settings.dsn, autocommit=True) as conn:
        shelf.weigh(412)
        loop.round(conn)
        assert changed.is_set()
        changed.clear()
        shelf.weigh(412)
        loop.round(conn)
    assert not changed.is_set(), "nothing came of it"


def test_a_bin_that_cannot_be_assessed_does_not_hold_up_the_others(
    shelf: Any,
    make_shelf: Callable[[str], Any],
    settings: JobsSettings,
    caplog: pytest.LogCaptureFixture,
) -> None:
    other = make_shelf("HRT-R02-B5")
    # What it decides cannot be kept: a defect.
    shelf.admin.execute(f"ALTER TABLE decisions ADD CHECK (bin_id <> {shelf.bin_id})")
    with working(settings):
        shelf.weigh(412)
        other.weigh(412)
        wait_for(lambda: shelf.counts()[1] == 1)
        wait_for(lambda: [row["bin_id"] for row in shelf.rows("bin_due")] == [shelf.bin_id])
    told = [record for record in caplog.records if "set aside" in record.getMessage()]
    assert len(told) == 1


def test_what_fails_is_tried_again_with_the_same_id(
    make_shelf: Callable[[str], Any], settings: JobsSettings, hook: Any
) -> None:
    shelf = make_shelf("HRT-R02-B4")
    shelf.channel("webhook", hook.url, SECRET)
    hook.statuses = [500, 429]
    with working(settings):
        shelf.weigh(412)
        wait_for(lambda: len(hook.seen) == 1)
        wait_for(lambda: shelf.rows("notices")[0]["tries"] == 1)
        wait_for(lambda: len(hook.seen) == 2)  # five seconds later
        wait_for(lambda: shelf.rows("notices")[0]["tries"] == 2)
        shelf.admin.execute("UPDATE notices SET next_try_at = now()")  # instead of five minutes
        wait_for(lambda: sent(shelf) == 1)
    assert len({headers["webhook-id"] for headers, _ in hook.seen}) == 1
    assert len({body for _, body in hook.seen}) == 1
    details = [attempt["detail"] for attempt in shelf.rows("attempts")]
    assert details == ["HTTP 500", "HTTP 429", "HTTP 204"]


def test_what_is_refused_for_ever_is_given_up_and_said_aloud(
    make_shelf: Callable[[str], Any],
    settings: JobsSettings,
    hook: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    shelf = make_shelf("HRT-R02-B4")
    shelf.channel("webhook", hook.url, SECRET)
    hook.statuses = [410]
    with working(settings):
        shelf.weigh(412)
        wait_for(lambda: shelf.counts()[2] and shelf.rows("notices")[0]["state"] == "given_up")
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [record.getMessage() for record in errors] == [
        "RO-1001: given up telling by webhook: HTTP 410: the receiver wants no more of these"
    ]


def test_a_notice_whose_order_has_ended_is_not_sent_late(
    shelf: Any, settings: JobsSettings, mailbox: Any
) -> None:
    """Told then, the supplier would deliver a second time."""
    shelf.weigh(412)
    with psycopg.connect(settings.dsn, autocommit=True) as conn:
        loop = work.AssessLoop(threading.Event())
        loop.round(conn)
        shelf.weigh(1_900)
        loop.round(conn)
    with working(settings):
        wait_for(lambda: shelf.rows("notices")[0]["state"] == "given_up")
    assert mailbox.mails == []
    assert shelf.rows("attempts")[0]["detail"] == "not sent: the order has ended before"


def test_a_sender_that_died_has_its_notice_sent_by_another(
    shelf: Any, settings: JobsSettings, mailbox: Any
) -> None:
    shelf.weigh(412)
    with psycopg.connect(settings.dsn, autocommit=True) as conn:
        work.AssessLoop(threading.Event()).round(conn)
        taken = work.notices.claim(
            conn, now=datetime.now(UTC), lease=timedelta(seconds=2), busy_channels=(), repeats=True
        )
    assert taken is not None  # and then nothing more is heard of who took it
    with working(settings):
        wait_for(lambda: sent(shelf) == 1)
    assert len(mailbox.mails) == 1


def test_a_send_that_takes_longer_than_a_lease_is_not_taken_by_another(
    shelf: Any, settings: JobsSettings, mailbox: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "LEASE", timedelta(seconds=1))
    monkeypatch.setattr(work, "HOLD_EVERY_S", 0.2)
    with socket.create_server(("127.0.0.1", 0), backlog=64) as mute:
        shelf.channel("webhook", f"http://127.0.0.1:{mute.getsockname()[1]}/", SECRET)
        with working(settings), psycopg.connect(settings.dsn, autocommit=True) as other:
            shelf.weigh(412)
            wait_for(lambda: sent(shelf) == 1)  # the mail; the webhook is under way
            until = time.monotonic() + 2.5
            while time.monotonic() < until:
                assert not work.notices.claim(
                    other, now=datetime.now(UTC), lease=work.LEASE, busy_channels=(), repeats=True
                )
                time.sleep(0.1)


def test_receivers_that_drip_do_not_hold_up_the_others(
    shelf: Any, settings: JobsSettings, mailbox: Any
) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as mute:
        for number in range(20):
            shelf.channel("webhook", f"http://127.0.0.1:{mute.getsockname()[1]}/{number}", SECRET)
        with working(settings):
            begun = time.monotonic()
            shelf.weigh(412)
            wait_for(lambda: sent(shelf) == 1, 5)
            assert time.monotonic() - begun < 3
            stopping = time.monotonic()
        assert time.monotonic() - stopping < 8  # though twenty sends are under way


def test_what_came_back_just_before_the_end_is_still_written_down(
    shelf: Any, settings: JobsSettings, mailbox: Any
) -> None:
    shelf.weigh(412)
    loop = work.SendLoop(settings)
    with psycopg.connect(settings.dsn, autocommit=True) as conn:
        work.AssessLoop(threading.Event()).round(conn)
        loop.round(conn)  # starts the send, and does not wait for it
    loop.finish(settings.dsn)
    assert sent(shelf) == 1


def test_an_outage_of_the_database_is_waited_out_and_told_once(
    shelf: Any, settings: JobsSettings, database: Any, caplog: pytest.LogCaptureFixture
) -> None:
    name = sql.Identifier(database.name)
    caplog.set_level(logging.INFO, "cloud.loops.work")
    with (
        working(settings),
        psycopg.connect(database.server.dsn(database="postgres"), autocommit=True) as server,
    ):
        wait_for(lambda: _sessions(server, database.name) >= LOOPS)
        server.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(name))
        server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = %s AND usename = 'binline_jobs'",
            (database.name,),
        )
        wait_for(lambda: len(_told(caplog, "away")) == LOOPS)  # each loop, once
        server.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(name))
        shelf.weigh(412)
        wait_for(lambda: sent(shelf) == 1, 30)
        wait_for(lambda: len(_told(caplog, "back")) == LOOPS)
    assert len(_told(caplog, "away")) == LOOPS


def test_a_read_only_database_is_an_outage_too(
    shelf: Any, settings: JobsSettings, caplog: pytest.LogCaptureFixture
) -> None:
    read_only = replace(
        settings, dsn=settings.dsn + " options='-c default_transaction_read_only=on'"
    )
    shelf.weigh(412)
    with working(read_only):
        # While no order waits for its time, who watches the clock has nothing to write.
        wait_for(lambda: len(_told(caplog, "away")) == LOOPS - 1)
    assert shelf.counts() == (0, 0, 0)


def test_a_low_bin_whose_supplier_has_no_channel_is_said_aloud(
    make_shelf: Callable[[str], Any], settings: JobsSettings, caplog: pytest.LogCaptureFixture
) -> None:
    shelf = make_shelf("HRT-R02-B4")
    with working(settings):
        shelf.weigh(412)
        wait_for(lambda: "bin HRT-R02-B4: its supplier has no channel" in caplog.messages)


def test_a_pack_that_does_not_fit_is_told_once(
    shelf: Any, settings: JobsSettings, caplog: pytest.LogCaptureFixture
) -> None:
    shelf.admin.execute("UPDATE items SET pack = 1600")
    with working(settings):
        for pieces in (450, 449, 448):
            shelf.weigh(pieces)
            wait_for(lambda: not shelf.rows("bin_due"))
    assert len(_told(caplog, "not ordered")) == 1


def test_no_secret_and_no_link_is_ever_logged(
    shelf: Any,
    settings: JobsSettings,
    hook: Any,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(logging.getLogger("mail.log"), "disabled", True)  # the mail server's own
    shelf.channel("webhook", hook.url + "?key=canary", SECRET)
    hook.statuses = [500]
    with working(settings):
        shelf.weigh(412)
        wait_for(lambda: len(shelf.rows("attempts")) == 2)
    assert "told by email" in caplog.text
    assert SECRET not in caplog.text
    assert "canary" not in caplog.text
    assert "binline.example/a/" not in caplog.text
    assert "for-tests-only" not in caplog.text


def _told(caplog: pytest.LogCaptureFixture, word: str) -> list[str]:
    return [message for message in caplog.messages if word in message]


def _sessions(server: psycopg.Connection, name: str) -> int:
    row = server.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND usename = 'binline_jobs'",
        (name,),
    ).fetchone()
    assert row is not None
    return int(row[0])
