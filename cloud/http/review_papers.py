"""The review of a quarter as a paper: the same parts in the browser, on paper and as PDF."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from cloud.actions import review as reviews
from cloud.actions.measure import Measured, OfBin
from cloud.actions.review import Review
from cloud.core.orders import order_label
from cloud.core.targets import Verdict
from cloud.http import words
from cloud.http.kpi_columns import ACCURACY, COLUMNS, FORECAST, ORDERS, SERVICE, STOCK, Column
from cloud.http.words import UNDEFINED
from cloud.pdf.papers import Cell, Grid, Paper, Part
from cloud.postgres.kpis import Changed, KpiOrder

NOTES = {
    SERVICE: "Whether what was wanted was there.",
    STOCK: "What lay there for it. Stock is worth what its supplier asks for it.",
    ORDERS: "What was ordered, and how it was answered.",
    ACCURACY: "Whether the bin held what the book said, where people counted.",
    FORECAST: "Whether what was said of the weeks to come was so.",
}
VERDICTS = {
    Verdict.MET: "met",
    Verdict.MISSED: "missed",
    Verdict.UNKNOWN: "not known yet",
}
# What a change of a bin is called; what is not here is no business of a review.
FIELDS = {
    "minimum": "minimum",
    "capacity": "capacity",
    "order_up_to": "order up to",
    "margin": "margin",
    "item_id": "item",
    "place": "place",
    "critical": "critical",
    "ownership": "ownership",
    "active": "in use",
    "interval_s": "heard of every (s)",
}


def paper_of(review: Review, now: datetime) -> Paper:
    last = (review.to_at - timedelta(microseconds=1)).date()
    so_far = "" if review.is_over else ", so far"
    return Paper(
        title=f"Review of {review.supplier}",
        subtitle=f"{review.quarter.label}: {review.from_at.date()} to {last}, UTC{so_far}",
        facts=_facts(review, now),
        parts=[
            Part(title="Agreed and achieved", note=AGREED, grids=[_targets(review)]),
            *[
                Part(title=about, note=NOTES[about], grids=[_numbers(review, about)])
                for about in NOTES
            ],
            Part(
                title="What was amiss",
                note="What went another way than it should, by name, the worst first.",
                grids=_amiss(review, now),
            ),
            Part(title="What changed", note=CHANGED, grids=[_changes(review)]),
        ],
        made_at=now,
    )


AGREED = "What both sides agreed on, by what holds now, and what the quarter came to."
CHANGED = "How its bins are set, from what to what; that a bin was new is no change."


def _facts(review: Review, now: datetime) -> list[tuple[str, str]]:
    whole = review.whole
    reckoned = None if whole is None else whole.reckoned_at
    return [
        ("Bins", UNDEFINED if whole is None else f"{whole.bin_count:,}"),
        ("Orders", UNDEFINED if whole is None else f"{whole.order_count:,}"),
        ("Used", UNDEFINED if whole is None else words.plural(whole.used, "piece")),
        ("Known", UNDEFINED if whole is None else f"{words.percent(whole.coverage)} of the time"),
        ("Added up until", UNDEFINED if reckoned is None else _at(reckoned)),
        ("Made", _at(now)),
        ("A dash", "is a number that is not defined; it is not zero"),
    ]


def _numbers(review: Review, about: str) -> Grid:
    months = [month.measured for month in review.months]
    return Grid(
        heads=(
            about,
            *(f"{month.first:%b %Y}" for month in review.months),
            "Trend",
            review.quarter.label,
            review.quarter.before.label,
        ),
        rows=[_row(column, months, review) for column in COLUMNS if column.about == about],
    )


def _row(column: Column, months: Sequence[Measured | None], review: Review) -> list[Cell]:
    trend = tuple(None if one is None else column.value(one) for one in months)
    return [
        Cell(text=column.title, sub=column.means),
        *(_cell(column, one) for one in months),
        Cell(text="", bars=trend or (None,)),
        _cell(column, review.whole),
        _cell(column, review.before),
    ]


def _cell(column: Column, one: Measured | None) -> Cell:
    if one is None:
        return Cell(text=UNDEFINED)
    return Cell(text=column.text(one), sub=column.sub(one))


def _targets(review: Review) -> Grid:
    return Grid(
        heads=("Target", "Achieved, and agreed", "Difference"),
        rows=[
            [
                Cell(text=target.title, sub=f"{one.held.site}, version {one.held.number}"),
                Cell(text=target.achieved, sub=f"agreed: {target.agreed}"),
                Cell(text=target.difference or UNDEFINED, sub=VERDICTS[target.verdict]),
            ]
            for one in review.reached
            for target in one.targets
        ],
        nothing="Nothing was agreed on.",
    )


# ------------------------------------------------------------------ by name


def _amiss(review: Review, now: datetime) -> list[Grid]:
    found = review.amiss

    def place(bin_id: int) -> str:
        return review.places.get(bin_id, "")

    return [
        Grid(
            title=f"Bins that were empty: {found.empty_in_all:,}",
            heads=("Bin", "Empty for", "Times", "Probably missed", "Known"),
            rows=[_empty(one) for one in found.empty],
            more=found.empty_in_all - len(found.empty),
            nothing="None, as far as anybody knows.",
        ),
        Grid(
            title=f"Orders that came late, or are late: {found.late_in_all:,}",
            heads=("Order", "Pieces", "Expected", "Came", "Late by"),
            rows=[
                _order(one, place, _at(one.expected_at), _at(one.came_at), _late(one, now))
                for one in found.late
            ],
            more=found.late_in_all - len(found.late),
            nothing="None of those that were expected on a day.",
        ),
        Grid(
            title=f"Orders not answered within a day: {found.unanswered_in_all:,}",
            heads=("Order", "Pieces", "Sent", "Answered", "Waited"),
            rows=[
                _order(
                    one,
                    place,
                    _at(one.sent_at),
                    _at(one.answered_at),
                    words.lasting(reviews.waited(one, now).total_seconds()),
                )
                for one in found.unanswered
            ],
            more=found.unanswered_in_all - len(found.unanswered),
            nothing="None.",
        ),
        Grid(
            title=f"Refills that were short: {found.short_in_all:,}",
            heads=("Order", "Pieces", "Came", "Missing"),
            rows=[
                _order(one, place, f"{one.received:,}", f"{one.quantity - one.received:,}")
                for one in found.short
            ],
            more=found.short_in_all - len(found.short),
            nothing="None that the scale saw.",
        ),
    ]


def _empty(of: OfBin) -> list[Cell]:
    return [
        Cell(
            text=of.bin.part,
            sub=f"{of.bin.site}, {of.bin.place}",
            href="" if of.bin.code is None else f"/bins/{of.bin.code}",
        ),
        Cell(text=words.lasting(of.availability.empty.total_seconds())),
        Cell(text=f"{of.availability.stock_outs:,}"),
        Cell(text=words.plural(of.unseen, "piece")),
        Cell(text=words.percent(of.availability.coverage)),
    ]


def _order(order: KpiOrder, place: Callable[[int], str], *said: str) -> list[Cell]:
    label = order_label(order.number)
    return [
        Cell(text=label, sub=place(order.bin_id), href=f"/orders/{label}/evidence"),
        Cell(text=f"{order.quantity:,}"),
        *(Cell(text=one) for one in said),
    ]


def _late(order: KpiOrder, now: datetime) -> str:
    return words.lasting(reviews.lateness(order, now).total_seconds())


def _changes(review: Review) -> Grid:
    rows = [row for change in review.changes if (row := _change(change))]
    return Grid(
        heads=("Bin", "When", "What"),
        rows=rows,
        more=0,
        nothing="Nothing was changed.",
    )


def _change(change: Changed) -> list[Cell]:
    """Empty: what changed is no business of a review."""
    before = change.before or {}
    told = [
        f"{name}: {_plain(before.get(field))} → {_plain(change.after.get(field))}"
        for field, name in FIELDS.items()
        if before.get(field) != change.after.get(field)
    ]
    if not told:
        return []
    return [
        Cell(text=change.part, sub=change.place, href=f"/bins/{change.code}"),
        Cell(text=_at(change.at)),
        Cell(text="; ".join(told), sub=change.because),
    ]


def _plain(value: object) -> str:
    match value:
        case None:
            return UNDEFINED
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case _:
            return str(value)


def _at(moment: datetime | None) -> str:
    return UNDEFINED if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"
