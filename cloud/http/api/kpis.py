"""What is measured, as JSON: null where it is not defined, never zero."""

from datetime import date, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from cloud.actions.achieve import reached
from cloud.actions.measure import Measured, measure
from cloud.core.asked import Asked, Group
from cloud.http import auth
from cloud.http.api import targets
from cloud.http.api.targets import ReachedOut
from cloud.http.auth import Operations
from cloud.http.parts import parts_of
from cloud.http.spans import span_of

router = APIRouter(prefix="/api/kpis", tags=["kpis"])

_HOUR = timedelta(hours=1)


EXAMPLE: dict[str, JsonValue] = {
    "name": "Lindau Pumps",
    "bins": 5,
    "orders": 12,
    "counts": 3,
    "coverage": 0.998,
    "fill_rate": 0.994,
    "unseen_pieces": 31,
    "stock_outs": 1,
    "stock_out_hours": 4.5,
    "availability": 0.9987,
    "stock_accuracy": 1.0,
    "stock_accuracy_gross": 0.997,
    "stock_accuracy_net": 0.999,
    "response_hours_median": 0.6,
    "unanswered": 0,
    "order_cycle_hours_mean": 38.2,
    "order_cycle_hours_p90": 61.0,
    "open_orders": 1,
    "shipped_as_ordered": 0.98,
    "weighed_as_shipped": 1.0,
    "rush_share": 0.0,
    "zero_touch_share": 1.0,
    "days_of_supply": 14.2,
    "overstock_share": 0.0,
    "overstock_value_e4": 0,
    "turnover": 9.4,
    "days_in_stock": 38.8,
    "forecast_weeks": 12,
    "forecast_rmsse": 0.81,
    "forecast_bias": -0.03,
    "forecast_lead_time_wape": 0.24,
    "currency": "EUR",
    "bullwhip": None,
    "reckoned_at": "2026-11-20T09:00:00Z",
}


class KpiOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    name: str
    bins: int
    orders: int
    counts: int
    coverage: float | None = Field(description="the share of the time in which levels were known")
    fill_rate: float | None = Field(
        description="used by used and probably wanted while empty: an estimate"
    )
    unseen_pieces: int = Field(description="probably wanted while empty; nobody saw it")
    stock_outs: int
    stock_out_hours: float
    availability: float | None = Field(description="1 less the empty share of the known time")
    stock_accuracy: float | None = Field(description="the share of counts within two percent")
    stock_accuracy_gross: float | None = Field(description="no error makes up for another")
    stock_accuracy_net: float | None = Field(description="they do; never to be told alone")
    response_hours_median: float | None = Field(description="from the order to the answer")
    unanswered: int
    order_cycle_hours_mean: float | None = Field(description="from the order to the refill")
    order_cycle_hours_p90: float | None
    open_orders: int
    shipped_as_ordered: float | None = Field(description="of lines said to be shipped, and over")
    weighed_as_shipped: float | None
    rush_share: float | None
    zero_touch_share: float | None
    days_of_supply: float | None = Field(description="the median of the bins, at the end")
    overstock_share: float | None = Field(description="of bins above their maximum at the end")
    overstock_value_e4: int | None = Field(description="ten-thousandths; null: no one currency")
    currency: str | None
    turnover: float | None = Field(description="use of a year by the mean stock, both by value")
    days_in_stock: float | None = Field(description="365 by the turnover")
    forecast_weeks: int = Field(description="weeks of bins that were forecast, and seen")
    forecast_rmsse: float | None = Field(description="below 1: better than the week before")
    forecast_bias: float | None = Field(description="by what came; above 0: too much was forecast")
    forecast_lead_time_wape: float | None = Field(
        description="misses over lead times, by what was used in them"
    )
    bullwhip: float | None = Field(
        description="variance of weekly orders by that of usage, four whole weeks or more"
    )
    reckoned_at: datetime | None = Field(description="up to when days are added up")


class KpisOut(BaseModel):
    from_at: datetime
    to_at: datetime
    group: Group
    groups: list[KpiOut]
    agreements: list[ReachedOut] = Field(
        description="by agreement: its targets and what was reached; else empty"
    )


@router.get("", summary="KPIs of a time, by site, item, supplier, agreement, month or week")
def kpis(
    request: Request,
    session: Operations,
    from_: Annotated[date | None, Query(alias="from", description="the first day, UTC")] = None,
    to: Annotated[date | None, Query(description="the last day, UTC; today if not said")] = None,
    group: Group = Group.SITE,
) -> KpisOut:
    """The last 28 days if nothing is said; 400 days at most."""
    parts = parts_of(request)
    from_at, to_at = span_of(from_, to, parts.now())
    with auth.asked_by(parts, session) as conn:
        measured = measure(conn, Asked(from_at=from_at, to_at=to_at, group=group))
        held = reached(conn, from_at, to_at) if group is Group.AGREEMENT else []
    return KpisOut(
        from_at=from_at,
        to_at=to_at,
        group=group,
        groups=[out(m) for m in measured],
        agreements=[targets.out(one) for one in held],
    )


def out(m: Measured) -> KpiOut:
    return KpiOut(
        name=m.name,
        bins=m.bin_count,
        orders=m.order_count,
        counts=m.counts,
        coverage=m.coverage,
        fill_rate=m.fill_rate,
        unseen_pieces=m.unseen,
        stock_outs=m.stock_outs,
        stock_out_hours=m.empty / _HOUR,
        availability=m.availability,
        stock_accuracy=m.accuracy.hit_rate,
        stock_accuracy_gross=m.accuracy.gross,
        stock_accuracy_net=m.accuracy.net,
        response_hours_median=m.cycle.response_hours_median,
        unanswered=m.cycle.unanswered,
        order_cycle_hours_mean=m.cycle.cycle_hours_mean,
        order_cycle_hours_p90=m.cycle.cycle_hours_p90,
        open_orders=m.cycle.open_orders,
        shipped_as_ordered=m.delivered.shipped_as_ordered,
        weighed_as_shipped=m.delivered.weighed_as_shipped,
        rush_share=m.rush,
        zero_touch_share=m.zero_touch,
        days_of_supply=m.days_of_supply,
        overstock_share=m.overstock.share_of_bins,
        overstock_value_e4=m.overstock.value if m.currency else None,
        currency=m.currency,
        turnover=m.turnover.turns,
        days_in_stock=m.turnover.days,
        forecast_weeks=m.forecast.weeks,
        forecast_rmsse=m.forecast.rmsse,
        forecast_bias=m.forecast.bias,
        forecast_lead_time_wape=m.forecast.lead_time_wape,
        bullwhip=m.bullwhip,
        reckoned_at=m.reckoned_at,
    )
