"""Makes the opening that fits a flow, and holds what all of them share: DNS memory, counters, bounds.

Compiled; the C types stand in opening.pxd.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from collector.holdings import Holdings
from collector.opening_dns import DnsDatagrams, DnsSegments, Learner
from collector.opening_facts import Opening, OpeningCounters
from collector.opening_quic import AttemptBudget, QuicOpening
from collector.opening_tcp import TcpOpening

if TYPE_CHECKING:
    from collector.names import DnsMemory
    from collector.opening_dns import DeviceKey

__all__ = ["DNS_PORT", "Opening", "Openings"]

DNS_PORT = 53


class Openings:
    """Opens flows.

    Args:
        memory: learns the answers that devices get.
        device_key: names the device behind a client (`Devices.key`); asked only for DNS answers.
    """

    __slots__ = ("_budget", "_counters", "_holdings", "_learner", "memory")

    def __init__(self, memory: DnsMemory, *, device_key: DeviceKey) -> None:
        self.memory = memory
        self._counters = OpeningCounters()
        self._budget = AttemptBudget()
        self._holdings = Holdings()
        self._learner = Learner(memory, device_key=device_key, counters=self._counters, holdings=self._holdings)

    @property
    def counters(self) -> OpeningCounters:
        """What went wrong or met a bound so far."""
        self._counters.openings_shed = self._holdings.shed
        return self._counters

    def open(
        self,
        *,
        proto: Literal["tcp", "udp"],
        client: bytes,
        server: bytes,
        client_port: int,
        server_port: int,
        mac: bytes | None,
        at_ns: int,
        server_mac: bytes | None = None,
    ) -> Opening | None:
        """Return the opening of a new flow; None: nothing in it could tell a name.

        Args:
            proto: transport protocol.
            client: address of the provisional client, 4 or 16 octets.
            server: address of the provisional server.
            client_port: port of the provisional client.
            server_port: port of the provisional server.
            mac: MAC address of the provisional client; None: unknown.
            at_ns: when the first payload passed, nanoseconds since the epoch.
            server_mac: MAC address of the provisional server, for flows that turn out reversed; None: unknown.
        """
        del at_ns
        if client_port == DNS_PORT or server_port == DNS_PORT:  # noqa: PLR1714 -- faster than a set
            if proto == "udp":
                return DnsDatagrams(self._learner, client, server, mac, server_mac)
            return DnsSegments(self._learner, client, server, mac, server_mac)
        if proto == "udp":
            return QuicOpening(
                self._counters, self._budget, self._holdings, client_port=client_port, server_port=server_port
            )
        return TcpOpening(self._counters, self._holdings, client_port=client_port, server_port=server_port)
