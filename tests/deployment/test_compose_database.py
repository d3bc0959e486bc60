"""The database of docker-compose.yml: its role owns its database and nothing else, and comes in by TLS alone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from ruamel.yaml import YAML
from sqlalchemy import make_url

from rules.store import Store
from tests.deployment.composed import ROOT, SERVICES
from tests.parts.certificates import Authority
from tests.parts.postgres import Postgres
from tests.system.product import until

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


@pytest.fixture
def strict(postgres: Postgres, prepared: Path) -> Iterator[Postgres]:
    """The shared server under the options and the host file of docker-compose.yml, for as long as the test."""
    admin = psycopg.connect(f"postgresql://schoolgate@127.0.0.1:{postgres.port}/postgres", autocommit=True)

    def setting(name: str) -> str:
        (value,) = admin.execute(f"SHOW {name}".encode()).fetchone() or ("",)
        return str(value)

    def read_again(*, ssl: str, lines: str) -> None:
        hosts.write_text(lines, encoding="utf-8")
        admin.execute("SELECT pg_reload_conf()")
        until(lambda: setting("ssl") == ssl, what="the server with its new settings")

    hosts, data = Path(setting("hba_file")), Path(setting("data_directory"))
    before = hosts.read_text(encoding="utf-8")
    # There it belongs to the user of the container.
    key = data / "tls_postgres"
    key.write_bytes((prepared / "secrets" / "tls_postgres").read_bytes())
    os.chown(key, data.stat().st_uid, data.stat().st_gid)
    key.chmod(0o400)
    options = dict(word.removeprefix("--").split("=") for word in SERVICES["postgres"]["command"][1:])
    assert options.pop("hba_file") == "/etc/postgresql/pg_hba.conf"
    password = (prepared / "secrets" / "postgres_schoolgate").read_text(encoding="utf-8")
    admin.execute(f"ALTER ROLE schoolgate PASSWORD '{password}'".encode())  # hexadecimal digits
    known = admin.execute("SELECT 1 FROM pg_database WHERE datname = 'schoolgate'").fetchone()
    if known is None:
        admin.execute("CREATE DATABASE schoolgate")
    try:
        for name, value in options.items():
            where = value.replace("/run/secrets/tls_postgres", str(key))
            admin.execute(f"ALTER SYSTEM SET {name} = '{where}'".encode())
        read_again(ssl="on", lines=(ROOT / "deploy" / "postgres" / "pg_hba.conf").read_text(encoding="utf-8"))
        yield postgres
    finally:
        for name in options:
            admin.execute(f"ALTER SYSTEM RESET {name}".encode())
        read_again(ssl="off", lines=before)
        if known is None:
            admin.execute("DROP DATABASE schoolgate WITH (FORCE)")
        admin.close()


def test_the_database_refuses_who_comes_without_tls_and_the_store_who_is_not_its_database(
    strict: Postgres, prepared: Path, tmp_path: Path
) -> None:
    secrets = prepared / "secrets"
    config = YAML(typ="safe").load(prepared / "district" / "config.yaml")
    passes = tmp_path / "pgpass"
    passes.write_text(
        (secrets / "pgpass").read_text(encoding="utf-8").replace("postgres:5432", "*:*"), encoding="utf-8"
    )
    passes.chmod(0o600)
    named = make_url(config["store"].replace("/run/secrets/pgpass", str(passes)).replace("/run/secrets", str(secrets)))
    address = named.set(host="localhost", port=strict.port)
    Store(address.render_as_string()).close()
    tls = {key: str(value) for key, value in address.query.items()}
    said = {"user": "schoolgate", "dbname": "schoolgate", "hostaddr": "127.0.0.1", "port": str(strict.port), **tls}

    def told(**more: str) -> str:
        with pytest.raises(psycopg.OperationalError) as refused:
            psycopg.connect(**{**said, "host": "localhost", **more})  # type: ignore[arg-type] # options are texts
        return str(refused.value)

    assert "no encryption" in told(sslmode="disable", sslrootcert="")
    assert "certificate verify failed" in told(sslrootcert=str(Authority("other", folder=tmp_path).path))
    assert 'does not match host name "judge"' in told(host="judge")
    assert 'database "postgres"' in told(dbname="postgres")
    with psycopg.connect(**{**said, "host": "postgres"}) as connection:  # type: ignore[arg-type] # likewise
        (version,) = connection.execute("SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone() or (
            "",
        )
    assert version in {"TLSv1.2", "TLSv1.3"}
