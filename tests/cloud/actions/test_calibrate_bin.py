"""What is learnt of a bin's weight: from readings at rest alone, and the noise counts."""

from collections.abc import Iterator

import psycopg
import pytest

from cloud.actions.calibrate_bin import because_of, learn_empty, learn_from_sample
from cloud.core.refusals import NounUnknown, SampleTooSmall, TareNotStill
from cloud.postgres import asking
from tests.cloud.http.world import TARE_MG, World

CODE = "LND-R04-B2"


@pytest.fixture
def world(database) -> World:
    return World(database).settle()


@pytest.fixture
def portal(world: World) -> Iterator[psycopg.Connection]:
    with world.database.connect("binline_portal") as conn:
        asking.as_operations(conn, "ops@plant.test")
        yield conn


def show(world: World, *weights_mg: int) -> None:
    """One reading a minute, the last one ten seconds ago."""
    for ago, weight_mg in enumerate(reversed(weights_mg)):
        world._heard(CODE, 10 + 60.0 * ago, weight_mg=weight_mg, condition=None)


def test_the_middle_of_the_readings_is_learnt(world: World, portal: psycopg.Connection) -> None:
    show(world, 900_000, *(TARE_MG + 430_000 + off for off in (0, 100, 200, 300, 900)))
    found = learn_from_sample(portal, CODE, 100, world.now, apply=None)
    assert (found.before, found.after, found.readings) == (4_200_000, 4_302_000, 5)


def test_a_noisy_scale_needs_more_pieces(world: World, portal: psycopg.Connection) -> None:
    show(world, *[TARE_MG + 50 * 4_200] * 5)
    learn_from_sample(portal, CODE, 50, world.now, apply=None)
    with world.database.admin() as conn:
        conn.execute("UPDATE bins SET scale_sd_mg = 2000")
    with pytest.raises(SampleTooSmall) as refused:
        learn_from_sample(portal, CODE, 50, world.now, apply=None)
    assert refused.value.pieces_needed > 50


def test_a_condition_or_a_silence_ends_what_is_at_rest(
    world: World, portal: psycopg.Connection
) -> None:
    show(world, *[351_000] * 5)
    world.say(CODE, "unstable", ago_s=1)
    with pytest.raises(TareNotStill) as refused:
        learn_empty(portal, CODE, world.now, apply=None)
    assert refused.value.readings == 0


def test_less_than_nothing_is_no_empty_bin(world: World, portal: psycopg.Connection) -> None:
    show(world, *[-4_000] * 5)
    with pytest.raises(TareNotStill):
        learn_empty(portal, CODE, world.now, apply=None)
    with pytest.raises(NounUnknown):
        learn_empty(portal, "NO-SUCH-BIN", world.now, apply=None)


def test_what_is_put_into_use_is_written_with_its_reason(
    world: World, portal: psycopg.Connection
) -> None:
    show(world, *[351_000] * 5)
    assert learn_empty(portal, CODE, world.now, apply=because_of("tare", " new bin ")).applied
    portal.commit()
    with world.database.admin() as conn:
        row = conn.execute(
            "SELECT by, because, after ->> 'tare_mg' FROM changes WHERE noun = 'bin'"
            " ORDER BY change_id DESC LIMIT 1"
        ).fetchone()
        due = conn.execute(
            "SELECT 1 FROM bin_due JOIN bins USING (bin_id) WHERE code = %s", (CODE,)
        ).fetchone()
    assert row == ("ops@plant.test", "the empty bin: new bin", "351000")
    assert due is not None, "nobody looks at the bin again"
