"""The policies there are, by the name a stored decision gives. A new one is a line here."""

from typing import Final

from cloud.core.plain import Plain, value_of
from cloud.core.policies.base import Policy
from cloud.core.policies.can_order import CanOrder
from cloud.core.policies.days_of_supply import DaysOfSupply
from cloud.core.policies.fixed_quantity import FixedQuantity
from cloud.core.policies.level_steps import LevelSteps
from cloud.core.policies.min_max import MinMax
from cloud.core.policies.periodic import Periodic
from cloud.core.policies.two_bin import TwoBin

Key = tuple[str, int]  # name and version

POLICIES: Final[dict[Key, type[Policy]]] = {
    (kind.name, kind.version): kind
    for kind in (
        MinMax, FixedQuantity, Periodic, DaysOfSupply, CanOrder, TwoBin, LevelSteps,
    )
}  # fmt: skip


def policy_of(name: str, version: int, parameters: Plain) -> Policy:
    """The policy that stored parameters stand for. An unknown one is a defect of the caller's."""
    return value_of(POLICIES[name, version], parameters)
