"""Readings in the hands of the operating system as soon as they are taken: for a killed process.

    poll loops ─note─▶ journal        written, never synced: a memory card hardly sees it
                        │  ▲
                        │  └─mark─── spool, after each commit: what came before may be overwritten
                        └──left────▶ spool, when the agent starts again

What a process has written stays when it is killed; only a cut of power takes it, and that may take
what is not committed. So nothing here is synced, and what is from before the machine last started
is not believed: it may be older than the spool beside it, in parts.

    offset      0   the mark, in one page: it is written as a whole or not at all
             4 KiB   notes, until they are many …
           1028 KiB  … then here, and so on in turn, each as soon as all in it is committed
"""

import logging
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edge_agent.core.anchor import Step
from edge_agent.core.journal import Mark, Note, mark_read, mark_written, note_written, notes_read
from edge_agent.core.reading import Reading

PAGE_BYTES = 4096
HALF_BYTES = 1024 * 1024
# The system writes each page that was touched once in half a minute: they are few, and the same.
TURN_BYTES = 16 * 1024
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Left:
    """What a life that ended without a good-bye had marked, and noted."""

    mark: Mark
    notes: Sequence[Note]


@dataclass(kw_only=True, slots=True)
class _Half:
    offset: int
    end: int = 0
    last: int = 0  # the number of the newest reading in it


class Journal:
    """Any thread may note; the one that commits marks. What cannot be written is said, once."""

    def __init__(self, path: Path, boot: str) -> None:
        """`boot` tells this start of the machine from all others."""
        self._path = path
        self._boot = boot
        self._file: int | None = None
        self._lock = threading.Lock()
        self._mark = Mark(stream="", life=0)
        self._noted = 0
        self._halves = (_Half(offset=PAGE_BYTES), _Half(offset=PAGE_BYTES + HALF_BYTES))
        self._half = self._halves[0]
        self._fails = False

    @classmethod
    def beside(cls, spool: Path) -> "Journal":
        return cls(spool.with_name(f"{spool.name}-taken"), _boot())

    def left(self) -> Left | None:
        """Of the life before, if the machine has not started anew since."""
        try:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            head = os.pread(self._file, PAGE_BYTES, 0)
            halves = [os.pread(self._file, HALF_BYTES, half.offset) for half in self._halves]
        except OSError as error:
            self._say(str(error))
            return None
        mark = mark_read(head, self._boot) if self._boot else None
        if mark is None:
            return None
        return Left(
            mark=mark, notes=[note for half in halves for note in notes_read(half, mark.stream)]
        )

    def begin(self, stream: str, life: int, last_seq: int) -> None:
        """A new life. What was left is forgotten: to be called when it is committed."""
        self._write_mark(Mark(stream=stream, life=life, last_seq=last_seq))

    def note(self, readings: Sequence[Reading]) -> None:
        """In the hands of the system when this returns; to be called in the order of commits."""
        with self._lock:
            first = self._noted + 1
            self._noted += len(readings)
            self._write_note(note_written(self._mark.stream, first, readings))

    def know_time(self, offset_ms: int, *, trusted: bool, step: Step | None) -> None:
        """What is to be said of the times of what is noted, and the step to be kept before it."""
        if (offset_ms, trusted, step) != (
            self._mark.offset_ms,
            self._mark.clock_trusted,
            self._mark.step,
        ):
            self._write_mark(
                replace(self._mark, offset_ms=offset_ms, clock_trusted=trusted, step=step)
            )

    def committed(self, readings: int, last_seq: int) -> None:
        """The oldest that were noted; none of them was a step."""
        self._write_mark(
            replace(
                self._mark,
                readings=self._mark.readings + readings,
                last_seq=last_seq,
                step=self._mark.step if readings else None,
            )
        )
        with self._lock:
            self._turn()

    def close(self) -> None:
        with self._lock:
            if self._file is not None:
                os.close(self._file)
                self._file = None

    def _turn(self) -> None:
        """Onto what is not needed any more, and the same few pages again if that may be."""
        done = self._mark.readings
        other = self._halves[self._half is self._halves[0]]
        if self._half.last <= done:
            self._half.end = 0
        elif self._half.end >= TURN_BYTES and other.last <= done:
            self._half, other.end = other, 0

    def _write_note(self, note: bytes) -> None:
        half = self._half
        if half.end + len(note) > HALF_BYTES:
            self._say("it is full")
            return
        if self._write(note, half.offset + half.end):
            half.end += len(note)
            half.last = self._noted

    def _write_mark(self, mark: Mark) -> None:
        self._mark = mark
        self._write(mark_written(mark, self._boot), 0)

    def _write(self, content: bytes, offset: int) -> bool:
        if self._file is None:
            return False
        try:
            written = os.pwrite(self._file, content, offset)
        except OSError as error:
            self._say(str(error))
            return False
        if written < len(content):
            self._say("no space is left")
            return False
        return True

    def _say(self, because: str) -> None:
        if not self._fails:  # once
            self._fails = True
            log.error(
                "readings cannot be noted when they are taken (%s): until each is committed, "
                "a killed agent loses it",
                because,
            )


def _boot() -> str:
    """Nothing: nobody can say, and what is left of a life is not believed."""
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""
