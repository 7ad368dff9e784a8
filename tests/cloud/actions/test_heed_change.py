"""What a person changes of a bin: restated, corrected, or begun anew."""

from datetime import timedelta
from typing import Any

import psycopg

from tests.cloud import ingest_cases as cases
from tests.cloud.follow_cases import (
    MINUTE_MS,
    MORNING,
    PIECE_MG,
    Come,
    batches,
    change,
    follow,
    level,
    of_minute,
    told,
)


def test_a_unit_weight_learnt_anew_restates_history_and_invents_nothing(
    database: Any, come: Come, jobs: psycopg.Connection, bin_id: int
) -> None:
    come(batches(MORNING, 8))
    follow(jobs)
    before = told(jobs, bin_id)
    with database.admin() as admin:
        admin.execute("UPDATE items SET unit_weight_ug = 4284000")  # two per cent more
    follow(jobs)
    after = told(jobs, bin_id)
    assert [(kind, at) for kind, _, _, at, *_ in after] == [
        (kind, at) for kind, _, _, at, *_ in before
    ]
    assert [pieces for _, pieces, *_ in after] == [471, -25, -25, -29, -10, 1_471]
    known = level(jobs, bin_id)
    assert known[0] == sum(pieces for _, pieces, *_ in after)
    (row,) = jobs.execute(
        "SELECT from_ug, to_ug, movements, before_pieces, after_pieces FROM restatements"
    ).fetchall()
    assert row == (4_200_000, 4_284_000, 6, 1_890, known[0])


def test_what_is_followed_again_after_another_unit_weight_is_told_by_it(
    database: Any, come: Come, jobs: psycopg.Connection, bin_id: int
) -> None:
    """The checkpoint, too: what comes late begins there."""
    began_ms = cases.NOW_MS - 20 * 60 * MINUTE_MS
    hours = [of_minute(300 * n, 480) for n in range(7)]
    come([cases.batch(1, hours, base_ms=began_ms, sensors=("s01",))])
    follow(jobs)
    assert jobs.execute("SELECT count(*) > 0 FROM checkpoints").fetchone() == (True,)
    with database.admin() as admin:
        admin.execute("UPDATE items SET unit_weight_ug = 8400000")
    follow(jobs)
    late = of_minute(300 * 6 - 1, 480)
    come([cases.batch(8, [late], base_ms=began_ms, sensors=("s01",))])
    follow(jobs)
    assert [(kind, pieces) for kind, pieces, *_ in told(jobs, bin_id)] == [("opening", 240)]
    assert level(jobs, bin_id)[0] == 240


def test_another_tare_is_a_correction_and_another_item_begins_anew(
    database: Any, come: Come, jobs: psycopg.Connection, bin_id: int
) -> None:
    come(batches([480] * 10, 10))
    follow(jobs)
    with database.admin() as admin:
        change(
            admin,
            cases.NOW + timedelta(minutes=12),
            f"UPDATE bins SET tare_mg = tare_mg - {2 * PIECE_MG}",
        )
    follow(jobs)
    assert [(kind, pieces) for kind, pieces, *_ in told(jobs, bin_id)] == [
        ("opening", 480),
        ("correction", 2),
    ]
    with database.admin() as admin:
        admin.execute(
            "INSERT INTO items (sku, name, unit_weight_ug) VALUES ('other', 'Other', 2100000)"
        )
        change(
            admin,
            cases.NOW + timedelta(minutes=15),
            "UPDATE bins SET item_id = (SELECT item_id FROM items WHERE sku = 'other')",
        )
    follow(jobs)
    come([cases.batch(11, [of_minute(20 + n, 480) for n in range(5)], sensors=("s01",))])
    follow(jobs)
    known = level(jobs, bin_id)
    assert known[0] == (480 + 2) * 2
    assert [kind for kind, *_ in told(jobs, bin_id)].count("opening") == 2


def test_a_bin_that_is_measured_another_way_goes_on_from_the_level_it_had(
    database: Any, come: Come, jobs: psycopg.Connection, bin_id: int
) -> None:
    come(batches([480] * 10, 10))
    follow(jobs)
    with database.admin() as admin:
        admin.execute("UPDATE bins SET measure = 'steps', pieces_per_count = 120")
    step = cases.messages.Counted(sensor=0, after_ms=20 * MINUTE_MS, total=3, clock_trusted=True)
    come([cases.batch(11, [step], sensors=("s01",))])
    follow(jobs)
    assert [(kind, pieces) for kind, pieces, *_ in told(jobs, bin_id)] == [
        ("opening", 480),
        ("correction", -120),
    ]
    assert level(jobs, bin_id)[:2] == (360, False)
