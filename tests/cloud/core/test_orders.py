import pytest

from cloud.core.orders import number_of, order_label


def test_an_order_is_called_the_same_everywhere() -> None:
    assert order_label(1001) == "RO-1001"


@pytest.mark.parametrize("written", ["RO-1004", "ro-1004", "1004"])
def test_however_people_write_its_number_it_is_found(written: str) -> None:
    assert number_of(written) == 1004
