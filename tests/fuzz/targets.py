"""What is fuzzed: everything of ours that reads what somebody else wrote.

A target is fed any bytes. It may refuse them in the one way its module promises, and must keep the
promises below; anything else is a find.
"""

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import msgspec

from edge_agent import profiles, settings
from edge_agent.core.typed_toml import SettingsError
from edge_agent.drivers import barcodes, bench, epcs
from edge_agent.drivers.compiling import ProfileError
from edge_agent.drivers.declared import Declared
from edge_agent.drivers.declared_modbus import DeclaredModbus
from edge_agent.drivers.declared_serial import DeclaredSerial
from edge_agent.drivers.expressions import ExpressionError, NoValue, compile_expression
from edge_agent.framing import modbus_answers, modbus_frames
from edge_agent.framing.frames import Discard
from edge_agent.simulated import site
from edge_agent.wire import codec

ROOT = Path(__file__).parents[2]
VECTORS = ROOT / "tests" / "captures" / "vectors"
LINE_PROFILES = [name for name in profiles.shipped() if profiles.read(name).frame is not None]
REGISTER_PROFILES = [name for name in profiles.shipped() if profiles.read(name).modbus is not None]
WORDS = (b"0", b" ", b"\r\n", b"\x02", b"\x03", b"\xff\xff", b"99999999999999999999", b"-", b".")


@dataclass(frozen=True, kw_only=True)
class Target:
    run: Callable[[bytes], None]
    seeds: tuple[bytes, ...]
    words: tuple[bytes, ...] = WORDS
    """What this format is made of, to be put in at random places."""


# ---------------------------------------------------------------------- lines of bytes


@cache
def declared(name: str) -> Declared:
    parameters = {
        key: str(parameter.choices[0] if parameter.choices else 0)
        for key, parameter in profiles.read(name).parameters.items()
        if parameter.default is msgspec.UNSET
    }
    return profiles.load(name, parameters)


def driver(name: str) -> DeclaredSerial:
    return DeclaredSerial(declared(name), dict.fromkeys(declared(name).channel_labels(), "s"))


def line(name: str) -> Callable[[bytes], None]:
    """No bytes raise, and where they are cut makes no difference to the answers."""

    def run(stream: bytes) -> None:
        whole, sliced = driver(name), driver(name)
        answers = whole.feed(stream) + whole.finish()
        singly = [answer for byte in stream for answer in sliced.feed(bytes([byte]))]
        assert answers == singly + sliced.finish()

    return run


def sent_by(name: str) -> tuple[bytes, ...]:
    path = VECTORS / f"{name}.json"
    vectors = json.loads(path.read_text()) if path.is_file() else []
    texts = ("".join(vector.get("pieces", [vector.get("bytes", "")])) for vector in vectors)
    return tuple(bytes.fromhex(text) for text in texts if text) or (b"0.00 kg\r\n",)


# ---------------------------------------------------------------------- Modbus


def modbus_frame(raw: bytes) -> None:
    """Read with its check as it is, and with the right one: the second gets further."""
    for frame in (
        raw,
        modbus_frames.with_crc(raw),
        b"\0\1\0\0" + len(raw).to_bytes(2, "big") + raw,
    ):
        modbus_frames.read_answer(frame)
        modbus_frames.asked_address(frame)


def modbus_meaning(raw: bytes) -> None:
    """The first byte says which profile; the rest is an answer with right check bytes."""
    name = REGISTER_PROFILES[raw[0] % len(REGISTER_PROFILES)] if raw else REGISTER_PROFILES[0]
    profile = declared(name)
    words = [int.from_bytes(raw[at : at + 2], "big") for at in range(1, len(raw) - 1, 2)]
    addresses = [at + more for at, count in profile.fields_wanted() for more in range(count)]
    profile.decode_registers(dict(zip(addresses, words, strict=False)))
    first = min(addresses, default=0)
    registers = b"".join(word.to_bytes(2, "big") for word in words[:125])
    answer = modbus_frames.with_crc(bytes((1, 3, len(registers))) + registers)
    request = modbus_frames.read_request(1, 3, first, max(1, len(words[:125])))
    assert bench.explain_bytes(profile, [answer], request)


def modbus_line(raw: bytes) -> None:
    """Whatever comes, an answer has the shape of the question and right check bytes."""
    answers = modbus_answers.Answers(late_ms_max=1_000)
    question = modbus_answers.Question(1, 3, 0, 2)
    now_ms = 0
    for at in range(0, len(raw), 8):
        now_ms += 100
        if raw[at] & 1:
            question = modbus_answers.Question(1 + raw[at] % 3, 3, raw[at], 1 + raw[at] % 4)
            answers.ask(question, now_ms)
        if raw[at] & 2:
            answers.give_up()
        frame = answers.feed(raw[at : at + 8])
        if frame is not None:
            assert isinstance(
                modbus_frames.read_answer(frame),
                modbus_frames.RegistersRead | modbus_frames.ModbusRefusal,
            )
            assert frame[0] == question.unit
        answers.owes(question.unit, now_ms)


def modbus_tcp(raw: bytes) -> None:
    held = bytearray(raw)
    try:
        while (frame := modbus_answers.next_tcp_frame(held, 1)) is not None:
            assert frame[:2] == b"\0\1"
            read = modbus_frames.read_answer(frame)
            assert isinstance(
                read, Discard | modbus_frames.RegistersRead | modbus_frames.ModbusRefusal
            )
    except ValueError:
        pass


# ---------------------------------------------------------------------- codes


def barcode(raw: bytes) -> None:
    text = raw.decode("latin-1")
    aim = text[:3] if text[:1] == "]" and len(text) > 3 else None
    data = text[3:] if aim else text
    assert barcodes.explained({"data": data, "aim": aim, "separator": ""})["data"] == data


def epc(raw: bytes) -> None:
    memory = raw.hex().upper()
    assert epcs.explained(memory)["hex"] == memory
    epcs.explained(raw.decode("latin-1"))


# ---------------------------------------------------------------------- texts that people write


def expression(raw: bytes) -> None:
    names = {"frame": raw, "line": raw.decode("latin-1"), "n": 7, "none": None, "units": {"7": "g"}}
    with suppress(ExpressionError, NoValue):
        compile_expression(raw.decode("latin-1"), set(names))(names)


def profile(raw: bytes) -> None:
    """A profile with a mistake says so; one without decodes without ever raising."""
    with tempfile.NamedTemporaryFile(suffix=".toml") as file:
        file.write(raw)
        file.flush()
        try:
            loaded = profiles.load(file.name, all_needed=False)
        except ProfileError:
            return
    sensors = dict.fromkeys(loaded.channel_labels(), "s")
    if loaded.frame_rule is not None:
        json.dumps(bench.explain_bytes(loaded, [b"ST,GS,+  1.234 kg\r\n", raw[:300]]))
        on_a_line = DeclaredSerial(loaded, sensors)
        assert (on_a_line.request(), on_a_line.identify(), on_a_line.before()) is not None
        for noise in (b"ST,GS,+  1.234 kg\r\n", raw[:300], _likely(raw), b" " * 300, b"1" * 300):
            on_a_line.feed(noise)
            on_a_line.finish()
    if loaded.profile.modbus is not None:
        json.dumps(bench.explain_registers(loaded, dict.fromkeys(range(100), 1)))
        on_modbus = DeclaredModbus(loaded, sensors)
        for block in on_modbus.blocks:
            on_modbus.answers(dict.fromkeys(range(block.first, block.end), raw[0]))
    for name in loaded.profile.commands:
        loaded.command(name)


def _likely(raw: bytes) -> bytes:
    """Noise of the characters that the profile itself is made of, some of them often."""
    return b"".join(raw[at : at + 1] * (1 + at % 40) for at in range(0, len(raw), 97))[:600]


def gateway(raw: bytes) -> None:
    with suppress(SettingsError):
        settings.parse(raw.decode("utf-8", "replace"), origin=Path("gateway.toml"))


def plan(raw: bytes) -> None:
    for suffix in (".json", ".toml"):
        with tempfile.NamedTemporaryFile(suffix=suffix) as file:
            file.write(raw)
            file.flush()
            with suppress(SettingsError):
                site.load(Path(file.name))


def wire(raw: bytes) -> None:
    try:
        message = codec.decode(raw)
    except codec.WireError:
        return
    assert codec.decode(codec.encode(message)) == message


def _shipped_texts() -> Iterator[bytes]:
    for entry in profiles.shipped().values():
        yield entry.read_bytes()


PLAN = b"""{"seed": 1, "scales": [{"gateway": "g", "sensor": "s", "behaviour": "bin",
"unit_weight_ug": 4200000, "tare_mg": 350000, "capacity": 2000, "pieces": 1400}]}"""
EXPRESSIONS = (
    b"number(line) if n in (1, 2) else scaled(integer(frame), 2)",
    b"units[n] + upper(strip(line))",
    b"float32(n) // 3 - signed(n, 16) % 7",
    b"not bit(n, 2) and part(frame, 1, -1) == b'x'",
)
EXPRESSION_WORDS = (b"(", b")", b"number(", b"frame", b"units[", b" if ", b" else ", b"99999", b"'")
TOML_WORDS = (b"[", b"]", b'"', b"= ", b"[[outcomes]]\n", b"when = ", b"\n", b"true", b"{x}", b"(")
PROFILE_WORDS = (
    *TOML_WORDS,
    *(b"*", b"+", b"?", b"(?:", b")*", b")+", b"{0,99}", b"{99999999}", b".*", b" *", b"|"),
    *(b"-1", b"-9999", b"0", b"1", b"65535", b"999999999999", b"4096", b"1e9", b"0x" + b"f" * 99),
    *(b" + ", b" * ", b" // ", b"line", b"frame", b"channel", b"integer(frame)", b"raw", b"tags"),
    *(b"[let]\n", b"[frame]\n", b"[modbus]\n", b"[registers]\n", b"[columns]\n", b"[tables.t]\n"),
    *(b"length = ", b"bytes_max = ", b"at = ", b"size = ", b"channels = ", b"like = ", b"plus = "),
    *(b"count = ", b"after_end = ", b"total_min = ", b"width = ", b"a = ", b"each = "),
)

TARGETS: dict[str, Target] = {
    **{f"line-{name}": Target(run=line(name), seeds=sent_by(name)) for name in LINE_PROFILES},
    "modbus_frame": Target(run=modbus_frame, seeds=(bytes.fromhex("01 03 04 00 01 00 02"),)),
    "modbus_meaning": Target(run=modbus_meaning, seeds=(bytes(61), b"\x03" + b"\x41\x48\0\0" * 20)),
    "modbus_line": Target(
        run=modbus_line,
        seeds=(b"\x03" + modbus_frames.with_crc(bytes.fromhex("01 03 04 00 01 00 02")) * 3,),
    ),
    "modbus_tcp": Target(
        run=modbus_tcp, seeds=(bytes.fromhex("00 01 00 00 00 05 01 03 02 00 07"),)
    ),
    "barcode": Target(
        run=barcode,
        seeds=sent_by("barcode"),
        words=(
            b"]C1",
            b"]",
            b"\x1d",
            b"01",
            b"10",
            b"17",
            b"3103",
            b"8003",
            b"https://id.gs1.org/",
        ),
    ),
    "epc": Target(run=epc, seeds=sent_by("epc_tds")),
    "expression": Target(run=expression, seeds=EXPRESSIONS, words=EXPRESSION_WORDS),
    "profile": Target(run=profile, seeds=tuple(_shipped_texts()), words=PROFILE_WORDS),
    "gateway": Target(
        run=gateway,
        seeds=((ROOT / "firmware_configs/gateways/example.toml").read_bytes(),),
        words=TOML_WORDS,
    ),
    "plan": Target(run=plan, seeds=(PLAN,), words=(b"{", b"}", b"[", b"1e999", b"null", b'"')),
    "wire": Target(
        run=wire, seeds=(b"\x82\xa4type\xa1p", b'{"type":"ack"}'), words=(b"\xdf", b"\xc1")
    ),
}
