"""What people may say of a bin's ordering: read, told back, and refused with what is allowed."""

from dataclasses import fields
from typing import Any

import pytest

from cloud.core.breaches import Limits
from cloud.core.nouns import paper, read, read_paper
from cloud.core.policies.registry import POLICIES
from cloud.core.policy_settings import (
    NEWEST,
    PARAMETERS,
    POLICY,
    POLICY_WORDS,
    PolicySettings,
    limits_mistakes,
    settings_of,
    values_of,
)

LIMITS = Limits(minimum=500, margin=20, capacity=2_000)
EACH: dict[str, dict[str, Any]] = {
    "min_max": {},
    "fixed_quantity": {"quantity": 500, "multiples": False},
    "periodic": {"every_days": 7, "first_day": "2026-12-01"},
    "days_of_supply": {"days_min": 5, "days_max": 20, "rate_milli_per_day": 41_500},
    "can_order": {"can_order": 700},
    "two_bin": {"container": 400, "containers": 2},
    "level_steps": {"steps": "full 800-1000, half 300-799, empty 0-299", "order_at": "half"},
}


def test_every_policy_there_is_may_be_set_and_is_called_something() -> None:
    names = {name for name, _ in POLICIES}
    assert set(PARAMETERS) == set(POLICY_WORDS) == set(EACH) == names
    assert {(name, version) for name, version in NEWEST.items()} <= set(POLICIES)


def test_the_parameters_of_each_are_fields_of_its_policy() -> None:
    of_the_bin = {"reorder_point", "order_up_to", "zone"}
    for name, own in PARAMETERS.items():
        kind = POLICIES[name, NEWEST[name]]
        assert set(own) == {one.name for one in fields(kind)} - of_the_bin  # type: ignore[arg-type] # each is a dataclass


@pytest.mark.parametrize("name", EACH)
def test_what_is_set_is_told_back_as_it_was_said(name: str) -> None:
    said = {"policy": name, **EACH[name], "grace_hours": 6, "moq": 50}
    said |= {"dwell_s": 600, "dwell_levels": 3}
    found = read(POLICY, said)
    assert found.mistakes == ()
    settings = settings_of(found.values, PolicySettings(version=3))
    assert (settings.version, settings.policy, settings.grace_hours) == (3, name, 6)
    assert (settings.dwell_s, settings.dwell_levels) == (600, 3)
    assert set(settings.parameters) == set(EACH[name])
    assert settings_of(values_of(settings), settings) == settings
    again = read_paper(POLICY, paper(POLICY, values_of(settings)))
    assert again.mistakes == ()
    assert settings_of(again.values, settings) == settings


@pytest.mark.parametrize("name", [name for name, own in EACH.items() if own])
def test_a_policy_without_its_parameters_is_refused_with_each_of_them(name: str) -> None:
    missing = {one.field for one in read(POLICY, {"policy": name}).mistakes}
    defaulted = {"multiples", "containers"}
    assert missing == set(EACH[name]) - defaulted


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"policy": "guess"}, "policy"),
        ({"policy": "days_of_supply", "days_min": 9, "days_max": 9, "rate_milli_per_day": 1},
         "days_max"),
        ({"policy": "periodic", "every_days": 7, "first_day": "2026-02-31"}, "first_day"),
        ({"policy": "periodic", "every_days": 7, "first_day": "9999-12-31"}, "first_day"),
        ({"policy": "level_steps", "steps": "full", "order_at": "full"}, "steps"),
        ({"policy": "level_steps", "steps": "full 9-1, empty 0-0", "order_at": "full"}, "steps"),
        ({"policy": "level_steps", "steps": "a 5-9, a 0-4", "order_at": "a"}, "steps"),
        ({"policy": "level_steps", "steps": "full 5-9, empty 0-4", "order_at": "half"},
         "order_at"),
        ({"automatic": True, "minimum_from": 5, "minimum_to": 4}, "minimum_to"),
        ({"automatic": True, "minimum_from": 5}, "minimum_to"),
        ({"policy": "two_bin", "container": 4, "automatic": True}, "automatic"),
        ({"target_permille": 1_000}, "target_permille"),
        ({"rounding": "down"}, "rounding"),
        ({"dwell_s": 86_401}, "dwell_s"),
        ({"dwell_levels": 0}, "dwell_levels"),
    ],
)  # fmt: skip
def test_what_cannot_be_set_is_told_with_what_can(said: dict[str, Any], field: str) -> None:
    mistakes = read(POLICY, said).mistakes
    assert [one.field for one in mistakes] == [field]
    assert mistakes[0].allowed


def test_what_nobody_said_of_the_dwell_is_at_once() -> None:
    settings = settings_of(read(POLICY, {"policy": "min_max"}).values, PolicySettings())
    assert (settings.dwell_s, settings.dwell_levels) == (0, 1)


def test_only_the_bin_can_say_whether_a_level_fits_it() -> None:
    for level, wrong in ((499, True), (500, False), (1_999, False), (2_000, True)):
        values = read(POLICY, {"policy": "can_order", "can_order": level}).values
        assert bool(limits_mistakes(values, LIMITS, None)) is wrong
    values = read(POLICY, {"automatic": True, "minimum_from": 0, "minimum_to": 2_000}).values
    assert [one.field for one in limits_mistakes(values, LIMITS, None)] == ["minimum_to"]


def test_what_was_left_behind_by_another_policy_is_not_kept() -> None:
    said = {"policy": "min_max", "quantity": 500, "container": 9}
    assert settings_of(read(POLICY, said).values, PolicySettings()).parameters == {}
