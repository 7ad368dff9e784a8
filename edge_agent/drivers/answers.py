"""What a profile understood, as answers for the agent: units to milligrams, channels to sensors.

measurement      Sample; without a unit a Fault; in pieces and without a weight, Pieces
condition        Fault: overload, underload, unstable, or fault with the device's reason
device_error     Fault; "busy, ask again" is as good as unstable
config_suspect   Fault
counter          CounterValue
tags, epc        Sighting of a tag                barcode   Sighting of a scan
no_tag           Told                             notice    Restarted, when it says so
discard, ack, status, none                        nothing, but counted
"""

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal

from edge_agent.core.reading import (
    BECAUSE_CHARS_MAX,
    Answer,
    ConditionWord,
    CounterValue,
    Fault,
    Pieces,
    Restarted,
    Sample,
    Sighting,
    Told,
)
from edge_agent.core.units import MILLIGRAMS, milligrams
from edge_agent.drivers.declared import Declared, Decoded

WEIGHT_MG_MAX = 2**53  # what the wire carries
CODE_CHARS_MAX = 4_096
COUNTER_BITS_MAX = 64

_RESTLESS = ("unstable", "motion", "moving", "not_stable")


class Answers:
    """One device's outcomes in, its sensors' answers out."""

    def __init__(self, declared: Declared, sensors: Mapping[int, str]) -> None:
        """`sensors` by the channel they watch; where there is one, it hears whatever is said."""
        self._sensors = dict(sensors)
        self._one_channel = len(declared.channel_labels()) == 1
        self._address = str(declared.parameters.get("address") or "")
        self._answers_with_address = declared.frame_rule is not None and bool(self._address)
        self.counts: Counter[str] = Counter()
        self.unread = ""

    def of(self, decoded: Decoded) -> list[Answer]:
        self.counts[decoded.outcome] += 1
        values = decoded.values
        match decoded.outcome:
            case "discard":
                self.unread = str(values.get("reason", "not understood"))
                return []
            case "ack" | "status" | "none":
                return []
            case "no_tag":
                return [Told(what="no tag")]
            case "notice":
                return [Restarted()] if values.get("notice") == "restart" else []
        if self._answers_with_address and self._is_from_another(values):
            self.counts["of another device"] += 1
            return []
        return [self._answer(decoded, sensor) for sensor in self._sensors_of(values)]

    def _is_from_another(self, values: Mapping[str, object]) -> bool:
        said = values.get("address")
        return said is not None and str(said) != self._address

    def _sensors_of(self, values: Mapping[str, object]) -> list[str]:
        channel = values.get("channel")
        if self._one_channel or channel is None:  # what names no channel concerns all of them
            return list(self._sensors.values())
        if not isinstance(channel, int) or channel not in self._sensors:
            self.counts["of a channel without a sensor"] += 1
            return []
        return [self._sensors[channel]]

    def _answer(self, decoded: Decoded, sensor: str) -> Answer:  # noqa: PLR0911 - a table
        values = decoded.values
        match decoded.outcome:
            case "measurement":
                return _weighed(values, sensor)
            case "condition":
                return _condition(values, sensor)
            case "counter":
                return _counted(values, sensor)
            case "tags":
                return _sighted(values.get("id"), sensor, values)
            case "epc":
                return _sighted(values.get("uri") or values.get("hex"), sensor, values)
            case "barcode":
                return _scanned(values, sensor)
            case "device_error":
                return _device_error(values, sensor)
            case _:
                because = str(values.get("reason") or f"{decoded.outcome} is nothing we know")
                return fault(sensor, because)


def fault(sensor: str, because: str, condition: ConditionWord = "fault") -> Fault:
    return Fault(sensor=sensor, condition=condition, because=because[:BECAUSE_CHARS_MAX])


def _weighed(values: Mapping[str, object], sensor: str) -> Answer:
    weight, unit, stable = values.get("weight"), values.get("unit"), values.get("stable")
    if values.get("overload") is True or values.get("underload") is True:
        return _condition(values, sensor)
    count = values.get("count", weight if unit == "pcs" else None)
    if count is not None and (weight is None or unit == "pcs"):
        return _in_pieces(count, sensor)
    if isinstance(weight, bool) or not isinstance(weight, (int, Decimal)):
        return fault(sensor, "a measurement without a weight")
    if not isinstance(unit, str) or unit not in MILLIGRAMS:
        return fault(sensor, "a weight without a unit")
    weight_mg = milligrams(weight, unit)
    if abs(weight_mg) > WEIGHT_MG_MAX:
        return fault(sensor, f"heavier than can be: {weight} {unit}")
    known = stable if isinstance(stable, bool) else None
    return Sample(sensor=sensor, weight_mg=weight_mg, stable=known)


def _in_pieces(count: object, sensor: str) -> Answer:
    if isinstance(count, bool) or not isinstance(count, int | Decimal) or count != int(count):
        return fault(sensor, f"{count!r} is no number of pieces")
    return Pieces(sensor=sensor, count=int(count))


def _condition(values: Mapping[str, object], sensor: str) -> Fault:
    if values.get("overload") is True:
        return fault(sensor, "more lies on the scale than it can weigh", "overload")
    if values.get("underload") is True:
        return fault(sensor, "the scale is lifted, or its pan is missing", "underload")
    reason = str(values.get("reason") or "it gives no weight and does not say why")
    restless = values.get("retry") is True or reason in _RESTLESS
    return fault(sensor, reason.replace("_", " "), "unstable" if restless else "fault")


def _device_error(values: Mapping[str, object], sensor: str) -> Fault:
    error = str(values.get("error") or "").strip()
    meaning = str(values.get("meaning") or "").strip()
    if values.get("overload") is True:
        return fault(sensor, meaning or "more than it can weigh", "overload")
    because = " ".join(part for part in (meaning, f"({error})" if error else "") if part)
    busy = values.get("retry") is True
    return fault(sensor, because or "the device reports an error", "unstable" if busy else "fault")


def _counted(values: Mapping[str, object], sensor: str) -> Answer:
    value, width = values.get("value"), values.get("width")
    if isinstance(value, Decimal) and value == value.to_integral_value():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not isinstance(width, int):
        return fault(sensor, f"{value!r} is no count")
    if not 1 <= width <= COUNTER_BITS_MAX:
        return fault(sensor, f"a counter of {width} bits. Allowed: 1 to {COUNTER_BITS_MAX}")
    if not 0 <= value < 1 << width:
        return fault(sensor, f"{value} does not fit a counter of {width} bits")
    return CounterValue(sensor=sensor, value=value, width=width)


def _sighted(code: object, sensor: str, values: Mapping[str, object]) -> Answer:
    if not isinstance(code, str) or not code or values.get("error"):
        return fault(sensor, f"a tag that cannot be read: {values.get('error') or 'no id'}")
    return Sighting(sensor=sensor, code=code[:CODE_CHARS_MAX], kind="tag")


def _scanned(values: Mapping[str, object], sensor: str) -> Answer:
    """The code as it was scanned: what it means by GS1 can be worked out from it at any time."""
    if values.get("error"):
        return Told(what=f"a code that was misread: {values['error']}")
    code = str(values.get("data") or "")
    if not code:
        return Told(what="an empty scan")
    return Sighting(sensor=sensor, code=code[:CODE_CHARS_MAX], kind="scan")
