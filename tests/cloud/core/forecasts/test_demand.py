"""What is forecast is what is billed: used, less what was put back, and nothing else."""

from decimal import Decimal

import pytest

from cloud.core.billing import bill
from cloud.core.followed import MovementKind
from cloud.core.forecasts.demand import KINDS
from tests.cloud.core.test_billing import moved


@pytest.mark.parametrize("kind", MovementKind)
def test_what_teaches_the_forecast_is_what_is_billed(kind: MovementKind) -> None:
    billed = bill([moved(kind, -3)], Decimal(1)).pieces
    assert billed == (3 if kind in KINDS else 0)
