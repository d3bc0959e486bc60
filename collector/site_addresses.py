"""Tells addresses that mean something within a site alone from those of the Internet.

Whoever has the first kind is a device of the school, or nobody: it says who, and not which company. The documentation
ranges count as the Internet, which captures made for tests take them for; so `ipaddress.is_global` is no test here.
Compiled; the C types stand in site_addresses.pxd.
"""

from __future__ import annotations

from collector import slices

_IPV4_OCTETS = 4


def is_of_site(address: bytes) -> bool:
    """Say whether *address* (4 or 16 octets) is link-local, private, loopback, shared, unspecified, or of a group.

    Source: RFC 6890, RFC 1918, RFC 6598 (behind a provider's translator), RFC 3927, RFC 1112 (from 224/4 on, with what
    is reserved behind it and the broadcast of RFC 919); RFC 4193, RFC 4291, RFC 3879 for IPv6. An IPv4 address within
    IPv6 (`::ffff:0:0/96`) is what it is without; `::/96` holds nothing but `::`, `::1` and what nobody uses any more.
    """
    at = _ipv4_at(address)
    if at < 0:
        first = address[0]
        return (
            first == 0xFF
            or first & 0xFE == 0xFC
            or (first == 0xFE and address[1] & 0x80 != 0)
            or slices.behind_zeros(address, 0) >= 12
        )
    first = address[at]
    second = address[at + 1]
    return (
        first in {0, 10, 127}
        or first >= 224
        or (first == 192 and second == 168)
        or (first == 172 and second & 0xF0 == 16)
        or (first == 169 and second == 254)
        or (first == 100 and second & 0xC0 == 64)
    )


def is_group(address: bytes) -> bool:
    """Say whether *address* is one of several receivers, multicast or broadcast: nobody sends from it."""
    at = _ipv4_at(address)
    if at < 0:
        return address[0] == 0xFF
    first = address[at]
    return 224 <= first < 240 or (
        first == 255 and address[at + 1] == 255 and address[at + 2] == 255 and address[at + 3] == 255
    )


def _ipv4_at(address: bytes) -> int:
    """Return where an IPv4 address begins in *address*; -1: it is one of IPv6."""
    if len(address) == _IPV4_OCTETS:
        return 0
    # RFC 4291 section 2.5.5.2.
    return 12 if address[10] == 0xFF and address[11] == 0xFF and slices.behind_zeros(address, 0) == 10 else -1
