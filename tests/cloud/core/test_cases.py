from datetime import UTC, datetime, timedelta

import pytest

from cloud.core import refusals
from cloud.core.cases import Action, Case, Kind, Snooze, snooze

NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)
DAY = timedelta(days=1)
CASE = Case(
    key="low_not_covered:1:breach-3",
    kind=Kind.LOW_NOT_COVERED,
    bin_id=1,
    critical=False,
    because="A-1 is low.",
    since=NOW,
    act_before=None,
    evidence=(),
    action=Action.ORDER,
)


@pytest.mark.parametrize(("because", "until"), [(" ", NOW + DAY), ("known", NOW)])
def test_putting_off_takes_a_reason_and_an_end(because: str, until: datetime) -> None:
    with pytest.raises(refusals.SnoozeWithoutReason):
        snooze(CASE, by="ada", because=because, until=until, now=NOW)


def test_what_is_put_off_is_its_cause_and_no_other() -> None:
    off = snooze(CASE, by="ada", because="known", until=NOW + DAY, now=NOW)
    assert off == Snooze(key=CASE.key, by="ada", because="known", until=NOW + DAY)
