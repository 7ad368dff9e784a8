from datetime import UTC, datetime

from edge_agent.loops import clock


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
