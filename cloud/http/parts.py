"""What every route may reach: settings, the two pools, the live hub, the clock."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Path, Request
from psycopg_pool import ConnectionPool

from cloud.http.live import Hub
from cloud.settings import HttpSettings

# Where a bin's code stands in an address: what cannot be a code is not found, and never asked for.
BinCode = Annotated[str, Path(pattern=r"^[A-Z0-9-]{2,32}$", examples=["LND-R04-B2"])]

# As people write an order: RO-1004, or the number alone.
OrderNumber = Annotated[str, Path(pattern=r"^(RO-)?[0-9]{1,9}$", examples=["RO-1004"])]
CaseKey = Annotated[
    str, Path(pattern=r"^[a-z_]+:[A-Za-z0-9:_-]{1,120}$", examples=["low_not_covered:12:breach-7"])
]


@dataclass(frozen=True, kw_only=True)
class Parts:
    settings: HttpSettings
    portal_pool: ConnectionPool
    auth_pool: ConnectionPool
    hub: Hub
    now: Callable[[], datetime]


def parts_of(request: Request) -> Parts:
    parts = request.app.state.parts
    assert isinstance(parts, Parts)
    return parts


def utc_now() -> datetime:
    return datetime.now(UTC)
