"""`binline edge probe`: asks one device as its profile says, and shows every byte both ways.

It only ever sends what the agent would send to read: the profile's question, what stands before it,
and the question for the serial number. Commands (zero, tare, change of unit) are not in its reach.
"""

import itertools
import json
import time
from collections.abc import Iterable, Iterator
from typing import Literal
from urllib.parse import urlsplit

import click

from edge_agent import profiles
from edge_agent.cli.decode import pairs
from edge_agent.core.blocks import Block
from edge_agent.drivers import bench
from edge_agent.drivers.compiling import ProfileError
from edge_agent.drivers.declared import Declared
from edge_agent.drivers.declared_modbus import DeclaredModbus
from edge_agent.drivers.profile_format import Modbus
from edge_agent.framing.echo import Echo
from edge_agent.framing.frames import Discard
from edge_agent.framing.modbus_answers import Answers, Question, next_tcp_frame
from edge_agent.framing.modbus_frames import (
    READ_HOLDING,
    READ_INPUT,
    ModbusRefusal,
    RegistersRead,
    read_answer,
    read_request,
)
from edge_agent.transports.base import PortGone, Transport
from edge_agent.transports.serial_port import Line, SerialPort
from edge_agent.transports.tcp_port import TcpPort

ASK_EVERY_S = 1.0  # a person reads along
PICTURES = "".join(chr(0x2400 + code) for code in range(0x20))  # of control characters
DELETE = 0x7F
SHOWN_BYTES_MAX = 32  # in one line
IDLE_S = 0.25  # silence that ends a frame, where silence may
LATE_MS_MAX = 5_000
EXIT_NOT_UNDERSTOOD = 1
EXIT_NO_ANSWER = 3


@click.command()
@click.option(
    "--port",
    "address",
    required=True,
    metavar="PORT",
    help="/dev/serial/by-path/..., tcp://HOST:PORT, or rtu+tcp://HOST:PORT (Modbus RTU).",
)
@click.option(
    "--profile",
    "profile_name",
    required=True,
    metavar="PROFILE",
    help="A shipped profile (`binline edge profiles`), or the path of a file.",
)
@click.option(
    "--param",
    "parameters",
    multiple=True,
    metavar="KEY=VALUE",
    help="What the device does not send: unit=kg. Repeatable.",
)
@click.option(
    "--unit", type=click.IntRange(0, 255), help="Modbus address, when it is not the profile's."
)
@click.option(
    "--seconds",
    type=click.FloatRange(0.1, 3600),
    default=5.0,
    show_default=True,
    help="How long to ask and listen.",
)
@click.option(
    "--baud",
    type=click.IntRange(110, 921_600),
    help="Speed of the line, when it is not the profile's.",
)
@click.option("--bits", type=click.Choice(["7", "8"]), help="Data bits, likewise.")
@click.option("--parity", type=click.Choice(["none", "even", "odd"]), help="Likewise.")
@click.option("--stop-bits", type=click.Choice(["1", "2"]), help="Likewise.")
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object a line: sent, received, meaning."
)
def probe(  # noqa: PLR0917 - click passes by name
    address: str,
    profile_name: str,
    parameters: tuple[str, ...],
    unit: int | None,
    seconds: float,
    baud: int | None,
    bits: str | None,
    parity: Literal["none", "even", "odd"] | None,
    stop_bits: str | None,
    as_json: bool,  # noqa: FBT001 - click passes by name
) -> None:
    r"""Ask the device on PORT as its profile says, and show every byte with its time and meaning.

    Only questions are sent, never a command: a probe changes nothing on the device. Stop the agent
    first, or use another port; two programs on one line steal each other's bytes.

    \b
    Examples:
      binline edge probe --port /dev/serial/by-path/pci-0-usb-0:1 --profile mt_sics
      binline edge probe --port /dev/ttyS0 --profile st_gs --baud 4800 --seconds 20
      binline edge probe --port tcp://10.0.0.7:502 --profile laumas_tlb --param unit=kg --unit 3
      binline edge probe --port /dev/ttyS0 --profile ohaus_print --json | jq .meaning

    \b
    Exit codes:
      0  the device answered, and it was understood
      1  it answered something else, or the port cannot be opened
      2  the command, the profile or a parameter is wrong
      3  nothing answered
    """
    declared = _loaded(profile_name, parameters)
    line = declared.profile.line
    wire = Line(
        baud=baud or line.baud,
        data_bits=8 if bits == "8" else 7 if bits == "7" else line.bits,
        parity=parity or line.parity,
        stop_bits=1 if stop_bits == "1" else 2 if stop_bits == "2" else line.stop_bits,
        hardware_handshake=line.hardware_handshake,
        dtr=line.dtr,
        rts=line.rts,
        rs485=line.rs485,
    )
    transport = _transport(address, wire)
    number = _unit(declared, unit, address)
    click.echo(_begins(address, wire, profile_name, declared, number), err=True)
    shown = Shown(as_json=as_json)
    try:
        transport.open()
        if declared.profile.modbus is not None:
            _ask_registers(
                transport,
                declared,
                shown,
                modbus=declared.profile.modbus,
                unit=number,
                seconds=seconds,
                is_tcp=address.startswith("tcp://"),
            )
        else:
            _ask_line(transport, declared, seconds, shown)
    except PortGone as gone:
        raise click.ClickException(str(gone)) from gone
    finally:
        transport.close()
    _judge(shown, declared, number, over_network="://" in address)


# ---------------------------------------------------------------------- before


def _loaded(name: str, parameters: tuple[str, ...]) -> Declared:
    given = pairs(parameters, "--param")
    try:
        # Which registers there are depends on parameters; what a line says is shown without them.
        asks_registers = profiles.read(name).modbus is not None
        declared = profiles.load(name, given, all_needed=asks_registers)
    except ProfileError as error:
        raise click.UsageError(f"{name}:\n{error}") from error
    if declared.profile.modbus is None and declared.frame_rule is None:
        raise click.UsageError(f"{name} says neither what to ask nor what a frame looks like")
    return declared


def _transport(address: str, line: Line) -> Transport:
    if "://" not in address:
        return SerialPort(address, line)
    try:
        url = urlsplit(address)
        host, port = url.hostname, url.port
    except ValueError:
        host = port = None
    if not host or not port or url.scheme not in ("tcp", "rtu+tcp"):
        raise click.UsageError(
            f"--port {address!r}: write /dev/..., tcp://HOST:PORT or rtu+tcp://HOST:PORT"
        )
    return TcpPort(host, port)


def _unit(declared: Declared, unit: int | None, address: str) -> int:
    modbus = declared.profile.modbus
    if modbus is None:
        if unit is not None:
            raise click.UsageError("--unit is for Modbus; elsewhere: --param address=...")
        return 0
    number = unit if unit is not None else modbus.unit
    if number == 0 and not address.startswith("tcp://"):
        raise click.UsageError("--unit 0 is every unit on a serial line: say 1 to 247")
    return number


def _begins(address: str, wire: Line, profile: str, declared: Declared, unit: int) -> str:
    """What is about to be done, so that a wrong speed or address meets the eye."""
    frame = f"{wire.data_bits}{wire.parity[0].upper()}{wire.stop_bits}"
    where = address if "://" in address else f"{address} at {wire.baud} {frame}"
    ask = declared.profile.ask
    if declared.profile.modbus is not None:
        return f"asking {where} for {profile}, unit {unit}; it is given {ask.answer_ms} ms"
    listens = ask.mode == "stream" or not ask.request
    return f"{'listening to' if listens else 'asking'} {where} for {profile}"


# ---------------------------------------------------------------------- what is shown


class Shown:
    """Prints what passes, and remembers how much of it there was."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._start_s = time.monotonic()
        self._held = b""
        self._held_since_ms = 0
        self.received_bytes = 0
        self.understood = 0
        self.refused = 0
        self.late = 0
        self.echoes = 0

    def sent(self, frame: bytes) -> None:
        self.flush()
        self._bytes("sent", "→", frame, self._now_ms())

    def received(self, piece: bytes) -> None:
        """Bytes trickle in: they are shown by the frame, or when it grows long, or quiet comes."""
        if not self._held:
            self._held_since_ms = self._now_ms()
        self.received_bytes += len(piece)
        self._held += piece
        while len(self._held) >= SHOWN_BYTES_MAX:
            self._bytes("received", "←", self._held[:SHOWN_BYTES_MAX], self._held_since_ms)
            self._held = self._held[SHOWN_BYTES_MAX:]

    def flush(self) -> None:
        if self._held:
            self._bytes("received", "←", self._held, self._held_since_ms)
            self._held = b""

    def means(self, outcomes: Iterable[bench.Plain]) -> None:
        for outcome in outcomes:
            self.flush()
            self.understood += outcome["outcome"] != "discard"
            self.refused += outcome["outcome"] == "device_error"
            if self._as_json:
                click.echo(
                    json.dumps({"t_ms": self._now_ms(), "meaning": outcome}, ensure_ascii=False)
                )
                continue
            said = " ".join(
                f"{key}={_short(value)}"
                for key, value in outcome.items()
                if key not in ("outcome", "raw")
            )
            click.echo(f"          =  {outcome['outcome']}  {said}".rstrip())

    def note(self, said: str) -> None:
        """What did not come, or came in another way than it should."""
        self.flush()
        if self._as_json:
            click.echo(json.dumps({"t_ms": self._now_ms(), "note": said}, ensure_ascii=False))
        else:
            click.echo(f"          !  {said}")

    def _bytes(self, direction: str, arrow: str, frame: bytes, t_ms: int) -> None:
        if self._as_json:
            click.echo(json.dumps({"t_ms": t_ms, direction: frame.hex(" ").upper()}))
            return
        click.echo(f"{t_ms / 1000:8.3f}  {arrow}  {frame.hex(' ').upper():<47}  {_readable(frame)}")

    def _now_ms(self) -> int:
        return round((time.monotonic() - self._start_s) * 1000)


def _readable(frame: bytes) -> str:
    """Letters as they are, control characters by their pictures: ␂ ␍ ␊."""
    return "".join(
        PICTURES[byte] if byte < len(PICTURES) else chr(byte) if byte < DELETE else "·"
        for byte in frame
    )


def _short(value: object) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return str(value).lower()
        case list():
            return ", ".join(map(_short, value)) or "-"
        case dict():
            return " ".join(
                _short(one) if key == "id" else f"({key}={_short(one)})"
                for key, one in value.items()
            )
        case _:
            return str(value)


# ---------------------------------------------------------------------- a line of bytes


def _ask_line(transport: Transport, declared: Declared, seconds: float, shown: Shown) -> None:
    ask = declared.profile.ask
    echo, framer = Echo(), declared.framer()
    questions = _questions(declared)
    ask_at_s = quiet_since_s = time.monotonic()
    until_s, asked = ask_at_s + seconds, b""
    while (now_s := time.monotonic()) < until_s:
        if now_s >= ask_at_s and (question := next(questions, b"")):
            asked = question
            framer.reset()
            transport.write(asked)
            echo.sent(asked)
            shown.sent(asked)
            ask_at_s = now_s + max(ASK_EVERY_S, ask.interval_ms_min / 1000, ask.answer_ms / 1000)
        received = transport.read()
        if received:
            shown.received(received)
            quiet_since_s = time.monotonic()
            rest = echo.strip(received)
            shown.echoes += len(received) - len(rest) == len(asked) > 0
            shown.means(_meaning(declared, framer.feed(rest), asked))
        elif now_s - quiet_since_s > IDLE_S:
            shown.flush()
            shown.means(_meaning(declared, framer.finish(), asked))
    shown.means(_meaning(declared, framer.finish(), asked))
    shown.flush()


def _questions(declared: Declared) -> Iterator[bytes]:
    """What the agent would send to read, in its order; for ever, when the device is polled."""
    profile = declared.profile
    yield from (declared.filled(text) for text in profile.ask.before)
    if profile.identity is not None and profile.identity.ask:
        yield declared.filled(profile.identity.ask)
    if profile.ask.mode != "stream" and profile.ask.request:
        yield from itertools.repeat(declared.filled(profile.ask.request))


def _meaning(declared: Declared, frames: list[bytes | Discard], asked: bytes) -> list[bench.Plain]:
    found: list[bench.Plain] = []
    for frame in frames:
        serial_number = declared.identity_in(frame) if isinstance(frame, bytes) else None
        if serial_number is not None:
            found.append({"outcome": "identity", "serial_number": serial_number})
        else:
            found += bench.as_plain(declared.decode_frame(frame, asked))
    return found


# ---------------------------------------------------------------------- Modbus registers


def _ask_registers(
    transport: Transport,
    declared: Declared,
    shown: Shown,
    *,
    modbus: Modbus,
    unit: int,
    seconds: float,
    is_tcp: bool,
) -> None:
    driver = DeclaredModbus(declared, {})
    function = READ_HOLDING if driver.table == "holding" else READ_INPUT
    line = _RegisterLine(
        transport, declared.profile.ask.answer_ms, modbus.gap_ms, shown, is_tcp=is_tcp
    )
    until_s = time.monotonic() + seconds
    while (started_s := time.monotonic()) < until_s:
        registers: dict[int, int] = {}
        for block in driver.blocks:
            registers |= line.read(Question(unit, function, block.first, block.count), block)
        if registers:
            shown.means(bench.as_plain(declared.decode_registers(registers)))
        while time.monotonic() < min(started_s + ASK_EVERY_S, until_s):
            line.overhear()


class _RegisterLine:
    """Questions and answers as raw bytes, so that both can be shown."""

    def __init__(
        self, transport: Transport, answer_ms: int, gap_ms: int, shown: Shown, *, is_tcp: bool
    ) -> None:
        self._transport = transport
        self._answer_ms, self._gap_s = answer_ms, gap_ms / 1000
        self._shown = shown
        self._is_tcp = is_tcp
        self._answers = Answers(LATE_MS_MAX)
        self._echo = Echo()
        self._held = bytearray()
        self._transaction = 0

    def read(self, question: Question, block: Block) -> dict[int, int]:
        time.sleep(self._gap_s)
        request = self._request(question)
        self._transport.write(request)
        self._shown.sent(request)
        if not self._is_tcp:
            self._echo.sent(request)
        until_s = time.monotonic() + self._answer_ms / 1000
        while time.monotonic() < until_s:
            frame = self._hear()
            if frame is not None:
                return self._registers(frame, question, block)
        self._answers.give_up()
        self._shown.note(f"no answer from unit {question.unit} within {self._answer_ms} ms")
        return {}

    def overhear(self) -> None:
        """What comes while nothing is asked is late, or was not for us."""
        frame = self._hear()
        self._shown.flush()
        if frame is not None:
            self._note_late()

    def _hear(self) -> bytes | None:
        received = self._transport.read()
        if not received:
            return None
        self._shown.received(received)
        late_before = self._answers.late.total()
        frame = self._frame(received)
        if self._answers.late.total() > late_before:
            self._note_late()
        return frame

    def _note_late(self) -> None:
        self._shown.late += 1
        self._shown.note(f"late: it answers an earlier question, and is given {self._answer_ms} ms")

    def _request(self, question: Question) -> bytes:
        rtu = read_request(question.unit, question.function, question.first, question.count)
        if not self._is_tcp:
            self._answers.ask(question, round(time.monotonic() * 1000))
            return rtu
        self._transaction = self._transaction % 0xFFFF + 1
        body = rtu[:-2]
        return self._transaction.to_bytes(2, "big") + b"\0\0" + len(body).to_bytes(2, "big") + body

    def _frame(self, received: bytes) -> bytes | None:
        if not self._is_tcp:
            was_missing = self._echo.is_missing
            rest = self._echo.strip(received)
            self._shown.echoes += was_missing and len(rest) < len(received)
            return self._answers.feed(rest)
        self._held += received
        try:
            return next_tcp_frame(self._held, self._transaction)
        except ValueError as error:
            raise PortGone(f"{self._transport.name}: {error}") from error

    def _registers(self, frame: bytes, question: Question, block: Block) -> dict[int, int]:
        self._shown.flush()
        match read_answer(frame):
            case RegistersRead(unit=unit, values=values) if (
                unit == question.unit and len(values) == block.count
            ):
                return dict(enumerate(values, block.first))
            case ModbusRefusal() as refusal:
                because = f"modbus_exception_{refusal.code}"
                self._shown.means(
                    [{"outcome": "device_error", "error": because, "meaning": refusal.meaning}]
                )
            case _:
                self._shown.means([{"outcome": "discard", "reason": "no answer to this question"}])
        return {}


# ---------------------------------------------------------------------- after


def _judge(shown: Shown, declared: Declared, unit: int, *, over_network: bool) -> None:
    """What to try next goes to standard error, so that what is piped stays whole."""
    if shown.late:
        click.echo(
            "it answers later than it is given: say reply_timeout_ms in the gateway's settings",
            err=True,
        )
    if shown.understood:
        _advise(shown)
        return
    if shown.late:
        raise click.exceptions.Exit(EXIT_NOT_UNDERSTOOD)
    if shown.echoes:
        click.echo(
            "only our own question came back: the adapter echoes, and the device is silent",
            err=True,
        )
    elif shown.received_bytes:
        click.echo(
            "bytes came, and none of them made sense: is the line set right, and is it this "
            f"model?{_found_with(declared)}",
            err=True,
        )
        raise click.exceptions.Exit(EXIT_NOT_UNDERSTOOD)
    else:
        click.echo(_what_to_check(declared, unit, over_network=over_network), err=True)
    raise click.exceptions.Exit(EXIT_NO_ANSWER)


def _advise(shown: Shown) -> None:
    """It works, and yet there is something to know before it is left alone."""
    if shown.refused == shown.understood:
        click.echo("it answers, and refuses: is it this model, with these parameters?", err=True)
    if shown.echoes:
        click.echo("the adapter echoes: say local_echo = true in the gateway's settings", err=True)


def _what_to_check(declared: Declared, unit: int, *, over_network: bool) -> str:
    modbus = declared.profile.modbus is not None
    if modbus and over_network:
        return f"nothing came: there is a connection, and nobody behind it answers as unit {unit}"
    if modbus:
        return (
            f"nothing came: check power, the two wires (swapped?), that it is unit {unit}, and the "
            f"speed.{_found_with(declared)}"
        )
    normal = (
        " It speaks only when there is something to say."
        if declared.profile.ask.silence_is_normal
        else ""
    )
    return (
        "nothing came: check power, cable (crossed?), address and speed."
        f"{normal}{_found_with(declared)}"
    )


def _found_with(declared: Declared) -> str:
    others = ", ".join(
        f"{preset.baud} {preset.bits}{preset.parity[0].upper()}{preset.stop_bits}"
        for preset in declared.profile.line.presets
    )
    return f" This family is also found with: {others}." if others else ""
