"""How fast a backlog leaves a gateway, and how old the newest value gets meanwhile.

    python -m tests.benchmarks.drain [--readings 600000] [--live 320]

Not a test: numbers depend on the machine, ratios much less. The spool, the drain loop and the
uplink are the product's; the broker is a real one, and what answers is as small as it can be. The
straw man publishes the same bytes with the same library and window, from memory, and stops at the
broker's receipt: it keeps nothing, orders nothing, and knows of no acknowledgement.
"""

import argparse
import json
import multiprocessing
import resource
import sys
import tempfile
import threading
import time
from pathlib import Path

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from cloud.embedded import programs
from edge_agent.core.ranges import joined
from edge_agent.core.reading import Reading, Weight
from edge_agent.loops.clock import Timekeeper
from edge_agent.loops.drain import READINGS_WAITING_MAX, Commit, Drain
from edge_agent.loops.taken import Taken
from edge_agent.mqtt.uplink import INFLIGHT_MAX, Line, Uplink
from edge_agent.sqlite.spool import Spool
from edge_agent.wire import codec, topics
from edge_agent.wire.messages import Ack, Kept, Presence, ReadingBatch, Stability
from tests.edge_agent.fakes import PASSWORD, Broker, eventually

BYTES_MAX = 512 * 1024 * 1024
UNLIMITED = 1024**3
LIVE = "live"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--readings", type=int, default=600_000)
    parser.add_argument("--live", type=int, default=320, help="readings a second, meanwhile")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        payloads = fill(home / "spool.db", chosen.readings)
        bare = with_broker(home / "bare", lambda port: publish(port, payloads))
        paced = with_broker(home / "paced", lambda port: drain(port, home, chosen, None))
        fill(home / "spool.db", chosen.readings)
        free = with_broker(home / "free", lambda port: drain(port, home, chosen, UNLIMITED))
    sys.stdout.write(
        json.dumps(
            {
                "a paho publisher, from memory": bare,
                "drain, as it is set": paced,
                "drain, without its pace": free,
                "ratio to the publisher": round(free["readings_per_s"] / bare["readings_per_s"], 2),
            },
            indent=2,
        )
        + "\n"
    )


def reading(number: int, sensor: str = "s01") -> Reading:
    return Reading(
        sensor=sensor if sensor == LIVE else f"s{number % 50:02}",
        measured_ms=time.time_ns() // 1_000_000,
        clock_trusted=True,
        outcome=Weight(weight_mg=5_000_000 + number % 70_000, stability=Stability.STATED),
    )


def fill(path: Path, readings: int) -> list[bytes]:
    """A backlog as weeks without a line leave it: compacted. Also as bytes, in memory."""
    for part in path.parent.glob(path.name + "*"):
        part.unlink()
    spool = Spool.open(path, BYTES_MAX)
    for first in range(0, readings, 100):
        spool.append([reading(number) for number in range(first, first + 100)])
        if first % 10_000 == 0:
            while spool.compact():
                pass
    while spool.compact():
        pass
    payloads = [spool.load(batch.no) or b"" for batch in spool.oldest(0, readings)]
    spool.close()
    return payloads


def with_broker(home: Path, run: object) -> dict[str, float]:
    home.mkdir()
    broker = Broker(home=home, port=programs.free_port())
    broker.start()
    ended = multiprocessing.Event()
    ready = multiprocessing.Event()
    cloud = multiprocessing.Process(target=answer, args=(broker.port, ready, ended), daemon=True)
    cloud.start()
    try:
        assert ready.wait(20)
        return run(broker.port)  # type: ignore[operator] # one of the two below
    finally:
        ended.set()
        cloud.join(5)
        broker.kill()


def answer(port: int, ready: object, ended: object) -> None:
    """The smallest cloud: it remembers ranges, and says how far they go."""
    there: dict[str, list[tuple[int, int]]] = {}
    newest = {"live_ms": 0.0, "worst_s": 0.0}

    def hear(client: mqtt.Client, _userdata: object, said: mqtt.MQTTMessage) -> None:
        if "presence" in said.topic:
            return
        message = codec.decode(said.payload)
        ranges = there.setdefault(message.stream, [])
        if isinstance(message, ReadingBatch):
            ranges[:] = joined([*ranges, (message.first_seq, message.last_seq)])
            if LIVE in message.sensors:
                at_ms = message.base_ms + message.readings[-1].after_ms
                newest["live_ms"] = max(newest["live_ms"], at_ms)
        elif not isinstance(message, Kept):
            return
        now_ms = time.time_ns() / 1_000_000
        if newest["live_ms"]:
            newest["worst_s"] = max(newest["worst_s"], (now_ms - newest["live_ms"]) / 1000)
        holes = [
            (before[1] + 1, after[0] - 1)
            for before, after in zip([(0, 0), *ranges], ranges, strict=False)
            if before[1] + 1 < after[0]
        ]
        ack = Ack(
            stream=message.stream,
            committed_upto=ranges[-1][1] if ranges else 0,
            holes=holes[:100],
            exact=True,
        )
        client.publish(said.topic.replace("up/readings", "down/ack"), codec.encode(ack), qos=1)
        client.publish("bench/worst", json.dumps(newest), qos=0, retain=True)

    client = _client("cloud")
    client.on_message = hear
    client.on_connect = lambda client, *_: client.subscribe([(topics.UP_READINGS_ALL, 1)])
    client.on_subscribe = lambda *_: ready.set()  # type: ignore[attr-defined] # an Event
    client.connect("127.0.0.1", port)
    client.loop_start()
    ended.wait()  # type: ignore[attr-defined] # an Event


def _client(name: str) -> mqtt.Client:
    client = mqtt.Client(
        CallbackAPIVersion.VERSION2, name, clean_session=True, protocol=MQTTProtocolVersion.MQTTv311
    )
    client.username_pw_set("cloud", PASSWORD)
    return client


def publish(port: int, payloads: list[bytes]) -> dict[str, float]:
    """The straw man."""
    receipts = threading.Semaphore(0)
    client = _client("bare")
    client.max_inflight_messages_set(INFLIGHT_MAX)
    client.on_publish = lambda *_: receipts.release()
    connected = threading.Event()
    client.on_connect = lambda *_: connected.set()
    client.connect("127.0.0.1", port)
    client.loop_start()
    assert connected.wait(10)
    readings = sum(len(_decoded(payload)) for payload in payloads)
    started_s, cpu_s = time.perf_counter(), _cpu_s()
    for payload in payloads:
        client.publish("bench/bare", payload, qos=1)
    for _ in payloads:
        assert receipts.acquire(timeout=60)
    took_s = time.perf_counter() - started_s
    cpu_s = _cpu_s() - cpu_s
    client.loop_stop()
    return {
        "readings_per_s": round(readings / took_s),
        "cpu_us_per_reading": round(cpu_s * 1e6 / readings, 2),
        "bytes_per_reading": round(sum(map(len, payloads)) / readings, 1),
    }


def _decoded(payload: bytes) -> list[object]:
    message = codec.decode(payload)
    assert isinstance(message, ReadingBatch)
    return list(message.readings)


def drain(
    port: int, home: Path, chosen: argparse.Namespace, bytes_per_s: int | None
) -> dict[str, float]:
    spool = Spool.open(home / "spool.db", BYTES_MAX)
    line = Line(
        gateway="gw-1",
        host="127.0.0.1",
        port=port,
        user="gw-1",
        password=lambda: PASSWORD,
        tls=None,
    )
    link = Uplink(line, lambda state: Presence(state=state, stream=spool.stream))
    waiting = Taken(READINGS_WAITING_MAX)
    pace = {} if bytes_per_s is None else {"backlog_bytes_per_s": bytes_per_s}
    loop = Drain(
        spool=spool,
        readings=waiting,
        line=link,
        commit=Commit(after_s=0.5, offline_after_s=0.75, readings=200),
        clock=Timekeeper(trusts=lambda: True),
        **pace,
    )
    stop = threading.Event()
    feeding = threading.Thread(target=_feed, args=(waiting, chosen.live, stop), daemon=True)
    draining = threading.Thread(target=loop.run, args=(stop,), daemon=True)
    worst = _listen_for_worst(port)
    draining.start()
    feeding.start()
    link.start()
    eventually(lambda: loop._sender.is_up, 20)
    started_s, cpu_s = time.perf_counter(), _cpu_s()
    eventually(lambda: loop.backlog <= 2, 300)
    took_s = time.perf_counter() - started_s
    cpu_s = _cpu_s() - cpu_s
    stop.set()
    draining.join(10)
    link.stop()
    return {
        "readings_per_s": round(chosen.readings / took_s),
        "cpu_us_per_reading": round(cpu_s * 1e6 / (chosen.readings + chosen.live * took_s), 2),
        "newest_value_s_old_at_worst": round(worst.get("worst_s", -1.0), 2),
    }


def _listen_for_worst(port: int) -> dict[str, float]:
    worst: dict[str, float] = {}
    client = _client("watcher")
    client.on_message = lambda _client, _userdata, said: worst.update(json.loads(said.payload))
    client.on_connect = lambda client, *_: client.subscribe("bench/worst")
    client.connect("127.0.0.1", port)
    client.loop_start()
    return worst


def _feed(waiting: Taken, per_s: int, stop: threading.Event) -> None:
    number, due_s = 0, time.monotonic()
    while not stop.is_set():
        for _ in range(max(1, per_s // 20)):
            number += 1
            waiting.put(reading(number, LIVE))
        due_s += 0.05
        stop.wait(max(0.0, due_s - time.monotonic()))


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
