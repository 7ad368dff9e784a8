"""Modbus units that do not exist: right, late, dead, or wrong in one of the ways that units are.

Their frames are built by hand from the protocol's pages, so that what the agent's library
understands is checked against something that is not that library. No clock here: a line says after
how long an answer goes out, and whoever plays it waits.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from edge_agent.framing.checks import crc16_modbus
from edge_agent.framing.modbus_frames import with_crc

READ_HOLDING, READ_INPUT, WRITE_ONE, WRITE_SEVERAL = 3, 4, 6, 16
READS = (READ_HOLDING, READ_INPUT)
ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, BUSY, NOT_REACHED = 1, 2, 6, 11
TO_ALL = 0
SHORT_REQUEST_BYTES = 8
SEVERAL_HEAD_BYTES = 7
TCP_HEAD_BYTES = 7
NOISE = bytes((0x00, 0xFF, 0x01, 0x03))  # a floating line, and what looks like the start of a frame

Wrong = Literal[
    "",
    "busy",
    "not_reached",  # a gateway says so of a unit behind it
    "other_function",
    "one_short",
    "other_unit",
    "noise_before",
    "cut",
    "flipped",
    "echo",
]


@dataclass
class SimulatedUnit:
    """One unit: its registers, and how it behaves."""

    registers: dict[int, int]
    late_ms: int = 0
    dead: bool = False
    count_max: int = 125
    knows: tuple[int, ...] = (3, 4, 6, 16)  # other functions are refused,
    ignores: tuple[int, ...] = ()  # or not even that
    late_once_ms: int = 0  # only the next answer is so late
    lose_once: bool = False  # only the next answer is lost
    wrong: Wrong = ""
    whole: tuple[tuple[int, int], ...] = ()  # first, count: given as one, or refused
    asked: int = 0
    written: int = 0


@dataclass(frozen=True)
class Answer:
    frame: bytes
    after_ms: int
    unit: int = 0


@dataclass
class SimulatedLine:
    """Every unit on one pair of wires: what the master sent goes in, what comes back comes out."""

    units: Mapping[int, SimulatedUnit]
    _held: bytearray = field(default_factory=bytearray)

    def hear(self, received: bytes) -> list[Answer]:
        """RTU: what is asked byte by byte is found by its check bytes."""
        self._held += received
        answers: list[Answer] = []
        while size := _request_size(self._held):
            if len(self._held) < size:
                break
            frame = bytes(self._held[:size])
            if crc16_modbus(frame[:-2]).to_bytes(2, "little") != frame[-2:]:
                del self._held[0]
                continue
            del self._held[:size]
            answers += self._answer_rtu(frame)
        return answers

    def hear_tcp(self, held: bytearray) -> list[Answer]:
        """Modbus TCP: takes whole questions off `held`, which belongs to one connection."""
        answers: list[Answer] = []
        while len(held) >= TCP_HEAD_BYTES:
            size = 6 + int.from_bytes(held[4:6], "big")
            if len(held) < size:
                break
            frame = bytes(held[:size])
            del held[:size]
            said = self.answer_to(frame[6], frame[7:])
            if said is None:
                continue
            body, after_ms = said
            if self.units[frame[6]].wrong == "flipped":  # TCP's own sums let no flipped bit through
                body = body[:-1]
            head = frame[:4] + (len(body) + 1).to_bytes(2, "big") + frame[6:7]
            answers.append(Answer(head + body, after_ms, frame[6]))
        return answers

    def answer_to(self, address: int, asked: bytes) -> tuple[bytes, int] | None:
        """Function and what follows it, and after how long; None from a unit that says nothing."""
        unit = self.units.get(address)
        if unit is None or unit.dead:
            return None
        unit.asked += 1
        after_ms = unit.late_once_ms or unit.late_ms
        unit.late_once_ms = 0
        body = _body(unit, asked)
        if unit.lose_once or asked[0] in unit.ignores:
            unit.lose_once = False
            return None
        return body, after_ms

    def _answer_rtu(self, frame: bytes) -> list[Answer]:
        if frame[0] == TO_ALL:  # heard by all, answered by none
            for address in self.units:
                self.answer_to(address, frame[1:-2])
            return []
        said = self.answer_to(frame[0], frame[1:-2])
        if said is None:
            return []
        body, after_ms = said
        wrong = self.units[frame[0]].wrong
        return [Answer(_spoiled(wrong, frame, body), after_ms, frame[0])]


def _request_size(held: bytearray) -> int:
    """How long the question is that begins here; 0 while that cannot be said."""
    if len(held) < SHORT_REQUEST_BYTES:
        return 0
    return SEVERAL_HEAD_BYTES + held[6] + 2 if held[1] == WRITE_SEVERAL else SHORT_REQUEST_BYTES


def _spoiled(wrong: Wrong, asked: bytes, body: bytes) -> bytes:
    frame = with_crc(asked[:1] + body)
    match wrong:
        case "other_unit":
            return with_crc(bytes((asked[0] % 247 + 1,)) + body)
        case "noise_before":
            return NOISE + frame
        case "echo":
            return asked + frame
        case "cut":
            return frame[:-3]
        case "flipped":
            return frame[:-1] + bytes((frame[-1] ^ 0x10,))
        case _:
            return frame


def _body(unit: SimulatedUnit, asked: bytes) -> bytes:
    function = asked[0]
    first = int.from_bytes(asked[1:3], "big")
    if unit.wrong in ("busy", "not_reached"):
        return bytes((function | 0x80, BUSY if unit.wrong == "busy" else NOT_REACHED))
    if function not in unit.knows:
        return bytes((function | 0x80, ILLEGAL_FUNCTION))
    match function:
        case _ if function in READS:
            return _read(unit, function, first, int.from_bytes(asked[3:5], "big"))
        case _ if function == WRITE_ONE:
            values = [int.from_bytes(asked[3:5], "big")]
        case _ if function == WRITE_SEVERAL:
            values = [int.from_bytes(asked[at : at + 2], "big") for at in range(6, len(asked), 2)]
        case _:
            return bytes((function | 0x80, ILLEGAL_FUNCTION))
    unit.registers.update({first + place: value for place, value in enumerate(values)})
    unit.written += 1
    return asked[:5]


def _read(unit: SimulatedUnit, function: int, first: int, count: int) -> bytes:
    wanted = range(first, first + count)
    inside = [block for block in unit.whole if first < sum(block) and block[0] < first + count]
    refused = (
        not 0 < count <= unit.count_max
        or any(at not in unit.registers for at in wanted)
        or any(block != (first, count) for block in inside)
    )
    if refused:
        return bytes((function | 0x80, ILLEGAL_ADDRESS))
    values = b"".join(unit.registers[at].to_bytes(2, "big") for at in wanted)
    if unit.wrong == "one_short":
        values = values[:-2]
    if unit.wrong == "other_function":
        function = READ_INPUT if function == READ_HOLDING else READ_HOLDING
    return bytes((function, len(values))) + values
