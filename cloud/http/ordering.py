"""How a bin is ordered for, in words: what pages and the API share of policies and calendars."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from cloud.actions.decide import Undecided
from cloud.actions.keep_policies import Ordering, Preview
from cloud.core.calendar_settings import DAY_NAMES, Chances, told
from cloud.core.calendars import Calendar
from cloud.core.nouns import paper_of
from cloud.core.policies.base import Place
from cloud.core.policy_settings import POLICY, POLICY_WORDS, values_of
from cloud.core.trust import Judgement
from cloud.http import words
from cloud.postgres.bin_parameters import ParameterRow
from cloud.postgres.nouns import Change

LABELS: Mapping[str, str] = MappingProxyType(
    {one.name: one.label for one in POLICY.fields}
    | {
        "agreed_minimum": "Agreed minimum",
        "agreed_order_up_to": "Agreed order-up-to level",
        "zone": "Time zone",
        "order_days": "Order days",
        "cut_off": "Ordered until",
        "lead_days": "Lead time, days",
        "lead_kind": "Lead time in",
        "working_days": "Working days",
        "delivery_days": "Delivery days",
        "delivered_by": "Delivered by",
        "holidays": "Holidays",
        "gathers": "Orders wait for each other",
    }
)
ROUNDING_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "up": "up, past the level if need be",
        "down_to_capacity": "up, as many as fit",
        "stop_and_ask": "ask a person when they do not fit",
    }
)
_UNTOLD = ("bin_id", "supplier_id", "policy_version", "parameters", "version")


@dataclass(frozen=True, kw_only=True)
class Says:
    """What the rules say of a bin now. `outcome`: place, wait, held, undecided, unknown."""

    outcome: str
    headline: str
    because: str
    quantity: int | None = None
    ask: str | None = None
    expected_at: datetime | None = None
    doubt: str = ""  # why nothing is ordered on the number although the rules say so
    low_at: int | None = None
    minimum: int = 0

    @property
    def late(self) -> bool:
        """The bin is called low only below the level at which it should be ordered for."""
        return self.low_at is not None and self.low_at > self.minimum


def says_of(found: Ordering, seen: Preview, judgement: Judgement) -> Says:
    minimum = found.bin.limits.minimum
    doubt = "" if judgement.may_act else judgement.because
    base: dict[str, Any] = {"low_at": seen.low_at, "minimum": minimum, "doubt": doubt}
    if seen.asked is None:
        because = "No level of this bin is known yet."
        return Says(outcome="unknown", headline="Wait", because=because, **base)
    if isinstance(seen.asked, Undecided):
        because = seen.asked.because
        return Says(outcome="undecided", headline="Cannot be decided", because=because, **base)
    answer = seen.asked.answer
    if isinstance(answer.decision, Place):
        place = answer.decision
        packs = words.packs(place.quantity, found.bin.pack)
        headline = f"Order {place.quantity:,}" + (f", {packs}" if packs else "")
        held = seen.asked.held
        return Says(
            outcome="held" if held else "place",
            headline="Ask a person" if held else headline + (", a rush" if place.rush else ""),
            because=place.because,
            quantity=place.quantity,
            expected_at=answer.expected_at,
            **base,
        )
    wait = answer.decision
    return Says(
        outcome="wait",
        headline="Ask a person" if wait.ask else "Wait",
        because=wait.because,
        ask=wait.ask,
        expected_at=answer.expected_at,
        **base,
    )


# ------------------------------------------------------------------------------ as JSON


def policy_out(found: Ordering, says: Says) -> dict[str, Any]:
    settings = found.settings
    return {
        "bin": found.bin.code,
        "version": settings.version,
        **values_of(settings),
        "policy_version": settings.policy_version,
        "minimum": found.bin.limits.minimum,
        "order_up_to": found.order_up_to,
        "capacity": found.bin.limits.capacity,
        "pack": found.bin.pack,
        "agreed_minimum": settings.agreed_minimum,
        "agreed_order_up_to": settings.agreed_order_up_to,
        "calendar_version": found.holds.calendar_version,
        "says": says_out(says),
        "estimate": None if found.estimate is None else estimate_out(found.estimate),
        "suggested": None
        if found.suggested is None
        else {"minimum": found.suggested.minimum, "order_up_to": found.suggested.order_up_to},
    }


def says_out(says: Says) -> dict[str, Any]:
    return {
        "outcome": says.outcome,
        "quantity": says.quantity,
        "because": says.because,
        "ask": says.ask,
        "expected_at": None if says.expected_at is None else utc(says.expected_at),
        "low_at": says.low_at,
        "doubt": says.doubt,
    }


def estimate_out(row: ParameterRow) -> dict[str, Any]:
    return {
        "computed_at": utc(row.computed_at),
        "method": row.method,
        "learning": row.learning,
        "rate_milli_per_day": row.rate_milli_per_day,
        "target_permille": row.target_permille,
        "minimum": row.minimum,
        "order_up_to": row.order_up_to,
        "because": row.because,
        "applied_minimum": row.applied_minimum,
        "applied_order_up_to": row.applied_order_up_to,
        "held": row.held,
    }


def calendar_out(
    supplier: str, version: int, calendar: Calendar | None, comes_to: Chances | None
) -> dict[str, Any]:
    chances = (
        [] if comes_to is None else [chance for chance in (comes_to.now, comes_to.then) if chance]
    )
    return {
        "supplier": supplier,
        "version": version,
        **({} if calendar is None else told(calendar)),
        "chances": [
            {
                "order_day": str(one.order_day),
                "until": utc(one.until),
                "delivery_day": str(one.delivery_day),
                "arrives_at": utc(one.arrives_at),
            }
            for one in chances
        ],
    }


def utc(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


# ------------------------------------------------------------------------------ history


@dataclass(frozen=True, kw_only=True)
class Difference:
    label: str
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class Told:
    version: int
    at: datetime
    by: str
    because: str
    new: bool
    differences: Sequence[Difference]


def history(changes: Sequence[Change]) -> list[Told]:
    return [
        Told(
            version=one.version,
            at=one.at,
            by=one.by,
            because=one.because,
            new=one.before is None,
            differences=_differences(one),
        )
        for one in changes
    ]


def history_out(changes: Sequence[Change]) -> list[dict[str, Any]]:
    return [
        {
            "version": one.version,
            "at": utc(one.at),
            "by": one.by,
            "because": one.because,
            "new": one.before is None,
            "before": one.before,
            "after": one.after,
        }
        for one in changes
    ]


def _differences(change: Change) -> list[Difference]:
    before, after = _flat(change.before or {}), _flat(change.after)
    names = [*after, *(name for name in before if name not in after)]
    return [
        Difference(
            label=LABELS.get(name, name.replace("_", " ").capitalize()),
            before=_text(name, before.get(name)),
            after=_text(name, after.get(name)),
        )
        for name in names
        if name not in _UNTOLD and before.get(name) != after.get(name)
    ]


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, **(row.get("parameters") or {})}


def _text(name: str, value: Any) -> str:  # noqa: ANN401 - as JSON has it
    """As a form shows it."""
    if value is None or value == []:
        return ""
    field = POLICY.by_name.get(name)
    if name == "policy":
        return POLICY_WORDS.get(str(value), (str(value), ""))[0]
    if name == "rounding":
        return ROUNDING_WORDS.get(str(value), str(value))
    if isinstance(value, list):
        return ", ".join(_item(name, one) for one in value)
    if field is not None and isinstance(value, str | int):
        return paper_of(field, value)
    if isinstance(value, bool):
        value = "yes" if value else "no"
    return str(value).removesuffix(":00") if name in ("cut_off", "delivered_by") else str(value)


def _item(name: str, one: Any) -> str:  # noqa: ANN401 - as above
    if isinstance(one, dict):
        return f"{one.get('name')} {one.get('fewest')}-{one.get('most')}"
    if name.endswith("_days") and isinstance(one, int):
        return DAY_NAMES[one].capitalize()
    return str(one)
