"""The database of docker-compose.yml: its role owns its database and nothing else, and has its secret as password."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import psycopg
import pytest

from rules.store import Store
from tests.deployment.composed import ROOT
from tests.parts.postgres import Postgres

SCRIPT = ROOT / "deploy" / "postgres" / "10-schoolgate.sql"
PASSWORD = "of-this-test's-only"  # noqa: S105 -- guards nothing but this test


def test_the_store_works_as_the_role_that_the_script_makes_and_the_role_can_do_no_more(
    postgres: Postgres, tmp_path: Path
) -> None:
    if shutil.which("psql") is None:
        pytest.skip("the script is for psql; on Debian: apt-get install postgresql-client")
    secret = tmp_path / "secret"
    secret.write_text(PASSWORD + "\n", encoding="utf-8")
    script = tmp_path / "script.sql"
    text = SCRIPT.read_text(encoding="utf-8")
    script.write_text(text.replace("/run/secrets/postgres_schoolgate", str(secret)), encoding="utf-8")
    assert str(secret) in script.read_text(encoding="utf-8")
    dsn = f"postgresql://schoolgate@127.0.0.1:{postgres.port}/postgres"
    # The tests' own administrator has the name of the role.
    renamed = re.sub(r"\bROLE schoolgate\b", "ROLE judge", script.read_text(encoding="utf-8"))
    script.write_text(renamed.replace("OWNER schoolgate", "OWNER judge"), encoding="utf-8")
    made = subprocess.run(
        ["psql", "--no-psqlrc", "--quiet", dsn, "-f", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert (made.returncode, made.stderr) == (0, "")
    address = f"postgresql+psycopg://judge@127.0.0.1:{postgres.port}/schoolgate"
    Store(address).close()
    Store(address).close()
    with psycopg.connect(dsn) as connection:
        role = "SELECT rolsuper, rolcreatedb, rolcreaterole, rolbypassrls, rolreplication FROM pg_roles"
        assert connection.execute(role + " WHERE rolname = 'judge'").fetchone() == (False,) * 5
        everybody = "SELECT has_database_privilege('pg_monitor', 'schoolgate', 'CONNECT')"
        assert connection.execute(everybody).fetchone() == (False,)
        kept = connection.execute("SELECT rolpassword LIKE 'SCRAM-SHA-256$%' FROM pg_authid WHERE rolname = 'judge'")
        assert kept.fetchone() == (True,)
