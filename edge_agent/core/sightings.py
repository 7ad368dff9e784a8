"""Tags and barcodes seen: once is once, however often the reader repeats it.

A tag is present from its `confirm_reads`-th read within the window, and absent when it was not read
for `absent_after_ms`. One that was present when the agent ended is taken to be there until it could
have been read for as long. A ghost id with a valid checksum comes once and is never present. A
barcode is a scan, not a presence: the same code again within `same_scan_ms` is the same scan.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

REMEMBERED_MAX = 10_000


@dataclass(frozen=True, kw_only=True)
class SightingRules:
    confirm_reads: int = 1
    confirm_within_ms: int = 2_000
    absent_after_ms: int = 5_000
    ignored: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Sighted:
    tag: str
    change: Literal["present", "absent"]
    at_ms: int


@dataclass
class _Seen:
    first_ms: int
    last_ms: int
    reads: int
    present: bool = False


@dataclass
class Presences:
    """Feed it reads and time; it answers with what changed."""

    rules: SightingRules
    _seen: dict[str, _Seen] = field(default_factory=dict)

    def read(self, tag: str, now_ms: int) -> list[Sighted]:
        if tag in self.rules.ignored:
            return self.passed(now_ms)
        changes = self.passed(now_ms)
        seen = self._seen.get(tag)
        if seen is None:
            if len(self._seen) >= REMEMBERED_MAX:
                return changes  # a reader gone mad; what is present stays known
            seen = self._seen[tag] = _Seen(first_ms=now_ms, last_ms=now_ms, reads=0)
        if not seen.present and now_ms - seen.first_ms > self.rules.confirm_within_ms:
            seen.first_ms, seen.reads = now_ms, 0
        seen.reads += 1
        seen.last_ms = now_ms
        if not seen.present and seen.reads >= self.rules.confirm_reads:
            seen.present = True
            changes.append(Sighted(tag=tag, change="present", at_ms=now_ms))
        return changes

    def passed(self, now_ms: int) -> list[Sighted]:
        """What became absent by not being read."""
        if not self._seen:
            return []
        gone = [
            tag
            for tag, seen in self._seen.items()
            if now_ms - seen.last_ms >= self.rules.absent_after_ms
        ]
        return [
            Sighted(tag=tag, change="absent", at_ms=now_ms)
            for tag in gone
            if self._seen.pop(tag).present
        ]

    def remember(self, tags: Iterable[str], now_ms: int) -> None:
        """These were present in an earlier life of the agent, and not said to have gone."""
        for tag in tags:
            self._seen[tag] = _Seen(first_ms=now_ms, last_ms=now_ms, reads=0, present=True)

    def resume(self, now_ms: int) -> None:
        """Nobody could read until now: no tag is the longer away for it."""
        for seen in self._seen.values():
            seen.last_ms = now_ms

    @property
    def present(self) -> list[str]:
        return sorted(tag for tag, seen in self._seen.items() if seen.present)


@dataclass
class Scans:
    """Barcodes: the same code within the window is the same scan, told twice."""

    same_scan_ms: int = 1_000
    _last: dict[str, int] = field(default_factory=dict)

    def is_new(self, code: str, now_ms: int) -> bool:
        """The window starts anew with each repeat: a code held before the reader is one scan."""
        last = self._last.pop(code, None)
        self._last[code] = now_ms
        if len(self._last) > REMEMBERED_MAX:
            del self._last[next(iter(self._last))]
        return last is None or now_ms - last >= self.same_scan_ms
