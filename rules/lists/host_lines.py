"""EasyPrivacy and EasyList: the lines that block a whole host, `||host^` and `||host^$third-party`, and nothing else.

Any other line speaks of addresses, elements or circumstances that a flow does not show: counted, never guessed at.

Source: https://easylist.to; the lists are GPL-3.0-or-later or CC BY-SA 3.0-or-later.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from rules.lists.rows import ListRow, Weight

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rules.lists.rows import Piece, Tally
    from rules.parties import Kind

_WHOLE_HOST: Final = re.compile(rb"(@@)?\|\|([A-Za-z0-9._-]{1,253})\^(?:\$third-party)?")
_ELEMENT: Final = re.compile(rb"#[@?$%]{0,3}#")
# The longest line of either list has some 6,000 octets.
LONGEST_LINE: Final = 1 << 16


def loader(*, kind: Kind) -> Callable[..., None]:
    """Return the loader of a list whose lines all mean *kind*."""

    def load(pieces: Iterable[Piece], *, tally: Tally) -> None:
        for piece in pieces:
            for name in _hosts(piece, tally=tally):
                tally.add(ListRow(name="", owner="", kind=kind, category="", domains=(name,), weight=Weight.HOST))

    return load


def _hosts(piece: Piece, *, tally: Tally) -> Iterable[str]:
    """Return the hosts that are blocked as a whole, and excepted nowhere as a whole, in their order."""
    found: dict[str, None] = {}
    excepted: set[str] = set()
    for number, raw in enumerate(piece.octets.splitlines(), start=1):
        line = raw.strip()
        # `!` begins a comment, `[` the line that names the format.
        if not line or line[:1] in {b"!", b"["}:
            continue
        host = _WHOLE_HOST.fullmatch(line)
        if host is not None:
            name = tally.domain(host[2].decode("ascii"), piece=piece, line=number)
            if name is not None and host[1]:
                excepted.add(name)
            elif name is not None:
                found[name] = None
        elif len(line) > LONGEST_LINE or b"\0" in line:
            tally.spoilt("this is no line of a filter list", piece=piece, line=number)
        else:
            tally.skip(_reason(line))
    for name in excepted & found.keys():
        tally.skip("a host that the list excepts elsewhere")
        del found[name]
    return found


def _reason(line: bytes) -> str:
    """Return why a line says nothing about the owner of a host."""
    if _ELEMENT.search(line):
        return "a rule about elements of pages"
    if line.startswith(b"@@"):
        return "an exception for some addresses"
    if line.startswith(b"||") and b"^$" in line:
        return "a host in some circumstances only"
    return "a rule about addresses"
