"""Pulling with a real broker: shared by several; nothing done comes again, nothing is lost."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from cloud.core.fairness import Quota
from cloud.embedded import broker, programs
from cloud.intake import jetstream
from cloud.intake.hand_over import Delivery
from cloud.intake.jetstream import Consumer
from edge_agent.wire import topics

LIMIT_S = 30


def eventually(reached: Callable[[], bool], what: str, within_s: float = LIMIT_S) -> None:
    until = time.monotonic() + within_s
    while not reached():
        assert time.monotonic() < until, f"not within {within_s} s: {what}"
        time.sleep(0.05)


@pytest.fixture
def nats(tmp_path: Path) -> Iterator[broker.EmbeddedBroker]:
    # As a server of one's own, which nobody has bounded.
    embedded = replace(broker.prepare(tmp_path / "broker", ["lindau-1"]), kept_bytes_max=-1)
    child = programs.spawn(embedded.program, tmp_path / "broker" / "log")
    broker.wait_until_up(embedded, LIMIT_S, gone=child)
    yield embedded
    child.kill()
    child.wait()


@pytest.fixture
def client(nats: broker.EmbeddedBroker) -> Iterator[paho.Client]:
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="lindau-1", protocol=paho.MQTTv311)
    client.username_pw_set("lindau-1", nats.passwords["lindau-1"])
    client.connect("127.0.0.1", nats.port)
    client.loop_start()
    yield client
    client.disconnect()
    client.loop_stop()


def say(client: paho.Client, *payloads: bytes) -> None:
    sent = [client.publish(topics.readings("lindau-1"), payload, 1) for payload in payloads]
    eventually(lambda: all(one.is_published() for one in sent), "the broker took it")


def consumer(nats: broker.EmbeddedBroker, quota: Quota | None = None) -> Consumer:
    return Consumer(
        host="127.0.0.1",
        port=nats.nats_port,
        user="ingest",
        password=nats.passwords["ingest"],
        tls=False,
        quota=quota,
    )


def take(one: Consumer, wait_s: float = LIMIT_S) -> list[Delivery]:
    return one.take(messages_max=100, bytes_max=1_000_000, wait_s=wait_s, gather_s=0.2)


def test_what_was_not_acknowledged_comes_again_to_another_and_what_was_does_not(
    nats: broker.EmbeddedBroker, client: paho.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jetstream, "ACK_WAIT_S", 1.0)
    with consumer(nats) as first:
        eventually(lambda: first.connected, "connected")
        say(client, b"one", b"two")
        taken = take(first)
        while len(taken) < 2:
            taken += take(first)
        assert taken[0].arrival.topic == topics.readings("lindau-1")
        first.done([one for one in taken if one.arrival.payload == b"one"])
        time.sleep(0.2)  # the acknowledgement has no answer that could be waited for
    say(client, b"three")
    with consumer(nats) as second:
        payloads: set[bytes] = set()
        while not {b"two", b"three"} <= payloads:
            again = take(second)
            assert again, "nothing came"
            payloads |= {delivery.arrival.payload for delivery in again}
            second.done(again)
        assert b"one" not in payloads


def test_what_waits_is_bounded_and_gives_way_to_what_comes(
    nats: broker.EmbeddedBroker, client: paho.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that is full has no room for a session: nobody could come back to empty it."""
    monkeypatch.setattr(jetstream, "KEPT_BYTES_MAX", 64 * 1024)
    with consumer(nats) as one:
        eventually(lambda: one.connected, "it is connected")
    said = [b"%04d" % number + bytes(1_000) for number in range(200)]
    say(client, *said)
    with consumer(nats) as again:
        came: list[bytes] = []

        def the_newest_came() -> bool:
            taken = take(again)
            again.done(taken)
            came.extend(delivery.arrival.payload for delivery in taken)
            return said[-1] in came

        eventually(the_newest_came, "the newest is there")
    assert came == said[-len(came) :]
    assert 20 < len(came) < 70


def test_two_share_the_work(nats: broker.EmbeddedBroker, client: paho.Client) -> None:
    """Who loses the connection has what it held given to the other: nothing stays behind."""
    with consumer(nats) as one, consumer(nats) as other:
        eventually(lambda: one.connected and other.connected, "both are connected")
        said = [f"{number}".encode() for number in range(1_000)]
        got: list[set[bytes]] = [set(), set()]

        def all_came() -> bool:
            for mine, each in zip(got, (one, other), strict=True):
                taken = take(each, wait_s=0.2)
                each.done(taken)
                mine.update(delivery.arrival.payload for delivery in taken)
            return got[0] | got[1] == set(said)

        for start in range(0, len(said), 100):
            say(client, *said[start : start + 100])
            all_came()
        eventually(all_came, "all of it came", within_s=2 * jetstream.ACK_WAIT_S)
        assert min(map(len, got)) > 0, "one of them did all of it"


def test_an_acknowledgement_reaches_the_gateway_and_nobody_else(
    nats: broker.EmbeddedBroker, client: paho.Client
) -> None:
    heard: list[tuple[str, bytes]] = []
    client.on_message = lambda _c, _u, message: heard.append((message.topic, message.payload))
    client.subscribe(topics.ack("lindau-1"), 1)
    with consumer(nats) as one:
        eventually(lambda: one.connected, "connected")
        until = time.monotonic() + LIMIT_S
        while not heard and time.monotonic() < until:
            one.publish(topics.ack("hartmann-1"), b"not yours")
            one.publish(topics.ack("lindau-1"), b"ack")
            time.sleep(0.2)
    assert set(heard) == {(topics.ack("lindau-1"), b"ack")}


def test_what_is_over_the_quota_is_taken_from_the_broker_and_counted(
    nats: broker.EmbeddedBroker, client: paho.Client
) -> None:
    with consumer(nats, Quota(readings_s=1_000, bytes_s=1)) as one:
        eventually(lambda: one.connected, "connected")
        say(client, b"x" * 20, b"y", b"z")
        eventually(lambda: one._waiting._shed["lindau-1"] == 2, "two were shed")
        assert [delivery.arrival.payload for delivery in take(one)] == [b"x" * 20]
        assert one.shed() == {"lindau-1": 2}


def test_a_refused_log_in_is_told_once_and_tried_again(
    nats: broker.EmbeddedBroker, caplog: pytest.LogCaptureFixture
) -> None:
    locked_out = consumer(nats)
    locked_out._password = "not-the-password"
    with locked_out:
        eventually(lambda: "no connection to the broker" in caplog.text, "it says so")
        time.sleep(1)
        assert locked_out.alive
        assert not locked_out.connected
    assert "not-the-password" not in caplog.text


def test_leaving_takes_a_moment_and_no_longer(nats: broker.EmbeddedBroker) -> None:
    with consumer(nats) as one:
        eventually(lambda: one.connected, "connected")
        began = time.monotonic()
    assert not one.alive
    assert time.monotonic() - began < 5
