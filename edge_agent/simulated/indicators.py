"""Scales of other families than MT-SICS: the same load, told in another dialect.

st_gs           ST,GS,   245.6 g CR LF      unasked       US unstable, OL over, NT when tared
mt_continuous   STX A B C ...... ...... CR  unasked       status bits, six digits, tare, checksum
and_standard    Q   ST,+00245.60  g CR LF   when asked    OL over; Z and T answer with a mark
ohaus_print     IP     245.6 g    G CR LF   when asked    ? unstable; over it prints nothing

Written from the makers' pages and not from the profiles, so that one checks the other.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from edge_agent.core.units import MILLIGRAMS, milligrams
from edge_agent.framing.checks import twos_complement7
from edge_agent.simulated.devices import NEVER_S, Answered, Moods, next_beat_s, within
from edge_agent.simulated.loads import BinLoad, CountingLoad, Load
from edge_agent.simulated.site import BinScale, Command, ScalePlan, WeightUnit

COMMAND_BYTES_MAX = 64  # a line longer than any command is noise
DIGITS_MAX = 6  # what these displays have
COUNTING_STEPS_MG = (1_000_000, 100_000, 10_000, 1_000, 100, 10, 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Display:
    """What the scale shows: a number with its decimals and unit, and what its lamps say."""

    weight: Decimal
    unit: WeightUnit
    stable: bool
    net: bool
    tare: Decimal
    over: bool = False
    under: bool = False


def st_gs(display: Display) -> bytes:
    kind = b"NT" if display.net else b"GS"
    if display.over or display.under:
        return b"%s,%s,        %2s\r\n" % (b"OL" if display.over else b"UL", kind, _unit(display))
    rest = b"ST" if display.stable else b"US"
    return b"%s,%s,%8s%2s\r\n" % (rest, kind, _plain(display.weight), _unit(display))


def mt_continuous(display: Display) -> bytes:
    """With the checksum that the indicator's menu can turn on."""
    places = _places(display.weight)
    status_a = 0x28 | places + 2  # increments of one
    status_b = (
        0x20
        | display.net
        | (display.weight < 0) << 1
        | (display.over or display.under) << 2
        | (not display.stable) << 3
        | (display.unit == "kg") << 4
    )
    if display.under:
        status_b |= 1 << 1
    status_c = 0x20 | (display.unit == "g")
    weight = _digits(display.weight) if not display.over and not display.under else b" " * 6
    body = b"\x02%c%c%c%s%s\r" % (status_a, status_b, status_c, weight, _digits(display.tare))
    return body + bytes((twos_complement7(body),))


def and_standard(display: Display) -> bytes:
    unit = _unit(display).rjust(3)
    if display.over or display.under:
        return b"OL,%s9999999E+19\r\n" % (b"+" if display.over else b"-")
    rest = b"ST" if display.stable else b"US"
    sign = b"-" if display.weight < 0 else b"+"
    return b"%s,%s%s%s\r\n" % (rest, sign, _plain(abs(display.weight)).rjust(8, b"0"), unit)


def ohaus_print(display: Display) -> bytes:
    if display.over or display.under:
        return b""
    sign = b"-" if display.weight < 0 else b" "
    number = _plain(abs(display.weight))
    lamp = b" " if display.stable else b"?"
    kind = b"N" if display.net else b"G"
    return b"%s%7s %-5s%s%s\r\n" % (sign, number, _unit(display), lamp, kind)


def _unit(display: Display) -> bytes:
    return display.unit.encode()


def _plain(weight: Decimal) -> bytes:
    return f"{weight:f}".encode()


def _places(weight: Decimal) -> int:
    exponent = weight.as_tuple().exponent
    assert isinstance(exponent, int), "a display shows numbers"
    return -exponent


def _digits(weight: Decimal) -> bytes:
    return b"%6d" % int(abs(weight).scaleb(_places(weight)))


@dataclass(frozen=True, kw_only=True, slots=True)
class Dialect:
    say: Callable[[Display], bytes]
    question: bytes = b""  # none: it speaks unasked
    done: bytes = b""  # what a command is answered with
    unknown: bytes = b""


DIALECTS: dict[str, Dialect] = {
    "st_gs": Dialect(say=st_gs),
    "mt_continuous": Dialect(say=mt_continuous),
    "and_standard": Dialect(
        say=and_standard, question=b"Q", done=b"\x06\r\n", unknown=b"EC,E01\r\n"
    ),
    "ohaus_print": Dialect(say=ohaus_print, question=b"IP", unknown=b"ES\r\n"),
}


class SimulatedIndicator:
    def __init__(self, plan: ScalePlan, seed: int) -> None:
        self.plan = plan
        self._load: Load = (
            BinLoad(plan, f"{seed}/{plan.gateway}/{plan.sensor}")
            if isinstance(plan, BinScale)
            else CountingLoad(plan)
        )
        self._dialect = DIALECTS[plan.device]
        self._moods = Moods(plan)
        self._resolution_mg = _resolution_mg(plan)
        self._unit: WeightUnit = plan.unit
        self._overload_until_s = 0.0
        self._zero_mg = 0
        self._tare_mg = 0
        self._answers = 0
        self._pending = b""
        self.speaks_at_s = NEVER_S if self._dialect.question else 0.0

    def command(self, command: Command, now_s: float) -> None:
        match command.do:
            case "overload":
                self._overload_until_s = now_s + command.seconds
            case "unit":
                self._unit = command.unit
            case "zero" | "tare":
                self._press(command.do, now_s)
            case _:
                self._moods.command(command, now_s)
                self._load.command(command, now_s)

    def hear(self, sent: bytes, now_s: float) -> list[Answered]:
        *lines, rest = (self._pending + sent).replace(b"\n", b"\r").split(b"\r")
        self._pending = rest[-COMMAND_BYTES_MAX:]
        if self._moods.is_silent(now_s):
            return []
        self._start_anew()
        answers = [self._answer(line.strip(), now_s) for line in lines if line.strip()]
        return [answer for answer in answers if answer.line]

    def speak(self, now_s: float) -> list[Answered]:
        self.speaks_at_s = next_beat_s(self.speaks_at_s, self.plan.every_ms / 1000, now_s)
        if self._moods.is_silent(now_s):
            return []
        self._start_anew()
        return [self._weigh(now_s)]

    def _start_anew(self) -> None:
        """After a power cut the tare is gone, and the unit is what it was set to."""
        if self._moods.has_restarted():
            self._tare_mg = 0
            self._unit = self.plan.unit

    def _answer(self, command: bytes, now_s: float) -> Answered:
        if command == self._dialect.question != b"":
            return self._weigh(now_s)
        if command in (b"Z", b"T") and self._dialect.done:
            self._press("zero" if command == b"Z" else "tare", now_s)
            return Answered(line=self._dialect.done, n=self._answers)
        return Answered(line=self._dialect.unknown, n=self._answers)

    def _press(self, button: str, now_s: float) -> None:
        """Zero and tare work from what lies there now."""
        shown_mg, _ = self._shown(now_s)
        if button == "zero":
            self._zero_mg += shown_mg
            self._tare_mg = 0
        else:
            self._tare_mg = shown_mg

    def _shown(self, now_s: float) -> tuple[int, bool]:
        shown = self._load.show(now_s)
        drift_mg = int(self.plan.drift_mg_per_minute * now_s / 60)
        return shown.weight_mg + drift_mg - self._zero_mg, shown.stable

    def _weigh(self, now_s: float) -> Answered:
        self._answers += 1
        gross_mg, stable = self._shown(now_s)
        weight = self._in_steps(gross_mg - self._tare_mg)
        tare = self._in_steps(self._tare_mg)
        too_much = abs(weight.scaleb(_places(weight))) >= 10**DIGITS_MAX
        over = now_s < self._overload_until_s or within(self.plan.overloads, now_s)
        display = Display(
            weight=weight,
            unit=self._unit,
            stable=stable,
            net=self._tare_mg != 0,
            tare=tare,
            over=over or (too_much and weight > 0),
            under=too_much and weight < 0,
        )
        line = self._dialect.say(display)
        tells = not (display.over or display.under)
        return Answered(
            line=line,
            weight_mg=milligrams(weight, self._unit) if tells else None,
            stable=stable and tells,
            n=self._answers,
            after_s=self._moods.late_s(now_s),
        )

    def _in_steps(self, weight_mg: int) -> Decimal:
        """Rounded to the last digit it shows: one of its resolution, or finer in pounds."""
        step = Decimal(self._resolution_mg) / MILLIGRAMS[self._unit]
        exponent = Decimal(1).scaleb(step.adjusted() if step < 1 else 0)
        weight = Decimal(weight_mg) / MILLIGRAMS[self._unit]
        return weight.quantize(exponent, ROUND_HALF_EVEN)


def _resolution_mg(plan: ScalePlan) -> int:
    if isinstance(plan, BinScale):
        return plan.resolution_mg
    return next(
        step for step in COUNTING_STEPS_MG if plan.base_mg % step == 0 == plan.step_mg % step
    )
