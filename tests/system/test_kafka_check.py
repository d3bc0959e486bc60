"""`schoolgate kafka check` on real brokers: what it shows to whom, and what it calls wrong."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from collector.broker_release import release_of
from collector.topics import CASES, FINDINGS, FLOWS, TOPICS
from tests.parts.broker import KafkaBroker
from tests.parts.secure_broker import PASSWORD, ROLES, SecureBroker
from tests.system.logins import as_administrator, done, read_in_a_group, secured, write
from tests.system.product import configure, free_port, schoolgate
from tests.system.topic_reader import with_kafka

pytestmark = pytest.mark.kafka


def plain(broker: KafkaBroker, *, district: Path) -> Path:
    return with_kafka(configure(district), sensor="tap", kafka=f'{{bootstrap: ["{broker.bootstrap}"]}}')


def checked(config: Path, *words: str) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    """Return how a check ended, and its document."""
    run = schoolgate("kafka", "check", "--config", config, "--json", *words)
    assert "Traceback" not in run.stderr
    document: dict[str, Any] = json.loads(run.stdout)
    return run, document


def can(document: dict[str, Any]) -> list[str]:
    return [role["role"] for role in document["roles"] if role["can"]]


def test_an_empty_broker_is_told_what_it_lacks_and_a_set_up_one_is_well(
    mortal_broker: KafkaBroker, district: Path
) -> None:
    config = plain(mortal_broker, district=district)
    run, document = checked(config)
    assert run.returncode == 3
    assert [trouble["what"] for trouble in document["troubles"]] == [
        f"topic {topic.name} is missing ({topic.partitions} partitions, {topic.cleanup}, 1 copy)" for topic in TOPICS
    ]
    assert all("schoolgate kafka setup" in trouble["remedy"] for trouble in document["troubles"])
    assert schoolgate("kafka", "setup", "--config", config).returncode == 0
    run, document = checked(config)
    assert run.returncode == 0, run.stdout
    assert document["well"] is True
    assert document["release"]["name"] == "4.1"
    assert document["guarded"] is False
    assert can(document) == list(ROLES)
    assert [broker["address"] for broker in document["brokers"]] == [mortal_broker.bootstrap]
    assert 0 < document["brokers"][0]["login_ms"] < 10_000
    assert {topic["name"]: topic["partitions"] for topic in document["topics"]} == {
        topic.name: topic.partitions for topic in TOPICS
    }
    assert document["newest_flow_s"] is None
    table = schoolgate("kafka", "check", "--config", config)
    assert table.returncode == 0
    assert "Apache Kafka 4.1" in table.stdout
    assert "all is well" in table.stdout


def test_lag_is_told_for_each_partition_and_a_group_that_goes_on_has_less(
    mortal_broker: KafkaBroker, district: Path
) -> None:
    config = plain(mortal_broker, district=district)
    assert schoolgate("kafka", "setup", "--config", config).returncode == 0
    who = {"bootstrap_servers": mortal_broker.bootstrap}
    for _ in range(3):
        done(write(FLOWS, who, key=b"one-device"))
    run, document = checked(config)
    assert run.returncode == 0
    groups = {group["topic"]: group for group in document["groups"]}
    assert groups[FLOWS]["lag"] == 3
    assert [part["lag"] for part in groups[FLOWS]["partitions"] if part["lag"]] == [3]
    assert [part["committed"] for part in groups[FLOWS]["partitions"]] == [None] * 12
    assert groups[FINDINGS]["lag"] == 0
    assert groups[FLOWS]["members"] == []
    assert -60 < document["newest_flow_s"] < 120
    assert f"{3}" in schoolgate("kafka", "check", "--config", config).stdout
    done(read_in_a_group(FLOWS, "schoolgate-judge-devices", who, commit=True))
    _, document = checked(config)
    assert {group["topic"]: group["lag"] for group in document["groups"]}[FLOWS] == 0


def test_each_role_learns_what_it_can_be_without_any_right_on_the_cluster(
    secure_broker: SecureBroker, district: Path
) -> None:
    administrator = as_administrator(secure_broker, district=district)
    assert schoolgate("kafka", "setup", "--config", administrator).returncode == 0
    run, document = checked(administrator)
    assert run.returncode == 0, document["troubles"]
    assert can(document) == list(ROLES)
    assert any("this login may do everything" in note for note in document["notes"])
    for role in ROLES:
        config = secured(secure_broker, district=district, user=f"schoolgate-{role}")
        run, document = checked(config, "--role", role)
        assert run.returncode == 0, document["troubles"]
        assert can(document) == [role]
        assert document["guarded"] is True
        seen = {topic["name"] for topic in document["topics"] if topic["seen"]}
        assert seen == {topic.name for topic in TOPICS if role in topic.writes + topic.reads}
        assert bool(document["groups"]) is (role == "judge")
        assert PASSWORD not in run.stdout + run.stderr
    run, document = checked(config, "--role", "judge")
    assert run.returncode == 3
    assert "this login cannot work as judge: it may not " in document["troubles"][0]["what"]
    assert f"write topic {CASES}" in document["troubles"][0]["what"]


def test_a_login_without_rights_is_told_how_to_get_them(secure_broker: SecureBroker, district: Path) -> None:
    run, document = checked(secured(secure_broker, district=district, user="newcomer"))
    assert run.returncode == 3
    assert can(document) == []
    (trouble,) = document["troubles"]
    assert trouble["what"] == "this login can be neither collector nor judge, publisher or dashboard"
    assert "--user ROLE=NAME" in trouble["remedy"]


def test_a_broker_that_is_not_there_is_said_after_a_few_tries(district: Path) -> None:
    config = with_kafka(configure(district), sensor="tap", kafka=f'{{bootstrap: ["127.0.0.1:{free_port()}"]}}')
    run, document = checked(config)
    assert run.returncode == 3
    assert "cannot be reached" in run.stderr
    assert "start it, or correct `kafka.bootstrap`" in run.stderr
    assert run.stderr.count("trying again") == 4
    assert document["reachable"] is False


def test_a_wrong_configuration_is_no_matter_of_the_broker(district: Path) -> None:
    run = schoolgate("kafka", "check", "--config", with_kafka(configure(district), sensor="tap", kafka="{host: here}"))
    assert run.returncode == 2
    assert "config.yaml:" in run.stderr


def test_a_broker_of_old_is_told_to_be_too_old() -> None:
    # What Apache Kafka 2.4 answers for these requests.
    old = {0: (0, 8), 1: (0, 11), 2: (0, 5), 3: (0, 9), 9: (0, 6), 11: (0, 6), 15: (0, 5), 18: (0, 3), 22: (0, 2)}
    old |= {24: (0, 1), 25: (0, 1), 26: (0, 1), 28: (0, 2), 44: (0, 1)}
    release = release_of(old, features={})
    assert release.faults == ("the broker is too old for us: Apache Kafka 3.0 is the least (ListOffsets)",)
    assert release.remedy == "update the broker"
    assert release_of(old | {2: (0, 7)}, features={"metadata.version": 19}).name == "3.7"
    assert release_of(old | {2: (8, 12)}, features={}).remedy == "update Schoolgate"
