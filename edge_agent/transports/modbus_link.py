"""A Modbus line, through pymodbus. The only file that imports it.

The library connects, writes questions and reads answers. Which bytes are the answer is decided
here: left to itself it takes a late answer for the next question's, and from then on bin A reports
the weight of bin B, without an error. What keeps that from happening, each with a test that shows
the library's way:

    no retries of the library   the original and the retry are both answered
    an answer counts only when  no question still owed can have brought it (framing/modbus_answers);
                                on Modbus TCP: when it carries the question's own number
    a canary                    a unit that owes an answer is first asked something whose answer
                                looks different; it is believed again when that has come
    quiet                       after a miss the line is left alone until the late answer is in, or
                                could have been: two who speak at once spoil each other
    unit, function, count       are compared with the question, which the library does not do
    an echo                     of an adapter that hears itself is taken off, and missed when it
                                does not come
    no opening unasked          a port that was lost is `PortGone`, and stays so until `open`:
                                behind the same name may now be another device
"""

import logging
import select
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from pymodbus import FramerType, ModbusException
from pymodbus.client import ModbusSerialClient, ModbusTcpClient
from pymodbus.exceptions import ConnectionException
from pymodbus.pdu import ModbusPDU

from edge_agent.framing import echo
from edge_agent.framing.modbus_answers import Answers, Question, next_tcp_frame
from edge_agent.framing.modbus_frames import EXCEPTIONS, READ_HOLDING, READ_INPUT, WRITE_SEVERAL
from edge_agent.transports import serial_port
from edge_agent.transports.base import PortGone

QUIET_SHARE = 1.0  # of the time an answer is given: how long the line rests after a miss
LATE_MS_MAX = (
    5_000  # on a wire, a unit that has said nothing for so long has forgotten the question
)
LATE_MS_MAX_OVER_NET = 30_000  # a network may hold an answer back while it repairs itself
CONNECT_S = 2.0
IN_TIME_UNTIL_TOLD = 100  # answers in a row; a unit that is late now and then is told of once
MISSES_UNTIL_HUNG = 5  # in a row, by whatever unit, and not a byte
HUNG_S = 3.0  # for so long: a network peer that is there but does nothing
CANARIES_MAX = 4  # in a row; then the unit is left alone until nothing of it can be late any more
KNOWN_MAX = 16  # questions remembered for each unit, as canaries
READ_BYTES_MAX = 4096
FLUSH_READS_MAX = 16  # a peer that never stops talking must not hold the line
FRAME_GAP_CHARS = 3.5  # of silence between frames (Modbus over serial line 1.02, 2.5.1.1)
NO_NUMBER = -1  # of a TCP question: fits no answer
UNIT_TO_ALL = 0  # on a serial line, unit 0 is everybody
REFUSALS_OF_A_GATEWAY = (10, 11)  # not the unit says so: it was not reached

Table = Literal["holding", "input"]

log = logging.getLogger(__name__)
# The library logs every missed answer as an error, with the bytes; we say it once, in words.
logging.getLogger("pymodbus").setLevel(logging.CRITICAL)


@dataclass(frozen=True, kw_only=True, slots=True)
class ModbusLine(serial_port.Line):
    """Where the units are: a serial device, or a host with Modbus TCP or RTU frames over TCP."""

    address: str  # /dev/serial/... or tcp://host:port or rtu+tcp://host:port
    baud: int = 9600
    data_bits: Literal[7, 8] = 8
    parity: Literal["none", "even", "odd"] = "none"
    stop_bits: Literal[1, 2] = 1
    local_echo: bool = False
    answer_ms: int = 300  # until an answer begins; its way over the wire is added
    answer_ms_of: Mapping[int, int] = field(default_factory=dict)  # units that are not like most
    gap_ms: int = 5

    @property
    def is_serial(self) -> bool:
        return "://" not in self.address

    @property
    def is_rtu(self) -> bool:
        """Whether frames are those of a serial line: no number ties an answer to its question."""
        return self.is_serial or self.address.startswith("rtu+tcp://")

    @property
    def char_s(self) -> float:
        bits = 1 + self.data_bits + (self.parity != "none") + self.stop_bits
        return bits / self.baud if self.is_rtu else 0.0


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """A question that brought no registers, and why; `refused` when the unit itself said no."""

    because: str
    refused: bool = False


class _SerialClient(ModbusSerialClient):
    """The library's, hearing through us: its own wait polls, and is measured by the wall clock."""

    hear: Callable[[], bytes]
    said: Callable[[bytes], None]
    line: ModbusLine

    def connect(self) -> bool:
        """With all that the line says; the library knows neither levels nor RS-485."""
        if self.socket is None:
            self.socket = serial_port.opened(self.line.address, self.line)
        return True

    def send(self, request: bytes, addr: tuple[object, ...] | None = None) -> int:
        self.said(request)
        return super().send(request, addr)

    def recv(self, size: int | None) -> bytes:  # noqa: ARG002 - the library's signature
        return self.hear()

    def read_now(self) -> bytes:
        """What is there; b"" when the other end is not, or OSError."""
        port = self.socket
        return port.read(min(port.in_waiting or 1, READ_BYTES_MAX)) if port is not None else b""


class _TcpClient(ModbusTcpClient):
    hear: Callable[[], bytes]
    said: Callable[[bytes], None]

    def send(self, request: bytes, addr: tuple[object, ...] | None = None) -> int:
        self.said(request)
        sent: int = super().send(request, addr)
        return sent

    def recv(self, size: int | None) -> bytes:  # noqa: ARG002 - the library's signature
        return self.hear()

    def read_now(self) -> bytes:
        return self.socket.recv(READ_BYTES_MAX) if self.socket is not None else b""


class ModbusLink:
    """Blocking; one thread owns it. `PortGone` when the cable or the peer is away."""

    def __init__(self, line: ModbusLine) -> None:
        self._line = line
        self._client: _SerialClient | _TcpClient | None = None
        # Kept when the port is lost: what a unit still owes may come over the next connection.
        self._answers = Answers(LATE_MS_MAX if line.is_serial else LATE_MS_MAX_OVER_NET)
        self._echo = echo.Echo() if line.local_echo else None
        self._late_noted: dict[int, int] = {}  # late answers, by unit
        self._in_time: dict[int, int] = {}  # answers in a row, of units that were late
        self._known: dict[int, list[Question]] = {}
        self._canaries: dict[int, int] = {}  # asked in a row, by unit
        self._tcp_held = bytearray()
        self._readable = select.poll()
        self._asked = Question(0, 0, 0, 0)
        self._answer_by_s = 0.0
        self._heard_s = 0.0
        self._missed: tuple[int, float] | None = None  # the unit, and how long the line rests
        self._misses = 0
        self.requests = 0

    @property
    def name(self) -> str:
        return self._line.address

    @property
    def is_open(self) -> bool:
        return self._client is not None

    @property
    def late_answers(self) -> Mapping[int, int]:
        """Thrown away, by unit; more than a few a day mean that it is given too little time.

        On Modbus TCP they are told apart by their number, and not counted.
        """
        return self._answers.late

    def open(self) -> None:
        self.close()
        client = self._new_client()
        client.hear, client.said = self._hear, self._note_sent
        try:
            connected = client.connect()
        except (ModbusException, OSError) as error:
            raise PortGone(f"{self.name} cannot be opened: {error}") from error
        if not connected or client.socket is None:
            raise PortGone(f"{self.name} cannot be opened")
        self._client = client
        self._readable = select.poll()
        self._readable.register(client.socket.fileno(), select.POLLIN)
        self._tcp_held.clear()
        self._canaries.clear()
        self._heard_s = time.monotonic()
        self._misses = 0

    def close(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        try:
            client.close()  # type: ignore[no-untyped-call]  # the library's
        except OSError:
            log.debug("%s was gone before it was closed", self.name)

    def read(self, unit: int, table: Table, first: int, count: int) -> list[int] | NoAnswer:
        """The registers, or why there are none. Their own: never those of an earlier question."""
        if (to_all := self._to_all(unit)) is not None:
            return to_all
        question = Question(unit, READ_HOLDING if table == "holding" else READ_INPUT, first, count)
        if not self._owes(unit):
            self._canaries.pop(unit, None)
        elif (behind := self._catch_up(question)) is not None:
            return behind
        answer = self._ask(question)
        if isinstance(answer, NoAnswer):
            return answer
        self._remember(question)
        return list(answer.registers)

    def write(self, unit: int, first: int, values: list[int]) -> NoAnswer | None:
        """For the commissioning tools alone. A write to everybody on a serial line is refused.

        Without an answer nobody knows whether it was done; it is not sent again.
        """
        if (to_all := self._to_all(unit)) is not None:
            return to_all
        answer = self._ask(Question(unit, WRITE_SEVERAL, first, len(values)), values)
        return answer if isinstance(answer, NoAnswer) else None

    def _to_all(self, unit: int) -> NoAnswer | None:
        if self._line.is_rtu and unit == UNIT_TO_ALL:
            return NoAnswer("unit 0 is every unit on a serial line: name one", refused=True)
        return None

    # ------------------------------------------------------------------ one question

    def _ask(self, question: Question, values: list[int] | None = None) -> ModbusPDU | NoAnswer:
        client = self._connected()
        self._rest()
        self._asked = question
        if self._line.is_rtu:
            self._answers.ask(question, _now_ms())
        on_the_way_s = (question.asking_bytes + question.answer_bytes) * self._line.char_s
        self._answer_by_s = time.monotonic() + self._answer_s(question.unit) + on_the_way_s
        self.requests += 1
        try:
            answer = _sent(client, question, values)
        except ConnectionException as error:
            raise self._gone(error) from error
        except ModbusException:
            return self._miss(self._why_none(question.unit))
        except OSError as error:
            raise self._gone(error) from error
        self._note_in_time(question.unit)
        return self._checked(answer, question)

    def _answer_s(self, unit: int) -> float:
        return self._line.answer_ms_of.get(unit, self._line.answer_ms) / 1000

    def _why_none(self, unit: int) -> str:
        if self._echo is not None and self._echo.is_missing:
            return f"on {self.name} {echo.MISSING}"
        return f"no answer from unit {unit}"

    def _miss(self, because: str) -> NoAnswer:
        """Nothing came in time, or nothing that can be trusted."""
        self._answers.give_up()
        self._misses += 1
        silent_s = time.monotonic() - self._heard_s
        if not self._line.is_serial and self._misses >= MISSES_UNTIL_HUNG and silent_s > HUNG_S:
            raise self._gone(f"{self._misses} questions in a row without a word")
        if self._line.is_rtu:
            rest_s = self._answer_s(self._asked.unit) * QUIET_SHARE
            self._missed = (self._asked.unit, time.monotonic() + rest_s)
        return NoAnswer(because)

    def _checked(self, answer: ModbusPDU, question: Question) -> ModbusPDU | NoAnswer:
        """An answer to another question is no answer. On RTU it has not got this far."""
        if answer.isError():
            code = answer.exception_code
            meaning = f"unit {question.unit}: {EXCEPTIONS.get(code, 'exception')} ({code})"
            return NoAnswer(meaning, refused=code not in REFUSALS_OF_A_GATEWAY)
        if question.function == WRITE_SEVERAL:
            right = (answer.address, answer.count) == (question.first, question.count)
        else:
            right = len(answer.registers) == question.count
        if answer.dev_id != question.unit or answer.function_code != question.function or not right:
            said = f"function {answer.function_code}, {len(answer.registers)} registers"
            return self._miss(f"unit {question.unit} answered another question: {said}")
        return answer

    # ------------------------------------------------------------------ too late, or in time

    def _note_late(self) -> None:
        for unit, late in self._answers.late.items():
            if late == self._late_noted.get(unit):
                continue
            self._late_noted[unit] = late
            if unit not in self._in_time:
                log.warning(
                    "unit %d on %s answers, but later than the %d ms it is given: "
                    "it needs a longer reply_timeout_ms",
                    unit,
                    self.name,
                    round(self._answer_s(unit) * 1000),
                )
            self._in_time[unit] = 0

    def _note_in_time(self, unit: int) -> None:
        if unit not in self._in_time:
            return
        self._in_time[unit] += 1
        if self._in_time[unit] == IN_TIME_UNTIL_TOLD:
            del self._in_time[unit]
            late = self._late_noted[unit]
            log.info("unit %d on %s answers in time again, after %d late", unit, self.name, late)

    # ------------------------------------------------------------------ what is still owed

    def _owes(self, unit: int) -> bool:
        return self._line.is_rtu and self._answers.owes(unit, _now_ms())

    def _catch_up(self, question: Question) -> NoAnswer | None:
        """See that the unit's next answer is one to us; None when it is."""
        self._connected()
        self._rest()
        unit, tried = question.unit, self._canaries.get(question.unit, 0)
        if self._owes(unit) and tried < CANARIES_MAX:
            self._canaries[unit] = tried + 1
            known = self._known.get(unit, [])
            self._ask(self._answers.canary(question, known, other_table=tried % 2 == 1))
        if self._owes(unit):
            return NoAnswer(f"no answer from unit {unit}, and an earlier one may still come")
        return None

    def _remember(self, question: Question) -> None:
        known = self._known.setdefault(question.unit, [])
        if question not in known:
            known.append(question)
            del known[:-KNOWN_MAX]

    def _rest(self) -> None:
        """Be silent for as long as the line needs it, and hear what comes late."""
        if self._missed is not None:
            unit, until_s = self._missed
            while self._owes(unit) and (left_s := until_s - time.monotonic()) > 0:
                self._frame_in(self._receive(left_s), NO_NUMBER)
            self._missed = None
        gap_s = max(self._line.gap_ms / 1000, FRAME_GAP_CHARS * self._line.char_s)
        if (left_s := self._heard_s + gap_s - time.monotonic()) > 0:
            time.sleep(left_s)
        # What lies there now was said before the next question. A peer that has left shows here.
        for _ in range(FLUSH_READS_MAX):
            if not (received := self._receive(0)):
                break
            self._frame_in(received, NO_NUMBER)

    # ------------------------------------------------------------------ bytes

    def _hear(self) -> bytes:
        """The frame that answers the newest question, for the library; b"" for none in time."""
        number = self._connected().transaction.request_transaction_id
        while True:
            left_s = self._answer_by_s - time.monotonic()
            frame = self._frame_in(self._receive(max(left_s, 0)), number)
            if frame is not None:
                return frame
            if left_s <= 0:
                return b""

    def _note_sent(self, request: bytes) -> None:
        if self._echo is not None:
            self._echo.sent(request)

    def _frame_in(self, received: bytes, number: int) -> bytes | None:
        if self._echo is not None:
            received = self._echo.strip(received)
        if self._line.is_rtu:
            frame = self._answers.feed(received)
            self._note_late()
            return frame
        self._tcp_held += received
        try:
            return next_tcp_frame(self._tcp_held, number)
        except ValueError as error:
            raise self._gone(error) from error

    def _receive(self, wait_s: float) -> bytes:
        """What has come in; waits for the first byte, and returns b"" if none comes."""
        try:
            if not self._readable.poll(wait_s * 1000):
                return b""
            received = self._connected().read_now()
        except OSError as error:
            raise self._gone(error) from error
        if not received:
            raise self._gone("it was closed at the other end")
        self._heard_s = time.monotonic()
        self._misses = 0
        return received

    # ------------------------------------------------------------------ the library

    def _new_client(self) -> _SerialClient | _TcpClient:
        line = self._line
        if line.is_serial:
            client = _SerialClient(
                line.address, framer=FramerType.RTU, timeout=CONNECT_S, retries=0
            )
            client.line = line
            return client
        parts = urlsplit(line.address)
        return _TcpClient(
            parts.hostname or "",
            port=parts.port or 502,
            framer=FramerType.RTU if line.is_rtu else FramerType.SOCKET,
            timeout=CONNECT_S,
            retries=0,
        )

    def _connected(self) -> _SerialClient | _TcpClient:
        if self._client is None:
            raise PortGone(f"{self.name} is closed")
        return self._client

    def _gone(self, because: BaseException | str) -> PortGone:
        self._answers.give_up()
        self.close()
        return PortGone(f"{self.name} is gone: {because}")


def _sent(
    client: _SerialClient | _TcpClient, question: Question, values: list[int] | None
) -> ModbusPDU:
    unit, first, count = question.unit, question.first, question.count
    if values is not None:
        return client.write_registers(first, values, device_id=unit)
    if question.function == READ_HOLDING:
        return client.read_holding_registers(first, count=count, device_id=unit)
    return client.read_input_registers(first, count=count, device_id=unit)


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000
