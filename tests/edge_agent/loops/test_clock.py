from dataclasses import dataclass
from datetime import UTC, datetime

from edge_agent.loops import clock
from edge_agent.loops.clock import LOOK_MS, PAIR_MS_MAX, Timekeeper


def test_the_wall_clock_is_in_milliseconds_since_1970() -> None:
    assert abs(clock.wall_ms() / 1000 - datetime.now(UTC).timestamp()) < 5


def test_the_monotonic_clock_never_goes_back() -> None:
    times = [clock.monotonic_ms() for _ in range(1_000)]
    assert times == sorted(times)


def test_the_kernel_answers_whether_the_clock_is_set() -> None:
    assert clock.kernel_trusts_it() in (True, False)


def test_where_the_kernel_cannot_say_the_clock_is_not_trusted(monkeypatch) -> None:
    monkeypatch.setattr(clock, "_adjtimex", None)
    assert not clock.kernel_trusts_it()


def test_an_unsynchronised_clock_is_not_trusted(monkeypatch) -> None:
    for state, trusted in ((0, True), (1, True), (5, False), (-1, False)):
        monkeypatch.setattr(clock, "_adjtimex", lambda _, state=state: state)
        assert clock.kernel_trusts_it() is trusted


@dataclass
class Machine:
    """Its two clocks, and whether a time service has come."""

    wall: int = 1_700_000_000_000
    monotonic: int = 5_000
    trusted: bool = False
    held_up_ms: int = 0

    def wall_ms(self) -> int:
        self.monotonic += self.held_up_ms
        return self.wall

    def monotonic_ms(self) -> int:
        return self.monotonic

    def pass_time(self, ms: int) -> None:
        self.wall += ms
        self.monotonic += ms

    def timekeeper(self) -> Timekeeper:
        return Timekeeper(
            trusts=lambda: self.trusted, wall_ms=self.wall_ms, monotonic_ms=self.monotonic_ms
        )


def test_stamps_do_not_follow_a_wall_clock_that_is_set() -> None:
    machine = Machine()
    keeper = machine.timekeeper()
    first = keeper.stamp_ms()
    machine.pass_time(1_000)
    machine.wall -= 365 * 86_400_000
    assert keeper.stamp_ms() - first == 1_000
    assert keeper.look() is not None
    assert keeper.stamp_ms() - first == 1_000
    assert keeper.now_ms() == machine.wall


def test_it_looks_once_a_second_however_often_it_is_asked() -> None:
    machine = Machine()
    keeper = machine.timekeeper()
    machine.wall += 9_000
    assert keeper.look() is not None
    machine.wall += 9_000
    machine.pass_time(LOOK_MS - 1)
    assert keeper.look() is None
    machine.pass_time(1)
    assert keeper.look() is not None


def test_held_up_between_both_clocks_it_looks_again_instead_of_seeing_a_jump() -> None:
    machine = Machine()
    keeper = machine.timekeeper()
    machine.held_up_ms = PAIR_MS_MAX + 5_000
    assert keeper.look() is None
    machine.held_up_ms = 0
    machine.wall += PAIR_MS_MAX + 5_000
    assert keeper.look() is None


def test_when_the_time_service_has_come_it_is_trusted_and_says_by_how_much_it_was_off() -> None:
    machine = Machine()
    keeper = machine.timekeeper()
    assert not keeper.trusted
    machine.wall, machine.trusted = machine.wall + 86_400_000, True
    step = keeper.look()
    assert step is not None
    assert step.step_ms == 86_400_000 == keeper.offset_ms
    assert keeper.trusted
