"""Prometheus and Alertmanager of docker-compose.yml, the real ones: the parts speak with each other by TLS."""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from ruamel.yaml import YAML

from collector.server_tls import ServerTls, server_context
from rules.health.alertmanager import alertmanager
from rules.notify.channel import ChannelDownError
from rules.notify.channels import open_channels
from rules.settings import AlertmanagerPlace, Notify
from rules.store import Store
from schoolgate.metrics_server import serve_metrics
from tests.deployment.composed import ROOT, SERVICES
from tests.parts.alertmanager import Alertmanager
from tests.parts.certificates import Authority
from tests.parts.ports import free_ports
from tests.parts.program import Program
from tests.parts.prometheus import PrometheusParts
from tests.rules.told_cases import PLACE, Cases, Hands
from tests.system.product import until

COMPOSE = ROOT / "deploy" / "compose"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Both servers, and who is asked by them."""

    secrets: Path
    folder: Path
    alertmanager: Alertmanager
    prometheus_port: int
    metrics: dict[str, int]

    def ask(self, path: str) -> Any:
        """Return what Prometheus answers to who trusts our authority."""
        trust = ssl.create_default_context(cafile=self.secrets / "authority")
        address = f"https://localhost:{self.prometheus_port}{path}"
        with urllib.request.urlopen(address, timeout=10, context=trust) as answer:
            return json.loads(answer.read())["data"]

    def targets(self) -> dict[str, str]:
        """Return port -> what Prometheus found there last; empty: well."""
        told = self.ask("/api/v1/targets?state=active")["activeTargets"]
        return {each["labels"]["instance"]: each["lastError"] for each in told if each["health"] != "unknown"}


@pytest.fixture(scope="module")
def watch(
    prometheus_parts: PrometheusParts, prepared: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Watch]:
    folder, secrets = tmp_path_factory.mktemp("watch"), prepared / "secrets"
    with ExitStack() as held:
        metrics = {}
        for name in ("collector", "judge", "desk"):
            (metrics[name],) = free_ports(1)
            tls = server_context(ServerTls(certificate=f"tls_{name}"), folder=secrets)
            server = serve_metrics(f"127.0.0.1:{metrics[name]}", registry=CollectorRegistry(), tls=tls)
            held.callback(server.server_close)
            held.callback(server.shutdown)
        for source in COMPOSE.glob("*.yml"):
            text = source.read_text(encoding="utf-8").replace("/run/secrets", str(secrets))
            (folder / source.name).write_text(text, encoding="utf-8")
        shutil.copy(ROOT / "deploy" / "alertmanager" / "schoolgate.tmpl", folder)
        config = Path(shutil.copy(prepared / "district" / "alertmanager.yml", folder))
        manager = Alertmanager(
            prometheus_parts, config=config, folder=folder / "alertmanager",
            web=folder / "alertmanager-web.yml", ca=secrets / "authority",
        )  # fmt: skip
        held.callback(manager.kill)
        point(folder, metrics=metrics, alertmanager_port=manager.port)
        (port,) = free_ports(1)
        prometheus = Program(
            [
                str(prometheus_parts.prometheus), f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'tsdb'}", f"--web.listen-address=127.0.0.1:{port}",
                f"--web.config.file={folder / 'prometheus-web.yml'}", "--rules.alert.resend-delay=1s",
            ],
            log=folder / "prometheus.log",
        )  # fmt: skip
        held.callback(prometheus.kill)
        yield Watch(secrets=secrets, folder=folder, alertmanager=manager, prometheus_port=port, metrics=metrics)


def point(folder: Path, *, metrics: dict[str, int], alertmanager_port: int) -> None:
    """Have Prometheus find on loopback what it finds by names in its container; how it asks stays as it is."""
    yaml = YAML(typ="safe")
    config = yaml.load(folder / "prometheus.yml")
    # The rules have tests of their own, and take half a minute to be looked at.
    rule = {"alert": "Always", "expr": "vector(1)"}
    (folder / "rules.yml").write_text(json.dumps({"groups": [{"name": "one", "rules": [rule]}]}), encoding="utf-8")
    config["rule_files"] = ["rules.yml"]
    config["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    del jobs["schoolgate-judge"]["dns_sd_configs"]
    found = {"schoolgate-judge": ["judge"], "schoolgate-desk": ["desk"], "schoolgate-collect": ["collector", "judge"]}
    for job, names in found.items():
        jobs[job].pop("file_sd_configs", None)
        jobs[job]["static_configs"] = [
            {"targets": [f"127.0.0.1:{metrics[name]}"], "labels": {"instance": f"{job} {name}"}} for name in names
        ]
    here = [{"targets": [f"127.0.0.1:{alertmanager_port}"]}]
    jobs["alertmanager"]["static_configs"] = [{**here[0], "labels": {"instance": "alertmanager"}}]
    config["alerting"]["alertmanagers"][0]["static_configs"] = here
    with (folder / "prometheus.yml").open("w", encoding="utf-8") as file:
        yaml.dump(config, file)


def test_prometheus_reads_every_part_by_tls_and_believes_none_that_shows_anothers_certificate(watch: Watch) -> None:
    def all_asked() -> bool:
        try:
            return len(watch.targets()) == 5
        except OSError:
            return False

    until(all_asked, what="the first scrapes")
    told = watch.targets()
    wrong = told.pop("schoolgate-collect judge")
    assert told == dict.fromkeys(
        ("schoolgate-collect collector", "schoolgate-judge judge", "schoolgate-desk desk", "alertmanager"), ""
    )
    assert "certificate is valid for judge, localhost, not collector" in wrong


def test_prometheus_tells_alertmanager_by_tls(watch: Watch) -> None:
    def told() -> bool:
        return b'"Always"' in watch.alertmanager.ask("/api/v2/alerts")

    until(told, what="the alert that is always there")


def test_the_notifier_tells_alertmanager_by_tls_and_believes_no_other(watch: Watch, tmp_path: Path) -> None:
    hands = Hands(datetime.now(UTC))
    store = Store(f"sqlite:///{tmp_path}/cases.db", clock=hands)
    cases = Cases(store)
    cases.keep("4f1c")
    standings = cases.docket().standings()
    store.close()

    def tell(ca: Path) -> None:
        places = [{"url": watch.alertmanager.address, "ca": str(ca)}]
        channels = open_channels(Notify.model_validate({"alertmanager": places}), folder=tmp_path, place=PLACE)
        (channel,) = channels.alertmanagers
        channel.tell(standings, now=hands.at, ended_is_news=lambda _: True, keep_silence=lambda _: False)

    tell(watch.secrets / "authority")
    assert watch.alertmanager.alerts() == {"4f1c": "active"}
    with pytest.raises(ChannelDownError, match=r"certificate of 127\.0\.0\.1 does not hold"):
        tell(Authority("other", folder=tmp_path).path)


def test_the_doctor_tells_an_alertmanager_of_ours_from_another(watch: Watch, tmp_path: Path) -> None:
    authorities = (watch.secrets / "authority", Authority("other", folder=tmp_path).path, tmp_path / "absent")
    places = [AlertmanagerPlace(url=watch.alertmanager.address, ca=str(each)) for each in authorities]
    found = list(alertmanager(places, folder=tmp_path))
    assert [(each.state, each.wrong) for each in found] == [
        ("ok", None), ("problem", "environment"), ("problem", "configuration"),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["collector", "judge", "alertmanager"])
def test_the_look_at_a_containers_health_is_by_tls(
    name: str, watch: Watch, prometheus_parts: PrometheusParts, tmp_path: Path
) -> None:
    def look(authority: Path) -> int:
        client = tmp_path / "client.yml"
        text = (COMPOSE / "client.yml").read_text(encoding="utf-8")
        client.write_text(text.replace("/run/secrets/authority", str(authority)), encoding="utf-8")
        words = [str(word) for word in SERVICES[name]["healthcheck"]["test"]]
        assert words.pop(0) == "CMD"
        changes = {
            "/run/secrets/authority": str(authority), "/etc/alertmanager/client.yml": str(client),
            ":9093": f":{watch.alertmanager.port}", "127.0.0.1:9464": f"127.0.0.1:{watch.metrics['judge']}",
        }  # fmt: skip
        for old, new in changes.items():
            words = [word.replace(old, new) for word in words]
        program = {"amtool": str(prometheus_parts.amtool)}.get(words[0], shutil.which("python3") or "python3")
        environment = {**os.environ, "COLLECTOR_METRICS": f"127.0.0.1:{watch.metrics['collector']}"}
        return subprocess.run(
            [program, *words[1:]], capture_output=True, timeout=60, check=False, env=environment
        ).returncode

    assert look(watch.secrets / "authority") == 0
    assert look(Authority("other", folder=tmp_path).path) != 0
