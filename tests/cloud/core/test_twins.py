"""Two machines are noticed; one that is restarted, delayed or repeated never is."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from cloud.core.twins import QUIET_AFTER, Twins, Voice, after, is_held, speak

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


Heard = tuple[float, int, float]  # heard at, stream, said at


def listen(heard: Sequence[Heard]) -> list[Twins | None]:
    """The alarm after each."""
    voices: list[Voice] = []
    began: dict[UUID, datetime] = {}
    alarm: Twins | None = None
    alarms = []
    for when, number, said in heard:
        stream = UUID(int=number)
        voice = speak(voices, stream, at(said), began.setdefault(stream, at(when)), at(when))
        if voice is not None:
            voices = [voice, *(other for other in voices if other.stream != stream)]
        alarm = after(alarm, voices, at(when))
        alarms.append(alarm)
    return alarms


@given(
    st.integers(5, 30),
    st.integers(0, 29),
    st.one_of(st.just(0), st.integers(-(10**8), 10**8)),
)
def test_two_that_go_on_are_noticed_within_minutes_whatever_their_clocks_say(
    interval: int, shift: int, off: int
) -> None:
    said = [(float(s), 1, float(s)) for s in range(0, 300, interval)]
    said += [(s + shift + 0.5, 2, s + shift + off + 0.5) for s in range(0, 300, interval)]
    alarms = listen(sorted(said))
    assert alarms[-1] is not None
    assert (alarms[-1].kept, alarms[-1].held) == (UUID(int=1), UUID(int=2))
    assert alarms[-1].since <= at(180)


lives = st.lists(st.tuples(st.integers(1, 600), st.integers(0, 120)), min_size=1, max_size=8)


@given(lives, st.data())
def test_restarts_delays_and_repeats_are_one_machine(
    spans: list[tuple[int, int]], plan: st.DataObject
) -> None:
    """Each life says something every half minute; the broker brings it late, twice, in any order.

    The clock is right: whatever the first life says, it said before the second began.
    """
    said: list[tuple[float, int]] = []
    now = 0
    for number, (length, pause) in enumerate(spans, 1):
        said += [(float(second), number) for second in range(now, now + length, 30)]
        now += length + pause
    heard: list[Heard] = []
    for second, number in said:
        lates = plan.draw(st.lists(st.integers(0, 3_600), min_size=0, max_size=3))
        heard += [(second + late, number, second) for late in lates]
        heard.append((second + plan.draw(st.sampled_from([0, 0, 0, 1, 45])), number, second))
    assert set(listen(sorted(heard))) == {None}


@given(lives, st.integers(0, 3))
def test_a_clock_set_back_by_a_restart_and_a_burst_of_what_was_under_way_are_one_machine(
    spans: list[tuple[int, int]], late: int
) -> None:
    heard: list[Heard] = []
    now = 0
    for number, (length, pause) in enumerate(spans, 1):
        back = number * 10**6  # each life believes itself far earlier than the one before
        stamps = list(range(now, now + length, 30))
        heard += [
            (float(second), number, float(second - back)) for second in stamps[: -late or None]
        ]
        # What the broker still had comes after the next life has begun, within one redelivery.
        heard += [(now + length + pause + 31.0, number, float(s - back)) for s in stamps[-late:]]
        now += length + pause
    assert set(listen(sorted(heard))) == {None}


def test_an_alarm_goes_quiet_when_only_one_is_heard() -> None:
    both = [(float(s + n), n, float(s + n)) for s in range(0, 180, 30) for n in (1, 2)]
    alone = [(s, 1, s) for s in (400.0, 800.0, 180 + QUIET_AFTER.total_seconds())]
    alarms = listen([*both, *alone])
    assert alarms[-2] is not None
    assert alarms[-1] is None


def test_while_it_lasts_the_newcomer_and_who_comes_later_wait_and_history_goes_on() -> None:
    alarm = Twins(at(100), UUID(int=1), UUID(int=2))
    assert not is_held(alarm, UUID(int=1), at(200), refused=False)
    assert is_held(alarm, UUID(int=2), at(0), refused=False)
    assert is_held(alarm, UUID(int=3), at(101), refused=False)
    assert not is_held(alarm, UUID(int=4), at(99), refused=False)
    assert not is_held(None, UUID(int=2), at(0), refused=False)
    assert is_held(None, UUID(int=2), at(0), refused=True)
