"""What stands in every world before the first fault: the plan of the site, and a filled database.

Counting scales say a number that never comes again, so a number names its answer. Bins beside them
run low and are filled again, so that orders have a reason.

    count-1   s01 s02 s03 counting    b01 low before the fault   b02 never low
    count-2   s01 s02 s03 counting    b01 low during it          b02 low after it
    spare-…   gateways without an agent: scenarios speak for them
"""

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg

from cloud.core.signatures import secret_of
from cloud.embedded import demo_site, postgres, programs
from cloud.postgres import migrate

POLL_S = 0.2
HEARTBEAT_S = 2
COUNTING_PER_GATEWAY = 3
STEP_MG = 1_000
BASE_MG = 100_000_000  # a weight of theirs is ten characters wide: 999999.999 g
MINIMUM, FULL, LOW = 200, 800, 100
UNIT_WEIGHT_UG, TARE_MG = 1_000_000, 100_000
GATEWAYS = ("count-1", "count-2")
SPARE = ("late-1", "evil-1", "flood-1")
CROWD = tuple(f"crowd-{n:03d}" for n in range(1, 301))
PASSWORD = "for-these-worlds-only"
SECRET_KEY = "0123456789abcdef" * 4
WEBHOOK_SECRET = secret_of(b"for these worlds only, 32 bytes.")
SUPPLIER = demo_site.SUPPLIERS[0]


def site(seed: int = 1) -> demo_site.DemoSite:
    customer = demo_site.Customer(
        name="Faults",
        place="Test bench",
        time_zone="UTC",
        code="FLT",
        gateways=dict.fromkeys((*GATEWAYS, *SPARE, *CROWD), 0),
    )
    bins = [
        one
        for at, gateway in enumerate(GATEWAYS)
        for one in (
            *(_counting(customer, gateway, at, n) for n in range(1, COUNTING_PER_GATEWAY + 1)),
            *(_bin(customer, gateway, at, n) for n in (1, 2)),
        )
    ]
    return demo_site.DemoSite(
        seed=seed,
        suppliers=(SUPPLIER,),
        customers=(customer,),
        bins=tuple(bins),
        pace=demo_site.Pace(poll_s=POLL_S, settle_samples=1, heartbeat_s=HEARTBEAT_S),
        keeps_ledger=True,
    )


def base_mg(gateway_at: int, n: int) -> int:
    return (gateway_at * 4 + n) * BASE_MG


def _counting(customer: demo_site.Customer, gateway: str, at: int, n: int) -> demo_site.Bin:
    item = demo_site.Item(
        name="Step",
        supplier=SUPPLIER.name,
        sku="90001",
        supplier_sku="STEP",
        unit_weight_ug=UNIT_WEIGHT_UG,
        pack=1,
        capacity=10_000_000,
        tare_mg=0,
    )
    return demo_site.Bin(
        code=f"FLT-{at + 1}-S{n:02d}",
        place=f"{at + 1}-{n}",
        customer=customer.name,
        gateway=gateway,
        sensor=f"s{n:02d}",
        item=item,
        minimum=0,
        deadband_mg=0,
        scale={"behaviour": "counting", "base_mg": base_mg(at, n), "step_mg": STEP_MG},
    )


def _bin(customer: demo_site.Customer, gateway: str, at: int, n: int) -> demo_site.Bin:
    item = demo_site.Item(
        name="Nut",
        supplier=SUPPLIER.name,
        sku="90002",
        supplier_sku="NUT",
        unit_weight_ug=UNIT_WEIGHT_UG,
        pack=100,
        capacity=1_000,
        tare_mg=TARE_MG,
    )
    return demo_site.Bin(
        code=f"FLT-{at + 1}-B{n:02d}",
        place=f"{at + 1}-b{n}",
        customer=customer.name,
        gateway=gateway,
        sensor=f"b{n:02d}",
        item=item,
        minimum=MINIMUM,
        deadband_mg=500,
        scale={
            "behaviour": "bin",
            "unit_weight_ug": UNIT_WEIGHT_UG,
            "tare_mg": TARE_MG,
            "capacity": 1_000,
            "pieces": FULL,
            "usage_per_minute": 0,
            "moving_s": [0.1, 0.3],
            "resolution_mg": 100,
            "noise_mg": 0,
        },
    )


@dataclass(frozen=True, kw_only=True)
class Template:
    """A database as every world begins with it; made once, copied for each."""

    folder: Path
    people: Mapping[str, str]

    def copy_to(self, home: Path) -> None:
        home.mkdir(parents=True)
        shutil.copy(self.folder / "password", home / "password")
        subprocess.run(
            ("cp", "-a", "--reflink=auto", str(self.folder / "data"), str(home / "data")),
            check=True,
        )


def make_template(folder: Path) -> Template:
    """Reused when it is there already: say another folder to have it made anew."""
    people = {demo_site.OPERATIONS: PASSWORD}
    done = folder / "done"
    template = Template(folder=folder, people=people)
    if done.exists():
        return template
    server = postgres.prepare(folder)
    child = programs.spawn(server.program, folder / "log")
    try:
        postgres.wait_until_up(server.dsn(database="postgres"), 60, gone=child)
        postgres.ensure_database(server)
        with psycopg.connect(server.dsn()) as admin:
            migrate.migrate(admin)
            migrate.set_passwords(admin, dict.fromkeys(migrate.LOGIN_ROLES, PASSWORD))
            admin.execute("CREATE EXTENSION IF NOT EXISTS amcheck")
        with (
            psycopg.connect(server.dsn("binline_portal", PASSWORD)) as portal,
            psycopg.connect(server.dsn("binline_auth", PASSWORD)) as auth,
        ):
            suppliers = demo_site.seed_tables(
                portal, site(), webhook_address="http://127.0.0.1:9/", webhook_secret=WEBHOOK_SECRET
            )
            demo_site.seed_users(auth, people, suppliers)
    finally:
        child.send_signal(server.program.stop_signal)
        child.wait(30)
    done.write_text(json.dumps({"gateways": GATEWAYS}))
    return template
