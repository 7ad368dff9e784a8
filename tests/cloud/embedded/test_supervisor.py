"""Programs that are supervised live and die together."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

LIMIT_S = 20
# A supervisor needs a main thread and signals of its own, so it runs as a process of its own.
SCRIPT = """
    import sys, time
    from pathlib import Path
    from cloud.embedded.programs import Program
    from cloud.embedded.supervisor import AlreadyRunning, HomeLock, Part, Supervisor

    home = Path(sys.argv[1])

    def say(text):
        print(text, flush=True)

    def part(name, stage, body, **more):
        program = Program(name=name, argv=(sys.executable, "-c", body))
        return Part(program=program, stage=stage, **more)

    SLEEP = "import time; time.sleep(600)"
    DEAF = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print('deaf', flush=True); time.sleep(600)"
    )
    LAST_WORD = '''
    import signal, sys, time
    def leave(*_):
        with open({path!r}, 'a') as file:
            file.write({name!r} + chr(10))
        sys.exit(0)
    signal.signal(signal.SIGTERM, leave)
    print('ready', flush=True)
    time.sleep(600)
    '''

    def polite(name, stage):
        import textwrap
        body = textwrap.dedent(LAST_WORD).format(path=str(home / 'last-words'), name=name)
        log = home / 'logs' / f'{name}.log'
        return part(name, stage, body, ready=lambda: 'ready' in log.read_text())

    try:
        lock = HomeLock(home, "http://127.0.0.1:8420")
    except AlreadyRunning as other:
        say(str(other))
        sys.exit(1)
    supervisor = Supervisor(logs=home / "logs", say=say)
    supervisor.listen_to_signals()
"""


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[[str], subprocess.Popen]]:
    started = []

    def runner(body: str) -> subprocess.Popen:
        script = textwrap.dedent(SCRIPT) + textwrap.dedent(body)
        child = subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        started.append(child)
        return child

    yield runner
    for child in started:
        child.kill()
        child.wait()


WATCH = """
    supervisor.start(part("a", 0, SLEEP), part("b", 1, SLEEP))
    import json
    say(json.dumps(supervisor.pids()))
    supervisor.watch()
    supervisor.stop()
"""


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2]
    except FileNotFoundError:
        return False


def eventually(reached: Callable[[], bool]) -> None:
    until = time.monotonic() + LIMIT_S
    while not reached():
        assert time.monotonic() < until, "not within the limit"
        time.sleep(0.02)


def pids_of(supervisor: subprocess.Popen) -> dict[str, int]:
    return json.loads(supervisor.stdout.readline())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_ends_everything_and_is_no_failure(run, number: signal.Signals) -> None:
    supervisor = run(WATCH)
    pids = pids_of(supervisor)
    supervisor.send_signal(number)
    assert supervisor.wait(LIMIT_S) == 0
    assert not any(alive(pid) for pid in pids.values())


def test_a_killed_supervisor_leaves_nothing(run) -> None:
    supervisor = run(WATCH)
    pids = pids_of(supervisor)
    supervisor.kill()
    eventually(lambda: not any(alive(pid) for pid in pids.values()))


def test_what_dies_is_started_again_and_one_sentence_says_so(run) -> None:
    supervisor = run(WATCH)
    os.kill(pids_of(supervisor)["a"], signal.SIGKILL)
    assert supervisor.stdout.readline() == "a died (signal 9), starting it again\n"


def test_what_keeps_dying_is_tried_less_and_less_often(run) -> None:
    supervisor = run("""
        supervisor.start(part("broken", 0, "raise SystemExit(3)"))
        supervisor.watch()
    """)
    said = [supervisor.stdout.readline() for _ in range(3)]
    assert said == [
        "broken died (exit 3), starting it again\n",
        "broken died (exit 3), starting it again in 1 s\n",
        "broken died (exit 3), starting it again in 2 s\n",
    ]


def test_later_stages_are_stopped_first(run, tmp_path: Path) -> None:
    supervisor = run("""
        supervisor.start(polite("ground", 0))
        supervisor.start(polite("middle", 1))
        supervisor.start(polite("top", 2))
        say("up")
        supervisor.watch()
        supervisor.stop()
    """)
    assert supervisor.stdout.readline() == "up\n"
    supervisor.terminate()
    assert supervisor.wait(LIMIT_S) == 0
    assert (tmp_path / "last-words").read_text().split() == ["top", "middle", "ground"]


def test_what_does_not_stop_is_killed_within_ten_seconds(run) -> None:
    supervisor = run("""
        deaf = lambda name: lambda: 'deaf' in (home / 'logs' / f'{name}.log').read_text()
        supervisor.start(
            part("one", 0, DEAF, ready=deaf("one")), part("two", 1, DEAF, ready=deaf("two"))
        )
        import json
        say(json.dumps(supervisor.pids()))
        supervisor.watch()
        supervisor.stop()
    """)
    pids = pids_of(supervisor)
    began = time.monotonic()
    supervisor.terminate()
    assert supervisor.wait(LIMIT_S) == 0
    assert time.monotonic() - began < 10
    assert not any(alive(pid) for pid in pids.values())


def test_what_is_never_ready_is_reported_with_the_end_of_its_log(run) -> None:
    supervisor = run("""
        from cloud.embedded.programs import EmbeddedError
        body = "import time; print('the reason', flush=True); time.sleep(600)"
        try:
            supervisor.start(part("slow", 0, body, ready=lambda: False, ready_s_max=2))
        except EmbeddedError as error:
            say(str(error).replace("\\n", " | "))
        supervisor.stop()
    """)
    said = supervisor.stdout.readline()
    assert said.startswith("slow was not ready within 2 s")
    assert "the reason" in said


def test_a_second_start_says_who_is_there(run, tmp_path: Path) -> None:
    first = run(WATCH)
    pids_of(first)
    second = run(WATCH)
    assert second.wait(LIMIT_S) == 1
    assert second.stdout.read() == (
        f"already running (pid {first.pid}): open http://127.0.0.1:8420\n"
    )


def test_the_lock_of_a_killed_run_is_no_obstacle(run) -> None:
    first = run(WATCH)
    pids_of(first)
    first.kill()
    first.wait()
    assert pids_of(run(WATCH)).keys() == {"a", "b"}


def test_a_log_begins_anew_at_each_start_and_the_last_one_is_kept(run, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "a.log").write_text("of last time")
    pids_of(run(WATCH))
    assert (logs / "a.log.1").read_text() == "of last time"
    assert (logs / "a.log").read_text() == ""
