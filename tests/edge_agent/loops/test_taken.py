import queue
import threading
from collections.abc import Sequence

import pytest

from edge_agent.core.reading import Reading, Weight
from edge_agent.loops.taken import Taken
from edge_agent.wire.messages import Stability


def reading(number: int) -> Reading:
    outcome = Weight(weight_mg=number, stability=Stability.STATED)
    return Reading(sensor="s", measured_ms=1, clock_trusted=True, outcome=outcome)


def test_what_is_put_was_noted_before_anybody_can_get_it() -> None:
    taken, noted = Taken(10), []

    def note(readings: Sequence[Reading]) -> None:
        assert taken.queue.maxlen is None
        assert all(one not in taken.queue for one in readings)
        noted.append(list(readings))

    taken.note = note
    taken.put_all([reading(1), reading(2)], 1)
    taken.put(reading(3))
    assert noted == [[reading(1), reading(2)], [reading(3)]]
    assert taken.get_all(2) == [reading(1), reading(2)]
    assert taken.get() == reading(3)
    assert taken.get_all(5) == []


def test_without_room_nothing_is_put_and_nothing_noted() -> None:
    taken, noted = Taken(2), []
    taken.note = noted.append
    taken.put_all([reading(1), reading(2)], 1)
    with pytest.raises(queue.Full):
        taken.put_all([reading(3)], 0.01)
    assert noted == [[reading(1), reading(2)]]
    assert taken.qsize() == 2


def test_an_answer_larger_than_the_room_is_put_as_a_whole() -> None:
    taken = Taken(2)
    taken.put_all([reading(number) for number in range(5)], 1)
    assert taken.qsize() == 5


def test_notes_of_many_threads_have_the_order_of_the_queue() -> None:
    taken, noted = Taken(0), []
    taken.note = noted.extend

    def put(thread: int) -> None:
        for number in range(300):
            taken.put_all([reading(1_000 * thread + number)], 1)

    threads = [threading.Thread(target=put, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert taken.get_all(10_000) == noted


def test_whoever_waits_for_room_goes_on_when_there_is_some() -> None:
    taken = Taken(1)
    taken.put(reading(1))
    waiting = threading.Thread(target=taken.put_all, args=([reading(2)], 30))
    waiting.start()
    assert taken.get(timeout=10) == reading(1)
    assert taken.get(timeout=10) == reading(2)
    waiting.join()
