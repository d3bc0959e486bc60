"""Where Python takes the memory of its objects from, in pieces of a mebibyte.

Not compiled: in compiled code the inline functions of arenas.pxd stand in for these.
"""

from __future__ import annotations


def use_huge_pages() -> None:
    """Lay the pieces that are taken from now on into huge pages; uncompiled code leaves them where they are."""
