"""Guesses from the first octets of one direction of a TCP connection what is spoken there; ports are not asked."""

from __future__ import annotations

import re
from enum import IntEnum

from collector.dissect.errors import DissectError
from collector.dissect.http import MAX_LINE_OCTETS
from collector.dissect.tls import (
    ALERT,
    APPLICATION_DATA,
    CHANGE_CIPHER_SPEC,
    HANDSHAKE,
    MAX_RECORD_OCTETS,
    ssl2_client_hello,
)


class Kind(IntEnum):
    """What one direction of a TCP connection speaks."""

    UNDECIDED = 0
    """Too few octets to tell."""
    OTHER = 1
    """Nothing that is read here."""
    TLS = 2
    """TLS records that start with a handshake."""
    TLS_LATE = 3
    """TLS records, but the hello went by unseen."""
    SSL2 = 4
    """A hello in the old SSL 2.0 form."""
    REQUESTS = 5
    """HTTP requests in the clear."""
    RESPONSES = 6
    """HTTP responses in the clear."""
    PRELUDE = 7
    """A protocol that may turn into TLS on the same connection: SOCKS, mail, chat, PostgreSQL."""


# What servers and clients say first in protocols that know STARTTLS (RFC 3207, RFC 9051, RFC 2595, RFC 4217, RFC 6120).
_BANNERS = (b"220 ", b"220-", b"* OK", b"+OK ", b"EHLO ", b"HELO ", b"<?xml", b"<stream:")
_LONGEST_BANNER = max(map(len, _BANNERS))
# SSLRequest of PostgreSQL: eight octets, then a code that is no protocol version.
_POSTGRES = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
_RESPONSE = b"HTTP/1."
_METHOD = re.compile(rb"[A-Z][A-Z_-]{1,19} ")
_METHOD_SO_FAR = re.compile(rb"[A-Z][A-Z_-]{0,19}\Z")
_REQUEST_LINE_END = re.compile(rb" HTTP/[12]\.[0-9][ \t]*\r?\Z")

# A hello behind a prelude: handshake record, TLS version, type 1 (client) or 2 (server), length below 65,536, version.
_HELLO = re.compile(rb"\x16\x03[\x00-\x04][\x00-\x48].[\x01\x02]\x00..\x03[\x00-\x04]", re.DOTALL)
HELLO_START_OCTETS = 11
"""How many octets tell a hello in the middle of a stream."""


def kind_of(octets: bytes | bytearray) -> Kind:
    """Return what the direction that starts with *octets* speaks.

    Source: RFC 8446 section 5.1; RFC 5246 appendix E.2; RFC 9112; RFC 1928 (SOCKS).
    """
    first = octets[0] if octets else -1
    if CHANGE_CIPHER_SPEC <= first <= APPLICATION_DATA:
        kind = _record_kind(octets)
    elif first >= 0x80:
        kind = _ssl2_kind(octets)
    elif first in {4, 5}:
        kind = _socks_kind(octets)
    elif octets.startswith(_POSTGRES):
        kind = Kind.PRELUDE
    elif _POSTGRES.startswith(octets):
        kind = Kind.UNDECIDED
    else:
        kind = _text_kind(octets)
    return kind


def hello_at(octets: bytes | bytearray, start: int) -> int:
    """Return the offset of the first TLS hello in *octets* from *start* on; -1: none."""
    found = _HELLO.search(octets, start)
    return found.start() if found else -1


def _record_kind(octets: bytes | bytearray) -> Kind:
    if len(octets) < 5:
        return Kind.UNDECIDED if len(octets) < 2 or octets[1] == 3 else Kind.OTHER
    if octets[1] != 3 or octets[2] > 4 or (octets[3] << 8) | octets[4] > MAX_RECORD_OCTETS:
        return Kind.OTHER
    if octets[0] == HANDSHAKE:
        if len(octets) == 5:
            return Kind.UNDECIDED
        return Kind.TLS if octets[5] in {1, 2} else Kind.TLS_LATE
    # A server may warn before its hello (unrecognized_name, RFC 6066 section 3): go on reading after an alert.
    return Kind.TLS if octets[0] == ALERT and octets[3:5] == b"\x00\x02" else Kind.TLS_LATE


def _ssl2_kind(octets: bytes | bytearray) -> Kind:
    try:
        return Kind.UNDECIDED if ssl2_client_hello(octets) is None else Kind.SSL2
    except DissectError:
        return Kind.OTHER


def _socks_kind(octets: bytes | bytearray) -> Kind:
    if len(octets) < 2:
        return Kind.UNDECIDED
    if octets[0] == 4:
        return Kind.PRELUDE if octets[1] in {1, 2} else Kind.OTHER
    # Version 5: a count of methods and the methods, or the server's two octets.
    return Kind.PRELUDE if len(octets) in {2, 2 + octets[1]} or octets[1] < 8 else Kind.OTHER


def _text_kind(octets: bytes | bytearray) -> Kind:
    if _METHOD.match(octets):
        end = octets.find(b"\n", 0, MAX_LINE_OCTETS)
        if end < 0:
            return Kind.UNDECIDED if len(octets) < MAX_LINE_OCTETS else Kind.OTHER
        if _REQUEST_LINE_END.search(octets[:end]):
            return Kind.REQUESTS
    if octets.startswith(_BANNERS):
        return Kind.PRELUDE
    if octets.startswith(_RESPONSE):
        return Kind.RESPONSES
    short = len(octets) < _LONGEST_BANNER and any(text.startswith(octets) for text in (*_BANNERS, _RESPONSE))
    return Kind.UNDECIDED if short or _METHOD_SO_FAR.match(octets) else Kind.OTHER
