"""The clauses of an agreement as people write and read them: fields of a form, sentences of a page.

Forms and the API read by the same table, as with the nouns people keep (`core.nouns`), so that
every mistake is told at once with what is allowed.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from cloud.core.agreements import (
    Band,
    Clauses,
    Limit,
    Mode,
    Ownership,
    Service,
    Share,
    Target,
)
from cloud.core.nouns import Field, Kind, Mistake, Noun, Value, Values, number_field

_HOURS_MAX = 8_760
_DAY = r"\d{4}-\d{2}-\d{2}"
_PERCENT = 100


def _hours(name: str, label: str, default: int, hint: str) -> Field:
    return number_field(name, label, high=_HOURS_MAX, default=default, hint=hint)


def _day(name: str, label: str, *, required: bool, hint: str) -> Field:
    return Field(
        name=name,
        label=label,
        required=required,
        pattern=_DAY,
        allowed="a day, as 2026-11-30" + ("" if required else ", or nothing"),
        hint=hint,
    )


def _rule(values: Values) -> list[Mistake]:
    mistakes = [
        Mistake(field=name, given=str(values[name]), allowed="a day that is in the calendar")
        for name in ("valid_from", "valid_until")
        if values.get(name) and _date(values[name]) is None
    ]
    draft, escalate = values.get("draft_hours"), values.get("escalate_after_hours")
    if isinstance(draft, int) and isinstance(escalate, int) and escalate > draft:
        allowed = f"at most the {draft} hours for which a draft waits"
        mistakes.append(Mistake(field="escalate_after_hours", given=str(escalate), allowed=allowed))
    if (values.get("service") is None) != (values.get("target_per_mille") is None):
        missing = "service" if values.get("service") is None else "target_per_mille"
        allowed = "a target and its kind, or neither: 95 % alone says nothing"
        mistakes.append(Mistake(field=missing, given="", allowed=allowed))
    begins, ends = _date(values.get("valid_from")), _date(values.get("valid_until"))
    if begins is not None and ends is not None and ends < begins:
        allowed = f"{begins} or later, or nothing"
        mistakes.append(Mistake(field="valid_until", given=str(ends), allowed=allowed))
    return mistakes


CLAUSES = Noun(
    name="clauses",
    plural="clauses",
    title="Clauses",
    key=(),
    fields=(
        Field(
            name="mode",
            label="What happens when a bin is low",
            kind=Kind.CHOICE,
            choices=tuple(Mode),
            default=Mode.APPROVE,
            hint="auto: the order leaves · approve: a person says yes first · notify: one notice,"
            " no order · shadow: only written down",
        ),
        number_field(
            "value_limit",
            "Ask above this value",
            digits=2,
            high=10**12,
            hint="of one order, in the currency of its prices; empty: no limit",
        ),
        _hours("draft_hours", "A draft waits, hours", 24, "then it expires"),
        _hours("escalate_after_hours", "Ask the next person after, hours", 8, ""),
        Field(
            name="ownership",
            label="Whose the parts in the bins are",
            kind=Kind.CHOICE,
            choices=tuple(Ownership),
            default=Ownership.OWNED,
            hint="consigned: the supplier's until they are used",
        ),
        Field(
            name="service",
            label="Kind of target",
            kind=Kind.CHOICE,
            choices=tuple(Service),
            hint="cycle: times a bin lasts until its refill · fill: pieces served at once",
        ),
        number_field(
            "target_per_mille",
            "Target, %",
            paper="target_percent",
            digits=1,
            low=1,
            high=999,
        ),
        number_field(
            "supply_days",
            "Days of supply, at most",
            low=1,
            high=3_650,
            hint="the median of the bins; empty: no target",
        ),
        number_field(
            "stock_value",
            "Mean stock is worth at most",
            digits=2,
            high=10**12,
            hint="at the supplier's prices; empty: no target",
        ),
        _hours("answer_hours", "An order is answered within, hours", 24, ""),
        _hours("grace_hours", "Overdue after, hours", 24, "past the time promised"),
        number_field(
            "band_quantity_percent",
            "May deliver more or less, %",
            high=_PERCENT,
            default=0,
            hint="without asking",
        ),
        number_field(
            "band_postpone_days",
            "May deliver later, days",
            high=365,
            default=0,
            hint="without asking",
        ),
        number_field(
            "band_limits_percent",
            "Limits may be moved, %",
            high=_PERCENT,
            default=0,
            hint="a proposal that moves them no further holds at once",
        ),
        Field(
            name="shares_levels",
            label="The supplier sees what the bins hold",
            kind=Kind.FLAG,
            default=True,
        ),
        _day("valid_from", "Holds from", required=True, hint="today or earlier"),
        _day("valid_until", "Holds until", required=False, hint="the last day; empty: for good"),
    ),
    rule=_rule,
)
LIMIT = Noun(
    name="limit",
    plural="limits",
    title="Limits",
    key=("bin",),
    fields=(
        Field(name="bin", label="Bin", required=True, pattern="[A-Z0-9-]{2,32}"),
        Field(name="minimum", label="Minimum", kind=Kind.NUMBER, required=True),
        Field(name="order_up_to", label="Order up to", kind=Kind.NUMBER, required=True, low=1),
    ),
)


def clauses_of(values: Values) -> Clauses:
    """Of values without a mistake."""
    service, per_mille = values.get("service"), values.get("target_per_mille")
    target = None
    if service is not None and per_mille is not None:
        target = Target(service=Service(str(service)), per_mille=int(per_mille))
    begins = _date(values["valid_from"])
    assert begins is not None, "it was read without a mistake"
    return Clauses(
        mode=Mode(str(values["mode"])),
        value_limit=_int_or_none(values, "value_limit"),
        draft_hours=_int(values, "draft_hours"),
        escalate_after_hours=_int(values, "escalate_after_hours"),
        ownership=Ownership(str(values["ownership"])),
        target=target,
        supply_days=_int_or_none(values, "supply_days"),
        stock_value=_int_or_none(values, "stock_value"),
        answer_hours=_int(values, "answer_hours"),
        grace_hours=_int(values, "grace_hours"),
        band=Band(
            quantity_percent=_int(values, "band_quantity_percent"),
            postpone_days=_int(values, "band_postpone_days"),
            limits_percent=_int(values, "band_limits_percent"),
        ),
        shared=frozenset({Share.LEVELS} if values["shares_levels"] else set()),
        valid_from=begins,
        valid_until=_date(values.get("valid_until")),
    )


def values_of(clauses: Clauses) -> dict[str, Value]:
    target = clauses.target
    return {
        "mode": clauses.mode.value,
        "value_limit": clauses.value_limit,
        "draft_hours": clauses.draft_hours,
        "escalate_after_hours": clauses.escalate_after_hours,
        "ownership": clauses.ownership.value,
        "service": None if target is None else target.service.value,
        "target_per_mille": None if target is None else target.per_mille,
        "supply_days": clauses.supply_days,
        "stock_value": clauses.stock_value,
        "answer_hours": clauses.answer_hours,
        "grace_hours": clauses.grace_hours,
        "band_quantity_percent": clauses.band.quantity_percent,
        "band_postpone_days": clauses.band.postpone_days,
        "band_limits_percent": clauses.band.limits_percent,
        "shares_levels": Share.LEVELS in clauses.shared,
        "valid_from": clauses.valid_from.isoformat(),
        "valid_until": None if clauses.valid_until is None else clauses.valid_until.isoformat(),
    }


# ------------------------------------------------------------------------------ in plain words


def in_words(clauses: Clauses) -> dict[str, str]:
    """Each clause as a sentence, by its title, in the order of a page."""
    return {
        "Orders": _orders(clauses),
        "Answer": f"The supplier answers an order within {_time(clauses.answer_hours)}.",
        "Overdue": f"An order counts as overdue {_time(clauses.grace_hours)} after its time.",
        "Service": _service(clauses.target),
        "Stock": _stock(clauses),
        "Ownership": "The parts are the supplier's until they are used: usage is billed."
        if clauses.ownership is Ownership.CONSIGNED
        else "The parts are the customer's as soon as they are delivered.",
        "Room to move": _band(clauses.band),
        "Shown": "The supplier sees what its bins hold."
        if Share.LEVELS in clauses.shared
        else "The supplier sees its orders, and not what its bins hold.",
        "Holds": f"From {_long(clauses.valid_from)}"
        + (f" to {_long(clauses.valid_until)}." if clauses.valid_until else " on, without an end."),
    }


def _orders(clauses: Clauses) -> str:
    draft = (
        f"a draft waits {_time(clauses.draft_hours)}, and after"
        f" {_time(clauses.escalate_after_hours)} the next person is asked."
    )
    match clauses.mode:
        case Mode.AUTO:
            if clauses.value_limit is None:
                return "Orders leave by themselves."
            worth = _worth(clauses.value_limit)
            return (
                f"Orders leave by themselves up to a value of {worth}, in the currency of their"
                f" prices. Above it {draft}"
            )
        case Mode.APPROVE:
            return f"A person approves every order: {draft}"
        case Mode.NOTIFY:
            return "A low bin is told, once, and nothing is ordered."
        case Mode.SHADOW:
            return "What would have been ordered is written down, and nobody is told."


def _service(target: Target | None) -> str:
    if target is None:
        return "No target was agreed on."
    percent = f"{target.per_mille / 10:g} %"
    match target.service:
        case Service.FILL:
            return f"{percent} of the pieces asked for are there at once (fill)."
        case Service.CYCLE:
            return f"In {percent} of all cycles no bin runs out before its refill (cycle service)."


def _stock(clauses: Clauses) -> str:
    told = []
    if clauses.supply_days is not None:
        unit = "day" if clauses.supply_days == 1 else "days"
        told.append(f"no more than {clauses.supply_days:,} {unit} of supply")
    if clauses.stock_value is not None:
        told.append(f"no more than is worth {_worth(clauses.stock_value)} on average")
    return f"There lies {', and '.join(told)}." if told else "No target was agreed on."


def _band(band: Band) -> str:
    free = []
    if band.quantity_percent:
        free.append(f"deliver up to {band.quantity_percent} % more or less")
    if band.postpone_days:
        unit = "day" if band.postpone_days == 1 else "days"
        free.append(f"deliver up to {band.postpone_days} {unit} later")
    supplier = f"The supplier may {' and '.join(free)} without asking." if free else ""
    limits = (
        f"Limits that are moved by up to {band.limits_percent} % hold at once."
        if band.limits_percent
        else "Every change of a limit takes both sides."
    )
    return f"{supplier} {limits}".strip()


@dataclass(frozen=True, kw_only=True)
class Difference:
    title: str
    before: str
    after: str


def differences(before: Clauses, after: Clauses) -> list[Difference]:
    was = in_words(before)
    return [
        Difference(title=title, before=was[title], after=text)
        for title, text in in_words(after).items()
        if was[title] != text
    ]


def moved_limits(
    before: Iterable[Limit], after: Iterable[Limit]
) -> dict[int, tuple[Limit | None, Limit | None]]:
    """What would be another limit than before, by bin; None: the agreement says nothing of it."""
    was = {limit.bin_id: limit for limit in before}
    become = {limit.bin_id: limit for limit in after}
    return {
        bin_id: (was.get(bin_id), become.get(bin_id))
        for bin_id in sorted(was.keys() | become.keys())
        if was.get(bin_id) != become.get(bin_id)
    }


def limit_mistakes(
    limit: Mapping[str, Value], capacity: int, code: str
) -> tuple[int, int] | list[Mistake]:
    """Minimum and maximum of one bin as they may be agreed on, or what is wrong with them."""
    minimum, order_up_to = limit.get("minimum"), limit.get("order_up_to")
    if not isinstance(minimum, int) or not isinstance(order_up_to, int):
        return []
    if minimum >= capacity:
        allowed = f"less than the capacity {capacity:,}"
        return [Mistake(field=f"{code}.minimum", given=str(minimum), allowed=allowed)]
    if not minimum < order_up_to <= capacity:
        allowed = f"above the minimum {minimum:,}, at most the capacity {capacity:,}"
        return [Mistake(field=f"{code}.order_up_to", given=str(order_up_to), allowed=allowed)]
    return minimum, order_up_to


def _int(values: Values, name: str) -> int:
    value = values[name]
    assert isinstance(value, int), "it was read without a mistake"
    return value


def _int_or_none(values: Values, name: str) -> int | None:
    return None if values.get(name) is None else _int(values, name)


def _worth(coins: int) -> str:
    return f"{coins // 100:,}.{coins % 100:02}"


def _date(value: Value) -> date | None:
    if not isinstance(value, str) or not re.fullmatch(_DAY, value):
        return None
    try:
        return date.fromisoformat(value)
    except ValueError:
        return None


def _time(hours: int) -> str:
    if hours and hours % 24 == 0:
        days = hours // 24
        return "a day" if days == 1 else f"{days:,} days"
    return "an hour" if hours == 1 else f"{hours:,} hours"


def _long(day: date) -> str:
    return f"{day.day} {day:%b %Y}"
