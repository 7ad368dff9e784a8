"""What the rules say, in words; and who set what, told as the form shows it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from cloud.http import ordering
from cloud.http.ordering import Says
from cloud.postgres.nouns import Change

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def change(before: dict[str, Any] | None, after: dict[str, Any]) -> Change:
    return Change(
        noun="bin_policy", version=2, at=NOW, by="ops", because="so", before=before, after=after
    )


def test_a_version_is_told_by_what_is_another_in_it() -> None:
    (told,) = ordering.history(
        [
            change(
                {"bin_id": 1, "policy": "min_max", "parameters": {}, "grace_hours": 24},
                {
                    "bin_id": 1,
                    "policy": "days_of_supply",
                    "parameters": {"rate_milli_per_day": 12_500},
                    "grace_hours": 24,
                },
            )
        ]
    )
    assert [(one.label, one.before, one.after) for one in told.differences] == [
        ("Ordered by", "Minimum and maximum", "Days of supply"),
        ("Used a day", "", "12.5"),
    ]


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("rounding", "up", "up, past the level if need be"),
        ("order_days", [0, 4], "Mon, Fri"),
        ("holidays", ["2026-12-24"], "2026-12-24"),
        ("holidays", [], ""),
        ("cut_off", "14:00:00", "14:00"),
        ("automatic", True, "yes"),
        ("steps", [{"name": "full", "fewest": 5, "most": 9}], "full 5-9"),
        ("target_permille", 950, "95"),
    ],
)
def test_each_value_is_told_as_a_form_shows_it(name: str, value: object, text: str) -> None:
    (told,) = ordering.history([change({name: "before"}, {name: value})])
    assert told.differences[0].after == text


def test_what_a_policy_no_longer_has_is_told_as_gone() -> None:
    (told,) = ordering.history([change({"parameters": {"quantity": 5}}, {"parameters": {}})])
    assert [(one.before, one.after) for one in told.differences] == [("5", "")]


def test_a_bin_that_is_called_low_too_late_is_told_so() -> None:
    for low_at, minimum, late in ((500, 400, True), (500, 500, False), (None, 400, False)):
        says = Says(outcome="wait", headline="", because="", low_at=low_at, minimum=minimum)
        assert says.late is late
