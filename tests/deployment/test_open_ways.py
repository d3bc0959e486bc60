"""No part of docker-compose.yml speaks with another without TLS: neither by that file nor by any that it mounts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from sqlalchemy import make_url

from tests.deployment.composed import FILE, ROOT, SERVICES

OPEN = re.compile(
    r"\bhttp://|\bPLAINTEXT\b|\bSASL_PLAINTEXT\b|insecure_skip_verify: *true|tlsSkipVerify: *true|"
    r"sslmode=(?!verify-full)\w+|(?m:^host(?:nossl)?\s)|\bscheme: *http\b|ssl=off|GF_SERVER_PROTOCOL: *http\b|"
    r"ssl\.endpoint\.identification\.algorithm=\s",
)
# Panels are data: what they link to are pages for people.
DATA = {"./dashboards"}


def mounted(prepared: Path) -> Iterator[Path]:
    """Yield every file that a container reads by a mount."""
    for source in sorted({str(each).split(":")[0] for each in volumes()} - DATA):
        if source.startswith("./"):
            path = (prepared if source.startswith("./district") else ROOT) / source
            yield from (each for each in ([path] if path.is_file() else path.rglob("*")) if each.is_file())


def volumes() -> list[str]:
    return [each for service in SERVICES.values() for each in service.get("volumes", ())]


@pytest.mark.parametrize(
    "slip",
    [
        "url: http://prometheus:9090", "protocol: PLAINTEXT", "map=CONTROLLER:PLAINTEXT", "CLIENT:SASL_PLAINTEXT",
        "tls_config: {insecure_skip_verify: true}", "?sslmode=require&x", "?sslmode=verify-ca", "#\nhost all x y md5",
        "hostnossl all all all md5", "scheme: http\n", "--ssl=off", "GF_SERVER_PROTOCOL: http\n", "tlsSkipVerify: true",
    ],
)  # fmt: skip
def test_an_open_way_is_found(slip: str) -> None:
    assert OPEN.search(slip)


def test_no_file_that_a_container_reads_has_an_open_way(prepared: Path) -> None:
    files = [FILE, *mounted(prepared)]
    names = {path.name for path in files}
    assert {"config.yaml", "prometheus.yml", "pg_hba.conf", "server.properties", "grafana-datasource.yaml"} <= names
    found = {path.name: OPEN.findall(path.read_text(encoding="utf-8")) for path in files}
    assert {name: ways for name, ways in found.items() if ways} == {}


def read(path: str) -> Any:
    return YAML(typ="safe").load(ROOT / "deploy" / "compose" / path)


def test_the_district_reaches_broker_store_and_alertmanager_by_tls_with_our_authority() -> None:
    config = read("district/config.yaml")
    store = make_url(config["store"])
    assert store.query["sslmode"] == "verify-full"
    assert store.query["sslrootcert"] == "/run/secrets/authority"
    assert config["kafka"]["security"]["protocol"] == "SASL_SSL"
    assert config["kafka"]["security"]["ca"] == "/run/secrets/authority"
    for each in config["notify"]["alertmanager"]:
        assert each["url"].startswith("https://")
        assert each["ca"] == "/run/secrets/authority"
    for name in ("collector", "judge", "desk"):
        assert SERVICES[name]["environment"]["SCHOOLGATE_METRICS__TLS__CERTIFICATE"] == f"/run/secrets/tls_{name}"
    assert SERVICES["desk"]["environment"]["SCHOOLGATE_DESK__TLS__CERTIFICATE"] == "/run/secrets/tls_desk"


def test_prometheus_asks_everybody_by_tls_with_our_authority() -> None:
    config = read("prometheus.yml")
    for each in (*config["scrape_configs"], *config["alerting"]["alertmanagers"]):
        assert each["scheme"] == "https"
        assert each["tls_config"]["ca_file"] == "/run/secrets/authority"
    for name in ("prometheus", "alertmanager"):
        shown = read(f"{name}-web.yml")["tls_server_config"]
        assert shown["cert_file"] == shown["key_file"] == f"/run/secrets/tls_{name}"
        assert f"--web.config.file=/etc/{name}/web.yml" in SERVICES[name]["command"]
        assert f"./deploy/compose/{name}-web.yml:/etc/{name}/web.yml:ro" in SERVICES[name]["volumes"]
