"""A real broker that can be killed, and a cloud small enough to read: it keeps, and says so."""

import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from cloud.embedded import programs
from edge_agent.wire import codec, topics
from edge_agent.wire.messages import (
    Ack,
    ClockStep,
    Gap,
    Kept,
    Presence,
    ReadingBatch,
    Thinned,
    Weighed,
)

PASSWORD = "for-tests-only"
NATS = Path(sys.executable).with_name("nats-server")


def eventually(holds: Callable[[], object], seconds: float = 30.0) -> None:
    """Poll for a state, with a limit; a bare wait would be too short on one machine or another."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.02)


def weights_in(batch: ReadingBatch | Thinned) -> list[int]:
    return [row.weight_mg for row in batch.readings if isinstance(row, Weighed)]


@dataclass
class Broker:
    """nats-server with its MQTT listener. `kill` and `start` again keep the port and the store."""

    home: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        config = self.home / "nats.conf"
        config.write_text(
            f"""
            server_name: test
            host: 127.0.0.1
            port: -1
            jetstream {{ store_dir: "{self.home}/store" }}
            mqtt {{ host: 127.0.0.1, port: {self.port} }}
            authorization {{ users: [
              {{ user: gw-1, password: "{PASSWORD}" }}, {{ user: cloud, password: "{PASSWORD}" }}
            ] }}
            """
        )
        with (self.home / "log").open("ab") as output:
            self.process = subprocess.Popen([NATS, "-c", config], stdout=output, stderr=output)
        eventually(self._listens)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def _listens(self) -> bool:
        return programs.free_port(self.port) != self.port


@dataclass
class FakeCloud:
    """Keeps batches by (stream, first seq), like the real ledger; `acking` may be switched off."""

    port: int
    acking: bool = True
    payloads: dict[tuple[str, int], bytes] = field(default_factory=dict)
    ranges: dict[str, dict[int, int]] = field(default_factory=lambda: defaultdict(dict))
    repeats: int = 0
    changed: list[tuple[str, int]] = field(default_factory=list)
    presences: list[Presence] = field(default_factory=list)
    arrivals: list[tuple[str, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            "cloud",
            clean_session=True,
            protocol=MQTTProtocolVersion.MQTTv311,
        )
        self.client.username_pw_set("cloud", PASSWORD)
        self.client.reconnect_delay_set(1, 1)
        self.client.on_connect = lambda client, *_: client.subscribe(
            [(topics.UP_READINGS_ALL, 1), (topics.UP_PRESENCE_ALL, 1)]
        )
        self.client.on_message = self._hear
        self.subscribed = False
        self.client.on_subscribe = lambda *_: setattr(self, "subscribed", True)
        self.client.connect("127.0.0.1", self.port)
        self.client.loop_start()
        eventually(lambda: self.subscribed)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def batches(self) -> list[ReadingBatch]:
        found = (codec.decode(payload) for _, payload in sorted(self.payloads.items()))
        return [message for message in found if isinstance(message, ReadingBatch)]

    def weights(self) -> list[int]:
        """Of every reading, in the order of the streams; each once, for the ledger keeps one."""
        return [weight for batch in self.batches() for weight in weights_in(batch)]

    def ack_all(self) -> None:
        """Say again what is committed, as the real one does when repeats come in."""
        for stream in list(self.ranges):
            self._ack("gw-1", stream)

    def _hear(self, _client: object, _userdata: object, received: mqtt.MQTTMessage) -> None:
        message = codec.decode(received.payload)
        if isinstance(message, Presence):
            self.presences.append(message)
            return
        if isinstance(message, ReadingBatch | Thinned | Gap):
            self._commit(message.stream, message.first_seq, message.last_seq, received.payload)
        elif isinstance(message, ClockStep):
            self._commit(message.stream, message.seq, message.seq, received.payload)
        elif not isinstance(message, Kept):
            return
        if self.acking:
            self._ack(received.topic.split("/")[2], message.stream)

    def _commit(self, stream: str, first_seq: int, last_seq: int, payload: bytes) -> None:
        key = (stream, first_seq)
        self.arrivals.append(key)
        if key in self.payloads:
            self.repeats += 1
            if self.payloads[key] != payload:
                self.changed.append(key)
            return
        self.payloads[key] = payload
        self.ranges[stream][first_seq] = last_seq

    def _ack(self, gateway: str, stream: str) -> None:
        upto, holes = 0, []
        for first, last in sorted(self.ranges[stream].items()):
            if first > upto + 1:
                holes.append((upto + 1, first - 1))
            upto = max(upto, last)
        ack = Ack(stream=stream, committed_upto=upto, holes=holes, exact=True)
        self.client.publish(topics.ack(gateway), codec.encode(ack), qos=1)
