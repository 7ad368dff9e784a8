"""A year of many bins, with what is found and what it costs.

python -m tests.year --bins 1000                            through the rules alone
python -m tests.year --database --bins 100 --days 365       through the actions, on PostgreSQL
"""

from __future__ import annotations

import argparse
import sys
import time
from functools import partial
from typing import TYPE_CHECKING

import psycopg

from tests.benchmarks.serving import PASSWORD, server
from tests.year.judge import RULES, judge
from tests.year.lived import Lived, Year
from tests.year.play import Result, play
from tests.year.practice import Practice, as_lean_as, practise

if TYPE_CHECKING:
    from cloud.embedded.postgres import EmbeddedPostgres

OPTIONS = "-c search_path=binline -c timezone=UTC"


def told(name: str, result: Result, bins: int) -> str:
    return (
        f"{name:<14} fill {result.served / result.demanded:7.2%}   "
        f"mean stock {result.stock / bins:5.1f} days   "
        f"stock-outs {result.stock_outs / bins:5.2f} a bin   "
        f"orders {result.orders:,}   breaches {result.breaches:,}"
    )


def told_lived(name: str, result: Lived | Practice, bins: int) -> str:
    return (
        f"{name:<24} fill {result.served / result.demanded:7.2%}   "
        f"mean stock {result.stock_days / bins:5.1f} days   "
        f"stock-outs {result.stock_outs / bins:5.2f} a bin   orders {result.orders:,}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bins", type=int, default=1_000)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--seed", type=int, default=0, help="of the first bin")
    parser.add_argument("--database", action="store_true", help="through the actions")
    parser.add_argument(
        "--counted-every", type=int, default=180, help="days, of each bin; 12 is a stress"
    )
    asked = parser.parse_args()
    wrong = through_database(asked) if asked.database else through_rules(asked)
    for line in wrong[:50]:
        say(f"WRONG {line}")
    say(f"{len(wrong)} wrong")
    return 1 if wrong else 0


def through_rules(asked: argparse.Namespace) -> list[str]:
    wrong = []
    for name, learns in (("rule of thumb", False), ("re-estimated", True)):
        result = play(range(asked.seed, asked.seed + asked.bins), asked.days, learns=learns)
        say(told(name, result, asked.bins))
        say(f"   cases   {dict(result.cases)}")
        say(f"   refused {dict(result.refused)}")
        wrong += result.wrong
    return wrong


def through_database(asked: argparse.Namespace) -> list[str]:
    began = time.monotonic()
    users = ("binline_ingest", "binline_jobs", "binline_portal")
    # Nothing of it outlives the run, and what a power cut does is proven elsewhere.
    with server(*users, options=("fsync=off",)) as made, connected(made, None) as admin:
        year = Year(
            partial(connected, made),
            admin,
            asked.bins,
            asked.days,
            asked.seed,
            counted_every=asked.counted_every,
        )
        result = year.run()
        wrong = [*result.defects, *judge(admin)]
    practice = practise(asked.bins, asked.days, asked.seed)
    lean = as_lean_as(result.stock_days, asked.bins, asked.days, asked.seed)
    say(told_lived("a walk each week", practice, asked.bins))
    say(told_lived("as lean as below", lean, asked.bins))
    say(told_lived("orders place themselves", result, asked.bins))
    say(f"   {result.readings:,} readings, {result.breaches:,} breaches, {len(RULES)} rules asked")
    say(f"   mishaps {dict(result.mishaps)}")
    say(f"   cases   {dict(result.cases)}")
    say(f"   refused {dict(result.refused)}")
    say(f"   {time.monotonic() - began:.0f} s")
    return wrong


def connected(made: EmbeddedPostgres, user: str | None) -> psycopg.Connection:
    dsn = made.dsn() if user is None else made.dsn(user, PASSWORD)
    return psycopg.connect(dsn, autocommit=True, options=OPTIONS if user is None else "")


def say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    sys.exit(main())
