import threading
import time

from cloud.core.fairness import BURST_S, Quota, fairness_index
from cloud.intake.hand_over import SHARE, HandOver
from edge_agent.wire import codec, topics
from tests.cloud.ingest_cases import counting


def put(hand_over: HandOver, number: int, size: int = 1, gateway: str = "lindau-1") -> str:
    return hand_over.put(None, number, topics.readings(gateway), b"x" * size, kept=False)


def take(hand_over: HandOver, messages_max: int = 100, bytes_max: int = 1_000) -> list[int]:
    taken = hand_over.take(
        messages_max=messages_max, bytes_max=bytes_max, wait_s=0.01, gather_s=0.01
    )
    return [one.receipt for one in taken]


def test_what_does_not_fit_is_refused_and_never_waited_for() -> None:
    few, light = HandOver(messages_max=2), HandOver(bytes_max=10)
    assert [put(few, number) for number in (1, 2, 3)] == ["waiting", "waiting", "full"]
    assert [put(light, number, 10) for number in (1, 2)] == ["waiting", "full"]
    assert take(few) == [1, 2]
    assert put(few, 4) == "waiting"
    assert take(light) == [1]
    assert put(light, 5) == "waiting"


def test_what_is_taken_keeps_its_order_and_its_limits() -> None:
    hand_over = HandOver()
    for number in range(1, 8):
        put(hand_over, number, 10)
    assert take(hand_over, messages_max=3) == [1, 2, 3]
    assert take(hand_over, bytes_max=15) == [4, 5]
    assert take(hand_over) == [6, 7]
    assert hand_over.empty


def test_gateways_take_turns_and_each_keeps_its_own_order() -> None:
    hand_over = HandOver()
    for number in range(1, 6):
        put(hand_over, number, gateway="flood")
    put(hand_over, 11, gateway="small-1")
    put(hand_over, 21, gateway="small-2")
    put(hand_over, 12, gateway="small-1")
    assert take(hand_over) == [1, 11, 21, 2, 12, 3, 4, 5]


def test_who_floods_a_hundredfold_gets_no_more_of_a_commit_than_the_others() -> None:
    hand_over = HandOver(Quota(readings_s=1e9, bytes_s=1e9), messages_max=2_000)
    names = [f"gw-{number}" for number in range(10)]
    for number in range(1_000):
        put(hand_over, 0, gateway="flood")
        if number % 100 == 99:
            assert {put(hand_over, 0, gateway=name) for name in names} == {"waiting"}
    assert hand_over.shed()["flood"] == 1_000 - 2_000 // SHARE, (
        "the rest of it stays on the gateway"
    )
    counts = dict.fromkeys([*names, "flood"], 0)
    while sum(counts[name] for name in names) < 100:
        taken = hand_over.take(messages_max=22, bytes_max=10**6, wait_s=0.01, gather_s=0.01)
        for one in taken:
            counts[one.arrival.gateway or ""] += 1
    assert fairness_index([*counts.values()]) > 0.99
    assert max(counts.values()) <= 11


def test_who_is_over_its_quota_is_shed_until_time_has_passed() -> None:
    now = [0.0]
    hand_over = HandOver(Quota(readings_s=1e9, bytes_s=100), now=lambda: now[0])
    burst = int(100 * BURST_S)
    assert put(hand_over, 1, burst) == "waiting"
    assert put(hand_over, 2) == "shed"
    assert put(hand_over, 3, gateway="another") == "waiting"
    now[0] += 1
    assert put(hand_over, 4) == "waiting"
    assert hand_over.shed() == {"lindau-1": 1}
    assert hand_over.shed() == {}


def test_readings_count_too_and_who_owes_waits() -> None:
    now = [0.0]
    hand_over = HandOver(Quota(readings_s=1, bytes_s=1e9), now=lambda: now[0])
    payload = codec.encode(counting(1, 20))

    def say() -> str:
        return hand_over.put(None, 0, topics.readings("lindau-1"), payload, kept=False)

    assert [say(), say()] == ["waiting", "shed"], "twenty readings at one a second, ten at once"
    now[0] += 9
    assert say() == "shed"
    now[0] += 2
    assert say() == "waiting"


def test_nothing_is_an_empty_list_in_time() -> None:
    began = time.monotonic()
    assert take(HandOver()) == []
    assert time.monotonic() - began < 1


def test_a_full_take_does_not_wait_for_company() -> None:
    hand_over = HandOver()
    for number in (1, 2):
        put(hand_over, number)
    began = time.monotonic()
    taken = hand_over.take(messages_max=2, bytes_max=1_000, wait_s=5, gather_s=5)
    assert len(taken) == 2
    assert time.monotonic() - began < 1


def test_company_that_comes_in_time_is_taken_along() -> None:
    hand_over = HandOver()
    put(hand_over, 1)
    threading.Timer(0.05, put, [hand_over, 2]).start()
    taken = hand_over.take(messages_max=2, bytes_max=1_000, wait_s=5, gather_s=5)
    assert [one.receipt for one in taken] == [1, 2]


def test_bytes_are_understood_when_they_come() -> None:
    hand_over = HandOver()
    hand_over.put(None, 1, "some/other/topic", b"", kept=True)
    (one,) = hand_over.take(messages_max=1, bytes_max=1, wait_s=1, gather_s=0)
    assert (one.arrival.topic, one.arrival.gateway, one.arrival.kept) == (
        "some/other/topic",
        None,
        True,
    )
