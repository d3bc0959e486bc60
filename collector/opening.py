"""Makes the opening that fits a flow, and holds what all of them share: DNS memory, counters, bounds.

Compiled; the C types stand in opening.pxd.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from collector.flow_opener import Opener
from collector.holdings import Holdings
from collector.opening_dns import Learner, dns_datagrams, dns_segments
from collector.opening_facts import Opening, OpeningCounters
from collector.opening_quic import AttemptBudget, quic_opening
from collector.opening_tcp import tcp_opening

if TYPE_CHECKING:
    from collector.names import DnsMemory
    from collector.opening_dns import DeviceKey

DNS_PORT = 53
_DNS = DNS_PORT  # the same for compiled code, where this is a C variable


class Openings(Opener):
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

    @property
    def taken(self) -> float:
        """About what share of the room for first octets that wait for more is taken."""
        return self._holdings.taken()

    def asks_who(self, client_port: int, server_port: int) -> bool:  # noqa: D102 -- see the base
        return client_port == _DNS or server_port == _DNS  # noqa: PLR1714 -- compiled to two comparisons

    def open(  # noqa: D102 -- see the base
        self,
        proto: Literal["tcp", "udp"],
        client: bytes,
        server: bytes,
        client_port: int,
        server_port: int,
        mac: bytes | None,
        server_mac: bytes | None,
        at_ns: int,  # noqa: ARG002 -- what is known now does not depend on it
    ) -> Opening | None:
        dns = client_port == _DNS or server_port == _DNS  # noqa: PLR1714 -- compiled to two comparisons
        if proto == "udp":
            if dns:
                return dns_datagrams(self._learner, client, server, mac, server_mac)
            return quic_opening(self._counters, self._budget, self._holdings, client_port, server_port)
        if dns:
            return dns_segments(self._learner, client, server, mac, server_mac)
        return tcp_opening(self._counters, self._holdings, client_port, server_port)
