"""Metrics and the case desk over TLS: with our certificate, to who trusts its authority, and not otherwise."""

from __future__ import annotations

import http.client
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Gauge

from collector.problems import DocumentError
from collector.server_tls import ServerTls, server_context
from schoolgate.metrics_server import serve_metrics
from tests.parts.certificates import Authority
from tests.system import desk_visitor
from tests.system.product import free_port


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority("ours", folder=tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def certificate(authority: Authority) -> Path:
    return authority.issue("server")


@pytest.fixture
def metrics(certificate: Path) -> Iterator[int]:
    """The port of a metrics page over TLS."""
    registry = CollectorRegistry()
    Gauge("schoolgate_of_this_test", "Always 1.", registry=registry).set(1)
    tls = server_context(ServerTls(certificate=certificate.name), folder=certificate.parent)
    port = free_port()
    server = serve_metrics(f"127.0.0.1:{port}", registry=registry, tls=tls)
    yield port
    server.shutdown()
    server.server_close()


def page(address: str, *, ca: Path) -> str:
    trust = ssl.create_default_context(cafile=ca)
    with urllib.request.urlopen(address, timeout=30, context=trust) as answer:  # noqa: S310 -- loopback
        text: str = answer.read().decode()
    return text


def test_metrics_are_read_by_who_trusts_our_authority(
    metrics: int, authority: Authority, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    address = f"https://localhost:{metrics}/metrics"
    assert "schoolgate_of_this_test 1.0" in page(address, ca=authority.path)
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        page(address, ca=Authority("other", folder=tmp_path).path)
    with pytest.raises((http.client.HTTPException, OSError)):
        page(address.replace("https", "http"), ca=authority.path)
    assert capfd.readouterr().err == ""


def test_a_client_that_says_nothing_keeps_nobody_from_the_metrics(metrics: int, authority: Authority) -> None:
    with socket.create_connection(("127.0.0.1", metrics)):
        assert "schoolgate_of_this_test 1.0" in page(f"https://localhost:{metrics}/metrics", ca=authority.path)


def test_the_desk_answers_over_tls_with_a_cookie_for_https_alone(
    authority: Authority, certificate: Path, tmp_path: Path
) -> None:
    with desk_visitor.desk(tmp_path, users=True, tls=ServerTls(certificate=str(certificate))) as desk:
        address = desk.server.address
        assert address.origin == f"https://127.0.0.1:{address.port}"
        trust = ssl.create_default_context(cafile=authority.path)
        visitor = http.client.HTTPSConnection("127.0.0.1", address.port, timeout=30, context=trust)
        visitor.request("GET", "/sign-in")
        answer = visitor.getresponse()
        cookie = answer.headers["Set-Cookie"]
        visitor.close()
        assert answer.status == 200
        assert cookie.startswith("__Host-schoolgate=")
        assert "Secure" in cookie
        stranger = ssl.create_default_context(cafile=Authority("other", folder=tmp_path).path)
        refused = http.client.HTTPSConnection("127.0.0.1", address.port, timeout=30, context=stranger)
        with pytest.raises(ssl.SSLCertVerificationError):
            refused.request("GET", "/sign-in")


@pytest.mark.parametrize("spoil", ["absent", "no PEM", "another's key"])
def test_a_certificate_that_cannot_be_used_is_named(
    spoil: str, authority: Authority, certificate: Path, tmp_path: Path
) -> None:
    file = tmp_path / "own.pem"
    if spoil != "absent":
        file.write_bytes(certificate.read_bytes() if spoil == "another's key" else b"Good morning.")
    key = authority.issue("another") if spoil == "another's key" else None
    with pytest.raises(DocumentError) as told:
        server_context(ServerTls(certificate=str(file), key=str(key) if key else None), folder=tmp_path)
    (problem,) = told.value.problems
    assert problem.path == str(file)
