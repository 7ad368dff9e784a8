"""The one list of what needs a person, most urgent first.

A pure function of what holds now: nothing is opened or closed here, and what has lost its cause is
gone by itself. A case that gets worse is another case: putting off "covered but late" does not
silence "not covered". What is one thing to do is one case: forty bins behind a gateway that is
away, or six lines of one order that wait for one answer. What a bin needs stands in `bin_cases`,
what its orders need in `order_cases`.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from cloud.core.bin_cases import cases_of_bin
from cloud.core.cases import (
    Action,
    AgreementFacts,
    BinFacts,
    Case,
    Cases,
    GatewayFacts,
    Kind,
    Snooze,
)
from cloud.core.order_cases import OF_WHOLE_ORDER, cases_of_order
from cloud.core.trust import Trust

# A restart takes a minute or two; bins that report rarely would hide for hours that theirs is away.
BACK_WITHIN = timedelta(minutes=10)
ALONE_MAX = 1  # bins behind a gateway that is away
ALONE_MAX_SILENT = 3  # behind one that is there


def cases(
    bins: Iterable[BinFacts],
    now: datetime,
    snoozes: Iterable[Snooze] = (),
    agreements: Iterable[AgreementFacts] = (),
    gateways: Iterable[GatewayFacts] = (),
) -> Cases:
    """All that needs a person now. What was put off comes back when its time is over."""
    known = list(bins)
    away = _behind(known, Trust.OFFLINE, ALONE_MAX)
    silent_behind = _behind(known, Trust.STALE, ALONE_MAX_SILENT)
    found = [_gateway_away(gateway, behind) for gateway, behind in away.items()]
    found += [_scales_silent(gateway, behind) for gateway, behind in silent_behind.items()]
    found += [
        case
        for facts in known
        for case in _of_bin(facts, now)
        if case.kind is not Kind.SENSOR_DOWN
        or facts.gateway
        not in {Trust.OFFLINE: away, Trust.STALE: silent_behind}.get(facts.trust, {})
    ]
    silent = {facts.gateway for facts in known if facts.trust is Trust.OFFLINE}
    found += [
        _gateway_still_quiet(one)
        for one in gateways
        if one.name not in silent and now - one.offline_since > BACK_WITHIN
    ]
    found += [case for facts in agreements for case in _of_agreement(facts, now)]
    found = _one_of_each_order(found)
    found.sort(key=_urgency)
    quiet = {one.key for one in snoozes if now < one.until}
    return Cases(
        open=tuple(case for case in found if case.key not in quiet),
        snoozed=tuple(case for case in found if case.key in quiet),
    )


def _one_of_each_order(found: Iterable[Case]) -> list[Case]:
    """Lines of one order that wait for one answer are told once, by what runs out first."""
    alone: list[Case] = []
    of_order: dict[str, list[Case]] = {}
    for case in found:
        if case.kind in OF_WHOLE_ORDER:
            of_order.setdefault(case.key, []).append(case)
        else:
            alone.append(case)
    return alone + [_told_once(several) for several in of_order.values()]


def _told_once(several: list[Case]) -> Case:
    first = min(several, key=lambda case: (_urgency(case), case.bin_id))
    if len(several) == 1:
        return first
    more = len({case.bin_id for case in several}) - 1
    return replace(
        first,
        critical=any(case.critical for case in several),
        because=f"{first.because[:-1]}, with {more:,} more {'bin' if more == 1 else 'bins'}.",
        since=min(case.since for case in several),
    )


def _behind(bins: Iterable[BinFacts], trust: Trust, alone: int) -> dict[str, list[BinFacts]]:
    """Bins not heard of for one cause, by their gateway; up to `alone` keep cases of their own."""
    behind: dict[str, list[BinFacts]] = {}
    for facts in bins:
        if facts.trust is trust and facts.untrusted_since is not None:
            behind.setdefault(facts.gateway, []).append(facts)
    return {gateway: several for gateway, several in behind.items() if len(several) > alone}


def _first_out(facts: BinFacts) -> tuple[bool, float, int]:
    out = facts.runs_out_at
    return (out is None, out.timestamp() if out else 0.0, facts.bin_id)


def _gateway_away(gateway: str, behind: list[BinFacts]) -> Case:
    """One thing to do, and so one case: not forty."""
    first = min(behind, key=_first_out)
    return Case(
        key=f"{Kind.SENSOR_DOWN}:gateway:{gateway}",
        kind=Kind.SENSOR_DOWN,
        bin_id=first.bin_id,
        critical=any(one.critical for one in behind),
        because=f"Gateway {gateway} is offline: {len(behind):,} bins are not heard of.",
        since=min(one.untrusted_since for one in behind if one.untrusted_since is not None),
        act_before=first.runs_out_at,  # as estimated: nobody would notice the first run out
        evidence=(),
        action=Action.CHECK_GATEWAY,
    )


def _scales_silent(gateway: str, silent: list[BinFacts]) -> Case:
    """So many at once have a cause in common. That twice as many are silent is another case."""
    first = min(silent, key=_first_out)
    because = f"{len(silent):,} bins behind gateway {gateway} are not heard of, and it is there."
    if not gateway:
        because = f"{len(silent):,} bins are watched by no sensor."
    return Case(
        key=f"{Kind.SENSOR_DOWN}:behind:{gateway or 'none'}:{len(silent).bit_length()}",
        kind=Kind.SENSOR_DOWN,
        bin_id=first.bin_id,
        critical=any(one.critical for one in silent),
        because=because,
        since=min(one.untrusted_since for one in silent if one.untrusted_since is not None),
        act_before=first.runs_out_at,
        evidence=(),
        action=Action.CHECK_CABLE,
    )


def _gateway_still_quiet(facts: GatewayFacts) -> Case:
    """Before its bins are called silent, and the same case then."""
    bins = "1 bin is" if facts.bins == 1 else f"{facts.bins:,} bins are"
    return Case(
        key=f"{Kind.SENSOR_DOWN}:gateway:{facts.name}",
        kind=Kind.SENSOR_DOWN,
        bin_id=facts.bin_id,
        critical=facts.critical,
        because=f"Gateway {facts.name} is offline: {bins} behind it.",
        since=facts.offline_since,
        act_before=None,
        evidence=(),
        action=Action.CHECK_GATEWAY,
    )


def _of_agreement(facts: AgreementFacts, now: datetime) -> list[Case]:
    found = []
    if facts.proposal is not None and facts.proposed_at is not None:
        more = f", and {facts.proposals - 1:,} more" if facts.proposals > 1 else ""
        found.append(
            _about_agreement(
                facts,
                Kind.PROPOSAL_WAITS,
                f"The supplier proposes a change of {facts.name}{more}: {facts.because}",
                about=str(facts.proposal),
                since=facts.proposed_at,
                act_before=None,
                action=Action.ANSWER_PROPOSAL,
            )
        )
    if facts.ends_soon_since is not None and facts.ends_at is not None:
        ended = facts.ends_at <= now
        name = facts.name[:1].upper() + facts.name[1:]
        because = f"{name} {'has ended' if ended else 'ends soon'}."
        if ended and facts.leaves_by_itself:
            because += " A person is asked before anything is ordered."
        found.append(
            _about_agreement(
                facts,
                Kind.AGREEMENT_ENDS,
                because,
                about="ended" if ended else "soon",
                since=facts.ends_at if ended else facts.ends_soon_since,
                act_before=facts.ends_at,
                action=Action.RENEW_AGREEMENT,
            )
        )
    return found


def _about_agreement(
    facts: AgreementFacts,
    kind: Kind,
    because: str,
    *,
    about: str,
    since: datetime,
    act_before: datetime | None,
    action: Action,
) -> Case:
    label = f"agreement-{facts.agreement_id}"
    return Case(
        key=f"{kind}:{label}:{about}",
        kind=kind,
        bin_id=facts.bin_id,
        critical=False,
        because=because,
        since=since,
        act_before=act_before,
        evidence=(label,),
        action=action,
    )


def _urgency(case: Case) -> tuple[bool, datetime, bool, datetime, str]:
    """By the time left; of what has none, and of what is due at once, the critical first."""
    return (
        case.act_before is None,
        case.act_before or case.since,
        not case.critical,
        case.since,
        case.key,
    )


def _of_bin(facts: BinFacts, now: datetime) -> list[Case]:
    found = cases_of_bin(facts, now)
    for order in facts.orders:
        found += cases_of_order(facts, order, now)
    return found
