"""Tells a device from a router: whose MAC address stands for one device, and whose for the network behind it.

Compiled; the C types stand in devices.pxd.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector import slices

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

    __slots__ = ("first", "ipv4", "ipv6", "key", "router")

    def __init__(self, mac: bytes, first: bytes) -> None:
        self.key = b"m" + mac
        self.first = first
        self.ipv4: bytes | None = None
        self.ipv6: set[bytes] | None = None
        self.router = False

    def carry(self, address: bytes) -> None:
        if len(address) == IPV4_OCTETS:
            if self.ipv4 is None:
                self.ipv4 = address
            elif self.ipv4 != address:
                self.router = True
        elif self.ipv6 is None:
            self.ipv6 = {address}
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
        # What the last question was about; so is the next one, mostly.
        self._last: dict[bytes, _Carrier] = {}
        self._last_from_ns = 0
        self._last_until_ns = 0
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
        # What a device says that has no address yet (RFC 1122 section 3.2.1.3, RFC 4291 section 2.5.2): all zeros.
        if slices.behind_zeros(address, 0) == len(address):
            return b"m" + mac
        if not self._last_from_ns <= at_ns < self._last_until_ns:
            self._turn_to(at_ns)
        carrier = self._last.get(mac)
        if carrier is None:
            if len(self._last) >= MAX_MACS_A_DAY:
                self.macs_dropped += 1
                return b"a" + address
            carrier = self._last[mac] = _Carrier(mac, address)
        carrier.carry(address)
        if carrier.router and address != carrier.first:
            return b"a" + address
        return carrier.key

    def routers(self) -> int:
        """Return how many MAC addresses of the newest day stand for a network and not for one device."""
        if not self._days:
            return 0
        return sum(carrier.router for carrier in self._days[max(self._days)].values())

    def _turn_to(self, at_ns: int) -> None:
        """Make the day of *at_ns* the one that is asked about."""
        period = self._periods.of(at_ns)
        carriers = self._days.get(period.day)
        if carriers is None:
            carriers = self._days[period.day] = {}
            while len(self._days) > MAX_DAYS:
                del self._days[min(self._days)]
        self._last = carriers
        self._last_from_ns = period.start_ns
        self._last_until_ns = period.end_ns
