"""Bytes that were changed, lost or doubled on their way: what still comes out of them.

Every published frame of every profile is spoilt in all small ways there are, one by one; and
streams of such frames are spoilt at random, seeded. A frame lost to that is no harm. A number that
nobody sent is: it may come out of a protocol without a check (a digit that becomes another digit is
still one), but it must not pass what the agent asks for before it states a weight: two that agree.
"""

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from msgspec import UNSET

from edge_agent import profiles
from edge_agent.core.reading import Answer, CounterValue, Fault, Sample, Sighting, Weight
from edge_agent.core.settle import SettleLimits, Settling
from edge_agent.core.sightings import Presences, SightingRules
from edge_agent.drivers.declared import Declared
from edge_agent.drivers.declared_serial import DeclaredSerial

VECTORS = Path(__file__).parent / "vectors"
LIMITS = SettleLimits()
CONFIRMED = SightingRules(confirm_reads=2)
FRAME_MS = 100
FRAMES = 400  # in one random stream
REPEATS = 40  # how often the same is said in a row, as a load that rests is
SEEDS = range(3)
RATES = (0.002, 0.02)  # mistakes per byte: a bad day, and a cable beside a welder

# Nothing tells these where a number begins or how long it is: a lost digit leaves another number.
FREE_WIDTH = {
    "barcode": "a code is whatever was scanned; its own check digit is all there is",
    "elatec_twn3_hid": "typed like on a keyboard: ids of any length, no check",
    "mt_sics": "the field is ten wide at one maker, eight at another",
    "nci_3835": "unless `weight_characters` is given",
    "ricelake_880": "the field is as wide as its number",
    "sma_scp0499": "unless `weight_characters` is given",
    "toledo_8217": "unless `weight_characters` is given",
}
# Codes of any length without a check; and a scan is told at once, nothing has to agree with it.
DEFENCELESS = ("barcode", "elatec_twn3_hid")


@dataclass(frozen=True, kw_only=True)
class Spoken:
    """What one device, set up in one way, has been printed to say."""

    profile: str
    parameters: tuple[tuple[str, str], ...]
    frames: tuple[bytes, ...]

    @property
    def declared(self) -> Declared:
        return _declared(self.profile, self.parameters)

    @property
    def is_checked(self) -> bool:
        rule = self.declared.frame_rule
        return rule is not None and bool(rule.checks)

    def driver(self) -> DeclaredSerial:
        driver = DeclaredSerial(self.declared, {self.declared.channel_labels()[0]: "s"})
        driver.request()  # some answers are told from others by what was asked
        return driver


@cache
def _declared(profile: str, parameters: tuple[tuple[str, str], ...]) -> Declared:
    return profiles.load(profile, dict(parameters))


def spoken() -> Iterator[Spoken]:
    for path in sorted(VECTORS.glob("*.json")):
        if profiles.read(path.stem).frame is None or path.stem == "epc_tds":
            continue
        said: dict[tuple[tuple[str, str], ...], list[bytes]] = {}
        for vector in json.loads(path.read_text()):
            stream = bytes.fromhex("".join(vector.get("pieces", [vector.get("bytes", "")])))
            given = {**needed(path.stem), **vector.get("parameters", {})}
            key = tuple(sorted(given.items()))
            if stream:
                said.setdefault(key, []).append(stream)
        for parameters, streams in said.items():
            one = Spoken(profile=path.stem, parameters=parameters, frames=())
            telling = tuple(stream for stream in streams if numbers(one, stream))
            if telling:
                yield Spoken(profile=path.stem, parameters=parameters, frames=telling)


def needed(profile: str) -> dict[str, str]:
    """A parameter that has to be given, given."""
    return {
        name: str(parameter.choices[0])
        for name, parameter in profiles.read(profile).parameters.items()
        if parameter.default is UNSET
    }


def numbers(device: Spoken, stream: bytes) -> list[int | str]:
    """Everything in a stream that a bin's level, an order or a person could be based on."""
    driver = device.driver()
    answers = [*driver.feed(stream), *driver.finish()]
    return [number for answer in answers if (number := number_in(answer)) is not None]


def number_in(answer: Answer) -> int | str | None:
    match answer:
        case Sample(weight_mg=weight_mg):
            return weight_mg
        case CounterValue(value=value):
            return value
        case Sighting(code=code):
            return code
    return None


DEVICES = list(spoken())
CHECKED = [device for device in DEVICES if device.is_checked]
UNCHECKED = [device for device in DEVICES if not device.is_checked]


def named(device: object) -> str:
    assert isinstance(device, Spoken)
    return "-".join([device.profile, *(f"{key}={value}" for key, value in device.parameters)])


# ---------------------------------------------------------------------- one mistake, every one


def lost_or_doubled(frame: bytes) -> Iterator[bytes]:
    for at in range(len(frame)):
        yield frame[:at] + frame[at + 1 :]  # one lost
        yield frame[: at + 1] + frame[at:]  # one twice
        yield frame[at:]  # opened in the middle
        for end in range(at + 2, len(frame)):
            yield frame[:at] + frame[end:]  # a buffer that ran over
        for more in b"\x00 -.05\xff":
            yield frame[:at] + bytes([more]) + frame[at:]


def changed(frame: bytes) -> Iterator[bytes]:
    for at in range(len(frame)):
        for bit in range(8):
            yield frame[:at] + bytes([frame[at] ^ 1 << bit]) + frame[at + 1 :]


def wrong(device: Spoken, frame: bytes, spoilt: Iterator[bytes]) -> list[tuple[bytes, int | str]]:
    sent = numbers(device, frame)
    return [
        (stream, number)
        for stream in spoilt
        for number in numbers(device, stream)
        if number not in sent
    ]


@pytest.mark.parametrize("device", CHECKED, ids=named)
def test_where_there_is_a_check_no_single_mistake_makes_a_number(device: Spoken) -> None:
    for frame in device.frames:
        assert wrong(device, frame, changed(frame)) == []
        assert wrong(device, frame, lost_or_doubled(frame)) == []


@pytest.mark.parametrize(
    "device", [one for one in UNCHECKED if one.profile not in FREE_WIDTH], ids=named
)
def test_where_there_is_none_a_lost_or_doubled_byte_still_makes_no_number(device: Spoken) -> None:
    """A full buffer loses the same byte of every frame, so two would agree on the wrong number."""
    for frame in device.frames:
        assert wrong(device, frame, lost_or_doubled(frame)) == []


@pytest.mark.parametrize("name", FREE_WIDTH)
def test_the_exceptions_are_exceptions(name: str) -> None:
    """Whoever mends one takes it out of the list."""
    found = [
        mistake
        for device in UNCHECKED
        if device.profile == name
        for frame in device.frames
        for mistake in wrong(device, frame, lost_or_doubled(frame))
    ]
    assert found


# ---------------------------------------------------------------------- streams, at random


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came out of one spoilt stream: numbers that were not sent, and those of them stated."""

    mistakes: int
    told_wrong: int
    stated_wrong: tuple[object, ...]


def stream_of(device: Spoken, chance: random.Random) -> list[bytes]:
    frames: list[bytes] = []
    while len(frames) < FRAMES:
        frames += [chance.choice(device.frames)] * REPEATS
    return frames


def spoil(frame: bytes, rate: float, chance: random.Random) -> tuple[bytes, int]:
    out, mistakes = bytearray(), 0
    for byte in frame:
        if chance.random() >= rate:
            out.append(byte)
            continue
        mistakes += 1
        match chance.choice(("flip", "flip", "drop", "insert", "double", "cut", "noise")):
            case "flip":
                out.append(byte ^ 1 << chance.randrange(8))
            case "drop":
                pass
            case "insert":
                out += bytes([byte, chance.randrange(256)])
            case "double":
                out += bytes([byte, byte])
            case "cut":
                del out[-chance.randint(1, 6) :]
            case "noise":
                out += chance.randbytes(chance.randint(1, 12))
    return bytes(out), mistakes


def ran(device: Spoken, seed: int, rate: float) -> Outcome:
    chance = random.Random(f"{named(device)}/{seed}/{rate}")
    sent = {number for frame in device.frames for number in numbers(device, frame)}
    driver, settling, presences = device.driver(), Settling(LIMITS), Presences(CONFIRMED)
    mistakes, told_wrong, stated_wrong = 0, 0, []
    for turn, frame in enumerate(stream_of(device, chance)):
        spoilt, more = spoil(frame, rate, chance)
        mistakes += more
        for answer in driver.feed(spoilt):
            number = number_in(answer)
            told_wrong += number is not None and number not in sent
            if isinstance(answer, Sample | Fault):
                stated = settling.feed(answer, turn * FRAME_MS)
                if isinstance(stated, Weight) and not _is_near(stated.weight_mg, sent):
                    stated_wrong.append(stated)
            if isinstance(answer, Sighting) and answer.code not in sent:
                stated_wrong += presences.read(answer.code, turn * FRAME_MS)
    return Outcome(mistakes=mistakes, told_wrong=told_wrong, stated_wrong=tuple(stated_wrong))


def _is_near(weight_mg: int, sent: set[int | str]) -> bool:
    weights = (weight for weight in sent if isinstance(weight, int))
    return any(abs(weight_mg - weight) <= LIMITS.band_mg for weight in weights)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("device", DEVICES, ids=named)
def test_no_number_that_nobody_sent_is_stated(
    device: Spoken, rate: float, record_property: Callable[[str, object], None]
) -> None:
    for seed in SEEDS:
        outcome = ran(device, seed, rate)
        record_property("mistakes", outcome.mistakes)
        record_property("told_wrong", outcome.told_wrong)
        if device.profile not in DEFENCELESS:
            assert outcome.stated_wrong == (), f"seed {seed}"
        if device.is_checked:
            assert outcome.told_wrong <= outcome.mistakes // 64, f"seed {seed}"


@pytest.mark.parametrize("device", DEVICES, ids=named)
def test_after_noise_the_device_is_heard_again(device: Spoken) -> None:
    chance = random.Random(named(device))
    driver = device.driver()
    frame = device.frames[0]
    for _ in range(20):
        driver.feed(chance.randbytes(chance.randint(1, 2_000)))
        heard = [number_in(answer) for answer in [*driver.feed(frame * 20), *driver.finish()]]
        assert heard.count(numbers(device, frame)[0]) > 1
