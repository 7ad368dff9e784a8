import os
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from cloud.actions.assess import assess_bin

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def run(shelf: Any, database: Any) -> Any:
    shelf.weigh(412, NOON)
    with database.connect("binline_jobs") as conn:
        assess_bin(conn, shelf.bin_id, NOON)

    def verify(order: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", "from cloud.cli.cloud import cloud; cloud()", "verify", order],
            env={**os.environ, "BINLINE_JOBS_DSN": database.dsn("binline_jobs")},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    return verify


def test_an_order_is_checked_by_its_number(run: Any) -> None:
    for order in ("RO-1001", "ro-1001", "1001"):
        done = run(order)
        assert done.returncode == 0, done.stderr
        assert "All 4 records fit, and decided again it comes to the same." in done.stdout
    assert run("RO-1999").returncode == 1
    assert run("one").returncode == 2


def test_what_does_not_fit_is_named_and_is_no_success(run: Any, shelf: Any) -> None:
    shelf.admin.execute("UPDATE order_evidence SET body = replace(body, '412', '12') WHERE seq = 2")
    done = run("RO-1001")
    assert done.returncode == 1
    assert "Record 2: What it holds was changed" in done.stderr
    assert done.stdout.splitlines()[1].startswith("✗")
    assert done.stdout.splitlines()[2].startswith("?")
    shelf.admin.execute("DELETE FROM order_evidence")
    done = run("RO-1001")
    assert (done.returncode, done.stdout) == (1, "")
    assert "nothing to check" in done.stderr
