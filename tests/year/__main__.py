"""`python -m tests.year --bins 1000`: a year of many bins, with what is found and what it costs."""

from __future__ import annotations

import argparse
import sys

from tests.year.play import Result, play


def told(name: str, result: Result, bins: int) -> str:
    return (
        f"{name:<14} fill {result.served / result.demanded:7.2%}   "
        f"mean stock {result.stock / bins:5.1f} days   "
        f"stock-outs {result.stock_outs / bins:5.2f} a bin   "
        f"orders {result.orders:,}   breaches {result.breaches:,}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bins", type=int, default=1_000)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--seed", type=int, default=0, help="of the first bin")
    asked = parser.parse_args()
    wrong = []
    for name, learns in (("rule of thumb", False), ("re-estimated", True)):
        result = play(range(asked.seed, asked.seed + asked.bins), asked.days, learns=learns)
        print(told(name, result, asked.bins))  # noqa: T201 - the answer
        print("   cases  ", dict(result.cases))  # noqa: T201 - the answer
        print("   refused", dict(result.refused))  # noqa: T201 - the answer
        wrong += result.wrong
    for line in wrong[:50]:
        print("WRONG", line)  # noqa: T201 - the answer
    print(f"{len(wrong)} wrong")  # noqa: T201 - the answer
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
