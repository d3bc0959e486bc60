"""What the kernel says of network interfaces, and the word it sends when one changes. Linux only; needs no rights.

Asked through a socket that is given, so that the answer is about that socket's network namespace and none other.
"""

from __future__ import annotations

import array
import errno
import fcntl
import os
import socket
import struct
from dataclasses import dataclass

from collector.sources.errors import TapError

# linux/sockios.h
SIOCGIFFLAGS = 0x8913
SIOCGIFADDR = 0x8915
SIOCGIFHWADDR = 0x8927
SIOCGIFINDEX = 0x8933
SIOCETHTOOL = 0x8946

# linux/if.h
IFF_UP = 0x1
IFF_LOOPBACK = 0x8
IFF_RUNNING = 0x40
IFF_LOWER_UP = 0x10000

# linux/ethtool.h
ETHTOOL_GLINK = 0x0A
ETHTOOL_GFLAGS = 0x25
ETHTOOL_GGRO = 0x2B
ETH_FLAG_LRO = 1 << 15

# linux/rtnetlink.h
RTMGRP_LINK = 1
RTM_NEWLINK = 16
RTM_DELLINK = 17

_NAME = 15  # octets of the longest name: IFNAMSIZ, less the zero at its end
_MESSAGE = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_LINK = struct.Struct("=BxHiII")  # ifinfomsg: family, hardware, index, flags, change
_READ_OCTETS = 65_536
_GONE = frozenset({errno.ENODEV, errno.ENXIO})


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """One interface as it is at this moment."""

    index: int
    """Number of the interface; an interface that is made anew has another one."""
    hardware: int
    """ARPHRD type, linux/if_arp.h."""
    carries: bool
    """Frames can come: it is switched on, and there is a link."""
    loops: bool
    """Every frame that is sent comes back."""


def look(probe: socket.socket, name: str) -> Interface | None:
    """Return what the interface *name* is like now; None: there is none."""
    if not 0 < len(os.fsencode(name)) <= _NAME:
        return None
    try:
        (index,) = struct.unpack_from("i", _ask(probe, SIOCGIFINDEX, name), 16)
        (hardware,) = struct.unpack_from("H", _ask(probe, SIOCGIFHWADDR, name), 16)
        (flags,) = struct.unpack_from("H", _ask(probe, SIOCGIFFLAGS, name), 16)
    except OSError as error:
        if error.errno in _GONE:
            return None
        raise
    # The driver knows of the link at once, the flag up to a second later; not every driver can be asked.
    link = _ethtool(probe, name, ETHTOOL_GLINK)
    linked = flags & IFF_RUNNING != 0 if link is None else link != 0
    return Interface(
        index=index, hardware=hardware, carries=flags & IFF_UP != 0 and linked, loops=flags & IFF_LOOPBACK != 0
    )


def has_address(probe: socket.socket, name: str) -> bool:
    """Return whether the interface has an IPv4 address: then this machine talks through it."""
    try:
        _ask(probe, SIOCGIFADDR, name)
    except OSError:
        return False
    return True


def joins_packets(probe: socket.socket, name: str) -> bool:
    """Return whether the interface joins packets of one connection before anyone sees them (GRO, LRO)."""
    gro = _ethtool(probe, name, ETHTOOL_GGRO) or 0
    features = _ethtool(probe, name, ETHTOOL_GFLAGS) or 0
    return gro != 0 or features & ETH_FLAG_LRO != 0


def _ask(probe: socket.socket, request: int, name: str) -> bytes:
    return fcntl.ioctl(probe, request, struct.pack("16s24x", os.fsencode(name)))


def _ethtool(probe: socket.socket, name: str, command: int) -> int | None:
    """Return what the driver answers; None: it does not know the question."""
    value = array.array("I", (command, 0))
    address, _ = value.buffer_info()
    try:
        fcntl.ioctl(probe, SIOCETHTOOL, struct.pack("16sP16x", os.fsencode(name), address))
    except OSError:
        return None
    return value[1]


class LinkNews:
    """The kernel's word on every interface that comes, changes or goes (rtnetlink).

    Raises:
        TapError: this process may open no such socket.
    """

    def __init__(self) -> None:
        kind = socket.SOCK_RAW | socket.SOCK_NONBLOCK
        try:
            self._socket = socket.socket(socket.AF_NETLINK, kind, socket.NETLINK_ROUTE)
        except OSError as error:
            raise TapError(f"no netlink socket ({error.strerror}); allow this service AF_NETLINK") from None
        self._socket.bind((0, RTMGRP_LINK))

    def fileno(self) -> int:
        """Return the descriptor to poll."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def read(self) -> list[tuple[int, bool]]:
        """Return (index, whether frames can come) for each word since the last call, in order."""
        news: list[tuple[int, bool]] = []
        while True:
            try:
                octets = self._socket.recv(_READ_OCTETS)
            except BlockingIOError:
                return news
            except OSError as error:
                if error.errno != errno.ENOBUFS:  # some words were lost: whoever asks looks at the interfaces anyway
                    raise
                continue
            news += _links(octets)


def _links(octets: bytes) -> list[tuple[int, bool]]:
    """Return (index, whether frames can come) of the link messages in *octets*."""
    news = []
    ready = IFF_UP | IFF_LOWER_UP
    at = 0
    while at + _MESSAGE.size + _LINK.size <= len(octets):
        length, kind, _, _, _ = _MESSAGE.unpack_from(octets, at)
        _, _, index, flags, _ = _LINK.unpack_from(octets, at + _MESSAGE.size)
        if kind in {RTM_NEWLINK, RTM_DELLINK}:
            news.append((index, kind == RTM_NEWLINK and flags & ready == ready))
        at += max((length + 3) & ~3, _MESSAGE.size)
    return news
