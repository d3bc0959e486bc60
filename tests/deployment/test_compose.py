"""docker-compose.yml is valid, runs nothing with more rights than it needs, and names nothing that is not there."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from collector.topics import USERS
from schoolgate.configuration import configuration_at
from tests.deployment.composed import DOCUMENT, FILE, LASTING, OURS, ROOT, SERVICES
from tests.deployment.conftest import prepare
from tests.parts import compose
from tests.parts.cache import PartMissingError
from tests.parts.prometheus import PrometheusParts

DEPLOY = ROOT / "deploy"
MADE = ("./district", "./secrets")
# A version with all its figures, as its publisher names it.
PINNED = re.compile(r"[a-z/-]+:v?\d+\.\d+(\.\d+)?[a-z0-9.-]*")


def yaml(path: Path) -> Any:
    return YAML(typ="safe").load(path)


def mounts(service: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return source, target and mode of each volume."""
    found = [str(each).split(":") for each in service.get("volumes", [])]
    return [(each[0], each[1], each[2] if len(each) == 3 else "rw") for each in found]


def test_the_file_follows_the_compose_specification() -> None:
    try:
        schema = json.loads(compose.schema().read_text(encoding="utf-8"))
    except PartMissingError as missing:
        pytest.skip(str(missing))
    jsonschema.Draft202012Validator(schema).validate(DOCUMENT)
    broken = {**DOCUMENT, "services": {**DOCUMENT["services"], "desk": {"imag": "slip"}}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate(broken)


def test_docker_compose_itself_reads_the_file(tmp_path: Path) -> None:
    try:
        command = compose.set_up()
    except PartMissingError as missing:
        pytest.skip(str(missing))
    slip = tmp_path / "docker-compose.yml"
    slip.write_text(FILE.read_text(encoding="utf-8").replace("      postgres: {", "      postgre: {"), encoding="utf-8")
    for file, code in ((FILE, 0), (slip, 1)):
        words = [*command, "-f", str(file), "--project-directory", str(ROOT), "config", "--quiet"]
        read = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        assert min(read.returncode, 1) == code, read.stderr
        assert bool(read.stderr) == bool(code), read.stderr


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_container_has_as_little_as_it_can(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["pids_limit"] <= 1024
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
    # Memory and swap together: no octet is left for swap.
    assert service["memswap_limit"] == service["deploy"]["resources"]["limits"]["memory"]
    assert PINNED.fullmatch(service["image"]), service["image"]
    assert not {"privileged", "pid", "ipc", "devices", "env_file"} & set(service)
    if name == "collector":
        # Root of a container without CAP_DAC_OVERRIDE, until the interface is open.
        assert (service["user"], service["cap_add"]) == ("0:10001", ["NET_RAW", "SETGID", "SETUID"])
        assert service["network_mode"] == "host"
    else:
        assert "cap_add" not in service
        assert not service["user"].startswith("0")
        assert service["networks"]
    for source, target, mode in mounts(service):
        assert "docker.sock" not in source
        # What lies in this folder is read; only volumes are written.
        assert source.startswith("./") == (mode == "ro"), (source, target)


def test_what_goes_on_is_looked_at_and_what_ends_is_not_started_again() -> None:
    for name in LASTING:
        assert {"test", "interval", "timeout", "retries", "start_period"} == set(SERVICES[name]["healthcheck"])
    ending = set(SERVICES) - set(LASTING)
    assert ending == {"doctor", "kafka-setup", "kafka-users", "publish"}
    assert {SERVICES[name]["restart"] for name in ending} == {"no"}


def test_nothing_listens_beyond_this_machine_unless_somebody_says_so() -> None:
    ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert ports == {
        "desk": ["127.0.0.1:8080:8080"],
        "grafana": ["127.0.0.1:3000:3000"],
        "kafka": ["127.0.0.1:9094:9094"],
    }


def test_broker_and_database_are_on_networks_that_lead_nowhere() -> None:
    inner = {name for name, network in DOCUMENT["networks"].items() if network.get("internal")}
    assert inner == {"pipeline", "scrape", "store"}
    assert set(SERVICES["postgres"]["networks"]) == {"store"}
    assert set(SERVICES["judge"]["networks"]) == inner
    # The desk reads the store, never topics; the judge sends no mail.
    assert "pipeline" not in SERVICES["desk"]["networks"]
    assert {name for name, each in SERVICES.items() if "pipeline" in each.get("networks", ())} == {
        "doctor", "judge", "kafka", "kafka-setup", "kafka-users", "publish",
    }  # fmt: skip


def test_secrets_are_files_and_stand_in_no_variable_and_on_no_command_line() -> None:
    for name, service in SERVICES.items():
        for key, value in service.get("environment", {}).items():
            if "PASSWORD" in key:
                assert "/run/secrets/" in value, (name, key)
        assert "password" not in json.dumps(service.get("command", "")).lower()
        used = set(re.findall(r"/run/secrets/(\w+)", json.dumps([service.get("environment"), service.get("command")])))
        assert used <= set(service.get("secrets", ())), name
    everything = {each for service in SERVICES.values() for each in service.get("secrets", ())}
    assert everything == set(DOCUMENT["secrets"])
    assert DOCUMENT["secrets"] == {name: {"file": f"./secrets/{name}"} for name in everything}


def test_every_file_that_is_mounted_is_in_the_checkout_or_made_by_prepare(prepared: Path) -> None:
    for service in SERVICES.values():
        for source, _, mode in mounts(service):
            if mode == "ro":
                assert ((prepared if source.startswith(MADE) else ROOT) / source).exists(), source
    for secret in DOCUMENT["secrets"].values():
        assert (prepared / secret["file"]).stat().st_size


def test_nothing_that_prepare_makes_can_be_committed_or_sent_to_a_builder() -> None:
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert {"/.env", "/district/", "/secrets/"} <= set(ignored)
    assert (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()[1] == "*"


@pytest.mark.parametrize("name", OURS)
def test_the_prepared_configuration_is_accepted_with_what_each_container_adds(
    name: str, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key, value in SERVICES[name].get("environment", {}).items():
        monkeypatch.setenv(key, value)
    folder = tmp_path / "etc"
    shutil.copytree(prepared / "district", folder / "district")
    shutil.copy(prepared / "district" / "config.yaml", folder)
    settings = configuration_at(folder / "config.yaml")
    user = settings.kafka.security.user
    if user is not None and user != "admin":
        # Somebody whom `schoolgate kafka setup` gives rights, with the password of that role and of no other.
        role = next(role for role, users in USERS.items() if user in users)
        assert [each for each in SERVICES[name]["secrets"] if each.startswith("kafka_")] == [f"kafka_{role}"]
    for path in (settings.network, settings.agreements, *settings.parties):
        assert (folder / path).exists()
    written = {settings.spool.path, settings.privacy.key_file, str(settings.desk.users)}
    assert {str(Path(path).parent) for path in written} == {"/var/lib/schoolgate"}


def test_prepare_can_run_again_and_changes_nothing(prepared: Path) -> None:
    def state() -> dict[Path, tuple[int, int, int, bytes]]:
        files = [path for path in prepared.rglob("*") if path.is_file()]
        status = {path: path.stat() for path in files}
        return {path: (s.st_mode, s.st_uid, s.st_gid, path.read_bytes()) for path, s in status.items()}

    before = state()
    assert prepare(prepared).returncode == 0
    assert state() == before


def test_each_secret_can_be_read_by_its_containers_and_by_nobody_else(prepared: Path) -> None:
    for secret in DOCUMENT["secrets"]:
        status = (prepared / "secrets" / secret).stat()
        readers = {name: each["user"] for name, each in SERVICES.items() if secret in each.get("secrets", ())}
        for name, user in readers.items():
            uid, gid = map(int, user.split(":"))
            # Root of a container has no CAP_DAC_OVERRIDE here, so that modes count for it as for anybody.
            by_owner = status.st_uid == uid and status.st_mode & 0o400
            by_group = status.st_gid == gid and status.st_mode & 0o040
            assert by_owner or by_group or status.st_mode & 0o004, (secret, name)
        assert not status.st_mode & 0o337 or secret == "authority", secret  # noqa: S105 -- a certificate


def test_prometheus_of_the_containers_has_the_jobs_and_rules_of_the_other(
    prometheus_parts: PrometheusParts, prepared: Path, tmp_path: Path
) -> None:
    ours, other = yaml(DEPLOY / "compose" / "prometheus.yml"), yaml(DEPLOY / "prometheus" / "prometheus.yml")
    assert (ours["global"], ours["rule_files"]) == (other["global"], other["rule_files"])
    jobs = {job["job_name"] for job in ours["scrape_configs"]}
    assert jobs == {"schoolgate-collect", "schoolgate-judge", "schoolgate-desk", "alertmanager"}
    # Laid out as in the container.
    for source, target, _ in mounts(SERVICES["prometheus"]):
        if target.startswith("/etc/prometheus/"):
            shutil.copy((prepared if source.startswith(MADE) else ROOT) / source, tmp_path / Path(target).name)
    words = [
        str(prometheus_parts.promtool),
        "check",
        "config",
        "--lint=all",
        "--lint-fatal",
        str(tmp_path / "prometheus.yml"),
    ]
    checked = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "WARNING" not in checked.stdout + checked.stderr


def test_the_collector_is_scraped_where_it_serves() -> None:
    (target,) = yaml(DEPLOY / "compose" / "district" / "collectors.yml")[0]["targets"]
    assert target in SERVICES["collector"]["command"]
    assert DOCUMENT["networks"]["watch"]["ipam"]["config"][0]["gateway"] == target.rpartition(":")[0]


def test_grafana_finds_prometheus_under_the_name_that_the_dashboards_use() -> None:
    ours = yaml(DEPLOY / "compose" / "grafana-datasource.yaml")["datasources"][0]
    other = yaml(DEPLOY / "grafana" / "provisioning" / "datasources" / "prometheus.yaml")["datasources"][0]
    alike = ("name", "uid", "type", "access", "isDefault", "editable")
    assert [ours[key] for key in alike] == [other[key] for key in alike]
    assert ours["jsonData"]["timeInterval"] == other["jsonData"]["timeInterval"]
    provider = yaml(DEPLOY / "grafana" / "provisioning" / "dashboards" / "schoolgate.yaml")["providers"][0]
    assert provider["options"]["path"] in {target for _, target, _ in mounts(SERVICES["grafana"])}
