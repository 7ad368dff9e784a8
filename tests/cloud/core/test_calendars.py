from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.core.calendars import (
    EVERY_DAY,
    MONDAY_TO_FRIDAY,
    Calendar,
    LeadKind,
    chance_after,
    chance_at,
    covers_until,
    longest_protection,
    protection_interval,
)
from cloud.core.refusals import CalendarNeverOpens

BERLIN = "Europe/Berlin"
EASTER = (date(2026, 4, 3), date(2026, 4, 6))
WORKING, CALENDAR = LeadKind.WORKING, LeadKind.CALENDAR
WEEKDAYS, ALL = MONDAY_TO_FRIDAY, EVERY_DAY

CASES = [
    # now, zone, cut-off, order days, lead, delivery days, holidays, ordered, delivered
    ("2026-03-04T12:00Z", BERLIN, "14:00", WEEKDAYS, 2, WORKING, WEEKDAYS, (), "03-04", "03-06"),
    ("2026-03-04T13:01Z", BERLIN, "14:00", WEEKDAYS, 2, WORKING, WEEKDAYS, (), "03-05", "03-09"),
    ("2026-03-06T09:00Z", BERLIN, "14:00", (1, 4), 3, WORKING, (1, 3), (), "03-06", "03-12"),
    ("2026-04-02T10:00Z", BERLIN, "12:00", WEEKDAYS, 2, WORKING, WEEKDAYS, EASTER,
     "04-02", "04-08"),
    ("2026-02-27T20:00Z", "America/New_York", "16:00", (4,), 10, WORKING, WEEKDAYS, (),
     "02-27", "03-13"),
    # Half past midnight on the night the clocks go back.
    ("2026-10-24T22:30Z", BERLIN, "23:59", ALL, 1, CALENDAR, ALL, (), "10-25", "10-26"),
    # 19:30 UTC is one o'clock of the next day where the clocks are half an hour off.
    ("2026-06-03T19:30Z", "Asia/Kolkata", "17:00", WEEKDAYS, 1, WORKING, WEEKDAYS, (),
     "06-04", "06-05"),
    ("2026-06-03T11:30Z", "Asia/Kolkata", "17:00", WEEKDAYS, 1, WORKING, WEEKDAYS, (),
     "06-03", "06-04"),
    # Summer time begins: 14:00 in Berlin is 13:00 UTC on the Friday, and 12:00 on the Monday.
    ("2026-03-27T13:00Z", BERLIN, "14:00", WEEKDAYS, 1, WORKING, WEEKDAYS, (), "03-27", "03-30"),
    ("2026-03-30T12:01Z", BERLIN, "14:00", WEEKDAYS, 1, WORKING, WEEKDAYS, (), "03-31", "04-01"),
    ("2026-04-02T10:01Z", BERLIN, "12:00", WEEKDAYS, 2, WORKING, WEEKDAYS, EASTER,
     "04-07", "04-09"),
    # Without a lead time: by the evening's deliveries, or when they are over, by the next ones.
    ("2026-11-27T16:59Z", BERLIN, "23:59", ALL, 0, CALENDAR, WEEKDAYS, (), "11-27", "11-27"),
    ("2026-11-27T18:25Z", BERLIN, "23:59", ALL, 0, CALENDAR, WEEKDAYS, (), "11-27", "11-30"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("now", "zone", "cut_off", "days", "lead", "kind", "deliveries", "holidays", "order", "came"),
    CASES,
)
def test_an_order_leaves_and_arrives_on_the_suppliers_days(
    *, now: str, zone: str, cut_off: str, days: tuple[int, ...], lead: int, kind: LeadKind,
    deliveries: tuple[int, ...], holidays: tuple[date, ...], order: str, came: str,
) -> None:  # fmt: skip
    calendar = Calendar(
        zone=zone, cut_off=time.fromisoformat(cut_off), order_days=days, lead_days=lead,
        lead_kind=kind, delivery_days=deliveries, holidays=holidays,
    )  # fmt: skip
    chance = chance_at(calendar, datetime.fromisoformat(now))
    assert str(chance.order_day) == f"2026-{order}"
    assert str(chance.delivery_day) == f"2026-{came}"


def test_the_cut_off_itself_is_in_time_and_a_second_later_is_not() -> None:
    calendar = Calendar(zone=BERLIN, cut_off=time(14))
    at = datetime(2026, 3, 4, 13, tzinfo=UTC)
    assert chance_at(calendar, at).order_day == date(2026, 3, 4)
    assert chance_at(calendar, at + timedelta(seconds=1)).order_day == date(2026, 3, 5)


def test_a_cut_off_that_the_clock_shows_twice_is_the_second_and_one_it_skips_is_not_lost() -> None:
    twice = Calendar(zone=BERLIN, cut_off=time(2, 30), order_days=EVERY_DAY)
    assert chance_at(twice, datetime(2026, 10, 25, 0, 0, tzinfo=UTC)).until == datetime(
        2026, 10, 25, 1, 30, tzinfo=UTC
    )
    assert chance_at(twice, datetime(2026, 3, 29, 0, 0, tzinfo=UTC)).until == datetime(
        2026, 3, 29, 1, 30, tzinfo=UTC
    )


def test_an_order_has_to_last_until_the_one_of_the_next_chance_arrives() -> None:
    """A weekly round needs a week of cover, even if the truck came the same day."""
    weekly = Calendar(zone="UTC", order_days=(0,), delivery_days=(0,), cut_off=time(9))
    monday = datetime(2026, 11, 30, 8, tzinfo=UTC)
    assert chance_at(weekly, monday).delivery_day == date(2026, 11, 30)
    assert covers_until(weekly, monday) == datetime(2026, 12, 7, 18, tzinfo=UTC)
    assert protection_interval(weekly, monday) == timedelta(days=7, hours=10)


def test_a_holiday_that_is_added_moves_what_has_to_be_covered() -> None:
    before = Calendar(zone=BERLIN, order_days=(0,), lead_days=1)
    after = Calendar(
        zone=BERLIN, order_days=(0,), lead_days=1, holidays=(date(2026, 12, 7),), version=2
    )
    now = datetime(2026, 11, 30, 8, tzinfo=UTC)
    assert covers_until(after, now) - covers_until(before, now) == timedelta(days=7)


def test_where_the_customer_is_closed_the_truck_comes_later() -> None:
    calendar = Calendar(zone="UTC", lead_days=1, closed=(date(2026, 12, 1), date(2026, 12, 2)))
    chance = chance_at(calendar, datetime(2026, 11, 30, 8, tzinfo=UTC))
    assert chance.delivery_day == date(2026, 12, 3)


def test_a_calendar_that_never_opens_is_refused() -> None:
    every_monday = tuple(date(2026, 1, 5) + timedelta(days=7 * n) for n in range(300))
    calendar = Calendar(zone="UTC", order_days=(0,), holidays=every_monday)
    with pytest.raises(CalendarNeverOpens):
        chance_at(calendar, datetime(2026, 11, 30, 8, tzinfo=UTC))


weekdays = st.lists(st.integers(0, 6), min_size=1, unique=True).map(tuple)
CALENDARS = st.builds(
    Calendar,
    zone=st.sampled_from([BERLIN, "Asia/Kolkata", "America/St_Johns", "Pacific/Apia", "UTC"]),
    order_days=weekdays,
    working_days=weekdays,
    delivery_days=weekdays,
    cut_off=st.times(),
    lead_days=st.integers(0, 15),
    lead_kind=st.sampled_from(LeadKind),
    holidays=st.lists(st.dates(date(2026, 1, 1), date(2026, 12, 31)), max_size=10).map(tuple),
)
TIMES = st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - made aware


@given(calendar=CALENDARS, now=TIMES)
def test_chances_lie_ahead_in_order_and_arrive_on_days_of_delivery(
    calendar: Calendar, now: datetime
) -> None:
    first = chance_at(calendar, now)
    second = chance_after(calendar, first)
    assert now <= first.until < second.until
    assert first.arrives_at <= second.arrives_at
    for chance in (first, second):
        assert chance.order_day.weekday() in calendar.order_days
        assert chance.delivery_day.weekday() in calendar.delivery_days
        assert chance.delivery_day >= chance.order_day
        assert not {chance.order_day, chance.delivery_day} & set(calendar.holidays)
        local = chance.until.astimezone(ZoneInfo(calendar.zone)).date()
        assert abs(local - chance.order_day) <= timedelta(days=1)


def test_the_longest_a_decision_has_to_last_is_over_the_longest_pause() -> None:
    # Tuesdays and Fridays, three days, trucks on Tuesdays and Thursdays, as in the cases above.
    calendar = Calendar(
        zone="UTC",
        order_days=(1, 4),
        cut_off=time(14),
        lead_days=3,
        lead_kind=LeadKind.CALENDAR,
        delivery_days=(1, 3),
    )
    # Not ordered on a Friday at 14:00: what Tuesday orders is there on Tuesday a week later, 18:00.
    friday_to_tuesday = timedelta(days=11, hours=4)
    for day in range(14):
        now = datetime(2026, 3, 2, tzinfo=UTC) + timedelta(days=day)
        assert longest_protection(calendar, now) == friday_to_tuesday


@given(calendar=CALENDARS, now=TIMES)
def test_it_is_never_shorter_than_from_one_chance_to_the_arrival_of_the_next(
    calendar: Calendar, now: datetime
) -> None:
    first = chance_at(calendar, now)
    second = chance_after(calendar, first)
    assert longest_protection(calendar, now) >= second.arrives_at - first.until
