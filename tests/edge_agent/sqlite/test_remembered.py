"""What a life of the agent leaves to the next one, and what of it a damaged file may still say."""

from pathlib import Path

import pytest

from edge_agent.core.count import CounterState
from edge_agent.core.reading import Reading, Sighted, Weight
from edge_agent.core.remembered import Remembered
from edge_agent.sqlite import remembered
from edge_agent.wire.messages import Stability
from tests.edge_agent.sqlite.spools import counted, crashed_copy, spool_at


def sighted(code: str, change: str, sensor: str = "r1") -> Reading:
    outcome = Sighted(code=code, change=change)  # type: ignore[arg-type]
    return Reading(sensor=sensor, measured_ms=1, clock_trusted=True, outcome=outcome)


def named(serial_number: str, sensor: str = "s1") -> Reading:
    outcome = Weight(weight_mg=1, stability=Stability.STATED)
    return Reading(
        sensor=sensor, measured_ms=1, clock_trusted=True, outcome=outcome, identity=serial_number
    )


def test_tags_counters_and_identities_are_there_after_a_cut(tmp_path: Path) -> None:
    path = tmp_path / "spool"
    with spool_at(path) as spool:
        spool.append([sighted("a", "present"), sighted("b", "present"), named("12"), counted(7)])
        spool.append([sighted("a", "absent"), named("13")])
        kept = spool.remembered
    assert kept == Remembered(
        counters={"c1": CounterState(value=7, total=1_007)},
        tags={"r1": ("b",)},
        identities={"s1": "13"},
    )
    with spool_at(crashed_copy(path)) as spool:
        assert spool.remembered == kept


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE known SET said = 'c' WHERE kind = 1",
        "UPDATE known SET kind = 2 WHERE kind = 1",
        "UPDATE known SET sensor = 'r2'",
        "UPDATE counter SET total = total + 1",
        "UPDATE counter SET value = 'x'",
    ],
)
def test_what_is_not_what_it_was_is_forgotten(tmp_path: Path, damage: str) -> None:
    with spool_at(tmp_path / "spool") as spool:
        spool.append([sighted("a", "present"), counted(7)])
        conn = spool._conn
        conn.execute(damage)
        said = remembered.load(conn)
        before = spool.remembered
    assert (said.tags, said.counters) in (({}, before.counters), (before.tags, {}))
