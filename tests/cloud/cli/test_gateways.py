import os
import subprocess
import sys
from typing import Any

import pytest

from cloud.actions.take_in import take_in
from tests.cloud import ingest_cases as cases
from tests.cloud.ingest_cases import NOW, arrived, batch, weighed


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


def test_gateways_and_what_is_set_aside_are_listed(stage: Any) -> None:
    admin, conn, run = stage
    take_in(conn, [arrived(batch(1, [weighed(1)], base_ms=0))], NOW)
    assert "1 readings of 1970-01-01" in run("aside").stdout
    admin.execute(
        "UPDATE gateways SET twin_since = now(), twin_kept = gen_random_uuid(),"
        " twin_held = gen_random_uuid(), shed_messages = 5, shed_at = now()"
    )
    said = run("gateway", "list").stdout
    assert "Two machines use the name of gateway lindau-1" in said
    assert "5 messages over its quota" in said
    refused = run("gateway", "settle", "lindau-1", "--keep", "0" * 32)
    assert refused.returncode == 1
    assert "No machine under this name" in refused.stderr
