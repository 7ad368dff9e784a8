from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.core.stream import (
    BACKLOG_BYTES_PER_S,
    LIMIT_BYTES_MIN,
    LIMIT_BYTES_START,
    LIVE_BEHIND_MAX,
    OVERTAKEN_MS_MAX,
    PASSED_OVER_MAX,
    PROBE_MS,
    REFUSED_BATCHES_MAX,
    RESEND_MS,
    RESEND_MS_MAX,
    SLOW_MS,
    WINDOW_BATCHES,
    WINDOW_BYTES,
    Batch,
    Forget,
    Odd,
    Send,
    Sender,
    TakeBack,
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


class OnAQuickLine(Sender):
    """What is sent is with the broker at once."""

    _last_token = 0

    def due(self, now_ms: int) -> list[Send]:
        return self._carry(super().due(now_ms), now_ms)

    def offer(self, backlog: Sequence[Batch], live: Sequence[Batch], now_ms: int) -> list[Send]:
        return self._carry(super().offer(backlog, live, now_ms), now_ms)

    def _carry(self, sends: list[Send], now_ms: int) -> list[Send]:
        for send in sends:
            self._last_token += 1
            self.handed_over(send.no, self._last_token, 500, now_ms)
        self.carried(self._last_token + 1, now_ms)
        return sends


def connected(newest_no: int = 0) -> Sender:
    sender = OnAQuickLine(OWN)
    sender.connected(newest_no, 0)
    return sender


def ack(upto: int, *holes: tuple[int, int], stream: str = OWN, exact: bool = True) -> Ack:
    return Ack(stream=stream, committed_upto=upto, holes=list(holes), exact=exact)


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
    assert sender.heard(Ack(stream=OWN, committed_upto=20), 1) == Forget(nos=(1, 2))
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
    assert sender.heard(Ack(stream=OWN, committed_upto=upto, holes=holes), 1) == Forget(
        nos=forgotten
    )


def test_an_acknowledgement_of_more_than_was_sent_is_not_believed() -> None:
    sender = connected()
    sender.offer(batches(1, 3), [], 0)
    assert isinstance(sender.heard(Ack(stream=OWN, committed_upto=31), 1), Odd)
    assert sender.flying == 3


def test_a_hole_that_ends_before_it_begins_is_not_believed() -> None:
    sender = connected()
    sender.offer(batches(1, 3), [], 0)
    assert isinstance(sender.heard(Ack(stream=OWN, committed_upto=30, holes=[(5, 4)]), 1), Odd)


def test_an_acknowledgement_of_another_stream_forgets_nothing_of_ours() -> None:
    sender = connected()
    sender.offer(batches(1, 3), [], 0)
    assert sender.heard(Ack(stream="c" * 32, committed_upto=30), 1) == Forget(nos=())


def test_batches_of_an_earlier_life_are_forgotten_by_their_own_stream() -> None:
    sender = connected(newest_no=2)
    sender.offer([batch(1, stream=EARLIER), batch(2, stream=OWN)], [], 0)
    assert sender.heard(Ack(stream=EARLIER, committed_upto=500), 1) == Forget(nos=(1,))


# ------------------------------------------------------------------ how much is on its way


def test_the_window_closes_and_opens_with_acknowledgements() -> None:
    sender = connected()
    many = batches(1, 200)
    assert len(sender.offer(many, [], 0)) == WINDOW_BATCHES
    sender.heard(ack(50), 1)
    assert nos(sender.offer(many[WINDOW_BATCHES:], [], 1)) == [65, 66, 67, 68, 69]


def test_it_starts_with_little_but_one_batch_always_fits() -> None:
    sender = connected()
    half = batches(1, 10, size_bytes=LIMIT_BYTES_START // 2)
    assert nos(sender.offer(half, [], 0)) == [1, 2]
    alone = connected()
    assert nos(alone.offer(batches(1, 2, size_bytes=2 * WINDOW_BYTES), [], 0)) == [1]


def drain(sender: Sender, *, answer_ms: int, rounds: int, size_bytes: int = 8_000) -> list[int]:
    """How many bytes are on their way, round after round, when each is answered so late."""
    waiting, now_ms, flying = batches(1, 20_000, size_bytes=size_bytes), 1_000, []
    for _ in range(rounds):
        now_ms += 1_000  # or the bucket would be what limits
        sent = nos(sender.offer(waiting[:99], [], now_ms))
        waiting = waiting[len(sent) :]
        flying.append(len(sent) * size_bytes)
        now_ms += answer_ms
        sender.heard(ack(sent[-1] * 10), now_ms)
    return flying


def test_quick_answers_let_more_out_up_to_the_window() -> None:
    flying = drain(connected(), answer_ms=50, rounds=12, size_bytes=16_000)
    assert flying[0] <= LIMIT_BYTES_START
    assert flying[3] > 4 * flying[0]
    assert max(flying) == WINDOW_BATCHES * 16_000 <= WINDOW_BYTES


def test_slow_answers_halve_it_down_to_a_batch() -> None:
    flying = drain(connected(), answer_ms=SLOW_MS + 1_000, rounds=12)
    assert flying == sorted(flying, reverse=True)
    assert flying[-1] == LIMIT_BYTES_MIN // 8_000 * 8_000


def test_one_slow_moment_halves_once() -> None:
    sender = connected()
    sent = sender.offer(batches(1, 8, size_bytes=8_000), [], 0)
    for no in nos(sent):
        sender.heard(ack(no * 10), SLOW_MS + 1_000 + no)
    assert sender._limit_bytes == LIMIT_BYTES_START // 2


def test_the_backlog_keeps_to_its_pace_and_the_present_does_not_wait_for_it() -> None:
    sender = connected(newest_no=100_000)
    sent_bytes = now_ms = no = 0
    waiting = batches(1, 5_000, size_bytes=16_000)
    live = 100_000
    while now_ms < 60_000:
        now_ms += 20
        live += 1
        sends = nos(sender.offer(waiting[:99], [batch(live)], now_ms))
        assert live in sends
        backlog = [no for no in sends if no < 100_000]
        waiting = waiting[len(backlog) :]
        sent_bytes += 16_000 * len(backlog)
        no = max([no, *backlog])
        sender.heard(ack(live * 10, (no * 10 + 1, live * 10 - 10)), now_ms + 10)
    assert 0.9 < sent_bytes / (60 * BACKLOG_BYTES_PER_S) < 1.1


def test_after_an_outage_the_present_goes_first() -> None:
    sender = connected(newest_no=1_000)
    sent = nos(sender.offer(batches(1, 60), batches(1_000, 1_003), 0))
    assert sent[:4] == [1_000, 1_001, 1_002, 1_003]
    assert sent[4:] == list(range(1, 61))


def test_a_fresh_batch_does_not_wait_behind_the_backlog() -> None:
    sender = connected(newest_no=1_000)
    full = sender.offer(batches(1, 99), batches(1_000, 1_000), 0)
    assert len(full) == WINDOW_BATCHES + 1
    assert sender.has_room
    assert nos(sender.offer(batches(65, 99), [batch(1_001)], 1)) == [1_001]


def test_a_busy_present_leaves_room_for_one_batch_of_the_backlog() -> None:
    sender = connected(newest_no=1_000)
    present = batches(1_000, 1_200, size_bytes=1_000)
    sent = nos(sender.offer(batches(1, 9, size_bytes=60_000), present, 0))
    assert sent.count(1) == 1
    assert max(no for no in sent if no < 1_000) == 1
    assert len(sent) - 1 == WINDOW_BATCHES


def test_where_the_line_cannot_carry_the_present_the_newest_goes_first() -> None:
    sender = connected(newest_no=1_000)
    sender.offer([], batches(1_000, 1_000), 0)
    sender.catch_up(1_000 + LIVE_BEHIND_MAX)
    assert sender.live_after == 1_000
    sender.catch_up(1_001 + LIVE_BEHIND_MAX)
    assert sender.live_after == 1_000 + LIVE_BEHIND_MAX


@pytest.mark.parametrize("batch_bytes", [700, 16_000, 64 * 1024])
def test_at_2_kb_a_second_with_2_s_latency_the_newest_is_never_a_minute_old(
    batch_bytes: int,
) -> None:
    """Weeks of backlog on the thinnest line that is promised to work; the line is a queue."""
    sender = Sender(OWN)
    sender.connected(10**6, 0)
    waiting = batches(1, 20_000, size_bytes=batch_bytes)
    receipts: list[tuple[int, int]] = []  # when, of which token
    token = 0
    size_of = dict.fromkeys(range(1, 20_001), batch_bytes)
    line: list[tuple[int, int]] = []  # when it is through, which
    measured_ms: dict[int, int] = {}
    free_ms = worst_ms = newest_ms = delivered = 0
    there: set[int] = set()
    for now_ms in range(0, 3_600_000, 500):
        live = 10**6 + now_ms // 500
        measured_ms[live] = now_ms
        size_of[live] = 250
        sender.catch_up(live)
        fresh = [no for no in range(sender.live_after + 1, live + 1) if no >= 10**6]
        sends = sender.due(now_ms) + sender.offer(
            waiting[:32], [batch(no, size_bytes=250) for no in fresh[:32]], now_ms
        )
        for send in sends:
            free_ms = max(free_ms, now_ms) + size_of[send.no] // 2
            line.append((free_ms + 2_000, send.no))
            token += 1
            sender.handed_over(send.no, token, size_of[send.no], now_ms)
            receipts.append((free_ms + 2_000, token))
        waiting = [one for one in waiting if one.no > sender.passed]
        while receipts and receipts[0][0] <= now_ms:
            sender.carried(receipts.pop(0)[1] + 1, now_ms)
        while line and line[0][0] <= now_ms:
            _, no = line.pop(0)
            assert no not in there, "nothing goes over such a line twice"
            there.add(no)
            delivered += size_of[no]
            newest_ms = max(newest_ms, measured_ms.get(no, 0))
            end = no * 10
            sender.heard(ack(end, *_unsent(there, end)), now_ms)
        worst_ms = max(worst_ms, now_ms - newest_ms)
    assert worst_ms < 60_000
    assert delivered > 0.8 * 2_000 * 3_600, "and the line is made use of"


def _unsent(there: set[int], end: int) -> list[tuple[int, int]]:
    """The holes of an acknowledgement, when batch `no` holds ten numbers."""
    holes, after = [], 0
    for no in sorted(there):
        first = (no - 1) * 10 + 1
        if first > end:
            break
        if first > after + 1:
            holes.append((after + 1, first - 1))
        after = no * 10
    return holes


def test_the_backlog_does_not_send_again_what_went_out_as_the_present() -> None:
    sender = connected(newest_no=5)
    assert nos(sender.offer(batches(1, 5), batches(5, 5), 0)) == [5, 1, 2, 3, 4]
    assert sender.offer(batches(5, 5), [], 1) == []
    assert sender.passed == 5
    assert nos(sender.offer([batch(6)], [batch(6)], 2)) == [6]


# ------------------------------------------------------------------ what is not answered


def test_an_unanswered_batch_is_sent_again_and_then_more_and_more_slowly() -> None:
    sender = connected()
    sender.offer(batches(1, 2), [], 0)
    now_ms, sent_ms = 0, []
    while now_ms < 400_000:
        now_ms += 1_000
        sender.heard(ack(20, (1, 10)), now_ms)  # it answers, and never takes the first
        sent_ms += [now_ms for send in sender.due(now_ms) if send.no == 1]
    pauses = [later - before for before, later in zip([0, *sent_ms], sent_ms, strict=False)]
    assert pauses[:3] == [RESEND_MS, 2 * RESEND_MS, 4 * RESEND_MS]
    assert set(pauses[3:]) == {RESEND_MS_MAX}


def test_while_nothing_at_all_is_answered_one_small_batch_asks_for_all() -> None:
    sender = connected()
    sender.offer([batch(1, size_bytes=9_000), batch(2, size_bytes=100), batch(3)], [], 0)
    asked = [nos(sender.due(at_s * 1_000)) for at_s in range(3_600)]
    assert {tuple(some) for some in asked} == {(), (2,)}
    assert 0 < sum(map(len, asked)) <= 3_600_000 // PROBE_MS


def test_the_first_answer_after_a_silence_brings_all_others_out_again() -> None:
    sender = connected()
    sender.offer(batches(1, 9), [], 0)
    hour = 3_600_000
    assert len(sender.due(hour)) == 1
    sender.heard(ack(10), hour + 300)
    assert nos(sender.due(hour + 301)) == [2, 3, 4, 5, 6, 7, 8, 9]


def test_what_is_still_on_the_line_is_not_sent_again() -> None:
    """At 2 kB/s a batch takes half a minute: asking again would double what there is to carry."""
    sender = Sender(OWN)
    sender.connected(0, 0)
    sender.offer([batch(1)], [], 0)
    sender.handed_over(1, 71, 64 * 1024, 0)
    sender.carried(71, 500_000)
    assert sender.due(500_000) == []
    sender.carried(72, 500_000)
    assert sender.due(500_000 + RESEND_MS - 1) == []
    assert nos(sender.due(500_000 + RESEND_MS)) == [1]


def test_what_the_line_did_not_take_is_tried_again_in_its_time() -> None:
    sender = Sender(OWN)
    sender.connected(0, 0)
    sender.offer([batch(1)], [], 0)
    sender.handed_over(1, 0, 500, 0)
    assert sender.due(PROBE_MS - 1) == []
    assert nos(sender.due(PROBE_MS)) == [1]


def test_an_answer_before_the_receipt_teaches_nothing_of_the_line() -> None:
    """It answers what an earlier life had sent; the line still carries the copy."""
    sender = Sender(OWN)
    sender.connected(0, 0)
    first = batches(1, 4, stream=EARLIER, size_bytes=16_000)
    for send in sender.offer(first, [], 0):
        sender.handed_over(send.no, send.no, 16_000, 0)
    assert sender.heard(ack(40, stream=EARLIER), 100) == Forget(nos=(1, 2, 3, 4))
    assert sender.offer(batches(5, 9, size_bytes=16_000), [], 101) == [], "the line is full"
    sender.carried(4, 200)
    assert nos(sender.offer(batches(5, 9, size_bytes=16_000), [], 201)) == [5, 6, 7]


def test_a_new_connection_offers_all_that_is_unanswered_once_more() -> None:
    sender = connected()
    sender.offer(batches(1, 3), [], 0)
    sender.disconnected()
    assert sender.due(10 * RESEND_MS) == []
    sender.connected(newest_no=3, now_ms=RESEND_MS)
    assert sender.passed == 0
    assert nos(sender.offer(batches(1, 3), batches(3, 3), RESEND_MS)) == [3, 1, 2]


def test_what_a_former_connection_carried_is_forgotten_when_its_answer_comes_late() -> None:
    sender = connected()
    sender.offer(batches(1, 3), [], 0)
    sender.connected(newest_no=3, now_ms=1)
    assert sender.flying == 0
    assert sender.heard(ack(30), 2) == Forget(nos=(1, 2, 3))
    assert sender.offer([], [], 3) == []


def test_a_batch_that_the_cloud_refuses_does_not_hold_up_the_others() -> None:
    sender = connected()
    refused = batches(1, WINDOW_BATCHES, size_bytes=100)
    assert len(sender.offer(refused, [], 0)) == WINDOW_BATCHES
    hole = (1, refused[-1].last_seq)
    no, now_ms = WINDOW_BATCHES, 0
    for _ in range(PASSED_OVER_MAX):
        now_ms += 2 * RESEND_MS_MAX
        sender.heard(ack(0), now_ms)
        late = sender.due(now_ms)
        assert len(late) == WINDOW_BATCHES
        no += 1
        assert nos(sender.offer([], [batch(no)], now_ms + 1)) == [no]
        sender.heard(ack(no * 10, hole), now_ms + 2)
    free = batches(no + 1, no + 2 * WINDOW_BATCHES, size_bytes=100)
    assert len(sender.offer(free, [], now_ms + 3)) == WINDOW_BATCHES
    assert sender.flying > WINDOW_BATCHES
    # Nor on the next connection, where they are offered first.
    sender.connected(no, now_ms + 4)
    assert len(sender.offer([*refused, *free], [], now_ms + 5)) == 2 * WINDOW_BATCHES


def test_too_much_that_is_refused_stops_the_sending() -> None:
    sender = connected()
    many = batches(1, REFUSED_BATCHES_MAX + WINDOW_BATCHES, size_bytes=10)
    now_ms = 0
    while True:
        sent = sender.offer([one for one in many if one.no > sender.passed], [], now_ms)
        if not sent:
            break
        for _ in range(PASSED_OVER_MAX):
            now_ms += 2 * RESEND_MS_MAX
            sender.heard(ack(0), now_ms)
            sender.due(now_ms)
            marker = batch(10_000 + now_ms, size_bytes=1)
            sender.offer([], [marker], now_ms + 1)
            sender.heard(ack(marker.last_seq, (1, marker.first_seq - 1)), now_ms + 2)
        now_ms += 10
    assert REFUSED_BATCHES_MAX < sender.flying <= REFUSED_BATCHES_MAX + WINDOW_BATCHES


def test_what_the_spool_no_longer_has_is_not_sent_again() -> None:
    sender = connected()
    sender.offer(batches(1, 2), [], 0)
    sender.gone(1)
    assert nos(sender.due(RESEND_MS_MAX)) == [2]


# ------------------------------------------------------------------ what the cloud has lost


def keeping(*kept: tuple[int, int], stream: str = EARLIER) -> Sender:
    sender = connected()
    sender.keeps({stream: kept})
    return sender


@pytest.mark.parametrize(
    ("answer", "missing"),
    [
        (ack(900, stream=EARLIER), None),
        (ack(900, (1, 99), stream=EARLIER), None),
        (ack(900, (1, 100), stream=EARLIER), ((1, 100),)),
        (ack(900, (150, 160), stream=EARLIER), ((150, 160),)),
        (ack(900, (250, 260), stream=EARLIER), None),
        (ack(350, stream=EARLIER), ((351, 400),)),
        (ack(0, stream=EARLIER), ((1, 400),)),
        (ack(350, (120, 130), stream=EARLIER), ((120, 130), (351, 400))),
        (ack(0, stream=EARLIER, exact=False), None),
        (ack(0, stream="c" * 32), None),
    ],
)
def test_what_an_exact_answer_leaves_out_of_what_is_kept_is_taken_back(
    answer: Ack, missing: tuple[tuple[int, int], ...] | None
) -> None:
    sender = keeping((100, 200), (300, 400))
    sender.heard(answer, 1)
    expected = missing and TakeBack(stream=EARLIER, missing=missing)
    assert sender.missed(answer, 1) == expected
    assert sender.missed(answer, 1) is None, "once"


def test_an_answer_that_was_overtaken_takes_nothing_back() -> None:
    """Two processes answer: the one that knows less may be heard last."""
    sender = connected()
    sender.offer(batches(1, 3), [], 0)
    sender.heard(ack(30), 1_000)
    asked_again = TakeBack(stream=OWN, missing=())
    assert sender.missed(ack(20), 1_000 + OVERTAKEN_MS_MAX) == asked_again
    later_ms = 1_001 + OVERTAKEN_MS_MAX
    assert sender.missed(ack(30), later_ms) is None
    assert sender.missed(ack(20), later_ms) == TakeBack(stream=OWN, missing=((21, 30),))
    assert sender.missed(ack(20), later_ms) is None, "once"


def test_what_waits_to_be_sent_is_a_hole_and_nothing_to_be_taken_back() -> None:
    sender = connected(newest_no=9)
    sender.offer([batch(1)], [batch(9)], 0)
    sender.heard(ack(90, (11, 80)), 1_000)
    assert sender.missed(ack(90, (11, 80)), 10 * OVERTAKEN_MS_MAX) is None
    assert sender.missed(ack(90, (1, 80)), 10 * OVERTAKEN_MS_MAX) == TakeBack(
        stream=OWN, missing=((1, 80),)
    )


def test_what_is_taken_back_goes_out_again_with_the_backlog() -> None:
    sender = connected()
    sender.offer(batches(1, 3), [], 0)
    sender.heard(ack(30), 1)
    assert sender.passed == 3
    sender.back_to(2)
    assert nos(sender.offer(batches(2, 3), [], 2)) == [2, 3]


numbers = st.integers(1, 60)
pieces = st.lists(st.tuples(numbers, numbers).map(lambda ends: (min(ends), max(ends))), max_size=5)


def apart(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """As the wire wants them: lowest first, without overlap."""
    seqs = sorted({seq for first, last in ranges for seq in range(first, last + 1)})
    there = set(seqs)
    firsts = [seq for seq in seqs if seq - 1 not in there]
    lasts = [seq for seq in seqs if seq + 1 not in there]
    return list(zip(firsts, lasts, strict=True))


@given(kept=pieces, holes=pieces, upto=st.integers(0, 60))
def test_taken_back_is_exactly_what_is_not_committed(
    kept: list[tuple[int, int]], holes: list[tuple[int, int]], upto: int
) -> None:
    kept = apart(kept)
    holes = [(first, min(last, upto)) for first, last in apart(holes) if first <= upto]
    sender = keeping(*kept)
    lost = sender.missed(ack(upto, *holes, stream=EARLIER), 1)
    held = {seq for first, last in kept for seq in range(first, last + 1)}
    absent = {seq for seq in range(1, 61) if seq > upto} | {
        seq for first, last in holes for seq in range(first, last + 1)
    }
    if not held & absent:
        assert lost is None
        return
    assert lost is not None
    missing = [seq for first, last in lost.missing for seq in range(first, last + 1)]
    assert missing == sorted(absent & set(range(1, max(held) + 1)))


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
    heard = sender.heard(Ack(stream=stream, committed_upto=upto, holes=holes), 1)
    for no in heard.nos if isinstance(heard, Forget) else ():
        seqs = range((no - 1) * 10 + 1, no * 10 + 1)
        assert no <= sent
        assert stream == OWN
        assert all(seq <= upto for seq in seqs)
        assert not any(first <= seq <= last for seq in seqs for first, last in holes)
