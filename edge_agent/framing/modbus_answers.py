"""Which question an RTU frame answers. The frame does not say, so it has to be reasoned.

    us     unit 1, two registers from 0        the unit is slow, we give up
    us     unit 1, two registers from 10
    unit   two registers                       of 0: the late answer. Taken for 10, every later
    unit   two registers                       answer would be off by one, for ever

A unit answers in the order it was asked. So an answer counts only when none of the questions that
the unit still owes could have brought it; one that could have is counted as theirs, and dropped.
"""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from edge_agent.framing.checks import crc16_modbus
from edge_agent.framing.modbus_frames import READ_HOLDING, READ_INPUT, WRITE_SEVERAL

REFUSED = 0x80
HEAD_BYTES, REFUSAL_BYTES, WRITTEN_BYTES = 3, 5, 8
OWED_MAX = 64  # by one unit; the oldest is the nearest to being forgotten
COUNT_MAX = 125
OTHER_TABLE = {READ_HOLDING: READ_INPUT, READ_INPUT: READ_HOLDING}


@dataclass(frozen=True, slots=True)
class Question:
    unit: int
    function: int
    first: int
    count: int

    @property
    def asking_bytes(self) -> int:
        return 9 + 2 * self.count if self.function == WRITE_SEVERAL else 8

    @property
    def answer_bytes(self) -> int:
        return WRITTEN_BYTES if self.function == WRITE_SEVERAL else 5 + 2 * self.count

    def size_of_answer(self, head: bytes) -> int:
        """How long the frame is that begins with `head`, if it may answer this; else 0."""
        if head[0] != self.unit:
            return 0
        if head[1] == self.function | REFUSED:
            return REFUSAL_BYTES
        if head[1] != self.function:
            return 0
        third = self.first >> 8 if self.function == WRITE_SEVERAL else 2 * self.count
        return self.answer_bytes if head[2] == third else 0

    def may_have_brought(self, frame: bytes) -> bool:
        """Whether a frame with right check bytes can be an answer to this."""
        if self.size_of_answer(frame[:HEAD_BYTES]) != len(frame):
            return False
        written = self.first.to_bytes(2, "big") + self.count.to_bytes(2, "big")
        return frame[1] != WRITE_SEVERAL or frame[2:6] == written


class _Owed(NamedTuple):
    question: Question
    until_ms: int


class Answers:
    """One line's bytes in, and of each question at most one answer out: its own.

    Nothing is expected later than `late_ms_max` after its question; until then a lost answer and a
    late one look alike.
    """

    def __init__(self, late_ms_max: int) -> None:
        self._late_ms_max = late_ms_max
        self._held = bytearray()
        self._asked: _Owed | None = None
        self._owed: dict[int, deque[_Owed]] = {}
        self.late: Counter[int] = Counter()
        """Answers that came when their question had been given up, by unit."""

    def ask(self, question: Question, now_ms: int) -> None:
        """What came before is no answer to this, nor is half of it."""
        self.give_up()
        self._held.clear()
        self._asked = _Owed(question, now_ms + self._late_ms_max)

    def give_up(self) -> None:
        """The newest question was not answered in time: its answer may still come."""
        asked, self._asked = self._asked, None
        if asked is not None:
            owed = self._owed.setdefault(asked.question.unit, deque(maxlen=OWED_MAX))
            owed.append(asked)

    def feed(self, received: bytes) -> bytes | None:
        """The frame that can only be the answer to the newest question, once it is whole."""
        self._held += received
        while (frame := self._next_frame()) is not None:
            if self._is_owed(frame):
                self.late[frame[0]] += 1
            elif self._asked is not None and self._asked.question.may_have_brought(frame):
                # In order: what was asked before this and not answered never will be.
                self._owed.pop(frame[0], None)
                self._asked = None
                return frame
        return None

    def owes(self, unit: int, now_ms: int) -> bool:
        """Whether an answer of this unit may still be on its way."""
        owed = self._owed.get(unit)
        while owed and owed[0].until_ms <= now_ms:
            owed.popleft()
        return bool(owed)

    def canary(
        self, question: Question, known: Sequence[Question], *, other_table: bool
    ) -> Question:
        """A harmless question to a unit that owes answers, which its own answer alone can fit.

        Registers in another number than any that are owed: a block of this unit that was `known` to
        be answered, or a part of what is wanted. Where such a part is refused (a map that gives its
        blocks only whole), the refusal fits what is owed as well; one of the other table does not.
        """
        owed = [item.question for item in self._owed.get(question.unit, ())]
        shapes = {(item.function, item.count) for item in owed}
        if other_table and question.function in OTHER_TABLE:
            other = replace(question, function=OTHER_TABLE[question.function])
            if other.function not in {item.function for item in owed}:
                return other
        counts = [*range(question.count - 1, 0, -1), *range(question.count + 1, COUNT_MAX + 1)]
        parts = (replace(question, count=count) for count in counts)
        fitting = (item for item in (*known, *parts) if (item.function, item.count) not in shapes)
        return next(item for item in fitting if item.count != question.count)

    # ------------------------------------------------------------------ frames out of bytes

    def _is_owed(self, frame: bytes) -> bool:
        owed = self._owed.get(frame[0], deque())
        for place, item in enumerate(owed):
            if item.question.may_have_brought(frame):
                for _ in range(place + 1):
                    owed.popleft()
                return True
        return False

    def _next_frame(self) -> bytes | None:
        """The next whole frame of a shape that is waited for; noise before it is skipped.

        Noise is common there: a two-wire line floats while its direction turns, and some adapters
        give back what was sent.
        """
        at = 0
        while len(self._held) - at >= HEAD_BYTES:
            size = self._size_at(at)
            frame = bytes(self._held[at : at + size])
            if size and len(frame) < size:
                break
            if size and crc16_modbus(frame[:-2]).to_bytes(2, "little") == frame[-2:]:
                del self._held[: at + size]
                return frame
            at += 1
        del self._held[:at]
        return None

    def _size_at(self, at: int) -> int:
        head = bytes(self._held[at : at + HEAD_BYTES])
        waited_for = [*self._owed.get(head[0], ()), *([self._asked] if self._asked else [])]
        return max((item.question.size_of_answer(head) for item in waited_for), default=0)


def next_tcp_frame(held: bytearray, transaction: int) -> bytes | None:
    """The next whole TCP frame that answers `transaction`; those before it are dropped.

    ValueError when the bytes are out of step: on a stream that cannot heal.
    """
    while len(held) >= 6:  # noqa: PLR2004 - transaction, protocol, length
        length = int.from_bytes(held[4:6], "big")
        if held[2:4] != b"\0\0" or not 2 <= length <= 254:  # noqa: PLR2004 - unit and function, the largest frame
            raise ValueError(f"this is no Modbus TCP: {bytes(held[:16]).hex(' ')}")
        if len(held) < 6 + length:
            return None
        frame = bytes(held[: 6 + length])
        del held[: 6 + length]
        if int.from_bytes(frame[:2], "big") == transaction:
            return frame
    return None
