"""Reads the ClientHello of a QUIC connection out of its Initial packets.

Compiled; the C types stand in opening_quic.pxd.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.dissect.errors import DissectError
from collector.dissect.quic import MIN_CLIENT_CID_OCTETS, InitialKeys, Packet, crypto_frames, packets
from collector.dissect.tls import client_hello
from collector.opening_facts import BOTH, DOWN, UP, Opening
from collector.streams import Stream

if TYPE_CHECKING:
    from collector.opening_facts import OpeningCounters

if __file__.endswith(".py"):  # compiled, these names are C variables
    from collector.dissect.quic import HANDSHAKE, INITIAL
    from collector.streams import FULL

MAX_ATTEMPTS = 24
"""Initials that one flow may have opened. A hello takes one to five; a Retry doubles that."""
MAX_FAILURES_PER_SECOND = 2_000
"""Failed attempts that all flows together may make in one second of packet time. Each costs some 20 microseconds, and
anybody can send packets that only look like Initials."""
_NS = 1_000_000_000
_UP, _DOWN, _BOTH = UP, DOWN, BOTH
_ATTEMPTS = MAX_ATTEMPTS
_FAILURES = MAX_FAILURES_PER_SECOND
_MIN_CID = MIN_CLIENT_CID_OCTETS
# Stands for the CRYPTO octets of every connection that is read no more, so that they do not stay in memory.
_GONE = Stream()


class AttemptBudget:
    """Holds all flows together to a number of failed attempts a second; attempts that succeed cost nothing of it."""

    __slots__ = ("_failures", "_second")

    def __init__(self) -> None:
        self._second = -1
        self._failures = 0

    def allows(self, at_ns: int) -> bool:
        """Say whether another attempt may be made at that time."""
        return self._failures < _FAILURES or at_ns // _NS != self._second

    def failed(self, at_ns: int) -> None:
        """Count a failed attempt."""
        second = at_ns // _NS
        if second != self._second:
            self._second = second
            self._failures = 0
        self._failures += 1


class QuicOpening(Opening):
    """A QUIC connection, up to its hello and the server's first sign of life.

    Args:
        counters: what goes wrong.
        budget: bounds what noise may cost.
        client_port: port of the provisional client.
        server_port: port of the provisional server.
    """

    __slots__ = (
        "_attempts",
        "_budget",
        "_client_port",
        "_client_up",
        "_counters",
        "_crypto",
        "_done",
        "_keys",
        "_server_port",
        "_server_seen",
    )

    def __init__(self, counters: OpeningCounters, budget: AttemptBudget, *, client_port: int, server_port: int) -> None:
        self._begin()
        self._counters = counters
        self._budget = budget
        self._client_port = client_port
        self._server_port = server_port
        self._keys: InitialKeys | None = None
        self._crypto = Stream()
        self._attempts = 0
        self._done = False
        self._server_seen = False
        # 1: what goes up is the client's, 0: what comes down is, -1: no Initial has opened yet.
        self._client_up = -1

    def octets(self, up: bool, offset: int, data: bytes, at_ns: int) -> int:  # noqa: ARG002 -- a datagram has no offset
        """Take one datagram; wanted until the hello is read and the server has answered."""
        try:
            for packet in packets(data):
                self._take(packet, data, up, at_ns)
        except DissectError:
            self._counters.quic_malformed += 1
        if not self._done:
            return _BOTH
        if self._server_seen or self._client_up < 0:
            return 0
        return _DOWN if self._client_up else _UP

    def _take(self, packet: Packet, datagram: bytes, up: bool, at_ns: int) -> None:
        if self.app == "other":
            self.app = "quic"
        if self._client_up >= 0 and up != self._client_up:
            # Only a server that agreed sends these; a Retry or a list of versions agrees to nothing yet.
            if packet.kind == INITIAL or packet.kind == HANDSHAKE:  # noqa: PLR1714 -- compiled to two comparisons
                self._server_seen = True
                self.tls_version_offered = False
        elif packet.kind == INITIAL and not self._done:
            frames = self._frames(packet, datagram, at_ns)
            if frames is not None:
                if self._client_up < 0:
                    self._client_up = up
                    self.reversed = not up
                self._read(frames)

    def _frames(self, packet: Packet, datagram: bytes, at_ns: int) -> bytes | None:
        """Return what is in an Initial, opened with the keys at hand or, after a Retry, with its own; None: closed."""
        keys = self._keys
        if keys is not None and keys.version == packet.version:
            frames = self._attempt(keys, packet, datagram, at_ns)
            if frames is not None or keys.dcid == packet.dcid:
                return frames
        if keys is not None and keys.version != packet.version and self._client_up >= 0:
            # The server chose another version (RFC 9368): new keys, but still from the first connection id.
            keys = InitialKeys(version=packet.version, dcid=keys.dcid)
            frames = self._attempt(keys, packet, datagram, at_ns)
            if frames is not None:
                self._keys = keys
                return frames
        # A server's Initials carry the id that the client chose for itself, often an empty one: no keys come of it.
        if len(packet.dcid) < _MIN_CID:
            return None
        keys = InitialKeys(version=packet.version, dcid=packet.dcid)
        frames = self._attempt(keys, packet, datagram, at_ns)
        if frames is not None:
            self._keys = keys
            self._crypto = Stream()
        return frames

    def _attempt(self, keys: InitialKeys, packet: Packet, datagram: bytes, at_ns: int) -> bytes | None:
        if self._attempts >= _ATTEMPTS or not self._budget.allows(at_ns):
            self._counters.quic_attempts_capped += 1
            return None
        self._attempts += 1
        try:
            return keys.payload(datagram, packet)
        except DissectError:
            self._counters.quic_undecryptable += 1
            self._budget.failed(at_ns)
            return None

    def _read(self, frames: bytes) -> None:
        """Put the CRYPTO octets of one packet in place and read the hello once it is whole."""
        crypto = self._crypto
        for offset, data in crypto_frames(frames):
            if crypto.add(offset, data) == FULL:
                self._counters.stream_full += 1
                self._close()
                return
        if not crypto.octets or crypto.start:
            return
        try:
            hello = client_hello(crypto.octets)
        except DissectError:
            self._counters.tls_malformed += 1
            self._close()
            return
        if hello is None:
            return
        self._close()
        if hello.name_refused:
            self._counters.names_refused += 1
        port = self._client_port if self.reversed else self._server_port
        self._asks_tls(hello.server_name, "quic_sni", "quic", port)
        # QUIC has no older TLS than 1.3 (RFC 9001 section 4.2).
        self.tls_version = "1.3"
        self.tls_version_offered = not self._server_seen
        self.alpn = hello.alpn[0] if hello.alpn else None
        self.ech = hello.ech == "outer"

    def _close(self) -> None:
        """Read no more Initials."""
        self._done = True
        self._crypto = _GONE
        self._keys = None
