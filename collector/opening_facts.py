"""What the first octets of a flow told, and what was counted on the way.

Compiled; the C types stand in opening_facts.pxd.
"""

from __future__ import annotations

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


class OpeningCounters:
    """What went wrong or met a bound while openings were read. Totals since start; none of it stops the collector."""

    __slots__ = (
        "dns_malformed",
        "dns_unasked",
        "http_gaps",
        "http_malformed",
        "names_refused",
        "openings_shed",
        "quic_attempts_capped",
        "quic_attempts_late",
        "quic_malformed",
        "quic_undecryptable",
        "stream_full",
        "tls_malformed",
    )

    def __init__(self) -> None:
        self.tls_malformed = 0
        """Hellos that broke the format of TLS."""
        self.quic_malformed = 0
        """Datagrams with a QUIC long header that broke its format, or an Initial whose frames did."""
        self.dns_malformed = 0
        """Messages on port 53 that are no DNS, or were cut short."""
        self.http_malformed = 0
        """Octets among requests that were no request."""
        self.names_refused = 0
        """Names in hellos and requests that are no host names: odd octets, too long, IP literals."""
        self.stream_full = 0
        """Directions given up because they held too many octets or segments."""
        self.http_gaps = 0
        """Gaps in clear-text requests that were stepped over."""
        self.quic_undecryptable = 0
        """Initials that opened with no key at hand: noise, or a connection whose start was not captured."""
        self.quic_attempts_capped = 0
        """Initials not opened at once because the flow, or all flows in that second, had used up their attempts."""
        self.quic_attempts_late = 0
        """Of these, opened all the same, once the server had answered or there was room again."""
        self.openings_shed = 0
        """Directions, connections and lists of questions given up because all openings together held too much."""
        self.dns_unasked = 0
        """Answers that match no question of their flow; they teach nothing."""

    def told(self) -> dict[str, int]:
        """Return every count by its name."""
        return {
            "tls_malformed": self.tls_malformed,
            "quic_malformed": self.quic_malformed,
            "dns_malformed": self.dns_malformed,
            "http_malformed": self.http_malformed,
            "names_refused": self.names_refused,
            "stream_full": self.stream_full,
            "http_gaps": self.http_gaps,
            "quic_undecryptable": self.quic_undecryptable,
            "quic_attempts_capped": self.quic_attempts_capped,
            "quic_attempts_late": self.quic_attempts_late,
            "openings_shed": self.openings_shed,
            "dns_unasked": self.dns_unasked,
        }


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
        """Where it was said; of a name that is None: one was said there that is no host name. An address is no name."""
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

    def _asks_tls(self, name: str | None, source: NameSource, app: App, port: int, refused: bool) -> None:
        """Note the name in a hello, or that one was *refused*; and what runs inside, as name and port can tell."""
        self.server_name = name
        self.name_source = "none" if name is None and not refused else source
        if port == TLS_DNS_PORT:
            self.app = "dot"
        elif name is not None and is_known_resolver(name):
            self.app = "doh"
        else:
            self.app = app
