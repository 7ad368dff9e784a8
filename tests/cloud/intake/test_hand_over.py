import threading
import time

from cloud.intake.hand_over import Delivery, HandOver


def delivery(mid: int, size: int = 1) -> Delivery:
    return Delivery(connection=None, mid=mid, qos=1, topic="t", payload=b"x" * size, kept=False)


def take(hand_over: HandOver, messages_max: int = 100, bytes_max: int = 1_000) -> list[int]:
    taken = hand_over.take(
        messages_max=messages_max, bytes_max=bytes_max, wait_s=0.01, gather_s=0.01
    )
    return [one.mid for one in taken]


def test_what_does_not_fit_is_refused_and_never_waited_for() -> None:
    few, light = HandOver(messages_max=2), HandOver(bytes_max=10)
    assert [few.put(delivery(mid)) for mid in (1, 2, 3)] == [True, True, False]
    assert [light.put(delivery(mid, 10)) for mid in (1, 2)] == [True, False]
    assert take(few) == [1, 2]
    assert few.put(delivery(4))
    assert take(light) == [1]
    assert light.put(delivery(5))


def test_what_is_taken_keeps_its_order_and_its_limits() -> None:
    hand_over = HandOver()
    for mid in range(1, 8):
        hand_over.put(delivery(mid, 10))
    assert take(hand_over, messages_max=3) == [1, 2, 3]
    assert take(hand_over, bytes_max=15) == [4, 5]
    assert take(hand_over) == [6, 7]
    assert hand_over.empty


def test_nothing_is_an_empty_list_in_time() -> None:
    began = time.monotonic()
    assert take(HandOver()) == []
    assert time.monotonic() - began < 1


def test_a_full_take_does_not_wait_for_company() -> None:
    hand_over = HandOver()
    for mid in (1, 2):
        hand_over.put(delivery(mid))
    began = time.monotonic()
    taken = hand_over.take(messages_max=2, bytes_max=1_000, wait_s=5, gather_s=5)
    assert len(taken) == 2
    assert time.monotonic() - began < 1


def test_company_that_comes_in_time_is_taken_along() -> None:
    hand_over = HandOver()
    hand_over.put(delivery(1))
    threading.Timer(0.05, hand_over.put, [delivery(2)]).start()
    taken = hand_over.take(messages_max=2, bytes_max=1_000, wait_s=5, gather_s=5)
    assert [one.mid for one in taken] == [1, 2]
