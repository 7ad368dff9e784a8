"""The demo's site is one description: simulator, gateways and cloud must all understand it."""

import json
from pathlib import Path

import pytest

from cloud.embedded import demo_site
from edge_agent import settings
from edge_agent.simulated import site as simulated

WEBHOOK = {"webhook_address": "http://127.0.0.1:9/webhook", "webhook_secret": "whsec_c2VjcmV0"}
TABLES = (
    "sites",
    "suppliers",
    "supplier_channels",
    "items",
    "bins",
    "gateways",
    "sensors",
    "users",
)
SITES = [demo_site.believable(), demo_site.counting(6)]


@pytest.mark.parametrize("site", SITES, ids=["believable", "counting"])
def test_the_simulator_understands_the_plan(site: demo_site.DemoSite, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps(demo_site.plan_of(site, {})))
    assert len(simulated.load(plan).scales) == len(site.bins)


@pytest.mark.parametrize("site", SITES, ids=["believable", "counting"])
def test_the_agent_understands_each_gateways_settings(
    site: demo_site.DemoSite, tmp_path: Path
) -> None:
    sensors = 0
    for gateway in site.gateways:
        files = demo_site.GatewayFiles(
            folder=tmp_path, ports=tmp_path / "ports", broker_url="mqtt://127.0.0.1:1"
        )
        loaded = settings.load(demo_site.write_gateway(site, gateway, "the password", files))
        assert loaded.gateway == gateway
        assert loaded.broker.password() == "the password"
        assert loaded.broker.password_file.stat().st_mode & 0o077 == 0
        sensors += len(loaded.ports)
    assert sensors == len(site.bins)


def test_it_is_believable() -> None:
    site = demo_site.believable()
    pieces = {bin_.code: int(str(bin_.scale["pieces"])) for bin_ in site.bins}
    low = [bin_ for bin_ in site.bins if pieces[bin_.code] <= bin_.minimum]
    assert len(site.bins) == 60
    assert 0.03 <= len(low) / len(site.bins) <= 0.2
    assert {bin_.item.supplier for bin_ in site.bins} == {one.name for one in site.suppliers}
    for bin_ in site.bins:
        full_mg = bin_.item.tare_mg + bin_.item.capacity * bin_.item.unit_weight_ug // 1000
        assert full_mg < 30_000_000, f"{bin_.code} is too heavy for its scale"


def test_a_seed_is_a_site() -> None:
    assert demo_site.believable(3) == demo_site.believable(3)
    assert demo_site.believable(3) != demo_site.believable(4)


def test_a_bin_that_was_weighed_goes_on_from_there() -> None:
    site = demo_site.believable()
    one = site.bins[7]
    weight_mg = one.item.tare_mg + 123 * one.item.unit_weight_ug // 1000
    scales = demo_site.plan_of(site, {one.code: weight_mg})["scales"]
    assert scales[7]["pieces"] == 123
    assert scales[8]["pieces"] == site.bins[8].scale["pieces"]


def test_seeding_again_changes_nothing(database) -> None:
    site = demo_site.believable()
    passwords = {demo_site.OPERATIONS: "a-b-c-d-e"} | {
        one.email: "f-g-h-i-j" for one in site.suppliers
    }

    def seed() -> dict[str, list]:
        with database.connect("binline_portal") as portal, database.connect("binline_auth") as auth:
            suppliers = demo_site.seed_tables(portal, site, **WEBHOOK)
            demo_site.seed_users(auth, passwords, suppliers)
        with database.admin() as admin:
            return {name: admin.execute(f"TABLE {name}").fetchall() for name in TABLES}

    first = seed()
    assert {name: len(rows) for name, rows in first.items()} == {
        "sites": 2,
        "suppliers": 3,
        "supplier_channels": 6,
        "items": 20,
        "bins": 60,
        "gateways": 3,
        "sensors": 60,
        "users": 4,
    }
    assert seed() == first


def test_what_people_changed_is_kept(database) -> None:
    site = demo_site.believable()
    with database.connect("binline_portal") as portal:
        demo_site.seed_tables(portal, site, **WEBHOOK)
    with database.admin() as admin:
        admin.execute("UPDATE bins SET minimum = 7 WHERE code = %s", (site.bins[0].code,))
    with database.connect("binline_portal") as portal:
        demo_site.seed_tables(portal, site, **WEBHOOK)
    with database.admin() as admin:
        row = admin.execute(
            "SELECT minimum FROM bins WHERE code = %s", (site.bins[0].code,)
        ).fetchone()
    assert row == (7,)
