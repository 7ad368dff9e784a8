"""The loop of ingest: take from the broker, commit, and only then acknowledge.

    take ─▶ translate ─▶ one transaction ─▶ PUBACK to the broker ─▶ Ack to the gateway

While the database is away the same messages are tried again, in place: the broker stops at its
window, the gateways keep what they have no acknowledgement for, and nobody needs to do anything.
"""

import collections
import logging
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import psycopg
import tenacity
from prometheus_client import Counter, Gauge, Histogram

from cloud.actions.take_in import AGE_MAX, TakenIn, correct_some, take_in
from cloud.core.readings import Arrival
from cloud.core.twins import Twins
from cloud.intake import translate
from cloud.intake.hand_over import Consumer
from cloud.postgres import gateways
from cloud.postgres.dead_letters import DeadLetter

MESSAGES_MAX = 200
BYTES_MAX = 4 * 1024 * 1024
GATHER_S = 0.05
# The thread that understands messages is busy while this one waits for one short answer of the
# database after the other; with Python's 5 ms it would get its turn that much later each time.
SWITCH_S = 0.0005
WAIT_S = 0.5
RETRY_S_FIRST = 0.2
RETRY_S_MAX = 15.0
CROWDED_TURNS = 50  # so long it is taken for granted that others are at work on the same streams
LETTERS_REMEMBERED_MAX = 10_000
LOOK_AROUND_S = 10.0  # for times to correct, who fell silent, and to write down what was shed
# A gateway says every half minute that it is there, and after a long cut waits two minutes at most
# before it calls the broker again. Whoever was deaf in that time has heard nobody, and judges none.
SILENT_S = 180.0

# The database is away, or there and read-only, which is what a standby is.
AWAY = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.errors.ReadOnlySqlTransaction)

READINGS = Counter("binline_readings_committed", "Readings stored for the first time")
REPEATS = Counter("binline_batches_repeated", "Batches that had been committed before")
LETTERS = Counter("binline_dead_letters", "Messages kept aside because they could not be taken in")
LETTERS_BEYOND = Counter(
    "binline_dead_letters_beyond", "Dead letters counted and not kept: one gateway had too many"
)
ASIDE = Counter("binline_readings_aside", "Readings set aside because their time cannot be")
HELD = Counter(
    "binline_messages_held", "Messages of a machine that uses another's name, left there"
)
SHED = Counter("binline_messages_shed", "Messages over a gateway's quota, left on it to come again")
REWINDS = Counter("binline_rewinds", "Streams of which a gateway remembers more than the database")
TWINS = Counter("binline_gateway_twins", "Times that two machines were found to use one name")
COMMIT_S = Histogram(
    "binline_commit_seconds",
    "From the first statement of a transaction to its commit, retries left out",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
)
SINCE_COMMIT_S = Gauge("binline_seconds_since_commit", "Since the last commit, or since the start")
DATABASE_AWAY = Gauge("binline_database_away", "1 while commits fail and are tried again")

log = logging.getLogger(__name__)


class IngestLoop:
    def __init__(
        self,
        consumer: Consumer,
        connect: Callable[[], psycopg.Connection],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        age_max: timedelta = AGE_MAX,
    ) -> None:
        self._consumer = consumer
        self._connect = connect
        self._now = now
        self._age_max = age_max
        self._look_around_at = time.monotonic()
        self._deaf_at = time.monotonic()
        self._shed: collections.Counter[str] = collections.Counter()
        self._letters_beyond = False
        self._crowded = 0  # for so many turns more
        self._conn: psycopg.Connection | None = None
        self._letters: OrderedDict[bytes, None] = OrderedDict()
        self._away = False
        self._committed_at = time.monotonic()
        SINCE_COMMIT_S.set_function(lambda: time.monotonic() - self._committed_at)

    def run(self, stop: threading.Event) -> None:
        sys.setswitchinterval(SWITCH_S)
        try:
            while not stop.is_set():
                self._turn(stop)
                if time.monotonic() >= self._look_around_at:
                    self._look_around()
        finally:
            self._drop_connection()

    def _turn(self, stop: threading.Event) -> None:
        deliveries = self._consumer.take(
            messages_max=MESSAGES_MAX, bytes_max=BYTES_MAX, wait_s=WAIT_S, gather_s=GATHER_S
        )
        if not deliveries:
            # A defect, and alone it would look like silence: end, and be started again.
            assert self._consumer.alive, "the thread that talks to the broker ended"
            return
        arrivals = [delivery.arrival for delivery in deliveries]
        taken = self._commit_at_last(arrivals, stop)
        if taken is None:
            return
        self._consumer.done(deliveries)
        for committed in taken.committed:
            self._consumer.publish(*translate.acknowledgement(committed))

    def _look_around(self) -> None:
        """What nobody waits for: a bounded piece of it, and when the database is away, later."""
        more = False
        shed = self._consumer.shed()
        self._shed += shed
        SHED.inc(shed.total())
        for gateway in shed:
            log.warning(
                "gateway %s is over its quota: %d messages left there, they come again",
                gateway,
                shed[gateway],
            )
        try:
            conn = self._connection()
            self._listen_for_silence(conn)
            if self._shed:
                with conn.transaction():
                    gateways.note_shed(conn, self._shed, self._now())
                self._shed.clear()
            more = correct_some(conn, self._now(), age_max=self._age_max)
        except AWAY:
            self._deaf_at = time.monotonic()
            self._drop_connection()
        self._look_around_at = time.monotonic() + (0 if more else LOOK_AROUND_S)

    def _listen_for_silence(self, conn: psycopg.Connection) -> None:
        if not self._consumer.connected:
            self._deaf_at = time.monotonic()
        elif time.monotonic() - self._deaf_at >= SILENT_S:
            with conn.transaction():
                silent = gateways.note_silent(conn, self._now() - timedelta(seconds=SILENT_S))
            for gateway in silent:
                log.warning("gateway %s fell silent without a word: called offline", gateway)

    def _commit_at_last(self, arrivals: Sequence[Arrival], stop: threading.Event) -> TakenIn | None:
        """Try until it is committed; None: we were told to stop before it was."""
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(AWAY),
            wait=tenacity.wait_random_exponential(multiplier=RETRY_S_FIRST, max=RETRY_S_MAX),
            stop=tenacity.stop_when_event_set(stop),
            sleep=tenacity.sleep_using_event(stop),
            before_sleep=self._note_away,
            reraise=True,
        )
        try:
            taken = retrying(self._commit, arrivals)
        except AWAY:
            return None
        self._note_committed(taken)
        return taken

    def _commit(self, arrivals: Sequence[Arrival]) -> TakenIn:
        """One try. A commit whose outcome is unknown is tried again: the ledger knows it."""
        try:
            conn = self._connection()
            with COMMIT_S.time():
                return take_in(
                    conn,
                    arrivals,
                    self._now(),
                    self._letters,
                    age_max=self._age_max,
                    crowded=self._crowded > 0,
                )
        except AWAY:
            self._drop_connection()
            raise

    def _note_committed(self, taken: TakenIn) -> None:
        self._committed_at = time.monotonic()
        self._crowded = CROWDED_TURNS if taken.crowded else self._crowded - 1
        if self._away:
            self._away = False
            DATABASE_AWAY.set(0)
            log.info("the database is back")
        READINGS.inc(taken.readings)
        REPEATS.inc(taken.repeats)
        ASIDE.inc(taken.aside)
        HELD.inc(taken.held)
        if taken.steps:
            self._look_around_at = time.monotonic()
        for letter in taken.letters:
            self._remember(letter)
        self._note_letters_beyond(taken.letters_beyond)
        for gateway, stream in taken.rewound:
            REWINDS.inc()
            log.warning(
                "gateway %s holds acknowledged readings of stream %s that the database misses: "
                "it was restored to an earlier time, and they are sent again",
                gateway,
                stream.hex,
            )
        for gateway, alarm in taken.twins.items():
            self._note_twins(gateway, alarm)

    def _note_letters_beyond(self, count: int) -> None:
        LETTERS_BEYOND.inc(count)
        if count and not self._letters_beyond:
            log.warning("a gateway has too many dead letters: more of them are counted, not kept")
        self._letters_beyond = self._letters_beyond or bool(count)

    def _note_twins(self, gateway: str, alarm: Twins | None) -> None:
        if alarm is None:
            log.warning("gateway %s: only one machine uses the name now", gateway)
            return
        TWINS.inc()
        log.warning(
            "two machines use the name of gateway %s: stream %s goes on, stream %s is held "
            "until somebody settles it",
            gateway,
            alarm.kept.hex,
            alarm.held.hex,
        )

    def _remember(self, letter: DeadLetter) -> None:
        LETTERS.inc()
        log.warning("kept aside a message on %s: %s", letter.topic, letter.because)
        self._letters[letter.fingerprint] = None
        if len(self._letters) > LETTERS_REMEMBERED_MAX:
            self._letters.popitem(last=False)

    def _note_away(self, state: tenacity.RetryCallState) -> None:
        self._deaf_at = time.monotonic()
        if not self._away:
            self._away = True
            DATABASE_AWAY.set(1)
            error = state.outcome.exception() if state.outcome else None
            log.warning("the database does not take readings, trying again: %s", error)

    def _connection(self) -> psycopg.Connection:
        if self._conn is None or self._conn.closed:
            self._conn = self._connect()
        return self._conn

    def _drop_connection(self) -> None:
        if self._conn is not None:
            self._conn.close()
            self._conn = None
