"""The way of a number: each station has one, and the one that is not well is marked."""

import pytest

from cloud.core.trust import Trust
from cloud.http import signals, views
from cloud.http.signals import Station
from cloud.postgres import asking, portal, wall
from tests.cloud.http.doubtful import BIN_OF, doubt
from tests.cloud.http.world import World


@pytest.fixture
def doubtful(world: World) -> World:
    return doubt(world)


def stations(world: World, code: str) -> dict[str, Station]:
    with world.database.connect("binline_portal") as conn:
        asking.as_operations(conn, "somebody")
        row = wall.one_bin(conn, code)
        assert row is not None
        gateways = {one.name: one for one in wall.all_gateways(conn)}
        readings = portal.last_readings(conn, row.bin_id, 12)
        sensors = portal.last_of_each_sensor(conn, row.bin_id)
    judgement = views.judged(row, world.now)
    gateway = gateways.get(row.gateway or "")
    found = signals.path_of(row, judgement, gateway, readings, world.now, sensors=sensors)
    return {one.name: one for one in found}


def test_every_station_has_a_number_in_every_state(doubtful: World) -> None:
    marked = {}
    for trust, code in BIN_OF.items():
        found = stations(doubtful, code)
        names = ["Scale", "Gateway", "Broker and cloud", "Follower", "Level", "Trust"]
        assert list(found) == names
        assert all(one.number and one.says for one in found.values())
        marked[trust] = {name for name, one in found.items() if one.kind == "stale"}
    untrusted = {"Level", "Trust"}
    assert marked == {
        Trust.FRESH: set(),
        Trust.STALE: {"Scale", "Broker and cloud"} | untrusted,
        Trust.OFFLINE: {"Scale", "Broker and cloud"} | untrusted,
        Trust.STUCK: {"Scale"} | untrusted,
        Trust.SUSPECT: {"Scale"} | untrusted,
        Trust.ABSENT: {"Scale"} | untrusted,
        Trust.NOT_ZEROED: {"Scale"} | untrusted,
        Trust.UNIT_CHANGED: untrusted,
        Trust.UNKNOWN: untrusted,
    }


def test_the_numbers_are_those_of_the_bin(doubtful: World) -> None:
    found = stations(doubtful, BIN_OF[Trust.FRESH])
    assert found["Scale"].number == "1,790.6 g"
    assert found["Broker and cloud"].number == "0.6 s"
    assert found["Level"].number == "543 ±3"
    assert found["Level"].says == "of that +200 waits to be confirmed"
    assert found["Follower"].number.startswith("noise 0.")
    offline = stations(doubtful, BIN_OF[Trust.OFFLINE])
    assert offline["Gateway"].says == "hartmann-1 has been offline for 3 h"
    assert offline["Gateway"].number == "backlog not known", "it grows where nobody sees it"
    assert "last known" in offline["Level"].says


def test_a_bin_that_nothing_watches_has_no_number_anywhere(world: World) -> None:
    with world.database.admin() as conn:
        conn.execute("DELETE FROM sensors")
    found = stations(world, "LND-R04-B2")
    assert found["Gateway"].says == "no sensor watches this bin"
    assert {one.kind for one in found.values()} == {"stale"}


def test_of_several_scales_each_has_a_station_of_its_own(world: World) -> None:
    world.weigh("LND-R04-B2", 500)
    with world.database.admin() as conn:
        conn.execute(
            "INSERT INTO sensors (gateway_id, name, bin_id) SELECT gateway_id, 'left', bin_id"
            " FROM sensors WHERE name = 's01'"
        )
    found = stations(world, "LND-R04-B2")
    assert list(found)[:3] == ["Scale left", "Scale s01", "Gateway"]
    assert (found["Scale left"].kind, found["Scale left"].says) == ("stale", "nothing has come")
    assert (found["Scale s01"].kind, found["Scale s01"].number) == ("ok", "2,450.0 g")


def test_what_is_not_weighed_says_what_tells_its_level(world: World) -> None:
    world.weigh("LND-R04-B2", 500)
    with world.database.admin() as conn:
        conn.execute("UPDATE bins SET measure = 'two_bin', pieces_per_count = 250")
        conn.execute("UPDATE readings SET weight_mg = NULL, total = 7")
        conn.execute("UPDATE bin_state SET weight_mg = NULL, measured_at = NULL")
    found = stations(world, "LND-R04-B2")
    assert found["Sign for an empty container"].number == "7"
    assert "each count stands for 250 pieces" in found["Sign for an empty container"].says
    assert found["Sign for an empty container"].kind == "ok"
    world.say("LND-R04-B2", "silent", ago_s=1)
    assert stations(world, "LND-R04-B2")["Sign for an empty container"].says == "it says: silent"
