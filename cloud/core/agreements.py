"""What a customer's site and a supplier have agreed on, in versions.

A change is a proposal of one side: it says why, and what it is expected to do to fill and stock. It
holds when the other side accepts it, or at once when it lies within the band agreed to beforehand.
What was ordered keeps the version it was ordered under; no version is ever changed.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum

from cloud.core import refusals

_MILLE = 1_000
_PERCENT = 100


class Side(StrEnum):
    CUSTOMER = "customer"
    SUPPLIER = "supplier"


class Mode(StrEnum):
    AUTO = "auto"  # what the rules decide is sent
    APPROVE = "approve"  # a draft, for a person to approve
    NOTIFY = "notify"  # one notice per breach, and no order
    SHADOW = "shadow"  # what would have been ordered is written down, and nobody is told


class Ownership(StrEnum):
    OWNED = "owned"
    CONSIGNED = "consigned"  # the supplier's until it is used: usage is billed, receipts are not


class Share(StrEnum):
    LEVELS = "levels"  # what lies in the bins, and all that it follows from: weights, movements


class Service(StrEnum):
    CYCLE = "cycle"  # the share of cycles without a stock-out
    FILL = "fill"  # the share of pieces served at once


@dataclass(frozen=True, kw_only=True)
class Target:
    """A service of so many per mille; in a contract "95 %" says nothing without the kind."""

    service: Service
    per_mille: int

    def __post_init__(self) -> None:
        assert 0 < self.per_mille < _MILLE, "nobody promises everything"


@dataclass(frozen=True, kw_only=True)
class Band:
    """How far a supplier may go without asking, and how far a proposal holds without an answer."""

    quantity_percent: int = 0  # more or less than what the rules would order
    postpone_days: int = 0
    limits_percent: int = 0  # by how much a proposal may move minimum or maximum

    def __post_init__(self) -> None:
        percents = (self.quantity_percent, self.limits_percent)
        assert all(0 <= one <= _PERCENT for one in percents), "a share"
        assert self.postpone_days >= 0, "postponing is later"


@dataclass(frozen=True, kw_only=True)
class Clauses:
    """What is agreed on; one version of it."""

    mode: Mode = Mode.APPROVE
    value_limit: int | None = (
        None  # in the smallest coin; above it even `auto` asks. None: no limit
    )
    draft_hours: int = 24  # how long a draft waits for approval
    escalate_after_hours: int = 8  # then the next person is asked
    ownership: Ownership = Ownership.OWNED
    target: Target | None = None
    supply_days: int | None = None  # at most so many lie there, the median of the bins; None: any
    stock_value: int | None = None  # mean stock, in the smallest coin, at most; None: any
    answer_hours: int = 24  # in which the supplier answers an order
    grace_hours: int = 24  # after a promised time, until an order counts as overdue
    band: Band = Band()
    shared: frozenset[Share] = frozenset({Share.LEVELS})  # beside its orders, which it always sees
    valid_from: date
    valid_until: date | None = None

    def __post_init__(self) -> None:
        assert 0 <= self.escalate_after_hours <= self.draft_hours, "asked before it is too late"
        assert self.valid_until is None or self.valid_from <= self.valid_until, "it begins first"


@dataclass(frozen=True, kw_only=True)
class Limit:
    """Minimum and maximum of one bin, as agreed."""

    bin_id: int
    minimum: int
    order_up_to: int

    def __post_init__(self) -> None:
        assert 0 <= self.minimum < self.order_up_to, "the maximum lies above the minimum"


@dataclass(frozen=True, kw_only=True)
class Version:
    number: int
    clauses: Clauses
    limits: tuple[Limit, ...]
    agreed_at: datetime
    proposed_by: Side
    author: str
    because: str
    accepted_by: str  # empty: within the band, nobody had to
    proposal: int | None = None  # that it came of; None: of none, it is the first


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What the usage that has been would have met with other limits, and what with the present."""

    days: int  # that were replayed, of the bin of which the fewest are known
    bins: int  # whose limits it would move, and whose past is long enough
    bins_unknown: int  # whose limits it would move, and of whose past too little is known
    fill_per_mille: int | None  # of pieces asked for, served at once; None: nothing was asked for
    stock: int  # mean pieces, of all these bins together
    before_fill_per_mille: int | None
    before_stock: int


class Waits(StrEnum):
    OPEN = "open"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    OUTDATED = "outdated"  # another version came into force since


@dataclass(frozen=True, kw_only=True)
class Proposal:
    number: int
    base: int  # the version it would change
    by: Side
    author: str
    because: str
    clauses: Clauses
    limits: tuple[Limit, ...]
    predicted: Prediction | None = None  # None: it moves no limits, or too little is known
    proposed_at: datetime
    state: Waits = Waits.OPEN
    answered_by: str = ""
    answered_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Agreement:
    agreement_id: int
    site_id: int
    supplier_id: int
    versions: tuple[Version, ...]
    proposals: tuple[Proposal, ...] = ()

    def __post_init__(self) -> None:
        numbers = [version.number for version in self.versions]
        assert numbers == list(range(1, len(numbers) + 1)), "versions are counted from one"
        assert numbers, "an agreement says something"

    @property
    def now(self) -> Version:
        return self.versions[-1]

    def version(self, number: int) -> Version:
        """What held for an order of that time, for ever."""
        return self.versions[number - 1]


class Validity(StrEnum):
    NOT_YET = "not_yet"
    VALID = "valid"
    ENDS_SOON = "ends_soon"
    ENDED = "ended"


WARN_DAYS = 30


def validity_on(clauses: Clauses, today: date, warn_days: int = WARN_DAYS) -> Validity:
    if today < clauses.valid_from:
        return Validity.NOT_YET
    if clauses.valid_until is None:
        return Validity.VALID
    left = (clauses.valid_until - today).days
    if left < 0:
        return Validity.ENDED
    return Validity.ENDS_SOON if left < warn_days else Validity.VALID


def propose(agreement: Agreement, proposal: Proposal) -> Agreement:
    """The proposal waits for the other side, or holds at once within the band. Twice is once."""
    for known in agreement.proposals:
        if known.number == proposal.number:
            # What is reckoned and when is no part of what was proposed.
            asked = replace(
                proposal,
                predicted=known.predicted,
                proposed_at=known.proposed_at,
                state=known.state,
                answered_by=known.answered_by,
                answered_at=known.answered_at,
            )
            if asked != known:
                raise refusals.NumberUsedTwice
            return agreement
    if not proposal.because.strip():
        raise refusals.ProposalWithoutReason
    if proposal.base != agreement.now.number:
        raise refusals.ProposalOutdated
    if (proposal.clauses, proposal.limits) == (agreement.now.clauses, agreement.now.limits):
        raise refusals.ProposalChangesNothing
    added = replace(agreement, proposals=(*agreement.proposals, proposal))
    if within_band(agreement.now, proposal):
        return _in_force(added, proposal, "", proposal.proposed_at)
    return added


def accept(agreement: Agreement, number: int, by: str, side: Side, now: datetime) -> Agreement:
    """The other side agrees: the next version holds from now on."""
    proposal = _asked(agreement, number, side)
    if proposal.state is Waits.ACCEPTED:
        return agreement
    _must_be_open(proposal)
    return _in_force(agreement, proposal, by, now)


def decline(agreement: Agreement, number: int, by: str, side: Side, now: datetime) -> Agreement:
    proposal = _asked(agreement, number, side)
    if proposal.state is Waits.DECLINED:
        return agreement
    _must_be_open(proposal)
    answered = replace(proposal, state=Waits.DECLINED, answered_by=by, answered_at=now)
    return _with(agreement, answered)


def within_band(version: Version, proposal: Proposal) -> bool:
    """Nothing but minima and maxima, each moved by no more than both agreed to beforehand."""
    if proposal.clauses != version.clauses:
        return False
    before = {limit.bin_id: limit for limit in version.limits}
    after = {limit.bin_id: limit for limit in proposal.limits}
    if before.keys() != after.keys():
        return False
    percent = version.clauses.band.limits_percent
    return all(
        _near(before[bin_id].minimum, limit.minimum, percent)
        and _near(before[bin_id].order_up_to, limit.order_up_to, percent)
        for bin_id, limit in after.items()
    )


def _near(before: int, after: int, percent: int) -> bool:
    return _PERCENT * abs(after - before) <= percent * before


def _asked(agreement: Agreement, number: int, side: Side) -> Proposal:
    for proposal in agreement.proposals:
        if proposal.number == number:
            if proposal.by is side:
                raise refusals.OwnProposal
            return proposal
    raise refusals.ProposalUnknown


def _must_be_open(proposal: Proposal) -> None:
    if proposal.state is Waits.OUTDATED:
        raise refusals.ProposalOutdated
    if proposal.state is not Waits.OPEN:
        raise refusals.ProposalAnswered


def _in_force(agreement: Agreement, proposal: Proposal, by: str, now: datetime) -> Agreement:
    answered = replace(proposal, state=Waits.ACCEPTED, answered_by=by, answered_at=now)
    version = Version(
        number=agreement.now.number + 1,
        clauses=proposal.clauses,
        limits=proposal.limits,
        agreed_at=now,
        proposed_by=proposal.by,
        author=proposal.author,
        because=proposal.because,
        accepted_by=by,
        proposal=proposal.number,
    )
    after = _with(agreement, answered)
    proposals = tuple(
        replace(one, state=Waits.OUTDATED) if one.state is Waits.OPEN else one
        for one in after.proposals
    )
    return replace(after, versions=(*agreement.versions, version), proposals=proposals)


def _with(agreement: Agreement, proposal: Proposal) -> Agreement:
    proposals = tuple(
        proposal if one.number == proposal.number else one for one in agreement.proposals
    )
    return replace(agreement, proposals=proposals)
