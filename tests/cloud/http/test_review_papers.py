from datetime import UTC, datetime

from cloud.actions.review import Month, Review, exceptions_of
from cloud.core.quarters import Quarter
from cloud.http.kpi_columns import COLUMNS
from cloud.http.review_papers import paper_of
from cloud.http.words import UNDEFINED
from cloud.postgres.kpis import Changed

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def review(*changes: Changed) -> Review:
    quarter = Quarter(2026, 4)
    return Review(
        supplier_id=1,
        supplier="Ferro AG",
        quarter=quarter,
        from_at=datetime(2026, 10, 1, tzinfo=UTC),
        to_at=NOON,
        is_over=False,
        whole=None,
        before=None,
        months=[Month(first=first, measured=None) for first in quarter.months[:2]],
        exceptions=exceptions_of(None, NOON),
        places={},
        changes=changes,
    )


def change(before: dict[str, object], after: dict[str, object]) -> Changed:
    return Changed(1, "LND-R04-B2", "Lock nut M8", "R04-B2", NOON, "more is used", before, after)


def test_every_kpi_stands_in_it_once_with_what_it_means() -> None:
    rows = [row for part in paper_of(review(), NOON).parts for grid in part.grids
            for row in grid.rows]  # fmt: skip
    assert {(row[0].text, row[0].sub) for row in rows} == {(c.title, c.means) for c in COLUMNS}
    assert len(rows) == len(COLUMNS)


def test_of_what_nothing_is_known_there_are_dashes_and_that_it_is_so_far() -> None:
    paper = paper_of(review(), NOON)
    assert paper.subtitle == "2026Q4: 2026-10-01 to 2026-11-20, UTC, so far"
    row = paper.parts[0].grids[0].rows[0]
    assert [cell.text for cell in row[1:]] == [UNDEFINED, UNDEFINED, "", UNDEFINED, UNDEFINED]


def test_a_change_is_told_from_what_to_what_and_what_is_no_business_of_it_is_left_out() -> None:
    told = change({"minimum": 100, "order_up_to": None}, {"minimum": 1_500, "order_up_to": 2_000})
    hidden = change({"tare_mg": 1}, {"tare_mg": 2})
    grid = paper_of(review(told, hidden), NOON).parts[-1].grids[0]
    (row,) = grid.rows
    assert row[2].text == f"minimum: 100 → 1,500; order up to: {UNDEFINED} → 2,000"
    assert row[2].sub == "more is used"
