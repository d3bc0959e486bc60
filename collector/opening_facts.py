"""What the first octets of a flow told, and what was counted on the way.

Compiled; the C types stand in opening_facts.pxd.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from collector.resolvers import is_known_resolver

if TYPE_CHECKING:
    from collector.events import App, NameSource, TlsVersion

UP = 1
"""Wanted: payload from the provisional client."""
DOWN = 2
"""Wanted: payload from the provisional server."""
BOTH = UP | DOWN

TLS_DNS_PORT = 853
"""DNS over TLS and over QUIC (RFC 7858, RFC 9250): the port says it, nothing in the clear does."""


@dataclass(slots=True, kw_only=True)
class OpeningCounters:
    """What went wrong or met a bound while openings were read. Totals since start; none of it stops the collector."""

    tls_malformed: int = 0
    """Hellos that broke the format of TLS."""
    quic_malformed: int = 0
    """Datagrams with a QUIC long header that broke its format, or an Initial whose frames did."""
    dns_malformed: int = 0
    """Messages on port 53 that are no DNS, or were cut short."""
    http_malformed: int = 0
    """Octets among requests that were no request."""
    names_refused: int = 0
    """Names in hellos and requests that are no host names: odd octets, too long, IP literals."""
    stream_full: int = 0
    """Directions given up because they held too many octets or segments."""
    http_gaps: int = 0
    """Gaps in clear-text requests that were stepped over."""
    quic_undecryptable: int = 0
    """Initials that opened with no key at hand: noise, or a connection whose start was not captured."""
    quic_attempts_capped: int = 0
    """Initials not opened at once because the flow, or all flows in that second, had used up their attempts."""
    quic_attempts_late: int = 0
    """Of these, opened all the same, once the server had answered or there was room again."""
    openings_shed: int = 0
    """Directions, connections and lists of questions given up because all openings together held too much."""
    dns_unasked: int = 0
    """Answers that match no question of their flow; they teach nothing."""


class Opening:
    """What the first octets of one flow told; fills up while `octets` is called."""

    __slots__ = (
        "alpn",
        "app",
        "ech",
        "name_source",
        "plaintext",
        "plaintext_data",
        "reversed",
        "server_name",
        "tls_version",
        "tls_version_offered",
    )

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self.server_name: str | None = None
        """Name the client asked for, lower case. None: not seen, or none given. Untrusted: escape it."""
        self.name_source: NameSource = "none"
        """Where it was said."""
        self.app: App = "other"
        """Application protocol."""
        self.tls_version: TlsVersion | None = None
        """Negotiated version where the server was heard, else the highest offered; None: no hello."""
        self.tls_version_offered = False
        """True: `tls_version` is only what the client offered."""
        self.alpn: str | None = None
        """First protocol agreed or offered. Untrusted: escape it."""
        self.ech = False
        """The ClientHello carries Encrypted Client Hello; grease does too."""
        self.plaintext = False
        """This is HTTP in the clear."""
        self.plaintext_data: bool | None = None
        """A request carried a body, a cookie or a query; None: that cannot be told."""
        self.reversed = False
        """What was said shows that the provisional server is the client."""

    def octets(self, up: bool, offset: int, data: bytes, at_ns: int) -> int:
        """Take the payload of one segment or datagram; return what is still wanted: UP, DOWN, both, or 0 when done.

        Args:
            up: it came from the provisional client.
            offset: TCP: distance of its first octet from the first payload octet of the direction; UDP: 0.
            data: the payload.
            at_ns: when it passed, nanoseconds since the epoch.
        """
        raise NotImplementedError

    def _asks_tls(self, name: str | None, source: NameSource, app: App, port: int) -> None:
        """Note the name in a hello, and what runs inside as far as name and port can tell."""
        self.server_name = name
        self.name_source = "none" if name is None else source
        if port == TLS_DNS_PORT:
            self.app = "dot"
        elif name is not None and is_known_resolver(name):
            self.app = "doh"
        else:
            self.app = app
