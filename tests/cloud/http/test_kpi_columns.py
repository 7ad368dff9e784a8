from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cloud.actions.measure import Measured
from cloud.core.asked import Asked, Group
from cloud.core.kpis import (
    ForecastAccuracy,
    OrderAccuracy,
    OrderCycle,
    Overstock,
    StockAccuracy,
    Turnover,
)
from cloud.http.kpi_columns import COLUMNS, hours, number, signed_percent
from cloud.http.words import UNDEFINED

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
NOTHING = Measured(
    key=1, name="Lindau", asked=Asked(from_at=NOON, to_at=NOON, group=Group.SITE), bin_count=1,
    counts=0, fill_rate=None, used=0, unseen=0, stock_outs=0, empty=timedelta(), availability=None,
    coverage=None, accuracy=StockAccuracy(hit_rate=None, gross=None, net=None), order_count=0,
    cycle=OrderCycle(
        response_hours_median=None, unanswered=0, cycle_hours_mean=None, cycle_hours_p90=None,
        open_orders=0,
    ),
    delivered=OrderAccuracy(shipped_as_ordered=None, weighed_as_shipped=None), rush=None,
    zero_touch=None, days_of_supply=None, turnover=Turnover(turns=None, days=None),
    overstock=Overstock(value=0, share_of_bins=None), mean_stock_e4=None, currency=None,
    forecast=ForecastAccuracy(weeks=0, rmsse=None, bias=None, lead_time_wape=None), bullwhip=None,
    reckoned_at=None,
)  # fmt: skip


def _below(measured: Measured) -> dict[str, str]:
    return {column.title: column.sub(measured) for column in COLUMNS}


def test_below_a_number_that_is_not_defined_stands_of_what_there_is_nothing() -> None:
    told = _below(NOTHING)
    assert not any(UNDEFINED in text for text in told.values())
    assert told["Availability"] == "nothing is known"
    assert told["Accuracy"] == "nobody counted"
    assert {told[title] for title in ("Response", "Order cycle", "As ordered", "Zero touch")} == {
        "no order"
    }
    assert told["Forecast"] == "no whole week"


def test_of_orders_that_have_not_come_it_says_so() -> None:
    cycle = replace(NOTHING.cycle, unanswered=1, open_orders=2)
    told = _below(replace(NOTHING, order_count=2, cycle=cycle))
    assert (told["Response"], told["Order cycle"]) == ("1 unanswered", "none has come, 2 open")
    assert told["As ordered"] == "no shipment told"
    came = replace(cycle, cycle_hours_p90=61.0)
    assert _below(replace(NOTHING, order_count=9, cycle=came))["Order cycle"] == (
        "9 of 10 in 2.5 d, 2 open"
    )


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (None, UNDEFINED),
        (0.0, "0.0 %"),
        (0.1234, "+12.3 %"),
        (-0.1234, "\N{MINUS SIGN}12.3 %"),
        (-0.0001, "0.0 %"),
    ],
)
def test_a_bias_has_its_sign(share: float | None, text: str) -> None:
    assert signed_percent(share) == text


def test_what_is_not_defined_is_a_dash_and_never_zero() -> None:
    assert hours(None) == number(None) == UNDEFINED
    assert (hours(1.5), number(1_234.56)) == ("1 h 30 min", "1,234.6")


def test_every_kpi_has_a_name_of_its_own_and_says_what_it_means() -> None:
    assert len({column.title for column in COLUMNS}) == len(COLUMNS)
    assert all(column.means.endswith(".") for column in COLUMNS)
