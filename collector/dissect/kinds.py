"""Guesses from the first octets of one direction of a TCP connection what is spoken there; ports are not asked.

Compiled; the C types stand in kinds.pxd.
"""

from __future__ import annotations

import re

from collector.dissect.errors import DissectError
from collector.dissect.http import MAX_LINE_OCTETS
from collector.dissect.tls import ssl2_client_hello

if __file__.endswith(".py"):  # compiled, these names are C variables
    from collector.dissect.tls import ALERT, APPLICATION_DATA, CHANGE_CIPHER_SPEC, HANDSHAKE, MAX_RECORD

# What one direction of a TCP connection speaks. Compiled, these are C variables too.
UNDECIDED = 0  # too few octets to tell
OTHER = 1  # nothing that is read here
TLS = 2  # TLS records that start with a handshake
TLS_LATE = 3  # TLS records, but the hello went by unseen
SSL2 = 4  # a hello in the old SSL 2.0 form
REQUESTS = 5  # HTTP requests in the clear
RESPONSES = 6  # HTTP responses in the clear
PRELUDE = 7  # a protocol that may turn into TLS on the same connection: SOCKS, mail, chat, PostgreSQL

# What servers and clients say first in protocols that know STARTTLS (RFC 3207, RFC 9051, RFC 2595, RFC 4217, RFC 6120).
_BANNERS = (b"220 ", b"220-", b"* OK", b"+OK ", b"EHLO ", b"HELO ", b"<?xml", b"<stream:")
_LONGEST_BANNER = max(map(len, _BANNERS))
# SSLRequest of PostgreSQL: eight octets, then a code that is no protocol version.
_POSTGRES = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
_RESPONSE = b"HTTP/1."
_FIRST_WORDS = (*_BANNERS, _RESPONSE)
_METHOD = re.compile(rb"[A-Z][A-Z_-]{1,19} ")
_METHOD_SO_FAR = re.compile(rb"[A-Z][A-Z_-]{0,19}\Z")
_REQUEST_LINE_END = re.compile(rb" HTTP/[12]\.[0-9][ \t]*\r?\Z")

# A hello behind a prelude: handshake record, TLS version, type 1 (client) or 2 (server), length below 65,536, version.
_HELLO = re.compile(rb"\x16\x03[\x00-\x04][\x00-\x48].[\x01\x02]\x00..\x03[\x00-\x04]", re.DOTALL)
HELLO_START = 11  # how many octets tell a hello in the middle of a stream


def kind_of(octets: bytearray) -> int:
    """Return what the direction that starts with *octets* speaks: one of the numbers above.

    Source: RFC 8446 section 5.1; RFC 5246 appendix E.2; RFC 9112; RFC 1928 (SOCKS).
    """
    first = octets[0] if octets else -1
    if CHANGE_CIPHER_SPEC <= first <= APPLICATION_DATA:
        kind = _record_kind(octets)
    elif first >= 0x80:
        kind = _ssl2_kind(octets)
    elif first == 4 or first == 5:  # noqa: PLR1714 -- compiled to two comparisons
        kind = _socks_kind(octets)
    elif first == 0 and octets.startswith(_POSTGRES):
        kind = PRELUDE
    elif first <= 0 and _POSTGRES.startswith(octets):
        kind = UNDECIDED
    else:
        kind = _text_kind(octets)
    return kind


def hello_at(octets: bytearray, start: int) -> int:
    """Return the offset of the first TLS hello in *octets* from *start* on; -1: none."""
    found = _HELLO.search(octets, start)
    return found.start() if found else -1


def _record_kind(octets: bytearray) -> int:
    if len(octets) < 5:
        return UNDECIDED if len(octets) < 2 or octets[1] == 3 else OTHER
    if octets[1] != 3 or octets[2] > 4 or (octets[3] << 8) | octets[4] > MAX_RECORD:
        return OTHER
    if octets[0] == HANDSHAKE:
        if len(octets) == 5:
            return UNDECIDED
        return TLS if 1 <= octets[5] <= 2 else TLS_LATE
    # A server may warn before its hello (unrecognized_name, RFC 6066 section 3): go on reading after an alert.
    return TLS if octets[0] == ALERT and octets[3] == 0 and octets[4] == 2 else TLS_LATE


def _ssl2_kind(octets: bytearray) -> int:
    try:
        return UNDECIDED if ssl2_client_hello(octets) is None else SSL2
    except DissectError:
        return OTHER


def _socks_kind(octets: bytearray) -> int:
    if len(octets) < 2:
        return UNDECIDED
    if octets[0] == 4:
        return PRELUDE if octets[1] in {1, 2} else OTHER
    # Version 5: a count of methods and the methods, or the server's two octets.
    return PRELUDE if len(octets) in {2, 2 + octets[1]} or octets[1] < 8 else OTHER


def _text_kind(octets: bytearray) -> int:
    if _METHOD.match(octets):
        end = octets.find(b"\n", 0, MAX_LINE_OCTETS)
        if end < 0:
            return UNDECIDED if len(octets) < MAX_LINE_OCTETS else OTHER
        if _REQUEST_LINE_END.search(octets[:end]):
            return REQUESTS
    if octets.startswith(_BANNERS):
        return PRELUDE
    if octets.startswith(_RESPONSE):
        return RESPONSES
    return UNDECIDED if _may_become_text(octets) or _METHOD_SO_FAR.match(octets) else OTHER


def _may_become_text(octets: bytearray) -> bool:
    if len(octets) < _LONGEST_BANNER:
        for text in _FIRST_WORDS:
            if text.startswith(octets):
                return True
    return False
