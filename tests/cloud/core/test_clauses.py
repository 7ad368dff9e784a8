from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.core.agreements import Band, Clauses, Limit, Mode, Ownership, Service, Share, Target
from cloud.core.clauses import (
    CLAUSES,
    clauses_of,
    differences,
    in_words,
    limit_mistakes,
    moved_limits,
    values_of,
)
from cloud.core.nouns import paper, read, read_paper

DAY = date(2026, 1, 1)
HOURS = st.integers(0, 8_760)
PERCENT = st.integers(0, 100)


@st.composite
def clauses(draw: st.DrawFn) -> Clauses:
    hours = draw(HOURS)
    begins = draw(st.dates(date(2000, 1, 1), date(2099, 1, 1)))
    return Clauses(
        mode=draw(st.sampled_from(Mode)),
        value_limit=draw(st.none() | st.integers(0, 10**12)),
        draft_hours=hours,
        escalate_after_hours=draw(st.integers(0, hours)),
        ownership=draw(st.sampled_from(Ownership)),
        target=draw(
            st.none()
            | st.builds(Target, service=st.sampled_from(Service), per_mille=st.integers(1, 999))
        ),
        answer_hours=draw(HOURS),
        grace_hours=draw(HOURS),
        band=Band(
            quantity_percent=draw(PERCENT),
            postpone_days=draw(st.integers(0, 365)),
            limits_percent=draw(PERCENT),
        ),
        shared=draw(st.sampled_from([frozenset(), frozenset({Share.LEVELS})])),
        valid_from=begins,
        valid_until=draw(st.none() | st.dates(begins, date(2100, 1, 1))),
    )


@given(clauses())
def test_clauses_go_through_a_form_and_through_json_as_they_are(one: Clauses) -> None:
    on_paper = read_paper(CLAUSES, paper(CLAUSES, values_of(one)))
    assert (on_paper.mistakes, clauses_of(on_paper.values)) == ((), one)
    as_json = read(CLAUSES, values_of(one))
    assert (as_json.mistakes, clauses_of(as_json.values)) == ((), one)


@given(clauses(), clauses())
def test_what_differs_is_told_and_nothing_else(before: Clauses, after: Clauses) -> None:
    assert differences(before, before) == []
    titles = {one.title for one in differences(before, after)}
    assert ("Answer" in titles) is (in_words(before)["Answer"] != in_words(after)["Answer"])
    assert titles <= set(in_words(before))


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"escalate_after_hours": 25}, "escalate_after_hours"),
        ({"target_per_mille": 950}, "service"),
        ({"service": "fill"}, "target_per_mille"),
        ({"valid_from": "2026-02-30"}, "valid_from"),
        ({"valid_from": "soon"}, "valid_from"),
        ({"valid_from": None}, "valid_from"),
        ({"valid_until": "2025-12-31"}, "valid_until"),
        ({"mode": "sometimes"}, "mode"),
        ({"band_limits_percent": 101}, "band_limits_percent"),
    ],
)
def test_what_cannot_be_agreed_on_is_told_with_what_can(
    wrong: dict[str, object], field: str
) -> None:
    given_ = {"valid_from": "2026-01-01", "draft_hours": 24, **wrong}
    found = read(CLAUSES, given_)
    assert [mistake.field for mistake in found.mistakes] == [field]


def test_nothing_said_is_the_default_of_the_rules() -> None:
    found = read(CLAUSES, {"valid_from": "2026-01-01"})
    assert clauses_of(found.values) == Clauses(valid_from=DAY)


@pytest.mark.parametrize(
    ("one", "title", "text"),
    [
        (Clauses(valid_from=DAY, mode=Mode.AUTO), "Orders", "Orders leave by themselves."),
        (
            Clauses(valid_from=DAY, mode=Mode.AUTO, value_limit=50_005),
            "Orders",
            (
                "Orders leave by themselves up to a value of 500.05, in the currency of their"
                " prices. Above it a draft waits a day,"
                " and after 8 hours the next person is asked."
            ),
        ),
        (
            Clauses(valid_from=DAY, target=Target(service=Service.CYCLE, per_mille=985)),
            "Service",
            "In 98.5 % of all cycles no bin runs out before its refill (cycle service).",
        ),
        (
            Clauses(valid_from=DAY, band=Band(quantity_percent=20, postpone_days=1)),
            "Room to move",
            (
                "The supplier may deliver up to 20 % more or less and deliver up to 1 day later"
                " without asking. Every change of a limit takes both sides."
            ),
        ),
        (
            Clauses(valid_from=DAY, shared=frozenset()),
            "Shown",
            "The supplier sees its orders, and not what its bins hold.",
        ),
        (
            Clauses(valid_from=DAY, valid_until=date(2026, 12, 31)),
            "Holds",
            "From 1 Jan 2026 to 31 Dec 2026.",
        ),
    ],
)
def test_a_clause_is_a_sentence(one: Clauses, title: str, text: str) -> None:
    assert in_words(one)[title] == text


def test_moved_limits_are_those_that_differ() -> None:
    one, two = (Limit(bin_id=n, minimum=10, order_up_to=90) for n in (1, 2))
    higher = replace(one, minimum=20)
    assert moved_limits((one, two), (one, two)) == {}
    assert moved_limits((one, two), (higher,)) == {1: (one, higher), 2: (two, None)}


@pytest.mark.parametrize(
    ("minimum", "order_up_to", "wrong"),
    [(10, 100, ""), (100, 100, "A.minimum"), (10, 101, "A.order_up_to"), (50, 50, "A.order_up_to")],
)
def test_limits_fit_into_the_bin(minimum: int, order_up_to: int, wrong: str) -> None:
    found = limit_mistakes({"minimum": minimum, "order_up_to": order_up_to}, 100, "A")
    if wrong:
        assert isinstance(found, list)
        assert [mistake.field for mistake in found] == [wrong]
    else:
        assert found == (minimum, order_up_to)
