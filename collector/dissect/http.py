"""Reads the heads of clear-text HTTP requests. Of a request it keeps the host and what kind of data it carried.

Compiled, in one pass; the C types stand in http.pxd.
"""

from __future__ import annotations

import re

from collector.dissect.errors import DissectError
from collector.dissect.hostname import host_name, is_literal, without_port

MAX_HEAD_OCTETS = 65_536
"""Longest request head that is waited for."""
MAX_LINE_OCTETS = 16_384
"""Longest request line that is waited for before the octets are taken for something else."""

_METHOD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}\Z")
_VERSION = re.compile(rb"HTTP/[0-9]\.[0-9]\Z")
_ABSOLUTE = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*://([^/?#]*)")
_COMMON_METHODS = frozenset((b"GET", b"POST", b"HEAD", b"PUT", b"OPTIONS"))
_COMMON_VERSIONS = frozenset((b"HTTP/1.0", b"HTTP/1.1"))


class Request:
    """What a request head says (RFC 9112). The target itself, which may name a pupil, is never kept."""

    __slots__ = (
        "has_body",
        "has_cookie",
        "has_query",
        "host",
        "host_literal",
        "host_refused",
        "http2",
        "method",
        "upgrade",
    )

    method: str
    host: str | None
    """Host that was asked for, lower case, without port. None: none given, or no host name. Untrusted: escape it."""
    host_refused: bool
    """A host was given and is no host name: odd octets, too long, or an IP literal."""
    host_literal: bool
    """What was given is an IP literal."""
    has_cookie: bool
    has_query: bool
    has_body: bool
    """A body is announced (RFC 9112 section 6.3)."""
    upgrade: bool
    """The client offers to leave HTTP/1 after this request (RFC 9110 section 7.8)."""
    http2: bool
    """This is the preface of HTTP/2 in the clear (RFC 9113 section 3.4), not a request."""

    def __init__(self) -> None:
        self.has_cookie = False
        self.has_body = False
        self.upgrade = False


class _Fields:
    """The header fields of one request, of which one at a time is put together from its lines."""

    __slots__ = ("folded", "host", "name", "value")

    name: bytes
    """Name of the last field, lower case; empty: one that says nothing here, or none yet."""
    value: bytes
    """Its value so far."""
    folded: list[bytes] | None
    """Lines that belong to the value and are not part of it yet."""
    host: bytes | None
    """What the first Host field said."""

    def __init__(self) -> None:
        self.name = b""
        self.value = b""
        self.folded = None
        self.host = None

    def line(self, head: bytes, at: int, end: int, asked: Request) -> None:
        """Take the line from *at* to *end*; a folded line belongs to the field before it."""
        if at < end and (head[at] == 0x20 or head[at] == 0x09):
            if self.name:
                if self.folded is None:
                    self.folded = []
                self.folded.append(head[at:end].strip())
            return
        if self.folded is not None:
            self._unfold()
        colon = at
        while colon < end and head[colon] != 0x3A:
            colon += 1
        if colon == end:
            return
        self._end(asked)
        # Only names that begin with c, h, t or u are asked for below. What is no letter may be space before one.
        first = head[at] | 0x20
        if not 0x61 <= first <= 0x7A or first == 0x63 or first == 0x68 or first == 0x74 or first == 0x75:  # noqa: PLR1714
            self.name = head[at:colon].strip().lower()
            self.value = head[colon + 1 : end].strip()
        else:
            self.name = b""

    def finish(self, asked: Request) -> None:
        """Take the end of the head."""
        if self.folded is not None:
            self._unfold()
        self._end(asked)

    def _unfold(self) -> None:
        """Put folded lines behind the last field, all at once: a head may consist of nothing else."""
        folded = self.folded
        if folded is not None:
            self.value = b" ".join((self.value, *folded)).strip()
        self.folded = None

    def _end(self, asked: Request) -> None:
        """Note what the last field says."""
        name = self.name
        if not name:
            return
        if name == b"host":
            if self.host is None:
                self.host = self.value
        elif name == b"cookie":
            asked.has_cookie = asked.has_cookie or bool(self.value)
        elif name == b"content-length":
            asked.has_body = asked.has_body or bool(self.value.strip(b"0, \t"))
        elif name == b"transfer-encoding":
            asked.has_body = asked.has_body or bool(self.value)
        elif name == b"upgrade":
            asked.upgrade = bool(self.value)


def head_end(octets: bytearray, start: int) -> int:
    """Return the offset behind the blank line that ends a head, looked for from *start* on; -1: not there yet.

    Bare line feeds end lines too, as servers tolerate them (RFC 9112 section 2.2).
    """
    size = len(octets)
    at = start
    while at < size - 1:
        if octets[at] == 0x0A:
            behind = at + 1
            if octets[behind] == 0x0D and behind + 1 < size:
                behind += 1
            if octets[behind] == 0x0A:
                return behind + 1
        at += 1
    return -1


def request(head: bytes) -> Request:
    """Return what the request *head*, complete with its blank line, says.

    Raises:
        DissectError: this is no HTTP request.

    Source: RFC 9112 sections 3, 5 and 6; RFC 9110 sections 7.2 and 9.3.6.
    """
    size = len(head)
    at = 0
    while at < size and (head[at] == 0x0D or head[at] == 0x0A):
        at += 1
    feed = _feed(head, at)
    method, _, rest = head[at:feed].rstrip().partition(b" ")
    target, _, version = rest.rpartition(b" ")
    target = target.strip()
    if version not in _COMMON_VERSIONS and not _VERSION.match(version):
        raise DissectError("no HTTP request line")
    if not target or (method not in _COMMON_METHODS and not _METHOD.match(method)):
        raise DissectError("no HTTP request line")
    asked = Request()
    fields = _Fields()
    while feed < size:
        at = feed + 1
        feed = _feed(head, at)
        end = feed
        if feed < size and feed > at and head[feed - 1] == 0x0D:
            end -= 1
        fields.line(head, at, end, asked)
    fields.finish(asked)
    authority = _authority(target, method)
    if authority is None:
        authority = fields.host
    host = without_port(authority).strip() if authority else b""
    asked.host = host_name(host) if host else None
    asked.host_refused = bool(authority) and asked.host is None
    asked.host_literal = asked.host_refused and is_literal(host)
    asked.method = method.decode("ascii")
    asked.has_query = bool(target.partition(b"?")[2])
    asked.http2 = method == b"PRI" and version.startswith(b"HTTP/2")
    return asked


def _feed(head: bytes, at: int) -> int:
    """Return where the line from *at* on has its line feed; the end of *head*: it has none."""
    size = len(head)
    while at < size and head[at] != 0x0A:
        at += 1
    return at


def _authority(target: bytes, method: bytes) -> bytes | None:
    """Return the authority that stands in the request line itself, which wins over Host (RFC 9112 section 3.2.2)."""
    if method == b"CONNECT":
        return target
    if target[0] == 0x2F:
        return None
    found = _ABSOLUTE.match(target)
    return found.group(1).rpartition(b"@")[2] if found else None
