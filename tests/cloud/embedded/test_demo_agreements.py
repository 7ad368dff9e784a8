from datetime import UTC, datetime
from typing import Any

from cloud.core.agreements import Mode, Side, Validity, validity_on
from cloud.embedded import demo_agreements, demo_site
from cloud.postgres import agreements, asking
from tests.cloud.embedded.test_demo_site import WEBHOOK

NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)


def seeded(database: Any) -> int:
    site = demo_site.believable()
    with database.connect("binline_portal") as portal:
        demo_site.seed_tables(portal, site, **WEBHOOK)
        return demo_agreements.seed(portal, demo_site.OPERATIONS, NOW)


def test_the_demo_shows_every_way_to_agree_and_most_orders_leave(database: Any) -> None:
    assert seeded(database) == len(demo_agreements.AGREED)
    with database.connect("binline_portal") as portal:
        asking.as_operations(portal, demo_site.OPERATIONS)
        lines = agreements.listed(portal)
        assert {line.mode for line in lines} == {Mode.AUTO, Mode.APPROVE, Mode.SHADOW}
        named = {line.agreement_id: agreements.find(portal, line.agreement_id) for line in lines}
        bins = portal.execute("SELECT count(*) FROM bins").fetchone()
        full = portal.execute(
            "SELECT count(*) FROM bins WHERE coalesce(order_up_to, capacity) = capacity"
        ).fetchone()
    assert full == bins, "what is delivered is what the simulator reckons with"
    asked = [(line.mode, line.bins) for line in lines if line.mode != Mode.AUTO]
    assert sum(count for _, count in asked) <= 20
    clauses = [one.now.clauses for one in named.values() if one]
    assert [validity_on(one, NOW.date()) for one in clauses].count(Validity.ENDS_SOON) == 1
    (proposal,) = [waits for one in named.values() if one for waits in one.proposals]
    assert proposal.by is Side.SUPPLIER
    assert proposal.state == "open"


def test_again_it_changes_nothing(database: Any) -> None:
    seeded(database)
    assert seeded(database) == 0
