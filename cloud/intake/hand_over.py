"""Between the thread that talks to the broker and the one that talks to the database.

The first must never wait: a callback that blocks gets its client thrown out by the broker, for
ever again. So what does not fit is refused here and, being unacknowledged, comes again later.

Gateways take turns, one message each: who sends a hundred times as much as the others waits
behind itself alone. Who has more waiting than its share, or is over its quota, is shed: the broker
may forget the message, the gateway is told nothing, keeps it, and sends it again.

Messages are opened in the broker's thread, while the other one waits for the database, and what is
plain is read there as soon as there is enough of it: many at once are an eighth of the work. What
is taken before that is read by who takes it.
"""

import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from cloud.core.fairness import Bucket, Quota
from cloud.core.readings import Arrival, Batch
from cloud.intake import translate
from cloud.intake.translate import Opened
from edge_agent.wire import topics

MESSAGES_MAX = 2_000
BYTES_MAX = 64 * 1024 * 1024
READ_TOGETHER = 50
SHARE = 4  # at most one of so many waiting messages is of one gateway
BUCKETS_MAX = 50_000

Put = Literal["waiting", "shed", "full"]


@dataclass(kw_only=True, slots=True)
class _Waiting:
    connection: Any
    receipt: Any
    said: Opened | Arrival  # once it is read, an arrival


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """One message, and the connection it came by: only there can it be acknowledged."""

    connection: Any  # compared by identity only
    receipt: Any  # what the broker wants to hear when it is dealt with
    arrival: Arrival


class Consumer(Protocol):
    """A broker, as ingest sees it. `with` starts and ends it; all else is for one other thread."""

    @property
    def alive(self) -> bool: ...

    @property
    def connected(self) -> bool: ...

    def take(
        self, *, messages_max: int, bytes_max: int, wait_s: float, gather_s: float
    ) -> list[Delivery]: ...

    def done(self, deliveries: Sequence[Delivery]) -> None:
        """Tell the broker that these are dealt with, in the order they came."""

    def publish(self, topic: str, payload: bytes) -> None:
        """Best effort: who misses an acknowledgement sends again and gets the next one."""

    def shed(self) -> Counter[str]:
        """How many messages of each gateway were shed since it was asked last."""


class HandOver:
    def __init__(
        self,
        quota: Quota | None = None,
        *,
        messages_max: int = MESSAGES_MAX,
        bytes_max: int = BYTES_MAX,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._quota = quota
        self._messages_max = messages_max
        self._bytes_max = bytes_max
        self._now = now
        self._bytes = 0
        self._count = 0
        self._waiting: OrderedDict[str, deque[_Waiting]] = OrderedDict()  # whose turn is next
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()
        self._shed: Counter[str] = Counter()
        self._unread: list[_Waiting] = []  # of the broker's thread alone
        self._changed = threading.Condition()

    def put(
        self, connection: object, receipt: object, topic: str, payload: bytes, *, kept: bool
    ) -> Put:
        """`full`: there is no room, and the broker must not forget it. `shed`: it may."""
        whose = topics.parse_up(topic)
        gateway = "" if whose is None else whose.gateway
        with self._changed:
            if self._count >= self._messages_max or self._bytes >= self._bytes_max:
                return "full"
            if not self._may(gateway, len(payload)):
                self._shed[gateway] += 1
                return "shed"
        said = translate.opened(topic, payload, kept=kept)
        with self._changed:
            if gateway in self._buckets:
                self._buckets[gateway].take_readings(_count(said))
            message = _Waiting(connection=connection, receipt=receipt, said=said)
            self._waiting.setdefault(gateway, deque()).append(message)
            self._count += 1
            self._bytes += len(payload)
            self._changed.notify()
        if isinstance(said, Opened):
            self._unread.append(message)
            if len(self._unread) >= READ_TOGETHER:
                _read(self._unread)
                self._unread.clear()
        return "waiting"

    def take(
        self, *, messages_max: int, bytes_max: int, wait_s: float, gather_s: float
    ) -> list[Delivery]:
        """What has come: waits up to `wait_s` for the first, then `gather_s` for company."""
        with self._changed:
            if not self._changed.wait_for(lambda: bool(self._waiting), wait_s):
                return []
            until = time.monotonic() + gather_s
            while self._count < messages_max and self._bytes < bytes_max:
                left_s = until - time.monotonic()
                if left_s <= 0 or not self._changed.wait(left_s):
                    break
            taken = self._pop(messages_max, bytes_max)
        _read(taken)
        return [
            Delivery(connection=message.connection, receipt=message.receipt, arrival=message.said)
            for message in taken
            if isinstance(message.said, Arrival)
        ]

    def clear(self) -> None:
        with self._changed:
            self._waiting.clear()
            self._count = self._bytes = 0

    @property
    def empty(self) -> bool:
        return not self._waiting

    def shed(self) -> Counter[str]:
        """How many messages of each gateway were shed since it was asked last."""
        with self._changed:
            counted, self._shed = self._shed, Counter()
            return counted

    def _may(self, gateway: str, size: int) -> bool:
        if self._quota is None:
            return True
        mine = self._waiting.get(gateway)
        if mine is not None and len(mine) * SHARE >= self._messages_max:
            return False
        bucket = self._buckets.get(gateway)
        if bucket is None:
            bucket = self._buckets[gateway] = Bucket(self._quota, self._now())
            if len(self._buckets) > BUCKETS_MAX:
                self._buckets.popitem(last=False)
        return bucket.take_bytes(size, self._now())

    def _pop(self, messages_max: int, bytes_max: int) -> list[_Waiting]:
        taken: list[_Waiting] = []
        size = 0
        while self._waiting and len(taken) < messages_max and size < bytes_max:
            gateway, mine = self._waiting.popitem(last=False)
            message = mine.popleft()
            if mine:
                self._waiting[gateway] = mine  # at the end: the others come first
            size += len(message.said.payload)
            taken.append(message)
        self._count -= len(taken)
        self._bytes -= size
        return taken


def _count(said: Opened | Arrival) -> int:
    if isinstance(said, Opened):
        return said.count
    return len(said.content.readings) if isinstance(said.content, Batch) else 0


def _read(waiting: Sequence[_Waiting]) -> None:
    """Both threads may read the same message at once: they find the same."""
    said = [message.said for message in waiting]
    for message, arrival in zip(waiting, translate.arrivals(said), strict=True):
        message.said = arrival
