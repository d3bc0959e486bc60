"""`schoolgate kafka setup` on real brokers: what it makes and corrects, and what it leaves alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from collector.acls import ALLOW, DESCRIBE, GROUP, LITERAL, PREFIXED, READ, TOPIC, WRITE, Acl, Right, rights
from collector.brokers import Connection
from collector.cluster import cluster
from collector.topics import CASES, DEAD_LETTERS, ENGINE_STATE, FINDINGS, FLOWS, TOPICS
from tests.parts.broker import KafkaBroker
from tests.parts.cluster import KafkaCluster
from tests.parts.secure_broker import PASSWORD, SecureBroker
from tests.system.logins import administrator, as_administrator, done, secured, write
from tests.system.product import configure, schoolgate, until
from tests.system.topic_reader import with_kafka

pytestmark = pytest.mark.kafka


def plain(bootstrap: str, *, district: Path) -> Path:
    """Return a configuration for a broker without passwords."""
    addresses = ", ".join(f'"{each}"' for each in bootstrap.split(","))
    return with_kafka(configure(district), sensor="tap", kafka=f"{{bootstrap: [{addresses}]}}")


def make(bootstrap: str, name: str, *, partitions: int, settings: dict[str, str] | None = None) -> None:
    async def at_once() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        await admin.start()
        try:
            new = NewTopic(name, num_partitions=partitions, replication_factor=1, topic_configs=settings)
            await admin.create_topics([new])
        finally:
            await admin.close()

    done(at_once())


async def settings_of(name: str, *, bootstrap: str) -> dict[str, str]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
        return {entry[0]: entry[1] for entry in answer.resources[0][4]}
    finally:
        await admin.close()


def count(config: Path, *words: str) -> list[str]:
    """Return the lines of a set-up that must succeed."""
    run = schoolgate("kafka", "setup", "--config", config, *words)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout.splitlines()


def test_setup_makes_what_is_missing_once_and_corrects_what_is_wrong(
    mortal_broker: KafkaBroker, district: Path
) -> None:
    config = plain(mortal_broker.bootstrap, district=district)
    make(mortal_broker.bootstrap, CASES, partitions=2, settings={"retention.bytes": "1234567"})
    dry = count(config, "--dry-run")
    assert f"would set right: topic {FLOWS} is missing (12 partitions, delete, 1 copy)" in dry
    assert f"would set right: topic {CASES} has 2 partitions instead of 6" in dry
    assert any(line.startswith(f"would set right: topic {CASES}: cleanup.policy delete instead of") for line in dry)
    assert len(dry) == len(TOPICS) + 1
    assert count(config, "--dry-run") == dry
    first = schoolgate("kafka", "setup", "--config", config)
    assert first.returncode == 0, first.stderr
    assert first.stdout.splitlines() == [line.replace("would set right", "set right") for line in dry]
    assert "checks no rights" in first.stderr
    assert count(config) == []
    found = done(settings_of(CASES, bootstrap=mortal_broker.bootstrap))
    assert found["cleanup.policy"] == "compact"
    assert found["min.insync.replicas"] == "1"
    assert found["retention.bytes"] == "1234567", "what somebody else set stays"


def test_partitions_of_keyed_topics_in_use_are_raised_only_when_asked_and_never_where_keys_last(
    mortal_broker: KafkaBroker, district: Path
) -> None:
    config = plain(mortal_broker.bootstrap, district=district)
    for name in (FLOWS, FINDINGS, DEAD_LETTERS):
        make(mortal_broker.bootstrap, name, partitions=2)
        done(write(name, {"bootstrap_servers": mortal_broker.bootstrap}))
    lines = count(config)
    (flows,) = [line for line in lines if line.startswith(f"topic {FLOWS} has 2 partitions instead of 12; left alone")]
    assert "--raise-partitions" in flows
    assert any(line.startswith(f"topic {FINDINGS} has 2 partitions instead of 6; left alone") for line in lines)
    assert f"set right: topic {DEAD_LETTERS} has 2 partitions instead of 3" in lines
    assert len(count(config)) == 2, "what is left alone is told every time"
    raised = count(config, "--raise-partitions")
    assert f"set right: topic {FLOWS} has 2 partitions instead of 12" in raised
    assert any(line.startswith(f"topic {FINDINGS} has 2 partitions") for line in raised)


def test_state_gets_a_partition_for_each_of_its_input(mortal_broker: KafkaBroker, district: Path) -> None:
    make(mortal_broker.bootstrap, FLOWS, partitions=24)
    config = plain(mortal_broker.bootstrap, district=district)
    lines = count(config)
    assert any(line.startswith(f"set right: topic {ENGINE_STATE} is missing (24 partitions") for line in lines)
    assert count(config) == []


@pytest.mark.long
def test_copies_follow_the_brokers_that_are_there(kafka_cluster: KafkaCluster, district: Path) -> None:
    make(kafka_cluster.bootstrap, CASES, partitions=6)
    config = plain(kafka_cluster.bootstrap, district=district)
    first = schoolgate("kafka", "setup", "--config", config)
    assert f"set right: topic {FLOWS} is missing (12 partitions, delete, 3 copies)" in first.stdout
    assert f"topic {CASES} keeps 1 copies of a record instead of 3 on 3 brokers; left alone" in first.stdout
    assert first.returncode == 3
    assert f"set right: topic {CASES}: cleanup.policy delete instead of compact" in first.stdout
    assert "min.insync.replicas 2 instead of 1" in first.stdout
    assert "left to a person: 1" in first.stderr
    for name, copies in ((FLOWS, "2"), (CASES, "1")):
        # The other brokers hear of a setting a moment after the one that was told.
        until(
            lambda: done(settings_of(name, bootstrap=kafka_cluster.bootstrap))["min.insync.replicas"] == copies,  # noqa: B023 -- called within the round
            what=f"{copies} copies that must be there of {name}",
        )


@pytest.mark.parametrize("word", ["teacher=x", "judge", "judge=", "judge=*"])
def test_a_user_that_cannot_be_is_wrong_input(district: Path, word: str) -> None:
    run = schoolgate("kafka", "setup", "--config", district / "config.yaml", "--user", word)
    assert run.returncode == 2
    assert f"`{word}`" in run.stderr


async def on(broker: SecureBroker, *, allow: tuple[Right, ...] = (), take_away: tuple[Right, ...] = ()) -> set[Right]:
    """Change ACLs as the administrator, and return what is allowed afterwards."""
    who = administrator(broker)
    address = who.pop("bootstrap_servers")
    async with cluster(Connection(bootstrap=(address,), user=broker.admin.user, client=who)) as there:
        for right in allow:
            await there.allow(right)
        for right in take_away:
            await there.take_away(Acl(right=right, host="*", permission=ALLOW))
        return {acl.right for acl in await there.acls() or []}


def topic_right(user: str, operation: int, name: str, *, pattern: int = LITERAL) -> Right:
    return Right(user=user, resource=TOPIC, name=name, pattern=pattern, operation=operation)


def test_rights_beyond_a_role_are_taken_away_and_nobody_else_loses_any(
    secure_broker: SecureBroker, district: Path
) -> None:
    config = as_administrator(secure_broker, district=district)
    count(config)
    ours = (
        topic_right("schoolgate-collector", READ, FLOWS),
        topic_right("schoolgate-judge", WRITE, "schoolgate.", pattern=PREFIXED),
        Right(user="schoolgate-collector", resource=GROUP, name="schoolgate-judge", pattern=PREFIXED, operation=READ),
    )
    others = (
        topic_right("schoolgate-dashboard", READ, "*"),
        topic_right("schoolgate-collector", WRITE, "homework"),
        topic_right("somebody-else", READ, FLOWS),
    )
    done(on(secure_broker, allow=(*ours, *others)))
    try:
        dry = count(config, "--dry-run")
        assert dry == [f"would set right: right too many: {right}" for right in sorted(ours)]
        assert "would set right: right too many: schoolgate-collector may read topic schoolgate.flows" in dry
        check = schoolgate("kafka", "check", "--config", config)
        assert check.returncode == 3
        assert "wrong: right too many: schoolgate-collector may read topic schoolgate.flows" in check.stdout
        run = schoolgate("kafka", "setup", "--config", config)
        assert run.stdout.splitlines() == [line.replace("would set right", "set right") for line in dry]
        assert "note: schoolgate-dashboard may read topic *: more than a role needs" in run.stderr
        assert "homework" not in run.stderr
        left = done(on(secure_broker))
        assert not left & set(ours)
        assert set(others) <= left
        assert set(rights()) <= left
        assert count(config) == []
    finally:
        done(on(secure_broker, take_away=others))


def test_roles_may_have_other_users_and_several(secure_broker: SecureBroker, district: Path) -> None:
    config = as_administrator(secure_broker, district=district)
    words = ["--user", "collector=north-tap", "--user", "collector=south-tap"]
    count(config)
    lines = count(config, *words)
    assert "set right: right missing: north-tap may write topic schoolgate.flows" in lines
    assert len(lines) == 4
    assert count(config, *words) == []
    left = done(on(secure_broker))
    assert {topic_right("south-tap", WRITE, FLOWS), topic_right("south-tap", DESCRIBE, FLOWS)} <= left
    mine = tuple(right for right in left if right.user.endswith("-tap"))
    assert len(mine) == 4
    done(on(secure_broker, take_away=mine))


def test_a_plain_role_cannot_set_anything_up_and_is_told_who_can(secure_broker: SecureBroker, district: Path) -> None:
    count(as_administrator(secure_broker, district=district))
    run = schoolgate(
        "kafka", "setup", "--config", secured(secure_broker, district=district, user="schoolgate-collector")
    )
    assert run.returncode == 3
    assert "log in as its administrator" in run.stderr
    assert "Traceback" not in run.stderr
    assert PASSWORD not in run.stdout + run.stderr
