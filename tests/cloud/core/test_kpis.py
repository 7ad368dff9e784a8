from datetime import datetime, timedelta
from itertools import pairwise
from statistics import quantiles

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.core.kpis import (
    Availability,
    Counted,
    Delivered,
    Demand,
    FillRate,
    Forecast,
    ForecastAccuracy,
    Held,
    Lasted,
    OrderAccuracy,
    OrderCycle,
    OrderTimes,
    Overstock,
    Since,
    StockAccuracy,
    Turnover,
    availability,
    bullwhip,
    days_of_supply,
    empty_times,
    fill_rate,
    forecast_accuracy,
    is_bullwhip,
    lasted,
    order_accuracy,
    order_cycle,
    overstock,
    percentile,
    rush_share,
    stock_accuracy,
    turnover,
    unseen_demand,
    without_silences,
    zero_touch_share,
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-{text}Z")


@pytest.mark.parametrize(
    ("lines", "unit", "line"),
    [
        ([(10, 10), (5, 3), (8, 8), (4, 0)], 0.7777777777777778, 0.5),
        ([(100, 100), (1, 0)], 0.9900990099009901, 0.5),
        ([(0, 0)], None, None),
        ([], None, None),
    ],
)
def test_fill_is_told_by_pieces_and_by_demands(
    lines: list[tuple[int, int]], unit: float | None, line: float | None
) -> None:
    found = fill_rate(Demand(demanded=asked, served=served) for asked, served in lines)
    assert found == FillRate(unit=unit, line=line)


def test_demand_nobody_saw_is_estimated_beside_the_fill() -> None:
    assert unseen_demand(2_500, timedelta(hours=36)) == pytest.approx(3.75)


@pytest.mark.parametrize(
    ("counts", "hit", "gross", "net"),
    [
        ([(100, 98), (50, 50), (20, 23)], 2 / 3, 0.9705882352941176, 0.9941176470588236),
        ([(10, 10), (10, 10)], 1.0, 1.0, 1.0),
        ([], None, None, None),
        ([(0, 0)], 1.0, None, None),
    ],
)
def test_accuracy_tells_hits_and_errors_that_do_not_make_up_for_each_other(
    counts: list[tuple[int, int]], hit: float | None, gross: float | None, net: float | None
) -> None:
    found = stock_accuracy(
        [Counted(physical=physical, system=system) for physical, system in counts],
        tolerance_per_mille=20,
    )
    assert found == StockAccuracy(
        hit_rate=hit,
        gross=gross if gross is None else pytest.approx(gross, abs=1e-12),
        net=net if net is None else pytest.approx(net, abs=1e-12),
    )


@pytest.mark.parametrize(
    ("levels", "until", "mean", "outs", "hours", "available", "coverage"),
    [
        ([("01-01T00:00", 10), ("01-03T00:00", 0), ("01-04T12:00", 40)], "01-11T00:00",
         28.0, 1, 36, 0.85, 1.0),
        ([("02-01T00:00", 0), ("02-02T00:00", 5), ("02-05T00:00", 0), ("02-05T06:00", 9)],
         "02-08T00:00", 5.678571428571429, 2, 30, 0.8214285714285714, 1.0),
        # A silent day is not in the mean, and it is told.
        ([("01-01T00:00", 10), ("01-02T00:00", None), ("01-03T00:00", 20)], "01-05T00:00",
         50 / 3, 0, 0, 1.0, 0.75),
        # Empty before and after the silence: once.
        ([("01-01T00:00", 0), ("01-02T00:00", None), ("01-03T00:00", 0)], "01-04T00:00",
         0.0, 1, 48, 0.0, 2 / 3),
        ([("01-01T00:00", None)], "01-04T00:00", None, 0, 0, None, 0.0),
        ([("01-01T00:00", 5)], "01-01T00:00", None, 0, 0, None, None),
    ],
)  # fmt: skip
def test_levels_are_weighed_by_how_long_they_lasted(
    *, levels: list[tuple[str, int | None]], until: str, mean: float | None, outs: int,
    hours: int, available: float | None, coverage: float | None,
) -> None:  # fmt: skip
    def near(value: float | None) -> object:
        return value if value is None else pytest.approx(value, abs=1e-9)

    assert availability([Since(at=at(when), pieces=n) for when, n in levels], at(until)) == (
        Availability(
            mean_stock=near(mean), stock_outs=outs, empty=timedelta(hours=hours),
            availability=near(available), coverage=near(coverage),
        )  # type: ignore[arg-type]  # nearly equal
    )  # fmt: skip


def test_nothing_known_of_a_bin_is_nothing_said() -> None:
    assert availability([], at("01-01T00:00")).mean_stock is None


@pytest.mark.parametrize(
    ("on_hand", "usage", "days"),
    [
        (120, [10] * 14, 12.0),
        (45, [0, 0, 9, 0, 0, 0, 6, 0, 0, 0, 0, 3, 0, 0], 35.0),
        (45, [0] * 14, None),
        (45, [], None),
        (30, [10, None, None, 20], 2.0),
    ],
)
def test_days_of_supply_count_the_quiet_days_and_not_the_unknown_ones(
    on_hand: int, usage: list[int | None], days: float | None
) -> None:
    assert days_of_supply(on_hand, usage) == days


@pytest.mark.parametrize(
    ("usage", "stock", "turns", "days"),
    [(120_000, 20_000, 6.0, 60.833333333333336), (52_000, 6_500, 8.0, 45.625),
     (100, 0, None, None), (0, 100, 0.0, None)],
)  # fmt: skip
def test_turnover(usage: int, stock: int, turns: float | None, days: float | None) -> None:
    near = days if days is None else pytest.approx(days, abs=1e-9)
    assert turnover(usage, stock) == Turnover(turns=turns, days=near)  # type: ignore[arg-type]  # nearly equal


def times(sent: str, answered: str | None, received: str | None, **more: int) -> OrderTimes:
    return OrderTimes(
        sent_at=at(sent),
        answered_at=at(answered) if answered else None,
        received_at=at(received) if received else None,
        rush=bool(more.get("rush")),
        touches=more.get("touches", 0),
    )


ONE = times("01-05T08:00", "01-05T10:30", "01-08T15:00")
TWO = [
    times("01-05T08:00", "01-05T09:00", "01-07T08:00"),
    times("01-06T08:00", None, "01-11T08:00"),
]
OPEN = times("01-06T08:00", None, None)


@pytest.mark.parametrize(
    ("orders", "response", "unanswered", "mean", "p90", "still_open"),
    [
        ([ONE], 2.5, 0, 79.0, 79.0, 0),
        (TWO, 1.0, 1, 84.0, 112.8, 0),
        ([ONE, OPEN], 2.5, 1, 79.0, 79.0, 1),
        ([OPEN], None, 1, None, None, 1),
        ([], None, 0, None, None, 0),
    ],
)
def test_what_is_open_or_unanswered_is_counted_beside_the_mean(
    *, orders: list[OrderTimes], response: float | None, unanswered: int, mean: float | None,
    p90: float | None, still_open: int,
) -> None:  # fmt: skip
    assert order_cycle(orders) == OrderCycle(
        response_hours_median=response,
        unanswered=unanswered,
        cycle_hours_mean=mean,
        cycle_hours_p90=p90 if p90 is None else pytest.approx(p90, abs=1e-9),  # type: ignore[arg-type]  # nearly
        open_orders=still_open,
    )


@pytest.mark.parametrize(
    ("on_hand", "maximum", "value", "share"),
    [([120, 80, 300], [100, 100, 250], 70, 2 / 3), ([10, 0], [20, 20], 0, 0.0), ([], [], 0, None)],
)
def test_overstock(on_hand: list[int], maximum: list[int], value: int, share: float | None) -> None:
    bins = [
        Held(on_hand=here, maximum=most, price=1)
        for here, most in zip(on_hand, maximum, strict=True)
    ]
    assert overstock(bins) == Overstock(value=value, share_of_bins=share)


def test_shares_of_rush_and_of_orders_nobody_touched() -> None:
    orders = [
        times("01-05T08:00", None, None, rush=1),
        times("01-05T08:00", None, None, touches=2),
        times("01-05T08:00", None, None),
        times("01-05T08:00", None, None),
    ]
    assert (rush_share(orders), zero_touch_share(orders)) == (0.25, 0.75)
    assert (rush_share([]), zero_touch_share([])) == (None, None)


def test_orders_are_compared_with_what_was_shipped_and_that_with_what_was_weighed() -> None:
    lines = [
        Delivered(ordered=100, shipped=100, weighed=99),
        Delivered(ordered=100, shipped=80, weighed=80),
        Delivered(ordered=50, shipped=50, weighed=40),
    ]
    assert order_accuracy(lines, tolerance_pieces=1) == OrderAccuracy(
        shipped_as_ordered=2 / 3, weighed_as_shipped=2 / 3
    )
    assert order_accuracy([]) == OrderAccuracy(shipped_as_ordered=None, weighed_as_shipped=None)


def test_the_bullwhip_is_alarming_above_two_and_after_thirteen_weeks() -> None:
    used = [10, 12] * 7
    wild = [0, 22] * 7
    assert bullwhip(wild, used) == pytest.approx(121.0)
    assert is_bullwhip(wild, used)
    assert not is_bullwhip(wild[:12], used[:12])
    assert not is_bullwhip(used, used)
    assert bullwhip([1, 2], [5, 5]) is None
    assert bullwhip([], []) is None


@given(values=st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=50))
def test_a_percentile_is_linear_between_its_neighbours(values: list[float]) -> None:
    assert percentile(values, 90) == pytest.approx(
        quantiles(values, n=10, method="inclusive")[8], abs=1e-6
    )
    assert percentile(values, 0) == min(values)
    assert percentile(values, 100) == max(values)


@given(
    steps=st.lists(
        st.tuples(st.integers(0, 500), st.none() | st.integers(0, 50)), min_size=1, max_size=30
    ),
    last=st.integers(0, 500),
)
def test_shares_of_time_are_shares_and_the_mean_lies_between(
    steps: list[tuple[int, int | None]], last: int
) -> None:
    now, levels = at("01-01T00:00"), []
    for minutes, pieces in steps:
        now += timedelta(minutes=minutes)
        levels.append(Since(at=now, pieces=pieces))
    found = availability(levels, now + timedelta(minutes=last))
    known = [pieces for _, pieces in steps if pieces is not None]
    for share in (found.availability, found.coverage):
        assert share is None or 0 <= share <= 1
    if found.mean_stock is not None:
        assert min(known) - 1e-9 <= found.mean_stock <= max(known) + 1e-9
    assert found.stock_outs <= known.count(0)


NINE = at("03-02T09:00:00")
HOUR = timedelta(hours=1)


def test_while_a_scale_is_silent_nothing_is_known_and_after_it_what_was_last_heard() -> None:
    levels = [Since(at=NINE, pieces=5), Since(at=NINE + 4 * HOUR, pieces=0)]
    told = without_silences(levels, [(NINE + HOUR, NINE + 2 * HOUR)], NINE)
    assert [(one.at, one.pieces) for one in told] == [
        (NINE, 5),
        (NINE + HOUR, None),
        (NINE + 2 * HOUR, 5),
        (NINE + 4 * HOUR, 0),
    ]


def test_before_the_first_level_nothing_is_known() -> None:
    told = without_silences([Since(at=NINE + HOUR, pieces=5)], [], NINE)
    assert [one.pieces for one in told] == [None, 5]
    assert without_silences([], [], NINE) == (Since(at=NINE, pieces=None),)


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 3)), max_size=8),
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=4),
)
def test_every_moment_is_hidden_or_is_the_last_level(
    levels: list[tuple[int, int]], silences: list[tuple[int, int]]
) -> None:
    known = [Since(at=NINE + hour * HOUR, pieces=pieces) for hour, pieces in sorted(levels)]
    quiet = [(NINE + begun * HOUR, NINE + ended * HOUR) for begun, ended in silences]
    told = without_silences(known, quiet, NINE)
    for minute in range(30, 51 * 60, 60):
        moment = NINE + timedelta(minutes=minute)
        hidden = any(begun <= moment < ended for begun, ended in quiet)
        last = [one.pieces for one in known if one.at <= moment]
        expected = None if hidden or not last else last[-1]
        assert [one.pieces for one in told if one.at <= moment][-1] == expected


def test_empty_times_are_told_from_begin_to_end() -> None:
    levels = [
        Since(at=NINE, pieces=0),
        Since(at=NINE + HOUR, pieces=0),
        Since(at=NINE + 2 * HOUR, pieces=None),
        Since(at=NINE + 3 * HOUR, pieces=0),
    ]
    assert empty_times(levels, NINE + 4 * HOUR) == (
        (NINE, NINE + 2 * HOUR),
        (NINE + 3 * HOUR, NINE + 4 * HOUR),
    )
    assert empty_times([], NINE) == ()


@given(
    steps=st.lists(
        st.tuples(st.integers(1, 50), st.none() | st.sampled_from([0, 0, 3, 8])),
        min_size=1,
        max_size=12,
    ),
    cuts=st.sets(st.integers(1, 600), max_size=6),
)
def test_a_time_that_is_cut_comes_to_the_same_when_it_is_put_together(
    steps: list[tuple[int, int | None]], cuts: set[int]
) -> None:
    hour, levels = 0, []
    for lasts, pieces in steps:
        levels.append((hour, pieces))
        hour += lasts
    edges = [0, *sorted(cut for cut in cuts if cut < hour), hour]
    whole = lasted([Since(at=NINE + at_ * HOUR, pieces=n) for at_, n in levels], NINE + hour * HOUR)
    together = Lasted()
    for begun, ended in pairwise(edges):
        held = [n for at_, n in levels if at_ <= begun][-1]
        within = [(begun, held), *((at_, n) for at_, n in levels if begun < at_ < ended)]
        piece = [Since(at=NINE + at_ * HOUR, pieces=n) for at_, n in within]
        together = together.then(lasted(piece, NINE + ended * HOUR))
    assert together == whole


def said(week: int, pieces: float, came: int | None, *, square: float = 16.0) -> Forecast:
    return Forecast(week=week, said=pieces, came=came, square=square, lead_weeks=2)


def test_forecasts_are_judged_by_weeks_that_were_seen_and_lead_times_that_were_seen_whole() -> None:
    told = [said(1, 10, 8), said(2, 10, 14), said(3, 12, None), said(4, 12, 12)]
    # Misses 2, -4, 0 by steps of 4. The one lead time seen whole is that of week 1: 20 for 22.
    assert forecast_accuracy([told]) == ForecastAccuracy(
        weeks=3,
        rmsse=pytest.approx((20 / 3 / 16) ** 0.5),  # type: ignore[arg-type]  # nearly equal
        bias=pytest.approx(-2 / 34),  # type: ignore[arg-type]
        lead_time_wape=pytest.approx(2 / 22),  # type: ignore[arg-type]
    )


def test_of_nothing_forecast_nothing_is_said_and_a_history_without_steps_has_no_scale() -> None:
    nothing = ForecastAccuracy(weeks=0, rmsse=None, bias=None, lead_time_wape=None)
    assert forecast_accuracy([]) == forecast_accuracy([[said(1, 10, None)]]) == nothing
    constant = forecast_accuracy([[Forecast(week=1, said=0, came=0, square=None, lead_weeks=1)]])
    assert (constant.weeks, constant.rmsse, constant.bias) == (1, None, None)


def test_one_bin_with_one_history_has_the_rmsse_of_the_textbook() -> None:
    # Known from 3, 0, 2, 0, 0, 4, 1, 0: mean squared step 43 / 7; 0.8 was said of 0, 2, 0, 1.
    told = [said(week, 0.8, came, square=43 / 7) for week, came in enumerate((0, 2, 0, 1))]
    found = forecast_accuracy([told])
    assert found.rmsse == pytest.approx(0.33515008786415207)
    assert found.bias == pytest.approx(0.2 / 3)
