"""The broker of docker-compose.yml, on a real Apache Kafka: its scripts, its log-ins, its certificate, its rights."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from collector.brokers import connection
from collector.topics import FLOWS, USERS
from schoolgate.configuration import configuration_at
from tests.deployment.composed import ROOT
from tests.parts import kafka_archive
from tests.parts.broker import listens
from tests.parts.kafka_jars import KafkaJars
from tests.parts.kafka_node import QUICK_START
from tests.parts.ports import free_ports
from tests.parts.program import Program
from tests.system.product import configure, copy_district, schoolgate, until
from tests.system.topic_reader import with_kafka

pytestmark = pytest.mark.kafka

TOPIC_DELETION_DISABLED = 73
"""What Kafka's protocol calls it."""
SCRIPTS = ROOT / "deploy" / "kafka"
# The scripts of Apache Kafka's own bin folder, as far as ours call them.
MAINS = {
    "kafka-storage.sh": "kafka.tools.StorageTool",
    "kafka-server-start.sh": "kafka.Kafka",
    "kafka-configs.sh": "kafka.admin.ConfigCommand",
}


class ComposedBroker:
    """The broker as its container starts it, on loopback."""

    def __init__(self, jars: KafkaJars, *, secrets: Path, folder: Path) -> None:
        inside, outside, controller = free_ports(3)
        self.outside = f"127.0.0.1:{outside}"
        self._log = folder / "broker.log"
        home = folder / "kafka" / "bin"
        home.mkdir(parents=True)
        options = [*QUICK_START, *kafka_archive.options(jars), "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
        for name, main in MAINS.items():
            words = " ".join([jars.java, *options, "-cp", f"'{jars.classpath}'", main])
            (home / name).write_text(f'#!/bin/sh\nexec {words} "$@"\n', encoding="utf-8")
            (home / name).chmod(0o755)
        self.environment = {
            "PATH": os.environ["PATH"], "KAFKA_HOME": str(home.parent), "SECRETS": str(secrets), "WORK": str(folder),
            "DATA": str(folder / "data"), "INSIDE_NAME": "localhost", "INSIDE_PORT": str(inside),
            "OUTSIDE_PORT": str(outside), "CONTROLLER_PORT": str(controller), "BROKER": f"localhost:{inside}",
        }  # fmt: skip
        self._program: Program | None = None

    def start(self) -> None:
        """Start it, and return when its users have their passwords."""
        words = [f"{key}={value}" for key, value in self.environment.items()]
        self._program = Program(["env", "-i", *words, str(SCRIPTS / "start.sh")], log=self._log)
        # A try before it listens costs a Java that is told nothing.
        until(lambda: listens(self.outside) or not self._runs(), what=f"the broker to listen; see {self._log}")
        until(self._set_up, what=f"the broker; see {self._log}")

    def stop(self) -> None:
        """End it at once."""
        if self._program is not None:
            self._program.kill()

    def _runs(self) -> bool:
        return self._program is not None and self._program.alive

    def _set_up(self) -> bool:
        assert self._runs(), self._log.read_text(encoding="utf-8")
        users = subprocess.run(
            [SCRIPTS / "users.sh"], env=self.environment, capture_output=True, timeout=240, check=False
        )
        return users.returncode == 0


@pytest.fixture(scope="module")
def composed(
    kafka_jars: KafkaJars, prepared: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ComposedBroker]:
    own = ComposedBroker(kafka_jars, secrets=prepared / "secrets", folder=tmp_path_factory.mktemp("broker"))
    try:
        own.start()
        yield own
    finally:
        own.stop()


def login(district: Path, *, user: str, password: Path, composed: ComposedBroker, ca: Path) -> Path:
    kafka = (
        f'{{bootstrap: ["{composed.outside}"], security: {{protocol: SASL_SSL, mechanism: SCRAM-SHA-512, user: {user}, '
        f"password: {{file: {password}}}, ca: {ca}}}}}"
    )
    return with_kafka(configure(district), sensor="tap", kafka=kafka)


def test_each_role_logs_in_with_its_secret_and_may_do_its_work_and_no_more(
    composed: ComposedBroker, prepared: Path, tmp_path: Path
) -> None:
    district = copy_district(tmp_path)
    secrets = prepared / "secrets"

    def verb(*words: str, user: str, secret: str) -> subprocess.CompletedProcess[str]:
        config = login(district, user=user, password=secrets / secret, composed=composed, ca=secrets / "authority")
        return schoolgate(*words, "--config", config)

    for _ in range(2):
        made = verb("kafka", "setup", user="admin", secret="kafka_admin")  # noqa: S106 -- the name of a file
        assert made.returncode == 0, made.stderr
    assert made.stdout == ""
    for role, (user,) in USERS.items():
        checked = verb("kafka", "check", "--role", role, user=user, secret=f"kafka_{role}")
        assert checked.returncode == 0, checked.stdout + checked.stderr
    refused = verb("kafka", "check", user="schoolgate-judge", secret="kafka_collector")  # noqa: S106 -- likewise
    assert refused.returncode == 3
    assert "refuses user schoolgate-judge" in refused.stderr
    # Judges may delete records of it, and Kafka has one right for both.
    judge = login(
        district, user="schoolgate-judge", password=secrets / "kafka_judge", composed=composed, ca=secrets / "authority"
    )
    assert asyncio.run(answer_to_deleting(FLOWS, judge)) == TOPIC_DELETION_DISABLED


async def answer_to_deleting(topic: str, config: Path) -> int:
    """Return the code that the broker answers to whoever asks it to delete a topic."""
    admin = AIOKafkaAdminClient(**connection(configuration_at(config).kafka, config=config).options)
    await admin.start()
    try:
        ((_name, code),) = (await admin.delete_topics([topic])).topic_error_codes
    finally:
        await admin.close()
    return int(code)


def test_no_password_is_left_behind_or_shown_in_a_process_list(composed: ComposedBroker, prepared: Path) -> None:
    passwords = [path.read_bytes() for path in (prepared / "secrets").glob("kafka_*") if len(path.read_bytes()) == 64]
    assert len(passwords) == 5
    work = Path(composed.environment["WORK"])
    assert {path.name for path in work.iterdir() if path.is_file()} == {
        "admin.properties", "broker.log", "server.properties",
    }  # fmt: skip
    assert (work / "server.properties").stat().st_mode & 0o077 == 0
    shown = b""
    for process in Path("/proc").glob("[0-9]*"):
        for name in ("cmdline", "environ"):
            try:
                shown += (process / name).read_bytes()
            except OSError:
                continue
    assert not [password for password in passwords if password in shown]
