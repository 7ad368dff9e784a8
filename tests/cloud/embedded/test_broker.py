"""The broker holds every gateway to its own topics, and keeps what it took through a kill."""

import dataclasses
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from cloud.embedded import broker, programs
from edge_agent.wire import topics

LIMIT_S = 10


class Client(paho.Client):
    """A real client that keeps what it was sent."""

    def __init__(
        self,
        embedded: broker.EmbeddedBroker,
        user: str,
        client_id: str = "",
        *,
        clean: bool = True,
        password: str | None = None,
        will: tuple[str, bytes] | None = None,
    ) -> None:
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id=client_id or user,
            protocol=paho.MQTTv311,
            clean_session=clean,
        )
        self.got: list[tuple[str, bytes]] = []
        self.answers: list[str] = []
        self.refused: list[str] = []
        self.on_message = lambda _c, _u, m: self.got.append((m.topic, m.payload))
        self.on_subscribe = lambda _c, _u, _m, codes, _p: self.answers.extend(map(str, codes))
        self.on_connect = lambda _c, _u, _f, code, _p: (
            self.refused.append(str(code)) if code.is_failure else None
        )
        if will is not None:
            self.will_set(*will, qos=1, retain=True)
        self.username_pw_set(user, embedded.passwords[user] if password is None else password)
        self.connect("127.0.0.1", embedded.port)
        self.loop_start()
        eventually(lambda: self.is_connected() or bool(self.refused))

    def listen(self, topic: str) -> str:
        before = len(self.answers)
        self.subscribe(topic, 1)
        eventually(lambda: len(self.answers) > before)
        return self.answers[-1]

    def say(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Returns when the broker has answered; a refused publish is answered too."""
        sent = self.publish(topic, payload, 1, retain=retain)
        eventually(sent.is_published)

    def leave(self) -> None:
        self.disconnect()
        self.loop_stop()

    def die(self) -> None:
        """Without a word, so that the will is carried out."""
        self.loop_stop()
        sock = self.socket()
        assert isinstance(sock, socket.socket)
        sock.shutdown(socket.SHUT_RDWR)


def eventually(reached: Callable[[], bool]) -> None:
    until = time.monotonic() + LIMIT_S
    while not reached():
        assert time.monotonic() < until, "not within the limit"
        time.sleep(0.01)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "broker"


@pytest.fixture
def start(home: Path) -> Iterator[Callable[[], tuple[broker.EmbeddedBroker, subprocess.Popen]]]:
    children = []

    def starter() -> tuple[broker.EmbeddedBroker, subprocess.Popen]:
        embedded = broker.prepare(home, ["gw-a", "gw-b"])
        child = programs.spawn(embedded.program, home / "log")
        children.append(child)
        broker.wait_until_up(embedded, 30, gone=child)
        return embedded, child

    yield starter
    for child in children:
        child.terminate()
        child.wait(10)


Start = Callable[[], tuple[broker.EmbeddedBroker, subprocess.Popen]]


def probe(ingest: Client, gateway: str) -> None:
    """What was published before this has arrived, if it ever will: one broker, one order."""
    ingest.say(topics.ack(gateway), b"the end")


def test_a_gateway_says_and_hears_what_is_its_own(start: Start) -> None:
    embedded, _ = start()
    ingest = Client(embedded, "ingest", "binline-ingest-1")
    assert ingest.listen(topics.UP_READINGS_ALL) == "Granted QoS 1"
    assert ingest.listen(topics.UP_PRESENCE_ALL) == "Granted QoS 1"
    gateway = Client(embedded, "gw-a")
    assert gateway.listen(topics.ack("gw-a")) == "Granted QoS 1"

    gateway.say(topics.readings("gw-a"), b"readings")
    gateway.say(topics.presence("gw-a"), b"presence", retain=True)
    eventually(lambda: len(ingest.got) == 2)
    assert set(ingest.got) == {
        (topics.readings("gw-a"), b"readings"),
        (topics.presence("gw-a"), b"presence"),
    }
    ingest.say(topics.ack("gw-a"), b"ack")
    eventually(lambda: gateway.got == [(topics.ack("gw-a"), b"ack")])
    for client in (ingest, gateway):
        client.leave()


@pytest.mark.parametrize("kind", ["readings", "presence"])
@pytest.mark.parametrize("retain", [False, True])
def test_a_gateway_cannot_speak_as_another(start: Start, kind: str, *, retain: bool) -> None:
    embedded, _ = start()
    ingest = Client(embedded, "ingest", "binline-ingest-1")
    ingest.listen(topics.UP_READINGS_ALL)
    ingest.listen(topics.UP_PRESENCE_ALL)
    thief, honest = Client(embedded, "gw-a"), Client(embedded, "gw-b")
    forged = f"{topics.ROOT}/gw-b/up/{kind}"
    thief.say(forged, b"forged", retain=retain)
    honest.say(forged, b"true")
    eventually(lambda: bool(ingest.got))
    assert ingest.got == [(forged, b"true")]
    # Nor is it kept for somebody who comes later.
    late = Client(embedded, "ingest", "binline-ingest-2")
    late.listen(topics.UP_READINGS_ALL)
    late.listen(topics.UP_PRESENCE_ALL)
    honest.say(topics.readings("gw-b"), b"the end")
    eventually(lambda: bool(late.got))
    assert late.got == [(topics.readings("gw-b"), b"the end")]
    for client in (ingest, thief, honest, late):
        client.leave()


def test_a_last_will_cannot_speak_as_another(start: Start) -> None:
    embedded, _ = start()
    ingest = Client(embedded, "ingest", "binline-ingest-1")
    ingest.listen(topics.UP_PRESENCE_ALL)
    own = Client(embedded, "gw-b", will=(topics.presence("gw-b"), b"gone"))
    thief = Client(embedded, "gw-a", will=(topics.presence("gw-b"), b"forged"))
    thief.die()
    own.die()
    eventually(lambda: bool(ingest.got))
    assert ingest.got == [(topics.presence("gw-b"), b"gone")]
    ingest.leave()


@pytest.mark.parametrize(
    "topic",
    [
        topics.ack("gw-b"),
        topics.readings("gw-b"),
        f"{topics.ROOT}/+/down/ack",
        f"{topics.ROOT}/#",
        "#",
        "+/+/+/+/+",
        "$MQTT/sub/#",
        "$SYS/#",
    ],
)
def test_a_gateway_hears_nothing_of_another(start: Start, topic: str) -> None:
    embedded, _ = start()
    ingest = Client(embedded, "ingest", "binline-ingest-1")
    thief, victim = Client(embedded, "gw-a"), Client(embedded, "gw-b")
    assert thief.listen(topic) == "Unspecified error"
    # What counts is what arrives: some brokers grant everything and filter later.
    thief.listen(topics.ack("gw-a"))
    victim.listen(topics.ack("gw-b"))
    ingest.say(topics.ack("gw-b"), b"secret")
    victim.say(topics.readings("gw-b"), b"secret")
    eventually(lambda: bool(victim.got))
    probe(ingest, "gw-a")
    eventually(lambda: bool(thief.got))
    assert thief.got == [(topics.ack("gw-a"), b"the end")]
    for client in (ingest, thief, victim):
        client.leave()


def test_taking_over_another_gateways_session_brings_nothing(start: Start) -> None:
    embedded, _ = start()
    ingest = Client(embedded, "ingest", "binline-ingest-1")
    victim = Client(embedded, "gw-b", clean=False)
    victim.listen(topics.ack("gw-b"))
    victim.leave()
    ingest.say(topics.ack("gw-b"), b"secret")
    thief = Client(embedded, "gw-a", client_id="gw-b", clean=False)
    thief.listen(topics.ack("gw-a"))
    probe(ingest, "gw-a")
    eventually(lambda: bool(thief.got))
    assert thief.got == [(topics.ack("gw-a"), b"the end")]
    for client in (ingest, thief):
        client.leave()


@pytest.mark.parametrize(("user", "password"), [("gw-a", "wrong"), ("gw-a", ""), ("nobody", "x")])
def test_without_the_password_there_is_no_log_in(start: Start, user: str, password: str) -> None:
    embedded, _ = start()
    client = Client(embedded, user, password=password)
    assert client.refused
    client.leave()


@pytest.mark.parametrize("user", ["ingest", "gw-a"])
def test_the_servers_own_protocol_is_for_ingest_alone(start: Start, user: str) -> None:
    embedded, _ = start()
    said = _say_to_nats(embedded, user, "PING")
    assert (b"PONG" in said) == (user == "ingest")
    assert (b"-ERR" in said) == (user != "ingest")


@pytest.mark.parametrize(
    "forbidden",
    [
        "SUB $MQTT.msgs.> 1",
        "SUB > 1",
        "SUB $JS.> 1",
        "PUB binline.v1.gw-a.up.readings 0\r\n",
        "PUB $JS.API.STREAM.DELETE.$MQTT_msgs 0\r\n",
        "PUB $JS.API.CONSUMER.DELETE.$MQTT_msgs.binline-ingest 0\r\n",
        "PUB $JS.API.CONSUMER.CREATE.$MQTT_sess.binline-ingest 0\r\n",
    ],
)
def test_by_it_ingest_may_pull_and_answer_and_nothing_else(start: Start, forbidden: str) -> None:
    embedded, _ = start()
    assert b"-ERR 'Permissions Violation" in _say_to_nats(embedded, "ingest", forbidden)


def _say_to_nats(embedded: broker.EmbeddedBroker, user: str, line: str) -> bytes:
    with socket.create_connection(("127.0.0.1", embedded.nats_port), LIMIT_S) as own:
        own.settimeout(1)
        own.recv(4096)
        password = embedded.passwords[user]
        own.sendall(f'CONNECT {{"user":"{user}","pass":"{password}"}}\r\n{line}\r\n'.encode())
        said = b""
        try:
            while chunk := own.recv(4096):
                said += chunk
        except TimeoutError:
            pass
    return said


def test_what_it_took_survives_a_kill_and_a_restart_at_the_same_port(start: Start) -> None:
    embedded, child = start()
    reader = Client(embedded, "ingest", "binline-ingest-1", clean=False)
    reader.listen(topics.UP_READINGS_ALL)
    reader.leave()
    gateway = Client(embedded, "gw-a")
    wanted = [b"%d" % n for n in range(200)]
    for payload in wanted:
        gateway.say(topics.readings("gw-a"), payload)
    gateway.leave()

    os.kill(child.pid, signal.SIGKILL)
    child.wait(10)
    again, _ = start()
    assert (again.port, again.passwords) == (embedded.port, embedded.passwords)
    reader = Client(again, "ingest", "binline-ingest-1", clean=False)
    eventually(lambda: len(reader.got) >= len(wanted))
    assert [payload for _, payload in reader.got] == wanted
    reader.leave()


def test_secrets_are_readable_by_the_owner_alone(start: Start, home: Path) -> None:
    start()
    for path in (home / "nats.conf", *(home / "passwords").iterdir()):
        assert path.stat().st_mode & 0o077 == 0, path


def test_a_store_that_nobody_empties_still_lets_everybody_in(home: Path) -> None:
    """Full to the brim it would have no room for a session: not even ingest's, who empties it."""
    embedded = dataclasses.replace(broker.prepare(home, ["gw-a"]), kept_bytes_max=32 * 1024)
    config = json.loads((home / "nats.conf").read_text())
    config["jetstream"]["max_file_store"] = 64 * 1024
    (home / "nats.conf").write_text(json.dumps(config))
    child = programs.spawn(embedded.program, home / "log")
    try:
        broker.wait_until_up(embedded, 30, gone=child)
        ingest = Client(embedded, "ingest", "binline-ingest-1", clean=False)
        ingest.listen(topics.UP_READINGS_ALL)
        ingest.leave()
        gateway = Client(embedded, "gw-a")
        for number in range(40):
            gateway.say(topics.readings("gw-a"), bytes([number]) * 4_000)
        gateway.leave()
        gateway = Client(embedded, "gw-a")
        ingest = Client(embedded, "ingest", "binline-ingest-1", clean=False)
        assert (gateway.refused, ingest.refused) == ([], [])
        eventually(lambda: len(ingest.got) > 0 and ingest.got[-1][1][0] == 39)
        assert len(ingest.got) < 40, "the oldest were given up, or the store was never full"
        for client in (ingest, gateway):
            client.leave()
    finally:
        child.terminate()
        child.wait(10)
