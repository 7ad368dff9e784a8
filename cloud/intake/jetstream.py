"""NATS, as ingest sees it: several processes take turns at what gateways published by MQTT.

    gateway ──MQTT──▶ $MQTT_msgs ──pull──▶ HandOver ──take──▶ ingest ──commit──▶ done (ack)

The server keeps what came by MQTT with QoS 1 in a stream of its own. One durable consumer on it,
the same for all processes, gives each message to one of them, and to another one when it is not
acknowledged in time. MQTT's own way of sharing does not work there: the subscription is granted and
delivers nothing. A stream of our own would not do: a publish is confirmed before it is in there.

The stream keeps only what somebody waits for, so the consumer must exist before a message is
published. Readings published earlier come again, gateways have no acknowledgement for them.
"""

import asyncio
import logging
import random
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Self

import nats
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, DiscardPolicy
from nats.js.errors import APIError, NotFoundError

from cloud.core.fairness import Quota
from cloud.intake.hand_over import Delivery, HandOver
from edge_agent.wire import topics

STREAM = "$MQTT_msgs"
DURABLE = "binline-ingest"
_PREFIX = "$MQTT.msgs."
INBOX = "_INBOX_binline"
# In-flight messages of a killed process go to another one after this long. Far above a commit.
ACK_WAIT_S = 30.0
ACK_PENDING_MAX = 2_000
# What waits there while nobody pulls; the oldest goes first: no gateway has it acknowledged.
# A store that is full to the brim has no room for a session, and lets nobody in again.
KEPT_BYTES_MAX = 512 * 1024**2
FETCH_MAX = 100
FETCH_S = 1.0
FULL_S = 0.05
CONNECT_S_MAX = 4
RETRY_S_FIRST = 0.2
RETRY_S_MAX = 30.0
RETRIES_COUNTED_MAX = 16

AWAY = (OSError, nats.errors.Error, asyncio.TimeoutError)

log = logging.getLogger(__name__)


class Consumer:
    """Keeps a connection, as `hand_over.Consumer`."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        user: str,
        password: str,
        tls: bool,
        quota: Quota | None = None,
    ) -> None:
        self._url = f"{'tls' if tls else 'nats'}://{host}:{port}"
        self._user = user
        self._password = password
        self._waiting = HandOver(quota)
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._current: Client | None = None
        self._away_because = ""
        self._thread = threading.Thread(target=self._run, name="broker", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._soon(self._stopping.set)
        self._thread.join(CONNECT_S_MAX + FETCH_S + 1)

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def connected(self) -> bool:
        return self._current is not None

    def take(
        self, *, messages_max: int, bytes_max: int, wait_s: float, gather_s: float
    ) -> list[Delivery]:
        taken = self._waiting.take(
            messages_max=messages_max, bytes_max=bytes_max, wait_s=wait_s, gather_s=gather_s
        )
        return [delivery for delivery in taken if delivery.connection is self._current]

    def done(self, deliveries: Sequence[Delivery]) -> None:
        client = self._current
        receipts = [one.receipt for one in deliveries if one.connection is client]
        if client is not None and receipts:
            self._start(_acknowledge(receipts))

    def publish(self, topic: str, payload: bytes) -> None:
        client = self._current
        if client is not None:
            self._start(_publish(client, topic.replace("/", "."), payload))

    def shed(self) -> Counter[str]:
        return self._waiting.shed()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop)

    def _soon(self, call: Callable[[], None]) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(call)

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._stay_connected())
        finally:
            self._loop.close()

    async def _stay_connected(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            try:
                await self._one_connection()
                failures = 0
            except AWAY as error:
                self._note_away(str(error) or type(error).__name__)
            finally:
                self._current = None
                self._waiting.clear()
            # Full jitter: those who lost the broker together must not come back together.
            longest_s = min(RETRY_S_MAX, RETRY_S_FIRST * 2**failures)
            await self._pause(random.uniform(0, longest_s))  # noqa: S311 - no secret
            failures = min(failures + 1, RETRIES_COUNTED_MAX)

    async def _one_connection(self) -> None:
        client = await nats.connect(
            self._url,
            user=self._user,
            password=self._password,
            name="binline ingest",
            allow_reconnect=False,
            connect_timeout=CONNECT_S_MAX,
            inbox_prefix=INBOX.encode(),
            error_cb=self._note_error,
        )
        try:
            js = client.jetstream()
            await _ensure_consumer(js)
            await _bound(js)
            pulling = await js.pull_subscribe_bind(consumer=DURABLE, stream=STREAM)
            self._current = client
            self._away_because = ""
            log.info("connected to the broker %s, pulling from its stream of messages", self._url)
            while not self._stopping.is_set() and client.is_connected:
                try:
                    arrived = await pulling.fetch(FETCH_MAX, timeout=FETCH_S)
                except nats.errors.TimeoutError:
                    continue
                for message in arrived:
                    await self._hand_over(client, message)
            if not self._stopping.is_set():
                self._note_away("the connection ended")
        finally:
            self._current = None
            await client.close()

    async def _hand_over(self, client: Client, message: Msg) -> None:
        topic = message.subject.removeprefix(_PREFIX).replace(".", "/")
        while not self._stopping.is_set() and client.is_connected:
            put = self._waiting.put(client, message, topic, message.data, kept=False)
            if put == "shed":
                await message.ack()
            if put != "full":
                return
            # Ours alone: the others go on pulling, and the server waits for what we hold.
            await message.in_progress()
            await self._pause(FULL_S)

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return

    async def _note_error(self, error: Exception) -> None:
        self._note_away(str(error) or type(error).__name__)

    def _note_away(self, because: str) -> None:
        """Once per cause, not once per try."""
        if because != self._away_because:
            self._away_because = because
            log.warning("no connection to the broker %s: %s", self._url, because)


async def _ensure_consumer(js: Any) -> None:  # noqa: ANN401 - the client's context has no types
    wanted = [topics.UP_READINGS_ALL, topics.UP_PRESENCE_ALL]
    config = ConsumerConfig(
        durable_name=DURABLE,
        filter_subjects=[_PREFIX + topic.replace("+", "*").replace("/", ".") for topic in wanted],
        deliver_policy=DeliverPolicy.ALL,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=ACK_WAIT_S,
        max_ack_pending=ACK_PENDING_MAX,
    )
    try:
        await js.consumer_info(STREAM, DURABLE)
    except NotFoundError:
        try:
            await js.add_consumer(STREAM, config)
        except APIError as error:
            # The server makes the stream when the first gateway logs in.
            raise ConnectionError(f"its stream of MQTT messages is not there: {error}") from None


async def _bound(js: Any) -> None:  # noqa: ANN401 - as above
    """Unless somebody has set a limit already."""
    config = (await js.stream_info(STREAM)).config
    if config.max_bytes is None or config.max_bytes <= 0:
        await js.update_stream(config, max_bytes=KEPT_BYTES_MAX, discard=DiscardPolicy.OLD)


async def _acknowledge(receipts: Sequence[Msg]) -> None:
    try:
        for message in receipts:
            await message.ack()
    except nats.errors.Error as error:
        log.debug("not acknowledged, so it comes again: %s", error)


async def _publish(client: Client, subject: str, payload: bytes) -> None:
    try:
        await client.publish(subject, payload)
    except nats.errors.Error as error:
        log.debug("an acknowledgement was not sent, the next one says it all: %s", error)
