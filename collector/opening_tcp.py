"""Reads how a TCP connection opens: TLS hellos, clear-text HTTP requests, and what may come before a hello."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.dissect import http, tls
from collector.dissect.errors import DissectError
from collector.dissect.kinds import HELLO_START_OCTETS, Kind, hello_at, kind_of
from collector.opening_facts import DOWN, UP, Opening
from collector.streams import Gain, Stream

if TYPE_CHECKING:
    from collector.opening_facts import OpeningCounters

MAX_OTHER_SEGMENTS = 4
"""Segments that are looked at before a direction counts as something else. When a capture begins in the middle, an
earlier segment may still come late."""
MAX_PRELUDE_OCTETS = 16_384
"""Octets of a direction in which a hello is looked for behind mail commands and the like."""
MAX_WAITING_REQUESTS = 16
"""Segments that wait behind a gap in clear-text requests before the gap is stepped over."""


class _Side:
    """One direction of the connection."""

    __slots__ = ("bit", "handshakes", "kind", "open", "scanned", "stream")

    def __init__(self, bit: int) -> None:
        self.bit = bit
        self.stream = Stream()
        self.kind = Kind.UNDECIDED
        self.open = True
        """More payload is wanted of it."""
        self.scanned = 0
        """Octets already searched in vain for what ends a head or starts a hello."""
        self.handshakes: tls.Handshakes | None = None

    def close(self) -> None:
        """Want no more of it. Flows outlive their openings by far: what was read must not stay in memory with them."""
        self.open = False
        self.stream = Stream()
        self.handshakes = None


class TcpOpening(Opening):
    """The opening of a TCP connection, by what is said on it.

    Args:
        counters: what goes wrong.
        client_port: port of the provisional client.
        server_port: port of the provisional server.
    """

    __slots__ = ("_counters", "_down", "_heard_server", "_lost", "_ports", "_requests", "_up", "_upgrade")

    def __init__(self, counters: OpeningCounters, *, client_port: int, server_port: int) -> None:
        super().__init__()
        self._counters = counters
        self._ports = (client_port, server_port)
        self._up = _Side(UP)
        self._down = _Side(DOWN)
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
        return (UP if self._up.open else 0) | (DOWN if self._down.open else 0)

    def _take(self, side: _Side, offset: int, data: bytes) -> None:
        gain = side.stream.add(offset, data)
        if gain == Gain.FULL:
            self._counters.stream_full += 1
            self._lost = True
            self._note_data(side)
            side.close()
            return
        if gain == Gain.EARLIER:
            side.kind = Kind.UNDECIDED
            side.handshakes = None
            side.scanned = 0
        if side.kind == Kind.REQUESTS:
            self._read_requests(side)
        elif gain != Gain.NOTHING:
            if side.kind in {Kind.UNDECIDED, Kind.OTHER}:
                self._decide(side)
            elif side.kind == Kind.TLS:
                self._read_tls(side)
            elif side.kind == Kind.PRELUDE:
                self._search_hello(side)

    def _other(self, side: _Side) -> _Side:
        return self._down if side is self._up else self._up

    def _decide(self, side: _Side) -> None:
        """Find out what *side* speaks, and start to read it."""
        side.kind = kind = kind_of(side.stream.octets)
        if kind == Kind.TLS:
            self._read_tls(side)
        elif kind == Kind.REQUESTS:
            self._note_http(requests=side)
            self._read_requests(side)
        elif kind == Kind.RESPONSES:
            self._note_http(requests=self._other(side))
        elif kind == Kind.PRELUDE:
            self._expect_hello()
        elif kind == Kind.SSL2:
            hello = tls.ssl2_client_hello(side.stream.octets)
            if hello is not None:
                self._client_said(side, hello)
        elif kind == Kind.TLS_LATE:
            self.app = "tls" if self.app == "other" else self.app
            side.close()
        elif kind == Kind.OTHER and side.stream.segments >= MAX_OTHER_SEGMENTS:
            side.close()

    # TLS

    def _read_tls(self, side: _Side) -> None:
        handshakes = side.handshakes
        if handshakes is None:
            handshakes = side.handshakes = tls.Handshakes()
        handshakes.read(side.stream.octets)
        if handshakes.octets:
            if handshakes.octets[0] == tls.CLIENT_HELLO:
                hello = tls.client_hello(handshakes.octets)
                if hello is not None:
                    self._client_said(side, hello)
                    return
            else:
                answer = tls.server_hello(handshakes.octets)
                if answer is not None:
                    self._server_said(side, answer)
                    return
        if handshakes.ended:
            side.close()

    def _client_said(self, side: _Side, hello: tls.ClientHello) -> None:
        self.reversed = side is self._down
        self._counters.names_refused += hello.name_refused
        self._asks_tls(hello.server_name, "tls_sni", app="tls", port=self._ports[not self.reversed])
        self.plaintext = False
        self.plaintext_data = None
        self.ech = hello.ech == "outer"
        if not self._heard_server:
            self.tls_version = tls.version_name(hello.version)
            self.tls_version_offered = self.tls_version is not None
        if self.alpn is None and hello.alpn:
            self.alpn = hello.alpn[0]
        side.close()

    def _server_said(self, side: _Side, hello: tls.ServerHello) -> None:
        if self.app == "other":
            self.app = "tls"
            self.reversed = side is self._up
        self._heard_server = True
        self.tls_version = tls.version_name(hello.version)
        self.tls_version_offered = False
        if hello.alpn is not None:
            self.alpn = hello.alpn
        side.close()

    # What may come before TLS

    def _expect_hello(self) -> None:
        """Look for a hello on both sides: what was said so far may lead to TLS."""
        for side in (self._up, self._down):
            if side.open and side.kind != Kind.TLS:
                side.kind = Kind.PRELUDE
                side.scanned = 0
                self._search_hello(side)

    def _search_hello(self, side: _Side) -> None:
        octets = side.stream.octets
        at = hello_at(octets, side.scanned)
        if at >= 0:
            side.stream.take(at)
            side.kind = Kind.TLS
            self._read_tls(side)
            return
        side.scanned = max(0, len(octets) - HELLO_START_OCTETS + 1)
        if len(octets) > MAX_PRELUDE_OCTETS:
            side.close()

    # HTTP

    def _note_http(self, *, requests: _Side) -> None:
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
        while side.open and side.kind == Kind.REQUESTS and stream.octets:
            if not self._at_request(side):
                break
            end = http.head_end(stream.octets, side.scanned)
            if end < 0:
                side.scanned = max(0, len(stream.octets) - 3)
                if len(stream.octets) > http.MAX_HEAD_OCTETS:
                    raise DissectError("request head too long")
                break
            request = http.request(bytes(stream.octets[:end]))
            stream.take(end)
            side.scanned = 0
            self._asked(side, request)
        self._note_data(side)

    def _at_request(self, side: _Side) -> bool:
        """Say whether a request may start here. Behind a gap only the start of a segment can be one."""
        if not self._lost or side.scanned:
            return True
        kind = kind_of(side.stream.octets)
        if kind not in {Kind.REQUESTS, Kind.UNDECIDED}:
            side.stream.take(len(side.stream.octets))
        return kind == Kind.REQUESTS

    def _asked(self, side: _Side, request: http.Request) -> None:
        if not self._requests:
            self._counters.names_refused += request.host_refused
            if request.host is not None:
                self.server_name = request.host
                self.name_source = "http_host"
        self._requests += 1
        self._upgrade = self._upgrade or request.upgrade
        if request.has_body or request.has_cookie or request.has_query:
            self.plaintext_data = True
            side.close()
        if request.http2:
            self._lost = True
            side.close()
        elif request.method == "CONNECT":
            self._lost = True
            side.open = self._other(side).open = True
            self._expect_hello()

    def _note_data(self, side: _Side) -> None:
        """Say what is known of the requests so far: only whole ones, with nothing missing, are clean."""
        if self.plaintext and self.plaintext_data is not True:
            stream = side.stream
            clean = self._requests and not self._lost and not stream.octets and not stream.waiting
            self.plaintext_data = False if clean else None

    def _give_up(self, side: _Side) -> None:
        """Stop reading *side*: it is not what it seemed."""
        if side.kind == Kind.REQUESTS:
            # After an upgrade (a WebSocket, say) it is no fault that requests end.
            self._counters.http_malformed += not self._upgrade
            self._lost = True
            self._note_data(side)
        else:
            self._counters.tls_malformed += 1
            self.app = "tls" if self.app == "other" else self.app
            if side.handshakes is not None and side.handshakes.octets[:1] == b"\x01":
                self._other(side).close()
        side.close()
