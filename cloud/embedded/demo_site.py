"""The believable site of the demo: two customers, three suppliers, sixty bins that live.

One description makes everything: what is on the scales (for the simulator), what the gateways are
told (their settings), and what the cloud knows (its tables). Seeded, so that a seed is a site.
Time runs fast: what takes a plant two weeks takes these bins a quarter of an hour.

`counting` is the other site, for tests that pull plugs: scales whose every answer is unique.
"""

import json
import math
import random
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg

from cloud.postgres import asking, sites, users

ITEMS_FILE = Path(__file__).parent / "demo_items.toml"
OPERATIONS = "operations@demo.binline"
HEARTBEAT_S = 15
GREEN_MIN = (12.0, 28.0)  # minutes from full to the minimum
LIGHT_UG = 1_000_000
TAKE_EVERY_S = (5.0, 40.0)
REFILLED_TO = 0.95
ORDER_ANSWERED_S = (70.0, 240.0)  # from low to refilled
CURRENCY = "EUR"
PRICE_E4_MIN, UG_PER_PRICE = 80, 20_000  # small parts cost about what they weigh
LEAD_TIME_DAYS = 0  # a demo has no patience: its refills come within minutes
BINS_LOW_AT_START = 4
BINS_NEARLY_LOW_AT_START = 5
BINS_WAITING_LONG = 2  # nobody brings them anything: a person must look
BEHAVES_ODDLY_AFTER_S = (150.0, 300.0)


@dataclass(frozen=True, kw_only=True)
class Supplier:
    name: str
    email: str


@dataclass(frozen=True, kw_only=True)
class Customer:
    """A customer's place, with the gateways that stand there."""

    name: str
    place: str
    time_zone: str
    code: str  # what its bins' codes begin with
    gateways: Mapping[str, int]  # name, and how many bins it watches


@dataclass(frozen=True, kw_only=True)
class Item:
    name: str
    supplier: str
    sku: str
    supplier_sku: str
    unit_weight_ug: int
    pack: int
    capacity: int
    tare_mg: int


@dataclass(frozen=True, kw_only=True)
class Bin:
    code: str
    place: str
    customer: str
    gateway: str
    sensor: str
    item: Item
    minimum: int
    deadband_mg: int  # what is less than half a piece is no news
    scale: Mapping[str, object]  # what the simulator is told about what lies on it


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How the gateways ask and report."""

    poll_s: float
    settle_samples: int
    heartbeat_s: int


@dataclass(frozen=True, kw_only=True)
class DemoSite:
    seed: int
    suppliers: tuple[Supplier, ...]
    customers: tuple[Customer, ...]
    bins: tuple[Bin, ...]
    pace: Pace
    keeps_ledger: bool = False  # the simulator writes down every answer it gave

    @property
    def gateways(self) -> tuple[str, ...]:
        return tuple(name for customer in self.customers for name in customer.gateways)


@dataclass(frozen=True, kw_only=True)
class GatewayFiles:
    """Where a gateway finds what it needs, and where it keeps its readings."""

    folder: Path
    ports: Path  # where the simulator's serial ports appear
    broker_url: str


SUPPLIERS = (
    Supplier(name="Ferro AG", email="ferro@demo.binline"),
    Supplier(name="Norrby Fasteners", email="norrby@demo.binline"),
    Supplier(name="Kleinteile Süd GmbH", email="kleinteile@demo.binline"),
)
CUSTOMERS = (
    Customer(
        name="Lindau Pumps",
        place="Plant 2",
        time_zone="Europe/Berlin",
        code="LND",
        gateways={"lindau-1": 22, "lindau-2": 16},
    ),
    Customer(
        name="Hartmann Rail",
        place="Assembly hall C",
        time_zone="Europe/Vienna",
        code="HRT",
        gateways={"hartmann-1": 22},
    ),
)


def believable(seed: int = 1) -> DemoSite:
    chance = random.Random(seed)  # noqa: S311 - a replay, not a secret
    items = _items()
    bins: list[Bin] = []
    for customer in CUSTOMERS:
        places = _places(chance)
        for gateway, count in customer.gateways.items():
            for n in range(1, count + 1):
                place = places.pop()
                bins.append(
                    _bin(
                        customer=customer,
                        gateway=gateway,
                        sensor=f"s{n:02d}",
                        place=place,
                        item=items[len(bins) % len(items)],
                        chance=chance,
                    )
                )
    return DemoSite(
        seed=seed,
        suppliers=SUPPLIERS,
        customers=CUSTOMERS,
        bins=tuple(_with_some_trouble(bins, chance)),
        pace=Pace(poll_s=0.4, settle_samples=2, heartbeat_s=HEARTBEAT_S),
    )


def counting(scales: int) -> DemoSite:
    """Scales whose n-th answer is base + n x step, on two gateways. They are never low."""
    customer = Customer(
        name="Counting",
        place="Test bench",
        time_zone="UTC",
        code="CNT",
        gateways={"count-1": math.ceil(scales / 2), "count-2": scales // 2},
    )
    item = Item(
        name="Step",
        supplier=SUPPLIERS[0].name,
        sku="10001",
        supplier_sku="STEP",
        unit_weight_ug=1_000_000,
        pack=1,
        capacity=1_000_000,
        tare_mg=0,
    )
    bins: list[Bin] = []
    for gateway, count in customer.gateways.items():
        for n in range(1, count + 1):
            number = len(bins) + 1
            bins.append(
                Bin(
                    code=f"CNT-{number:02d}",
                    place=f"{number:02d}",
                    customer=customer.name,
                    gateway=gateway,
                    sensor=f"s{n:02d}",
                    item=item,
                    minimum=0,
                    deadband_mg=0,
                    scale={
                        "behaviour": "counting",
                        # No two scales ever show the same, so a reading names its scale; and
                        # none more than the ten characters a weight of theirs is wide.
                        "base_mg": number * 100_000_000,
                        "step_mg": 1_000,
                    },
                )
            )
    return DemoSite(
        seed=1,
        suppliers=SUPPLIERS[:1],
        customers=(customer,),
        bins=tuple(bins),
        pace=Pace(poll_s=0.15, settle_samples=1, heartbeat_s=HEARTBEAT_S),
        keeps_ledger=True,
    )


def plan_of(site: DemoSite, weights: Mapping[str, int]) -> dict[str, object]:
    """What the simulator runs. Bins weighed before go on from there (`weights`, in mg)."""
    return {"seed": site.seed, "scales": [_scale(bin_, weights) for bin_ in site.bins]}


def write_gateway(site: DemoSite, gateway: str, password: str, files: GatewayFiles) -> Path:
    """The settings file of one gateway, with its password beside it; returns the file."""
    files.folder.mkdir(parents=True, exist_ok=True)
    secret = files.folder / f"{gateway}.password"
    secret.touch(mode=0o600)
    secret.write_text(password)
    ours = [bin_ for bin_ in site.bins if bin_.gateway == gateway]
    settings = files.folder / f"{gateway}.toml"
    settings.write_text(_settings(site.pace, gateway, ours, files))
    return settings


def seed_tables(
    portal: psycopg.Connection,
    site: DemoSite,
    *,
    webhook_address: str,
    webhook_secret: str,
) -> dict[str, int]:
    """Say what should be in the database; the suppliers' ids by name. Again changes nothing."""
    with portal.transaction():
        asking.as_operations(portal, OPERATIONS)
        suppliers = {one.name: sites.ensure_supplier(portal, one.name) for one in site.suppliers}
        for supplier in site.suppliers:
            supplier_id = suppliers[supplier.name]
            sites.ensure_channel(
                portal, supplier_id=supplier_id, kind="email", address=supplier.email
            )
            sites.ensure_channel(
                portal,
                supplier_id=supplier_id,
                kind="webhook",
                address=webhook_address,
                secret=webhook_secret,
            )
        customers = {
            one.name: sites.ensure_site(
                portal,
                name=one.name,
                place=one.place,
                time_zone=one.time_zone,
                customer_id=sites.ensure_customer(portal, one.name),
            )
            for one in site.customers
        }
        gateways = {
            name: sites.ensure_gateway(portal, name=name, site_id=customers[customer.name])
            for customer in site.customers
            for name in customer.gateways
        }
        for bin_ in site.bins:
            bin_id = _ensure_bin(portal, bin_, site.pace, customers, suppliers)
            sites.ensure_watch(
                portal, gateway_id=gateways[bin_.gateway], sensor=bin_.sensor, bin_id=bin_id
            )
    return suppliers


def seed_users(
    auth: psycopg.Connection, passwords: Mapping[str, str], suppliers: Mapping[str, int]
) -> None:
    """One log-in for operations and one per supplier, unless they are there."""
    supplier_of = {one.email: suppliers.get(one.name) for one in SUPPLIERS}
    with auth.transaction():
        for email, password in passwords.items():
            if users.find(auth, email) is not None:
                continue  # hashing is slow on purpose
            supplier_id = supplier_of.get(email)
            users.add(
                auth,
                email=email,
                password_hash=users.hash_password(password),
                role="operations" if supplier_id is None else "supplier",
                supplier_id=supplier_id,
            )


def last_weights(portal: psycopg.Connection) -> dict[str, int]:
    with portal.transaction():
        asking.as_operations(portal, OPERATIONS)
        return sites.last_weights(portal)


# -------------------------------------------------------------------------- how a bin is made


def _items() -> list[Item]:
    return [Item(**entry) for entry in tomllib.loads(ITEMS_FILE.read_text("utf-8"))["item"]]


def _places(chance: random.Random) -> list[str]:
    """R04-B2: rack, shelf, place. Taken from the end, each once."""
    places = [
        f"R{rack:02d}-{shelf}{n}" for rack in range(1, 6) for shelf in "ABC" for n in (1, 2, 3)
    ]
    chance.shuffle(places)
    return places


def _bin(
    *,
    customer: Customer,
    gateway: str,
    sensor: str,
    place: str,
    item: Item,
    chance: random.Random,
) -> Bin:
    minimum = round(item.capacity * chance.uniform(0.18, 0.28) / 10) * 10
    full = round(item.capacity * REFILLED_TO)
    per_minute = (full - minimum) / chance.uniform(*GREEN_MIN)
    per_take = per_minute * chance.uniform(*TAKE_EVERY_S) / 60
    # Light parts are weighed on finer scales, or nobody could count them.
    resolution_mg = 10 if item.unit_weight_ug < LIGHT_UG else 100
    return Bin(
        code=f"{customer.code}-{place}",
        place=place,
        customer=customer.name,
        gateway=gateway,
        sensor=sensor,
        item=item,
        minimum=minimum,
        deadband_mg=max(2 * resolution_mg, item.unit_weight_ug // 2000),
        scale={
            "behaviour": "bin",
            "unit_weight_ug": item.unit_weight_ug,
            "tare_mg": item.tare_mg,
            "capacity": item.capacity,
            "pieces": round(minimum + (full - minimum) * chance.uniform(0.12, 1.0)),
            "usage_per_minute": round(per_minute, 2),
            "take_pieces": [max(1, round(per_take * 0.4)), max(2, round(per_take * 1.6))],
            "refill_below": minimum,
            "refill_after_s": list(ORDER_ANSWERED_S),
            "refill_pieces": _ordered(item, minimum),
            "resolution_mg": resolution_mg,
            "noise_mg": resolution_mg * 2 // 5,
        },
    )


def _ordered(item: Item, pieces: int) -> int:
    """What will be ordered at this level, and so what the delivery brings: whole packs that fit."""
    return (item.capacity - pieces) // item.pack * item.pack


def _low(bin_: Bin, part_of_minimum: float) -> dict[str, object]:
    pieces = round(bin_.minimum * part_of_minimum)
    return {"pieces": pieces, "refill_pieces": _ordered(bin_.item, pieces)}


def _with_some_trouble(bins: list[Bin], chance: random.Random) -> Iterable[Bin]:
    """A few low at the start, a few about to be, and now and then a scale that does not answer."""
    odd = chance.sample(range(len(bins)), len(bins))
    changes: dict[int, dict[str, object]] = {}
    for n in odd[:BINS_LOW_AT_START]:
        changes[n] = _low(bins[n], chance.uniform(0.45, 0.95))
    for n in odd[:BINS_WAITING_LONG]:
        changes[n] = {**_low(bins[n], 0.2), "refill_after_s": [600, 900]}
    later = odd[BINS_LOW_AT_START:]
    for n in later[:BINS_NEARLY_LOW_AT_START]:
        changes[n] = {"pieces": round(bins[n].minimum * chance.uniform(1.01, 1.08))}
    silent, mute, overloaded = later[BINS_NEARLY_LOW_AT_START : BINS_NEARLY_LOW_AT_START + 3]
    changes[silent] = {"silences": [[20, 90], [500, 120]]}
    changes[mute] = {"silences": [[chance.uniform(*BEHAVES_ODDLY_AFTER_S), 180]]}
    changes[overloaded] = {"overloads": [[chance.uniform(*BEHAVES_ODDLY_AFTER_S), 40]]}
    for n, bin_ in enumerate(bins):
        yield replace(bin_, scale={**bin_.scale, **changes.get(n, {})})


def _scale(bin_: Bin, weights: Mapping[str, int]) -> dict[str, object]:
    scale = {"gateway": bin_.gateway, "sensor": bin_.sensor, **bin_.scale}
    if "pieces" in scale and bin_.code in weights:
        pieces = round((weights[bin_.code] - bin_.item.tare_mg) * 1000 / bin_.item.unit_weight_ug)
        scale["pieces"] = min(max(0, pieces), bin_.item.capacity)
    return scale


def _ensure_bin(
    portal: psycopg.Connection,
    bin_: Bin,
    pace: Pace,
    customers: Mapping[str, int],
    suppliers: Mapping[str, int],
) -> int:
    item = bin_.item
    item_id = sites.ensure_item(
        portal,
        sites.NewItem(
            sku=item.sku,
            name=item.name,
            unit_weight_ug=item.unit_weight_ug,
            pack=item.pack,
        ),
    )
    price_e4 = PRICE_E4_MIN + item.unit_weight_ug // UG_PER_PRICE
    sites.ensure_price(portal, item_id, price_e4, CURRENCY)
    sites.ensure_line(
        portal,
        sites.NewLine(
            item_id=item_id,
            supplier_id=suppliers[item.supplier],
            supplier_sku=item.supplier_sku,
            pack=item.pack,
            moq=item.pack,
            lead_time_days=LEAD_TIME_DAYS,
            price_e4=price_e4,
            currency=CURRENCY,
        ),
    )
    site_id = customers[bin_.customer]
    place_id = sites.ensure_place(portal, site_id=site_id, path=_path(bin_.place))
    return sites.ensure_bin(
        portal,
        sites.NewBin(
            code=bin_.code,
            site_id=site_id,
            place_id=place_id,
            item_id=item_id,
            supplier_id=suppliers[item.supplier],
            place=bin_.place,
            capacity=item.capacity,
            minimum=bin_.minimum,
            margin=round(item.capacity * 0.03),
            tare_mg=item.tare_mg,
            scale_sd_mg=noise if isinstance(noise := bin_.scale.get("noise_mg"), int) else 0,
            interval_s=pace.heartbeat_s,
        ),
    )


def _path(place: str) -> list[tuple[str, str]]:
    """R04-B2 is spot 2 of shelf R04-B in rack R04; what has no rack is a spot by itself."""
    rack, _, rest = place.partition("-")
    if not rest:
        return [("spot", place)]
    return [("rack", rack), ("shelf", f"{rack}-{rest[:1]}"), ("spot", place)]


def _settings(pace: Pace, gateway: str, bins: Iterable[Bin], files: GatewayFiles) -> str:
    """TOML. A JSON string is a TOML string, so `json.dumps` quotes both."""
    lines = [
        "# Made by `binline demo` at each start: changes are lost.",
        f"gateway = {json.dumps(gateway)}",
        "# The machine of a demo may have no time service; its clock is taken as it is.",
        "clock_check = false",
        "",
        "[broker]",
        f"url = {json.dumps(files.broker_url)}",
        f"user = {json.dumps(gateway)}",
        f"password_file = {json.dumps(f'{gateway}.password')}",
        "",
        "[spool]",
        f"path = {json.dumps(f'{gateway}.spool')}",
    ]
    for bin_ in bins:
        device = files.ports.absolute() / f"{gateway}-{bin_.sensor}"
        lines += [
            "",
            f"[[ports]]  # {bin_.code}",
            f"address = {json.dumps(str(device))}",
            "[[ports.devices]]",
            'profile = "mt_sics"',
            f"poll_s = {pace.poll_s}",
            "[[ports.devices.sensors]]",
            f"name = {json.dumps(bin_.sensor)}",
            f"settle_samples = {pace.settle_samples}",
            f"deadband_mg = {bin_.deadband_mg}",
            f"heartbeat_s = {pace.heartbeat_s}",
        ]
    return "\n".join(lines) + "\n"
