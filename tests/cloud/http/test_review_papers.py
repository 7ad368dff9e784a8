from datetime import UTC, datetime

from cloud.actions.achieve import Reached
from cloud.actions.review import Month, Review, amiss_of
from cloud.core.agreements import Clauses, Service, Target
from cloud.core.quarters import Quarter
from cloud.core.targets import Achieved, targets_of
from cloud.http.kpi_columns import COLUMNS
from cloud.http.review_papers import paper_of
from cloud.http.words import UNDEFINED
from cloud.postgres.agreements import Held
from cloud.postgres.kpis import Changed

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def reached() -> Reached:
    clauses = Clauses(
        valid_from=NOON.date(), target=Target(service=Service.FILL, per_mille=985), answer_hours=4
    )
    achieved = Achieved(
        fill=0.9728, cycles=None, cycles_kept=None, supply_days=None, stock_e4=None, orders_due=0,
        orders_answered=0,
    )  # fmt: skip
    return Reached(
        held=Held(
            agreement_id=1, site_id=1, site="Lindau Pumps", supplier_id=1, supplier="Ferro AG",
            number=2, agreed_at=NOON, clauses=clauses,
        ),
        from_at=NOON,
        to_at=NOON,
        targets=targets_of(clauses, achieved),
    )  # fmt: skip


def review(*changes: Changed, agreed: tuple[Reached, ...] = ()) -> Review:
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
        amiss=amiss_of(None, NOON),
        places={},
        reached=agreed,
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
    assert paper.parts[0].grids[0].rows == []
    row = paper.parts[1].grids[0].rows[0]
    assert [cell.text for cell in row[1:]] == [UNDEFINED, UNDEFINED, "", UNDEFINED, UNDEFINED]


def test_targets_stand_first_with_what_was_reached_and_the_difference_in_words() -> None:
    grid = paper_of(review(agreed=(reached(),)), NOON).parts[0].grids[0]
    fill, answers = grid.rows
    assert [cell.text for cell in fill] == [
        "Fill",
        "97.2 % of the pieces at once",
        "1.3 points below",
    ]
    assert fill[0].sub == "Lindau Pumps, version 2"
    assert fill[1].sub == "agreed: 98.5 % of the pieces at once"
    assert fill[2].sub == "missed"
    assert (answers[2].text, answers[2].sub) == (UNDEFINED, "not known yet")


def test_a_change_is_told_from_what_to_what_and_what_is_no_business_of_it_is_left_out() -> None:
    told = change({"minimum": 100, "order_up_to": None}, {"minimum": 1_500, "order_up_to": 2_000})
    hidden = change({"tare_mg": 1}, {"tare_mg": 2})
    grid = paper_of(review(told, hidden), NOON).parts[-1].grids[0]
    (row,) = grid.rows
    assert row[2].text == f"minimum: 100 → 1,500; order up to: {UNDEFINED} → 2,000"
    assert row[2].sub == "more is used"
