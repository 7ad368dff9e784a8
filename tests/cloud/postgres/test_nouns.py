"""What was there before the nouns had a history is carried over, and has one from then on."""

from typing import Any

import psycopg

from cloud.postgres import migrate
from tests.cloud.postgres.test_migrate import Blank, make_blank


def before_nouns(server: Any) -> Blank:
    blank = make_blank(server, "nouns")
    blank.migrate([one for one in migrate.shipped() if one.name < "0005"])
    with blank.connect() as conn:
        conn.execute("SET search_path = binline")
        conn.execute(
            "INSERT INTO sites (name) VALUES ('Lindau Pumps'), ('Hartmann Rail');"
            "INSERT INTO suppliers (name) VALUES ('Ferro AG'), ('Norrby');"
            "INSERT INTO items (sku, name, supplier_sku, unit_weight_ug)"
            " VALUES ('007', 'Rivet', 'FE-1', 1000);"
            "INSERT INTO bins (code, site_id, item_id, supplier_id, place, capacity, minimum,"
            " tare_mg)"
            " VALUES ('A-1', 1, 1, 1, 'R01/A', 100, 10, 5), ('A-2', 1, 1, 2, 'R01/A', 100, 10, 6),"
            "        ('A-3', 2, 1, 1, '', 100, 10, 7);"
            "INSERT INTO gateways (name, site_id) VALUES ('lindau-1', 1);"
            "INSERT INTO sensors (gateway_id, name, bin_id) VALUES (1, 's01', 1), (1, 's02', NULL)"
        )
    return blank


def rows(conn: psycopg.Connection, query: str) -> list[tuple[Any, ...]]:
    return conn.execute(query).fetchall()  # type: ignore[call-overload,no-any-return] # literals


def test_a_database_in_use_is_carried_over_whole(postgres_server: Any) -> None:
    blank = before_nouns(postgres_server)
    assert blank.migrate() == [one.name for one in migrate.shipped() if one.name >= "0005"]
    with blank.connect() as conn:
        conn.execute("SET search_path = binline")
        assert rows(
            conn, "SELECT c.name, s.name FROM sites s JOIN customers c USING (customer_id)"
        ) == [
            ("Lindau Pumps", "Lindau Pumps"),
            ("Hartmann Rail", "Hartmann Rail"),
        ]
        assert rows(
            conn,
            "SELECT b.code, b.place, p.path FROM bins b LEFT JOIN places p USING (place_id)"
            " ORDER BY code",
        ) == [("A-1", "R01-A", "R01-A"), ("A-2", "R01-A", "R01-A"), ("A-3", "", None)]
        assert rows(
            conn, "SELECT supplier_id, supplier_sku, pack FROM item_suppliers ORDER BY 1"
        ) == [(1, "FE-1", None), (2, "FE-1", None)]
        assert rows(
            conn,
            "SELECT bin_id, item_id, supplier_id, tare_mg, from_at = 'epoch', to_at FROM bin_items"
            " ORDER BY 1",
        ) == [(1, 1, 1, 5, True, None), (2, 1, 2, 6, True, None), (3, 1, 1, 7, True, None)]
        assert rows(conn, "SELECT sensor_id, bin_id, to_at FROM bin_sensors") == [(1, 1, None)]
        assert rows(conn, "SELECT item_id, unit_weight_ug FROM item_calibrations") == [(1, 1000)]
        assert rows(conn, "SELECT * FROM changes") == []
