from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from edge_agent.core.turns import MISSES_UNTIL_RARE, RARE_MS, Turn, after, next_turn

INTERVAL_MS = 1_000


def played(
    cost_ms: list[int], answers: list[bool], until_ms: int, interval_ms: int = INTERVAL_MS
) -> list[list[int]]:
    """When each device was asked, on a line where asking costs what it costs."""
    turns = [Turn(interval_ms=interval_ms, due_ms=0) for _ in cost_ms]
    asked: list[list[int]] = [[] for _ in cost_ms]
    now_ms = 0
    while True:
        place = next_turn(turns)
        now_ms = max(now_ms, turns[place].due_ms)
        if now_ms >= until_ms:
            return asked
        asked[place].append(now_ms)
        now_ms += cost_ms[place]
        turns[place] = after(turns[place], now_ms, answered=answers[place])


def longest_wait_ms(asked: list[int]) -> int:
    return max(later - earlier for earlier, later in pairwise(asked))


def test_the_most_overdue_comes_first_and_equals_go_by_their_place() -> None:
    turns = [Turn(interval_ms=10, due_ms=due) for due in (50, 30, 30)]
    assert next_turn(turns) == 1


def test_late_turns_are_not_made_up_for() -> None:
    turn = after(Turn(interval_ms=100, due_ms=0), 750, answered=True)
    assert turn.due_ms == 750


def test_an_answer_in_time_keeps_the_beat() -> None:
    turn = after(Turn(interval_ms=100, due_ms=1_000), 1_030, answered=True)
    assert turn.due_ms == 1_100


def test_after_a_few_misses_it_is_asked_rarely_until_it_answers() -> None:
    turn = Turn(interval_ms=INTERVAL_MS, due_ms=0)
    for _ in range(MISSES_UNTIL_RARE - 1):
        turn = after(turn, turn.due_ms, answered=False)
        assert not turn.is_rare
    before_ms = turn.due_ms
    turn = after(turn, turn.due_ms, answered=False)
    assert turn.is_rare
    assert turn.due_ms - before_ms == RARE_MS
    turn = after(turn, turn.due_ms, answered=True)
    assert not turn.is_rare
    assert turn.misses == 0


def test_a_device_with_a_long_interval_is_not_asked_more_often_for_being_silent() -> None:
    turn = Turn(interval_ms=10 * RARE_MS, due_ms=0, misses=MISSES_UNTIL_RARE)
    assert after(turn, 0, answered=False).due_ms == 10 * RARE_MS


def test_a_dead_one_takes_no_time_of_the_others_once_it_is_rare() -> None:
    asked = played([750] + [10] * 31, [False] + [True] * 31, 60_000)
    assert len(asked[0]) <= MISSES_UNTIL_RARE + 2
    assert max(map(longest_wait_ms, asked[1:])) < 2 * INTERVAL_MS


@given(
    cost_ms=st.lists(st.integers(1, 400), min_size=1, max_size=12),
    interval_ms=st.integers(100, 3_000),
)
def test_on_a_line_that_is_too_slow_all_are_equally_late(
    cost_ms: list[int], interval_ms: int
) -> None:
    asked = played(cost_ms, [True] * len(cost_ms), 20 * max(interval_ms, sum(cost_ms)), interval_ms)
    counts = Counter(len(times) for times in asked)
    assert max(counts) - min(counts) <= 1
    limit_ms = max(interval_ms, sum(cost_ms)) + sum(cost_ms)
    assert max(map(longest_wait_ms, asked)) <= limit_ms
