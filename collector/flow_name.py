"""How a person names one flow: CLIENT:PORT-SERVER:PORT, an IPv6 address in brackets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collector.events import FlowEvent

SPELLING = (
    "write CLIENT:PORT-SERVER:PORT, such as 192.0.2.10:50000-198.51.100.20:443, "
    "and IPv6 in brackets: [2001:db8::10]:50000-[2001:db8::20]:443"
)

_END = r"(\[[^\[\]]*\]|[^\[\]:]*):([0-9]{1,5})"
# A capture has many flows and few addresses; reading one anew each time would cost more than the flow did.
_known = lru_cache(maxsize=65_536)(ip_address)
_FLOW = re.compile(f"{_END}-{_END}", re.ASCII)


class FlowNameError(ValueError):
    """The text names no flow; the message says what to write instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowName:
    """The two ends of one flow."""

    client: IPv4Address | IPv6Address
    """Address of the side that opened it."""
    client_port: int
    """TCP or UDP port of that side."""
    server: IPv4Address | IPv6Address
    """Address of the other side."""
    server_port: int
    """TCP or UDP port of the other side."""

    def __str__(self) -> str:
        return f"{_end(self.client, self.client_port)}-{_end(self.server, self.server_port)}"

    @property
    def turned(self) -> Self:
        """The same flow with client and server exchanged."""
        return type(self)(
            client=self.server, client_port=self.server_port, server=self.client, server_port=self.client_port
        )


def flow_name(text: str) -> FlowName:
    """Return the flow that *text* names.

    Raises:
        FlowNameError: it names none.
    """
    match = _FLOW.fullmatch(text.strip())
    if match is None:
        raise FlowNameError(f"`{text}` names no flow; {SPELLING}")
    client, server = _address(match[1]), _address(match[3])
    if client.version != server.version:
        raise FlowNameError(f"`{text}` mixes IPv4 and IPv6, and no flow does; {SPELLING}")
    return FlowName(client=client, client_port=_port(match[2]), server=server, server_port=_port(match[4]))


def of_event(event: FlowEvent) -> FlowName | None:
    """Return the name of the flow of *event*; None: the event carries no addresses."""
    if event.src_ip is None or event.src_port is None or event.dst_ip is None:
        return None
    return FlowName(
        client=_known(event.src_ip),
        client_port=event.src_port,
        server=_known(event.dst_ip),
        server_port=event.dst_port,
    )


def nearness(wanted: FlowName, *, other: FlowName) -> int:
    """Return how much *other* looks like what was meant: 0 not at all, more is nearer, whichever way round."""
    return max(_likeness(wanted, other=other), _likeness(wanted.turned, other=other))


def _likeness(wanted: FlowName, *, other: FlowName) -> int:
    # Who mistypes a port means the same two machines; who mistypes an address keeps the ports.
    client = wanted.client == other.client
    server = wanted.server == other.server
    ports = (wanted.client_port == other.client_port) + (wanted.server_port == other.server_port)
    if not client and not server:
        return 0
    return 4 * client + 3 * server + ports


def _end(address: IPv4Address | IPv6Address, port: int) -> str:
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"


def _address(text: str) -> IPv4Address | IPv6Address:
    bare = text.removeprefix("[").removesuffix("]")
    try:
        address = ip_address(bare)
    except ValueError:
        raise FlowNameError(f"`{text}` is no IP address; {SPELLING}") from None
    # A zone names an interface of one machine; no packet carries it.
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        raise FlowNameError(f"`{text}` names a zone, and no packet does; leave out what follows the %")
    return address


def _port(text: str) -> int:
    port = int(text)
    if port > 0xFFFF:
        raise FlowNameError(f"{text} is no port: they end at 65535; {SPELLING}")
    return port
