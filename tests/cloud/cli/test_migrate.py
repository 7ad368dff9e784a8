import os
from typing import Any

import psycopg
import pytest

from cloud.cli import migrate
from cloud.settings import MigrateSettings


def test_a_database_of_a_newer_version_is_refused(
    make_database: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    newer = make_database(f"newer_{os.getpid()}")
    with newer.admin() as admin:
        admin.execute("INSERT INTO public.binline_migrations VALUES ('9999_later', 'x')")
    settings = MigrateSettings(admin_dsn=newer.admin_dsn(), passwords={})
    with pytest.raises(SystemExit) as ended:
        migrate.run(settings, set_passwords=False, timescaledb=False)
    assert ended.value.code == migrate.EXIT_FAILED
    assert "newer version (9999_later)" in capsys.readouterr().err


def test_only_roles_of_ours_get_a_password(
    make_database: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    fresh = make_database(f"roles_{os.getpid()}")
    with fresh.admin() as admin:
        admin.execute("CREATE ROLE stranger LOGIN")
    try:
        passwords = {"stranger": "not-to-be-set", "binline_auth": "for-tests-only"}
        settings = MigrateSettings(admin_dsn=fresh.admin_dsn(), passwords=passwords)
        migrate.run(settings, set_passwords=True, timescaledb=False)
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(fresh.server.dsn("stranger", "not-to-be-set", fresh.name))
        assert "stranger" not in capsys.readouterr().out
    finally:
        with fresh.admin() as admin:
            admin.execute("DROP ROLE stranger")


@pytest.mark.skipif("BINLINE_TEST_DSN" in os.environ, reason="it may be there")
def test_a_server_without_timescaledb_is_told_so_and_stays_as_it_was(
    make_database: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = make_database(f"plain_{os.getpid()}")
    settings = MigrateSettings(admin_dsn=plain.admin_dsn(), passwords={})
    with pytest.raises(SystemExit) as ended:
        migrate.run(settings, set_passwords=False, timescaledb=True)
    assert ended.value.code == migrate.EXIT_FAILED
    assert "TimescaleDB is not installed on this server." in capsys.readouterr().err
