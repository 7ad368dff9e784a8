"""The sending protocol: which batches are on their way, which go next, which may be forgotten.

    spool   ──batches──▶  Sender  ──Send(no)────▶  uplink
    cloud   ────Ack────▶  Sender  ──Forget(nos)─▶  spool

Only a batch that was sent can be forgotten, and only when an `Ack` covers all of it. A broker's
own receipt counts for nothing: it says that the broker has it, not that the cloud has committed.

Two lanes share the window: the backlog, oldest first, and what was measured since the connection
came up. After an hour without a line the pages show the present at once, not an hour late.

Pure: the clock is an argument, in monotonic milliseconds. Payloads stay on the disk.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from edge_agent.wire.messages import Ack

WINDOW_BATCHES = 32
WINDOW_BYTES = 1024 * 1024
BACKLOG_PER_LIVE = 3

# An answer takes a second when all is well. Asking again slows down, because a cloud that is away
# for a day would otherwise find thousands of repeats in its broker; a new connection asks at once.
RESEND_MS = 10_000
RESEND_MS_MAX = 60_000

# A batch that the cloud passes over this often, while it takes later ones, is refused there. It is
# kept and offered again, but must not hold a place in the window that others need.
PASSED_OVER_MAX = 3
REFUSED_BATCHES_MAX = 256


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


@dataclass(kw_only=True, slots=True)
class _Flight:
    batch: Batch
    sent_ms: int
    times: int = 1
    passed_over: int = 0
    overtaken: bool = False  # since it was last sent

    def due_ms(self) -> int:
        doublings = min(self.times - 1, 10)
        return self.sent_ms + min(RESEND_MS << doublings, RESEND_MS_MAX)


class Sender:
    """`stream` is the one the spool writes now; it may still hold batches of earlier ones."""

    def __init__(self, stream: str) -> None:
        self._stream = stream
        self._highest_sent = 0  # seq, of `stream`
        self._flying: dict[int, _Flight] = {}
        self._passed = 0
        self._live_after = 0
        self._backlog_since_live = BACKLOG_PER_LIVE
        self._up = False

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
        return len(self._flying)

    @property
    def is_up(self) -> bool:
        return self._up

    @property
    def has_room(self) -> bool:
        """Whether a batch of usual size would be sent if it came now."""
        return self._up and self._room(0)

    def connected(self, newest_no: int) -> None:
        """All that is unanswered is sent again: the old connection may have lost any of it."""
        self._up = True
        self._live_after = max(self._passed, newest_no - 1)
        self._backlog_since_live = BACKLOG_PER_LIVE
        for flight in self._flying.values():
            flight.sent_ms -= RESEND_MS_MAX

    def disconnected(self) -> None:
        self._up = False

    def due(self, now_ms: int) -> list[Send]:
        """What was sent long enough ago to be sent again, oldest first."""
        if not self._up:
            return []
        late = [no for no, flight in sorted(self._flying.items()) if flight.due_ms() <= now_ms]
        for no in late:
            flight = self._flying[no]
            flight.sent_ms = now_ms
            flight.times += 1
            flight.overtaken = False
        return [Send(no=no) for no in late]

    def offer(self, backlog: Sequence[Batch], live: Sequence[Batch], now_ms: int) -> list[Send]:
        """What of the spool goes out now.

        `backlog` are the first batches after `passed`, `live` those after `live_after`, both in
        the order of the queue; they may overlap.
        """
        if not self._up:
            return []
        older, newer = deque(backlog), deque(live)
        sends = []
        while (batch := self._next(older, newer)) is not None:
            self._take_off(batch, now_ms)
            sends.append(Send(no=batch.no))
        return sends

    def heard(self, ack: Ack) -> Forget | Odd:
        if any(first > last for first, last in ack.holes):
            return Odd(because="a hole ends before it begins")
        if ack.stream == self._stream and ack.committed_upto > self._highest_sent:
            return Odd(
                because=f"committed up to {ack.committed_upto}, sent up to {self._highest_sent}"
            )
        nos = tuple(
            no
            for no, flight in sorted(self._flying.items())
            if flight.batch.stream == ack.stream and _covers(ack, flight.batch)
        )
        self._land(nos)
        return Forget(nos=nos)

    def gone(self, no: int) -> None:
        """The spool has no such batch any more, or cannot read it."""
        self._flying.pop(no, None)

    def _next(self, older: deque[Batch], newer: deque[Batch]) -> Batch | None:
        self._skip_sent(older, newer)
        live_turn = self._backlog_since_live >= BACKLOG_PER_LIVE or not older
        lane = newer if newer and live_turn else older
        if not lane or not self._room(lane[0].size_bytes):
            return None
        if lane is newer:
            self._live_after = lane[0].no
            self._backlog_since_live = 0
        else:
            self._passed = lane[0].no
            self._backlog_since_live += 1
        return lane.popleft()

    def _skip_sent(self, older: deque[Batch], newer: deque[Batch]) -> None:
        while older and older[0].no in self._flying:
            self._passed = older.popleft().no
        while newer and (newer[0].no in self._flying or newer[0].no <= self._passed):
            self._live_after = newer.popleft().no

    def _room(self, size_bytes: int) -> bool:
        flights = list(self._flying.values())
        counted = [flight for flight in flights if flight.passed_over < PASSED_OVER_MAX]
        if len(flights) - len(counted) > REFUSED_BATCHES_MAX:
            return False
        if not counted:
            return True
        out_bytes = sum(flight.batch.size_bytes for flight in counted)
        return len(counted) < WINDOW_BATCHES and out_bytes + size_bytes <= WINDOW_BYTES

    def _take_off(self, batch: Batch, now_ms: int) -> None:
        self._flying[batch.no] = _Flight(batch=batch, sent_ms=now_ms)
        if batch.stream == self._stream:
            self._highest_sent = max(self._highest_sent, batch.last_seq)

    def _land(self, nos: Sequence[int]) -> None:
        if not nos:
            return
        newest_ms = max(self._flying.pop(no).sent_ms for no in nos)
        for flight in self._flying.values():
            if flight.sent_ms < newest_ms and not flight.overtaken:
                flight.overtaken = True
                flight.passed_over += 1


def _covers(ack: Ack, batch: Batch) -> bool:
    """All of the batch is committed: a hole that touches it anywhere keeps it whole."""
    return batch.last_seq <= ack.committed_upto and not any(
        first <= batch.last_seq and batch.first_seq <= last for first, last in ack.holes
    )
