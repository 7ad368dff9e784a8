"""The session with a real broker: what is not acknowledged comes again, what is does not."""

import shutil
import socket
import subprocess
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from cloud.embedded import broker, programs
from cloud.intake.hand_over import Delivery
from cloud.intake.mqtt import Consumer
from edge_agent.wire import topics

LIMIT_S = 30


def eventually(reached: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + LIMIT_S
    while not reached():
        assert time.monotonic() < until, f"not within {LIMIT_S} s: {what}"
        time.sleep(0.05)


@pytest.fixture
def nats(tmp_path: Path) -> Iterator[broker.EmbeddedBroker]:
    embedded = broker.prepare(tmp_path / "broker", ["lindau-1"])
    child = programs.spawn(embedded.program, tmp_path / "broker" / "log")
    broker.wait_until_up(embedded, LIMIT_S, gone=child)
    yield embedded
    child.kill()
    child.wait()


@pytest.fixture
def speak(nats: broker.EmbeddedBroker) -> Iterator[Callable[[bytes], None]]:
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="lindau-1", protocol=paho.MQTTv311)
    client.username_pw_set("lindau-1", nats.passwords["lindau-1"])
    client.connect("127.0.0.1", nats.port)
    client.loop_start()

    def say(payload: bytes) -> None:
        sent = client.publish(topics.readings("lindau-1"), payload, 1)
        eventually(sent.is_published, "the broker took it")

    yield say
    client.disconnect()
    client.loop_stop()


def consumer(nats: broker.EmbeddedBroker, **changed: object) -> Consumer:
    return Consumer(
        host="127.0.0.1",
        port=int(str(changed.get("port", nats.port))),
        user="ingest",
        password=str(changed.get("password", nats.passwords["ingest"])),
        tls=False,
        instance="test",
    )


def take(one: Consumer, wait_s: float = LIMIT_S) -> list[Delivery]:
    return one.take(messages_max=100, bytes_max=1_000_000, wait_s=wait_s, gather_s=0.2)


def test_what_was_not_acknowledged_comes_again_and_what_was_does_not(
    nats: broker.EmbeddedBroker, speak: Callable[[bytes], None]
) -> None:
    with consumer(nats) as first:
        eventually(lambda: first.connected, "connected")
        speak(b"one")
        speak(b"two")
        taken = take(first)
        while len(taken) < 2:
            taken += take(first)
        first.done(taken[:1])
        time.sleep(0.2)  # the acknowledgement has no answer that could be waited for
    speak(b"three")
    with consumer(nats) as second:
        payloads: set[bytes] = set()
        while not {b"two", b"three"} <= payloads:
            again = take(second)
            assert again, "nothing came"
            payloads |= {delivery.arrival.payload for delivery in again}
        assert b"one" not in payloads


def test_a_refused_log_in_is_told_once_and_tried_again(
    nats: broker.EmbeddedBroker, caplog: pytest.LogCaptureFixture
) -> None:
    with consumer(nats, password="not-the-password") as locked_out:
        eventually(lambda: "no connection to the broker" in caplog.text, "it says so")
        time.sleep(1)
        assert locked_out.alive
        assert not locked_out.connected
    told = [line for line in caplog.messages if "no connection" in line]
    assert len(told) == len(set(told))
    assert "not-the-password" not in caplog.text


@pytest.mark.parametrize("manner", ["silent", "closing"])
def test_a_broker_that_says_nothing_or_hangs_up_is_left_and_tried_again(
    nats: broker.EmbeddedBroker, manner: str
) -> None:
    calls = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        stop = threading.Event()
        accepting = threading.Thread(target=_accept, args=(server, manner, calls, stop))
        accepting.start()
        with consumer(nats, port=server.getsockname()[1]) as lost:
            eventually(lambda: len(calls) >= 2, "it tried again")
            assert lost.alive
        stop.set()
        accepting.join()


def _accept(
    server: socket.socket, manner: str, calls: list[socket.socket], stop: threading.Event
) -> None:
    while not stop.is_set():
        try:
            connection, _ = server.accept()
        except TimeoutError:
            continue
        calls.append(connection)
        if manner == "closing":
            connection.close()
    for connection in calls:
        connection.close()


def test_leaving_takes_a_moment_and_no_longer(nats: broker.EmbeddedBroker) -> None:
    one = consumer(nats)
    one.__enter__()
    eventually(lambda: one.connected, "connected")
    began = time.monotonic()
    one.__exit__(None, None, None)
    assert not one.alive
    assert time.monotonic() - began < 5


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[int]:
    """A broker that speaks MQTT 5 and shared subscriptions; its port."""
    program = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if program is None:
        warnings.warn("NO MOSQUITTO: shared subscriptions are not tested", stacklevel=1)
        pytest.skip("mosquitto is not installed; do: sudo apt-get install mosquitto")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = tmp_path / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    with (tmp_path / "mosquitto.log").open("wb") as said:
        child = subprocess.Popen([program, "-c", str(config)], stdout=said, stderr=said)
    eventually(lambda: _open(port), "it listens")
    yield port
    child.kill()
    child.wait()


def _open(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 0.5).close()
    except OSError:
        return False
    return True


def test_two_with_a_shared_subscription_get_each_message_once_and_one_inherits_the_other(
    mosquitto: int,
) -> None:
    def one_of(instance: str) -> Consumer:
        return Consumer(
            host="127.0.0.1",
            port=mosquitto,
            user="ingest",
            password="x",
            tls=False,
            instance=instance,
            shared=True,
        )

    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="lindau-1")
    client.connect("127.0.0.1", mosquitto)
    client.loop_start()
    with one_of("2") as stays:
        with one_of("1") as leaves:
            eventually(lambda: stays.connected and leaves.connected, "both are connected")
            time.sleep(0.5)  # a granted subscription is not told to who asks from outside
            said = [f"{number}".encode() for number in range(400)]
            for payload in said[:200]:
                client.publish(topics.readings("lindau-1"), payload, 1)
            got: list[list[bytes]] = [[], []]
            for mine, each in zip(got, (stays, leaves), strict=True):
                while taken := take(each, wait_s=1):
                    each.done(taken)
                    mine += [delivery.arrival.payload for delivery in taken]
            assert sorted(got[0] + got[1]) == sorted(said[:200])
            assert min(map(len, got)) > 0, "one of them got all of it"
        for payload in said[200:]:
            client.publish(topics.readings("lindau-1"), payload, 1)
        rest: set[bytes] = set()
        until = time.monotonic() + LIMIT_S
        # What was meant for who left waits in its session; here the stream of the other goes on.
        while len(rest) < 100 and time.monotonic() < until:
            taken = take(stays, wait_s=1)
            stays.done(taken)
            rest |= {delivery.arrival.payload for delivery in taken}
        assert len(rest) >= 100
    client.disconnect()
    client.loop_stop()
