"""A scale that does not exist and speaks MT-SICS: commands in, answers out, time as an argument.

SI  S        S S     100.00 g · S D … while a hand moves it · S + overload
I4  @        I4 A "B0123"
Z   T        Z A · T S      12.00 g
other        ES
"""

from edge_agent.simulated.devices import NEVER_S, Answered, Moods, within
from edge_agent.simulated.loads import BinLoad, CountingLoad, Load, Shown
from edge_agent.simulated.site import BinScale, Command, ScalePlan

COMMAND_BYTES_MAX = 64  # a line longer than any command is noise


class SimulatedScale:
    speaks_at_s = NEVER_S

    def __init__(self, plan: ScalePlan, seed: int) -> None:
        self.plan = plan
        name = f"{plan.gateway}/{plan.sensor}"
        self._load: Load = (
            BinLoad(plan, f"{seed}/{name}") if isinstance(plan, BinScale) else CountingLoad(plan)
        )
        self._serial_number = plan.serial_number or name
        self._resolution_mg = plan.resolution_mg if isinstance(plan, BinScale) else 1
        self._overload_until_s = 0.0
        self._zero_mg = 0
        self._moods = Moods(plan)
        self._answers = 0
        self._pending = b""

    def command(self, command: Command, now_s: float) -> None:
        match command.do:
            case "overload":
                self._overload_until_s = now_s + command.seconds
            case "zero":
                self._zero_mg += self._shown(now_s).weight_mg
            case "tare":
                self._tare(now_s)
            case _:
                self._moods.command(command, now_s)
                self._load.command(command, now_s)

    def hear(self, sent: bytes, now_s: float) -> list[Answered]:
        """Answers to every command that is complete by now."""
        *lines, rest = (self._pending + sent).replace(b"\n", b"\r").split(b"\r")
        self._pending = rest[-COMMAND_BYTES_MAX:]
        if self._moods.is_silent(now_s):
            return []
        return [self._answer(line.strip(), now_s) for line in lines if line.strip()]

    def speak(self, now_s: float) -> list[Answered]:  # noqa: ARG002 - it speaks when it is asked
        return []

    def _answer(self, command: bytes, now_s: float) -> Answered:
        notice = self._identity() if self._moods.has_restarted() else b""
        match command:
            case b"SI" | b"S":
                answer = self._weigh(now_s, wait=command == b"S")
            case b"I4" | b"@":
                answer = self._say(self._identity())
            case b"Z":
                self._zero_mg += self._shown(now_s).weight_mg
                answer = self._say(b"Z A\r\n")
            case b"T":
                answer = self._say(b"T S %s\r\n" % _value(self._tare(now_s), self._resolution_mg))
            case _:
                answer = self._say(b"ES\r\n")
        return Answered(
            line=notice + answer.line,
            weight_mg=answer.weight_mg,
            stable=answer.stable,
            n=answer.n,
            after_s=self._moods.late_s(now_s),
        )

    def _tare(self, now_s: float) -> int:
        tare_mg = self._shown(now_s).weight_mg
        self._zero_mg += tare_mg
        return tare_mg

    def _weigh(self, now_s: float, *, wait: bool) -> Answered:
        self._answers += 1
        if now_s < self._overload_until_s or within(self.plan.overloads, now_s):
            return self._say(b"S +\r\n")
        shown = self._shown(now_s)
        if wait and not shown.stable:
            return self._say(b"S I\r\n")
        state = b"S" if shown.stable else b"D"
        return Answered(
            line=b"S %s %s\r\n" % (state, _value(shown.weight_mg, self._resolution_mg)),
            weight_mg=shown.weight_mg,
            stable=shown.stable,
            n=self._answers,
        )

    def _shown(self, now_s: float) -> Shown:
        shown = self._load.show(now_s)
        drift_mg = int(self.plan.drift_mg_per_minute * now_s / 60)
        return Shown(weight_mg=shown.weight_mg + drift_mg - self._zero_mg, stable=shown.stable)

    def _identity(self) -> bytes:
        return b'I4 A "%s"\r\n' % self._serial_number.encode()

    def _say(self, line: bytes) -> Answered:
        return Answered(line=line, weight_mg=None, stable=False, n=self._answers)


def _value(weight_mg: int, resolution_mg: int) -> bytes:
    """Ten columns, right aligned, with the decimals that the scale resolves."""
    decimals = next(places for places in (0, 1, 2, 3) if resolution_mg % 10 ** (3 - places) == 0)
    sign = "-" if weight_mg < 0 else ""
    grams, rest = divmod(abs(weight_mg), 1000)
    digits = f"{sign}{grams}.{rest:03d}"[: -(3 - decimals) or None].rstrip(".")
    return f"{digits:>10} g".encode()
