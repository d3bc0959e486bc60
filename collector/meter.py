"""Makes flow events of flows: who asked (segment, pseudonym), for which name, how much. Addresses end here."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING

from collector.events import FlowEvent
from collector.opening_facts import Opening

if TYPE_CHECKING:
    from collector.devices import Devices
    from collector.events import NameSource
    from collector.flows import Flow
    from collector.names import DnsMemory
    from collector.pseudonyms import Pseudonyms
    from collector.segments import Network, Segment

ID_OCTETS = 10
NS = 1_000_000_000
NO_CHAIN: tuple[str, ...] = ()


# Stands for a flow whose payload told nothing.
_UNOPENED = Opening()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sides:
    """A flow with its client made sure."""

    client: bytes
    server: bytes
    client_port: int
    server_port: int
    bytes_up: int
    bytes_down: int
    packets_up: int
    packets_down: int
    payload_up: int
    mac: bytes | None
    inside: Segment | None
    """Segment of the client."""
    server_inside: bool
    """The server lies in a segment of the network file."""


class Meter:
    """Turns flows into events.

    Args:
        sensor: name of this collector.
        network: the network file; None: school and group stay unknown.
        pseudonyms: names devices; None: events carry addresses instead (lab work).
        devices: which MAC addresses are devices.
        names: the devices' own DNS answers.
    """

    def __init__(
        self,
        *,
        sensor: str,
        network: Network | None,
        pseudonyms: Pseudonyms | None,
        devices: Devices,
        names: DnsMemory,
    ) -> None:
        self.network = network
        self._sensor = sensor
        self._pseudonyms = pseudonyms
        self._devices = devices
        self._names = names
        self._long_names: dict[int, tuple[str | None, NameSource, tuple[str, ...]]] = {}
        self._stamp_second = -1
        self._stamp_prefix = ""

    def event(self, flow: Flow) -> FlowEvent:
        """Return the event of *flow*; flows must come in the order in which the table let them go."""
        opening: Opening = flow.opening or _UNOPENED
        sides = self._sides(flow, client_is_server=opening.reversed)
        device = self._devices.key(sides.mac, sides.client, flow.started_ns)
        name, source, chain = self._name(flow, opening=opening, device=device, server=sides.server)
        inside = sides.inside
        lab = self._pseudonyms is None
        return FlowEvent(
            id=self._id(flow),
            sensor=self._sensor,
            district=self.network.district_id if self.network else None,
            school=inside.school if inside else None,
            group=inside.group if inside else None,
            device=None if self._pseudonyms is None else self._pseudonyms.of(device, at_ns=flow.started_ns),
            src_ip=str(ip_address(sides.client)) if lab else None,
            src_port=sides.client_port if lab else None,
            dst_ip=None if sides.server_inside and not lab else str(ip_address(sides.server)),
            dst_port=sides.server_port,
            proto=flow.proto,
            started_at=self._stamp(flow.started_ns),
            ended_at=self._stamp(flow.ended_ns),
            bytes_up=sides.bytes_up,
            bytes_down=sides.bytes_down,
            packets_up=sides.packets_up,
            packets_down=sides.packets_down,
            server_name=name,
            name_source=source,
            cnames=chain,
            app=opening.app,
            tls_version=opening.tls_version,
            tls_version_offered=opening.tls_version_offered,
            alpn=opening.alpn,
            ech=opening.ech,
            plaintext_bytes_up=sides.payload_up if opening.plaintext else 0,
            plaintext_data=opening.plaintext_data,
            end=flow.end,
            part=flow.part,
        )

    def _sides(self, flow: Flow, *, client_is_server: bool) -> _Sides:
        """Make sure which side is the client: who sent the SYN, else who asked, else who is inside the district."""
        network = self.network
        # A VLAN segment covers both directions of a flow: it says whose a client is, not who is inside.
        client_inside = network is not None and network.locate(flow.client, None) is not None
        server_inside = network is not None and network.locate(flow.server, None) is not None
        if not flow.certain and (client_is_server or (server_inside and not client_inside)):
            return _Sides(
                client=flow.server,
                server=flow.client,
                client_port=flow.server_port,
                server_port=flow.client_port,
                bytes_up=flow.bytes_down,
                bytes_down=flow.bytes_up,
                packets_up=flow.packets_down,
                packets_down=flow.packets_up,
                payload_up=flow.payload_down,
                mac=flow.server_mac,
                inside=network.locate(flow.server, flow.vlan) if network else None,
                server_inside=client_inside,
            )
        return _Sides(
            client=flow.client,
            server=flow.server,
            client_port=flow.client_port,
            server_port=flow.server_port,
            bytes_up=flow.bytes_up,
            bytes_down=flow.bytes_down,
            packets_up=flow.packets_up,
            packets_down=flow.packets_down,
            payload_up=flow.payload_up,
            mac=flow.mac,
            inside=network.locate(flow.client, flow.vlan) if network else None,
            server_inside=server_inside,
        )

    def _name(
        self, flow: Flow, *, opening: Opening, device: bytes, server: bytes
    ) -> tuple[str | None, NameSource, tuple[str, ...]]:
        """Return name, source and CNAME chain; every part of a long flow carries what its first part had."""
        if flow.part:
            kept = self._long_names.get(flow.ordinal)
            if kept is not None and (kept[0] is not None or opening.server_name is None):
                if flow.end != "active":
                    del self._long_names[flow.ordinal]
                return kept
        found: tuple[str | None, NameSource, tuple[str, ...]]
        if opening.server_name is not None:
            chain = self._names.chain_of(device, opening.server_name, flow.started_ns)
            found = (opening.server_name, opening.name_source, chain)
        elif opening.app == "dns":
            found = (None, "none", NO_CHAIN)
        else:
            answer = self._names.name_of(device, server, flow.started_ns)
            found = (answer[0], "dns", answer[1]) if answer else (None, "none", NO_CHAIN)
        if flow.end == "active":
            self._long_names[flow.ordinal] = found
        else:
            self._long_names.pop(flow.ordinal, None)
        return found

    def _id(self, flow: Flow) -> str:
        text = f"{self._sensor}|{flow.started_ns // 1000}|{flow.ordinal}|{flow.part}"
        return hashlib.blake2b(text.encode(), digest_size=ID_OCTETS).hexdigest()

    def _stamp(self, at_ns: int) -> str:
        second, rest = divmod(at_ns, NS)
        if second != self._stamp_second:
            self._stamp_second = second
            self._stamp_prefix = datetime.fromtimestamp(second, tz=UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return f"{self._stamp_prefix}.{rest // 1000:06d}Z"
