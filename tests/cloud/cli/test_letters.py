import os
import subprocess
import sys
from typing import Any

import pytest

from cloud.actions.take_in import take_in
from tests.cloud import ingest_cases as cases
from tests.cloud.ingest_cases import NOW, arrived, counting


@pytest.fixture
def stage(database: Any) -> Any:
    env = {
        "BINLINE_JOBS_DSN": database.dsn("binline_jobs"),
        "BINLINE_INGEST_DSN": database.dsn("binline_ingest"),
    }

    def run(*arguments: str, **changed: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", "from cloud.cli.cloud import cloud; cloud()", *arguments],
            env={**os.environ, **env, **changed},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    with database.admin() as admin, database.connect("binline_ingest") as conn:
        cases.make_site(admin)
        yield admin, conn, run


def test_a_letter_is_listed_shown_replayed_and_then_settled(stage: Any) -> None:
    admin, conn, run = stage
    take_in(conn, [arrived(counting(1, 3), gateway="nobody-1")], NOW)
    assert "no gateway of this name: nobody-1" in run("letters", "list").stdout
    shown = run("letters", "show", "1").stdout
    assert "binline/v1/nobody-1/up/readings" in shown

    failed = run("letters", "replay", "1")
    assert failed.returncode == 1
    assert "not taken in" in failed.stderr
    cases.make_site(admin, "nobody-1")
    done = run("letters", "replay", "1", "--by", "ada")
    assert (done.returncode, done.stdout) == (0, "1: taken in, 3 readings stored\n"), done.stderr
    assert cases.seqs(admin) == [1, 2, 3]
    assert run("letters", "list").stdout == "no dead letters\n"
    assert "replayed by ada" in run("letters", "show", "1").stdout


def test_a_letter_is_discarded_and_stays_in_the_record(stage: Any) -> None:
    admin, conn, run = stage
    take_in(conn, [arrived(counting(1, 3), gateway="nobody-1")], NOW)
    assert run("letters", "discard", "1", "--by", "bob").returncode == 0
    assert run("letters", "list").stdout == "no dead letters\n"
    row = admin.execute("SELECT settled, settled_by FROM dead_letters").fetchone()
    assert row == ("discarded", "bob")
    assert run("letters", "discard", "7").returncode == 1


def test_letters_that_were_not_kept_are_told(stage: Any) -> None:
    admin, _, run = stage
    admin.execute(
        "INSERT INTO dead_letter_counts (gateway, beyond, last_because) VALUES ('g', 9, 'noise')"
    )
    said = run("letters", "list").stdout
    assert "!!! 9 more of g were counted and not kept" in said


def test_without_a_database_it_ends_with_4(stage: Any) -> None:
    _, _, run = stage
    away = "postgresql://a:good-enough@127.0.0.1:1/x"
    assert run("letters", "list", BINLINE_JOBS_DSN=away).returncode == 4


def test_replay_without_the_log_in_of_ingest_says_so(stage: Any) -> None:
    _, _, run = stage
    done = run("letters", "replay", "1", BINLINE_INGEST_DSN="")
    assert done.returncode == 2
    assert "BINLINE_INGEST_DSN" in done.stderr
