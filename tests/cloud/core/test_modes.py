from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from cloud.core.agreements import Band, Clauses, Mode
from cloud.core.modes import Course, course_of, may_change, may_create, may_postpone
from cloud.core.policies.base import Place

NINE = datetime(2026, 11, 30, 9, tzinfo=UTC)
DAY = timedelta(days=1)
CLAUSES = Clauses(valid_from=date(2026, 1, 1), valid_until=date(2026, 12, 31))
PLACE = Place(quantity=10, packs=1, cycle=1, ordinal=1, rush=False, because="2 on hand.")
BAND = replace(CLAUSES, mode=Mode.AUTO, band=Band(quantity_percent=10, postpone_days=2))


@pytest.mark.parametrize(
    ("mode", "limit", "value", "today", "course"),
    [
        (Mode.AUTO, None, None, "2026-11-30", Course.SEND),
        (Mode.AUTO, 100, 100, "2026-11-30", Course.SEND),
        (Mode.AUTO, 100, 101, "2026-11-30", Course.DRAFT),
        (Mode.AUTO, 100, None, "2026-11-30", Course.DRAFT),
        (Mode.AUTO, None, 1, "2027-01-01", Course.DRAFT),
        (Mode.APPROVE, None, 1, "2026-11-30", Course.DRAFT),
        (Mode.NOTIFY, None, 1, "2026-11-30", Course.TELL),
        (Mode.SHADOW, None, 1, "2026-11-30", Course.NOTE),
    ],
)
def test_what_is_done_follows_from_the_mode(
    *, mode: Mode, limit: int | None, value: int | None, today: str, course: Course
) -> None:
    doing = course_of(
        replace(CLAUSES, mode=mode, value_limit=limit),
        PLACE,
        value=value,
        today=date.fromisoformat(today),
        now=NINE,
    )
    assert doing.course is course
    assert doing.because.endswith(PLACE.because)
    drafted = course is Course.DRAFT
    assert doing.expires_at == (NINE + DAY if drafted else None)
    assert doing.escalates_at == (NINE + timedelta(hours=8) if drafted else None)


@pytest.mark.parametrize(
    ("pieces", "capacity", "allowed"), [(90, 200, True), (91, 200, False), (85, 104, False)]
)
def test_a_supplier_may_fill_up_to_what_was_agreed_and_never_past_the_capacity(
    *, pieces: int, capacity: int, allowed: bool
) -> None:
    asked = may_create(BAND, pieces=pieces, position=20, order_up_to=100, capacity=capacity)
    assert asked.allowed is allowed
    quiet = replace(BAND, mode=Mode.NOTIFY)
    assert not may_create(quiet, pieces=1, position=0, order_up_to=100, capacity=None).allowed


@pytest.mark.parametrize(("pieces", "allowed"), [(90, True), (110, True), (89, False)])
def test_a_supplier_may_change_a_quantity_within_the_band(*, pieces: int, allowed: bool) -> None:
    assert may_change(BAND, asked=100, pieces=pieces).allowed is allowed


@pytest.mark.parametrize(
    ("days", "runs_out", "allowed"),
    [(2, None, True), (3, None, False), (2, 1, False), (1, 1, True), (-3, None, True)],
)
def test_a_supplier_may_postpone_within_the_band_and_not_past_the_run_out(
    *, days: int, runs_out: int | None, allowed: bool
) -> None:
    asked = may_postpone(
        BAND,
        due_at=NINE,
        to=NINE + days * DAY,
        runs_out_at=None if runs_out is None else NINE + runs_out * DAY,
    )
    assert asked.allowed is allowed
    assert asked.because.endswith(".")


def test_where_no_later_day_was_agreed_on_it_says_so_and_not_more_than_none() -> None:
    late = may_postpone(CLAUSES, due_at=NINE, to=NINE + DAY, runs_out_at=None)
    assert (late.allowed, late.because) == (
        False,
        "That is later than asked for, and no later day was agreed on.",
    )
    assert may_postpone(CLAUSES, due_at=NINE, to=NINE, runs_out_at=None).allowed
