"""What pages and API tell of agreements alike: which side asks, and an agreement on one line."""

from datetime import datetime
from typing import Any

from cloud.actions import agree
from cloud.core.agreements import Clauses, Side, validity_on
from cloud.postgres.agreements import Listed
from cloud.postgres.sessions import Session

BECAUSE_CHARS_MAX = 500


def side_of(session: Session) -> Side:
    return Side.CUSTOMER if session.role == "operations" else Side.SUPPLIER


def line_of(line: Listed, side: Side, now: datetime) -> dict[str, Any]:
    clauses = Clauses(valid_from=line.valid_from, valid_until=line.valid_until)
    asked = (line.open_by_supplier, line.open_by_customer)
    yours, theirs = asked if side is Side.CUSTOMER else asked[::-1]
    return {
        "agreement": line.agreement_id,
        "site": line.site,
        "supplier": line.supplier,
        "version": line.number,
        "mode": line.mode,
        "service": line.service,
        "target_per_mille": line.target_per_mille,
        "valid_from": line.valid_from,
        "valid_until": line.valid_until,
        "validity": validity_on(clauses, agree.today_in(line.time_zone, now)).value,
        "bins": line.bins,
        "waits_for_you": yours,
        "waits_for_them": theirs,
    }
