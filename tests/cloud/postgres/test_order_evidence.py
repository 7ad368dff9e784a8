from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from cloud.actions.assess import assess_bin
from cloud.core.evidence import Kind, append, verify
from cloud.postgres import order_evidence

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def test_what_is_added_goes_on_with_the_chain(shelf: Any, conn: psycopg.Connection) -> None:
    shelf.weigh(412, NOON)
    assess_bin(conn, shelf.bin_id, NOON)
    before = order_evidence.records(conn, shelf.order_id())
    order_evidence.add_event(conn, shelf.order_id(), {"at": NOON, "event": "told"})
    after = order_evidence.records(conn, shelf.order_id())
    assert after == append(before, Kind.EVENT, {"at": NOON, "event": "told"})
    assert verify(after) is None


def test_nobody_who_writes_records_may_change_or_delete_one(
    shelf: Any, conn: psycopg.Connection
) -> None:
    for harm in ("UPDATE order_evidence SET body = ''", "DELETE FROM order_evidence"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute(harm)  # type: ignore[call-overload]  # a literal above
