from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from cloud.core import refusals
from cloud.core.agreements import (
    Agreement,
    Band,
    Clauses,
    Limit,
    Mode,
    Prediction,
    Proposal,
    Side,
    Validity,
    Version,
    Waits,
    accept,
    decline,
    propose,
    validity_on,
)

NINE = datetime(2026, 11, 30, 9, tzinfo=UTC)
TEN = NINE + timedelta(hours=1)
CLAUSES = Clauses(valid_from=date(2026, 1, 1), band=Band(limits_percent=10))
LIMITS = (Limit(bin_id=1, minimum=20, order_up_to=100), Limit(bin_id=2, minimum=0, order_up_to=50))
FIRST = Version(
    number=1, clauses=CLAUSES, limits=LIMITS, agreed_at=NINE, proposed_by=Side.CUSTOMER,
    author="ada", because="the contract", accepted_by="ferro",
)  # fmt: skip
AGREEMENT = Agreement(agreement_id=1, site_id=1, supplier_id=1, versions=(FIRST,))
TWICE = Proposal(
    number=1, base=1, by=Side.SUPPLIER, author="ferro", because="usage has doubled",
    clauses=CLAUSES, limits=(Limit(bin_id=1, minimum=40, order_up_to=200), LIMITS[1]),
    predicted=Prediction(
        days=90, bins=1, bins_unknown=0, fill_per_mille=985, stock=90,
        before_fill_per_mille=940, before_stock=60,
    ),
    proposed_at=NINE,
)  # fmt: skip


def test_a_proposal_holds_when_the_other_side_accepts_it() -> None:
    asked = propose(AGREEMENT, TWICE)
    assert asked.now == FIRST
    agreed = accept(asked, 1, "ada", Side.CUSTOMER, TEN)
    assert agreed.now.limits == TWICE.limits
    assert (agreed.now.accepted_by, agreed.now.because) == ("ada", "usage has doubled")
    assert agreed.version(1) == FIRST, "old orders keep the old version"
    assert accept(agreed, 1, "ada", Side.CUSTOMER, TEN) is agreed


def test_nobody_accepts_what_is_their_own() -> None:
    with pytest.raises(refusals.OwnProposal):
        accept(propose(AGREEMENT, TWICE), 1, "ferro", Side.SUPPLIER, TEN)


def test_what_was_declined_is_not_accepted_later() -> None:
    declined = decline(propose(AGREEMENT, TWICE), 1, "ada", Side.CUSTOMER, TEN)
    assert declined.now == FIRST
    assert decline(declined, 1, "ada", Side.CUSTOMER, TEN) is declined
    with pytest.raises(refusals.ProposalAnswered):
        accept(declined, 1, "ada", Side.CUSTOMER, TEN)


@pytest.mark.parametrize(
    ("minimum", "order_up_to", "mode", "holds"),
    [
        (22, 110, Mode.APPROVE, True),
        (18, 90, Mode.APPROVE, True),
        (23, 100, Mode.APPROVE, False),
        (20, 111, Mode.APPROVE, False),
        (20, 100, Mode.AUTO, False),
    ],
)
def test_within_the_band_it_holds_at_once(
    *, minimum: int, order_up_to: int, mode: Mode, holds: bool
) -> None:
    limits = (Limit(bin_id=1, minimum=minimum, order_up_to=order_up_to), LIMITS[1])
    proposal = replace(TWICE, limits=limits, clauses=replace(CLAUSES, mode=mode))
    after = propose(AGREEMENT, proposal)
    assert (after.now.number == 2) is holds
    assert after.proposals[0].state is (Waits.ACCEPTED if holds else Waits.OPEN)


def test_a_new_version_leaves_what_was_proposed_on_the_old_one_behind() -> None:
    both = propose(propose(AGREEMENT, TWICE), replace(TWICE, number=2))
    after = accept(both, 2, "ada", Side.CUSTOMER, TEN)
    for act in (accept, decline):
        with pytest.raises(refusals.ProposalOutdated):
            act(after, 1, "ada", Side.CUSTOMER, TEN)
    with pytest.raises(refusals.ProposalOutdated):
        propose(after, replace(TWICE, number=3))


def test_a_proposal_told_twice_is_one_and_needs_a_reason() -> None:
    asked = propose(AGREEMENT, TWICE)
    assert propose(asked, TWICE) is asked
    with pytest.raises(refusals.NumberUsedTwice):
        propose(asked, replace(TWICE, because="of nothing"))
    later = replace(TWICE, predicted=None, proposed_at=TEN)
    assert propose(asked, later) is asked, "when it is told again is no part of it"
    nothing = replace(TWICE, number=2, limits=LIMITS)
    with pytest.raises(refusals.ProposalChangesNothing):
        propose(AGREEMENT, nothing)
    with pytest.raises(refusals.ProposalWithoutReason):
        propose(AGREEMENT, replace(TWICE, because="  "))
    with pytest.raises(refusals.ProposalUnknown):
        accept(AGREEMENT, 9, "ada", Side.CUSTOMER, TEN)


@pytest.mark.parametrize(
    ("today", "validity"),
    [
        (date(2025, 12, 31), Validity.NOT_YET),
        (date(2026, 1, 1), Validity.VALID),
        (date(2026, 12, 1), Validity.VALID),
        (date(2026, 12, 2), Validity.ENDS_SOON),
        (date(2026, 12, 31), Validity.ENDS_SOON),
        (date(2027, 1, 1), Validity.ENDED),
    ],
)
def test_an_agreement_says_when_it_is_about_to_end(today: date, validity: Validity) -> None:
    assert validity_on(replace(CLAUSES, valid_until=date(2026, 12, 31)), today) is validity
