from datetime import UTC, date, datetime

import pytest

from cloud.core.refusals import SpanImpossible
from cloud.http.spans import span_of

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def day(number: int, month: int = 11) -> datetime:
    return datetime(2026, month, number, tzinfo=UTC)


@pytest.mark.parametrize(
    ("first", "last", "span"),
    [
        (None, None, (day(24, 10), NOON)),
        (date(2026, 11, 20), None, (day(20), NOON)),
        (date(2026, 11, 1), date(2026, 11, 3), (day(1), day(4))),
        (date(2026, 11, 1), date(2030, 1, 1), (day(1), NOON)),  # what is to come is not measured
        (None, date(2026, 11, 10), (day(14, 10), day(11))),
    ],
)
def test_a_time_is_whole_days_and_today_up_to_now(
    first: date | None, last: date | None, span: tuple[datetime, datetime]
) -> None:
    assert span_of(first, last, NOON) == span


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (date(2026, 11, 2), date(2026, 11, 1)),
        (date(2025, 10, 1), None),
        (date(2027, 1, 1), None),
    ],
)
def test_a_time_that_cannot_be_is_refused(first: date, last: date | None) -> None:
    with pytest.raises(SpanImpossible):
        span_of(first, last, NOON)
