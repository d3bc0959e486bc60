"""Listens for NetFlow and IPFIX datagrams on a UDP port, and hands them over as they come."""

from __future__ import annotations

import socket
import sys
import time
from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING, Self

from collector.sensor_records import RecordError
from collector.sources.errors import TapError
from collector.sources.netflow import MAX_DATAGRAM
from collector.sources.netflow_flows import NetflowFlows

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from collector.sensor_records import SensorFlow

BUFFER_OCTETS = 8 << 20
"""Octets that may wait in the kernel; it gives less where the administrator allows less (net.core.rmem_max)."""
AT_ONCE = 256
"""Datagrams taken at one time."""
_RXQ_OVFL = 40  # SO_RXQ_OVFL, which the socket module does not name (include/uapi/asm-generic/socket.h)
_ANCILLARY = 64


class NetflowListener:
    """A UDP port that exporters send to.

    Args:
        host: address to listen on.
        port: port to listen on.
        exporters: addresses that are believed; none: everybody, for whom the port is open.
        say: told in one sentence what an operator should know, each thing once.

    Raises:
        TapError: the port cannot be had.
    """

    def __init__(self, host: str, port: int, *, exporters: Collection[str], say: Callable[[str], None]) -> None:
        self.flows = NetflowFlows()
        self.strangers = 0
        """Datagrams from an address that is not among the exporters."""
        self.lost = 0
        """Datagrams that the kernel dropped because they were not read fast enough."""
        self._believed = frozenset(_plain(each) for each in exporters)
        self._say = say
        self._told: set[str] = set()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_OCTETS)
            with suppress(OSError):  # Linux alone has it
                self._socket.setsockopt(socket.SOL_SOCKET, _RXQ_OVFL, 1)
            self._socket.settimeout(0)
            self._socket.bind((host, port))
        except OSError as error:
            self._socket.close()
            raise TapError(f"cannot listen for NetFlow on {host}:{port} ({error.strerror}); choose another") from error
        self.port: int = self._socket.getsockname()[1]

    def fileno(self) -> int:
        """Return the descriptor that is ready to read when a datagram waits."""
        return self._socket.fileno()

    def take(self) -> list[SensorFlow]:
        """Return the flows that are whole with the datagrams that wait; never waits itself."""
        found: list[SensorFlow] = []
        for _ in range(AT_ONCE):
            try:
                datagram, extra, _, sender = self._socket.recvmsg(MAX_DATAGRAM, _ANCILLARY)
            except BlockingIOError:
                break
            except OSError as error:
                self._say_once("socket", f"NetFlow: a datagram could not be read ({error.strerror})")
                break
            for level, kind, octets in extra:
                if level == socket.SOL_SOCKET and kind == _RXQ_OVFL:
                    self.lost = int.from_bytes(octets, sys.byteorder)
            exporter = _plain(sender[0])
            if self._believed and exporter not in self._believed:
                self.strangers += 1
                continue
            try:
                found += self.flows.take(datagram, exporter=exporter, now_ns=time.time_ns())
            except RecordError as error:
                self._say_once(str(error), f"NetFlow: {error}")
        return found

    def finish(self) -> list[SensorFlow]:
        """Return what waited for its other direction."""
        return self.flows.finish()

    @property
    def losses(self) -> dict[str, int]:
        """What is missing or met a bound, by reason."""
        return {
            **self.flows.counters,
            "netflow_exporter_unknown": self.strangers,
            "netflow_kernel": self.lost,
        }

    def close(self) -> None:
        """Give up the port."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _say_once(self, key: str, words: str) -> None:
        if key not in self._told:
            self._told.add(key)
            self._say(words)


def _plain(address: str) -> str:
    """Return an address in one spelling; one of IPv4 that came through an IPv6 socket as that of IPv4."""
    found = ip_address(address.partition("%")[0])
    mapped = getattr(found, "ipv4_mapped", None)
    return str(mapped or found)
