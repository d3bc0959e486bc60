"""Where rounds run, one after the other: a real Apache Kafka, networks that can be cut, and a clock that can jump."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from collector.brokers import quiet_client_library
from tests.chaos import networks
from tests.chaos.clock import Clock
from tests.chaos.material import Material
from tests.chaos.networks import Networks, Side
from tests.parts import kafka_jars
from tests.parts.broker import KafkaBroker
from tests.parts.cache import PartMissingError
from tests.system.product import SAMPLE

LOOPBACK = "127.0.0.1"


class Lane:
    """A place for rounds. With root, this process moves into namespaces of its own when a lane is opened.

    Args:
        folder: gets the broker and one folder a round.

    Raises:
        PartMissingError: Apache Kafka cannot be had.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        quiet_client_library()
        self.folder = folder
        # Fetched before this process leaves the network of the machine.
        self._jars = kafka_jars.set_up()
        self.lacks = networks.possible()
        """Why faults of networks and disks are not possible here; None: they are."""
        self.networks = None if self.lacks else Networks()
        self.clock: Clock | None = None
        with suppress(PartMissingError):
            self.clock = Clock(folder)
        self.material = Material(folder, network=SAMPLE / "network.yaml")
        self._brokers = 0
        self.broker = self._new_broker()

    def inside(self, side: Side) -> list[str]:
        """Return what to put before a command so that it runs on that side of the network."""
        return self.networks.inside(side) if self.networks else []

    def replace_broker(self) -> None:
        """Take a fresh broker: a round that failed may have left anything."""
        self.broker.close()
        self.broker = self._new_broker()

    def mount(self, place: Path, *, octets: int) -> None:
        """Put a small disk at *place*."""
        place.mkdir()
        networks.run("mount", "-t", "tmpfs", "-o", f"size={octets},mode=700", "chaos", str(place))

    def unmount(self, place: Path) -> None:
        """Take it away."""
        with suppress(OSError):
            networks.run("umount", "--lazy", str(place))

    def close(self) -> None:
        """Let the broker go."""
        self.broker.close()
        shutil.rmtree(self.broker.folder, ignore_errors=True)

    def _new_broker(self) -> KafkaBroker:
        self._brokers += 1
        broker = KafkaBroker(
            self._jars,
            folder=self.folder / f"broker-{self._brokers}",
            host=networks.BROKER if self.networks else LOOPBACK,
        )
        broker.start()
        return broker
