"""A profile and its parameters to what can be run: every expression and pattern compiled, once.

Whoever writes a profile need not be careful: what is wrong in it is said here, all of it, with the
place and what is allowed. What is let through ends, whatever a device sends: the sizes are in
`profile_format.py`, the work of a pattern is measured by `patterns.py`, and that of all expressions
by `WORK_MAX`.
"""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal

from msgspec import UNSET

from edge_agent.drivers import patterns
from edge_agent.drivers.declared import (
    ADDRESS_MAX,
    EACH_MAX,
    PLACE,
    WORD_MAX,
    Declared,
    Rule,
    line_bytes,
    words_of,
)
from edge_agent.drivers.expressions import (
    Compiled,
    ExpressionError,
    NoValue,
    Table,
    Value,
    compile_expression,
    nesting,
)
from edge_agent.drivers.needed import needed
from edge_agent.drivers.profile_format import (
    Frame,
    Identity,
    Modbus,
    Outcome,
    Parameter,
    ProfileFile,
    Register,
)
from edge_agent.framing.frames import CheckRule, FrameRule, LengthField

# Without these the outcome means nothing: found when the profile is loaded, not when a frame comes.
_MUST_SAY = {"barcode": ("data",), "epc": ("hex",), "tags": ("id",), "counter": ("value", "width")}
_OWN_WORDS = ("outcome", "raw", "tags")  # what a bench shows beside what was said
_SAY_NAME = re.compile(r"[a-z][a-z0-9_]*")

BYTE_MAX = 0xFF
CHANNELS_MAX = 1_000
AFTER_END_BYTES_MAX = 16
CHECKED_BYTES_MAX = 512  # noise that looks like starts has every one of them checked
COLUMN_NUMBER_BYTES_MAX = 64
NESTED_IN_ALL_MAX = 100  # through all that is worked out from each other
WORK_MAX = 1_000_000  # characters of expressions gone through for one frame or look: 0.1 s on a PC
MISTAKES_MAX = 100
WHY_CHARS_MAX = 2_000


class ProfileError(Exception):
    """A profile or its parameters are wrong: each mistake with its place and what is allowed."""

    def __init__(self, mistakes: list[tuple[str, str]]) -> None:
        self.mistakes = mistakes
        super().__init__("\n".join(f"{place}: {why}" for place, why in mistakes))


def compile_profile(
    profile: ProfileFile,
    parameters: Mapping[str, str] | None = None,
    *,
    all_needed: bool = True,
) -> Declared:
    """ProfileError with every mistake in it.

    `all_needed=False` is for looking at bytes on a bench: a parameter that was not given is not
    there then, and a weight without a unit says so.
    """
    return _Compiler(profile, all_needed=all_needed).declared(parameters or {})


class _Compiler:
    """One profile on its way; it collects the mistakes."""

    def __init__(self, profile: ProfileFile, *, all_needed: bool) -> None:
        self._profile = profile
        self._all_needed = all_needed
        self._mistakes: list[tuple[str, str]] = []
        self._constants: dict[str, Value | Table] = {}

    def declared(self, given: Mapping[str, str]) -> Declared:
        profile = self._profile
        parameters = self._parameters(given)
        self._constants = {**parameters, **profile.tables}
        made = [
            self._pattern(f"outcomes[{place}].pattern", outcome.pattern)
            for place, outcome in enumerate(profile.outcomes)
        ]
        groups = {name for pattern in made if pattern for name in pattern.groupindex}
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
        found = Declared(
            profile=profile,
            parameters=parameters,
            constants=self._constants,
            no_groups=dict.fromkeys(groups),
            registers={
                name: self._register(name, register, {*self._constants, *channel})
                for name, register in profile.registers.items()
            },
            let={
                name: self._expression(f"let.{name}", source, known - {name})
                for name, source in profile.let.items()
            },
            rules=tuple(
                self._rule(f"outcomes[{place}]", outcome, pattern, known)
                for place, (outcome, pattern) in enumerate(zip(profile.outcomes, made, strict=True))
            ),
            weight_max=self._limit("limits.weight_max", profile.limits.weight_max),
            weight_min=self._limit("limits.weight_min", profile.limits.weight_min),
            channels=self._count_of_channels(profile.channels),
            identity=self._identity(profile.identity) if profile.identity else None,
            frame_rule=self._frame_rule(profile.frame) if profile.frame else None,
        )
        self._check_whole(found)
        if self._mistakes:
            raise ProfileError(self._mistakes)
        return found

    def _check_whole(self, found: Declared) -> None:
        """What no part of it is to blame for alone."""
        profile = self._profile
        for place, why in (*_endless(profile.let), *_no_bytes(profile), *_no_columns(profile)):
            self._wrong(place, why)
        for place, why in (*_no_writes(profile), *_no_registers(profile.modbus, profile.registers)):
            self._wrong(place, why)
        work = _work(profile, found.channels)
        if work > WORK_MAX:
            self._wrong(
                "channels" if found.channels else "outcomes",
                f"all channels, outcomes and entries together go through {work:,} characters of "
                f"expressions. Allowed: {WORK_MAX:,}",
            )

    def _wrong(self, place: str, why: str) -> None:
        if len(self._mistakes) < MISTAKES_MAX:
            self._mistakes.append((place, why[:WHY_CHARS_MAX]))

    # ------------------------------------------------------------------ parameters

    def _parameters(self, given: Mapping[str, str]) -> dict[str, Value]:
        filled: dict[str, Value] = {}
        declared = self._profile.parameters
        for name in sorted(set(given) - set(declared)):
            allowed = ", ".join(declared) or "none"
            self._wrong(f"parameter {name}", f"is not known; this profile has: {allowed}")
        for name, parameter in declared.items():
            if name in given:
                filled[name] = self._parameter(name, parameter, given[name])
            elif parameter.default is UNSET:
                if self._all_needed:
                    self._wrong(f"parameter {name}", f"must be given: {parameter.why}")
                filled[name] = None
            else:
                filled[name] = parameter.default
        return filled

    def _parameter(self, name: str, parameter: Parameter, given: object) -> Value:
        place, text = f"parameter {name}", str(given)
        value: Value = text
        if parameter.type == "int":
            if not re.fullmatch(r"-?\d{1,9}", text):
                self._wrong(place, f"{text!r} is no whole number")
                return 0
            value = int(text)
        elif parameter.type == "flag":
            if text.lower() not in ("true", "false", "1", "0", "yes", "no"):
                self._wrong(place, f"{text!r}: say true or false")
            value = text.lower() in ("true", "1", "yes")
        if not _is_bytes(text):  # it may have to go over the line
            self._wrong(place, f"{text!r} has letters that are no bytes")
        if parameter.choices and value not in parameter.choices:
            allowed = ", ".join(str(choice) for choice in parameter.choices)
            self._wrong(place, f"{text!r} is not one of {allowed}")
        return value

    # ------------------------------------------------------------------ patterns and expressions

    def _pattern(self, place: str, pattern: str) -> re.Pattern[str] | None:
        parts = self._profile.parts
        for name in sorted(set(PLACE.findall(pattern)) - set(parts)):
            allowed = ", ".join(parts) or "none"
            self._wrong(place, f"no part {name!r}; there are: {allowed}")
        frame = self._profile.frame
        try:
            whole = PLACE.sub(lambda found: parts.get(found[1], ""), patterns.short(pattern))
            return patterns.compiled(whole, frame.bytes_max if frame else 0) if whole else None
        except patterns.PatternError as error:
            self._wrong(place, str(error))
        return None

    def _identity(self, identity: Identity) -> re.Pattern[str] | None:
        asks, has_registers = bool(identity.ask or identity.pattern), identity.registers is not None
        if asks == has_registers or bool(identity.ask) != bool(identity.pattern):
            self._wrong("identity", "say `ask` and `pattern`, or `registers`")
            return None
        pattern = self._pattern("identity.pattern", identity.pattern)
        if pattern is not None and "serial" not in pattern.groupindex:
            self._wrong("identity.pattern", "has no group (?P<serial>...)")
            return None
        return pattern

    def _expression(self, place: str, source: str, known: set[str]) -> Compiled:
        try:
            return compile_expression(source, known)
        except ExpressionError as error:
            self._wrong(place, str(error))
            return lambda _: None

    def _rule(
        self, place: str, outcome: Outcome, pattern: re.Pattern[str] | None, known: set[str]
    ) -> Rule:
        inner = known | {"item", "rest"} if outcome.each else known
        for name in outcome.say:
            if not _SAY_NAME.fullmatch(name):
                self._wrong(f"{place}.say", f"{name!r} is no name: use a-z, 0-9 and _")
            if name in _OWN_WORDS:
                self._wrong(f"{place}.say", f"{name!r} is a word of ours: choose another")
        for name in sorted(set(_MUST_SAY.get(outcome.outcome, ())) - set(outcome.say)):
            self._wrong(f"{place}.say", f"a {outcome.outcome} must say its `{name}`")
        each = outcome.each
        return Rule(
            outcome=outcome.outcome,
            pattern=pattern,
            when=self._expression(f"{place}.when", outcome.when, known),
            within=self._expression(f"{place}.each.within", each.within, known) if each else None,
            size=self._expression(f"{place}.each.size", each.size, known | {"rest"})
            if each
            else None,
            say={
                name: self._expression(f"{place}.say.{name}", source, inner)
                for name, source in outcome.say.items()
            },
        )

    def _register(
        self, name: str, register: Register, known: set[str]
    ) -> tuple[Compiled, Compiled]:
        order = register.word_order
        source = repr(order) if order in ("big", "little") else order
        return (
            self._expression(f"registers.{name}.at", str(register.at), known),
            self._expression(f"registers.{name}.word_order", source, known),
        )

    # ------------------------------------------------------------------ over parameters alone

    def _constant(self, place: str, source: Value) -> Value:
        """An expression over parameters alone, worked out now."""
        if not isinstance(source, str):
            return source
        compiled = self._expression(place, source, set(self._constants))
        try:
            return compiled(self._constants)
        except NoValue as missing:
            self._wrong(place, str(missing))
            return None

    def _count_of_channels(self, source: Value) -> int:
        """None of its own, when the device has just one."""
        channels = self._constant("channels", source)
        return self._in_range("channels", 0 if channels is None else channels, CHANNELS_MAX)

    def _in_range(self, place: str, value: Value, most: int) -> int:
        if isinstance(value, int) and 0 <= value <= most:
            return int(value)
        self._wrong(place, f"{value!r} is not from 0 to {most}")
        return 0

    def _limit(self, place: str, source: str) -> Decimal | None:
        value = self._constant(place, source) if source else None
        return Decimal(value) if isinstance(value, int | Decimal) else None

    def _frame_rule(self, frame: Frame) -> FrameRule:
        length = self._constant("frame.length", frame.length)
        after_end = self._constant("frame.after_end", frame.after_end)
        spec = frame.length_at
        rule = FrameRule(
            start=line_bytes(frame.start),
            ends=tuple(line_bytes(end) for end in frame.ends),
            after_end=self._in_range("frame.after_end", after_end or 0, AFTER_END_BYTES_MAX),
            length=self._in_range("frame.length", length or 0, frame.bytes_max),
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
        for place, why in _no_frames(frame, rule):
            self._wrong(place, why)
        return rule


# ---------------------------------------------------------------------- what would never end


def _endless(let: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Names that are worked out from each other, in a circle or through too many others."""
    uses = {name: _names_in(source) & set(let) for name, source in let.items()}
    reached = {name: _reached(name, uses) for name in let}
    for name in let:
        if name in reached[name] and name not in uses[name]:  # that one is said already
            yield (
                f"let.{name}",
                (f"is worked out from itself, by way of {', '.join(sorted(reached[name]))}"),
            )
    if any(name in reached[name] for name in let):
        return
    deep: dict[str, int] = {}
    for name in sorted(let, key=lambda name: len(reached[name])):  # what it needs comes first
        deep[name] = nesting(let[name]) + max((deep[used] for used in uses[name]), default=0)
        if deep[name] > NESTED_IN_ALL_MAX:
            yield (
                f"let.{name}",
                (
                    f"is nested {deep[name]} deep with what it is worked out from. "
                    f"Allowed: {NESTED_IN_ALL_MAX}"
                ),
            )


def _reached(name: str, uses: Mapping[str, set[str]]) -> set[str]:
    reached, ahead = set[str](), set(uses[name])
    while ahead:
        reached |= ahead
        ahead = set().union(*(uses[next_name] for next_name in ahead)) - reached
    return reached


def _names_in(source: str) -> set[str]:
    try:
        return needed(source, {})
    except ExpressionError:
        return set()  # said already, when it was compiled


def _work(profile: ProfileFile, channels: int) -> int:
    """Characters of expressions that one frame, or one look at all channels, may go through."""
    worked_out = sum(map(len, profile.let.values()))
    registers = sum(
        len(str(one.at)) + len(one.word_order) + words_of(one) for one in profile.registers.values()
    )
    outcomes = 0
    for outcome in profile.outcomes:
        each = outcome.each
        entry = worked_out + sum(map(len, outcome.say.values())) + (len(each.size) if each else 0)
        outcomes += len(outcome.when) + worked_out + entry * (EACH_MAX if each else 1)
    return max(1, channels) * (registers + outcomes)


# ---------------------------------------------------------------------- what cannot be


def _no_frames(frame: Frame, rule: FrameRule) -> Iterator[tuple[str, str]]:
    """Rules by which there are no frames, or by which they cannot be checked."""
    spec = rule.length_field
    if not (rule.length or spec or rule.ends or rule.ends_when_idle):
        yield "frame", "says nowhere where a frame ends: length, length_at, ends or ends_when_idle"
    if spec is not None and spec.at + spec.size > rule.bytes_max:
        yield "frame.length_at", f"stands behind byte {rule.bytes_max}, which is `bytes_max`"
    if rule.checks and (rule.length or spec) and rule.bytes_max > CHECKED_BYTES_MAX:
        why = f"{rule.bytes_max} is too much where all is checked. Allowed: {CHECKED_BYTES_MAX}"
        yield "frame.bytes_max", why
    for place, check in enumerate(frame.checks):
        if check.kind.startswith("crc16") and check.written in ("byte", "hex"):
            why = "a crc16 is two bytes. Allowed: 'low_first', 'high_first'"
            yield f"frame.checks[{place}].written", why


def _no_columns(profile: ProfileFile) -> Iterator[tuple[str, str]]:
    for name, column in profile.columns.items():
        if column.read == "byte" and column.size > COLUMN_NUMBER_BYTES_MAX:
            why = f"{column.size} bytes are no number. Allowed: {COLUMN_NUMBER_BYTES_MAX}, or bytes"
            yield f"columns.{name}.size", why


def _no_registers(
    modbus: Modbus | None, registers: Mapping[str, Register]
) -> Iterator[tuple[str, str]]:
    if modbus is None:
        if registers:
            yield "modbus", "is missing, and there are registers"
        return
    for name, register in registers.items():
        if words_of(register) > modbus.registers_max:
            because = f"{words_of(register)} registers are more than `registers_max`"
            yield f"registers.{name}", f"{because}, which is {modbus.registers_max}"


def _no_writes(profile: ProfileFile) -> Iterator[tuple[str, str]]:
    for name, command in profile.commands.items():
        for at, values in command.write.items():
            if not re.fullmatch(r"[0-9]{1,5}", at) or int(at) > ADDRESS_MAX:
                yield f"commands.{name}.write", f"{at!r} is not from 0 to {ADDRESS_MAX}"
            if any(not 0 <= value <= WORD_MAX for value in values):
                yield f"commands.{name}.write", f"{values} are not all from 0 to {WORD_MAX}"


def _no_bytes(profile: ProfileFile) -> Iterator[tuple[str, str]]:
    """Texts of the line that cannot be sent or cut by, with their places."""
    ask, frame, identity = profile.ask, profile.frame, profile.identity
    texts = {"ask.request": ask.request, "identity.ask": identity.ask if identity else ""}
    texts |= {f"ask.before[{at}]": text for at, text in enumerate(ask.before)}
    texts |= {f"ask.never_send[{at}]": text for at, text in enumerate(ask.never_send)}
    texts |= {f"commands.{name}.send": one.send for name, one in profile.commands.items()}
    texts |= {
        f"parameters.{name}.default": str(one.default) for name, one in profile.parameters.items()
    }
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
