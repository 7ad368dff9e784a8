import pytest

from cloud.core.policies.min_max import MinMax
from cloud.core.policies.registry import POLICIES, policy_of


def test_a_policy_is_found_by_the_name_and_version_it_gives_itself() -> None:
    for (name, version), kind in POLICIES.items():
        assert (kind.name, kind.version) == (name, version)


def test_stored_parameters_make_the_policy_again() -> None:
    stored = {"reorder_point": 20, "order_up_to": 60}
    assert policy_of("min_max", 1, stored) == MinMax(reorder_point=20, order_up_to=60)


def test_a_version_nobody_kept_is_a_defect() -> None:
    with pytest.raises(KeyError):
        policy_of("min_max", 99, {})
