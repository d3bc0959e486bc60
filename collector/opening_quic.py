"""Reads the ClientHello of a QUIC connection out of its Initial packets.

Compiled; the C types stand in opening_quic.pxd.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.dissect.errors import DissectError
from collector.dissect.quic import MIN_CLIENT_CID_OCTETS, InitialKeys, Packet, crypto_frames, packets
from collector.dissect.tls import client_hello
from collector.holdings import OBJECT_OCTETS, Holding
from collector.opening_facts import BOTH, DOWN, UP, Opening
from collector.streams import Stream, stream

if TYPE_CHECKING:
    from collector.holdings import Holdings
    from collector.opening_facts import OpeningCounters

if __file__.endswith(".py"):  # compiled, these names are C variables
    from collector.dissect.quic import HANDSHAKE, INITIAL
    from collector.streams import FULL

MAX_ATTEMPTS = 24
"""Initials that one flow may have opened. A hello takes one to five; a Retry doubles that."""
MAX_FAILURES_PER_SECOND = 2_000
"""Failed attempts that all flows together may make in one second of packet time. Each costs some microseconds, and
anybody can send packets that only look like Initials."""
MAX_STRANGERS_PER_SECOND = 10_000
"""Attempts, failed or not, on flows of which one side alone was seen: anybody can make true Initials as well."""
MAX_KNOWN_PER_SECOND = 20_000
"""Attempts on flows whose server has answered, or whose keys are known."""
MAX_KEPT = 5
"""Datagrams of one flow kept for the time when its server has answered: no hello takes more."""
_NS = 1_000_000_000
_UP, _DOWN, _BOTH = UP, DOWN, BOTH
_ATTEMPTS = MAX_ATTEMPTS
_FAILURES = MAX_FAILURES_PER_SECOND
_STRANGERS = MAX_STRANGERS_PER_SECOND
_KNOWN = MAX_KNOWN_PER_SECOND
_KEPT = MAX_KEPT
_MIN_CID = MIN_CLIENT_CID_OCTETS
# What the keys of one connection take.
_KEYS_OCTETS = 256
_OBJECT_OCTETS = OBJECT_OCTETS


class AttemptBudget:
    """Holds all flows together to so many attempts a second; flows that somebody answers have a share of their own.

    So a flood of what only looks like QUIC uses up its own share, and not that of true connections.
    """

    __slots__ = ("_failures", "_known", "_second", "_strangers")

    def __init__(self) -> None:
        self._second = -1
        self._failures = 0
        self._strangers = 0
        self._known = 0

    def allows(self, at_ns: int, known: bool) -> bool:
        """Say whether another attempt may be made at that time, on a *known* flow or on one that may be noise."""
        second = at_ns // _NS
        if second != self._second:
            self._second = second
            self._failures = 0
            self._strangers = 0
            self._known = 0
        if known:
            return self._known < _KNOWN
        return self._failures < _FAILURES and self._strangers < _STRANGERS

    def count(self, known: bool) -> None:
        """Count an attempt in the second that was asked for last."""
        if known:
            self._known += 1
        else:
            self._strangers += 1

    def failed(self, known: bool) -> None:
        """Count that it failed. A true flow's packets may fail too (its first Initial was lost): that is no noise."""
        if not known:
            self._failures += 1


class _Hello(Holding):
    """The hello of one connection while it is not whole: its keys, its octets, and datagrams not opened yet.

    Made by `_hello`.
    """

    __slots__ = ("crypto", "kept", "kept_octets", "kept_up", "keys", "open")

    places: int
    open: bool
    keys: InitialKeys | None
    crypto: Stream
    kept: list[bytes] | None
    """None: none were kept yet; nearly no connection needs it."""
    kept_octets: int
    kept_up: bool
    """The direction in which all of them went."""

    def weight(self) -> int:
        """Return what it takes, about."""
        return self.crypto.weight() + self.kept_octets + (0 if self.keys is None else _KEYS_OCTETS)

    def let_go(self) -> None:
        """Hold nothing, and open nothing more."""
        self.open = False
        self.keys = None
        self.crypto = _GONE
        self.kept = None
        self.kept_octets = 0


def _hello() -> _Hello:
    made: _Hello = _Hello.__new__(_Hello)
    made.places = 0
    made.open = True
    made.keys = None
    made.crypto = stream()
    made.kept = None
    made.kept_octets = 0
    made.kept_up = True
    return made


# Stand for the octets and the hello of every connection that is read no more, so that they do not stay in memory.
_GONE = stream()
_READ = _hello()
_READ.let_go()


class QuicOpening(Opening):
    """A QUIC connection, up to its hello and the server's first sign of life; `quic_opening` makes one."""

    __slots__ = (
        "_answered",
        "_attempts",
        "_budget",
        "_capped",
        "_client_port",
        "_client_up",
        "_counters",
        "_hello",
        "_holdings",
        "_server_port",
        "_server_seen",
    )

    def _meet(
        self, counters: OpeningCounters, budget: AttemptBudget, holdings: Holdings, client_port: int, server_port: int
    ) -> None:
        self._begin()
        self._counters = counters
        self._budget = budget
        self._holdings = holdings
        self._client_port = client_port
        self._server_port = server_port
        self._hello = _hello()
        self._attempts = 0
        # An attempt on the datagram in hand was not made: there had been too many.
        self._capped = False
        # Both sides were seen to talk.
        self._answered = False
        self._server_seen = False
        # 1: what goes up is the client's, 0: what comes down is, -1: no Initial has opened yet.
        self._client_up = -1

    def octets(self, up: bool, offset: int, data: bytes, at_ns: int) -> int:  # noqa: ARG002 -- a datagram has no offset
        """Take one datagram; wanted until the hello is read and the server has answered."""
        try:
            found = packets(data)
            if self._hello.kept:
                self._try_kept(up, at_ns)
            self._take_all(found, data, up, at_ns)
        except DissectError:
            self._counters.quic_malformed += 1
        if self._hello.open:
            self._holdings.keep(self._hello)
            return _BOTH
        if self._server_seen or self._client_up < 0:
            return 0
        return _DOWN if self._client_up else _UP

    def _take_all(self, found: list[Packet], datagram: bytes, up: bool, at_ns: int) -> None:
        """Take the packets of one datagram, or put it off if one of them may not be opened now."""
        self._capped = False
        for packet in found:
            self._take(packet, datagram, up, at_ns)
            if self._capped:
                self._keep(datagram, up)
                break

    def _keep(self, datagram: bytes, up: bool) -> None:
        """Put off a datagram until the server has answered, or another second has begun."""
        hello = self._hello
        if hello.kept is None:
            hello.kept = []
        if self._attempts < _ATTEMPTS and len(hello.kept) < _KEPT and (not hello.kept or hello.kept_up == up):
            hello.kept.append(datagram)
            hello.kept_octets += len(datagram) + _OBJECT_OCTETS
            hello.kept_up = up

    def _try_kept(self, up: bool, at_ns: int) -> None:
        """Take what was put off: the other side has answered, so the flow is true, or there is room again."""
        hello = self._hello
        kept_up = hello.kept_up
        if up != kept_up:
            self._answered = True
        if not self._budget.allows(at_ns, self._answered):
            return
        kept = hello.kept or []
        hello.kept = None
        hello.kept_octets = 0
        for datagram in kept:
            self._take_all(packets(datagram), datagram, kept_up, at_ns)
            if not self._capped:
                self._counters.quic_attempts_late += 1

    def _take(self, packet: Packet, datagram: bytes, up: bool, at_ns: int) -> None:
        if self.app == "other":
            self.app = "quic"
        if self._client_up >= 0 and up != self._client_up:
            # Only a server that agreed sends these; a Retry or a list of versions agrees to nothing yet.
            if packet.kind == INITIAL or packet.kind == HANDSHAKE:  # noqa: PLR1714 -- compiled to two comparisons
                self._server_seen = True
                self.tls_version_offered = False
        elif packet.kind == INITIAL and self._hello.open:
            frames = self._frames(packet, datagram, at_ns)
            if frames is not None:
                if self._client_up < 0:
                    self._client_up = up
                    self.reversed = not up
                self._read(frames)

    def _frames(self, packet: Packet, datagram: bytes, at_ns: int) -> bytes | None:
        """Return what is in an Initial, opened with the keys at hand or, after a Retry, with its own; None: closed."""
        keys = self._hello.keys
        if keys is not None and keys.version == packet.version:
            frames = self._attempt(keys, packet, datagram, at_ns)
            if frames is not None or keys.dcid == packet.dcid:
                return frames
        if keys is not None and keys.version != packet.version and self._client_up >= 0:
            # The server chose another version (RFC 9368): new keys, but still from the first connection id.
            keys = InitialKeys(version=packet.version, dcid=keys.dcid)
            frames = self._attempt(keys, packet, datagram, at_ns)
            if frames is not None:
                self._hello.keys = keys
                return frames
        # A server's Initials carry the id that the client chose for itself, often an empty one: no keys come of it.
        if len(packet.dcid) < _MIN_CID or not self._may_try(at_ns):
            return None
        keys = InitialKeys(version=packet.version, dcid=packet.dcid)
        frames = self._attempt(keys, packet, datagram, at_ns)
        if frames is not None:
            self._hello.keys = keys
            self._hello.crypto = stream()
        return frames

    def _may_try(self, at_ns: int) -> bool:
        """Say whether another Initial may be opened; making keys costs most, so this is asked before."""
        if self._attempts < _ATTEMPTS and self._budget.allows(at_ns, self._answered or self._client_up >= 0):
            return True
        if not self._capped:
            self._capped = True
            self._counters.quic_attempts_capped += 1
        return False

    def _attempt(self, keys: InitialKeys, packet: Packet, datagram: bytes, at_ns: int) -> bytes | None:
        if not self._may_try(at_ns):
            return None
        known = self._answered or self._client_up >= 0
        self._attempts += 1
        self._budget.count(known)
        try:
            return keys.payload(datagram, packet)
        except DissectError:
            self._counters.quic_undecryptable += 1
            self._budget.failed(known)
            return None

    def _read(self, frames: bytes) -> None:
        """Put the CRYPTO octets of one packet in place and read the hello once it is whole."""
        crypto = self._hello.crypto
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
        self._asks_tls(hello.server_name, "quic_sni", "quic", port, hello.name_refused and not hello.name_literal)
        # QUIC has no older TLS than 1.3 (RFC 9001 section 4.2).
        self.tls_version = "1.3"
        self.tls_version_offered = not self._server_seen
        self.alpn = hello.alpn[0] if hello.alpn else None
        self.ech = hello.ech == "outer"

    def _close(self) -> None:
        """Read no more Initials."""
        self._hello.let_go()
        self._hello = _READ


def quic_opening(
    counters: OpeningCounters, budget: AttemptBudget, holdings: Holdings, client_port: int, server_port: int
) -> QuicOpening:
    """Return the opening of a QUIC connection. A function: calling a class costs more than all fields of it.

    Args:
        counters: what goes wrong.
        budget: bounds what noise may cost.
        holdings: bounds what all openings hold.
        client_port: port of the provisional client.
        server_port: port of the provisional server.
    """
    made: QuicOpening = QuicOpening.__new__(QuicOpening)
    made._meet(counters, budget, holdings, client_port, server_port)  # noqa: SLF001 -- its constructor
    return made
