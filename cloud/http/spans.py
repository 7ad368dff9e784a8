"""The time that is asked about by two days: the last four weeks if nothing is said."""

from datetime import UTC, date, datetime, time, timedelta

from cloud.core.refusals import SpanImpossible

DAYS_SHOWN = 28
DAYS_MAX = 400
_DAY = timedelta(days=1)


def span_of(from_: date | None, to: date | None, now: datetime) -> tuple[datetime, datetime]:
    """Whole days, and today up to now. Raises SpanImpossible."""
    today = now.astimezone(UTC).date()
    last = min(to or today, today)
    first = from_ or last - (DAYS_SHOWN - 1) * _DAY
    if not first <= last or (last - first) > DAYS_MAX * _DAY:
        raise SpanImpossible
    from_at = datetime.combine(first, time(), UTC)
    return from_at, min(now, datetime.combine(last + _DAY, time(), UTC))
