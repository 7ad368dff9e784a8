"""A site whose agreement is in shadow: a bin is low, and people fill it as they always did."""

from datetime import timedelta

from tests.cloud.http.world import World


def shadowed(world: World) -> None:
    with world.database.admin() as conn:
        conn.execute(
            "INSERT INTO agreements (site_id, supplier_id) SELECT site_id, supplier_id FROM bins"
            " WHERE code = 'LND-R04-B2'"
        )
        conn.execute(
            "INSERT INTO agreement_versions (agreement_id, number, mode, draft_hours,"
            " escalate_after_hours, ownership, answer_hours, grace_hours, band_quantity_percent,"
            " band_postpone_days, band_limits_percent, shared, valid_from, proposed_by, author,"
            " because, agreed_at, accepted_by) SELECT agreement_id, 1, 'shadow', 24, 8, 'owned',"
            " 24, 24, 0, 0, 0, '{levels}', '2026-01-01', 'customer', 'ada', 'so', %s, 'ferro'"
            "   FROM agreements",
            (world.now,),
        )
    world.weigh("LND-R04-B2", 412)
    world.assess("LND-R04-B2")
    world.weigh("LND-R04-B2", 1_112, ago_s=1)
    world.assess("LND-R04-B2")
    world.now += timedelta(minutes=1)  # what is shown ends now
