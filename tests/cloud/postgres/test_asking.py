"""What is said holds for one transaction. What follows from it is in test_isolation.py."""

from typing import Any

import pytest

from cloud.postgres import asking

SAID = (
    "SELECT current_setting('app.role', true), current_setting('app.supplier', true),"
    " current_setting('app.user', true)"
)


def test_what_is_said_is_forgotten_with_the_transaction(database: Any) -> None:
    with database.connect("binline_portal") as conn:
        asking.as_operations(conn, "anna@example.com")
        assert conn.execute(SAID).fetchone() == ("operations", "", "anna@example.com")
        conn.commit()
        assert conn.execute(SAID).fetchone() == ("", "", "")


def test_who_asks_last_asks_alone(database: Any) -> None:
    with database.connect("binline_portal") as conn:
        asking.as_operations(conn, "anna@example.com")
        asking.as_supplier(conn, 7)
        assert conn.execute(SAID).fetchone() == ("supplier", "7", "")
        conn.commit()
        assert conn.execute(SAID).fetchone() == ("", "", "")


def test_outside_a_transaction_it_would_say_nothing_and_is_a_defect(database: Any) -> None:
    with database.connect("binline_portal") as conn:
        conn.autocommit = True
        with pytest.raises(AssertionError):
            asking.as_supplier(conn, 7)
        with conn.transaction():
            asking.as_supplier(conn, 7)


def test_a_supplier_is_a_number_whatever_is_passed(database: Any) -> None:
    with database.connect("binline_portal") as conn, pytest.raises(ValueError):
        asking.as_supplier(conn, "1 OR true")  # type: ignore[arg-type] # what must not pass


def test_a_job_is_remembered_by_its_name_and_asks_for_nothing(database: Any) -> None:
    with database.connect("binline_jobs") as conn:
        asking.as_job(conn, "binline")
        assert conn.execute(SAID).fetchone() == ("", "", "binline")
