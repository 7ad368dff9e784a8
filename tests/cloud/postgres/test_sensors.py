from collections.abc import Iterator
from typing import Any

import pytest

from cloud.postgres import sensors
from tests.cloud import ingest_cases as cases


@pytest.fixture
def site(database: Any) -> Iterator[Any]:
    with database.admin() as admin, database.connect("binline_ingest") as conn:
        yield conn, cases.make_site(admin)


def test_who_is_known_keeps_its_bin_and_who_is_new_gets_a_number(site: Any) -> None:
    conn, (first, _) = site
    heard = sensors.heard(conn, {(1, "s01"), (1, "new")})
    assert heard[1, "s01"].bin_id == first
    assert heard[1, "new"].bin_id is None
    assert sensors.heard(conn, {(1, "new")}) == {(1, "new"): heard[1, "new"]}
