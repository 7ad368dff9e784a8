"""Many bins in a database, laid out by statements: sites, suppliers, items, gateways, sensors.

Each bin has one sensor, and one weight of just now. What a bench is about comes on top of it.
"""

from datetime import datetime

import psycopg

SITE_BINS = 100


def lay_out(admin: psycopg.Connection, bins: int, now: datetime) -> None:
    sites = -(-bins // SITE_BINS)
    for statement, values in (
        (_SITES, [sites]),
        (_SUPPLIERS, []),
        (_ITEMS, []),
        (_GATEWAYS, [sites]),
        (_BINS, [SITE_BINS, bins]),
        (_SENSORS, []),
        (_STREAMS, []),
        (_STATE, [now, now, now]),
    ):
        admin.execute(statement, values)


_SITES = "INSERT INTO sites (name) SELECT 'site ' || n FROM generate_series(1, %s) n"
_SUPPLIERS = "INSERT INTO suppliers (name) SELECT 'supplier ' || n FROM generate_series(1, 20) n"
_ITEMS = """
INSERT INTO items (sku, name, unit_weight_ug)
SELECT 'sku ' || n, 'part ' || n, 1000000 FROM generate_series(1, 500) n
"""
_GATEWAYS = """
INSERT INTO gateways (name, site_id) SELECT 'gw-' || n, n FROM generate_series(1, %s) n
"""
_BINS = """
INSERT INTO bins (code, site_id, item_id, supplier_id, place, capacity, minimum)
SELECT 'B-' || n, (n - 1) / %s + 1, n %% 500 + 1, n %% 20 + 1, 'R' || n, 2000, 100
  FROM generate_series(1, %s) n
"""
_SENSORS = """
INSERT INTO sensors (gateway_id, name, bin_id)
SELECT site_id, 's' || bin_id, bin_id FROM bins ORDER BY bin_id
"""
_STREAMS = """
INSERT INTO streams (gateway_id, stream, first_heard_at)
SELECT gateway_id, gen_random_uuid(), now() FROM gateways ORDER BY 1
"""
_STATE = """
INSERT INTO bin_state (bin_id, sensor_id, heard_at, received_at, measured_at, weight_mg, stability,
                       quality, clock_trusted, stream_no, seq)
SELECT bin_id, sensor_id, %s, %s, %s, 1000000, 0, 0, true, gateway_id, 1 FROM sensors
"""
