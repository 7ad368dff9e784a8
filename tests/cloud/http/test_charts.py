"""The drawing of a level: steps where it was weighed, gaps where nobody knows."""

from datetime import datetime, timedelta

from cloud.http import charts
from cloud.postgres.portal import ReadingRow
from tests.cloud.http.test_views import NOW, row


def weighed(pieces: int | None, ago_s: float) -> ReadingRow:
    at: datetime = NOW - timedelta(seconds=ago_s)
    return ReadingRow(
        measured_at=at,
        received_at=at,
        seq=1,
        weight_mg=None if pieces is None else 100_000 + pieces * 1000,
        total=None,
        condition="silent" if pieces is None else None,
        because=None,
        stability=0,
        quality=0,
        clock_trusted=True,
    )


def test_without_a_weight_there_is_no_drawing() -> None:
    assert charts.level_chart(row(), [], NOW) is None
    assert charts.level_chart(row(), [weighed(None, 5)], NOW) is None


def test_a_level_holds_until_the_next_reading() -> None:
    chart = charts.level_chart(row(), [weighed(500, 60), weighed(1000, 120)], NOW)
    assert chart is not None
    assert chart.line.count("M") == 1
    assert "V500" in chart.line
    assert not chart.gaps


def test_a_silence_is_a_gap_and_not_a_line() -> None:
    chart = charts.level_chart(row(), [weighed(500, 10), weighed(1000, 3600)], NOW)
    assert chart is not None
    assert len(chart.gaps) == 1
    assert chart.line.count("M") == 2
    assert "1 gap without readings" in chart.says


def test_a_silence_that_lasts_ends_the_line_before_now() -> None:
    chart = charts.level_chart(row(), [weighed(500, 1800), weighed(600, 1860)], NOW)
    assert chart is not None
    assert chart.last is not None
    assert float(chart.last[0].rstrip("%")) < 20


def test_a_condition_is_a_sign_of_life_without_a_level() -> None:
    readings = [weighed(None, 10), weighed(None, 150), weighed(500, 290)]
    chart = charts.level_chart(row(), readings, NOW)
    assert chart is not None
    assert not chart.gaps


def test_a_reading_from_the_future_is_not_drawn() -> None:
    chart = charts.level_chart(row(), [weighed(9, -3600), weighed(500, 10)], NOW)
    assert chart is not None
    assert "at least 500" in chart.says


def test_more_than_the_capacity_stays_inside_the_drawing() -> None:
    chart = charts.level_chart(row(), [weighed(5000, 10)], NOW)
    assert chart is not None
    assert "-" not in chart.line
