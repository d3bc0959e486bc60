"""Loopback ports for brokers that are killed and must come back on the same port."""

from __future__ import annotations

import secrets
import socket
from pathlib import Path

LOWEST = 10_240
EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_ports(count: int) -> tuple[int, ...]:
    """Return *count* different ports on which nothing listens.

    They lie below the ephemeral range: while a broker is dead, a client that knocks at an ephemeral port of its own
    host can be given that very port as its source, connect to itself, and keep the broker from coming back.
    """
    highest = int(EPHEMERAL.read_text(encoding="ascii").split()[0])
    found: set[int] = set()
    while len(found) < count:
        port = LOWEST + secrets.randbelow(highest - LOWEST)
        with socket.socket() as trial:
            try:
                trial.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.add(port)
    return tuple(found)
