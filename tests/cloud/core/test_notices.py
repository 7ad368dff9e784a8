from dataclasses import fields
from datetime import UTC, datetime
from uuid import UUID

from cloud.core.notices import Notice, Told

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
OF_TYPE = {int: 1, str: "x", bool: False, UUID: UUID(int=1), datetime: NOON, Told: Told.BIN_LOW}


def test_a_notice_in_a_log_shows_neither_its_secret_nor_its_link() -> None:
    """Whoever has the link can answer for the supplier."""
    values = {field.name: OF_TYPE.get(field.type, {}) for field in fields(Notice)}
    notice = Notice(**{**values, "secret": "whsec_canary", "link": "https://b.example/a/canary"})
    assert "notice_id" in repr(notice)
    assert "canary" not in repr(notice)
