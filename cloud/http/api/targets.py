"""Targets of agreements beside what was reached, as JSON: the same words as on the pages."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from cloud.actions.achieve import Reached
from cloud.core.targets import Target

TARGET_EXAMPLE: dict[str, JsonValue] = {
    "title": "Fill",
    "agreed": "98.5 % of the pieces at once",
    "achieved": "99.1 % of the pieces at once",
    "difference": "0.6 points above",
    "verdict": "met",
    "agreed_value": 0.985,
    "achieved_value": 0.991,
}
EXAMPLE: dict[str, JsonValue] = {
    "agreement": 3,
    "site": "Lindau Pumps",
    "supplier": "Ferro AG",
    "version": 2,
    "from_at": "2026-10-01T00:00:00Z",
    "to_at": "2026-11-20T09:41:30Z",
    "targets": [TARGET_EXAMPLE],
}


class TargetOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [TARGET_EXAMPLE]})

    title: Literal["Fill", "Cycle service", "Days of supply", "Mean stock", "Answers"]
    agreed: str
    achieved: str
    difference: str = Field(description="in words; empty: nothing to hold against it yet")
    verdict: Literal["met", "missed", "unknown"]
    agreed_value: float = Field(description="a share, days, or coins, by its title")
    achieved_value: float | None


class ReachedOut(BaseModel):
    """What holds of an agreement, and what was reached of it in the time."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    agreement: int
    site: str
    supplier: str
    version: int = Field(description="the one that holds now")
    from_at: datetime
    to_at: datetime
    targets: list[TargetOut]


def out(reached: Reached) -> ReachedOut:
    held = reached.held
    return ReachedOut(
        agreement=held.agreement_id,
        site=held.site,
        supplier=held.supplier,
        version=held.number,
        from_at=reached.from_at,
        to_at=reached.to_at,
        targets=[_target(one) for one in reached.targets],
    )


def _target(target: Target) -> TargetOut:
    return TargetOut.model_validate(target, from_attributes=True)
