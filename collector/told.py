"""What a process that reads a tap tells the one that names devices: flows, DNS answers, and how far it is.

Both are of one program; still everything is read strictly, for whoever reads a network stands nearest to its strangers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from collector.events import App, End, NameSource, TlsVersion  # noqa: TC001 -- msgspec reads the hints
from collector.flow import Flow
from collector.opening_facts import Opening

if TYPE_CHECKING:
    from collections.abc import Iterator

LENGTH_OCTETS: Final = 4
MAX_REPORT_OCTETS: Final = 64 << 20
"""No report is longer: thousands of flows that end at once take a few mebibytes."""


class ToldAnswer(msgspec.Struct, array_like=True, tag=0, gc=False, frozen=True, kw_only=True):
    """A DNS answer that a device was given."""

    at_ns: int
    """When, nanoseconds since the epoch."""
    mac: bytes | None
    """Link address of the device; None: unknown."""
    client: bytes
    """Its address, 4 or 16 octets."""
    name: str
    """What it asked for. Untrusted, like all that follows."""
    chain: tuple[str, ...]
    """CNAME targets from there on, in order."""
    addresses: tuple[bytes, ...]
    """What it was given."""
    ttl_s: int
    """Seconds for which the answer may be kept."""


class ToldOpening(msgspec.Struct, array_like=True, gc=False, frozen=True, kw_only=True):
    """What the first octets of a flow told (collector/opening_facts.py says what the fields mean)."""

    server_name: str | None
    name_source: NameSource
    app: App
    tls_version: TlsVersion | None
    tls_version_offered: bool
    alpn: str | None
    ech: bool
    plaintext: bool
    plaintext_data: bool | None
    reversed: bool


class ToldFlow(msgspec.Struct, array_like=True, tag=1, gc=False, kw_only=True):
    """A flow, or one part of a long one (collector/flow.py says what the fields mean)."""

    at_ns: int
    """When it was given out, nanoseconds since the epoch; not before the real moment, and a block later at most."""
    client: bytes
    server: bytes
    client_port: int
    server_port: int
    proto: Literal["tcp", "udp"]
    started_ns: int
    ended_ns: int
    bytes_up: int
    bytes_down: int
    packets_up: int
    packets_down: int
    payload_up: int
    payload_down: int
    ordinal: int
    part: int
    end: End
    vlan: int | None
    mac: bytes | None
    server_mac: bytes | None
    certain: bool
    opening: ToldOpening | None


class Report(msgspec.Struct, array_like=True, kw_only=True):
    """What one process tells at one time; totals are since its start."""

    told: list[ToldAnswer | ToldFlow]
    reached_ns: int
    """What is told later is of this time or later, nanoseconds since the epoch."""
    packets: int
    """Frames read."""
    dropped: int
    """Frames that the kernel had no room for."""
    skipped: dict[str, int]
    """Frames that count to no flow, by reason."""
    affected: dict[str, int]
    """What went wrong or met a bound while openings were read, by reason."""
    flows_live: int
    """Flows in the table."""
    flows_evicted: int
    """Flows ended because the table was full."""
    openings_taken: float
    """Share of the room for first octets that wait for more that is taken, about."""
    ring_octets: int
    """Octets of the capture ring."""
    rings_grown: int
    """Times that the ring was replaced by a larger one."""
    last: bool
    """Nothing comes after it."""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Report)


def told_flow(flow: Flow) -> ToldFlow:
    """Return what is told of *flow* as it is now; `at_ns` is set by whoever sends it."""
    found: Any = flow.opening
    opening = None
    if found is not None:
        opening = ToldOpening(
            server_name=found.server_name,
            name_source=found.name_source,
            app=found.app,
            tls_version=found.tls_version,
            tls_version_offered=found.tls_version_offered,
            alpn=found.alpn,
            ech=found.ech,
            plaintext=found.plaintext,
            plaintext_data=found.plaintext_data,
            reversed=found.reversed,
        )
    return ToldFlow(
        at_ns=0,
        client=flow.client,
        server=flow.server,
        client_port=flow.client_port,
        server_port=flow.server_port,
        proto=flow.proto,
        started_ns=flow.started_ns,
        ended_ns=flow.ended_ns,
        bytes_up=flow.bytes_up,
        bytes_down=flow.bytes_down,
        packets_up=flow.packets_up,
        packets_down=flow.packets_down,
        payload_up=flow.payload_up,
        payload_down=flow.payload_down,
        ordinal=flow.ordinal,
        part=flow.part,
        end=flow.end,
        vlan=flow.vlan,
        mac=flow.mac,
        server_mac=flow.server_mac,
        certain=flow.certain,
        opening=opening,
    )


def flow_of(told: ToldFlow) -> Flow:
    """Return the flow again."""
    opening = None
    if told.opening is not None:
        said = told.opening
        opening = Opening()
        opening.server_name = said.server_name
        opening.name_source = said.name_source
        opening.app = said.app
        opening.tls_version = said.tls_version
        opening.tls_version_offered = said.tls_version_offered
        opening.alpn = said.alpn
        opening.ech = said.ech
        opening.plaintext = said.plaintext
        opening.plaintext_data = said.plaintext_data
        opening.reversed = said.reversed
    return Flow(
        client=told.client,
        server=told.server,
        client_port=told.client_port,
        server_port=told.server_port,
        proto=told.proto,
        started_ns=told.started_ns,
        ended_ns=told.ended_ns,
        bytes_up=told.bytes_up,
        bytes_down=told.bytes_down,
        packets_up=told.packets_up,
        packets_down=told.packets_down,
        payload_up=told.payload_up,
        payload_down=told.payload_down,
        ordinal=told.ordinal,
        part=told.part,
        end=told.end,
        vlan=told.vlan,
        mac=told.mac,
        server_mac=told.server_mac,
        certain=told.certain,
        opening=opening,
    )


def encoded(report: Report) -> bytes:
    """Return the report as it goes through a pipe: its length, and itself."""
    octets = _encoder.encode(report)
    return len(octets).to_bytes(LENGTH_OCTETS, "big") + octets


class Reports:
    """Puts reports together again out of what comes through a pipe."""

    def __init__(self) -> None:
        self._octets = bytearray()

    def take(self, octets: bytes) -> Iterator[Report]:
        """Take octets in, and yield the reports that are whole now.

        Raises:
            ValueError: this is no report.
        """
        self._octets += octets
        at = 0
        while len(self._octets) - at >= LENGTH_OCTETS:
            end = at + LENGTH_OCTETS + int.from_bytes(self._octets[at : at + LENGTH_OCTETS], "big")
            if end - at > MAX_REPORT_OCTETS:
                raise ValueError("a report of impossible length")
            if end > len(self._octets):
                break
            yield _decoder.decode(memoryview(self._octets)[at + LENGTH_OCTETS : end].tobytes())
            at = end
        del self._octets[:at]
