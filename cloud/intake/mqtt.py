"""The broker, as ingest sees it: messages in, acknowledged only when we say so.

    broker ──on_message──▶ HandOver ──take──▶ ingest ──commit──▶ done (PUBACK), publish (our Ack)

The session outlives us: the broker keeps for a fixed client id what comes while we are away. Should
it lose that all the same, gateways send again whatever they have no acknowledgement for.

One connection is one client object, thrown away when it ends: message ids mean something
within a connection only, so what was delivered by an earlier one is forgotten and comes again.
"""

import logging
import random
import ssl
import threading
import time
from collections import Counter
from collections.abc import Sequence
from typing import Self

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from cloud.core.fairness import Quota
from cloud.intake.hand_over import Delivery, HandOver
from edge_agent.wire import topics

KEEPALIVE_S = 30
CONNECT_S_MAX = 4.0
SESSION_KEPT_S = 7 * 24 * 3600
IN_FLIGHT_MAX = 400  # twice what one commit takes
ACKS_IN_FLIGHT_MAX = 100
ACKS_QUEUED_MAX = 1_000  # more are not worth keeping: the next one says it all
RETRY_S_FIRST = 0.2
RETRY_S_MAX = 30.0
STABLE_S = 60.0
SHARED_NAME = "binline"
LOOK_S = 0.2

_UNSUPPORTED_VERSION = "Unsupported protocol version"

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
        instance: str,
        shared: bool = False,
        quota: Quota | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._user = user
        self._password = password
        self._tls = tls
        self._client_id = f"binline-ingest-{instance}"
        self._version = MQTTProtocolVersion.MQTTv5
        self._version_proven = False
        # A shared subscription: the broker gives each message to one of those who have it.
        self._share = f"$share/{SHARED_NAME}/" if shared else ""
        self._waiting = HandOver(quota)
        self._refused = threading.Event()  # a message found no room
        self._stopping = threading.Event()
        self._current: paho.Client | None = None
        self._away_because = ""
        self._thread = threading.Thread(target=self._stay_connected, name="broker", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join(CONNECT_S_MAX + 2)

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
        if client is not None:
            for delivery in deliveries:
                if delivery.connection is client:
                    client.ack(*delivery.receipt)

    def shed(self) -> Counter[str]:
        return self._waiting.shed()

    def publish(self, topic: str, payload: bytes) -> None:
        client = self._current
        if client is not None:
            client.publish(topic, payload, qos=1)

    def _stay_connected(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            began = time.monotonic()
            version = self._version
            self._one_connection()
            if time.monotonic() - began > STABLE_S:
                failures = 0
            if version is self._version or self._version is MQTTProtocolVersion.MQTTv5:
                longest_s = min(RETRY_S_MAX, RETRY_S_FIRST * 2**failures)
                # Full jitter: those who lost the broker together must not come back together.
                self._stopping.wait(random.uniform(0, longest_s))  # noqa: S311 - no secret
                failures = min(failures + 1, 16)

    def _one_connection(self) -> None:
        over = threading.Event()
        client = self._make_client(over)
        try:
            self._connect(client)
        except (OSError, ValueError) as error:
            self._note_away(str(error) or type(error).__name__)
            return
        began = time.monotonic()
        client.loop_start()
        while not self._stopping.is_set() and not over.wait(LOOK_S):
            if client._thread is None:  # noqa: SLF001 - there is no other way to see it dead
                self._note_away("the network thread died")
                break
            if self._current is not client and time.monotonic() - began > CONNECT_S_MAX:
                self._note_away("the broker accepts the connection and says nothing")
                break
            if self._refused.is_set() and self._waiting.empty:
                log.info("asking the broker again for the messages that had found no room")
                break
        self._current = None
        self._refused.clear()
        client.disconnect()
        client.loop_stop()
        self._waiting.clear()

    def _make_client(self, over: threading.Event) -> paho.Client:
        five = self._version is MQTTProtocolVersion.MQTTv5
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            clean_session=None if five else False,
            protocol=self._version,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.username_pw_set(self._user, self._password)
        if self._tls:
            client.tls_set_context(ssl.create_default_context())
        client.connect_timeout = CONNECT_S_MAX
        client.max_inflight_messages_set(ACKS_IN_FLIGHT_MAX)
        client.max_queued_messages_set(ACKS_QUEUED_MAX)
        client.user_data_set(over)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_disconnect = self._on_disconnect
        return client

    def _connect(self, client: paho.Client) -> None:
        if self._version is not MQTTProtocolVersion.MQTTv5:
            client.connect(self._host, self._port, keepalive=KEEPALIVE_S)
            return
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call] # paho's
        properties.SessionExpiryInterval = SESSION_KEPT_S  # without it the session ends with us
        properties.ReceiveMaximum = IN_FLIGHT_MAX
        client.connect(
            self._host,
            self._port,
            keepalive=KEEPALIVE_S,
            clean_start=False,
            properties=properties,
        )

    def _on_connect(
        self,
        client: paho.Client,
        over: threading.Event,
        flags: paho.ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            self._note_away(str(reason))
            if str(reason) == _UNSUPPORTED_VERSION:
                self._use_other_version()
            over.set()
            return
        self._version_proven = True
        self._away_because = ""
        self._current = client
        log.info(
            "connected to the broker %s:%s, MQTT version %s, session %s",
            self._host,
            self._port,
            "5" if self._version is MQTTProtocolVersion.MQTTv5 else "3.1.1",
            "resumed" if flags.session_present else "new: gateways will send again",
        )
        wanted = (topics.UP_READINGS_ALL, topics.UP_PRESENCE_ALL)
        client.subscribe([(f"{self._share}{topic}", 1) for topic in wanted])

    def _on_subscribe(
        self,
        _client: paho.Client,
        over: threading.Event,
        _mid: int,
        reasons: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            self._note_away(f"the broker refuses the subscription to {topics.ROOT}/+/up/…")
            over.set()

    def _on_message(
        self, client: paho.Client, _over: threading.Event, message: paho.MQTTMessage
    ) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = "(not UTF-8)"
        receipt = (message.mid, message.qos)
        payload = bytes(message.payload)
        match self._waiting.put(client, receipt, topic, payload, kept=message.retain):
            case "shed":
                client.ack(*receipt)
            case "full":
                self._refused.set()
            case "waiting":
                pass

    def _on_disconnect(
        self,
        client: paho.Client,
        over: threading.Event,
        _flags: paho.DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if self._current is client:
            self._current = None
            if not self._stopping.is_set():
                self._note_away(str(reason))
        elif not self._version_proven and not over.is_set():
            # Some brokers close the line on a version they do not speak.
            self._use_other_version()
        over.set()

    def _use_other_version(self) -> None:
        """From 5 to 3.1.1 at once, and back after a pause."""
        five = self._version is MQTTProtocolVersion.MQTTv5
        self._version = MQTTProtocolVersion.MQTTv311 if five else MQTTProtocolVersion.MQTTv5

    def _note_away(self, because: str) -> None:
        """Once per cause, not once per try."""
        if because != self._away_because:
            self._away_because = because
            log.warning("no connection to the broker %s:%s: %s", self._host, self._port, because)
