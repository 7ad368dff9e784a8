from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.core.stream import (
    BACKLOG_PER_LIVE,
    PASSED_OVER_MAX,
    RESEND_MS,
    RESEND_MS_MAX,
    WINDOW_BATCHES,
    WINDOW_BYTES,
    Batch,
    Forget,
    Odd,
    Send,
    Sender,
)
from edge_agent.wire.messages import Ack

OWN, EARLIER = "a" * 32, "b" * 32


def batch(no: int, *, stream: str = OWN, readings: int = 10, size_bytes: int = 500) -> Batch:
    """Batch `no` of a stream whose batches are all of one size, so its range follows."""
    first = (no - 1) * readings + 1
    return Batch(
        no=no,
        stream=stream,
        first_seq=first,
        last_seq=first + readings - 1,
        size_bytes=size_bytes,
    )


def batches(first: int, last: int, **how: int) -> list[Batch]:
    return [batch(no, **how) for no in range(first, last + 1)]


def nos(sends: Sequence[Send]) -> list[int]:
    return [send.no for send in sends]


def connected(newest_no: int = 0) -> Sender:
    sender = Sender(OWN)
    sender.connected(newest_no)
    return sender


def test_nothing_is_sent_while_there_is_no_line() -> None:
    sender = Sender(OWN)
    assert sender.offer(batches(1, 3), [], 0) == []
    assert not sender.has_room


def test_batches_go_out_in_order_and_only_once() -> None:
    sender = connected()
    assert nos(sender.offer(batches(1, 3), [], 0)) == [1, 2, 3]
    assert sender.passed == 3
    assert sender.offer(batches(1, 3), [], 1) == []


def test_what_the_cloud_has_committed_is_forgotten() -> None:
    sender = connected()
    sender.offer(batches(1, 3), [], 0)
    assert sender.heard(Ack(stream=OWN, committed_upto=20)) == Forget(nos=(1, 2))
    assert sender.flying == 1


@pytest.mark.parametrize(
    ("upto", "holes", "forgotten"),
    [
        (9, [], ()),
        (10, [], (1,)),
        (19, [], (1,)),
        (30, [(11, 20)], (1, 3)),
        (30, [(20, 20)], (1, 3)),
        (30, [(11, 11)], (1, 3)),
        (30, [(10, 11)], (3,)),
        (30, [(1, 30)], ()),
        (30, [(31, 99)], (1, 2, 3)),
        (0, [], ()),
    ],
)
def test_a_batch_is_forgotten_only_when_all_of_it_is_committed(
    upto: int, holes: list[tuple[int, int]], forgotten: tuple[int, ...]
) -> None:
    sender = connected()
    sender.offer(batches(1, 3), [], 0)
    assert sender.heard(Ack(stream=OWN, committed_upto=upto, holes=holes)) == Forget(nos=forgotten)


def test_an_acknowledgement_of_more_than_was_sent_is_not_believed() -> None:
    sender = connected()
    sender.offer(batches(1, 3), [], 0)
    assert isinstance(sender.heard(Ack(stream=OWN, committed_upto=31)), Odd)
    assert sender.flying == 3


def test_a_hole_that_ends_before_it_begins_is_not_believed() -> None:
    sender = connected()
    sender.offer(batches(1, 3), [], 0)
    assert isinstance(sender.heard(Ack(stream=OWN, committed_upto=30, holes=[(5, 4)])), Odd)


def test_an_acknowledgement_of_another_stream_forgets_nothing_of_ours() -> None:
    sender = connected()
    sender.offer(batches(1, 3), [], 0)
    assert sender.heard(Ack(stream="c" * 32, committed_upto=30)) == Forget(nos=())


def test_batches_of_an_earlier_life_are_forgotten_by_their_own_stream() -> None:
    sender = connected(newest_no=2)
    sender.offer([batch(1, stream=EARLIER), batch(2, stream=OWN)], [], 0)
    assert sender.heard(Ack(stream=EARLIER, committed_upto=500)) == Forget(nos=(1,))


def test_an_unanswered_batch_is_sent_again_and_then_more_and_more_slowly() -> None:
    sender = connected()
    sender.offer(batches(1, 1), [], 0)
    assert sender.due(RESEND_MS - 1) == []
    assert nos(sender.due(RESEND_MS)) == [1]
    assert sender.due(2 * RESEND_MS) == []
    assert nos(sender.due(3 * RESEND_MS)) == [1]
    for hour in range(1, 50):
        assert nos(sender.due(hour * 3_600_000)) == [1]
        assert nos(sender.due(hour * 3_600_000 + RESEND_MS_MAX)) == [1]


def test_a_new_connection_sends_all_that_is_unanswered_at_once() -> None:
    sender = connected()
    sender.offer(batches(1, 3), [], 0)
    sender.due(RESEND_MS)
    sender.disconnected()
    assert sender.due(10 * RESEND_MS) == []
    sender.connected(newest_no=3)
    assert nos(sender.due(RESEND_MS + 1)) == [1, 2, 3]
    assert sender.due(RESEND_MS + 2) == []


def test_the_window_closes_and_opens_with_acknowledgements() -> None:
    sender = connected()
    many = batches(1, 100)
    assert len(sender.offer(many, [], 0)) == WINDOW_BATCHES
    assert not sender.has_room
    sender.heard(Ack(stream=OWN, committed_upto=50))
    assert nos(sender.offer(many[WINDOW_BATCHES:], [], 1)) == [33, 34, 35, 36, 37]


def test_the_window_counts_bytes_too_but_one_batch_always_fits() -> None:
    sender = connected()
    big = batches(1, 10, size_bytes=WINDOW_BYTES // 2)
    assert nos(sender.offer(big, [], 0)) == [1, 2]
    alone = connected()
    assert nos(alone.offer(batches(1, 2, size_bytes=2 * WINDOW_BYTES), [], 0)) == [1]


def test_after_an_outage_the_present_goes_first_and_keeps_its_share() -> None:
    sender = connected(newest_no=1_000)
    sent = nos(sender.offer(batches(1, 60), batches(1_000, 1_003), 0))
    assert sent[0] == 1_000
    share = BACKLOG_PER_LIVE + 1
    assert [no for no in sent if no >= 1_000] == sent[0 : 4 * share : share]
    assert [no for no in sent if no < 1_000] == list(range(1, WINDOW_BATCHES - 3))


def test_a_fresh_batch_does_not_wait_behind_the_backlog() -> None:
    sender = connected(newest_no=1_000)
    sender.offer(batches(1, 60), batches(1_000, 1_000), 0)
    sender.heard(Ack(stream=OWN, committed_upto=10_000, holes=[(41, 9_990)]))
    assert nos(sender.offer(batches(32, 60), [batch(1_001)], 1))[0] == 1_001


def test_the_backlog_does_not_send_again_what_went_out_as_the_present() -> None:
    sender = connected(newest_no=5)
    assert nos(sender.offer(batches(1, 5), batches(5, 5), 0)) == [5, 1, 2, 3, 4]
    assert sender.offer(batches(5, 5), [], 1) == []
    assert sender.passed == 5
    assert nos(sender.offer([batch(6)], [batch(6)], 2)) == [6]


def test_a_batch_that_the_cloud_refuses_does_not_hold_up_the_others() -> None:
    sender = connected()
    refused = batches(1, WINDOW_BATCHES)
    sender.offer(refused, [], 0)
    hole = (1, refused[-1].last_seq)
    no, now_ms = WINDOW_BATCHES, 0
    assert not sender.has_room
    # One of them is taken each time after all were sent again, and the rest is passed over.
    for _ in range(PASSED_OVER_MAX):
        now_ms += RESEND_MS_MAX
        late = sender.due(now_ms)
        assert late
        sender.gone(late[-1].no)
        no += 1
        assert nos(sender.offer([batch(no)], [], now_ms + 1)) == [no]
        sender.heard(Ack(stream=OWN, committed_upto=no * 10, holes=[hole]))
    free = batches(no + 1, no + 2 * WINDOW_BATCHES)
    assert len(sender.offer(free, [], now_ms + 2)) == WINDOW_BATCHES
    assert sender.flying > WINDOW_BATCHES
    assert len(sender.due(now_ms + RESEND_MS_MAX + 2)) == sender.flying


def test_what_the_spool_no_longer_has_is_not_sent_again() -> None:
    sender = connected()
    sender.offer(batches(1, 2), [], 0)
    sender.gone(1)
    assert nos(sender.due(RESEND_MS)) == [2]


ranges = st.tuples(st.integers(1, 400), st.integers(1, 400))


@given(
    sent=st.integers(0, 30),
    stream=st.sampled_from([OWN, EARLIER]),
    upto=st.integers(0, 2**53),
    holes=st.lists(ranges, max_size=8),
)
def test_no_acknowledgement_forgets_what_it_does_not_cover_or_what_was_not_sent(
    sent: int, stream: str, upto: int, holes: list[tuple[int, int]]
) -> None:
    sender = connected()
    sender.offer(batches(1, 30)[:sent], [], 0)
    heard = sender.heard(Ack(stream=stream, committed_upto=upto, holes=holes))
    for no in heard.nos if isinstance(heard, Forget) else ():
        seqs = range((no - 1) * 10 + 1, no * 10 + 1)
        assert no <= sent
        assert stream == OWN
        assert all(seq <= upto for seq in seqs)
        assert not any(first <= seq <= last for seq in seqs for first, last in holes)
