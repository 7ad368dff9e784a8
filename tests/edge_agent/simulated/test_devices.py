from edge_agent.simulated.devices import Moods, next_beat_s, within
from edge_agent.simulated.site import Command, CountingScale


def moods(**plan: object) -> Moods:
    return Moods(CountingScale(gateway="g", sensor="s", base_mg=0, step_mg=1, **plan))


def command(do: str, seconds: float = 0.0) -> Command:
    return Command(gateway="g", sensor="s", do=do, seconds=seconds)


def test_a_window_holds_its_start_and_not_its_end() -> None:
    assert [within(((10.0, 5.0),), now_s) for now_s in (9.9, 10.0, 14.9, 15.0)] == [
        False,
        True,
        True,
        False,
    ]


def test_silence_comes_by_plan_or_command_and_ends_by_either() -> None:
    mood = moods(silences=((10.0, 5.0),))
    assert [mood.is_silent(now_s) for now_s in (0.0, 10.0, 15.0)] == [False, True, False]
    mood.command(command("silence", 60.0), 20.0)
    assert mood.is_silent(79.0)
    mood.command(command("speak"), 79.0)
    assert not mood.is_silent(79.0)


def test_a_restart_is_told_once_after_a_silence_or_a_command() -> None:
    mood = moods(silences=((10.0, 5.0),))
    assert not mood.has_restarted()
    mood.is_silent(11.0)
    assert [mood.has_restarted(), mood.has_restarted()] == [True, False]
    mood.command(command("restart"), 20.0)
    assert mood.has_restarted()


def test_it_is_late_only_when_it_is_told_to_be() -> None:
    mood = moods(late_ms=400, lates=((10.0, 5.0),))
    assert [mood.late_s(now_s) for now_s in (0.0, 10.0, 15.0)] == [0.0, 0.4, 0.0]
    mood.command(command("late", 2.0), 20.0)
    assert [mood.late_s(now_s) for now_s in (21.9, 22.0)] == [0.4, 0.0]


def test_a_beat_is_kept_and_what_was_missed_is_not_made_up_for() -> None:
    assert next_beat_s(10.0, 0.1, 10.04) == 10.1
    assert next_beat_s(10.0, 0.1, 60.0) == 60.1
