"""The uplink against a real broker, and against one that answers exactly as a test wants."""

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
import tenacity
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from cloud.embedded import programs
from edge_agent.core import retry
from edge_agent.mqtt import uplink
from edge_agent.mqtt.uplink import Connected, Disconnected, Event, Line, State, Told, Uplink
from edge_agent.wire import codec, topics
from edge_agent.wire.messages import Presence
from tests.edge_agent.fakes import PASSWORD, Broker, FakeCloud, eventually

STREAM = "0" * 32
MQTT_5, MQTT_311 = 5, 4
CONNECT, PUBLISH, SUBSCRIBE = 0x10, 0x30, 0x80


def presence(state: State) -> Presence:
    return Presence(state=state, stream=STREAM, at_ms=77)


@pytest.fixture
def make_uplink() -> Iterator[Callable[[int], Uplink]]:
    made: list[Uplink] = []

    def make(port: int) -> Uplink:
        line = Line(
            gateway="gw-1",
            host="127.0.0.1",
            port=port,
            user="gw-1",
            password=lambda: PASSWORD,
            tls=None,
        )
        made.append(Uplink(line, presence))
        made[-1].start()
        return made[-1]

    yield make
    for one in made:
        one.stop()


def next_event(link: Uplink) -> Event:
    return link.events.get(timeout=15)


def test_it_connects_says_online_and_says_offline_when_it_goes(
    broker: Broker, fake_cloud: FakeCloud, make_uplink: Callable[[int], Uplink]
) -> None:
    link = make_uplink(broker.port)
    assert next_event(link) == Connected()
    eventually(lambda: [p.state for p in fake_cloud.presences] == ["online"])
    link.stop()
    assert not link.is_alive()
    eventually(lambda: [p.state for p in fake_cloud.presences] == ["online", "offline"])
    assert fake_cloud.presences[-1].at_ms == 77, "its own word"
    # What the broker had to say of its own would be here before the answer to a later call.
    second = make_uplink(broker.port)
    assert next_event(second) == Connected()
    eventually(lambda: len(fake_cloud.presences) > 2)
    assert [p.state for p in fake_cloud.presences] == ["online", "offline", "online"]


def test_presence_is_kept_for_those_who_come_later(
    broker: Broker, make_uplink: Callable[[int], Uplink]
) -> None:
    link = make_uplink(broker.port)
    assert next_event(link) == Connected()
    late = FakeCloud(port=broker.port)
    eventually(lambda: [p.state for p in late.presences] == ["online"])
    late.close()


def test_a_broker_without_mqtt_5_is_spoken_to_in_3_1_1_and_that_is_remembered(
    broker: Broker, make_uplink: Callable[[int], Uplink], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    link = make_uplink(broker.port)
    assert next_event(link) == Connected()
    assert "MQTT 3.1.1" in caplog.text
    broker.kill()
    assert next_event(link) == Disconnected()
    broker.start()
    assert next_event(link) == Connected()
    refused = (broker.home / "log").read_text().count("unacceptable protocol version")
    assert refused == 1


def test_what_the_cloud_says_comes_as_it_was_said(
    broker: Broker, fake_cloud: FakeCloud, make_uplink: Callable[[int], Uplink]
) -> None:
    link = make_uplink(broker.port)
    assert next_event(link) == Connected()
    fake_cloud.client.publish(topics.ack("gw-1"), b"not even an ack", qos=1)
    assert next_event(link) == Told(payload=b"not even an ack")


def test_nothing_is_sent_or_kept_for_later_without_a_connection(
    broker: Broker, make_uplink: Callable[[int], Uplink]
) -> None:
    broker.kill()
    link = make_uplink(broker.port)
    assert not link.send(b"too early")
    assert link.say(presence("online")) is False
    broker.start()
    heard: list[bytes] = []
    listener = mqtt.Client(CallbackAPIVersion.VERSION2, "listener")
    listener.username_pw_set("cloud", PASSWORD)
    listener.on_message = lambda _client, _userdata, message: heard.append(message.payload)
    listener.on_connect = lambda client, *_: client.subscribe(topics.UP_READINGS_ALL, 1)
    subscribed = threading.Event()
    listener.on_subscribe = lambda *_: subscribed.set()
    listener.connect("127.0.0.1", broker.port)
    listener.loop_start()
    assert subscribed.wait(10)
    assert next_event(link) == Connected()
    assert link.send(b"now")
    eventually(lambda: heard)
    listener.disconnect()
    listener.loop_stop()
    assert heard == [b"now"]


def test_an_absent_broker_is_said_once_and_tried_again_and_again(
    broker: Broker,
    make_uplink: Callable[[int], Uplink],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dials: list[object] = []
    dial = uplink._Call.dial
    monkeypatch.setattr(
        uplink._Call, "dial", lambda call, stop: (dials.append(call), dial(call, stop))[1]
    )
    broker.kill()
    link = make_uplink(broker.port)
    eventually(lambda: len(dials) > 3)
    assert caplog.text.count("cannot reach the broker") == 1
    broker.start()
    assert next_event(link) == Connected()


def test_a_dead_network_thread_is_noticed_and_replaced(
    broker: Broker,
    fake_cloud: FakeCloud,
    make_uplink: Callable[[int], Uplink],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(_self: Uplink, _payload: bytes) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as during:
        during.setattr(Uplink, "_tell", broken)
        during.setattr(threading, "excepthook", lambda _: None)
        link = make_uplink(broker.port)
        assert next_event(link) == Connected()
        fake_cloud.client.publish(topics.ack("gw-1"), b"x", qos=1)
        assert next_event(link) == Disconnected()
    assert next_event(link) == Connected()
    assert link.is_alive()


def test_acknowledgements_that_find_no_room_do_not_end_the_connection(
    broker: Broker,
    fake_cloud: FakeCloud,
    make_uplink: Callable[[int], Uplink],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(uplink, "EVENTS_MAX", 2)
    link = make_uplink(broker.port)
    eventually(lambda: fake_cloud.presences)  # it says online after it has begun to listen
    for number in range(20):
        fake_cloud.client.publish(topics.ack("gw-1"), b"%d" % number, qos=1)
    eventually(link.events.full)
    assert link.send(codec.encode(presence("online")))
    assert next_event(link) == Connected()


@dataclass
class ScriptedBroker:
    """Takes connections one after the other, and answers CONNECT from a script."""

    connack: Callable[[int], bytes]
    levels: list[int] = field(default_factory=list)
    published: int = 0
    answer_publish: bool = True
    farewell: bytes = b""  # said when the client has said that it is there

    def __post_init__(self) -> None:
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.server.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                line, _ = self.server.accept()
            except OSError:
                return
            with line:
                self._talk(line)

    def _talk(self, line: socket.socket) -> None:
        level = 0
        try:
            while (packet := _packet(line)) is not None:
                kind, body = packet
                if kind & 0xF0 == CONNECT:
                    level = body[6]
                    self.levels.append(level)
                    answer = self.connack(level)
                    if not answer:
                        return
                    line.sendall(answer)
                elif kind & 0xF0 == SUBSCRIBE:
                    props = b"\0" if level == MQTT_5 else b""
                    line.sendall(bytes([0x90, 3 + len(props)]) + body[:2] + props + b"\1")
                elif kind & 0xF0 == PUBLISH:
                    self.published += 1
                    topic_end = 2 + int.from_bytes(body[:2])
                    if self.answer_publish:
                        line.sendall(b"\x40\x02" + body[topic_end : topic_end + 2])
                    if self.farewell:
                        line.sendall(self.farewell)
                        return
        except OSError:
            return


def _packet(line: socket.socket) -> tuple[int, bytes] | None:
    head = line.recv(1)
    if not head:
        return None
    length = shift = 0
    while True:
        byte = line.recv(1)[0]
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    body = b""
    while len(body) < length:
        body += line.recv(length - len(body))
    return head[0], body


def connack(level: int, code: int = 0, props: bytes = b"") -> bytes:
    body = bytes([0, code]) + (bytes([len(props)]) + props if level == MQTT_5 else b"")
    return bytes([0x20, len(body)]) + body


@pytest.fixture
def make_broker() -> Iterator[Callable[[Callable[[int], bytes]], ScriptedBroker]]:
    made: list[ScriptedBroker] = []

    def make(answer: Callable[[int], bytes]) -> ScriptedBroker:
        made.append(ScriptedBroker(answer))
        return made[-1]

    yield make
    for one in made:
        one.server.close()


MakeBroker = Callable[[Callable[[int], bytes]], ScriptedBroker]


def test_mqtt_5_is_spoken_where_it_is_understood(
    make_broker: MakeBroker,
    make_uplink: Callable[[int], Uplink],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    scripted = make_broker(connack)
    link = make_uplink(scripted.port)
    assert next_event(link) == Connected()
    assert scripted.levels == [MQTT_5]
    assert "(MQTT 5)" in caplog.text


@pytest.mark.parametrize(
    "refusal",
    [b"", connack(MQTT_5, 0x84), connack(MQTT_311, 1)],
    ids=["hangs up", "says so in 5", "says so in 3.1.1"],
)
def test_a_refused_version_is_followed_by_the_other_at_once(
    make_broker: MakeBroker, make_uplink: Callable[[int], Uplink], refusal: bytes
) -> None:
    scripted = make_broker(lambda level: refusal if level == MQTT_5 else connack(level))
    link = make_uplink(scripted.port)
    assert next_event(link) == Connected()
    assert scripted.levels == [MQTT_5, MQTT_311]


def test_a_refused_log_in_is_said_and_tried_again(
    make_broker: MakeBroker,
    make_uplink: Callable[[int], Uplink],
    caplog: pytest.LogCaptureFixture,
) -> None:
    codes = iter([0x86, 0x86])
    scripted = make_broker(lambda level: connack(level, next(codes, 0)))
    link = make_uplink(scripted.port)
    assert next_event(link) == Connected()
    assert scripted.levels == [MQTT_5] * 3
    assert caplog.text.count("refuses the log-in of 'gw-1'") == 1
    assert PASSWORD not in caplog.text


def test_a_broker_that_takes_few_at_a_time_is_not_sent_more(
    make_broker: MakeBroker, make_uplink: Callable[[int], Uplink]
) -> None:
    scripted = make_broker(lambda level: connack(level, 0, b"\x21\0\5"))  # Receive Maximum 5
    scripted.answer_publish = False
    link = make_uplink(scripted.port)
    assert next_event(link) == Connected()
    for _ in range(20):
        link.send(b"x")
    eventually(lambda: scripted.published == 5)
    assert scripted.levels == [MQTT_5, MQTT_5]


def test_it_stops_in_time_when_nobody_answers(make_uplink: Callable[[int], Uplink]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        link = make_uplink(silent.getsockname()[1])
        peer, _ = silent.accept()
        link.stop()
        assert not link.is_alive()
        peer.close()
    link = make_uplink(programs.free_port())
    link.stop()
    assert not link.is_alive()


def test_what_the_broker_has_receipted_is_known_in_the_order_it_was_sent(
    make_broker: MakeBroker,
    make_uplink: Callable[[int], Uplink],
) -> None:
    server = make_broker(connack)
    link = make_uplink(server.port)
    assert next_event(link) == Connected()
    eventually(lambda: server.published == 1)  # that it is online
    first = link.send(b"first")
    eventually(lambda: link.first_waiting > first)
    server.answer_publish = False
    second, third = link.send(b"second"), link.send(b"third")
    assert first < second < third
    eventually(lambda: server.published == 4)
    assert link.first_waiting == second


def test_a_place_that_is_taken_again_and_again_is_said(
    make_broker: MakeBroker,
    make_uplink: Callable[[int], Uplink],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retry, "LONGEST_S", ((0.0, 0.1),))
    server = make_broker(connack)
    server.farewell = b"\xe0\x02\x8e\x00"
    make_uplink(server.port)
    eventually(lambda: "was the memory card copied?" in caplog.text)
    assert len(server.levels) > uplink.TAKEN_OVER_MAX


def test_pauses_are_short_in_a_short_cut_and_long_after_hours() -> None:
    state = tenacity.RetryCallState(tenacity.Retrying(), None, (), {})
    state.attempt_number = 40
    for failing_s, most_s in ((1.0, 2.0), (60.0, 2.0), (600.0, 30.0), (4_000.0, 120.0)):
        state.outcome_timestamp = state.start_time + failing_s
        pauses = [uplink._pause_s(state) for _ in range(2_000)]
        assert 0.97 * most_s < max(pauses) <= most_s
        assert min(pauses) < 0.03 * most_s, "full jitter"
        assert 0.45 * most_s < sum(pauses) / len(pauses) < 0.55 * most_s


def test_after_a_cut_of_a_minute_it_is_back_two_seconds_after_the_broker() -> None:
    """The pauses between two dials are what it waits for."""
    state = tenacity.RetryCallState(tenacity.Retrying(), None, (), {})
    failing_s, state.attempt_number = 0.0, 0
    while failing_s < 60:
        state.attempt_number += 1
        state.outcome_timestamp = state.start_time + failing_s
        pause_s = uplink._pause_s(state)
        assert pause_s <= 2.0
        failing_s += pause_s
