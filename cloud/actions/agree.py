"""Agree: write an agreement down, propose to change it, accept or decline what the other proposes.

A version that comes into force takes its limits to the bins at once (the database does, see
migration 0008), and the bins are looked at anew. All runs in the caller's transaction, under
whoever asks: what belongs to another supplier is not there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, tzinfo
from types import MappingProxyType
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import psycopg

from cloud.actions.foresee import foresee
from cloud.core import agreements as rules
from cloud.core.agreements import Agreement, Limit, Proposal, Side, Version, Waits
from cloud.core.clauses import LIMIT, clauses_of, limit_mistakes
from cloud.core.nouns import BIN, Mistake, Read, read
from cloud.core.refusals import (
    AgreementThereAlready,
    LimitsDoNotFit,
    NotAsAllowed,
    NounUnknown,
    ProposalWithoutReason,
)
from cloud.postgres import agreements, asking, bins, nouns
from cloud.postgres.agreements import AgreedBin, Listed


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What somebody wants to be agreed on, as it was read from a form or from JSON.

    `limits` are by the bin's code; None: the agreement says nothing of this bin any more.
    """

    read: Read
    because: str
    limits: Mapping[str, Mapping[str, object] | None] = field(
        default_factory=lambda: MappingProxyType({})
    )


@dataclass(frozen=True, kw_only=True)
class Found:
    """An agreement with what a page says beside it."""

    line: Listed
    agreement: Agreement
    bins: Sequence[AgreedBin]


def find(conn: psycopg.Connection, agreement_id: int) -> Found:
    line = agreements.line(conn, agreement_id)
    agreement = agreements.find(conn, agreement_id)
    if line is None or agreement is None:
        raise NounUnknown
    of = agreements.bins_of(conn, supplier_id=line.supplier_id, site_id=line.site_id)
    return Found(line=line, agreement=agreement, bins=of)


def make(
    conn: psycopg.Connection,
    *,
    site_id: int,
    supplier_id: int,
    wish: Wish,
    author: str,
    now: datetime,
) -> int:
    """Write down what was agreed on elsewhere. Where it says no limits, the bins' own become it.

    Again with the same is the same; another one for the same two is refused.
    """
    agreements.take_turns(conn, supplier_id=supplier_id, site_id=site_id)
    there = agreements.bins_of(conn, supplier_id=supplier_id, site_id=site_id)
    limits, mistakes = _limits(there, wish.limits, _own_limits(there) if not wish.limits else ())
    zone = agreements.zone_of(conn, site_id)
    _must_be_allowed(wish, mistakes, today_in(zone, now))
    clauses = clauses_of(wish.read.values)
    known = agreements.id_of(conn, supplier_id=supplier_id, site_id=site_id)
    if known is not None:
        agreement = agreements.find(conn, known)
        assert agreement is not None, "its id was just found"
        first = agreement.version(1)
        if (first.clauses, first.because) != (clauses, wish.because.strip()):
            raise AgreementThereAlready
        return known
    if not wish.because.strip():
        raise ProposalWithoutReason
    agreement_id = agreements.add(conn, supplier_id=supplier_id, site_id=site_id)
    version = Version(
        number=1,
        clauses=clauses,
        limits=limits,
        agreed_at=now,
        proposed_by=Side.CUSTOMER,
        author=author,
        because=wish.because.strip(),
        accepted_by="",
    )
    _bring_into_force(conn, agreement_id, version, there)
    return agreement_id


def propose(
    conn: psycopg.Connection,
    agreement_id: int,
    *,
    base: int,
    number: int | None,
    wish: Wish,
    side: Side,
    author: str,
    now: datetime,
) -> Proposal:
    """As it stands afterwards: open, or accepted where it lies within the band.

    `number` makes it safe to send twice; None: the next one.
    """
    found = _held(conn, agreement_id)
    agreement = found.agreement
    limits, mistakes = _limits(found.bins, wish.limits, agreement.now.limits)
    _must_be_allowed(wish, mistakes, today_in(found.line.time_zone, now))
    proposal = Proposal(
        number=next_number(agreement) if number is None else number,
        base=base,
        by=side,
        author=author,
        because=wish.because.strip(),
        clauses=clauses_of(wish.read.values),
        limits=limits,
        predicted=foresee(conn, found.bins, agreement.now.limits, limits, now),
        proposed_at=now,
    )
    after = rules.propose(agreement, proposal)
    if after is not agreement:
        _save(conn, found, after)
    return next(one for one in after.proposals if one.number == proposal.number)


def answer(
    conn: psycopg.Connection,
    agreement_id: int,
    number: int,
    *,
    accepts: bool,
    side: Side,
    by: str,
    now: datetime,
) -> Agreement:
    """Twice is once. A proposal is answered by the side that did not make it."""
    found = _held(conn, agreement_id)
    verb = rules.accept if accepts else rules.decline
    after = verb(found.agreement, number, by, side, now)
    if after is not found.agreement:
        _save(conn, found, after)
    return after


def next_number(agreement: Agreement) -> int:
    return max((one.number for one in agreement.proposals), default=0) + 1


def today_in(zone: str, now: datetime) -> date:
    return now.astimezone(zone_or_utc(zone)).date()


def zone_or_utc(name: str) -> tzinfo:
    """A zone that this machine does not know is taken for UTC, as the pages do."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


# ------------------------------------------------------------------------------ steps


def _held(conn: psycopg.Connection, agreement_id: int) -> Found:
    line = agreements.line(conn, agreement_id)
    if line is None:
        raise NounUnknown
    agreements.take_turns(conn, supplier_id=line.supplier_id, site_id=line.site_id)
    return find(conn, agreement_id)


def _save(conn: psycopg.Connection, found: Found, after: Agreement) -> None:
    """What became of it, and nothing else: versions and proposals are only added."""
    before = found.agreement
    agreement_id = before.agreement_id
    known = {one.number: one for one in before.proposals}
    for proposal in after.proposals:
        if proposal.number not in known:
            agreements.add_proposal(conn, agreement_id, proposal)
        elif proposal != known[proposal.number]:
            agreements.save_answer(conn, agreement_id, proposal)
    if after.now.number != before.now.number:
        _bring_into_force(conn, agreement_id, after.now, found.bins)


def _bring_into_force(
    conn: psycopg.Connection, agreement_id: int, version: Version, there: Sequence[AgreedBin]
) -> None:
    of = {bin_.bin_id: bin_ for bin_ in there}
    for limit in version.limits:
        if limit.bin_id not in of or limit.order_up_to > of[limit.bin_id].capacity:
            raise LimitsDoNotFit
    ids = [bin_.bin_id for bin_ in there]
    nouns.hold_bins(conn, BIN, ids)
    asking.because(conn, f"Agreement {agreement_id}, version {version.number}: {version.because}")
    agreements.add_version(conn, agreement_id, version)
    for bin_id in sorted(ids):
        bins.touch(conn, bin_id)


def _must_be_allowed(wish: Wish, mistakes: Sequence[Mistake], today: date) -> None:
    """What holds, holds at once: a version that begins later would have to wait somewhere."""
    mistakes = [*wish.read.mistakes, *mistakes]
    named = {mistake.field for mistake in mistakes}
    begins = wish.read.values.get("valid_from")
    if "valid_from" not in named and isinstance(begins, str) and begins > today.isoformat():
        allowed = f"{today} or earlier: write it down on the day it begins"
        mistakes.append(Mistake(field="valid_from", given=begins, allowed=allowed))
    if mistakes:
        raise NotAsAllowed(mistakes)


def _own_limits(there: Sequence[AgreedBin]) -> tuple[Limit, ...]:
    return tuple(
        Limit(bin_id=one.bin_id, minimum=one.minimum, order_up_to=one.order_up_to or one.capacity)
        for one in there
        if one.active
    )


def _limits(
    there: Sequence[AgreedBin],
    wanted: Mapping[str, Mapping[str, object] | None],
    base: Sequence[Limit],
) -> tuple[tuple[Limit, ...], list[Mistake]]:
    """Those of `base` whose bins are still there, and over them what is wanted."""
    by_code = {bin_.code: bin_ for bin_ in there}
    still = {bin_.bin_id for bin_ in there}
    limits = {limit.bin_id: limit for limit in base if limit.bin_id in still}
    mistakes: list[Mistake] = []
    for code, given in wanted.items():
        bin_ = by_code.get(code)
        if bin_ is None:
            allowed = "a bin of this site that this supplier fills"
            mistakes.append(Mistake(field=code[:40], given=code[:80], allowed=allowed))
            continue
        if given is None:
            limits.pop(bin_.bin_id, None)
            continue
        one = read(LIMIT, {"bin": code, **given})
        if one.mistakes:
            mistakes += [
                Mistake(field=f"{code}.{wrong.field}", given=wrong.given, allowed=wrong.allowed)
                for wrong in one.mistakes
            ]
            continue
        fits = limit_mistakes(one.values, bin_.capacity, code)
        if isinstance(fits, list):
            mistakes += fits
            continue
        limits[bin_.bin_id] = Limit(bin_id=bin_.bin_id, minimum=fits[0], order_up_to=fits[1])
    return tuple(limits[bin_id] for bin_id in sorted(limits)), mistakes


def waits_for(agreement: Agreement, side: Side) -> list[Proposal]:
    """What this side is asked, oldest first."""
    return [one for one in agreement.proposals if one.state is Waits.OPEN and one.by is not side]
