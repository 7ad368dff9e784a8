from uuid import UUID

import pytest

from cloud.core import refusals
from cloud.core.nouns import Mistake
from cloud.core.refusals import LinkExpired, Refusal

GIVEN: dict[type[Refusal], tuple[object, ...]] = {
    refusals.ChangedMeanwhile: (3, ["minimum"]),
    refusals.DeliveryFarOff: (500, 120),
    refusals.NotAsAllowed: ([Mistake(field="pack", given="0", allowed="1 or more")],),
    refusals.SheetUnreadable: ("it is empty",),
}
EVERY = [kind for kind in vars(refusals).values() if isinstance(kind, type)]


@pytest.mark.parametrize(
    "kind",
    [kind for kind in EVERY if issubclass(kind, Refusal) and kind not in (Refusal, LinkExpired)],
)
def test_every_refusal_is_a_sentence_with_a_way_on(kind: type[Refusal]) -> None:
    refusal = kind(*GIVEN.get(kind, ()))
    assert str(refusal) == refusal.sentence
    assert refusal.sentence.endswith(".")
    assert refusal.what_to_do.endswith(".")


def test_an_expired_link_still_says_which_order_it_was_for() -> None:
    refusal = LinkExpired(UUID(int=7))
    assert refusal.order_id == UUID(int=7)
    assert str(refusal) == "The link has expired: it works for 14 days."
