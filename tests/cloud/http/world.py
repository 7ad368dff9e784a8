"""A small world for the pages: two sites, two suppliers, eight bins, scales that obey.

Arranged over an admin's connection; what the rules do (breach, order, notices) the rules do here.
"""

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg

from cloud.actions import agree
from cloud.actions.agree import Wish
from cloud.actions.assess import assess_bin
from cloud.core.agreements import Side
from cloud.core.clauses import CLAUSES, values_of
from cloud.core.links import sign_link
from cloud.core.nouns import read
from cloud.postgres import asking, users
from cloud.settings import HttpSettings
from tests.conftest import Database

NOW = datetime(2026, 11, 20, 9, 41, 30, tzinfo=UTC)
PASSWORD = "a long enough password"
PASSWORD_HASH = users.hash_password(PASSWORD)
OPERATIONS, FERRO, NORRBY = "ops@plant.test", "orders@ferro.test", "orders@norrby.test"
TARE_MG = 350_000
UNIT_UG = 4_200_000
INTERVAL_S = 60

# code, place, part, sku, supplier, site, capacity, minimum
BINS = (
    ("LND-R04-B2", "R04-B2", "Lock nut M8", "10741", "Ferro AG", "Lindau Pumps", 2000, 500),
    ("LND-R03-C6", "R03-C6", "Fuse 10 A", "10858", "Ferro AG", "Lindau Pumps", 4000, 900),
    ("LND-R02-C7", "R02-C7", "Hex bolt M8x30", "10487", "Ferro AG", "Lindau Pumps", 1000, 250),
    ("LND-R01-A8", "R01-A8", "Set screw M5", "10827", "Norrby", "Lindau Pumps", 1000, 230),
    ("LND-R09-A4", "R09-A4", "Dowel 6x24", "10439", "Norrby", "Lindau Pumps", 500, 140),
    ("HRT-R09-B2", "R09-B2", "Washer A8", "10567", "Norrby", "Hartmann Rail", 500, 180),
    ("HRT-R02-A2", "R02-A2", "Hose clamp 16", "10884", "Ferro AG", "Hartmann Rail", 2000, 600),
    ("HRT-R06-D3", "R06-D3", "NORRBY-SECRET part", "10886", "Norrby", "Hartmann Rail", 500, 260),
)
SETTINGS = HttpSettings(
    portal_dsn="", auth_dsn="", public_url="http://testserver", secret_key=secrets.token_bytes(32)
)


@dataclass
class World:
    database: Database
    now: datetime = NOW
    seq: int = 0
    streams: dict[str, int] = field(default_factory=dict)

    def clock(self) -> datetime:
        return self.now

    # ---------------------------------------------------------------- arranging

    def settle(self) -> "World":
        with self.database.admin() as conn:
            for name, place in (("Lindau Pumps", "Plant 2"), ("Hartmann Rail", "Hall C")):
                conn.execute(
                    "INSERT INTO sites (name, place, time_zone) VALUES (%s, %s, 'Europe/Berlin')",
                    (name, place),
                )
            for name, mail in (("Ferro AG", FERRO), ("Norrby", NORRBY)):
                supplier = self._one(
                    conn, "INSERT INTO suppliers (name) VALUES (%s) RETURNING supplier_id", name
                )
                conn.execute(
                    "INSERT INTO supplier_channels (supplier_id, kind, address)"
                    " VALUES (%s, 'email', %s)",
                    (supplier, mail),
                )
                users.add(
                    conn,
                    email=mail,
                    password_hash=PASSWORD_HASH,
                    role="supplier",
                    supplier_id=supplier,
                )
            users.add(conn, email=OPERATIONS, password_hash=PASSWORD_HASH, role="operations")
            for name, site in (("lindau-1", "Lindau Pumps"), ("hartmann-1", "Hartmann Rail")):
                conn.execute(
                    "INSERT INTO gateways (name, site_id, presence, presence_at)"
                    " SELECT %s, site_id, 'online', %s FROM sites WHERE name = %s",
                    (name, self.now - timedelta(hours=3), site),
                )
            for number, one in enumerate(BINS, start=1):
                self._add_bin(conn, number, one)
        return self

    def _add_bin(self, conn: psycopg.Connection, number: int, one: tuple) -> None:
        code, place, part, sku, supplier, site, capacity, minimum = one
        item = self._one(
            conn,
            "INSERT INTO items (sku, name, supplier_sku, unit_weight_ug, pack)"
            " VALUES (%s, %s, %s, %s, 100) RETURNING item_id",
            sku,
            part,
            f"X-{sku}",
            UNIT_UG,
        )
        bin_id = self._one(
            conn,
            "INSERT INTO bins (code, site_id, item_id, supplier_id, place, capacity, minimum,"
            " margin, tare_mg, interval_s)"
            " SELECT %s, si.site_id, %s, su.supplier_id, %s, %s, %s, 10, %s, %s"
            " FROM sites si, suppliers su WHERE si.name = %s AND su.name = %s RETURNING bin_id",
            code,
            item,
            place,
            capacity,
            minimum,
            TARE_MG,
            INTERVAL_S,
            site,
            supplier,
        )
        gateway = "lindau-1" if site.startswith("Lindau") else "hartmann-1"
        conn.execute(
            "INSERT INTO sensors (gateway_id, name, bin_id)"
            " SELECT gateway_id, %s, %s FROM gateways WHERE name = %s",
            (f"s{number:02}", bin_id, gateway),
        )

    # ---------------------------------------------------------------- what scales say

    def weigh(self, code: str, pieces: int, *, ago_s: float = 4.0) -> None:
        """A settled weight, taken in the way ingest does."""
        weight_mg = TARE_MG + pieces * UNIT_UG // 1000
        self._heard(code, ago_s, weight_mg=weight_mg, condition=None)

    def say(self, code: str, condition: str, *, ago_s: float = 4.0) -> None:
        self._heard(code, ago_s, weight_mg=None, condition=condition)

    def _heard(
        self, code: str, ago_s: float, *, weight_mg: int | None, condition: str | None
    ) -> None:
        at = self.now - timedelta(seconds=ago_s)
        self.seq += 1
        with self.database.admin() as conn, conn.transaction():
            sensor, bin_id, stream = self._stream_of(conn, code)
            conn.execute(
                "INSERT INTO readings (sensor_id, measured_at, stream_no, seq, received_at,"
                " weight_mg, condition, stability, quality, clock_trusted)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, 0, 0, true)",
                (sensor, at, stream, self.seq, at + timedelta(seconds=0.6), weight_mg, condition),
            )
            conn.execute(
                "INSERT INTO bin_state AS s (bin_id, sensor_id, heard_at, received_at, condition,"
                " measured_at, weight_mg, stability, quality, clock_trusted, stream_no, seq)"
                " VALUES (%(bin)s, %(sensor)s, %(at)s, %(received)s, %(condition)s,"
                " CASE WHEN %(mg)s::bigint IS NOT NULL THEN %(at)s END, %(mg)s, 0, 0, true,"
                " %(stream)s, %(seq)s)"
                " ON CONFLICT (bin_id) DO UPDATE SET heard_at = excluded.heard_at,"
                " received_at = excluded.received_at, condition = excluded.condition,"
                " measured_at = coalesce(excluded.measured_at, s.measured_at),"
                " weight_mg = coalesce(excluded.weight_mg, s.weight_mg), seq = excluded.seq,"
                " changed_xid = pg_current_xact_id()",
                {
                    "bin": bin_id,
                    "sensor": sensor,
                    "at": at,
                    "mg": weight_mg,
                    "seq": self.seq,
                    "received": at + timedelta(seconds=0.6),
                    "condition": condition,
                    "stream": stream,
                },
            )

            if weight_mg is not None:
                pieces = (weight_mg - TARE_MG) * 1000 // UNIT_UG
                # What whoever follows books when so much more lies there.
                conn.execute(
                    "INSERT INTO movements (bin_id, item_id, kind, pieces, before_pieces,"
                    " after_pieces, event_at, confirmed_at, known_at, after_refs, because)"
                    " SELECT b.bin_id, b.item_id, 'refill', %(now)s - l.pieces, l.pieces, %(now)s,"
                    " %(at)s, %(at)s, %(at)s, ARRAY[%(stream)s, %(seq)s, %(stream)s, %(seq)s], ''"
                    "   FROM bins b JOIN bin_levels l USING (bin_id)"
                    "  WHERE b.bin_id = %(bin)s AND %(now)s - l.pieces >= 50",
                    {
                        "bin": bin_id,
                        "now": pieces,
                        "at": self.now,
                        "stream": stream,
                        "seq": self.seq,
                    },
                )
                conn.execute(
                    "INSERT INTO bin_levels AS l (bin_id, pieces, exact, level_at, followed_at)"
                    " VALUES (%s, greatest(0, %s), true, %s, %s) ON CONFLICT (bin_id) DO UPDATE SET"
                    " pieces = EXCLUDED.pieces, level_at = EXCLUDED.level_at,"
                    " followed_at = EXCLUDED.followed_at, changed_xid = pg_current_xact_id()",
                    (bin_id, pieces, at, at),
                )

    def _stream_of(self, conn: psycopg.Connection, code: str) -> tuple[int, int, int]:
        row = conn.execute(
            "SELECT s.sensor_id, b.bin_id, s.gateway_id FROM bins b JOIN sensors s USING (bin_id)"
            " WHERE b.code = %s",
            (code,),
        ).fetchone()
        assert row is not None, f"no bin {code}"
        sensor, bin_id, gateway = row
        stream = self._one(
            conn,
            "INSERT INTO streams (gateway_id, stream, first_heard_at)"
            " VALUES (%s, '0123456789abcdef0123456789abcdef', %s)"
            " ON CONFLICT (gateway_id, stream) DO UPDATE SET contiguous_upto = 0"
            " RETURNING stream_no",
            gateway,
            self.now,
        )
        return sensor, bin_id, stream

    def assess(self, code: str) -> None:
        """What the worker does when the bin is due."""
        with self.database.connect("binline_jobs") as conn:
            row = conn.execute("SELECT bin_id FROM bins WHERE code = %s", (code,)).fetchone()
            assert row is not None
            conn.commit()
            assess_bin(conn, row[0], self.now)

    def agreement(
        self, site: str = "Lindau Pumps", supplier: str = "Ferro AG", **clauses: object
    ) -> int:
        """What the two have agreed on, written down by operations; the same again is the same."""
        given = {"valid_from": "2026-01-01", "band_limits_percent": 10, **clauses}
        with self.database.connect("binline_portal") as conn:
            asking.as_operations(conn, OPERATIONS)
            ids = conn.execute(
                "SELECT site_id, supplier_id FROM sites, suppliers"
                " WHERE sites.name = %s AND suppliers.name = %s",
                (site, supplier),
            ).fetchone()
            assert ids is not None
            return agree.make(
                conn, site_id=ids[0], supplier_id=ids[1], author=OPERATIONS, now=self.now,
                wish=Wish(read=read(CLAUSES, given), because="Contract 4711"),
            )  # fmt: skip

    def proposal(
        self, agreement: int, side: Side, limits: dict | None = None, **clauses: object
    ) -> int:
        """One that waits for the other side; its number."""
        with self.database.connect("binline_portal") as conn:
            asking.as_operations(conn, OPERATIONS)
            now = agree.find(conn, agreement).agreement.now
            return agree.propose(
                conn, agreement, base=now.number, number=None, side=side,
                author=OPERATIONS if side is Side.CUSTOMER else FERRO, now=self.now,
                wish=Wish(
                    read=read(CLAUSES, clauses, values_of(now.clauses)),
                    because="Usage has doubled", limits=limits or {},
                ),
            ).number  # fmt: skip

    def gateway(self, name: str, presence: str, *, ago_s: float) -> None:
        with self.database.admin() as conn:
            conn.execute(
                "UPDATE gateways SET presence = %s, presence_at = %s WHERE name = %s",
                (presence, self.now - timedelta(seconds=ago_s), name),
            )

    def order_of(self, code: str) -> UUID:
        with self.database.admin() as conn:
            return UUID(
                str(
                    self._one(
                        conn,
                        "SELECT o.order_id FROM orders o JOIN order_lines USING (order_id)"
                        " JOIN bins USING (bin_id) WHERE code = %s"
                        " ORDER BY o.number DESC LIMIT 1",
                        code,
                    )
                )
            )

    def order_label(self, code: str) -> str:
        with self.database.admin() as conn:
            number = self._one(
                conn, "SELECT number FROM orders WHERE order_id = %s", self.order_of(code)
            )
        return f"RO-{number}"

    def order_state(self, code: str) -> str:
        with self.database.admin() as conn:
            return str(
                self._one(conn, "SELECT state FROM orders WHERE order_id = %s", self.order_of(code))
            )

    def link(self, code: str) -> str:
        with self.database.admin() as conn:
            order_id = self.order_of(code)
            sent_at = self._one(conn, "SELECT sent_at FROM orders WHERE order_id = %s", order_id)
        assert isinstance(sent_at, datetime)
        return f"/a/{sign_link(order_id, sent_at, SETTINGS.secret_key)}"

    def a_morning(self) -> "World":
        """The usual picture: mostly fine, two low and on order, one empty, one silent."""
        for code, pieces in (
            ("LND-R02-C7", 800), ("LND-R09-A4", 420), ("HRT-R02-A2", 1091), ("HRT-R06-D3", 466),
        ):  # fmt: skip
            self.weigh(code, pieces + 100, ago_s=1200)
            self.weigh(code, pieces, ago_s=9)
        for code, pieces in (("LND-R03-C6", 0), ("LND-R04-B2", 412), ("HRT-R09-B2", 89)):
            self.weigh(code, pieces + 700, ago_s=900)
            self.weigh(code, pieces)
            self.assess(code)
        self.weigh("LND-R01-A8", 343, ago_s=3 * 3600)
        return self

    @staticmethod
    def _one(conn: psycopg.Connection, query: str, *values: object):
        row = conn.execute(query, values).fetchone()
        assert row is not None
        return row[0]
