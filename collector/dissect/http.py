"""Reads the heads of clear-text HTTP requests. Of a request it keeps the host and what kind of data it carried."""

from __future__ import annotations

import re
from dataclasses import dataclass

from collector.dissect.errors import DissectError
from collector.dissect.hostname import host_name, without_port

MAX_HEAD_OCTETS = 65_536
"""Longest request head that is waited for."""
MAX_LINE_OCTETS = 16_384
"""Longest request line that is waited for before the octets are taken for something else."""

_BLANK_LINE = re.compile(rb"\n\r?\n")
_LINE_END = re.compile(rb"\r?\n")
_METHOD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}\Z")
_VERSION = re.compile(rb"HTTP/([0-9])\.[0-9]\Z")
_ABSOLUTE = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*://([^/?#]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a request head says (RFC 9112). The target itself, which may name a pupil, is never kept."""

    method: str
    host: str | None
    """Host that was asked for, lower case, without port. None: none given, or no host name. Untrusted: escape it."""
    host_refused: bool
    """A host was given and is no host name: odd octets, too long, or an IP literal."""
    has_cookie: bool
    has_query: bool
    has_body: bool
    """A body is announced (RFC 9112 section 6.3)."""
    upgrade: bool
    """The client offers to leave HTTP/1 after this request (RFC 9110 section 7.8)."""
    http2: bool
    """This is the preface of HTTP/2 in the clear (RFC 9113 section 3.4), not a request."""


def head_end(octets: bytes | bytearray, start: int) -> int:
    """Return the offset behind the blank line that ends a head, looked for from *start* on; -1: not there yet.

    Bare line feeds end lines too, as servers tolerate them (RFC 9112 section 2.2).
    """
    found = _BLANK_LINE.search(octets, start)
    return found.end() if found else -1


def request(head: bytes) -> Request:
    """Return what the request *head*, complete with its blank line, says.

    Raises:
        DissectError: this is no HTTP request.

    Source: RFC 9112 sections 3, 5 and 6; RFC 9110 sections 7.2 and 9.3.6.
    """
    lines = _LINE_END.split(head.lstrip(b"\r\n"))
    method, _, rest = lines[0].rstrip().partition(b" ")
    target, _, version = rest.rpartition(b" ")
    target = target.strip()
    found = _VERSION.match(version)
    if found is None or not target or not _METHOD.match(method):
        raise DissectError("no HTTP request line")
    host: bytes | None = None
    cookie = body = upgrade = False
    for name, value in _fields(lines):
        if name == b"host":
            host = value if host is None else host
        elif name == b"cookie":
            cookie = cookie or bool(value)
        elif name == b"content-length":
            body = body or bool(value.strip(b"0, \t"))
        elif name == b"transfer-encoding":
            body = body or bool(value)
        elif name == b"upgrade":
            upgrade = bool(value)
    authority = _authority(target, method)
    asked = authority if authority is not None else host
    known = host_name(without_port(asked).strip()) if asked else None
    return Request(
        method=method.decode("ascii"),
        host=known,
        host_refused=bool(asked) and known is None,
        has_cookie=cookie,
        has_query=bool(target.partition(b"?")[2]),
        has_body=body,
        upgrade=upgrade,
        http2=method == b"PRI" and found.group(1) == b"2",
    )


def _fields(lines: list[bytes]) -> list[tuple[bytes, bytes]]:
    """Return name (lower case) and value of each header field; a folded line belongs to the one before it."""
    fields: list[tuple[bytes, bytes]] = []
    folded: list[bytes] = []
    for line in lines[1:]:
        if line[:1] in {b" ", b"\t"}:
            folded.append(line.strip())
            continue
        if folded:
            _unfold(fields, folded)
        name, colon, value = line.partition(b":")
        if colon:
            fields.append((name.strip().lower(), value.strip()))
    _unfold(fields, folded)
    return fields


def _unfold(fields: list[tuple[bytes, bytes]], folded: list[bytes]) -> None:
    """Put folded lines behind the last field, all at once: a head may consist of nothing else."""
    if fields and folded:
        name, value = fields[-1]
        fields[-1] = (name, b" ".join((value, *folded)).strip())
    folded.clear()


def _authority(target: bytes, method: bytes) -> bytes | None:
    """Return the authority that stands in the request line itself, which wins over Host (RFC 9112 section 3.2.2)."""
    if method == b"CONNECT":
        return target
    found = _ABSOLUTE.match(target)
    return found.group(1).rpartition(b"@")[2] if found else None
