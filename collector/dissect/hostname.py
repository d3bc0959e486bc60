"""Decides which octets are the name of a host. Everything that names a server on the wire passes through here."""

from __future__ import annotations

import re

MAX_NAME_OCTETS = 253
"""Longest host name in text form (RFC 1035 section 2.3.4: 255 octets on the wire)."""
MAX_LABEL_OCTETS = 63

# The underscore is no host name character (RFC 952), but names that carry one exist and browsers ask for them.
_HOST_OCTETS = b"abcdefghijklmnopqrstuvwxyz0123456789-._"
_DOT = 0x2E
_PORT = re.compile(rb":[0-9]{0,5}\Z")


def host_name(octets: bytes) -> str | None:
    """Return the host name in *octets*, lower case and without a trailing dot; None: these octets name no host.

    Names with other octets, empty or overlong labels, and IP literals are no names. A name that ends in a number is an
    IPv4 address in one of its spellings, as browsers see it.

    Source: RFC 1123 section 2.1; RFC 6066 section 3; WHATWG URL, "ends in a number".
    """
    name = octets.lower()
    if name.endswith(b"."):
        name = name[:-1]
    length = len(name)
    if not 0 < length <= MAX_NAME_OCTETS or name.translate(None, _HOST_OCTETS):
        return None
    if b".." in name or name[0] == _DOT or name[-1] == _DOT:
        return None
    if length > MAX_LABEL_OCTETS and any(len(label) > MAX_LABEL_OCTETS for label in name.split(b".")):
        return None
    last = name[name.rfind(b".") + 1 :]
    if last.isdigit() or (last.startswith(b"0x") and _is_hexadecimal(last[2:])):
        return None
    return name.decode("ascii")


def without_port(authority: bytes) -> bytes:
    """Return *authority* without the port at its end (RFC 3986 section 3.2.3), if one is there."""
    return _PORT.sub(b"", authority)


def _is_hexadecimal(octets: bytes) -> bool:
    return not octets.translate(None, b"0123456789abcdef")
