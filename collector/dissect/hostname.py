"""Decides which octets are the name of a host. Everything that names a server on the wire passes through here.

Compiled; the C types stand in hostname.pxd.
"""

from __future__ import annotations

from ipaddress import ip_address

MAX_NAME_OCTETS = 253
"""Longest host name in text form (RFC 1035 section 2.3.4: 255 octets on the wire)."""
MAX_LABEL_OCTETS = 63

_MAX_NAME = MAX_NAME_OCTETS
_MAX_LABEL = MAX_LABEL_OCTETS
_MAX_PORT_DIGITS = 5


def host_name(octets: bytes) -> str | None:
    """Return the host name in *octets*, lower case and without a trailing dot; None: these octets name no host.

    Names with other octets, empty or overlong labels, and IP literals are no names. A name that ends in a number is an
    IPv4 address in one of its spellings, as browsers see it.

    Source: RFC 1123 section 2.1; RFC 6066 section 3; WHATWG URL, "ends in a number".
    """
    name = octets.lower()
    end = len(name)
    if end and name[end - 1] == 0x2E:
        end -= 1
        name = name[:end]
    if not 0 < end <= _MAX_NAME:
        return None
    label = 0  # where the label begins
    digits = 0
    for at in range(end):
        octet = name[at]
        if octet == 0x2E:
            if at == label or at - label > _MAX_LABEL:
                return None
            label = at + 1
            digits = 0
        elif 0x30 <= octet <= 0x39:
            digits += 1
        # The underscore is no host name character (RFC 952), but names that carry one exist and browsers ask for them.
        elif not 0x61 <= octet <= 0x7A and octet != 0x2D and octet != 0x5F:  # noqa: PLR1714 -- compiled to comparisons
            return None
    size = end - label
    if not 0 < size <= _MAX_LABEL or digits == size or (name[label] == 0x30 and _is_hexadecimal(name[label:])):
        return None
    return name.decode("ascii")


def names_host(text: str) -> bool:
    """Say whether *text*, in lower case and without a dot at its end, is what `host_name` makes of it."""
    size = len(text)
    if not 0 < size <= _MAX_NAME:
        return False
    label = 0  # characters of this label so far
    digits = 0
    for character in text:
        if character == ".":
            if label == 0 or label > _MAX_LABEL:
                return False
            label = 0
            digits = 0
            continue
        label += 1
        if "0" <= character <= "9":
            digits += 1
        elif not "a" <= character <= "z" and character != "-" and character != "_":  # noqa: PLR1714 -- compiled to comparisons
            return False
    if not 0 < label <= _MAX_LABEL or digits == label:
        return False
    return text[size - label] != "0" or not _is_hexadecimal(text[size - label :].encode("ascii"))


def without_port(authority: bytes) -> bytes:
    """Return *authority* without the port at its end (RFC 3986 section 3.2.3), if one is there."""
    end = at = len(authority)
    while at > 0 and 0x30 <= authority[at - 1] <= 0x39:
        at -= 1
    if at > 0 and authority[at - 1] == 0x3A and end - at <= _MAX_PORT_DIGITS:
        return authority[: at - 1]
    return authority


def is_literal(octets: bytes) -> bool:
    """Say whether *octets*, which are no host name, are an IP address as it is written in a request: no name at all.

    Other spellings of an address are none, for a name can be spelled like them.

    Source: RFC 3986 section 3.2.2 (an IPv6 address in brackets).
    """
    text = octets.decode("latin-1")
    host = text[1:].partition("]")[0] if text.startswith("[") else text
    try:
        return "%" not in host and bool(ip_address(host))
    except ValueError:
        return False


def _is_hexadecimal(label: bytes) -> bool:
    return label.startswith(b"0x") and not label[2:].translate(None, b"0123456789abcdef")
