"""What a flow table asks of whoever reads the first octets of its flows.

Compiled; the C types stand in flow_opener.pxd.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collector.opening_facts import Opening


class Opener:
    """Makes the openings of flows."""

    def open(
        self,
        proto: Literal["tcp", "udp"],
        client: bytes,
        server: bytes,
        client_port: int,
        server_port: int,
        mac: bytes | None,
        server_mac: bytes | None,
        at_ns: int,
    ) -> Opening | None:
        """Return the opening of a new flow; None: nothing in it could tell a name.

        Args:
            proto: transport protocol.
            client: address of the provisional client, 4 or 16 octets.
            server: address of the provisional server.
            client_port: port of the provisional client.
            server_port: port of the provisional server.
            mac: MAC address of the provisional client; None: unknown.
            server_mac: MAC address of the provisional server, for flows that turn out reversed; None: unknown.
            at_ns: when the first payload passed, nanoseconds since the epoch.
        """
        raise NotImplementedError

    def asks_who(self, client_port: int, server_port: int) -> bool:  # noqa: ARG002 -- who knows better overrides it
        """Say whether `open` looks at the addresses of a flow with these ports; False: it may be given empty ones."""
        return True
