"""Light gateways: a connection each, no scales, no disk. Hundreds of them fit into one process.

    python -m tests.faults.crowd PLAN.json      prints what became of each, as JSON

They keep to the contract and to nothing else: connect (full jitter), hear acknowledgements, send
each batch until it is acknowledged. Written from the wire's description, not with the agent's code.

    {"port": 1883, "seconds": 40, "window": 8, "resend_s": 10,
     "gateways": [{"name": "crowd-001", "password": "…", "stream": "…",
                   "batches": [[first, last, hex]…]}]}
"""

import asyncio
import contextlib
import json
import random
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from tests.faults import mqtt_frames as mqtt

RETRY_S_BASE, RETRY_S_MAX = 0.5, 30.0
ANSWER_S_MAX = 30.0
TICK_S = 0.2


class Gateway:
    def __init__(self, plan: dict[str, Any], whole: dict[str, Any], began: float) -> None:
        self._name, self._password = plan["name"], plan["password"]
        self._stream = plan["stream"]
        self._port, self._window = whole["port"], whole["window"]
        self._resend_s = whole["resend_s"]
        self._pace_s = plan.get("pace_s", 0.0)
        self._waiting = {
            (first, last): bytes.fromhex(payload) for first, last, payload in plan["batches"]
        }
        self._flying: dict[tuple[int, int], float] = {}
        self._began = began
        self._chance = random.Random(plan["name"])
        self.tries: list[float] = []
        self.connected_s: float | None = None
        self.acked_s: float | None = None

    @property
    def left(self) -> int:
        return len(self._waiting)

    async def run(self) -> None:
        failures = 0
        while self.acked_s is None:
            self.tries.append(round(time.monotonic() - self._began, 3))
            try:
                await self._session()
                failures = 0
            except (TimeoutError, OSError, ValueError, asyncio.IncompleteReadError):
                failures += 1
            longest = min(RETRY_S_MAX, RETRY_S_BASE * 2**failures)
            await asyncio.sleep(self._chance.uniform(0, longest))

    async def _session(self) -> None:
        reader, writer = await asyncio.wait_for(
            asyncio.open_connection("127.0.0.1", self._port), ANSWER_S_MAX
        )
        try:
            writer.write(mqtt.connect(self._name, self._name, self._password))
            writer.write(mqtt.subscribe(1, f"binline/v1/{self._name}/down/ack"))
            splitter = mqtt.Splitter()
            self._flying.clear()
            sending: asyncio.Task[None] | None = None
            try:
                while self.acked_s is None:
                    chunk = await asyncio.wait_for(reader.read(65_536), ANSWER_S_MAX)
                    if not chunk:
                        raise ConnectionResetError
                    for frame in splitter.feed(chunk):
                        if mqtt.kind_of(frame) == 2 and sending is None:
                            if mqtt.body_of(frame)[1]:
                                raise ConnectionRefusedError
                            if self.connected_s is None:
                                self.connected_s = round(time.monotonic() - self._began, 3)
                            sending = asyncio.ensure_future(self._send(writer))
                        elif mqtt.kind_of(frame) == mqtt.PUBLISH:
                            packet, payload = mqtt.payload_of(frame)
                            if packet:
                                writer.write(mqtt.puback(packet))
                            self._hear(msgspec.msgpack.decode(payload))
            finally:
                if sending is not None:
                    sending.cancel()
        finally:
            writer.close()

    async def _send(self, writer: asyncio.StreamWriter) -> None:
        packet = 1
        topic = f"binline/v1/{self._name}/up/readings"
        while True:
            now = time.monotonic()
            for key in [k for k in self._waiting if k not in self._flying]:
                if len(self._flying) >= self._window:
                    break
                self._flying[key] = now
                packet = packet % 60_000 + 1
                writer.write(mqtt.publish(packet, topic, self._waiting[key]))
                if self._pace_s:
                    await asyncio.sleep(self._pace_s)
            for key, sent in list(self._flying.items()):
                if now - sent > self._resend_s:
                    del self._flying[key]
            await writer.drain()
            await asyncio.sleep(TICK_S if not self._pace_s else 0.01)

    def _hear(self, ack: dict[str, Any]) -> None:
        if ack.get("stream") != self._stream:
            return
        upto, holes = ack["committed_upto"], ack.get("holes", [])
        for first, last in list(self._waiting):
            if last <= upto and not any(a <= last and first <= b for a, b in holes):
                del self._waiting[first, last]
                self._flying.pop((first, last), None)
        if not self._waiting:
            self.acked_s = round(time.monotonic() - self._began, 3)


async def run(plan: dict[str, Any]) -> list[dict[str, Any]]:
    began = time.monotonic()
    gateways = [Gateway(one, plan, began) for one in plan["gateways"]]
    tasks = [asyncio.ensure_future(gateway.run()) for gateway in gateways]
    await asyncio.wait(tasks, timeout=plan["seconds"])
    for task in tasks:
        task.cancel()
    with contextlib.suppress(Exception):
        await asyncio.gather(*tasks, return_exceptions=True)
    return [
        {
            "name": one["name"],
            "tries": gateway.tries,
            "connected_s": gateway.connected_s,
            "acked_s": gateway.acked_s,
            "left": gateway.left,
        }
        for one, gateway in zip(plan["gateways"], gateways, strict=True)
    ]


def batch(stream: str, first: int, base_ms: int, weights: list[tuple[int, int]]) -> bytes:
    """Weights of sensor s01, each with its milliseconds after `base_ms`."""
    return msgspec.msgpack.encode(
        {
            "type": "readings",
            "stream": stream,
            "first_seq": first,
            "base_ms": base_ms,
            "sensors": ["s01"],
            "readings": [[1, 0, after, weight, 0, 0, True] for after, weight in weights],
        }
    )


if __name__ == "__main__":
    outcome = asyncio.run(run(json.loads(Path(sys.argv[1]).read_text())))
    sys.stdout.write(json.dumps(outcome))
