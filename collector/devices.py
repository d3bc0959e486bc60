"""Tells a device from a router: whose MAC address stands for one device, and whose for the network behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date

    from collector.periods import Periods

MAX_IPV6_A_DAY = 16
"""IPv6 addresses that one device may carry in a day (privacy extensions, RFC 8981); more mean a router."""
MAX_MACS_A_DAY = 65_536
MAX_DAYS = 2
IPV4_OCTETS = 4


class _Carrier:
    """What one MAC address carried on one day."""

    __slots__ = ("first", "ipv4", "ipv6", "router")

    def __init__(self, first: bytes) -> None:
        self.first = first
        self.ipv4: bytes | None = None
        self.ipv6: set[bytes] = set()
        self.router = False

    def carry(self, address: bytes) -> None:
        if len(address) == IPV4_OCTETS:
            if self.ipv4 is None:
                self.ipv4 = address
            elif self.ipv4 != address:
                self.router = True
        elif len(self.ipv6) < MAX_IPV6_A_DAY or address in self.ipv6:
            self.ipv6.add(address)
        else:
            self.router = True


class Devices:
    """Maps (MAC address, IP address, day) to a device.

    A device is a MAC address while it carries at most one IPv4 and 16 IPv6 addresses a day, else (a router) the
    address. The first address of a router keeps the key it had, so that finding out costs no second device.
    """

    def __init__(self, periods: Periods) -> None:
        self._periods = periods
        self._days: dict[date, dict[bytes, _Carrier]] = {}
        self.macs_dropped = 0
        """Flows of MAC addresses beyond the bound; their devices are counted by address."""

    def key(self, mac: bytes | None, address: bytes, at_ns: int) -> bytes:
        """Return an opaque key of the device; it holds addresses, so it never leaves the collector's memory.

        Args:
            mac: six octets; None: unknown (a tunnel, a link without MAC addresses).
            address: 4 or 16 octets.
            at_ns: nanoseconds since the epoch.
        """
        if mac is None:
            return b"a" + address
        carriers = self._carriers(self._periods.of(at_ns).day)
        carrier = carriers.get(mac)
        if carrier is None:
            if len(carriers) >= MAX_MACS_A_DAY:
                self.macs_dropped += 1
                return b"a" + address
            carrier = carriers[mac] = _Carrier(address)
        carrier.carry(address)
        if carrier.router and address != carrier.first:
            return b"a" + address
        return b"m" + mac

    def routers(self) -> int:
        """Return how many MAC addresses of the newest day stand for a network and not for one device."""
        if not self._days:
            return 0
        return sum(carrier.router for carrier in self._days[max(self._days)].values())

    def _carriers(self, day: date) -> dict[bytes, _Carrier]:
        carriers = self._days.get(day)
        if carriers is None:
            carriers = self._days[day] = {}
            while len(self._days) > MAX_DAYS:
                del self._days[min(self._days)]
        return carriers
