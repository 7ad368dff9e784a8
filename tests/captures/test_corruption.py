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
from edge_agent.drivers import bench
from edge_agent.drivers.declared import Declared
from edge_agent.drivers.declared_serial import DeclaredSerial
from edge_agent.drivers.widths import ALIKE_MIN

VECTORS = Path(__file__).parent / "vectors"
LIMITS = SettleLimits()
CONFIRMED = SightingRules(confirm_reads=2)
FRAME_MS = 100
FRAMES = 400  # in one random stream
REPEATS = 40  # how often the same is said in a row, as a load that rests is
SEEDS = range(3)
RATES = (0.002, 0.02, 0.05)  # mistakes per byte: a bad day, a cable beside a welder, a broken one

# Nothing tells these where a code begins or how long it is; and a scan is told at once, nothing has
# to agree with it.
FREE_WIDTH = {
    "barcode": "a code is whatever was scanned; its own check digit is all there is",
    "elatec_twn3_hid": "typed like on a keyboard: ids of any length, no check",
}
# Not every maker pads to the same width. What loses a byte of every frame from the first on looks
# like another maker's scale, until the installation names what its own sends.
MAKERS_DIFFER = {
    "mt_sics": ("weight_characters", "unit"),
    "nci_3835": ("weight_characters",),
    "ricelake_880": ("weight_characters",),
}


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
            telling = tuple(stream for stream in streams if sent_by(one, stream))
            if telling:
                yield Spoken(profile=path.stem, parameters=parameters, frames=telling)


def needed(profile: str) -> dict[str, str]:
    """A parameter that has to be given, given."""
    return {
        name: str(parameter.choices[0])
        for name, parameter in profiles.read(profile).parameters.items()
        if parameter.default is UNSET
    }


def numbers(device: Spoken, stream: bytes, before: bytes = b"") -> list[int | str]:
    """Everything in a stream that a bin's level, an order or a person could be based on."""
    driver = device.driver()
    driver.feed(before)
    answers = [*driver.feed(stream), *driver.finish()]
    return [number for answer in answers if (number := number_in(answer)) is not None]


def sent_by(device: Spoken, frame: bytes) -> list[int | str]:
    """What the frame says to whoever has come to know the line."""
    return numbers(device, frame, before=frame * ALIKE_MIN)


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


def joined(frame: bytes) -> Iterator[bytes]:
    """Two frames with a gap in them: the end of one lost, its tail behind the head of the other."""
    both = frame + frame
    for at in range(1, len(frame)):
        for end in range(max(at + 1, len(frame)), len(both) - 1):
            yield both[:at] + both[end:]


def wrong(
    device: Spoken, frame: bytes, spoilt: Iterator[bytes], *, before: bytes = b"", times: int = 1
) -> list[tuple[bytes, int | str]]:
    sent = sent_by(device, frame)
    return [
        (stream, number)
        for stream in spoilt
        for number in numbers(device, stream * times, before)
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


@pytest.mark.parametrize(
    "device", [one for one in UNCHECKED if one.profile not in FREE_WIDTH], ids=named
)
def test_the_tail_of_a_frame_behind_the_head_of_another_makes_no_number(device: Spoken) -> None:
    for frame in device.frames:
        assert wrong(device, frame, joined(frame), before=frame * ALIKE_MIN) == []


@pytest.mark.parametrize("device", UNCHECKED, ids=named)
def test_a_mark_of_motion_that_was_lost_makes_no_moving_weight_stable(device: Spoken) -> None:
    for frame in device.frames:
        before = samples(device, frame, before=frame * ALIKE_MIN)
        if any(sample.stable is not False for sample in before):
            continue
        for spoilt in lost_or_doubled(frame):
            for sample in samples(device, spoilt, before=frame * ALIKE_MIN):
                assert sample.stable is False, spoilt


def samples(device: Spoken, stream: bytes, before: bytes) -> list[Sample]:
    driver = device.driver()
    driver.feed(before)
    return [answer for answer in driver.feed(stream) if isinstance(answer, Sample)]


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


# ---------------------------------------------------------------------- the same one, every time


def every_frame_spoilt_alike(device: Spoken, *, before: int) -> list[tuple[bytes, int | str]]:
    return [
        mistake
        for frame in device.frames
        for mistake in wrong(
            device, frame, lost_or_doubled(frame), before=frame * before, times=2 * ALIKE_MIN
        )
    ]


@pytest.mark.parametrize(
    "device",
    [one for one in UNCHECKED if one.profile not in (*FREE_WIDTH, *MAKERS_DIFFER)],
    ids=named,
)
def test_a_byte_lost_from_every_frame_makes_no_number_however_often(device: Spoken) -> None:
    assert every_frame_spoilt_alike(device, before=0) == []


@pytest.mark.parametrize(
    "device", [one for one in UNCHECKED if one.profile in MAKERS_DIFFER], ids=named
)
def test_where_makers_differ_naming_what_ours_sends_does_the_same(device: Spoken) -> None:
    for frame in device.frames:
        one = with_its_own_named(device, frame)
        assert sent_by(one, frame) == sent_by(device, frame)
        assert every_frame_spoilt_alike(one, before=0) == []


@pytest.mark.parametrize("name", MAKERS_DIFFER)
def test_where_makers_differ_it_is_needed(name: str) -> None:
    assert [
        mistake
        for device in UNCHECKED
        if device.profile == name
        for mistake in every_frame_spoilt_alike(device, before=0)
    ]


def with_its_own_named(device: Spoken, frame: bytes) -> Spoken:
    """Whatever of width and unit lets every frame pass is what the device sends."""
    named_by = MAKERS_DIFFER[device.profile]
    [decoded] = bench.explain_bytes(device.declared, [frame])
    for width in range(1, len(frame)):
        own = {"weight_characters": str(width), "unit": str(decoded["unit"])}
        given = dict(device.parameters) | {name: own[name] for name in named_by}
        one = Spoken(
            profile=device.profile, parameters=tuple(sorted(given.items())), frames=(frame,)
        )
        if numbers(one, frame):
            return one
    raise AssertionError(frame)


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
    sent = {number for frame in device.frames for number in sent_by(device, frame)}
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
        if device.profile not in FREE_WIDTH:
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
        assert heard.count(sent_by(device, frame)[0]) > 1
