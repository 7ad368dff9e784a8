"""A profile at work: frames or registers in, what they mean out. No device is known by name here.

    bytes ─▶ Framer ─▶ frame ─┐
                              ├─▶ fields ─▶ the first outcome that fits ─▶ Decoded
             registers ───────┘

`compiling.compile_profile` makes it of a profile and its parameters.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from edge_agent.core.units import unit_named
from edge_agent.drivers import barcodes, epcs
from edge_agent.drivers.expressions import FUNCTIONS, Compiled, Names, NoValue, Table, Value
from edge_agent.drivers.needed import needed, never
from edge_agent.drivers.profile_format import Column, ProfileFile, Register
from edge_agent.framing.frames import Discard, Framer, FrameRule

EACH_MAX = 100
ADDRESS_MAX = WORD_MAX = 0xFFFF
PLACE = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_WORDS = {
    "uint16": 1,
    "int16": 1,
    "uint32": 2,
    "int32": 2,
    "float32": 2,
    "uint64": 4,
    "int64": 4,
    "float64": 4,
}


@dataclass(frozen=True)
class Decoded:
    """What one frame, or one look at the registers, means."""

    outcome: str
    values: Mapping[str, object] = field(default_factory=dict)
    raw: bytes = b""


class _Fields(dict[str, "Value | Table"]):
    """Names an outcome may use.

    What is computed is computed when first asked for, so that a field which this frame does not
    have spoils only the outcomes that want it.
    """

    def __init__(self, known: Mapping[str, "Value | Table"], let: Mapping[str, Compiled]) -> None:
        super().__init__(known)
        self._let = let

    def __missing__(self, name: str) -> "Value | Table":
        if name not in self._let:
            raise NoValue(f"this frame has no {name}")
        self[name] = value = self._let[name](self)
        return value


@dataclass(frozen=True, kw_only=True)
class Rule:
    """An `Outcome`, compiled."""

    outcome: str
    pattern: re.Pattern[str] | None
    when: Compiled
    within: Compiled | None
    size: Compiled | None
    say: Mapping[str, Compiled]


@dataclass(frozen=True, kw_only=True)
class Declared:
    """A profile with its parameters filled in, and every expression and pattern compiled."""

    profile: ProfileFile
    parameters: Mapping[str, Value]
    constants: Mapping[str, "Value | Table"]
    no_groups: Mapping[str, None]  # every name a pattern may give
    let: Mapping[str, Compiled]
    registers: Mapping[str, tuple[Compiled, Compiled]]  # address, word order
    rules: tuple[Rule, ...]
    weight_max: Decimal | None
    weight_min: Decimal | None
    channels: int  # 0: none of its own
    identity: re.Pattern[str] | None
    frame_rule: FrameRule | None

    def framer(self) -> Framer:
        assert self.frame_rule is not None
        return Framer(self.frame_rule)

    def identity_in(self, frame: bytes) -> str | None:
        """The serial number, when this is the frame in which the device says it."""
        if self.identity is None:
            return None
        found = self.identity.fullmatch(frame.decode("latin-1"))
        return found["serial"] if found else None

    def channel_labels(self) -> tuple[int, ...]:
        """The numbers by which its channels call themselves; one number for a device with one."""
        labels: list[int] = []
        for channel in range(1, self.channels + 1):
            named: dict[str, Value | Table] = {**self.constants, "channel": channel}
            said = [rule.say["channel"] for rule in self.rules if "channel" in rule.say]
            try:
                label = said[0](named) if said else channel
            except (NoValue, KeyError):
                label = channel
            labels.append(label if isinstance(label, int) else channel)
        return tuple(labels) or (0,)

    def fields_wanted(self) -> list[tuple[int, int]]:
        """First register and count of every field an outcome may ask for, given the parameters.

        A field at a negative address is one that this installation does not have.
        """
        names = self._registers_wanted()
        wanted: set[tuple[int, int]] = set()
        for channel in range(1, self.channels + 1) if self.channels else [0]:
            named: dict[str, Value | Table] = {**self.constants, "channel": channel}
            for name in names:
                register = self.profile.registers[name]
                try:
                    first = self.registers[name][0](named)
                except NoValue:  # by a parameter that was not given, which is allowed on a bench
                    continue
                if isinstance(first, int) and 0 <= first <= ADDRESS_MAX:
                    wanted.add((first, words_of(register)))
        return sorted(wanted)

    def _registers_wanted(self) -> list[str]:
        sources: list[str] = []
        for outcome in self.profile.outcomes:
            if not never(outcome.when, self.constants):
                each = [outcome.each.within, outcome.each.size] if outcome.each else []
                sources += [outcome.when, *outcome.say.values(), *each]
        names: set[str] = set()
        while sources:
            new = needed(sources.pop(), self.constants) - names
            names |= new
            sources += [self.profile.let[name] for name in new if name in self.profile.let]
        return [name for name in self.profile.registers if name in names]

    def command(self, name: str) -> bytes | dict[int, list[int]]:
        """What a command sends: bytes with the parameters filled in, or registers to write."""
        command = self.profile.commands[name]
        if command.send:
            return self.filled(command.send)
        return {int(at): values for at, values in command.write.items()}

    def filled(self, template: str) -> bytes:
        """Bytes of a line text; `{address}` is the parameter of that name."""
        parameters = self.parameters

        def value(found: re.Match[str]) -> str:
            return str(parameters[found[1]]) if found[1] in parameters else found[0]

        return line_bytes(PLACE.sub(value, template))

    def decode_frame(self, frame: bytes | Discard, asked: bytes = b"") -> list[Decoded]:
        """`asked` is what was sent last, for answers that do not say what they answer."""
        if isinstance(frame, Discard):
            return [Decoded("discard", {"reason": frame.reason}, frame.raw)]
        named: dict[str, Value | Table] = {**self.constants, **self.no_groups}
        named["frame"], named["line"] = frame, frame.decode("latin-1")
        named["asked"] = asked.decode("latin-1")
        for name, column in self.profile.columns.items():
            cut = frame[column.at : column.at + column.size or None]
            if len(cut) == column.size:
                named[name] = _as_column(cut, column)
        return self._first_that_fits(named, frame)

    def decode_registers(self, registers: Mapping[int, int]) -> list[Decoded]:
        """One Decoded a channel; a register that is not there is a value that is not there."""
        found: list[Decoded] = []
        for channel in range(1, self.channels + 1) if self.channels else [0]:
            named: dict[str, Value | Table] = {**self.constants, **self.no_groups}
            if channel:
                named["channel"] = channel
            for name, (at, word_order) in self.registers.items():
                try:
                    value = _as_register(
                        registers, self.profile.registers[name], at(named), word_order(named)
                    )
                except NoValue:
                    continue
                named[name] = value
            if channel and not self.registers.keys() & named.keys():
                continue  # nothing of this channel was read
            for decoded in self._first_that_fits(named, b""):
                values = {"channel": channel, **decoded.values} if channel else decoded.values
                found.append(Decoded(decoded.outcome, values))
        return found

    def _first_that_fits(self, named: Mapping[str, "Value | Table"], frame: bytes) -> list[Decoded]:
        for rule in self.rules:
            groups = _matched(rule, named)
            if groups is None:
                continue
            fields = _Fields({**named, **groups}, self.let)
            if not _holds(rule.when, fields):
                continue
            try:
                return [
                    self._judged(Decoded(rule.outcome, values, frame))
                    for values in self._said(rule, fields)
                ]
            except NoValue as missing:
                return [Decoded("discard", {"reason": str(missing)}, frame)]
        return [Decoded("discard", {"reason": "not understood"}, frame)]

    def _said(self, rule: Rule, fields: _Fields) -> Iterator[dict[str, object]]:
        if rule.within is None or rule.size is None:
            yield _clean({name: say(fields) for name, say in rule.say.items()})
            return
        rest = rule.within(fields)
        for _ in range(EACH_MAX):
            if not isinstance(rest, bytes) or not rest:
                return
            inner = _Fields({**fields, "rest": rest}, self.let)
            size = rule.size(inner)
            if not isinstance(size, int) or not 0 < size <= len(rest):
                raise NoValue("an entry is longer than the frame")
            inner["item"] = rest[:size]
            yield _clean({name: say(inner) for name, say in rule.say.items()})
            rest = rest[size:]

    def _judged(self, decoded: Decoded) -> Decoded:
        """Codes are taken apart by the shared decoders.

        A number beyond what the scale can carry is a wrong setting (word order, decimals), no load.
        """
        if decoded.outcome == "barcode":
            return Decoded("barcode", barcodes.explained(decoded.values), decoded.raw)
        if decoded.outcome == "epc":
            return Decoded("epc", epcs.explained(str(decoded.values["hex"])), decoded.raw)
        weight = decoded.values.get("weight")
        if decoded.outcome != "measurement" or not isinstance(weight, Decimal):
            return decoded
        if (self.weight_max is not None and weight > self.weight_max) or (
            self.weight_min is not None and weight < self.weight_min
        ):
            because = f"{weight} is beyond what this scale can show"
            return Decoded("config_suspect", {"reason": because}, decoded.raw)
        return decoded


# ---------------------------------------------------------------------- small decisions


def words_of(register: Register) -> int:
    return _WORDS.get(register.read, register.count)


def line_bytes(text: str) -> bytes:
    return text.encode("latin-1", "replace")  # what does not fit was refused when it was loaded


def _as_column(cut: bytes, column: Column) -> Value:
    match column.read:
        case "byte":
            return int.from_bytes(cut, "big")
        case "bytes":
            return cut
        case "text":
            return cut.decode("latin-1")


def _as_register(
    registers: Mapping[int, int], register: Register, at: Value, word_order: Value
) -> Value:
    count = words_of(register)
    if not isinstance(at, int):
        raise NoValue(f"{at!r} is no address")
    try:
        words = [registers[at + place] for place in range(count)]
    except KeyError as error:
        raise NoValue(f"register {error} was not read") from error
    for word in words:
        if not 0 <= word <= WORD_MAX:
            raise NoValue(f"{words} are no 16-bit registers")
    if count == 1 and register.read == "uint16":
        return words[0]
    if word_order == "little":
        words.reverse()
    raw = b"".join(word.to_bytes(2, "big") for word in words)
    plain = int.from_bytes(raw, "big")
    match register.read:
        case "bytes":
            return raw
        case "float32" | "float64":
            return FUNCTIONS[register.read](plain)
        case _ if register.read.startswith("int"):
            return int.from_bytes(raw, "big", signed=True)
        case _:
            return plain


def _matched(
    rule: Rule, named: Mapping[str, "Value | Table"]
) -> Mapping[str, "Value | Table"] | None:
    if rule.pattern is None:
        return {}
    match = rule.pattern.fullmatch(str(named.get("line", "")))
    return None if match is None else match.groupdict()


def _holds(when: Compiled, fields: Names) -> bool:
    try:
        return bool(when(fields))
    except NoValue:
        return False


def _clean(said: dict[str, Value]) -> dict[str, object]:
    """Units by their one name, pieces as a count, and no minus before a zero."""
    clean: dict[str, object] = dict(said)
    if isinstance(unit := said.get("unit"), str):
        clean["unit"] = unit_named(unit)
        if clean["unit"] is None:
            raise NoValue(f"{unit.strip()!r} is no unit of weight")
    for name, value in said.items():
        if isinstance(value, Decimal) and value.is_zero():
            clean[name] = abs(value)
    weight = clean.get("weight")
    if clean.get("unit") == "pcs" and isinstance(weight, Decimal):
        if weight != weight.to_integral_value():
            raise NoValue(f"{weight} pieces")
        clean["count"] = int(weight)
        del clean["weight"]
    return clean
