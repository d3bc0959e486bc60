"""The parts of the configuration file that the collector reads. Read once; the core gets plain values."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from collector.fields import Record, Secret
from collector.problems import Fault, shown
from collector.server_tls import ServerTls

if TYPE_CHECKING:
    from collections.abc import Iterator


MAX_PROCESSES = 64
"""Processes that read one tap."""
HIGHEST_PORT = 65_535


class NameLogs(Record):
    """Where the DNS answers come from that give flows of NetFlow their names."""

    zeek: str | None = None
    """Folder of Zeek's logs; `dns.log` in it is read."""
    suricata: str | None = None
    """EVE log of Suricata with `dns` events."""
    interface: str | None = None
    """Network interface that carries a copy of the look-ups."""

    def faults(self) -> Iterator[Fault]:
        """Refuse none and several."""
        if sum(each is not None for each in (self.zeek, self.suricata, self.interface)) != 1:
            yield Fault(
                at=(),
                what="the answers come from one place",
                remedy="write one of `zeek: FOLDER`, `suricata: eve.json` and `interface: eth1`",
            )


class Netflow(Record):
    """Flows that routers tell (NetFlow version 9, IPFIX). They have no names of their own."""

    listen: str
    """HOST:PORT, over UDP."""
    dns: NameLogs | None = None
    """Where names come from. None: there are none, and little can be judged."""
    exporters: list[str] = Field(default_factory=list)
    """Addresses that are believed; empty: whoever reaches the port. Datagrams are easily forged."""

    def faults(self) -> Iterator[Fault]:
        """Refuse a place that is none, and an exporter that is no address."""
        if listen_address(self.listen) is None:
            what = f"{shown(self.listen)} is no HOST:PORT"
            yield Fault(at=("listen",), what=what, remedy="write an address and a port, such as 127.0.0.1:2055")
        for place, exporter in enumerate(self.exporters):
            if not _is_address(exporter):
                what = f"{shown(exporter)} is no address"
                yield Fault(at=("exporters", place), what=what, remedy="write one such as 192.0.2.1")


def listen_address(text: str) -> tuple[str, int] | None:
    """Return the address and the port of HOST:PORT or [HOST]:PORT; None: it is none."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not _is_address(host) or not port.isascii() or not port.isdigit() or not 0 < int(port[:6]) <= HIGHEST_PORT:
        return None
    return host, int(port)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


class Source(Record):
    """What is looked through: an interface, captures, or what another sensor tells."""

    interface: str | list[str] | None = None
    """Network interface, or several, that carries a copy of the traffic."""
    processes: Annotated[int, Field(ge=1, le=MAX_PROCESSES)] = 1
    """Processes that read the interface side by side, where one core is not enough. For interfaces alone."""
    capture: list[str] | None = None
    """Files, read in this order: captures, flow events, or finished logs of Zeek and Suricata, or a folder of them."""
    zeek: str | None = None
    """Folder in which Zeek writes `conn.log` and the others; they are followed as they grow."""
    suricata: str | list[str] | None = None
    """EVE log of Suricata, or several that it writes side by side; followed as they grow."""
    netflow: Netflow | None = None
    """A port to which routers send what they counted."""
    speed: Annotated[float, Field(ge=0, le=10_000)] = 0.0
    """0: as fast as possible; 1: as recorded; 2: twice as fast. For captures alone."""
    link_octets: Annotated[int, Field(ge=0, le=64)] = 14
    """Octets before the IP header, which Suricata counts: 14 on Ethernet, 0 where it gets IP packets alone (NFQ)."""
    places: str = "places.json"
    """File that keeps how far the logs of another sensor are read."""

    def faults(self) -> Iterator[Fault]:
        """Refuse a source that names several things to look through, or none."""
        named = (self.interface, self.capture, self.zeek, self.suricata, self.netflow)
        if sum(each is not None for each in named) != 1:
            yield Fault(
                at=(),
                what="a source is either an interface or a list of captures, or one other sensor",
                remedy="write one of `interface: eth1`, `capture: [day.pcap]`, `zeek: FOLDER`, `suricata: eve.json` "
                "and `netflow: {listen: 127.0.0.1:2055}`, not both",
            )
        if self.processes > 1 and self.interface is None:
            yield Fault(at=("processes",), what="`processes` is for interfaces alone", remedy="remove `processes`")

    @property
    def is_sensor(self) -> bool:
        """Another sensor is followed."""
        return self.zeek is not None or self.suricata is not None or self.netflow is not None


class Spool(Record):
    """The durable queue between the tap and the broker."""

    path: str = "spool.db"
    """File of the queue."""
    max_bytes: Annotated[int, Field(ge=1 << 20)] = 1 << 30
    """Bound in octets."""
    when_full: Literal["drop_oldest", "stop"] = "drop_oldest"
    """What to do at the bound."""


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
    tls: ServerTls | None = None
    """Certificate and key; None: over HTTP."""

    @property
    def scheme(self) -> str:
        """How its address begins."""
        return "https" if self.tls is not None else "http"

    def faults(self) -> Iterator[Fault]:
        """Refuse a place that is none."""
        host, _, port = self.listen.rpartition(":")
        if not host or not port.isascii() or not port.isdigit() or int(port[:6]) > HIGHEST_PORT:
            yield Fault(at=("listen",), what=f"{shown(self.listen)} is no HOST:PORT", remedy="write 127.0.0.1:9464")


class BreakGlass(Record):
    """How one device of today may be named when two people say so (docs/break-glass.md)."""

    public_key: str
    """File of the key that approvals are checked with (PEM); on the collector's host."""
    socket: str = "break-glass.sock"
    """Socket at which the collector answers its own user and root."""
    signing_key: str | None = None
    """File of the key that approvals are signed with; where the case store is, and nowhere else."""


class Privacy(Record):
    """What the monitor promises about itself."""

    pseudonym_hours: Literal[1, 2, 3, 4, 6, 8, 12, 24] = 24
    """Lifetime of a pseudonym key; it divides a day."""
    key_file: str = "keys"
    """Sealed file of the open keys."""
    release_after_devices: Annotated[int, Field(ge=1)] = 5
    """Devices that must have asked for an unlisted name before it leaves the collector."""
    sensitive: list[str] = Field(default_factory=list)
    """Files of further domains whose names never leave the collector, beside those that ship with it."""
    flow_retention_hours: Annotated[int, Field(ge=1, le=72)] = 72
    """Hours that flow events are kept."""
    finding_retention_days: Annotated[int, Field(ge=1, le=90)] = 90
    """Days that findings and counts of contacts are kept, and inputs are known again."""
    case_retention_days: Annotated[int, Field(ge=1)] | None = None
    """Days that a case is kept after it has ended; None: until somebody forgets it."""
    case_certificates: str | None = None
    """Folder for purge certificates: cases that are due are forgotten by themselves. None: they are only named."""
    told_retention_days: Annotated[int, Field(ge=1, le=400)] = 400
    """Days that it is kept what was told to whom, and who signed in to the desk."""
    off_schools: list[str] = Field(default_factory=list)
    """Schools that are not watched at all."""
    break_glass: BreakGlass | Literal[False] = False
    """Off unless a district decides otherwise: no socket, and no way to name a device."""


class Hardening(Record):
    """What the process takes from itself before it reads the first octet."""

    system_calls: Literal["restricted", "unrestricted"] = "restricted"
    """Whether system calls that watching never needs are taken away; the other word is for kernels that cannot."""


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
    hardening: Hardening = Hardening()
