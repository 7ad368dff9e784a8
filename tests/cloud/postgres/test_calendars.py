"""Calendars in the database: as they were said, with their version, and of known zones."""

from dataclasses import replace
from datetime import date, time
from typing import Any

from cloud.core.calendars import Calendar, LeadKind
from cloud.postgres import calendars

CALENDAR = Calendar(
    zone="Europe/Zurich",
    order_days=(0, 2),
    cut_off=time(10, 30),
    lead_days=4,
    lead_kind=LeadKind.CALENDAR,
    delivery_days=(1,),
    holidays=(date(2026, 12, 24), date(2026, 12, 25)),
    gathers=True,
)


def test_what_is_saved_is_read_with_its_version(shelf: Any) -> None:
    assert calendars.of_supplier(shelf.admin, shelf.supplier_id) is None
    calendars.save(shelf.admin, shelf.supplier_id, CALENDAR)
    assert calendars.of_supplier(shelf.admin, shelf.supplier_id) == (1, CALENDAR)
    longer = replace(CALENDAR, lead_days=5)
    calendars.save(shelf.admin, shelf.supplier_id, longer)
    assert calendars.of_supplier(shelf.admin, shelf.supplier_id) == (2, replace(longer, version=2))


def test_a_supplier_has_its_bins_in_use_and_the_zones_it_delivers_to(make_shelf: Any) -> None:
    shelf, other = make_shelf("HRT-1"), make_shelf("HRT-2")
    shelf.admin.execute("UPDATE sites SET time_zone = 'Asia/Kolkata' WHERE name LIKE '%% 2'")
    assert calendars.bins_of_supplier(shelf.admin, shelf.supplier_id) == [shelf.bin_id]
    zones = calendars.zones_of_supplier(shelf.admin, other.supplier_id)
    assert zones == ["Asia/Kolkata", "Europe/Berlin"]
    shelf.admin.execute("UPDATE bins SET active = false")
    assert calendars.bins_of_supplier(shelf.admin, shelf.supplier_id) == []


def test_a_zone_that_no_machine_knows_is_taken_for_utc() -> None:
    assert calendars.known_zone("Mars/Olympus") == "UTC"
    assert calendars.known_zone("Asia/Kolkata") == "Asia/Kolkata"
