"""The sending protocol: what is on its way, what goes next, what may be forgotten, what comes back.

    spool   ──batches──▶  Sender  ──Send(no)────▶  uplink
    cloud   ────Ack────▶  Sender  ──Forget(nos)─▶  spool    committed there
                                  ──TakeBack────▶  spool    was committed, and is no longer

Only a batch that was sent can be forgotten, and only when an `Ack` covers all of it. A broker's
own receipt says that the line has carried it, and nothing of what the cloud has committed.

Two lanes share the line: what was measured since the connection came up goes first, and the
backlog, oldest first, fills the rest. After an hour without a line the pages show the present at
once, not an hour late. How much may be on its way follows from how fast the answers come, so on a
line of 2 kB/s the present waits behind one batch of the backlog and no more.

Pure: the clock is an argument, in monotonic milliseconds. Payloads stay on the disk.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge_agent.core.ranges import Range, joined, within, without
from edge_agent.wire.messages import SEQ_MAX, Ack

# Of each lane. With the broker's own limit far below, more would only wait in another queue.
WINDOW_BATCHES = 64
WINDOW_BYTES = 1024 * 1024

# The bytes on their way: more while answers come quickly, half as many when one is slow.
LIMIT_BYTES_START = 64 * 1024
LIMIT_BYTES_MIN = 16 * 1024
SLOW_MS = 8_000

# Further behind than this, the live lane goes on with the newest, and the backlog fetches the rest.
LIVE_BEHIND_MAX = 20

BACKLOG_BYTES_PER_S = 1024 * 1024

# An answer takes a second when all is well, counted from the broker's receipt: what is still on the
# line is not lost, and asking again would double what a thin one has to carry.
RESEND_MS = 10_000
RESEND_MS_MAX = 60_000

# While nothing is answered at all, one batch asks for all. A cloud that is away for a day would
# otherwise find thousands of repeats in its broker.
PROBE_MS = 15_000

# A batch that the cloud passes over this often, while it takes later ones, is refused there. It is
# kept and offered again, but must not hold a place in the window that others need.
PASSED_OVER_MAX = 3
REFUSED_BATCHES_MAX = 256

# Several processes of the cloud answer, so an answer may be overtaken by a later one. What it
# leaves out counts as lost only if it had been acknowledged for so long.
OVERTAKEN_MS_MAX = 15_000
RECENT_RANGES_MAX = 1_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """A batch in the spool, without its payload. `no` is its place in the queue."""

    no: int
    stream: str
    first_seq: int
    last_seq: int
    size_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Send:
    no: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Forget:
    """The cloud has committed these; an empty tuple when it said nothing new."""

    nos: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Odd:
    """An acknowledgement that cannot be true. Nothing is forgotten for it."""

    because: str


@dataclass(frozen=True, kw_only=True, slots=True)
class TakeBack:
    """The cloud was set back to an earlier state: what it had acknowledged and now misses."""

    stream: str
    missing: tuple[Range, ...]


@dataclass(kw_only=True, slots=True)
class _Flight:
    """A batch that was sent. Not `aloft`: on a connection that is no more."""

    batch: Batch
    live: bool
    sent_ms: int
    token: int = 0  # the line's, until the broker's receipt
    received_ms: int | None = None  # by the broker; None: it is still on the line
    aloft: bool = True
    times: int = 1
    passed_over: int = 0
    overtaken: bool = False  # since it was last sent

    @property
    def counts(self) -> bool:
        return self.aloft and self.passed_over < PASSED_OVER_MAX

    def is_late(self, now_ms: int) -> bool:
        if not self.aloft or self.received_ms is None:
            return False
        patience_ms = min(RESEND_MS << min(self.times - 1, 10), RESEND_MS_MAX)
        return now_ms - self.received_ms >= patience_ms


@dataclass(frozen=True, kw_only=True, slots=True)
class _OnLine:
    """Handed over and not yet receipted, whether it has been answered meanwhile or not."""

    token: int
    no: int
    size_bytes: int
    live: bool


class Sender:
    """`stream` is the one the spool writes now; it may still hold batches of earlier ones."""

    def __init__(self, stream: str, backlog_bytes_per_s: int = BACKLOG_BYTES_PER_S) -> None:
        self._stream = stream
        self._highest_sent = 0  # seq, of `stream`
        self._flying: dict[int, _Flight] = {}
        self._passed = 0
        self._live_after = 0
        self._up = False
        self._limit_bytes = LIMIT_BYTES_START
        self._slowed_ms = 0
        self._on_line: deque[_OnLine] = deque()
        self._heard_ms = self._probed_ms = 0
        self._bucket = _Bucket(backlog_bytes_per_s)
        self._recent: deque[tuple[int, str, Range]] = deque(maxlen=RECENT_RANGES_MAX)
        self._kept: dict[str, list[Range]] = {}

    @property
    def passed(self) -> int:
        """Every batch up to this number was sent or is gone: the backlog goes on after it."""
        return self._passed

    @property
    def live_after(self) -> int:
        """Batches after this number are the present."""
        return self._live_after

    @property
    def flying(self) -> int:
        return sum(flight.aloft for flight in self._flying.values())

    @property
    def is_up(self) -> bool:
        return self._up

    @property
    def has_room(self) -> bool:
        """Whether a batch of usual size would be sent if it were measured now."""
        return self._up and _Room(self).live(0)

    def connected(self, newest_no: int, now_ms: int) -> None:
        """All that is unanswered goes out again: the old connection may have lost any of it."""
        self._up = True
        self._limit_bytes = LIMIT_BYTES_START
        self._on_line.clear()
        self._heard_ms = self._probed_ms = self._slowed_ms = now_ms
        for no, flight in self._flying.items():
            flight.aloft = False
            self.back_to(no)
        self._live_after = max(self._passed, newest_no - 1)

    def disconnected(self) -> None:
        self._up = False

    def due(self, now_ms: int) -> list[Send]:
        """What was sent long enough ago to be sent again, oldest first."""
        if not self._up:
            return []
        late = [flight for _, flight in sorted(self._flying.items()) if flight.is_late(now_ms)]
        if late and now_ms - self._heard_ms >= RESEND_MS:
            late = self._probe(now_ms)
        for flight in late:
            # What was overtaken is lost or refused, and no fault of the line.
            if flight.sent_ms >= self._slowed_ms and not flight.overtaken:
                self._slow_down(now_ms)
            flight.times += 1
            flight.sent_ms = now_ms
            flight.received_ms = None
            flight.overtaken = False
        return [Send(no=flight.batch.no) for flight in late]

    def offer(self, backlog: Sequence[Batch], live: Sequence[Batch], now_ms: int) -> list[Send]:
        """What of the spool goes out now.

        `backlog` are the first batches after `passed`, `live` those after `live_after`, both in
        the order of the queue; they may overlap.
        """
        if not self._up:
            return []
        older, newer = deque(backlog), deque(live)
        room = _Room(self)
        sends = []
        while (batch := self._next(older, newer, room, now_ms)) is not None:
            sends.append(Send(no=batch.no))
        return sends

    def handed_over(self, no: int, token: int, size_bytes: int, now_ms: int) -> None:
        """To the line, which names it by a token that grows; 0: it has not taken it."""
        flight = self._flying.get(no)
        if token:
            live = flight is None or flight.live
            self._on_line.append(_OnLine(token=token, no=no, size_bytes=size_bytes, live=live))
        if flight is not None:
            flight.token = token
            flight.received_ms = None if token else now_ms  # to be tried again in its time

    def carried(self, below_token: int, now_ms: int) -> None:
        """The broker has receipted all that was handed over before this token."""
        while self._on_line and self._on_line[0].token < below_token:
            through = self._on_line.popleft()
            flight = self._flying.get(through.no)
            if flight is not None and flight.token == through.token:
                flight.received_ms = now_ms

    def catch_up(self, newest_no: int) -> None:
        """The line cannot carry all that is measured: the newest goes before what waits."""
        if newest_no - self._live_after > LIVE_BEHIND_MAX:
            self._live_after = newest_no - 1

    def pass_all(self, newest_no: int) -> None:
        """Nothing waits after `passed`, up to this one."""
        self._passed = max(self._passed, newest_no)
        self._live_after = max(self._live_after, newest_no)

    def back_to(self, no: int) -> None:
        """From this batch on all is backlog, though it was passed already."""
        self._passed = min(self._passed, no - 1)

    def heard(self, ack: Ack, now_ms: int) -> Forget | Odd:
        if any(first > last for first, last in ack.holes):
            return Odd(because="a hole ends before it begins")
        if ack.stream == self._stream and ack.committed_upto > self._highest_sent:
            return Odd(
                because=f"committed up to {ack.committed_upto}, sent up to {self._highest_sent}"
            )
        self._heard_ms = now_ms
        nos = tuple(
            no
            for no, flight in sorted(self._flying.items())
            if flight.batch.stream == ack.stream and _covers(ack, flight.batch)
        )
        self._land(nos, now_ms)
        return Forget(nos=nos)

    def keeps(self, kept: Mapping[str, Sequence[Range]]) -> None:
        """What the spool holds though it is acknowledged, by stream: answers are held to it.

        Of our own stream we know without being told.
        """
        own = self._kept.get(self._stream, [])
        self._kept = {stream: list(ranges) for stream, ranges in kept.items()}
        self._kept[self._stream] = own

    def missed(self, ack: Ack, now_ms: int) -> TakeBack | None:
        """What this acknowledgement leaves out of what was acknowledged, if anything.

        Then also what the spool no longer keeps is named: of that, the cloud must be told. Nothing
        is named when all of it was acknowledged a moment ago: that wants asking again.
        """
        kept = self._kept.get(ack.stream, [])
        absent = [*ack.holes, (ack.committed_upto + 1, SEQ_MAX)]
        if not ack.exact or not (lost := within(kept, absent)):
            return None
        recent = self._recent_of(ack.stream, now_ms)
        if not without(lost, recent):
            return TakeBack(stream=ack.stream, missing=())
        missing = without(within([(1, kept[-1][1])], absent), recent)
        self._kept[ack.stream] = without(kept, missing)
        return TakeBack(stream=ack.stream, missing=tuple(missing))

    def gone(self, no: int) -> None:
        """The spool has no such batch any more, or cannot read it."""
        self._flying.pop(no, None)

    def _next(
        self, older: deque[Batch], newer: deque[Batch], room: "_Room", now_ms: int
    ) -> Batch | None:
        self._skip_sent(older, newer)
        if newer and room.live(newer[0].size_bytes):
            batch = newer.popleft()
            self._live_after = batch.no
            self._take_off(batch, room, now_ms, live=True)
            return batch
        if older and room.backlog(older[0].size_bytes) and self._bucket.has_any(now_ms):
            batch = older.popleft()
            self._passed = batch.no
            self._bucket.take(batch.size_bytes)
            self._take_off(batch, room, now_ms, live=False)
            return batch
        return None

    def _skip_sent(self, older: deque[Batch], newer: deque[Batch]) -> None:
        while older and self._is_aloft(older[0].no):
            self._passed = older.popleft().no
        while newer and (self._is_aloft(newer[0].no) or newer[0].no <= self._passed):
            self._live_after = newer.popleft().no

    def _is_aloft(self, no: int) -> bool:
        flight = self._flying.get(no)
        return flight is not None and flight.aloft

    def _take_off(self, batch: Batch, room: "_Room", now_ms: int, *, live: bool) -> None:
        before = self._flying.get(batch.no)  # on an earlier connection
        flight = _Flight(
            batch=batch,
            live=live,
            sent_ms=now_ms,
            passed_over=before.passed_over if before else 0,
        )
        self._flying[batch.no] = flight
        room.take(flight)
        if batch.stream == self._stream:
            self._highest_sent = max(self._highest_sent, batch.last_seq)

    def _probe(self, now_ms: int) -> list[_Flight]:
        if now_ms - self._probed_ms < PROBE_MS:
            return []
        self._probed_ms = now_ms
        known = [f for f in self._flying.values() if f.aloft and f.received_ms is not None]
        return [min(known, key=lambda flight: flight.batch.size_bytes)]

    def _land(self, nos: Sequence[int], now_ms: int) -> None:
        landed = [self._flying[no] for no in nos]
        for flight in landed:
            # What is answered before it was carried was there already, from an earlier time.
            if flight.aloft and flight.times == 1 and flight.received_ms is not None:
                self._learn(flight, now_ms)
        for flight in landed:
            del self._flying[flight.batch.no]
            self._remember(flight.batch, now_ms)
        aloft = [flight.sent_ms for flight in landed if flight.aloft]
        if not aloft:
            return
        for flight in self._flying.values():
            if flight.aloft and flight.sent_ms < max(aloft) and not flight.overtaken:
                flight.overtaken = True
                flight.passed_over += 1

    def _learn(self, flight: _Flight, now_ms: int) -> None:
        """From how long an answer took: how much may be on its way."""
        took_ms = now_ms - flight.sent_ms
        if took_ms > SLOW_MS:
            if flight.sent_ms >= self._slowed_ms:
                self._slow_down(now_ms)
        elif _Room(self).out_bytes * 2 >= self._limit_bytes:  # only as far as it is made use of
            self._limit_bytes = min(self._limit_bytes + flight.batch.size_bytes, WINDOW_BYTES)

    def _slow_down(self, now_ms: int) -> None:
        """Once for all that is on its way now."""
        self._slowed_ms = now_ms
        self._limit_bytes = max(self._limit_bytes // 2, LIMIT_BYTES_MIN)

    def _remember(self, batch: Batch, now_ms: int) -> None:
        """One after the other they are one range, so that many cost no more than a few."""
        if batch.stream == self._stream:
            known = [*self._kept.get(self._stream, ()), (batch.first_seq, batch.last_seq)]
            self._kept[self._stream] = joined(known)[-RECENT_RANGES_MAX:]
        if self._recent:
            at_ms, stream, (first, last) = self._recent[-1]
            grows = stream == batch.stream and last + 1 == batch.first_seq
            if grows and now_ms - at_ms < RESEND_MS:
                self._recent[-1] = (at_ms, stream, (first, batch.last_seq))
                return
        self._recent.append((now_ms, batch.stream, (batch.first_seq, batch.last_seq)))

    def _recent_of(self, stream: str, now_ms: int) -> list[Range]:
        while self._recent and self._recent[0][0] < now_ms - OVERTAKEN_MS_MAX:
            self._recent.popleft()
        return [piece for _, of_stream, piece in self._recent if of_stream == stream]


class _Room:
    """What is on its way, counted once, and what fits beside it."""

    def __init__(self, sender: Sender) -> None:
        flights = sender._flying.values()  # noqa: SLF001 - a part of it
        counted = [flight for flight in flights if flight.counts]
        live = [flight.batch.size_bytes for flight in counted if flight.live]
        self._limit_bytes = sender._limit_bytes  # noqa: SLF001 - a part of it
        self._refused = sum(flight.aloft and not flight.counts for flight in flights)
        self._live, self._live_bytes = len(live), sum(live)
        self._backlog = len(counted) - len(live)
        on_line = sender._on_line  # noqa: SLF001 - a part of it
        self._backlog += sum(
            not one.live and one.no not in sender._flying  # noqa: SLF001 - a part of it
            for one in on_line
        )
        self.out_bytes = sum(one.size_bytes for one in on_line) + sum(
            flight.batch.size_bytes for flight in counted if flight.received_ms is not None
        )

    def live(self, size_bytes: int) -> bool:
        if self._live == 0:
            return self._refused <= REFUSED_BATCHES_MAX
        fits = self._live_bytes + size_bytes <= self._limit_bytes
        return fits and self._live < WINDOW_BATCHES and self._refused <= REFUSED_BATCHES_MAX

    def backlog(self, size_bytes: int) -> bool:
        """One always, or a busy present would keep it waiting for ever."""
        if self._backlog == 0:
            return self._refused <= REFUSED_BATCHES_MAX
        fits = self.out_bytes + size_bytes <= self._limit_bytes
        return fits and self._backlog < WINDOW_BATCHES and self._refused <= REFUSED_BATCHES_MAX

    def take(self, flight: _Flight) -> None:
        if not flight.counts:
            self._refused += 1
            return
        self.out_bytes += flight.batch.size_bytes
        if flight.live:
            self._live += 1
            self._live_bytes += flight.batch.size_bytes
        else:
            self._backlog += 1


class _Bucket:
    """So many bytes a second, and a second's worth at once. The last one may be on credit."""

    def __init__(self, bytes_per_s: int) -> None:
        self._bytes_per_s = bytes_per_s
        self._level = float(bytes_per_s)
        self._at_ms: int | None = None

    def has_any(self, now_ms: int) -> bool:
        if self._at_ms is not None:
            gained = (now_ms - self._at_ms) * self._bytes_per_s / 1000
            self._level = min(self._level + gained, self._bytes_per_s)
        self._at_ms = now_ms
        return self._level > 0

    def take(self, size_bytes: int) -> None:
        self._level -= size_bytes


def _covers(ack: Ack, batch: Batch) -> bool:
    """All of the batch is committed: a hole that touches it anywhere keeps it whole."""
    return batch.last_seq <= ack.committed_upto and not any(
        first <= batch.last_seq and batch.first_seq <= last for first, last in ack.holes
    )
