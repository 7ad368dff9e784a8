"""A bin: the place that holds one item, and what its supplier and its minimum are."""

from dataclasses import dataclass

from cloud.core.breaches import Limits


@dataclass(frozen=True, kw_only=True)
class Bin:
    bin_id: int
    code: str
    item_id: int
    supplier_id: int
    site_id: int
    consigned: bool = False  # the supplier's until it is used
    limits: Limits
    pack: int  # the supplier delivers in multiples of it
