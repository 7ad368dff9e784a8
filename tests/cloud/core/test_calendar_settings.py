"""A calendar as people say it: read, told back, refused where nothing could be ordered by it."""

from datetime import UTC, date, datetime, time
from typing import Any

import pytest

from cloud.core.calendar_settings import FIELDS, chances, read, told
from cloud.core.calendars import Calendar, LeadKind

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)  # a Friday
GOOD: dict[str, Any] = {
    "zone": "Europe/Berlin",
    "order_days": ["fri", "tue"],
    "cut_off": "14:00",
    "lead_days": 3,
    "lead_kind": "calendar",
    "working_days": ["mon", "tue", "wed", "thu", "fri"],
    "delivery_days": ["tue", "thu"],
    "delivered_by": "18:00",
    "holidays": ["2026-12-25", "2026-12-24"],
    "gathers": True,
}


def test_what_is_said_is_what_holds() -> None:
    found = read(GOOD, NOON)
    assert found.mistakes == ()
    assert found.calendar == Calendar(
        zone="Europe/Berlin",
        order_days=(1, 4),
        cut_off=time(14),
        lead_days=3,
        lead_kind=LeadKind.CALENDAR,
        delivery_days=(1, 3),
        holidays=(date(2026, 12, 24), date(2026, 12, 25)),
        gathers=True,
    )
    assert read(told(found.calendar), NOON).calendar == found.calendar
    assert set(told(found.calendar)) == set(FIELDS)


def test_what_is_left_out_has_its_default() -> None:
    assert read({"zone": "UTC"}, NOON).calendar == Calendar(zone="UTC")


def test_what_it_comes_to_can_be_checked() -> None:
    calendar = read(GOOD, NOON).calendar
    assert calendar is not None
    found = chances(calendar, NOON)
    # Today until 14:00 in Berlin; Monday is no delivery day, and Tuesday the first.
    assert (found.now.order_day, found.now.delivery_day) == (date(2026, 11, 20), date(2026, 11, 24))
    assert found.then.order_day == date(2026, 11, 24)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"zone": "Mars/Olympus"}, "zone"),
        ({"zone": "Europe"}, "zone"),
        ({"zone": ""}, "zone"),
        ({"order_days": []}, "order_days"),
        ({"order_days": ["someday"]}, "order_days"),
        ({"delivery_days": "tue"}, "delivery_days"),
        ({"cut_off": "25:00"}, "cut_off"),
        ({"cut_off": "14:00+01:00"}, "cut_off"),
        ({"lead_days": -1}, "lead_days"),
        ({"lead_days": "3"}, "lead_days"),
        ({"lead_days": 731}, "lead_days"),
        ({"lead_kind": "lunar"}, "lead_kind"),
        ({"holidays": ["christmas"]}, "holidays"),
        ({"holidays": "2026-12-24"}, "holidays"),
        ({"gathers": "sometimes"}, "gathers"),
        ({"colour": 1}, "colour"),
    ],
)
def test_what_cannot_be_is_told_with_what_can(wrong: dict[str, Any], field: str) -> None:
    found = read({**GOOD, **wrong}, NOON)
    assert found.calendar is None
    assert [one.field for one in found.mistakes] == [field]
    assert found.mistakes[0].allowed


def test_a_calendar_that_never_opens_is_refused_before_a_bin_runs_low() -> None:
    christmas_only = {"order_days": ["thu"], "delivery_days": ["thu"]}
    thursdays = [date.fromordinal(date(2026, 11, 26).toordinal() + 7 * n) for n in range(160)]
    found = read({**GOOD, **christmas_only, "holidays": [str(day) for day in thursdays]}, NOON)
    assert found.calendar is None
    assert "takes no order" in found.mistakes[0].allowed


def test_every_mistake_is_told_at_once() -> None:
    found = read({"zone": "x", "order_days": [], "cut_off": "noon", "lead_days": None}, NOON)
    assert {one.field for one in found.mistakes} == {"zone", "order_days", "cut_off"}
