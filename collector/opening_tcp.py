"""Reads how a TCP connection opens: TLS hellos, clear-text HTTP requests, and what may come before a hello.

Compiled; the C types stand in opening_tcp.pxd.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector import slices
from collector.dissect.errors import DissectError
from collector.dissect.http import MAX_HEAD_OCTETS, Request, head_end, request
from collector.dissect.kinds import hello_at, kind_of
from collector.dissect.tls import (
    ClientHello,
    Handshakes,
    ServerHello,
    client_hello,
    client_message,
    first_message_end,
    server_hello,
    server_message,
    ssl2_client_hello,
    version_name,
)
from collector.holdings import Holding
from collector.opening_facts import DOWN, UP, Opening
from collector.streams import Stream, stream

if TYPE_CHECKING:
    from collector.holdings import Holdings
    from collector.opening_facts import OpeningCounters

if __file__.endswith(".py"):  # compiled, these names are C variables
    from collector.dissect.kinds import (
        HELLO_START,
        OTHER,
        PRELUDE,
        REQUESTS,
        RESPONSES,
        SSL2,
        TLS,
        TLS_LATE,
        UNDECIDED,
    )
    from collector.dissect.tls import CLIENT_HELLO, RECORD_HEADER, SERVER_HELLO
    from collector.streams import EARLIER, FULL, NOTHING

MAX_OTHER_SEGMENTS = 4
"""Segments that are looked at before a direction counts as something else. When a capture begins in the middle, an
earlier segment may still come late."""
MAX_PRELUDE_OCTETS = 16_384
"""Octets of a direction in which a hello is looked for behind mail commands and the like."""
MAX_WAITING_REQUESTS = 16
"""Segments that wait behind a gap in clear-text requests before the gap is stepped over."""


_UP, _DOWN = UP, DOWN
_OTHER_SEGMENTS = MAX_OTHER_SEGMENTS
# Stands for the stream of every direction that is read no more. Flows outlive their openings by far: what was read must
# not stay in memory with them.
_GONE = stream()


class _Side(Holding):
    """One direction of the connection; made by `_side`."""

    __slots__ = ("handshakes", "kind", "open", "scanned", "stream")

    places: int
    stream: Stream
    kind: int
    open: bool
    """More payload is wanted of it."""
    scanned: int
    """Octets already searched in vain for what ends a head or starts a hello."""
    handshakes: Handshakes | None

    def close(self) -> None:
        """Want no more of it."""
        self.open = False
        self.stream = _GONE
        self.handshakes = None

    def weight(self) -> int:
        """Return what waits here, about: octets in order, behind gaps, and taken out of records."""
        if not self.open:
            return 0
        return self.stream.weight() + (0 if self.handshakes is None else len(self.handshakes.octets))

    def let_go(self) -> None:
        """Make room for others."""
        self.close()

    def reopen(self) -> None:
        """Want it again."""
        if not self.open:
            self.open = True
            self.stream = stream()


def _side() -> _Side:
    made: _Side = _Side.__new__(_Side)
    made.places = 0
    made.stream = stream()
    made.kind = UNDECIDED
    made.open = True
    made.scanned = 0
    made.handshakes = None
    return made


class TcpOpening(Opening):
    """The opening of a TCP connection, by what is said on it; `tcp_opening` makes one."""

    __slots__ = (
        "_client_port",
        "_counters",
        "_down",
        "_heard_server",
        "_holdings",
        "_lost",
        "_requests",
        "_server_port",
        "_up",
        "_upgrade",
    )

    def _meet(self, counters: OpeningCounters, holdings: Holdings, client_port: int, server_port: int) -> None:
        self._begin()
        self._counters = counters
        self._holdings = holdings
        self._client_port = client_port
        self._server_port = server_port
        self._up = _side()
        self._down = _side()
        self._heard_server = False
        self._requests = 0
        self._upgrade = False
        # Octets of requests are missing: that all of them were clean can no longer be said.
        self._lost = False

    def octets(self, up: bool, offset: int, data: bytes, at_ns: int) -> int:  # noqa: ARG002 -- nothing here takes time
        """Take one segment; TLS is wanted up to the ServerHello, requests for the life of the flow."""
        side = self._up if up else self._down
        if side.open:
            try:
                self._take(side, offset, data)
            except DissectError:
                self._give_up(side)
            if side.open:
                self._holdings.keep(side)
        return (_UP if self._up.open else 0) | (_DOWN if self._down.open else 0)

    def _take(self, side: _Side, offset: int, data: bytes) -> None:
        gain = side.stream.add(offset, data)
        if gain == FULL:
            self._counters.stream_full += 1
            self._lost = True
            self._note_data(side)
            side.close()
            return
        if gain == EARLIER:
            side.kind = UNDECIDED
            side.handshakes = None
            side.scanned = 0
        if side.kind == REQUESTS:
            self._read_requests(side)
        elif gain != NOTHING:
            if side.kind <= OTHER:  # undecided, too
                self._decide(side)
            elif side.kind == TLS:
                self._read_tls(side)
            elif side.kind == PRELUDE:
                self._search_hello(side)

    def _other(self, side: _Side) -> _Side:
        return self._down if side is self._up else self._up

    def _decide(self, side: _Side) -> None:
        """Find out what *side* speaks, and start to read it."""
        side.kind = kind = kind_of(side.stream.octets)
        if kind == TLS:
            self._read_tls(side)
        elif kind == REQUESTS:
            self._note_http(side)
            self._read_requests(side)
        elif kind == RESPONSES:
            self._note_http(self._other(side))
        elif kind == PRELUDE:
            self._expect_hello()
        elif kind == SSL2:
            hello = ssl2_client_hello(side.stream.octets)
            if hello is not None:
                self._client_said(side, hello)
        elif kind == TLS_LATE:
            self.app = "tls" if self.app == "other" else self.app
            side.close()
        elif kind == OTHER and side.stream.segments >= _OTHER_SEGMENTS:
            side.close()

    # TLS

    def _read_tls(self, side: _Side) -> None:
        handshakes = side.handshakes
        if handshakes is None:
            octets = side.stream.octets
            end = first_message_end(octets)
            if end >= 0:
                if 0 < end <= len(octets):
                    self._said(side, slices.piece(octets, RECORD_HEADER, end))
                return
            handshakes = side.handshakes = Handshakes()
        handshakes.read(side.stream.octets)
        octets = handshakes.octets
        if octets:
            if octets[0] == CLIENT_HELLO:
                hello = client_hello(octets)
                if hello is not None:
                    self._client_said(side, hello)
                    return
            else:
                answer = server_hello(octets)
                if answer is not None:
                    self._server_said(side, answer)
                    return
        if handshakes.ended:
            side.close()

    def _said(self, side: _Side, message: bytes) -> None:
        """Take in the first handshake message of *side*."""
        if message[0] == CLIENT_HELLO:
            self._client_said(side, client_message(message))
        elif message[0] == SERVER_HELLO:
            self._server_said(side, server_message(message))
        else:
            raise DissectError(f"handshake message {message[0]} comes first")

    def _client_said(self, side: _Side, hello: ClientHello) -> None:
        self.reversed = side is self._down
        if hello.name_refused:
            self._counters.names_refused += 1
        port = self._client_port if self.reversed else self._server_port
        self._asks_tls(hello.server_name, "tls_sni", "tls", port, hello.name_refused and not hello.name_literal)
        self.plaintext = False
        self.plaintext_data = None
        self.ech = hello.ech == "outer"
        if not self._heard_server:
            self.tls_version = version_name(hello.version)
            self.tls_version_offered = self.tls_version is not None
        if self.alpn is None and hello.alpn:
            self.alpn = hello.alpn[0]
        side.close()

    def _server_said(self, side: _Side, hello: ServerHello) -> None:
        if self.app == "other":
            self.app = "tls"
            self.reversed = side is self._up
        self._heard_server = True
        self.tls_version = version_name(hello.version)
        self.tls_version_offered = False
        if hello.alpn is not None:
            self.alpn = hello.alpn
        side.close()

    # What may come before TLS

    def _expect_hello(self) -> None:
        """Look for a hello on both sides: what was said so far may lead to TLS."""
        for side in (self._up, self._down):
            if side.open and side.kind != TLS:
                side.kind = PRELUDE
                side.scanned = 0
                self._search_hello(side)

    def _search_hello(self, side: _Side) -> None:
        octets = side.stream.octets
        at = hello_at(octets, side.scanned)
        if at >= 0:
            side.stream.take(at)
            side.kind = TLS
            self._read_tls(side)
            return
        side.scanned = max(0, len(octets) - HELLO_START + 1)
        if len(octets) > MAX_PRELUDE_OCTETS:
            side.close()

    # HTTP

    def _note_http(self, requests: _Side) -> None:
        self.app = "http"
        self.plaintext = True
        self.reversed = requests is self._down
        self._other(requests).close()

    def _read_requests(self, side: _Side) -> None:
        """Read the requests that have come whole, until one is seen to carry data."""
        stream = side.stream
        if stream.waiting >= MAX_WAITING_REQUESTS and stream.skip_gap():
            self._counters.http_gaps += 1
            self._lost = True
            side.scanned = 0
        while side.open and side.kind == REQUESTS and stream.octets:
            if not self._at_request(side):
                break
            end = head_end(stream.octets, side.scanned)
            if end < 0:
                side.scanned = max(0, len(stream.octets) - 3)
                if len(stream.octets) > MAX_HEAD_OCTETS:
                    raise DissectError("request head too long")
                break
            asked = request(slices.piece(stream.octets, 0, end))
            stream.take(end)
            side.scanned = 0
            self._asked(side, asked)
        self._note_data(side)

    def _at_request(self, side: _Side) -> bool:
        """Say whether a request may start here. Behind a gap only the start of a segment can be one."""
        if not self._lost or side.scanned:
            return True
        kind = kind_of(side.stream.octets)
        if kind not in {REQUESTS, UNDECIDED}:
            side.stream.take(len(side.stream.octets))
        return kind == REQUESTS

    def _asked(self, side: _Side, asked: Request) -> None:
        if not self._requests:
            self._counters.names_refused += asked.host_refused
            if asked.host is not None or (asked.host_refused and not asked.host_literal):
                self.server_name = asked.host
                self.name_source = "http_host"
        self._requests += 1
        self._upgrade = self._upgrade or asked.upgrade
        carries_data = asked.has_body or asked.has_cookie or asked.has_query
        if carries_data:
            self.plaintext_data = True
        if asked.method == "CONNECT":
            self._lost = True
            self._other(side).reopen()
            self._expect_hello()
        elif carries_data or asked.http2:
            self._lost = self._lost or asked.http2
            side.close()

    def _note_data(self, side: _Side) -> None:
        """Say what is known of the requests so far: only whole ones, with nothing missing, are clean."""
        if self.plaintext and self.plaintext_data is not True:
            stream = side.stream
            clean = self._requests and not self._lost and not stream.octets and not stream.waiting
            self.plaintext_data = False if clean else None

    def _give_up(self, side: _Side) -> None:
        """Stop reading *side*: it is not what it seemed."""
        if side.kind == REQUESTS:
            # After an upgrade (a WebSocket, say) it is no fault that requests end.
            self._counters.http_malformed += not self._upgrade
            self._lost = True
            self._note_data(side)
        else:
            self._counters.tls_malformed += 1
            self.app = "tls" if self.app == "other" else self.app
            octets = side.stream.octets[RECORD_HEADER:] if side.handshakes is None else side.handshakes.octets
            if octets[:1] == b"\x01":
                self._other(side).close()
        side.close()


def tcp_opening(counters: OpeningCounters, holdings: Holdings, client_port: int, server_port: int) -> TcpOpening:
    """Return the opening of a TCP connection. A function: calling a class costs more than all fields of it.

    Args:
        counters: what goes wrong.
        holdings: bounds what all openings hold.
        client_port: port of the provisional client.
        server_port: port of the provisional server.
    """
    made: TcpOpening = TcpOpening.__new__(TcpOpening)
    made._meet(counters, holdings, client_port, server_port)  # noqa: SLF001 -- its constructor
    return made
