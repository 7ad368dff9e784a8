"""An agreement on one line, as each side reads it."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from cloud.core.agreements import Side
from cloud.http.agreed import line_of, side_of
from cloud.postgres.agreements import Listed
from cloud.postgres.sessions import Session

NOW = datetime(2026, 11, 30, 23, 30, tzinfo=UTC)
LINE = Listed(
    agreement_id=3, site_id=1, site="Lindau", time_zone="Europe/Berlin", supplier_id=1,
    supplier="Ferro AG", number=2, mode="auto", service=None, target_per_mille=None,
    valid_from=date(2026, 1, 1), valid_until=None, bins=14, open_by_customer=1, open_by_supplier=2,
    bin_id=1, oldest_number=1, oldest_at=NOW, oldest_because="so",
)  # fmt: skip


def test_what_waits_for_one_side_waits_for_the_other_side_of_the_other() -> None:
    ours, theirs = (line_of(LINE, side, NOW) for side in (Side.CUSTOMER, Side.SUPPLIER))
    assert (ours["waits_for_you"], ours["waits_for_them"]) == (2, 1)
    assert (theirs["waits_for_you"], theirs["waits_for_them"]) == (1, 2)
    same = {key: value for key, value in ours.items() if not key.startswith("waits")}
    assert same.items() <= theirs.items()


@pytest.mark.parametrize(
    ("until", "validity"),
    [
        (None, "valid"),
        (date(2026, 11, 30), "ended"),  # it is the first of December in Berlin
        (date(2026, 12, 1), "ends_soon"),
        (date(2027, 6, 1), "valid"),
    ],
)
def test_the_last_day_is_one_of_the_site(until: date | None, validity: str) -> None:
    assert line_of(replace(LINE, valid_until=until), Side.CUSTOMER, NOW)["validity"] == validity


def test_operations_are_the_customer() -> None:
    ours = Session(user_id=1, email="a@b", role="operations", supplier_id=None, seen_at=NOW)
    assert side_of(ours) is Side.CUSTOMER
    assert side_of(replace(ours, role="supplier", supplier_id=1)) is Side.SUPPLIER
