"""The plan of a site that does not exist: which scales, what lies on them, how it moves.

    {"seed": 1, "scales": [
      {"gateway": "lindau-1", "sensor": "s01", "behaviour": "bin", "unit_weight_ug": 4200000,
       "tare_mg": 350000, "capacity": 2000, "pieces": 1400, "usage_per_minute": 12.5},
      {"gateway": "lindau-1", "sensor": "s02", "behaviour": "counting", "base_mg": 1000000,
       "step_mg": 1000}]}

`device` is the profile by which it is read: mt_sics when it is left out, or another scale, a tag
reader, a scanner, a pulse counter. What happens to it may stand in the plan too, as its script:

    "script": [{"at_s": 5, "gateway": "lindau-1", "sensor": "s01", "do": "overload", "seconds": 3}]

JSON or TOML, told by the name of the file. All times are in seconds from the start, unless the key
says otherwise.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from edge_agent.core.typed_toml import SettingsError

Name = Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{1,64}$")]
Milligrams = Annotated[int, Meta(ge=-(10**12), le=10**12)]
Pieces = Annotated[int, Meta(ge=0, le=10**7)]
Window = tuple[Annotated[float, Meta(ge=0)], Annotated[float, Meta(gt=0)]]  # start, how long
PerMinute = Annotated[float, Meta(ge=0, le=10**6)]
EveryMs = Annotated[int, Meta(ge=20, le=60_000)]
WeightUnit = Literal["g", "kg", "lb"]
Tag = Annotated[str, Meta(pattern="^([0-9A-F]{4}){1,8}$|^[0-9A-F]{10}$")]


class _Device(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    gateway: Name
    sensor: Name
    silences: tuple[Window, ...] = ()
    """Power cuts: no answer, and then what a device of this kind does after a restart."""
    lates: tuple[Window, ...] = ()
    """When answers come `late_ms` later than they should, those behind them waiting."""
    late_ms: Annotated[int, Meta(ge=0, le=60_000)] = 0


class _Scale(_Device, frozen=True, kw_only=True):
    device: Literal["mt_sics", "st_gs", "mt_continuous", "and_standard", "ohaus_print"] = "mt_sics"
    serial_number: str = ""
    overloads: tuple[Window, ...] = ()
    unit: WeightUnit = "g"
    """What it shows at first (mt_sics: grams, always)."""
    every_ms: EveryMs = 100
    """Between two frames of one that speaks unasked."""
    drift_mg_per_minute: Annotated[int, Meta(ge=-(10**9), le=10**9)] = 0
    """The zero creeps: warm electronics, dust on the pan."""


class BinScale(_Scale, frozen=True, kw_only=True, tag_field="behaviour", tag="bin"):
    """A bin of parts that are taken and filled up again."""

    unit_weight_ug: Annotated[int, Meta(gt=0, le=10**12)]
    tare_mg: Milligrams
    capacity: Pieces
    pieces: Pieces
    usage_per_minute: Annotated[float, Meta(ge=0, le=10**6)] = 0.0
    take_pieces: tuple[Pieces, Pieces] = (1, 20)
    moving_s: tuple[float, float] = (0.4, 1.5)
    """How long a hand keeps the weight moving."""
    refill_below: Pieces | None = None
    refill_after_s: tuple[float, float] = (60.0, 180.0)
    refill_to: Pieces | None = None
    refill_pieces: Pieces | None = None
    """What a delivery brings, as far as it fits; without it, it fills up to `refill_to`."""
    resolution_mg: Annotated[int, Meta(gt=0, le=10**9)] = 100
    noise_mg: Annotated[int, Meta(ge=0, le=10**9)] = 40
    """Sways the true weight: below half the resolution it shows now and then, as it does."""


class CountingScale(_Scale, frozen=True, kw_only=True, tag_field="behaviour", tag="counting"):
    """Every answer is a new stable weight, base + n x step, n = 1, 2, 3: each one is unique."""

    base_mg: Milligrams
    step_mg: Milligrams


class TagReader(_Device, frozen=True, kw_only=True, tag_field="behaviour", tag="tags"):
    """Tags in its field, read again and again: some reads are missed, and some are of ghosts."""

    device: Literal["rdm6300", "uhfreader18", "r200"]
    tags: tuple[Tag, ...] = ()
    every_ms: EveryMs = 100
    missed_share: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    ghosts_per_minute: PerMinute = 0.0


class Scanner(_Device, frozen=True, kw_only=True, tag_field="behaviour", tag="codes"):
    """A person with a scanner: one of `codes` now and then."""

    device: Literal["barcode"] = "barcode"
    codes: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=200)], ...], Meta(min_length=1)
    ]
    scans_per_minute: PerMinute = 0.0


class PulseCounter(_Device, frozen=True, kw_only=True, tag_field="behaviour", tag="pulses"):
    """A counter of parts that fall past a light barrier, in Modbus registers."""

    device: Literal["di_counter"] = "di_counter"
    unit: Annotated[int, Meta(ge=1, le=247)] = 1
    address: Annotated[int, Meta(ge=0, le=65_534)] = 0
    width: Literal[16, 32] = 32
    word_order: Literal["big", "little"] = "big"
    value: Annotated[int, Meta(ge=0, lt=2**32)] = 0
    pulses_per_minute: PerMinute = 0.0


ScalePlan = BinScale | CountingScale
DevicePlan = ScalePlan | TagReader | Scanner | PulseCounter


class Command(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a scale is told while it runs; one JSON object per line of `<dir>/commands`."""

    gateway: str
    sensor: str
    do: Literal[
        "set",
        "take",
        "refill",
        "usage",
        "silence",
        "speak",
        "overload",
        "late",
        "restart",
        "zero",
        "tare",
        "unit",
        "come",
        "go",
        "scan",
        "pulse",
    ]
    pieces: Pieces = 0
    seconds: Annotated[float, Meta(ge=0)] = 0.0
    per_minute: Annotated[float, Meta(ge=0)] = 0.0
    unit: WeightUnit = "g"
    code: Annotated[str, Meta(max_length=200)] = ""
    """The tag that comes or goes, or the code that is scanned."""


class Step(Command, frozen=True, kw_only=True):
    """A command that the plan gives by itself."""

    at_s: Annotated[float, Meta(ge=0)]


class SitePlan(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    scales: Annotated[tuple[DevicePlan, ...], Meta(min_length=1, max_length=2_000)]
    seed: int = 1
    script: Annotated[tuple[Step, ...], Meta(max_length=100_000)] = ()


def load(path: Path) -> SitePlan:
    try:
        text = path.read_text("utf-8")
        document = tomllib.loads(text) if path.suffix == ".toml" else msgspec.json.decode(text)
        plan = msgspec.convert(document, SitePlan)
    except (OSError, ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise SettingsError(f"{path}: no plan of a site: {error}") from error
    names = [(scale.gateway, scale.sensor) for scale in plan.scales]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise SettingsError(f"{path}: the scale {'/'.join(twice[0])} is planned twice")
    for step in plan.script:
        if (step.gateway, step.sensor) not in names:
            raise SettingsError(f"{path}: script: there is no {step.gateway}/{step.sensor}")
    return plan
