"""Foresee what other limits would do: each bin's own usage, met again with them.

Runs under whoever asks. A supplier who is not shown what the bins hold is told nothing of it here
either: for that one the past is not known.
"""

from collections.abc import Sequence
from datetime import datetime

import psycopg

from cloud.core.agreements import Limit, Prediction
from cloud.core.clauses import moved_limits
from cloud.core.forecasts.bin_replay import DAYS_ASKED, Past, predict
from cloud.core.policies.base import Terms
from cloud.postgres import policies, usage
from cloud.postgres.agreements import AgreedBin

BINS_MAX = 200


def foresee(
    conn: psycopg.Connection,
    there: Sequence[AgreedBin],
    before: Sequence[Limit],
    after: Sequence[Limit],
    now: datetime,
) -> Prediction | None:
    """None: no limit is moved, or too little is known of every bin whose limits are."""
    of = {bin_.bin_id: bin_ for bin_ in there}
    moved = [
        (of[bin_id], was, become)
        for bin_id, (was, become) in moved_limits(before, after).items()
        if become is not None and bin_id in of
    ][:BINS_MAX]
    return predict(_past(conn, bin_, was, become, now) for bin_, was, become in moved)


def _past(
    conn: psycopg.Connection, bin_: AgreedBin, was: Limit | None, become: Limit, now: datetime
) -> Past:
    demand = usage.demand_seen(conn, bin_.bin_id, DAYS_ASKED, now)
    settings = policies.of_bin(conn, bin_.bin_id)
    return Past(
        demand=demand,
        lead_days=settings.calendar.lead_days,
        terms=Terms(
            pack=bin_.pack,
            minimum_order=settings.minimum_order,
            capacity=bin_.capacity,
            rounding=settings.rounding,
        ),
        before=(bin_.minimum, bin_.order_up_to or bin_.capacity)
        if was is None
        else (was.minimum, was.order_up_to),
        after=(become.minimum, become.order_up_to),
    )
