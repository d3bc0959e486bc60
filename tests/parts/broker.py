"""The brokers that tests speak to: Apache Kafka, noida-db in its place, or one that somebody else runs.

Each one has a name for the report of the run and a bootstrap address. Those that a test may harm have more.
"""

from __future__ import annotations

import shutil
import socket
import time
from typing import TYPE_CHECKING, Protocol

from tests.parts import kafka_archive
from tests.parts.cache import tail
from tests.parts.kafka_format import new_id
from tests.parts.kafka_node import QUICK_START, KafkaNode
from tests.parts.noida import VERSION as NOIDA_VERSION
from tests.parts.ports import free_ports
from tests.parts.program import Program, ProgramError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tests.parts.kafka_jars import KafkaJars

NOIDA_START_LIMIT_S = 60.0
CONNECT_LIMIT_S = 5.0
ARCHIVE_LIMIT_S = 240.0
# A lone broker holds every internal topic once.
ONE_REPLICA = {
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
}


class Broker(Protocol):
    """Whatever serves Kafka's protocol."""

    @property
    def name(self) -> str:
        """Product and version, for the report of the run."""

    @property
    def bootstrap(self) -> str:
        """HOST:PORT, several with commas."""


class MortalBroker(Broker, Protocol):
    """A broker that a test may kill, stall and start again."""

    def start(self) -> str:
        """Start it and return the bootstrap address when it serves."""

    def kill(self) -> None:
        """End it at once (SIGKILL); its data stay."""

    def restart(self) -> None:
        """Start it again on the same data and port; one that still runs is killed first."""

    def stop(self) -> None:
        """End it in order (SIGTERM); its data stay."""

    def pause(self) -> None:
        """Stall it (SIGSTOP)."""

    def resume(self) -> None:
        """Let it go on (SIGCONT)."""

    def close(self) -> None:
        """End it and throw its data away; its log stays."""


class KafkaBroker(KafkaNode):
    """Apache Kafka on one node, without passwords.

    Args:
        jars: Apache Kafka.
        folder: Gets configuration, data and log.
        host: The address it listens on and tells clients; another than loopback for a test with network namespaces.
        settings: Kafka's own names and values, on top of everything else.
        before: A command to put before java; see KafkaNode.
        java_options: Instead of QUICK_START.
    """

    def __init__(
        self,
        jars: KafkaJars,
        *,
        folder: Path,
        host: str = "127.0.0.1",
        settings: Mapping[str, str] | None = None,
        before: Sequence[str] = (),
        java_options: Sequence[str] = QUICK_START,
    ) -> None:
        port, controller = free_ports(2)
        base = {
            "node.id": "1",
            "controller.quorum.voters": f"1@{host}:{controller}",
            "listeners": f"PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller}",
            "advertised.listeners": f"PLAINTEXT://{host}:{port}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "PLAINTEXT",
        }
        super().__init__(
            jars,
            name=f"Apache Kafka {jars.version}",
            bootstrap=f"{host}:{port}",
            folder=folder,
            settings={**ONE_REPLICA, **base, **(settings or {})},
            cluster_id=new_id(),
            before=before,
            java_options=java_options,
        )


def quicken(jars: KafkaJars) -> KafkaJars:
    """Make later starts of Apache Kafka quick, once for this machine, and return *jars*."""

    def run_once(folder: Path, option: str) -> None:
        node = KafkaBroker(jars, folder=folder, java_options=[*QUICK_START, option])
        try:
            node.start()
            assert node.program is not None
            node.program.stop(limit_s=ARCHIVE_LIMIT_S)  # the JVM writes the archive as it ends
        finally:
            node.close()

    kafka_archive.make(jars, run_once=run_once)
    return jars


class NoidaBroker:
    """noida-db in Kafka's place. It takes none of Kafka's settings, and loses its last second when it is killed."""

    def __init__(self, binary: Path, *, folder: Path) -> None:
        (port,) = free_ports(1)
        self.name = f"noida-db {NOIDA_VERSION} (in place of Apache Kafka)"
        self.bootstrap = f"127.0.0.1:{port}"
        self.log = folder / "broker.log"
        self._data = folder / "data"
        self._program: Program | None = None
        self._command = [str(binary), "start", "--only", "kafka", "--kafka-port", str(port)]
        self._command += ["--host", "127.0.0.1", "--data-dir", str(self._data)]

    def start(self) -> str:
        """Start it and return the bootstrap address when it serves.

        Raises:
            ProgramError: it runs already, ended, or did not serve within 20 s; then it is killed.
        """
        if self._program is not None:
            raise ProgramError(f"the broker at {self.bootstrap} runs already")
        self._data.mkdir(parents=True, exist_ok=True)
        self._program = Program(self._command, log=self.log)
        deadline = time.monotonic() + NOIDA_START_LIMIT_S
        while not listens(self.bootstrap):
            if not self._program.alive or time.monotonic() > deadline:
                self.kill()
                raise ProgramError(f"noida-db did not start: {tail(self.log)} (see {self.log})")
            time.sleep(0.02)
        return self.bootstrap

    def kill(self) -> None:
        """End it at once (SIGKILL). What it acknowledged within the last second may be lost."""
        if self._program is not None:
            self._program.kill()
            self._program = None

    def stop(self) -> None:
        """End it in order (SIGTERM)."""
        if self._program is not None:
            self._program.stop(limit_s=NOIDA_START_LIMIT_S)
            self._program = None

    def restart(self) -> None:
        """Start again on the same data and port; one that still runs is killed first."""
        self.kill()
        self.start()

    def pause(self) -> None:
        """Stall it (SIGSTOP)."""
        self._running().pause()

    def resume(self) -> None:
        """Let it go on (SIGCONT)."""
        self._running().resume()

    def close(self) -> None:
        """End it and throw its data away; its log stays."""
        self.kill()
        shutil.rmtree(self._data, ignore_errors=True)

    def _running(self) -> Program:
        if self._program is None:
            raise ProgramError(f"the broker at {self.bootstrap} does not run")
        return self._program


class GivenBroker:
    """A broker that somebody else runs (`SCHOOLGATE_TEST_KAFKA=HOST:PORT`). Tests use it and never harm it."""

    def __init__(self, bootstrap: str) -> None:
        if not listens(bootstrap):
            raise ProgramError(f"SCHOOLGATE_TEST_KAFKA names {bootstrap}, and nothing answers there")
        self.name = "a given broker"
        self.bootstrap = bootstrap


def listens(address: str) -> bool:
    """Whether something takes connections at *address* (HOST:PORT; of several the first)."""
    host, _, port = address.partition(",")[0].rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_LIMIT_S).close()
    except OSError:
        return False
    return True
