"""The drawing of a level: steps where it was weighed, gaps where nobody knows."""

from datetime import timedelta

import pytest

from cloud.http import charts
from cloud.postgres.history import Told
from cloud.postgres.movements import MovementRow
from tests.cloud.http.test_views import NOW, row

DAY, _, MONTH, _ = charts.SPANS


def weighed(pieces: int | None, ago_s: float) -> Told:
    """One reading."""
    return hour(ago_s, ago_s, None if pieces is None else (pieces,) * 4, readings=1)


def hour(
    from_ago_s: float,
    upto_ago_s: float,
    pieces: tuple[int, int, int, int] | None,
    *,
    readings: int = 60,
) -> Told:
    """First, last, lowest and highest in `pieces`; None: no weight."""
    from_at, upto_at = NOW - timedelta(seconds=from_ago_s), NOW - timedelta(seconds=upto_ago_s)
    first, last, low, high = (
        (None,) * 4 if pieces is None else (100_000 + each * 1000 for each in pieces)
    )
    return Told(
        from_at=from_at,
        upto_at=upto_at,
        readings=readings,
        first_at=None if pieces is None else from_at,
        first_weight_mg=first,
        last_at=None if pieces is None else upto_at,
        last_weight_mg=last,
        min_weight_mg=low,
        max_weight_mg=high,
    )


def drawn(*told: Told, span: charts.ChartSpan = DAY) -> charts.Chart:
    chart = charts.level_chart(row(), told, span, NOW)
    assert chart is not None, "nothing was drawn"
    return chart


def test_without_a_weight_there_is_no_drawing() -> None:
    assert charts.level_chart(row(), [], DAY, NOW) is None
    assert charts.level_chart(row(), [weighed(None, 5)], DAY, NOW) is None


def test_a_level_holds_until_the_next_reading() -> None:
    chart = drawn(weighed(1000, 120), weighed(500, 60))
    assert chart.line.count("M") == 1
    assert "V500" in chart.line
    assert not chart.gaps


def test_a_silence_is_a_gap_and_not_a_line() -> None:
    chart = drawn(weighed(1000, 3600), weighed(500, 10))
    assert len(chart.gaps) == 1
    assert chart.line.count("M") == 2
    assert "1 gap without readings" in chart.says


def test_a_silence_that_lasts_ends_the_line_before_now() -> None:
    chart = drawn(weighed(600, 1860), weighed(500, 1800))
    assert chart.last is not None
    assert float(chart.last[0].rstrip("%")) < 20


def test_a_condition_is_a_sign_of_life_without_a_level() -> None:
    chart = drawn(weighed(500, 290), weighed(None, 150), weighed(None, 10))
    assert not chart.gaps


def test_more_than_the_capacity_stays_inside_the_drawing() -> None:
    chart = drawn(weighed(5000, 10))
    assert "-" not in chart.line


def test_a_chart_of_a_month_shows_what_an_hour_hides_between_its_ends() -> None:
    chart = drawn(
        hour(7_200, 3_700, (900, 880, 100, 1000)),
        hour(3_600, 10, (880, 870, 870, 880)),
        span=MONTH,
    )
    assert chart.band.startswith("M0,0H500V900H0Z")
    assert "at least 100, at most 1,000" in chart.says


def test_a_band_ends_where_silence_begins() -> None:
    chart = drawn(hour(36_000, 32_400, (900, 500, 500, 900)), weighed(500, 10), span=MONTH)
    (gap,) = chart.gaps
    assert chart.band == f"M0,100H{gap.x}V500H0Z"


def test_a_level_from_before_holds_at_the_beginning_of_the_chart() -> None:
    before, first = hour(86_600, 86_500, (700,) * 4), weighed(600, 86_350)
    chart = drawn(before, first, weighed(500, 86_200), weighed(400, 10))
    assert chart.line.startswith("M0,300")
    assert "from 600 to 400" in chart.says


def test_a_silence_that_began_before_the_chart_is_a_gap_from_its_beginning() -> None:
    chart = drawn(weighed(700, 100_000), weighed(500, 10))
    (gap,) = chart.gaps
    assert gap.x == 0
    assert gap.width > 990
    assert chart.times[0].text != chart.times[-1].text


def test_a_month_has_a_line_of_some_hundred_points_at_most() -> None:
    hours = [
        hour(3600 * (n + 1), 3600 * n + 60, (n % 90, n % 90, n % 90, n % 90 + 1))
        for n in range(720, 0, -1)
    ]
    chart = drawn(*hours, weighed(5, 5), span=MONTH)
    assert chart.line.count("H") <= 1000
    assert len(chart.line) < 20_000


# ------------------------------------------------------------------ movements and estimates


def movement(kind: str, pieces: int, after: int, hours_ago: float) -> MovementRow:
    at = NOW - timedelta(hours=hours_ago)
    return MovementRow(
        movement_id=1, kind=kind, pieces=pieces, before_pieces=after - pieces, after_pieces=after,
        event_at=at, confirmed_at=at, known_at=at, before_refs=None, after_refs=[1, 1, 1, 2],
        before_mg=None, after_mg=None, because="so", restated=False, replaced_at=None,
    )  # fmt: skip


def test_movements_are_marked_each_at_its_time_and_told_in_words() -> None:
    moved = [
        movement("usage", -40, 500, 6),
        movement("usage", -1, 499, 6),
        movement("refill", 400, 900, 3),
        movement("usage", -9, 1, 30),
    ]
    told = [weighed(500, 12 * 3600), weighed(900, 3 * 3600)]
    chart = charts.level_chart(row(), told, DAY, NOW, moved)
    assert chart is not None
    assert [(one.kind, one.x) for one in chart.moved] == [("usage", "50.0%"), ("refill", "75.0%")]
    assert chart.moved[1].y == "10.0%", "where it led to: 900 of 1,000"
    assert [(one.word, one.count, one.pieces) for one in chart.kinds] == [
        ("usage", 2, -41),
        ("refill", 1, 400),
    ]
    assert "Movements: 2 usage of -41 pieces, 1 refill of +400 pieces." in chart.says
    assert chart.guess is None


@pytest.mark.parametrize("differs", [{"measure": "counter_out"}, {"several": True}])
def test_where_no_single_weight_tells_it_the_level_is_drawn_from_movements(
    differs: dict[str, object],
) -> None:
    moved = [movement("usage", -300, 200, 6), movement("refill", 800, 1_000, 3)]
    told = [hour(24 * 3600, 4, (7,) * 4)]  # the half of it that one scale bears
    here = row(pieces=1_000, plateau_since=NOW - timedelta(hours=3), **differs)
    chart = charts.level_chart(here, told, DAY, NOW, moved[::-1])
    assert chart is not None
    assert chart.line.startswith("M0,500"), "500 of 1,000 at the beginning"
    assert "H750V800" in chart.line, "200 are left after three quarters of the time"
    assert "H875V0" in chart.line, "filled up three hours later"
    assert not chart.band
    assert "from 500 to 1,000 pieces, at least 200, at most 1,000" in chart.says


def test_a_bin_that_is_off_its_scale_is_a_gap_and_not_empty() -> None:
    here = row(tare_mg=100_000)
    gone = weighed(-80, 3 * 3600)
    chart = charts.level_chart(here, [hour(24 * 3600, 6 * 3600, (500,) * 4), gone], DAY, NOW)
    assert chart is not None
    assert "V1000" not in chart.line, "drawn as if nothing were left"
    assert chart.gaps[-1].x + chart.gaps[-1].width == 1000
    back = [hour(24 * 3600, 10, (500,) * 4), weighed(-80, 9), weighed(500, 2)]
    chart = charts.level_chart(here, back, DAY, NOW)
    assert chart is not None
    assert "V1000" not in chart.line


def test_where_nothing_moved_in_the_time_the_level_is_the_one_that_is_known() -> None:
    known = row(measure="two_bin", pieces=400, plateau_since=NOW - timedelta(days=3))
    chart = charts.level_chart(known, [], DAY, NOW)
    assert chart is not None
    assert chart.line == "M0,600H1000"
    assert charts.level_chart(row(measure="two_bin", pieces=None), [], DAY, NOW) is None
    begun = [movement("opening", 400, 400, 6)]
    chart = charts.level_chart(known, [], DAY, NOW, begun)
    assert chart is not None
    assert chart.line == "M0,600H1000", "before its first count nothing is known"


def test_an_estimate_is_drawn_apart_and_widens_until_now() -> None:
    at = NOW - timedelta(hours=6)
    untrusted = row(
        pieces=500, sd_pieces=0.0, exact=True, level_at=at, usage_per_day=100.0, usage_sd=40.0,
        usage_days=20,
    )  # fmt: skip
    chart = charts.level_chart(
        untrusted, [weighed(500, 12 * 3600), weighed(500, 6 * 3600)], DAY, NOW, guess=True
    )
    assert chart is not None
    assert chart.guess is not None
    points = [
        tuple(map(int, one.strip("MZ ").split(",")))
        for one in chart.guess.outline.replace("L", "").split()
    ]
    upper, lower = points[: len(points) // 2], points[len(points) // 2 :][::-1]
    assert upper[0] == lower[0], "it starts at the last level"
    widths = [low[1] - high[1] for high, low in zip(upper, lower, strict=True)]
    assert widths == sorted(widths)
    assert widths[-1] > 30
    assert upper[-1][0] == 1000
    assert "the estimate" in chart.says
