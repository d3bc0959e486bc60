"""The certificates that prepare.sh makes: for these names alone, of one authority, made anew when they must be."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.deployment.composed import DOCUMENT, SERVICES
from tests.deployment.conftest import prepare
from tests.parts.certificates import Authority

# As the files of ./deploy call each server, beside localhost and 127.0.0.1 for looks from inside its own container.
CALLED = {
    "alertmanager": [], "collector": ["172.30.251.1"], "desk": [], "grafana": [], "judge": [], "kafka": [],
    "postgres": [], "prometheus": [],
}  # fmt: skip


def holds(certificate: Path, *, ca: Path, name: str) -> bool:
    """Whether openssl believes that the certificate is that of a server of this name."""
    kind = "-verify_ip" if name[0].isdigit() else "-verify_hostname"
    words = ["openssl", "verify", "-purpose", "sslserver", "-CAfile", str(ca), kind, name, str(certificate)]
    return subprocess.run(words, capture_output=True, timeout=60, check=False).returncode == 0


def contents(top: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (top / "secrets").iterdir()}


def changed(before: dict[str, bytes], after: dict[str, bytes]) -> set[str]:
    assert set(before) == set(after)
    return {name for name, content in after.items() if content != before[name]}


@pytest.fixture
def copied(prepared: Path, tmp_path: Path) -> Path:
    """A prepared folder of this test's own."""
    return shutil.copytree(prepared, tmp_path / "top")


@pytest.mark.parametrize("service", sorted(CALLED))
def test_each_server_is_believed_under_its_own_names_and_no_others(
    service: str, prepared: Path, tmp_path: Path
) -> None:
    certificate, ca = prepared / "secrets" / f"tls_{service}", prepared / "secrets" / "authority"
    for name in (service, "localhost", "127.0.0.1", *CALLED[service]):
        assert holds(certificate, ca=ca, name=name), name
    other = next(name for name in CALLED if name != service)
    assert not holds(certificate, ca=ca, name=other)
    assert not holds(certificate, ca=Authority("other", folder=tmp_path).path, name=service)


def test_each_key_reaches_its_own_container_and_that_of_the_authority_none() -> None:
    for secret in DOCUMENT["secrets"]:
        if secret.startswith("tls_"):
            readers = [name for name, each in SERVICES.items() if secret in each.get("secrets", ())]
            assert readers == [secret.removeprefix("tls_")]
    assert "authority.key" not in str(DOCUMENT)


def test_what_ends_soon_is_made_anew_and_nothing_else_is(copied: Path) -> None:
    (copied / "secrets" / "tls_judge").unlink()
    assert "tls_judge, on " in prepare(copied, CERTIFICATE_DAYS="29").stdout
    before = contents(copied)
    again = prepare(copied)
    assert changed(before, contents(copied)) == {"tls_judge"}
    assert "up --detach --force-recreate judge\n" in again.stdout


def test_a_server_with_another_name_gets_another_certificate(copied: Path) -> None:
    before = contents(copied)
    settings = (copied / ".env").read_text(encoding="utf-8")
    (copied / ".env").write_text(settings.replace("=localhost", "=desk.district.example"), encoding="utf-8")
    assert prepare(copied).returncode == 0
    assert changed(before, contents(copied)) == {"tls_desk", "tls_grafana"}
    secrets = copied / "secrets"
    assert holds(secrets / "tls_desk", ca=secrets / "authority", name="desk.district.example")


def test_without_the_key_of_the_authority_what_is_there_stays_and_no_other_authority_is_made(copied: Path) -> None:
    (copied / "secrets" / "authority.key").unlink()
    before = contents(copied)
    assert prepare(copied).returncode == 0
    (copied / "secrets" / "tls_desk").unlink()
    refused = prepare(copied)
    assert refused.returncode == 3
    assert "put secrets/authority.key back" in refused.stderr
    assert contents(copied) == {name: content for name, content in before.items() if name != "tls_desk"}


def test_another_authority_vouches_for_everything_anew(copied: Path) -> None:
    (copied / "secrets" / "authority").unlink()
    assert prepare(copied).returncode == 0
    secrets = copied / "secrets"
    assert all(holds(secrets / f"tls_{service}", ca=secrets / "authority", name=service) for service in CALLED)
