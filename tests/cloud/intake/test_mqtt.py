"""The session with a real broker: what is not acknowledged comes again, what is does not."""

import socket
import threading
import time
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
            payloads |= {delivery.payload for delivery in again}
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
