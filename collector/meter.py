"""Makes flow events of flows: who asked (segment, pseudonym), for which name, how much. Addresses end here.

Compiled; the C types stand in meter.pxd.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

from collector import flow_hash
from collector.draft import Draft
from collector.flow import Flow
from collector.opening_facts import Opening
from collector.site_addresses import is_group, is_of_site

if TYPE_CHECKING:
    from collector.devices import Devices
    from collector.events import FlowEvent, NameSource
    from collector.names import DnsMemory
    from collector.pseudonyms import Pseudonyms
    from collector.segments import Network

MAX_LONG_NAMES = 262_144
"""Long flows whose name is kept for their next part, more than a tap can have open. Of a flow that another sensor tells
the last part may never come."""
_MOST_LONG_NAMES = MAX_LONG_NAMES  # the same for compiled code, where this is a C variable
_US = 1_000
_NO_CHAIN: tuple[str, ...] = ()

# Stands for a flow whose payload told nothing.
_UNOPENED = Opening()


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
        self._draft = Draft(sensor)
        # The name of the sensor may be of any length: it is hashed once, and numbers are mixed with what comes of it.
        digest = blake2b(sensor.encode(), digest_size=16).digest()
        self._first_seed = int.from_bytes(digest[:8], "big")
        self._second_seed = int.from_bytes(digest[8:], "big")
        self._pseudonyms = pseudonyms
        self._devices = devices
        self._names = names
        self._long_names: dict[int, tuple[str | None, NameSource, tuple[str, ...]]] = {}
        # When the key of the period ends in which a long flow began, by its ordinal.
        self._long_until: dict[int, int] = {}

    def event(self, flow: Flow) -> FlowEvent:
        """Return the event of *flow*; flows must come in the order in which the table let them go."""
        self._fill(flow)
        return self._draft.event()

    def write(self, flow: Flow) -> None:
        """Write the same event as a line of JSON, for `written`."""
        self._fill(flow)
        self._draft.write()

    def written(self) -> bytes:
        """Return the lines written since the last call."""
        return self._draft.take()

    def _fill(self, flow: Flow) -> None:
        """Say in the draft all that the event says."""
        opening = _UNOPENED if flow.opening is None else flow.opening
        network = self.network
        pseudonyms = self._pseudonyms
        lab = pseudonyms is None
        # Nobody sends from the address of a group; what answers to one has a port that a server would have.
        if is_group(flow.client):
            if not is_group(flow.server):
                flow = _reversed(flow)
        elif not flow.certain and not is_group(flow.server) and self._is_reversed(flow, opening):
            flow = _reversed(flow)
        inside = None if network is None else network.locate(flow.client, flow.vlan)
        device = self._devices.key(flow.mac, flow.client, flow.started_ns)
        name: str | None = None
        source: NameSource = "none"
        chain = _NO_CHAIN
        if opening.app != "dns":
            name, source, chain = self._name(flow, opening, device)
        draft = self._draft
        # 80 bits of hash; nobody gains by making two alike, so that a quick one does.
        started_us = flow.started_ns // _US
        draft.id_begin = _hash(self._first_seed, started_us, flow.ordinal, flow.part)
        draft.id_end = _hash(self._second_seed, started_us, flow.ordinal, flow.part) >> 48
        draft.district = None if network is None else network.district_id
        draft.school = None if inside is None else inside.school
        draft.group = None if inside is None else inside.group
        draft.device = None if pseudonyms is None else self._pseudonym(flow, device, pseudonyms)
        draft.client = flow.client if lab else None
        draft.client_port = flow.client_port
        # A name that is no host name is none to be told, and says too much to tell where it was said.
        draft.withheld = name is None and source != "none"
        draft.server = flow.server if lab or not (draft.withheld or self._is_inside(flow.server)) else None
        draft.server_port = flow.server_port
        draft.proto = flow.proto
        draft.started_ns = flow.started_ns
        draft.ended_ns = flow.ended_ns
        draft.bytes_up = flow.bytes_up
        draft.bytes_down = flow.bytes_down
        draft.packets_up = flow.packets_up
        draft.packets_down = flow.packets_down
        draft.server_name = name
        draft.name_source = source
        draft.cnames = chain
        draft.app = opening.app
        draft.tls_version = opening.tls_version
        draft.tls_version_offered = opening.tls_version_offered
        draft.alpn = opening.alpn
        draft.ech = opening.ech
        draft.plaintext_bytes_up = flow.payload_up if opening.plaintext else 0
        draft.plaintext_data = opening.plaintext_data
        draft.end = flow.end
        draft.part = flow.part

    def _pseudonym(self, flow: Flow, device: bytes, pseudonyms: Pseudonyms) -> str:
        """Return whose flow this is.

        A part that begins under another key than its flow did goes under a pseudonym of that flow alone: the parts tell
        by number, time and server that they belong together, and would join the device's days.
        """
        if flow.part == 0:
            if flow.end == "active":
                if len(self._long_until) >= _MOST_LONG_NAMES:
                    del self._long_until[next(iter(self._long_until))]
                self._long_until[flow.ordinal] = pseudonyms.end_ns(flow.started_ns)
        elif self._long_until:
            until = self._long_until.get(flow.ordinal, flow.started_ns + 1)
            if flow.end != "active":
                self._long_until.pop(flow.ordinal, None)
            if flow.started_ns >= until:
                device = b"f%d" % flow.ordinal
        return pseudonyms.of(device, flow.started_ns)

    def _is_reversed(self, flow: Flow, opening: Opening) -> bool:
        """Return whether the server is the client: who asked tells, else who is inside the district."""
        if opening.reversed:
            return True
        network = self.network
        return (
            network is not None
            and network.locate(flow.server, None) is not None
            and network.locate(flow.client, None) is None
        )

    def _is_inside(self, address: bytes) -> bool:
        """Return whether an address is of the district.

        A VLAN segment covers both directions of a flow: it says whose a client is, not who is inside. What is inside of
        it, and link-local addresses, which are made of MAC addresses, show by their kind.
        """
        network = self.network
        return is_of_site(address) or (network is not None and network.locate(address, None) is not None)

    def _name(self, flow: Flow, opening: Opening, device: bytes) -> tuple[str | None, NameSource, tuple[str, ...]]:
        """Return name, source and CNAME chain; every part of a long flow carries what its first part had."""
        if flow.part:
            kept = self._long_names.get(flow.ordinal)
            if kept is not None and (
                kept[0] is not None or (opening.server_name is None and kept[1] == opening.name_source)
            ):
                if flow.end != "active":
                    del self._long_names[flow.ordinal]
                return kept
        found: tuple[str | None, NameSource, tuple[str, ...]]
        if opening.server_name is not None:
            chain = self._names.chain_of(device, opening.server_name, flow.started_ns)
            found = (opening.server_name, opening.name_source, chain)
        else:
            answer = self._names.name_of(device, flow.server, flow.started_ns)
            found = (None, opening.name_source, _NO_CHAIN) if answer is None else (answer[0], "dns", answer[1])
        if flow.end == "active":
            if len(self._long_names) >= _MOST_LONG_NAMES:
                del self._long_names[next(iter(self._long_names))]
            self._long_names[flow.ordinal] = found
        elif flow.part:
            self._long_names.pop(flow.ordinal, None)
        return found


def _hash(seed: int, started_us: int, ordinal: int, part: int) -> int:
    value = flow_hash.mix(flow_hash.mix(flow_hash.mix(seed, started_us), ordinal), part)
    return flow_hash.mix(value ^ (value >> 32), 0)


def _reversed(flow: Flow) -> Flow:
    """Return *flow* with its ends exchanged."""
    return Flow(
        client=flow.server,
        server=flow.client,
        client_port=flow.server_port,
        server_port=flow.client_port,
        proto=flow.proto,
        started_ns=flow.started_ns,
        ended_ns=flow.ended_ns,
        bytes_up=flow.bytes_down,
        bytes_down=flow.bytes_up,
        packets_up=flow.packets_down,
        packets_down=flow.packets_up,
        payload_up=flow.payload_down,
        payload_down=flow.payload_up,
        ordinal=flow.ordinal,
        part=flow.part,
        end=flow.end,
        vlan=flow.vlan,
        mac=flow.server_mac,
        server_mac=flow.mac,
        certain=flow.certain,
        opening=flow.opening,
    )
