from cloud.core.bins import Bin
from cloud.core.breaches import Limits


def test_two_bins_are_the_same_when_all_that_is_known_of_them_is() -> None:
    limits = Limits(minimum=500, margin=20, capacity=2_000)
    one = Bin(bin_id=1, code="R04-B2", item_id=2, supplier_id=3, site_id=4, limits=limits, pack=500)
    again = Bin(
        bin_id=1, code="R04-B2", item_id=2, supplier_id=3, site_id=4, limits=limits, pack=500
    )
    assert one == again
    assert len({one, again}) == 1
