"""The plan of a site that does not exist: which scales, what lies on them, how it moves.

    {"seed": 1, "scales": [
      {"gateway": "lindau-1", "sensor": "s01", "behaviour": "bin", "unit_weight_ug": 4200000,
       "tare_mg": 350000, "capacity": 2000, "pieces": 1400, "usage_per_minute": 12.5},
      {"gateway": "lindau-1", "sensor": "s02", "behaviour": "counting", "base_mg": 1000000,
       "step_mg": 1000}]}

JSON or TOML, told by the name of the file. All times are in seconds from the start, unless the key
says otherwise.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from edge_agent.core.declared import SettingsError

Name = Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{1,64}$")]
Milligrams = Annotated[int, Meta(ge=-(10**12), le=10**12)]
Pieces = Annotated[int, Meta(ge=0, le=10**7)]
Window = tuple[Annotated[float, Meta(ge=0)], Annotated[float, Meta(gt=0)]]  # start, how long


class _Scale(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    gateway: Name
    sensor: Name
    serial_number: str = ""
    silences: tuple[Window, ...] = ()
    """Power cuts: no answer, and then the restart notice that a scale sends by itself."""
    overloads: tuple[Window, ...] = ()


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


ScalePlan = BinScale | CountingScale


class SitePlan(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    scales: Annotated[tuple[ScalePlan, ...], Meta(min_length=1, max_length=2_000)]
    seed: int = 1


class Command(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a scale is told while it runs; one JSON object per line of `<dir>/commands`."""

    gateway: str
    sensor: str
    do: Literal["set", "take", "refill", "silence", "speak", "overload", "usage"]
    pieces: Pieces = 0
    seconds: Annotated[float, Meta(ge=0)] = 0.0
    per_minute: Annotated[float, Meta(ge=0)] = 0.0


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
    return plan
