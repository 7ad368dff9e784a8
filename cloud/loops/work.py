"""The loops of `binline cloud work`: `follow`, look at bins that moved, send what is owed, `keep`.

They take their work from tables, so any number of these processes may run, and one that is killed
loses nothing: an assessment is one transaction, and a notice that was taken comes back when its
lease is over. The tables are asked, not listened to: a notification is lost when nobody listens.
Within this process one loop wakes the next, so that a bin that is low is known to be low in a
fraction of a second; whatever another process did is found at the next look.
"""

import logging
import queue
import random
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg
from prometheus_client import Counter, Gauge, Histogram, start_http_server

from cloud.actions.assess import Assessment, Outcome, assess_bin
from cloud.actions.follow import follow_bins
from cloud.actions.remember import Memory
from cloud.channels.base import Channel, ChannelSettings, Failed, MailServer, Sent
from cloud.channels.registry import make_channels
from cloud.core.notices import Notice
from cloud.core.orders import order_label
from cloud.core.retry import next_send_after, outage_wait_s
from cloud.loops.clock import ClockLoop
from cloud.loops.follow import FollowLoop
from cloud.loops.keep import KeepLoop
from cloud.postgres import bins, follow_due, notices, pools
from cloud.postgres.bins import Due
from cloud.settings import JobsSettings

POLL_S = 0.15
FOLLOW_POLL_S = 0.05  # ingest is another process, and every reading waits for this one
DUE_MAX = 100_000  # looked through per round: as many as there are bins
LOOK_S = 0.1  # then it is looked again what is due: a bin that falls meanwhile goes first
# Whoever waits for the database waits for its turn in Python after that, and the loops ask in
# small questions: at the usual 5 ms, one that computes holds up another's every answer.
SWITCH_S = 0.000_5
# Not to be told yet: when it is trusted, or low for long enough.
STAYS_DUE = frozenset((Outcome.NOT_TRUSTED, Outcome.FALLING))
LOW_AGAIN_S = 900.0  # a bin that stays low is looked at again: another day, another answer
ASIDE_S = 60.0  # for a bin whose assessment fails: the others go on meanwhile
# Of one who died, the notices come back after this; while he lives, he holds on to them.
LEASE = timedelta(seconds=30)
HOLD_EVERY_S = 10.0
SENDS_AT_ONCE = 32  # they mostly wait; of them one per channel
REPEATS_AT_ONCE = 16  # what failed before never takes all the places
FINISH_S_MAX = 5.0  # for sends under way when told to stop
COUNT_EVERY_S = 5.0

log = logging.getLogger(__name__)
_dice = random.SystemRandom()

_assessed = Counter("binline_assessments", "Bins looked at, by what followed", ["outcome"])
_due = Gauge("binline_bins_due", "Bins that moved and wait to be looked at")
_attempts = Counter("binline_notice_attempts", "Tries to send a notice", ["channel", "result"])
_owed = Gauge("binline_notices_owed", "Notices not sent yet")
_delay = Histogram(
    "binline_notice_delay_seconds",
    "From the order to the receiver's yes",
    buckets=(0.5, 1, 2, 5, 10, 30, 60, 300, 3_600, 86_400),
)


def run_work(settings: JobsSettings, stop: threading.Event) -> None:
    """Until `stop` is set. An exception is a defect: the process should end and be restarted."""
    sys.setswitchinterval(SWITCH_S)
    if settings.metrics_port is not None:
        start_http_server(settings.metrics_port)
    for library in ("httpx", "httpcore"):
        # They log each address called, and a webhook's address may hold its owner's secret.
        logging.getLogger(library).setLevel(logging.WARNING)
    changed, owed, nothing = threading.Event(), threading.Event(), threading.Event()
    follow, keep = FollowLoop(stop, changed), KeepLoop(settings.keeping, stop)
    clock = ClockLoop(stop)
    assess, send = AssessLoop(stop, owed, follow.remembered), SendLoop(settings)
    rounds: list[tuple[str, Callable[[psycopg.Connection], None], threading.Event, float]] = [
        ("follow", follow.round, nothing, FOLLOW_POLL_S),
        ("assess", assess.round, changed, POLL_S),
        ("send", send.round, owed, POLL_S),
        ("keep", keep.round, nothing, POLL_S),
        ("clock", clock.round, nothing, POLL_S),
    ]
    with ThreadPoolExecutor(len(rounds), thread_name_prefix="work") as threads:
        running = [threads.submit(_keep_going, settings.dsn, *loop, stop) for loop in rounds]
        wait(running, return_when=FIRST_COMPLETED)
        stop.set()
    for loop in running:
        loop.result()
    send.finish(settings.dsn)


def _keep_going(  # noqa: PLR0917 - what a loop is
    dsn: str,
    name: str,
    one_round: Callable[[psycopg.Connection], None],
    wake: threading.Event,
    poll_s: float,
    stop: threading.Event,
) -> None:
    """Rounds on one connection, when `wake` is set and every `poll_s`; a new one when it breaks.

    An outage is told once, and its end.
    """
    failures = 0
    while not stop.is_set():
        try:
            with closing(pools.connect(dsn, name=f"work {name}")) as conn:
                conn.autocommit = True
                while not stop.is_set():
                    wake.clear()  # before the look: what comes during it is looked for again
                    one_round(conn)
                    if failures:
                        log.info("%s: the database is back", name)
                        failures = 0
                    wake.wait(poll_s)
        except pools.OUTAGES as error:
            if not failures:
                log.warning("%s: the database is away, trying again: %s", name, error)
            failures += 1
            stop.wait(outage_wait_s(failures, _dice.random()))


class AssessLoop:
    """Looks at every bin that is due.

    A bin whose number cannot be trusted stays due, and is looked at again when more was heard of
    it: the reading that makes it fresh may show the same weight, and then nobody would call again.
    `owed` is set when an order was placed, for who waits for it in this process.
    """

    def __init__(
        self,
        stop: threading.Event,
        owed: threading.Event | None = None,
        remembered: Memory | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._stop = stop
        self._now = now
        self._owed = owed or threading.Event()
        self._remembered = Memory() if remembered is None else remembered
        self._low_again_at = 0.0
        self._put_off: dict[int, object] = {}  # bin -> what was known when it was not trusted
        self._aside: dict[int, float] = {}  # bin -> until when (monotonic)
        self._waiting: set[int] = set()  # low without an order, and told so

    def round(self, conn: psycopg.Connection) -> None:
        if time.monotonic() >= self._low_again_at:
            bins.mark_low(conn)
            self._low_again_at = time.monotonic() + LOW_AGAIN_S
        while self._some(conn):
            pass

    def _some(self, conn: psycopg.Connection) -> bool:
        """Whether there may be more. To look what is due takes half of the time at most."""
        began = time.monotonic()
        due = bins.due(conn, DUE_MAX)
        until = time.monotonic() + max(LOOK_S, time.monotonic() - began)
        listed = {entry.bin_id for entry in due}
        self._put_off = {key: at for key, at in self._put_off.items() if key in listed}
        wanted = [entry for entry in due if self._is_wanted(entry)]
        _due.set(len(wanted))
        for entry in wanted:
            if self._stop.is_set():
                return False
            self._assess(conn, entry)
            if time.monotonic() >= until:
                return True
        return False

    def _is_wanted(self, due: Due) -> bool:
        if self._put_off.get(due.bin_id) == due.known:
            return False
        return self._aside.get(due.bin_id, 0.0) <= time.monotonic()

    def _assess(self, conn: psycopg.Connection, due: Due) -> None:
        try:
            assessment = self._take_and_assess(conn, due.bin_id)
        except pools.IN_THE_WAY as error:
            log.debug("bin %s was in use, next round: %s", due.bin_id, error)
        except pools.OUTAGES:
            raise
        except Exception:
            log.exception("bin %s cannot be assessed, set aside for a minute", due.bin_id)
            self._aside[due.bin_id] = time.monotonic() + ASIDE_S
        else:
            self._aside.pop(due.bin_id, None)
            if assessment is not None:
                self._note(due, assessment)

    def _take_and_assess(self, conn: psycopg.Connection, bin_id: int) -> Assessment | None:
        """None: another worker has it in hand, or was quicker.

        What was read of it and is not followed yet is followed here, while nothing more can come:
        a bin that is read ten times a second would else never be found followed.
        """
        now = self._now()
        followed = Memory()
        with conn.transaction():
            held = bins.lock_state_if_free(conn, bin_id)
            if held is None:
                return None
            if held.behind:
                # Before it is taken: who follows it holds its track when it says that it is due.
                done = follow_bins(
                    conn, [follow_due.Due(bin_id, None)], now, self._remembered, wait=False
                )
                follow_due.give_back(conn, done.again)
                followed = done.remembered
            assessment = None
            if bins.take_due(conn, bin_id):
                assessment = assess_bin(conn, bin_id, now)
                if assessment.outcome in STAYS_DUE:
                    bins.make_due(conn, [bin_id])
        self._remembered.update(followed)
        return assessment

    def _note(self, due: Due, assessment: Assessment) -> None:
        _assessed.labels(assessment.outcome).inc()
        match assessment.outcome:
            case Outcome.NOT_TRUSTED:
                self._put_off[due.bin_id] = due.known
                return  # whether it still waits for a pack to fit is not known now
            case Outcome.FALLING:
                self._put_off[due.bin_id] = due.known  # it stays due: the next reading may tell
            case Outcome.DRAFTED | Outcome.TOLD | Outcome.NOTED:
                log.info(
                    "bin %s: %s, %s", assessment.bin_code, assessment.outcome, assessment.because
                )
            case Outcome.ORDERED:
                self._owed.set()
                log.info("bin %s: ordered, %s", assessment.bin_code, assessment.because)
                if not assessment.notices:
                    log.warning("bin %s: its supplier has no channel", assessment.bin_code)
            case Outcome.CLOSED:
                log.info("bin %s: %s", assessment.bin_code, assessment.because)
            case Outcome.WAITING if due.bin_id not in self._waiting:
                log.warning("bin %s: not ordered, %s", assessment.bin_code, assessment.because)
        if assessment.outcome is Outcome.WAITING:
            self._waiting.add(due.bin_id)
        else:
            self._waiting.discard(due.bin_id)


@dataclass(frozen=True, kw_only=True)
class _Result:
    notice: Notice
    at: datetime
    answer: Sent | Failed


class SendLoop:
    """Hands notices to their channels, each in a thread of its own, and notes what became of them.

    One slow receiver holds up only itself: a channel sends one notice at a time.
    """

    def __init__(self, settings: JobsSettings) -> None:
        self._public_url = settings.public_url
        self._secret_key = settings.secret_key
        self._channels = make_channels(_channel_settings(settings))
        self._under_way: dict[int, Notice] = {}  # by channel
        self._results: queue.Queue[_Result] = queue.Queue(SENDS_AT_ONCE)
        self._unwritten: list[_Result] = []  # kept over an outage; at most those under way
        self._count_at = 0.0
        self._hold_at = 0.0

    def round(self, conn: psycopg.Connection) -> None:
        self._write_results(conn)
        self._hold_on(conn)
        while self._start_one(conn):
            self._write_results(conn)
        if time.monotonic() >= self._count_at:
            _owed.set(notices.count_owed(conn))
            self._count_at = time.monotonic() + COUNT_EVERY_S

    def finish(self, dsn: str) -> None:
        """Give what is under way a moment; the rest comes back when its lease is over."""
        until = time.monotonic() + FINISH_S_MAX
        while len(self._unwritten) < len(self._under_way) and time.monotonic() < until:
            try:
                self._unwritten.append(
                    self._results.get(timeout=max(0.0, until - time.monotonic()))
                )
            except queue.Empty:
                break
        if not self._unwritten:
            return
        try:
            with closing(pools.connect(dsn, name="work send")) as conn:
                conn.autocommit = True
                self._write_results(conn)
        except pools.OUTAGES as error:
            log.warning("%s notices may be sent twice: %s", len(self._unwritten), error)

    def _hold_on(self, conn: psycopg.Connection) -> None:
        """A mail server that takes its time may take longer than a lease lasts."""
        if self._under_way and time.monotonic() >= self._hold_at:
            ids = [notice.notice_id for notice in self._under_way.values()]
            notices.hold(conn, ids, until=datetime.now(UTC) + LEASE)
            self._hold_at = time.monotonic() + HOLD_EVERY_S

    def _start_one(self, conn: psycopg.Connection) -> bool:
        """Whether there was one to start."""
        if len(self._under_way) >= SENDS_AT_ONCE:
            return False
        repeats = sum(notice.tries > 0 for notice in self._under_way.values())
        claimed = notices.claim(
            conn,
            now=datetime.now(UTC),
            lease=LEASE,
            busy_channels=self._under_way.keys(),
            repeats=repeats < REPEATS_AT_ONCE,
        )
        if claimed is None:
            return False
        try:
            notice = notices.load(conn, claimed, self._public_url, self._secret_key)
        except pools.OUTAGES:
            raise
        except Exception:
            log.exception("notice %s cannot be read, it waits for the end of its lease", claimed)
        else:
            self._start(conn, notice)
        return True

    def _start(self, conn: psycopg.Connection, notice: Notice) -> None:
        if notice.is_late:
            # Told now, a supplier would deliver twice, or somebody decide what is decided.
            because = "not sent: the order has ended before"
            if notice.settled:
                because = "not sent: it was decided before"
            with conn.transaction():
                notices.record_failed(conn, notice.notice_id, datetime.now(UTC), because, None)
            log.warning("%s: %s by %s", _name(notice), because, notice.channel)
            return
        self._under_way[notice.channel_id] = notice
        # A daemon: a receiver that drips must not keep a stopped process alive.
        threading.Thread(
            target=self._send, args=(notice,), name=f"send {notice.channel}", daemon=True
        ).start()

    def _send(self, notice: Notice) -> None:
        answer = _answer(self._channels, notice)
        self._results.put(_Result(notice=notice, at=datetime.now(UTC), answer=answer))

    def _write_results(self, conn: psycopg.Connection) -> None:
        while True:
            try:
                self._unwritten.append(self._results.get_nowait())
            except queue.Empty:
                break
        while self._unwritten:
            result = self._unwritten[0]
            with conn.transaction():
                _write(conn, result)
            self._unwritten.pop(0)
            del self._under_way[result.notice.channel_id]


def _answer(channels: Mapping[str, Channel], notice: Notice) -> Sent | Failed:
    try:
        return channels[notice.channel].send(notice, datetime.now(UTC))
    except Exception:
        log.exception("channel %s failed on notice %s", notice.channel, notice.notice_id)
        return Failed(because="a defect on our side", retry=True)


def _write(conn: psycopg.Connection, result: _Result) -> None:
    notice = result.notice
    match result.answer:
        case Sent(detail=detail):
            notices.record_sent(conn, notice.notice_id, result.at, detail)
            _attempts.labels(notice.channel, "sent").inc()
            _delay.observe((result.at - notice.told_at).total_seconds())
            log.info("%s: told by %s", _name(notice), notice.channel)
        case Failed() as failed:
            next_try_at = _next_try_at(failed, notice, result.at)
            notices.record_failed(conn, notice.notice_id, result.at, failed.because, next_try_at)
            _attempts.labels(notice.channel, "failed" if next_try_at else "given up").inc()
            _tell_failure(notice, failed, next_try_at)


def _next_try_at(failed: Failed, notice: Notice, now: datetime) -> datetime | None:
    after = next_send_after(notice.tries + 1, _dice.random()) if failed.retry else None
    return None if after is None else now + max(after, timedelta(seconds=failed.wait_s))


def _tell_failure(notice: Notice, failed: Failed, next_try_at: datetime | None) -> None:
    what = (_name(notice), notice.channel, failed.because)
    if next_try_at is None:
        log.error("%s: given up telling by %s: %s", *what)
    elif notice.tries == 0:
        log.warning("%s: not told by %s, trying again: %s", *what)


def _name(notice: Notice) -> str:
    if notice.agreement_id is not None:
        return f"agreement {notice.agreement_id}"
    if notice.order_number is None:
        return f"bin {notice.first.bin_code}"
    return order_label(notice.order_number)


def _channel_settings(settings: JobsSettings) -> ChannelSettings:
    smtp = settings.smtp
    return ChannelSettings(
        mail_server=MailServer(
            host=smtp.host, port=smtp.port, tls=smtp.tls, user=smtp.user, password=smtp.password
        ),
        mail_from=settings.mail_from,
        webhook_allowed_hosts=settings.webhook_allowed_hosts,
    )
