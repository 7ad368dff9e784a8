"""Ingest as a process of its own, over a real broker and a real database, with the plugs pulled."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import psycopg
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from cloud.embedded import broker, postgres, programs
from cloud.intake.hand_over import Delivery
from cloud.loops import ingest as ingest_loop
from cloud.postgres import migrate
from edge_agent.wire import codec, messages, topics
from tests.cloud import ingest_cases as cases
from tests.cloud.ingest_cases import STREAM, counting

LIMIT_S = 30
PASSWORD = "for-tests-only"


def eventually(reached: Callable[[], bool], what: str, limit_s: float = LIMIT_S) -> None:
    until = time.monotonic() + limit_s
    while not reached():
        assert time.monotonic() < until, f"not within {limit_s} s: {what}"
        time.sleep(0.05)


class Gateway:
    """Speaks as lindau-1 and remembers the last acknowledgement. Connects again by itself."""

    def __init__(self, embedded: broker.EmbeddedBroker) -> None:
        self.acks: list[messages.Ack] = []
        self.client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id="lindau-1", protocol=paho.MQTTv311
        )
        self.client.username_pw_set("lindau-1", embedded.passwords["lindau-1"])
        self.client.on_message = self._heard
        self.client.on_connect = lambda client, *_: client.subscribe(topics.ack("lindau-1"), 1)
        self.client.reconnect_delay_set(1, 1)
        self.client.connect("127.0.0.1", embedded.port)
        self.client.loop_start()

    def say(self, message: messages.UpMessage) -> None:
        self.client.publish(topics.readings("lindau-1"), codec.encode(message), 1)

    def acknowledged(self) -> int:
        return max((ack.committed_upto for ack in self.acks if not ack.holes), default=0)

    def leave(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def _heard(self, _client: Any, _userdata: Any, message: paho.MQTTMessage) -> None:
        heard = codec.decode(message.payload)
        assert isinstance(heard, messages.Ack)
        self.acks.append(heard)


@dataclass
class Ingest:
    """The process, started as the command starts it."""

    env: dict[str, str]
    log: Path
    child: subprocess.Popen[bytes] | None = field(default=None)

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.child = subprocess.Popen(
                [sys.executable, "-c", "from cloud.cli.cloud import cloud; cloud()", "ingest"],
                env={**os.environ, **self.env},
                stdout=log,
                stderr=log,
            )

    def end(self, number: signal.Signals) -> int:
        assert self.child is not None
        self.child.send_signal(number)
        return self.child.wait(10)

    def said(self) -> str:
        return self.log.read_text()


@pytest.fixture
def nats(
    tmp_path: Path,
) -> Iterator[tuple[broker.EmbeddedBroker, Callable[[], Any], Callable[[], None]]]:
    """The broker, and the ways to start it again and to kill it."""
    embedded = broker.prepare(tmp_path / "broker", ["lindau-1"])
    children = []

    def start() -> subprocess.Popen[bytes]:
        child = programs.spawn(embedded.program, tmp_path / "broker" / "log")
        children.append(child)
        broker.wait_until_up(embedded, LIMIT_S, gone=child)
        return child

    def kill() -> None:
        children[-1].kill()
        children[-1].wait()

    start()
    yield embedded, start, kill
    for child in children:
        child.kill()
        child.wait()


@pytest.fixture
def stage(database: Any, nats: Any, tmp_path: Path) -> Iterator[Any]:
    embedded, *_ = nats
    with database.admin() as admin:
        cases.make_site(admin)
        ingest = Ingest(
            env={
                "BINLINE_INGEST_DSN": database.dsn("binline_ingest"),
                "BINLINE_BROKER_URL": embedded.url("ingest"),
            },
            log=tmp_path / "ingest.log",
        )
        ingest.start()
        gateway = Gateway(embedded)
        eventually(lambda: "connected to the broker" in ingest.said(), "ingest is connected")
        yield admin, ingest, gateway
        gateway.leave()
        assert ingest.child is not None
        ingest.child.kill()
        ingest.child.wait()


def test_what_is_acknowledged_is_committed_and_a_signal_ends_it_in_time(stage: Any) -> None:
    admin, ingest, gateway = stage
    gateway.say(counting(1, 10))
    gateway.say(counting(11, 20))
    eventually(lambda: gateway.acknowledged() == 20, "both batches are acknowledged")
    assert cases.seqs(admin) == list(range(1, 21))
    assert gateway.acks[-1].stream == STREAM

    began = time.monotonic()
    assert ingest.end(signal.SIGTERM) == 0
    assert time.monotonic() - began < 10


def test_killed_without_warning_it_takes_up_what_the_broker_kept(stage: Any) -> None:
    admin, ingest, gateway = stage
    for first in range(1, 200, 2):
        gateway.say(counting(first, first + 1))
        if first == 51:
            assert ingest.end(signal.SIGKILL) == -signal.SIGKILL
    ingest.start()
    eventually(lambda: cases.seqs(admin) == list(range(1, 201)), "every reading, once")
    eventually(lambda: gateway.acknowledged() == 200, "the last batch is acknowledged")


def test_a_broker_killed_and_started_again_is_found_again(stage: Any, nats: Any) -> None:
    _, ingest, gateway = stage
    _, start, kill = nats
    gateway.say(counting(1, 2))
    eventually(lambda: gateway.acknowledged() == 2, "the first batch is acknowledged")
    kill()
    eventually(lambda: "no connection to the broker" in ingest.said(), "it noticed")
    start()
    eventually(lambda: ingest.said().count("connected to the broker") == 2, "it is back")
    eventually(gateway.client.is_connected, "the gateway is back")
    gateway.say(counting(3, 4))
    eventually(lambda: gateway.acknowledged() == 4, "the second batch is acknowledged")


@pytest.fixture
def own_postgres(public_tmp: Path, tmp_path: Path) -> Iterator[Any]:
    """A server that may be killed, with fsync on."""
    home = public_tmp / f"killed-{tmp_path.name}"
    server = postgres.prepare(home)
    children = []

    def start() -> subprocess.Popen[bytes]:
        child = programs.spawn(server.program, home / "log")
        children.append(child)
        postgres.wait_until_up(server.dsn(database="postgres"), 60, gone=child)
        return child

    child = start()
    postgres.ensure_database(server)
    with psycopg.connect(server.dsn()) as conn:
        migrate.migrate(conn)
        migrate.set_passwords(conn, {"binline_ingest": PASSWORD})
    yield server, child, start
    for one in children:
        one.send_signal(signal.SIGINT)
        one.wait(30)


def test_a_database_killed_in_the_middle_costs_time_and_no_reading(
    own_postgres: Any, nats: Any, tmp_path: Path
) -> None:
    server, child, start = own_postgres
    embedded, *_ = nats
    options = "-c search_path=binline -c timezone=UTC"
    with psycopg.connect(server.dsn(), autocommit=True, options=options) as admin:
        cases.make_site(admin)
    ingest = Ingest(
        env={
            "BINLINE_INGEST_DSN": server.dsn("binline_ingest", PASSWORD),
            "BINLINE_BROKER_URL": embedded.url("ingest"),
        },
        log=tmp_path / "ingest.log",
    )
    ingest.start()
    gateway = Gateway(embedded)
    try:
        eventually(lambda: "connected to the broker" in ingest.said(), "ingest is connected")
        stop = threading.Event()
        speaking = threading.Thread(target=_keep_saying, args=(gateway, stop))
        speaking.start()
        eventually(lambda: gateway.acknowledged() > 100, "some are in")
        child.kill()
        child.wait()
        eventually(lambda: "trying again" in ingest.said(), "ingest noticed")
        start()
        eventually(lambda: "the database is back" in ingest.said(), "ingest is back")
        stop.set()
        speaking.join()
        last = gateway.said_upto  # type: ignore[attr-defined] # set by the thread above
        eventually(lambda: gateway.acknowledged() == last, "all is acknowledged")
        with psycopg.connect(server.dsn(), autocommit=True, options=options) as admin:
            assert cases.seqs(admin) == list(range(1, last + 1))
        assert ingest.child is not None
        assert ingest.child.poll() is None, "it lived through it"
    finally:
        gateway.leave()
        ingest.end(signal.SIGTERM)


def _keep_saying(gateway: Any, stop: threading.Event) -> None:
    first = 1
    while not stop.wait(0.01):
        gateway.say(counting(first, first + 9))
        first += 10
    gateway.said_upto = first - 1


def test_a_database_that_takes_no_writes_is_waited_for(stage: Any, database: Any) -> None:
    admin, ingest, gateway = stage
    admin.execute("ALTER ROLE binline_ingest SET default_transaction_read_only = on")
    try:
        _cut_connections(admin)
        gateway.say(counting(1, 3))
        eventually(lambda: "trying again" in ingest.said(), "ingest noticed")
    finally:
        admin.execute("ALTER ROLE binline_ingest RESET default_transaction_read_only")
    eventually(lambda: gateway.acknowledged() == 3, "it is acknowledged once it can be")


def test_two_processes_share_the_work_and_the_death_of_one_loses_nothing(
    database: Any, nats: Any, tmp_path: Path
) -> None:
    embedded, *_ = nats
    with database.admin() as admin:
        cases.make_site(admin)
        env = {
            "BINLINE_INGEST_DSN": database.dsn("binline_ingest"),
            "BINLINE_BROKER_URL": embedded.nats_url(),
        }
        both = [Ingest(env=env, log=tmp_path / f"ingest-{number}.log") for number in (1, 2)]
        for one in both:
            one.start()
            eventually(lambda one=one: "connected to the broker" in one.said(), "it is connected")
        gateway = Gateway(embedded)
        try:
            for first in range(1, 400, 2):
                gateway.say(counting(first, first + 1))
                if first == 201:
                    eventually(lambda: gateway.acknowledged() > 0, "some are acknowledged")
                    assert both[0].end(signal.SIGKILL) == -signal.SIGKILL
            # What the dead one held comes again after the broker's waiting time.
            eventually(lambda: cases.seqs(admin) == list(range(1, 401)), "all, once", 60)
            eventually(lambda: gateway.acknowledged() == 400, "all is acknowledged")
            assert both[1].end(signal.SIGTERM) == 0
        finally:
            gateway.leave()
            for one in both:
                assert one.child is not None
                one.child.kill()
                one.child.wait()


def test_a_full_disk_and_a_held_table_are_waited_for_and_nothing_is_acknowledged(
    stage: Any,
) -> None:
    """PostgreSQL says the same to both kinds of want: try again later."""
    admin, ingest, gateway = stage
    admin.execute(
        "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE 'no space left on device' USING ERRCODE = 'disk_full'; END $$"
    )
    admin.execute("CREATE TRIGGER no_room BEFORE INSERT ON ledger EXECUTE FUNCTION no_room()")
    gateway.say(counting(1, 3))
    eventually(lambda: "no space left" in ingest.said(), "ingest noticed")
    assert gateway.acks == []
    admin.execute("DROP TRIGGER no_room ON ledger")
    eventually(lambda: gateway.acknowledged() == 3, "it recovers alone")

    with admin.transaction():
        admin.execute("LOCK TABLE readings IN ACCESS EXCLUSIVE MODE")
        gateway.say(counting(4, 6))
        eventually(lambda: "lock timeout" in ingest.said(), "it gives up waiting and tries again")
        assert gateway.acknowledged() == 3
    eventually(lambda: gateway.acknowledged() == 6, "it recovers alone")
    assert cases.seqs(admin) == [1, 2, 3, 4, 5, 6]
    assert ingest.child is not None
    assert ingest.child.poll() is None


def test_a_connection_lost_during_commit_is_found_out_and_stores_nothing_twice(
    stage: Any,
) -> None:
    """Whether it was committed, ingest cannot know; the ledger does."""
    admin, ingest, gateway = stage
    gateway.say(counting(1, 3))
    eventually(lambda: gateway.acknowledged() == 3, "it works")
    admin.execute(
        "CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$"
    )
    # A deferred trigger runs within COMMIT itself.
    admin.execute(
        "CREATE CONSTRAINT TRIGGER cut AFTER INSERT ON ledger DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW WHEN (new.first_seq = 4) EXECUTE FUNCTION cut()"
    )
    admin.execute("GRANT pg_signal_backend TO binline_ingest")
    try:
        gateway.say(counting(4, 6))
        eventually(lambda: "trying again" in ingest.said(), "ingest noticed")
        assert gateway.acknowledged() == 3
    finally:
        admin.execute("REVOKE pg_signal_backend FROM binline_ingest")
        admin.execute("DROP TRIGGER cut ON ledger")
    eventually(lambda: gateway.acknowledged() == 6, "it recovers alone")
    assert cases.seqs(admin) == [1, 2, 3, 4, 5, 6]


def test_a_statement_that_hangs_does_not_keep_it_from_stopping(stage: Any, database: Any) -> None:
    admin, ingest, gateway = stage
    admin.execute("ALTER ROLE binline_ingest SET lock_timeout = 0")
    try:
        _cut_connections(admin)
        with database.admin() as holding, holding.transaction():
            holding.execute("LOCK TABLE streams")
            gateway.say(counting(1, 3))
            eventually(lambda: _waits(admin), "ingest hangs")
            began = time.monotonic()
            assert ingest.end(signal.SIGTERM) == 0
            assert time.monotonic() - began < 10
    finally:
        admin.execute("ALTER ROLE binline_ingest SET lock_timeout = '5s'")
    ingest.start()
    eventually(lambda: gateway.acknowledged() == 3, "nothing was lost")
    assert cases.seqs(admin) == [1, 2, 3]


def _waits(admin: psycopg.Connection) -> bool:
    found = admin.execute(
        "SELECT 1 FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    ).fetchone()
    return found is not None


def _cut_connections(admin: psycopg.Connection) -> None:
    admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND usename = 'binline_ingest'"
    )


class Quiet:
    """A broker with which one is connected, or not, and from which nothing comes."""

    alive = True
    connected = False

    def take(self, **_: object) -> list[Delivery]:
        time.sleep(0.005)
        return []

    def done(self, deliveries: Sequence[Delivery]) -> None: ...

    def publish(self, topic: str, payload: bytes) -> None: ...

    def shed(self) -> Counter[str]:
        return Counter()


def test_who_fell_silent_is_called_offline_by_an_ingest_that_would_have_heard_it(
    database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest_loop, "SILENT_S", 0.3)
    monkeypatch.setattr(ingest_loop, "LOOK_AROUND_S", 0.01)
    quiet, stop = Quiet(), threading.Event()
    with database.admin() as admin, database.connect("binline_ingest") as conn:
        cases.make_site(admin)
        admin.execute("UPDATE gateways SET presence = 'online', presence_at = %s", (cases.NOW,))
        loop = ingest_loop.IngestLoop(quiet, lambda: conn)
        looks: list[float] = []
        look = loop._look_around

        def counted() -> None:
            looks.append(time.monotonic())
            look()

        monkeypatch.setattr(loop, "_look_around", counted)
        thread = threading.Thread(target=loop.run, args=(stop,))
        thread.start()
        eventually(lambda: bool(looks) and looks[-1] - looks[0] > 1.0, "it looked around for long")
        presence = "SELECT presence, presence_at FROM gateways"
        assert admin.execute(presence).fetchone() == ("online", cases.NOW), "it was deaf itself"

        quiet.connected = True
        offline = ("offline", cases.NOW)
        eventually(lambda: admin.execute(presence).fetchone() == offline, "it is called offline")
        stop.set()
        thread.join(LIMIT_S)
