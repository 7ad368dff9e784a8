"""Defects that others have shipped, each as a small change: to miss one is to prove nothing."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from cloud.core import taking
from edge_agent.core import stream
from edge_agent.core.stream import Batch, Sender, TakeBack
from edge_agent.loops.drain import Drain
from edge_agent.sqlite import spool
from edge_agent.sqlite.journal import Journal
from edge_agent.wire.messages import Ack
from tests.simulation.story import Mutation, Story


class _TrustsTheBroker(Drain):
    """What was handed to the broker is forgotten: a PUBACK taken for an acknowledgement."""

    def _send_one(self, no: int) -> None:
        super()._send_one(no)
        self._spool.forget([no])
        self._sender.gone(no)


class _NeverSaysThatTheClockWasSet(Drain):
    def _look_at_clock(self) -> None:
        self._clock.look()


def _lazy_disk(story: Story) -> None:
    """Like synchronous=NORMAL: a cut of power takes back the commits of the last seconds."""
    gateway, copies = story.gateway, []

    def wear() -> None:
        copies.append(gateway.copy_card())

    def put_back() -> None:
        if copies and story.chance.random() < 0.5:
            gateway.put_card(copies[max(0, len(copies) - 3)])
        while copies:
            shutil.rmtree(copies.pop(), ignore_errors=True)

    gateway.wears, gateway.before_start = wear, put_back


def _takes_off_where_it_was(story: Story) -> None:
    """The same stream after a restart, and numbers from the start, as a naive spool has them."""
    original = story.gateway.open_spool

    def open_spool(journal: Journal | None = None) -> spool.Spool:
        opened = original(journal)
        opened.stream = "f" * 32
        return opened

    story.gateway.open_spool = open_spool  # type: ignore[method-assign]
    story.ledger.begin = lambda stream, life: None  # type: ignore[method-assign] # it would notice at once
    story.ledger.lives["f" * 32] = 1
    story.ledger.order.append("f" * 32)


def _keeps_no_journal(story: Story) -> None:
    """A kill takes what is not yet committed."""
    original = story.gateway.open_spool

    def open_spool(journal: Journal | None = None) -> spool.Spool:
        return original()

    story.gateway.open_spool = open_spool  # type: ignore[method-assign]


def _answers_before_the_commit(story: Story) -> None:
    network = story.network
    take = network._take

    def hasty(payloads: list[bytes]) -> None:
        before = network.cloud.tables.copy()
        acks = network.cloud.take_in(payloads)
        network.cloud.tables = before
        network._answer(acks)
        take(payloads)

    network._take = hasty  # type: ignore[method-assign]


def _covers_whatever_the_holes(ack: Ack, batch: Batch) -> bool:
    return batch.last_seq <= ack.committed_upto


def _never_misses(sender: Sender, ack: Ack, now_ms: int) -> TakeBack | None:
    return None


def _oldest_first(
    sender: Sender, newest_no: int, now_ms: int, _real: Any = Sender.connected
) -> None:
    _real(sender, newest_no, now_ms)
    sender._live_after = 2**53


def _never_again(sender: Sender, now_ms: int) -> list[stream.Send]:
    return []


def _unlimited(sender: Any, size_bytes: int) -> bool:
    return True


def _patched(owner: object, name: str, value: object) -> Callable[[], Any]:
    @contextmanager
    def patch() -> Iterator[Mutation]:
        before = getattr(owner, name)
        setattr(owner, name, value)
        try:
            yield Mutation()
        finally:
            setattr(owner, name, before)

    return patch


def _mutated(mutation: Mutation) -> Callable[[], Any]:
    @contextmanager
    def as_it_is() -> Iterator[Mutation]:
        yield mutation

    return as_it_is


@contextmanager
def _forgetful() -> Iterator[Mutation]:
    """What is acknowledged is still kept, and looked for again: without that, it is gone.

    No restored database here, which would find the second defect instead of the first.
    """
    with (
        _patched(stream, "_covers", _covers_whatever_the_holes)(),
        _patched(Sender, "missed", _never_misses)(),
    ):
        yield Mutation(begin=lambda story: setattr(story, "_restore_database", story._cut))


MUTANTS: dict[str, Callable[[], Any]] = {
    "deletes on the broker's receipt": _mutated(Mutation(drain=_TrustsTheBroker)),
    "loses commits at a cut of power": _mutated(Mutation(begin=_lazy_disk)),
    "loses at a kill what is not committed": _mutated(Mutation(begin=_keeps_no_journal)),
    "uses numbers again": _mutated(Mutation(begin=_takes_off_where_it_was)),
    "forgets what lies in a hole": _forgetful,
    "ignores that the cloud was set back": _patched(Sender, "missed", _never_misses),
    "answers before the commit": _mutated(Mutation(begin=_answers_before_the_commit)),
    "sends the oldest first": _patched(Sender, "connected", _oldest_first),
    "never sends again": _patched(Sender, "due", _never_again),
    "does not limit what is on its way": _patched(stream._Room, "backlog", _unlimited),
    "does not say that the clock was set": _mutated(Mutation(drain=_NeverSaysThatTheClockWasSet)),
    "never asks whether the cloud still has it": _patched(
        Drain, "_say_what_is_kept", lambda _: None
    ),
    "takes what is committed twice for new": _patched(taking, "is_repeat", lambda *_: False),
}
