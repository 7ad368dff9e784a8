"""The session with the broker: connect, say who is there, send, hear acknowledgements, begin again.

    paho's thread   ──signals──▶  our thread  ──Connected, Disconnected──▶  drain loop
                    ──Told (the bytes of an acknowledgement)────────────▶

paho's callbacks do nothing but put on a queue. An exception in one would end paho's thread while
`is_connected()` stays true, so our thread also asks every second whether that thread still lives.

Reconnecting is ours too: paho's back-off has no jitter, and a thousand gateways that lost the
broker together would come back together. Each connection is a new client with a clean session:
the truth is in the spool, and a broker's memory of us could only repeat it.
"""

import contextlib
import logging
import queue
import random
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, cast

import msgspec
import tenacity
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from edge_agent.core import retry
from edge_agent.wire import codec, topics
from edge_agent.wire.messages import Presence

KEEPALIVE_S = 30
CONNECT_S_MAX = 30.0  # a broker that all gateways come back to takes its time for TLS
ANSWER_S_MAX = 30.0
STABLE_S = 60.0

# The lights came back for a whole site, or a whole town.
BOOTED_S = 300.0
BOOT_SPREAD_S_MAX = 10.0

TAKEN_OVER = "Session taken over"
TAKEN_OVER_MAX = 3
TAKEN_OVER_S = 60.0
GOODBYE_S_MAX = 1.0  # for each of its two words
WATCH_S = 1.0

SIGNALS_MAX = 1_000
EVENTS_MAX = 1_000
PUBLISHES_WAITING_MAX = 256
INFLIGHT_MAX = 32

QOS = 1

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """Where the broker is and who we are there. The password is asked for at each connection."""

    gateway: str
    host: str
    port: int
    user: str
    password: Callable[[], str]
    tls: ssl.SSLContext | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Connected:
    """What was on its way before may be lost: send it again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Disconnected:
    pass


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """The cloud says something; the bytes are as they came."""

    payload: bytes


Event = Connected | Disconnected | Told
State = Literal["online", "offline"]


class Uplink:
    """`start`, then take `events` and `send`; `stop` says good-bye."""

    def __init__(self, line: Line, presence: Callable[[State], Presence]) -> None:
        self.events: queue.Queue[Event] = queue.Queue(EVENTS_MAX)
        self._line = line
        self._presence = presence
        self._protocol = MQTTProtocolVersion.MQTTv5
        self._inflight = INFLIGHT_MAX
        self._client: mqtt.Client | None = None  # only while connected
        self._client_lock = threading.Lock()
        self._token = 0
        self._waiting: dict[int, int] = {}  # token by paho's number, in the order they were sent
        # Filled by paho's thread, which may not wait for a lock: it holds one of its own.
        self._receipts: deque[int] = deque()
        self._stop = threading.Event()
        self._said = ""
        self._taken_over_s: list[float] = []
        self._thread = threading.Thread(target=self._run, name="uplink", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Says offline, if anybody listens, and returns within a few seconds."""
        self._stop.set()
        self._thread.join(2 * GOODBYE_S_MAX + WATCH_S)

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def first_waiting(self) -> int:
        """Brokers receipt in the order in which they got it: all before this token is receipted."""
        with self._client_lock:
            while self._receipts:
                self._waiting.pop(self._receipts.popleft(), None)
            return next(iter(self._waiting.values()), self._token + 1)

    def send(self, payload: bytes) -> int:
        """Hand over a batch; 0: it was not sent. A token is no promise either: only an Ack is."""
        return self._publish(topics.readings(self._line.gateway), payload, retain=False)

    def say(self, presence: Presence) -> bool:
        topic = topics.presence(self._line.gateway)
        return self._publish(topic, codec.encode(presence), retain=True) > 0

    def _publish(self, topic: str, payload: bytes, *, retain: bool) -> int:
        with self._client_lock:
            # paho would keep it and send it after a reconnect: repeats that nobody asked for.
            if self._client is None or not self._client.is_connected():
                return 0
            sent = self._client.publish(topic, payload, qos=QOS, retain=retain)
            if sent.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
                return 0
            self._token += 1
            self._waiting[sent.mid] = self._token
            return self._token

    def _run(self) -> None:
        retrying = tenacity.Retrying(
            stop=tenacity.stop_when_event_set(self._stop),
            wait=_pause_s,
            retry=tenacity.retry_if_exception_type((OSError, _NoSessionError)),
            sleep=tenacity.sleep_using_event(self._stop),
            retry_error_callback=lambda _: None,
        )
        try:
            if time.monotonic() < BOOTED_S:  # counts from the boot of the machine
                self._stop.wait(random.uniform(0, BOOT_SPREAD_S_MAX))  # noqa: S311 - spreads load
            while not self._stop.is_set():
                retrying(self._session)
                # It had lasted, so the pauses begin at the shortest; but not for all at once.
                self._stop.wait(random.uniform(0, retry.SPREAD_S_MAX))  # noqa: S311 - spreads load
        except Exception:
            log.exception("the uplink broke and has ended")

    def _session(self) -> None:
        """One connection, from dialling to its end. Returns only when it lasted for a while."""
        try:
            call = self._dial()
        except (OSError, _NoSessionError) as error:
            if not self._stop.is_set():
                self._say(f"cannot reach the broker at {self._where}: {error}; trying again")
            raise
        try:
            self._talk(call)
        finally:
            call.hang_up()

    @property
    def _where(self) -> str:
        return f"{self._line.host}:{self._line.port}"

    def _say(self, sentence: str) -> None:
        """Once, until something else is to be said."""
        if sentence != self._said:
            self._said = sentence
            log.warning("%s", sentence)

    def _dial(self) -> "_Call":
        """MQTT 5, or 3.1.1 where the broker knows no other; what worked last is tried first."""
        older, newer = MQTTProtocolVersion.MQTTv311, MQTTProtocolVersion.MQTTv5
        for protocol in (self._protocol, older if self._protocol == newer else newer):
            try:
                call = self._dial_with(protocol)
            except _OtherVersionError:
                continue
            except _NarrowError as narrow:
                # paho does not keep to this limit by itself, and some brokers then hang up.
                self._inflight = narrow.inflight
                call = self._dial_with(protocol)
            self._protocol = protocol
            return call
        raise _NoSessionError("it closes the connection for MQTT 5 and for 3.1.1")

    def _dial_with(self, protocol: MQTTProtocolVersion) -> "_Call":
        call = _Call(
            self._line,
            protocol,
            self._will(),
            inflight=self._inflight,
            tell=self._tell,
            receipts=self._receipts,
        )
        try:
            call.dial(self._stop)
        except BaseException:
            call.hang_up()
            raise
        return call

    def _will(self) -> bytes:
        """Said by the broker when we are gone: at what time, nobody can know now."""
        return codec.encode(msgspec.structs.replace(self._presence("offline"), at_ms=0))

    def _talk(self, call: "_Call") -> None:
        call.subscribe(topics.ack(self._line.gateway), self._stop)
        with self._client_lock:
            self._client = call.client
            self._waiting.clear()
            self._receipts.clear()
        self.say(self._presence("online"))
        self._said = ""
        log.info("connected to the broker %s (MQTT %s)", self._where, call.version)
        self._put(Connected())
        try:
            self._watch(call)
        finally:
            with self._client_lock:
                self._client = None
            self._put(Disconnected())

    def _watch(self, call: "_Call") -> None:
        up_since = time.monotonic()
        while not self._stop.is_set():
            ended = call.ended_within(WATCH_S)
            if ended is None:
                continue
            self._say(f"lost the broker {self._where}: {ended}; trying again")
            if ended == TAKEN_OVER:
                self._note_taken_over()
            if time.monotonic() - up_since < STABLE_S:
                raise _NoSessionError(ended)
            return
        with self._client_lock:  # our good-bye is the last word
            self._client = None
        call.say_goodbye(topics.presence(self._line.gateway), self._presence("offline"))

    def _note_taken_over(self) -> None:
        """Once may be ourselves, on a connection that the broker had not yet missed."""
        now_s = time.monotonic()
        self._taken_over_s = [at for at in self._taken_over_s if now_s - at < TAKEN_OVER_S]
        self._taken_over_s.append(now_s)
        if len(self._taken_over_s) > TAKEN_OVER_MAX:
            self._taken_over_s.clear()
            log.error(
                "another machine says it is %s, and the broker gives it our place again and again: "
                "was the memory card copied?",
                self._line.gateway,
            )

    def _tell(self, payload: bytes) -> None:
        """Called by paho's thread. An Ack is cumulative: one that finds no room may go."""
        with contextlib.suppress(queue.Full):
            self.events.put_nowait(Told(payload=payload))

    def _put(self, event: Event) -> None:
        """Called by our thread: these two must arrive, so it waits for room."""
        while True:
            with contextlib.suppress(queue.Full):
                self.events.put(event, timeout=WATCH_S)
                return
            if self._stop.is_set():
                return


def _pause_s(retrying: tenacity.RetryCallState) -> float:
    """Full jitter: a thousand gateways that lost the broker together do not come back together."""
    failing_s = retrying.seconds_since_start or 0.0
    longest_s = retry.longest_pause_s(retrying.attempt_number, failing_s)
    return random.uniform(0, longest_s)  # noqa: S311 - spreads load


class _NoSessionError(Exception):
    """There is no session, or no longer: why."""


class _OtherVersionError(Exception):
    """The broker does not take this version of MQTT."""


class _NarrowError(Exception):
    """The broker takes no more than so many publishes at a time, and paho cannot change it now."""

    def __init__(self, inflight: int) -> None:
        self.inflight = inflight


@dataclass(frozen=True, slots=True)
class _Answered:
    codes: tuple[ReasonCode, ...]


@dataclass(frozen=True, slots=True)
class _Published:
    mid: int


@dataclass(frozen=True, slots=True)
class _Ended:
    because: str


_Signal = _Answered | _Published | _Ended


class _Call:
    """One client of paho's, for one connection."""

    def __init__(
        self,
        line: Line,
        protocol: MQTTProtocolVersion,
        will: bytes,
        *,
        inflight: int,
        tell: Callable[[bytes], None],
        receipts: deque[int],
    ) -> None:
        self._line = line
        self._protocol = protocol
        self._tell = tell
        self._receipts = receipts
        self._signals: queue.Queue[_Signal] = queue.Queue(SIGNALS_MAX)
        self._inflight = inflight
        self._receive_maximum = inflight
        self._refused = False
        self._leaving = False
        self.client = self._make(will)

    @property
    def version(self) -> str:
        return "5" if self._protocol == MQTTProtocolVersion.MQTTv5 else "3.1.1"

    def dial(self, stop: threading.Event) -> None:
        self.client.connect(self._line.host, self._line.port, KEEPALIVE_S)
        self.client.loop_start()
        answer = self._answer(stop)
        if isinstance(answer, _Ended):
            # Some brokers close without a word when they do not know the version.
            raise _OtherVersionError
        (code,) = answer.codes
        if _is_version_refusal(code):
            raise _OtherVersionError
        if code.is_failure:
            raise _NoSessionError(f"it refuses the log-in of {self._line.user!r} ({code})")
        if self._receive_maximum < self._inflight:
            raise _NarrowError(self._receive_maximum)

    def subscribe(self, topic: str, stop: threading.Event) -> None:
        self.client.subscribe(topic, qos=QOS)
        answer = self._answer(stop)
        if isinstance(answer, _Ended):
            raise _NoSessionError(answer.because)
        if any(code.is_failure for code in answer.codes):
            raise _NoSessionError(f"it refuses to let us hear {topic}")

    def ended_within(self, seconds: float) -> str | None:
        """Why the connection is over; None while it stands."""
        try:
            signal = self._signals.get(timeout=seconds)
        except queue.Empty:
            return None if self._is_served() else "the network thread has died"
        return signal.because if isinstance(signal, _Ended) else None

    def say_goodbye(self, topic: str, presence: Presence) -> None:
        """Leave in good order: the last will stays unsaid, and our own word stands."""
        self._leaving = True
        said = self.client.publish(topic, codec.encode(presence), qos=QOS, retain=True)
        self._wait_for(lambda signal: signal == _Published(said.mid))
        # Only a DISCONNECT that has left keeps the broker from saying our last will.
        self.client.disconnect()
        self._wait_for(lambda signal: isinstance(signal, _Ended))

    def _wait_for(self, wanted: Callable[[_Signal], bool]) -> None:
        deadline = time.monotonic() + GOODBYE_S_MAX
        while (left_s := deadline - time.monotonic()) > 0:
            try:
                signal = self._signals.get(timeout=left_s)
            except queue.Empty:
                return
            if wanted(signal) or isinstance(signal, _Ended):
                return

    def hang_up(self) -> None:
        """Ends paho's thread even when the other side does not answer."""
        self.client.disconnect()
        sock = self.client.socket()
        if sock is not None:
            with contextlib.suppress(OSError):
                cast("socket.socket", sock).shutdown(socket.SHUT_RDWR)
        self.client.loop_stop()

    def _make(self, will: bytes) -> mqtt.Client:
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._line.gateway,
            # Of MQTT 5, paho wants to be told at `connect`, and does it at the first by default.
            clean_session=None if self._protocol == MQTTProtocolVersion.MQTTv5 else True,
            protocol=self._protocol,
            reconnect_on_failure=False,
        )
        client.connect_timeout = CONNECT_S_MAX
        client.max_inflight_messages_set(self._inflight)
        client.max_queued_messages_set(PUBLISHES_WAITING_MAX)
        client.username_pw_set(self._line.user, self._line.password())
        client.will_set(topics.presence(self._line.gateway), will, qos=QOS, retain=True)
        if self._line.tls is not None:
            client.tls_set_context(self._line.tls)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_publish = self._on_publish
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        return client

    def _answer(self, stop: threading.Event) -> _Answered | _Ended:
        deadline = time.monotonic() + ANSWER_S_MAX
        while time.monotonic() < deadline and not stop.is_set():
            with contextlib.suppress(queue.Empty):
                signal = self._signals.get(timeout=WATCH_S)
                if not isinstance(signal, _Published):
                    return signal
            if not self._is_served():
                break
        raise _NoSessionError("it does not answer")

    def _is_served(self) -> bool:
        thread = self.client._thread  # noqa: SLF001 - paho has no other way to ask
        return thread is not None and thread.is_alive()

    def _signal(self, signal: _Signal) -> None:
        with contextlib.suppress(queue.Full):
            self._signals.put_nowait(signal)

    # paho's thread calls what follows; none of it may wait or raise.

    def _on_connect(
        self, _client: object, _userdata: object, _flags: object, code: ReasonCode, props: object
    ) -> None:
        self._receive_maximum = getattr(props, "ReceiveMaximum", self._inflight)
        self._signal(_Answered((code,)))

    def _on_subscribe(
        self, _client: object, _userdata: object, _mid: int, codes: list[ReasonCode], _props: object
    ) -> None:
        self._signal(_Answered(tuple(codes)))

    def _on_publish(
        self, _client: object, _userdata: object, mid: int, code: ReasonCode, _props: object
    ) -> None:
        self._receipts.append(mid)
        # MQTT 5 alone can say so; and it is no more than a hint, for the cloud's Ack decides.
        if code.is_failure and not self._refused:
            self._refused = True
            log.error("the broker refuses what we send: %s", code)
        if self._leaving:
            self._signal(_Published(mid))

    def _on_disconnect(
        self, _client: object, _userdata: object, _flags: object, code: ReasonCode, _props: object
    ) -> None:
        self._signal(_Ended(str(code)))

    def _on_message(self, _client: object, _userdata: object, message: mqtt.MQTTMessage) -> None:
        self._tell(bytes(message.payload))


def _is_version_refusal(code: ReasonCode) -> bool:
    return code == ReasonCode(PacketTypes.CONNACK, "Unsupported protocol version")
