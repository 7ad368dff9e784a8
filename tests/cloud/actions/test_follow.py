"""Whatever comes of a bin, and however it comes, the same is told of it."""

from typing import Any

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud.actions.remember import Memory
from tests.cloud.follow_cases import (
    MORNING,
    Come,
    batches,
    follow,
    level,
    shelf,
    told,
    whole_level,
)


def test_a_morning_becomes_its_movements_and_they_sum_up_to_the_level(
    database: Any, come: Come, jobs: psycopg.Connection, bin_id: int
) -> None:
    come(batches(MORNING, 8))
    follow(jobs)
    assert [(kind, pieces) for kind, pieces, *_ in told(jobs, bin_id)] == [
        ("opening", 480),
        ("usage", -25),
        ("usage", -25),
        ("usage", -30),
        ("usage", -10),
        ("refill", 1_500),
    ]
    known = level(jobs, bin_id)
    assert known[0] == sum(pieces for _, pieces, *_ in told(jobs, bin_id)) == 1_890
    due = jobs.execute("SELECT bin_id FROM bin_due").fetchall()
    assert due == [(bin_id,)]


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_in_whichever_order_and_however_often_readings_come_the_same_is_told(
    database: Any, come: Come, jobs: psycopg.Connection, data: st.DataObject
) -> None:
    with database.admin() as admin:
        admin.autocommit = True
        admin.execute("UPDATE gateways SET name = 'was-' || gateway_id WHERE name !~ '^was'")
        clean = shelf(admin, "clean")
        mixed = shelf(admin, "mixed")
    parts = batches(MORNING, data.draw(st.integers(4, 9), label="size"))
    come(parts, "clean")
    follow(jobs)
    shuffled = data.draw(st.permutations([*parts, *parts[::2]]), label="order")
    workers: list[Memory] = [Memory(), Memory()]
    worker = st.sampled_from(workers)
    for part in shuffled:
        come([part], "mixed")
        if data.draw(st.booleans(), label="follow now"):
            if data.draw(st.booleans(), label="restart"):
                workers[0].clear()
            follow(jobs, data.draw(worker, label="worker"))
    follow(jobs, data.draw(worker, label="worker"))
    assert len(told(jobs, clean)) == 6
    assert told(jobs, mixed) == told(jobs, clean)
    assert whole_level(jobs, mixed) == whole_level(jobs, clean)
