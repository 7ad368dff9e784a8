"""A notice as the loop hands it to a channel."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from cloud.core.notices import Notice, NoticeLine, Told
from cloud.core.signatures import secret_of

EVIDENCE = {
    "reading": {"gateway": "hartmann-1", "seq": 7, "measured_at": "2026-11-20T13:20:58Z"},
    "level": {"pieces": 412, "net_mg": 1_730_400},
    "rule": {"minimum": 500, "margin": 20, "capacity": 2_000, "pack": 500},
}
BECAUSE = "412 left, minimum 500; 3 packs of 500 fit into the room for 1,588."
LINE = NoticeLine(
    quantity=1_500,
    packs=3,
    pack=500,
    because=BECAUSE,
    evidence=EVIDENCE,
    sku="10487",
    supplier_sku="FE-88213",
    item="Hex bolt M8×30 A4-80",  # noqa: RUF001 - as it is called
    bin_code="HRT-R02-B4",
    place="R02-B4",
    pieces=412,
    minimum=500,
    capacity=2_000,
    measured_at=datetime(2026, 11, 20, 13, 20, 58, tzinfo=UTC),
)


@pytest.fixture
def notice() -> Notice:
    return Notice(
        notice_id=UUID("0b7e3a55-12a7-4d43-9a55-3f6f6d1c0b01"),
        tries=0,
        channel_id=1,
        channel="email",
        address="orders@ferro.example",
        secret=secret_of(bytes(range(32))),
        told=Told.ORDER_PLACED,
        about="",
        order_id=UUID("7f0c6a52-3b0e-4a68-9d5e-2f2f0b1c9a11"),
        order_number=1_001,
        order_ended=False,
        because=BECAUSE,
        placed_at=datetime(2026, 11, 20, 13, 21, tzinfo=UTC),
        told_at=datetime(2026, 11, 20, 13, 21, tzinfo=UTC),
        link="https://binline.example/a/" + "x" * 48,
        site="Hartmann Rail",
        site_place="Hall C",
        time_zone="Europe/Berlin",
        supplier="Ferro AG",
        lines=(LINE,),
    )
