"""Three Apache Kafka nodes on one machine, each broker and controller: a production cluster made small."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.parts.cache import PartMissingError
from tests.parts.kafka_format import new_id
from tests.parts.kafka_node import KafkaNode
from tests.parts.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.parts.kafka_jars import KafkaJars

NODES = 3
# Measured: a node of 256 MiB heap takes 150 MiB when it has started and up to 350 in use; the rest is for the test run.
NEEDED_MIB = 1_500
MEMORY = Path("/proc/meminfo")
# Two of three must hold a record before it counts: then any one node may die.
THREE_REPLICAS = {
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "share.coordinator.state.topic.replication.factor": "3",
    "share.coordinator.state.topic.min.isr": "2",
    # A stalled follower holds up every write until it is thrown out of the in-sync set (30 s by default).
    "replica.lag.time.max.ms": "3000",
}


class KafkaCluster:
    """Three nodes; `nodes[n]` may be killed, stalled and restarted alone.

    Args:
        jars: Apache Kafka.
        folder: Gets one folder a node.
        settings: Kafka's own names and values for each node, on top of everything else.

    Raises:
        PartMissingError: there is not enough free memory.
    """

    def __init__(self, jars: KafkaJars, *, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        free = available_mib()
        if free < NEEDED_MIB:
            raise PartMissingError(f"three-node Kafka: {free} MiB of memory are free, {NEEDED_MIB} are needed")
        ports = free_ports(2 * NODES)
        clients, controllers = ports[:NODES], ports[NODES:]
        self.name = f"Apache Kafka {jars.version}, three nodes"
        self.bootstrap = ",".join(f"127.0.0.1:{port}" for port in clients)
        voters = ",".join(f"{number}@127.0.0.1:{port}" for number, port in enumerate(controllers, start=1))
        cluster_id = new_id()
        self.nodes = tuple(
            KafkaNode(
                jars,
                name=f"Apache Kafka {jars.version}, node {number}",
                bootstrap=f"127.0.0.1:{client}",
                folder=folder / f"node-{number}",
                cluster_id=cluster_id,
                settings={
                    **THREE_REPLICAS,
                    "node.id": str(number),
                    "controller.quorum.voters": voters,
                    "listeners": f"PLAINTEXT://127.0.0.1:{client},CONTROLLER://127.0.0.1:{controller}",
                    "advertised.listeners": f"PLAINTEXT://127.0.0.1:{client}",
                    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
                    "inter.broker.listener.name": "PLAINTEXT",
                    **(settings or {}),
                },
            )
            for number, (client, controller) in enumerate(zip(clients, controllers, strict=True), start=1)
        )

    def start(self) -> str:
        """Start all nodes and return the bootstrap addresses when all serve. Raises what a node raises."""
        for node in self.nodes:
            node.launch()
        for node in self.nodes:
            node.wait()
        return self.bootstrap

    def close(self) -> None:
        """End all nodes and throw their data away; the logs stay."""
        for node in self.nodes:
            node.close()


def available_mib() -> int:
    """Return how much memory new programs can have without swapping, in MiB (Linux `MemAvailable`)."""
    rows = (line.split() for line in MEMORY.read_text(encoding="ascii").splitlines())
    return next(int(row[1]) for row in rows if row[0] == "MemAvailable:") // 1024
