from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import NamedTuple

from cloud.core.calendars import Calendar, chance_at
from cloud.core.consolidation import Candidate, Destination, consolidate, leaves_at
from cloud.core.policies.base import Policy, Terms
from cloud.core.policies.can_order import CanOrder
from cloud.core.policies.min_max import MinMax
from cloud.core.stock import Stock

NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)
HERE = Destination(supplier_id=1, site_id=1)
CAN = CanOrder(reorder_point=10, can_order=30, order_up_to=100)


class Line(NamedTuple):
    bin_id: int
    quantity: int
    joined: bool


def bin_(
    bin_id: int, on_hand: int, to: Destination = HERE, policy: Policy = CAN, doubt: str = ""
) -> Candidate:
    stock = Stock(at=NOW, arrives_at=NOW, covers_until=NOW, on_hand=on_hand, doubt=doubt)
    return Candidate(
        bin_id=bin_id, item_id=bin_id, destination=to, policy=policy, stock=stock, terms=Terms()
    )


def leaving(*bins: Candidate) -> dict[Destination, list[Line]]:
    return {
        order.destination: [
            Line(line.bin_id, line.place.quantity, line.joined) for line in order.lines
        ]
        for order in consolidate(bins, NOW)
    }


def test_what_is_nearly_low_joins_and_leaves_nothing_on_its_own() -> None:
    assert leaving(bin_(1, 25), bin_(2, 29)) == {}
    assert leaving(bin_(3, 5), bin_(1, 25), bin_(2, 31)) == {
        HERE: [Line(1, 75, joined=True), Line(3, 95, joined=False)]
    }


def test_supplier_site_and_ownership_are_kept_apart() -> None:
    others = [
        Destination(supplier_id=2, site_id=1),
        Destination(supplier_id=1, site_id=2),
        Destination(supplier_id=1, site_id=1, consigned=True),
    ]
    bins = [bin_(n, 25, to) for n, to in enumerate(others)]
    assert leaving(bin_(9, 10), *bins) == {HERE: [Line(9, 90, joined=False)]}


def test_a_doubted_bin_and_one_without_such_a_level_do_not_join() -> None:
    plain = MinMax(reorder_point=10, order_up_to=100)
    found = leaving(bin_(1, 5), bin_(2, 25, doubt="the bin is off."), bin_(3, 25, policy=plain))
    assert found == {HERE: [Line(1, 95, joined=False)]}


def test_an_order_waits_for_others_until_the_cut_off_and_a_rush_does_not() -> None:
    chance = chance_at(Calendar(zone="UTC", cut_off=time(14)), NOW)
    half_an_hour = timedelta(minutes=30)
    (calm,) = consolidate([bin_(1, 5)], NOW)
    assert leaves_at(calm, chance, NOW, half_an_hour) == NOW.replace(hour=13, minute=30)
    late = NOW.replace(hour=13, minute=45)
    assert leaves_at(calm, chance, late, half_an_hour) == late
    soon_empty = bin_(1, 5)
    short = replace(soon_empty, stock=replace(soon_empty.stock, expected_usage=6))
    (rush,) = consolidate([short], NOW)
    assert leaves_at(rush, chance, NOW, half_an_hour) == NOW
