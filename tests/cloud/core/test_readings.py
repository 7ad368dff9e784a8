from uuid import UUID

from cloud.core.ranges import Range
from cloud.core.readings import Arrival, Missing, PresenceSaid, Unreadable, set_aside

GAP = Missing(stream=UUID(int=1), range=Range(3, 7), checksum=9, because="full")


def test_a_message_set_aside_still_says_which_range_it_fills() -> None:
    arrival = Arrival(topic="t", payload=b"p", gateway="g", content=GAP)
    aside = set_aside(arrival, "refused")
    assert (aside.topic, aside.payload, aside.gateway) == ("t", b"p", "g")
    assert isinstance(aside.content, Unreadable)
    assert aside.content.claim is not None
    assert (aside.content.claim.range, aside.content.claim.because) == (Range(3, 7), "refused")


def test_a_message_without_a_range_is_set_aside_without_one() -> None:
    presence = PresenceSaid(state="online", version="", backlog_batches=0, stream=UUID(int=1))
    aside = set_aside(Arrival(topic="t", payload=b"p", gateway="g", content=presence), "refused")
    assert aside.content == Unreadable(because="refused")
