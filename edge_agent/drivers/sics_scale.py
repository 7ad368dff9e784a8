"""Scales that speak MT-SICS level 0: one question, one line back.

    us     SI CR LF
    scale  S S     100.00 g CR LF        S stable · D still moving
           S I                           busy, or it did not come to rest: ask again
           S + · S -                     overload · underload
           ES · EL · ET                  it did not understand · cannot now · garbled on the way
           I4 A "B021002593"             it has just restarted; also the answer to I4

Mettler AT operating instructions, p. 87. Kern KCP, Ohaus Ranger and Sartorius "MT mode" speak it
too. The value is right aligned, and any run of blanks will do. `SI` and not `S`: the latter waits
for rest, for seconds, while the line is blocked. Never sent: `PWR 0`, which switches battery
scales off, and anything that zeroes or tares.

The frame names its unit, so a scale switched to kilograms at its keypad is converted, and one that
counts or shows per cent is a fault, never a silent factor.
"""

import re
from decimal import ROUND_HALF_EVEN, Decimal

from edge_agent.core.reading import ConditionWord
from edge_agent.drivers.base import Answer, Fault, Identity, Sample
from edge_agent.framing.lines import Lines

MG_PER = {
    b"mg": Decimal(1),
    b"g": Decimal(1_000),
    b"kg": Decimal(1_000_000),
    b"t": Decimal(1_000_000_000),
    b"oz": Decimal("28349.523125"),  # avoirdupois, by definition
    b"lb": Decimal("453592.37"),
}
WEIGHT_MG_MAX = 2**53  # what the wire carries
EXCERPT_BYTES_MAX = 32

WEIGHT = re.compile(
    rb"S +(?P<state>[SD]) +(?P<number>[+-]?[0-9]{1,12}(\.[0-9]{1,9})?) +(?P<unit>[!-~]{1,8}) *"
)
IDENTITY = re.compile(rb'(I4|@) +A +"(?P<serial_number>[ !#-~]{1,40})" *')
# Answers to what somebody else asked, and our own question when an adapter echoes it.
ASIDE = re.compile(rb"SI|I4|(ZI?|TI?|TA|TAC|PW|I[0-9]{1,2}|@) [ -~]*")
SAYINGS: tuple[tuple[re.Pattern[bytes], ConditionWord, str], ...] = (
    (re.compile(rb"S +I *"), "unstable", "the scale is busy or did not come to rest (S I)"),
    (re.compile(rb"S +\+ *"), "overload", "more lies on the scale than it can weigh (S +)"),
    (re.compile(rb"S +- *"), "underload", "the scale is lifted or its pan is missing (S -)"),
    (re.compile(rb"ES *"), "fault", "the scale did not understand the question (ES)"),
    (re.compile(rb"EL *"), "fault", "the scale cannot weigh now (EL)"),
    (re.compile(rb"ET *"), "fault", "the question came garbled (ET): check cable and parity"),
)


class SicsScale:
    def __init__(self, sensor: str) -> None:
        self._sensor = sensor
        self._lines = Lines()

    def request(self) -> bytes:
        return b"SI\r\n"

    def identify(self) -> bytes | None:
        return b"I4\r\n"

    def feed(self, received: bytes) -> list[Answer]:
        answers = [self._answer(line) for line in self._lines.feed(received)]
        return [answer for answer in answers if answer is not None]

    def reset(self) -> None:
        self._lines.reset()

    def _answer(self, line: bytes) -> Answer | None:
        if weight := WEIGHT.fullmatch(line):
            return self._weight(weight)
        for pattern, condition, because in SAYINGS:
            if pattern.fullmatch(line):
                return Fault(sensor=self._sensor, condition=condition, because=because)
        if named := IDENTITY.fullmatch(line):
            serial_number = named["serial_number"].decode("ascii")
            return Identity(sensor=self._sensor, serial_number=serial_number)
        if ASIDE.fullmatch(line):
            return None
        return self._fault(f"not a weight: {line[:EXCERPT_BYTES_MAX]!r}")

    def _weight(self, weight: re.Match[bytes]) -> Sample | Fault:
        mg_per_unit = MG_PER.get(weight["unit"])
        if mg_per_unit is None:
            return self._fault(f"shown in {weight['unit'].decode('ascii')!r}, which is no weight")
        # Rounded once, half to even: exact for grams to three decimals, and a scale that resolves
        # micrograms, or shows pounds, is right to half a milligram.
        exact_mg = Decimal(weight["number"].decode("ascii")) * mg_per_unit
        weight_mg = int(exact_mg.to_integral_value(ROUND_HALF_EVEN))
        if abs(weight_mg) > WEIGHT_MG_MAX:
            return self._fault(f"heavier than can be: {weight[0][:EXCERPT_BYTES_MAX]!r}")
        return Sample(sensor=self._sensor, weight_mg=weight_mg, stable=weight["state"] == b"S")

    def _fault(self, because: str) -> Fault:
        return Fault(sensor=self._sensor, condition="fault", because=because)
