"""How an event spells names and addresses (contract, section 2). Says yes or no, and mends nothing. Pure."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Final

from collector.dissect.hostname import names_host

__all__ = ["is_address", "is_link", "names_host"]

# As `collector.dissect.dns` spells a name on the wire: lower case, any other octet as three digits.
_LINK: Final = re.compile(r"(?:[a-z0-9_-]|\\[0-9]{3})+(?:\.(?:[a-z0-9_-]|\\[0-9]{3})+)*")
_ROOT: Final = ""


def is_link(text: str) -> bool:
    """Tell whether *text* may stand in a CNAME chain: an alias may lead to no host, and to the root (empty)."""
    return text == _ROOT or _LINK.fullmatch(text) is not None


def is_address(text: str) -> bool:
    """Tell whether *text* is an address of IPv4 or IPv6 and nothing more."""
    try:
        ip_address(text)
    except ValueError:
        return False
    # Behind `%` stands the name of somebody's interface, or any other text (RFC 4007 section 11).
    return "%" not in text
