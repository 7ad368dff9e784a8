"""A profile at work: frames or registers in, what they mean out. No device is known by name here.

    bytes ─▶ Framer ─▶ frame ─┐
                              ├─▶ fields ─▶ the first outcome that fits ─▶ Decoded
             registers ───────┘

`Declared(profile, parameters)` compiles every expression once; what is wrong in a profile is said
then, all of it, with the place.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from msgspec import UNSET

from edge_agent.core.units import unit_named
from edge_agent.drivers import barcodes, epcs
from edge_agent.drivers.expressions import (
    Compiled,
    ExpressionError,
    Names,
    NoValue,
    Table,
    Value,
    compile_expression,
)
from edge_agent.drivers.needed import needed, never
from edge_agent.drivers.profile_format import (
    Column,
    Frame,
    Identity,
    Outcome,
    Parameter,
    ProfileFile,
    Register,
)
from edge_agent.framing.frames import CheckRule, Discard, Framer, FrameRule, LengthField

# Without these the outcome means nothing: found when the profile is loaded, not when a frame comes.
_MUST_SAY = {"barcode": ("data",), "epc": ("hex",), "tags": ("id",), "counter": ("value", "width")}
BYTE_MAX = 0xFF
EACH_MAX = 100
CHANNELS_MAX = 1_000
_SAY_NAME = re.compile(r"[a-z][a-z0-9_]*")
_PART = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_ADDRESS_MAX = WORD_MAX = 0xFFFF
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


class ProfileError(Exception):
    """A profile or its parameters are wrong: each mistake with its place and what is allowed."""

    def __init__(self, mistakes: list[tuple[str, str]]) -> None:
        self.mistakes = mistakes
        super().__init__("\n".join(f"{place}: {why}" for place, why in mistakes))


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


@dataclass(frozen=True)
class _Rule:
    """An `Outcome`, compiled."""

    outcome: str
    pattern: re.Pattern[str] | None
    when: Compiled
    within: Compiled | None
    size: Compiled | None
    say: Mapping[str, Compiled]


class Declared:
    """A profile with its parameters filled in."""

    def __init__(
        self,
        profile: ProfileFile,
        parameters: Mapping[str, str] | None = None,
        *,
        all_needed: bool = True,
    ) -> None:
        """`all_needed=False` is for looking at bytes on a bench.

        A parameter that was not given is not there then, and a weight without a unit says so.
        """
        self.profile = profile
        self._all_needed = all_needed
        self._mistakes: list[tuple[str, str]] = []
        self.parameters = self._parameters(parameters or {})
        self._constants: dict[str, Value | Table] = {**self.parameters, **profile.tables}
        patterns = [
            self._compile_pattern(f"outcomes[{place}].pattern", outcome.pattern)
            for place, outcome in enumerate(profile.outcomes)
        ]
        groups = {name for pattern in patterns if pattern for name in pattern.groupindex}
        channel = {"channel"} if profile.channels else set()
        known = {
            "frame",
            "line",
            "asked",
            *self._constants,
            *profile.columns,
            *profile.registers,
            *groups,
            *profile.let,
            *channel,
        }
        self._registers = {
            name: self._compile_register(name, register, {*self._constants, *channel})
            for name, register in profile.registers.items()
        }
        self._let = {
            name: self._compile(f"let.{name}", source, known - {name})
            for name, source in profile.let.items()
        }
        self._mistakes += [(f"let.{name}", why) for name, why in _circles(profile.let)]
        self._no_groups: dict[str, Value | Table] = dict.fromkeys(groups)
        self._rules = [
            self._compile_rule(f"outcomes[{place}]", outcome, pattern, known)
            for place, (outcome, pattern) in enumerate(zip(profile.outcomes, patterns, strict=True))
        ]
        limits = profile.limits
        self._most = self._limit("limits.weight_max", limits.weight_max)
        self._least = self._limit("limits.weight_min", limits.weight_min)
        self.channels = self._count_of_channels(profile.channels)
        self._identity = self._compile_identity(profile.identity) if profile.identity else None
        self._mistakes += _no_bytes(profile)
        self.frame_rule = self._frame_rule(profile.frame) if profile.frame else None
        if profile.registers and profile.modbus is None:
            self._mistakes.append(("modbus", "is missing, and there are registers"))
        if self._mistakes:
            raise ProfileError(self._mistakes)

    # ------------------------------------------------------------------ decoding

    def framer(self) -> Framer:
        assert self.frame_rule is not None
        return Framer(self.frame_rule)

    def identity_in(self, frame: bytes) -> str | None:
        """The serial number, when this is the frame in which the device says it."""
        if self._identity is None:
            return None
        found = self._identity.fullmatch(frame.decode("latin-1"))
        return found["serial"] if found else None

    def channel_labels(self) -> tuple[int, ...]:
        """The numbers by which its channels call themselves; one number for a device with one."""
        labels: list[int] = []
        for channel in range(1, self.channels + 1):
            named: dict[str, Value | Table] = {**self._constants, "channel": channel}
            said = [rule.say["channel"] for rule in self._rules if "channel" in rule.say]
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
            named: dict[str, Value | Table] = {**self._constants, "channel": channel}
            for name in names:
                register = self.profile.registers[name]
                try:
                    first = self._registers[name][0](named)
                except NoValue:  # by a parameter that was not given, which is allowed on a bench
                    continue
                if isinstance(first, int) and 0 <= first <= _ADDRESS_MAX:
                    wanted.add((first, _WORDS.get(register.read, register.count)))
        return sorted(wanted)

    def _registers_wanted(self) -> list[str]:
        sources: list[str] = []
        for outcome in self.profile.outcomes:
            if not never(outcome.when, self._constants):
                each = [outcome.each.within, outcome.each.size] if outcome.each else []
                sources += [outcome.when, *outcome.say.values(), *each]
        names: set[str] = set()
        while sources:
            new = needed(sources.pop(), self._constants) - names
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
        text = template
        for name, value in self.parameters.items():
            text = text.replace("{" + name + "}", str(value))
        return _line_bytes(text)

    def decode_frame(self, frame: bytes | Discard, asked: bytes = b"") -> list[Decoded]:
        """`asked` is what was sent last, for answers that do not say what they answer."""
        if isinstance(frame, Discard):
            return [Decoded("discard", {"reason": frame.reason}, frame.raw)]
        named: dict[str, Value | Table] = {**self._constants, **self._no_groups}
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
            named: dict[str, Value | Table] = {**self._constants, **self._no_groups}
            if channel:
                named["channel"] = channel
            for name, (at, word_order) in self._registers.items():
                try:
                    value = _as_register(
                        registers, self.profile.registers[name], at(named), word_order(named)
                    )
                except NoValue:
                    continue
                named[name] = value
            if channel and not self._registers.keys() & named.keys():
                continue  # nothing of this channel was read
            for decoded in self._first_that_fits(named, b""):
                values = {"channel": channel, **decoded.values} if channel else decoded.values
                found.append(Decoded(decoded.outcome, values))
        return found

    def _first_that_fits(self, named: Mapping[str, "Value | Table"], frame: bytes) -> list[Decoded]:
        for rule in self._rules:
            groups = _matched(rule, named)
            if groups is None:
                continue
            fields = _Fields({**named, **groups}, self._let)
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

    def _said(self, rule: _Rule, fields: _Fields) -> Iterator[dict[str, object]]:
        if rule.within is None or rule.size is None:
            yield _clean({name: say(fields) for name, say in rule.say.items()})
            return
        rest = rule.within(fields)
        for _ in range(EACH_MAX):
            if not isinstance(rest, bytes) or not rest:
                return
            inner = _Fields({**fields, "rest": rest}, self._let)
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
        if (self._most is not None and weight > self._most) or (
            self._least is not None and weight < self._least
        ):
            because = f"{weight} is beyond what this scale can show"
            return Decoded("config_suspect", {"reason": because}, decoded.raw)
        return decoded

    # ------------------------------------------------------------------ compiling

    def _parameters(self, given: Mapping[str, str]) -> dict[str, Value]:
        filled: dict[str, Value] = {}
        declared = self.profile.parameters
        for name in sorted(set(given) - set(declared)):
            allowed = ", ".join(declared) or "none"
            self._mistakes.append(
                (f"parameter {name}", f"is not known; this profile has: {allowed}")
            )
        for name, parameter in declared.items():
            if name in given:
                filled[name] = self._parameter(name, parameter, given[name])
            elif parameter.default is UNSET:
                if self._all_needed:
                    self._mistakes.append((f"parameter {name}", f"must be given: {parameter.why}"))
                filled[name] = None
            else:
                filled[name] = parameter.default
        return filled

    def _parameter(self, name: str, parameter: Parameter, given: object) -> Value:
        place, text = f"parameter {name}", str(given)
        value: Value = text
        if parameter.type == "int":
            if not re.fullmatch(r"-?\d{1,9}", text):
                self._mistakes.append((place, f"{text!r} is no whole number"))
                return 0
            value = int(text)
        elif parameter.type == "flag":
            if text.lower() not in ("true", "false", "1", "0", "yes", "no"):
                self._mistakes.append((place, f"{text!r}: say true or false"))
            value = text.lower() in ("true", "1", "yes")
        if not _is_bytes(text):  # it may have to go over the line
            self._mistakes.append((place, f"{text!r} has letters that are no bytes"))
        if parameter.choices and value not in parameter.choices:
            allowed = ", ".join(str(choice) for choice in parameter.choices)
            self._mistakes.append((place, f"{text!r} is not one of {allowed}"))
        return value

    def _compile_pattern(self, place: str, pattern: str) -> re.Pattern[str] | None:
        for name in sorted(set(_PART.findall(pattern)) - set(self.profile.parts)):
            allowed = ", ".join(self.profile.parts) or "none"
            self._mistakes.append((place, f"no part {name!r}; there are: {allowed}"))
        whole = _PART.sub(lambda found: self.profile.parts.get(found[1], ""), pattern)
        try:
            return re.compile(whole, re.DOTALL) if whole else None
        except re.error as error:
            where = f" at character {error.pos} of {whole}" if error.pos is not None else ""
            self._mistakes.append((place, f"{error.msg}{where}"))
        except (OverflowError, RecursionError) as error:  # {1,7777777777}, or brackets without end
            self._mistakes.append((place, str(error)))
        return None

    def _compile_identity(self, identity: Identity) -> re.Pattern[str] | None:
        asks, has_registers = bool(identity.ask or identity.pattern), identity.registers is not None
        if asks == has_registers or bool(identity.ask) != bool(identity.pattern):
            self._mistakes.append(("identity", "say `ask` and `pattern`, or `registers`"))
            return None
        pattern = self._compile_pattern("identity.pattern", identity.pattern)
        if pattern is not None and "serial" not in pattern.groupindex:
            self._mistakes.append(("identity.pattern", "has no group (?P<serial>...)"))
            return None
        return pattern

    def _compile(self, place: str, source: str, known: set[str]) -> Compiled:
        try:
            return compile_expression(source, known)
        except ExpressionError as error:
            self._mistakes.append((place, str(error)))
            return lambda _: None

    def _compile_rule(
        self, place: str, outcome: Outcome, pattern: re.Pattern[str] | None, known: set[str]
    ) -> _Rule:
        inner = known | {"item", "rest"} if outcome.each else known
        for name in outcome.say:
            if not _SAY_NAME.fullmatch(name):
                self._mistakes.append((f"{place}.say", f"{name!r} is no name: use a-z, 0-9 and _"))
        for name in sorted(set(_MUST_SAY.get(outcome.outcome, ())) - set(outcome.say)):
            self._mistakes.append((f"{place}.say", f"a {outcome.outcome} must say its `{name}`"))
        each = outcome.each
        return _Rule(
            outcome=outcome.outcome,
            pattern=pattern,
            when=self._compile(f"{place}.when", outcome.when, known),
            within=self._compile(f"{place}.each.within", each.within, known) if each else None,
            size=self._compile(f"{place}.each.size", each.size, known | {"rest"}) if each else None,
            say={
                name: self._compile(f"{place}.say.{name}", source, inner)
                for name, source in outcome.say.items()
            },
        )

    def _compile_register(
        self, name: str, register: Register, known: set[str]
    ) -> tuple[Compiled, Compiled]:
        order = register.word_order
        source = repr(order) if order in ("big", "little") else order
        return (
            self._compile(f"registers.{name}.at", str(register.at), known),
            self._compile(f"registers.{name}.word_order", source, known),
        )

    def _constant(self, place: str, source: Value) -> Value:
        """An expression over parameters alone, worked out now."""
        if not isinstance(source, str):
            return source
        compiled = self._compile(place, source, set(self._constants))
        try:
            return compiled(self._constants)
        except NoValue as missing:
            self._mistakes.append((place, str(missing)))
            return None

    def _count_of_channels(self, source: Value) -> int:
        """None of its own, when the device has just one."""
        channels = self._constant("channels", source)
        if channels is None:
            return 0
        if isinstance(channels, int) and 0 <= channels <= CHANNELS_MAX:
            return int(channels)
        self._mistakes.append(("channels", f"{channels!r} is not from 0 to {CHANNELS_MAX}"))
        return 0

    def _limit(self, place: str, source: str) -> Decimal | None:
        value = self._constant(place, source) if source else None
        return Decimal(value) if isinstance(value, int | Decimal) else None

    def _frame_rule(self, frame: Frame) -> FrameRule:
        length = self._constant("frame.length", frame.length)
        after_end = self._constant("frame.after_end", frame.after_end)
        spec = frame.length_at
        return FrameRule(
            start=_line_bytes(frame.start),
            ends=tuple(_line_bytes(end) for end in frame.ends),
            after_end=after_end if isinstance(after_end, int) else 0,
            length=length if isinstance(length, int) else 0,
            length_field=LengthField(
                at=spec.at, size=spec.size, plus=spec.plus, total_min=spec.total_min
            )
            if spec
            else None,
            checks=tuple(
                CheckRule(
                    kind=check.kind,
                    covers_from=check.covers_from,
                    covers_to=check.covers_to,
                    at=check.at,
                    written=check.written,
                    of_hex=check.of == "hex",
                )
                for place, check in enumerate(frame.checks)
                if self._constant(f"frame.checks[{place}].when", check.when)
            ),
            bytes_max=frame.bytes_max,
            mask_bit7=bool(self._constant("frame.mask_bit7", frame.mask_bit7)),
            text=frame.text,
            start_inside=frame.start_inside,
            ends_when_idle=frame.ends_when_idle,
            whole=frame.whole,
        )


# ---------------------------------------------------------------------- small decisions


def _circles(let: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Names that are worked out from each other would never end."""
    uses = {name: _names_in(source) & set(let) for name, source in let.items()}
    for name in let:
        reached, ahead = set[str](), set(uses[name])
        while ahead:
            reached |= ahead
            ahead = set().union(*(uses[next_name] for next_name in ahead)) - reached
        if name in reached and name not in uses[name]:  # that one is said when it is compiled
            yield name, f"is worked out from itself, by way of {', '.join(sorted(reached))}"


def _names_in(source: str) -> set[str]:
    try:
        return needed(source, {})
    except SyntaxError:
        return set()  # said already, when it was compiled


def _no_bytes(profile: ProfileFile) -> Iterator[tuple[str, str]]:
    """Texts of the line that cannot be sent or cut by, with their places."""
    ask, frame, identity = profile.ask, profile.frame, profile.identity
    texts = {"ask.request": ask.request, "identity.ask": identity.ask if identity else ""}
    texts |= {f"ask.before[{at}]": text for at, text in enumerate(ask.before)}
    texts |= {f"ask.never_send[{at}]": text for at, text in enumerate(ask.never_send)}
    texts |= {f"commands.{name}.send": one.send for name, one in profile.commands.items()}
    if frame is not None:
        texts["frame.start"] = frame.start
        texts |= {f"frame.ends[{at}]": text for at, text in enumerate(frame.ends)}
        yield from (
            (f"frame.ends[{at}]", "is empty") for at, text in enumerate(frame.ends) if not text
        )
    for place, text in texts.items():
        if not _is_bytes(text):
            yield place, f"{text!r} has letters that are no bytes: write \\u0000 to \\u00FF"


def _is_bytes(text: str) -> bool:
    return all(ord(letter) <= BYTE_MAX for letter in text)


def _line_bytes(text: str) -> bytes:
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
    count = _WORDS.get(register.read, register.count)
    if not isinstance(at, int):
        raise NoValue(f"{at!r} is no address")
    try:
        words = [registers[at + place] for place in range(count)]
    except KeyError as error:
        raise NoValue(f"register {error} was not read") from error
    if any(not 0 <= word <= WORD_MAX for word in words):
        raise NoValue(f"{words} are no 16-bit registers")
    if word_order == "little":
        words.reverse()
    raw = b"".join(word.to_bytes(2, "big") for word in words)
    plain = int.from_bytes(raw, "big")
    match register.read:
        case "bytes":
            return raw
        case "float32" | "float64":
            return compile_expression(f"{register.read}(plain)", {"plain"})({"plain": plain})
        case _ if register.read.startswith("int"):
            return int.from_bytes(raw, "big", signed=True)
        case _:
            return plain


def _matched(
    rule: _Rule, named: Mapping[str, "Value | Table"]
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
