"""What the sites of the demo have agreed on: every kind of agreement, and one pair without any.

Most orders leave by themselves, as a newcomer wants to see; one supplier's wait for a person, one's
are only written down. One agreement ends soon, and one supplier proposes a change.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType

import psycopg

from cloud.actions import agree
from cloud.actions.agree import Found, Wish
from cloud.core.agreements import Side
from cloud.core.clauses import CLAUSES, values_of
from cloud.core.nouns import NOUNS, Value, read
from cloud.postgres import agreements, asking, nouns

BEGAN = timedelta(days=300)
MORE_PERCENT = 130  # of the present minimum, as proposed


@dataclass(frozen=True, kw_only=True)
class Agreed:
    site: str
    supplier: str
    because: str
    clauses: Mapping[str, Value] = field(default_factory=lambda: MappingProxyType({}))
    ends_in: timedelta | None = None
    proposed_by: str = ""  # a person of the supplier's who wants more in one bin; empty: nobody


AGREED = (
    Agreed(
        site="Lindau Pumps",
        supplier="Ferro AG",
        because="Contract 4711",
        clauses={
            "mode": "auto",
            "value_limit": 50_000,
            "service": "fill",
            "target_per_mille": 985,
            "supply_days": 20,
            "answer_hours": 4,
            "band_quantity_percent": 20,
            "band_postpone_days": 1,
            "band_limits_percent": 10,
        },
        proposed_by="ferro@demo.binline",
    ),
    Agreed(
        site="Lindau Pumps",
        supplier="Kleinteile Süd GmbH",
        because="Contract 4802, until the end of the year",
        clauses={"mode": "auto", "service": "cycle", "target_per_mille": 950, "answer_hours": 24},
        ends_in=timedelta(days=20),
    ),
    Agreed(
        site="Lindau Pumps",
        supplier="Norrby Fasteners",
        because="New supplier: a person looks at every order",
        clauses={"mode": "approve", "draft_hours": 24, "escalate_after_hours": 8},
    ),
    Agreed(
        site="Hartmann Rail",
        supplier="Ferro AG",
        because="Consignment contract 88-2",
        clauses={
            "mode": "auto",
            "ownership": "consigned",
            "service": "fill",
            "target_per_mille": 990,
        },
    ),
    Agreed(
        site="Hartmann Rail",
        supplier="Norrby Fasteners",
        because="Pilot: compared with what people order, until spring",
        clauses={"mode": "shadow", "shares_levels": False},
    ),
)


def seed(portal: psycopg.Connection, user: str, now: datetime) -> int:
    """How many were written down: those that are there stay as people have changed them."""
    with portal.transaction():
        asking.as_operations(portal, user)
        sites = nouns.ids_of(portal, NOUNS["site"])
        suppliers = nouns.ids_of(portal, NOUNS["supplier"])
        made = 0
        for one in AGREED:
            site_id, supplier_id = sites.get((one.site,)), suppliers.get((one.supplier,))
            if site_id is None or supplier_id is None:
                continue  # another site than the believable one
            if agreements.id_of(portal, supplier_id=supplier_id, site_id=site_id) is not None:
                continue
            wish = Wish(read=read(CLAUSES, _given(one, now)), because=one.because)
            agreement_id = agree.make(
                portal, site_id=site_id, supplier_id=supplier_id, wish=wish, author=user, now=now
            )
            made += 1
            if one.proposed_by:
                _propose(portal, agree.find(portal, agreement_id), one.proposed_by, now)
        return made


def _given(one: Agreed, now: datetime) -> dict[str, Value]:
    today = now.date()
    return {
        **one.clauses,
        "valid_from": (today - BEGAN).isoformat(),
        "valid_until": None if one.ends_in is None else (today + one.ends_in).isoformat(),
    }


def _propose(portal: psycopg.Connection, found: Found, author: str, now: datetime) -> None:
    now_holds = found.agreement.now
    bin_ = found.bins[0]
    minimum = min(bin_.minimum * MORE_PERCENT // 100, bin_.capacity - 1)
    limits = {bin_.code: {"minimum": minimum, "order_up_to": bin_.order_up_to or bin_.capacity}}
    agree.propose(
        portal,
        found.agreement.agreement_id,
        base=now_holds.number,
        number=None,
        wish=Wish(
            read=read(CLAUSES, values_of(now_holds.clauses)),
            because="It has run out twice since the second shift began",
            limits=limits,
        ),
        side=Side.SUPPLIER,
        author=author,
        now=now,
    )
