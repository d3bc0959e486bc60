"""What a flow table asks of whoever reads the first octets of its flows."""

from __future__ import annotations

from typing import Any, Protocol


class OpensFlows(Protocol):
    """Makes the opening of a flow at its first payload; None: nothing in that flow could tell a name."""

    def open(  # noqa: D102 -- see the class
        self,
        *,
        proto: Any,
        client: bytes,
        server: bytes,
        client_port: int,
        server_port: int,
        mac: bytes | None,
        at_ns: int,
        server_mac: bytes | None,
    ) -> Any: ...
