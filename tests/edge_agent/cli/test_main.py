import os
import pty
import re
import subprocess
import sys

import pytest

BINLINE = (sys.executable, "-m", "edge_agent.cli.main")


def binline(*argv: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*BINLINE, *argv],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **env},
    )


def test_the_version_is_said() -> None:
    said = binline("--version")
    assert (said.returncode, said.stderr) == (0, "")
    assert re.fullmatch(r"binline \d+\.\d+\.\d+\n", said.stdout)


def test_help_shows_the_three_ways_in_and_the_exit_codes() -> None:
    shown = binline("--help")
    assert shown.returncode == 0
    for word in ("Examples:", "edge", "cloud", "demo", "Exit codes:", "130"):
        assert word in shown.stdout


def test_a_typo_is_answered_with_what_was_meant() -> None:
    refused = binline("egde")
    assert refused.returncode == 2
    assert "Did you mean `binline edge`?" in refused.stderr


def test_edge_commands_import_nothing_of_the_cloud_and_run_no_simulator() -> None:
    script = (
        "import sys; sys.argv = ['binline', 'edge', 'run', '--help'];"
        "from edge_agent.cli import main\n"
        "try: main.main()\n"
        "except SystemExit: pass\n"
        "print(sorted(name for name in sys.modules if name.startswith("
        "('cloud', 'edge_agent.simulated', 'psycopg', 'fastapi', 'asyncio'))))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert shown.stdout.splitlines()[-1] == "[]"


def on_a_terminal(*argv: str, **env: str) -> str:
    """What a terminal would get; only there may colours appear."""
    primary, replica = pty.openpty()
    process = subprocess.Popen(
        [*BINLINE, *argv],
        stdout=replica,
        stderr=replica,
        env={k: v for k, v in os.environ.items() if k != "NO_COLOR"} | {"TERM": "xterm"} | env,
    )
    os.close(replica)
    shown = b""
    while True:
        try:
            piece = os.read(primary, 4096)
        except OSError:  # how a pty says that the other end is closed
            break
        if not piece:
            break
        shown += piece
    os.close(primary)
    assert process.wait(10) == 0
    return shown.decode()


def test_headings_stand_out_on_a_terminal() -> None:
    assert "\x1b[" in on_a_terminal("--help")


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colour_where_none_is_wanted(env: dict[str, str]) -> None:
    assert "\x1b[" not in on_a_terminal("--help", **env)


def test_no_colour_into_a_file() -> None:
    assert "\x1b[" not in binline("--help", TERM="xterm").stdout
