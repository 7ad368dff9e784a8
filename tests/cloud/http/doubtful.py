"""The small world with a bin in every state of trust, each with a history, an estimate, a count."""

import json
from datetime import datetime, timedelta

from cloud.core.trust import Trust
from tests.cloud.http.world import World

# state -> the bin that is in it
BIN_OF = {
    Trust.FRESH: "LND-R04-B2",
    Trust.STALE: "LND-R01-A8",
    Trust.STUCK: "LND-R03-C6",
    Trust.SUSPECT: "LND-R02-C7",
    Trust.ABSENT: "LND-R09-A4",
    Trust.OFFLINE: "HRT-R09-B2",
    Trust.NOT_ZEROED: "HRT-R02-A2",
    Trust.UNIT_CHANGED: "HRT-R06-D3",
    Trust.UNKNOWN: "HRT-R07-A1",
}
NEW = ("HRT-R07-A1", "R07-A1", "Cotter pin 3", "10901", "Ferro AG", "Hartmann Rail", 1000, 200)
BECAUSE = {
    Trust.STUCK: "The scale has said the same to the digit 64 times, and never did that before.",
    Trust.NOT_ZEROED: "The scale shows 1,512.0 g less than it did, and nobody took pieces.",
    Trust.UNIT_CHANGED: "The bin weighs 31.2 g more, which is 7.43 pieces: another part, another"
    " unit weight, or something that leans on it.",
    Trust.UNKNOWN: "No weight has lain still yet.",
}


def doubt(world: World) -> World:
    with world.database.admin() as conn:
        world._add_bin(conn, 9, NEW)
    for trust, code in BIN_OF.items():
        away = trust in (Trust.STALE, Trust.OFFLINE)
        for hours, pieces in ((30, 900), (20, 860), (9, 320), (5, 390)):
            world.weigh(code, pieces, ago_s=hours * 3600)
        world.weigh(code, 343, ago_s=3 * 3600 if away else 4)
        move(world, code, 30, "opening", 0, 900)
        move(world, code, 20, "usage", 900, 860)
        for step in range(9):
            move(world, code, 19 - step, "usage", 860 - 60 * step, 800 - 60 * step)
        move(world, code, 5, "refill", 320, 420)
        move(world, code, 4.6, "put_back", 420, 424)
        move(world, code, 4.2, "correction", 424, 390)
        move(world, code, 3.4, "usage", 390, 343)
        if trust in BECAUSE:
            level(world, code, doubts=json.dumps([[trust.value, BECAUSE[trust]]]))
        if trust not in (Trust.FRESH, Trust.UNKNOWN):
            level(world, code, level_at=world.now - timedelta(hours=3), exact=False, sd_pieces=1.2)
        level(world, code, usage_per_day=260.0, usage_sd=70.0, usage_days=21)
    _week(world)
    world.say("LND-R02-C7", "unstable", ago_s=2)
    world.weigh("LND-R09-A4", -80, ago_s=3)
    level(world, "LND-R09-A4", pieces=343, level_at=world.now - timedelta(hours=3))
    level(world, "HRT-R07-A1", pieces=None, exact=False)
    level(world, "LND-R04-B2", unconfirmed=200, zero_error_mg=9_000, sd_pieces=1.4, exact=False)
    world.gateway("hartmann-1", "offline", ago_s=3 * 3600)
    _counted(world, "LND-R04-B2")
    return world


def _week(world: World) -> None:
    """Readings by the minute over the last day, as the movements have it; until three hours ago
    where nothing was heard since."""
    with world.database.admin() as conn:
        conn.execute(
            "INSERT INTO readings (sensor_id, measured_at, stream_no, seq, received_at, weight_mg,"
            " stability, quality, clock_trusted)"
            " SELECT st.sensor_id, t, st.stream_no, 100000 + row_number() OVER (ORDER BY t), t,"
            " b.tare_mg + m.after_pieces * 4200 + (random() * 300)::int, 0, 0, true"
            " FROM bins b JOIN bin_state st USING (bin_id), generate_series(%(now)s - interval"
            " '29 h', st.heard_at - interval '1 min', interval '1 min') t,"
            " LATERAL (SELECT after_pieces FROM movements WHERE bin_id = b.bin_id"
            " AND replaced_at IS NULL AND event_at <= t ORDER BY event_at DESC LIMIT 1) m"
            " WHERE t NOT BETWEEN %(now)s - interval '13 h' AND %(now)s - interval '12 h'",
            {"now": world.now},
        )


def level(world: World, code: str, **columns: object) -> None:
    said = ", ".join(f"{name} = %({name})s" for name in columns)
    with world.database.admin() as conn:
        conn.execute(
            f"UPDATE bin_levels SET {said}, changed_xid = pg_current_xact_id()"
            " WHERE bin_id = (SELECT bin_id FROM bins WHERE code = %(code)s)",
            {**columns, "code": code},
        )


def move(  # noqa: PLR0917 - a line of a table
    world: World,
    code: str,
    hours_ago: float,
    kind: str,
    before: int,
    after: int,
    *,
    because: str = "",
    replaced_at: datetime | None = None,
) -> None:
    at = world.now - timedelta(hours=hours_ago)
    said = because or f"The bin became {'lighter' if after < before else 'heavier'}."
    with world.database.admin() as conn:
        conn.execute(
            "INSERT INTO movements (bin_id, item_id, kind, pieces, before_pieces, after_pieces,"
            " event_at, confirmed_at, known_at, before_refs, after_refs, before_mg, after_mg,"
            " because, replaced_at)"
            " SELECT bin_id, item_id, %(kind)s, %(after)s - %(before)s::int, %(before)s, %(after)s,"
            " %(at)s, %(at)s + interval '20 s', %(at)s + interval '21 s', '{1,100,1,180}',"
            " '{1,181,1,185}', 350000 + %(before)s * 4200, 350000 + %(after)s * 4200, %(because)s,"
            " %(replaced_at)s FROM bins WHERE code = %(code)s",
            {
                "code": code,
                "kind": kind,
                "before": before,
                "after": after,
                "at": at,
                "because": said,
                "replaced_at": replaced_at,
            },
        )


def _counted(world: World, code: str) -> None:
    move(world, code, 8, "usage", 380, 371, replaced_at=world.now - timedelta(hours=7))
    with world.database.admin() as conn:
        conn.execute(
            "INSERT INTO counts (bin_id, item_id, kind, pieces, counted_at, entered_at, by,"
            " because, level_pieces) SELECT bin_id, item_id, 'cycle', 390, %(at)s, %(at)s,"
            " 'ops@plant.test', 'the turn of this rack', 424 FROM bins WHERE code = %(code)s",
            {"at": world.now - timedelta(hours=4.2), "code": code},
        )
        conn.execute(
            "INSERT INTO restatements (bin_id, item_id, at, from_ug, to_ug, movements,"
            " before_pieces, after_pieces) SELECT bin_id, item_id, %s, 4250000, 4200000, 14, 339,"
            " 343 FROM bins WHERE code = %s",
            (world.now - timedelta(days=2), code),
        )
