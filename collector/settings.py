"""The parts of the configuration file that the collector reads. Read once; the core gets plain values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from collector.fields import Record
from collector.problems import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator


class Source(Record):
    """Where frames come from: an interface, or captures."""

    interface: str | list[str] | None = None
    """Network interface, or several, that carries a copy of the traffic."""
    capture: list[str] | None = None
    """Capture files, read in this order."""
    speed: Annotated[float, Field(ge=0, le=10_000)] = 0.0
    """0: as fast as possible; 1: as recorded; 2: twice as fast."""

    def faults(self) -> Iterator[Fault]:
        """Refuse a source that names both an interface and captures, or neither."""
        if (self.interface is None) == (self.capture is None):
            yield Fault(
                at=(),
                what="a source is either an interface or a list of captures",
                remedy="write `interface: eth1` or `capture: [day.pcap]`, not both",
            )


class Spool(Record):
    """The durable queue between the tap and the broker."""

    path: str = "spool.db"
    """File of the queue."""
    max_bytes: Annotated[int, Field(ge=1 << 20)] = 1 << 30
    """Bound in octets."""
    when_full: Literal["drop_oldest", "stop"] = "drop_oldest"
    """What to do at the bound."""


class SecretFile(Record):
    """A secret that stands in a file of its own."""

    file: str
    """Path of the file; relative paths start at the configuration file."""


Secret = str | SecretFile


class KafkaSecurity(Record):
    """How to talk to the broker."""

    protocol: Literal["PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    mechanism: Literal["SCRAM-SHA-512"] | None = None
    user: str | None = None
    password: Secret | None = None
    ca: str | None = None


class Kafka(Record):
    """The broker."""

    bootstrap: list[str] = Field(default_factory=lambda: ["127.0.0.1:9092"])
    security: KafkaSecurity = KafkaSecurity()


class Metrics(Record):
    """Where Prometheus reads."""

    listen: str = "127.0.0.1:9464"
    """HOST:PORT."""


class Privacy(Record):
    """What the monitor promises about itself."""

    pseudonym_hours: Literal[1, 2, 3, 4, 6, 8, 12, 24] = 24
    """Lifetime of a pseudonym key; it divides a day."""
    key_file: str = "keys"
    """Sealed file of the open keys."""
    release_after_devices: Annotated[int, Field(ge=1)] = 5
    """Devices that must have asked for an unlisted name before it leaves the collector."""
    flow_retention_hours: Annotated[int, Field(ge=1, le=72)] = 72
    """Hours that flow events are kept."""
    off_schools: list[str] = Field(default_factory=list)
    """Schools that are not watched at all."""


class CollectorSettings(Record):
    """Everything the collector reads."""

    schema_: Annotated[Literal["schoolgate/config/1"], Field(alias="schema")]
    """Version of this file."""
    sensor: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")] = "sensor"
    """Name of this collector, as it appears in events."""
    source: Source | None = None
    """Where frames come from."""
    network: str
    """The network file."""
    spool: Spool = Spool()
    kafka: Kafka = Kafka()
    metrics: Metrics = Metrics()
    privacy: Privacy = Privacy()
