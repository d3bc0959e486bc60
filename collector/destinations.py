"""What may be said of a destination: its whole name where a list has it, else its registrable domain, else nothing.

Knows listed names as plain data, and nothing of agreements. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from publicsuffixlist import PublicSuffixList

from collector.hosts import SuffixTable, is_public_suffix, normal_name, registrable_domain

if TYPE_CHECKING:
    from collections.abc import Iterable

    from collector.sensitive import Sensitive

Kind = Literal["listed", "unlisted", "sensitive", "not_public"]
"""`not_public`: no name of the public Internet, or a whole registry's: internal names, reverse look-ups, addresses."""

MAX_REMEMBERED = 65_536
"""Names whose verdict is remembered; when full the memory begins anew, which costs look-ups and loses nothing."""

INTERNAL: Final = frozenset(
    {"alt", "arpa", "corp", "home", "internal", "intranet", "invalid", "lan", "local", "localdomain", "localhost",
     "onion", "private", "workgroup"}
)  # fmt: skip
"""Last labels of names that no public registry gave away (RFC 6761, RFC 6762, RFC 7686, RFC 9476, and common habit).

What stands before them is mostly the name of a device, and devices are called after people."""
DOCUMENTATION: Final = frozenset({"example", "test"})
"""Reserved for examples and tests (RFC 2606): in no registry, and nobody's device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """The names that somebody answers for, as plain data."""

    vendors: frozenset[str] = frozenset()
    """Names of vendors with an agreement; each covers itself and everything beneath it, sensitive or not."""
    others: frozenset[str] = frozenset()
    """Names that an agreement gives for third parties, and those of party lists; the same, but see `Destinations`."""
    delivery: frozenset[str] = frozenset()
    """Names of delivery networks in party lists: what stands beneath may have been chosen by a customer."""
    hosting: frozenset[str] = frozenset()
    """Names of hosting companies in party lists: what stands beneath is a customer's; each covers itself alone."""


class Destination(NamedTuple):
    """What may be said of one name."""

    kind: Kind
    domain: str
    """Registrable domain of an unlisted name; empty for the others. Untrusted: escape before showing."""


_LISTED: Final = Destination("listed", "")
_SENSITIVE: Final = Destination("sensitive", "")
_NOT_PUBLIC: Final = Destination("not_public", "")


class Destinations:
    """Judges names.

    A listed name under which anybody may register (`github.io` of a hosting company) says who owns the servers and not
    whose site stands there. So a name that is no vendor's is covered by itself and by listed names down to what
    somebody registered, and by none above: `amazonaws.com` does not cover `x.s3.amazonaws.com`, for
    `s3.amazonaws.com` is a public suffix. The list of those lacks many (`cloudapp.azure.com`), so names of hosting
    companies cover themselves alone. The longest listed name decides.

    Args:
        listed: the names that somebody answers for.
        sensitive: names that never leave; only a vendor with an agreement is stronger.
    """

    def __init__(self, listed: Listed, *, sensitive: Sensitive) -> None:
        self._vendors = _table(listed.vendors)
        self._others = frozenset(map(normal_name, listed.others))
        self._delivery = frozenset(map(normal_name, listed.delivery))
        self._hosting = frozenset(map(normal_name, listed.hosting))
        self._sensitive = sensitive
        self._known: dict[str, Destination] = {}
        self._chains: dict[tuple[str, ...], tuple[str, ...]] = {}

    def of(self, name: str) -> Destination:
        """Return what may be said of *name* (lower case, no final dot)."""
        known = self._known.get(name)
        if known is None:
            if len(self._known) >= MAX_REMEMBERED:
                self._known.clear()
            known = self._known[name] = self._judge(name)
        return known

    def chain(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return the CNAME chain of a listed name, unlisted links as registrable domains, without what never leaves.

        A chain is a fact about the listed name, told to whoever asks for it, and no destination of a device: its links
        are not counted (docs/decisions/0031).
        """
        known = self._chains.get(names)
        if known is None:
            if len(self._chains) >= MAX_REMEMBERED:
                self._chains.clear()
            links = ((self.of(name), name) for name in names)
            said = tuple(name if link.kind == "listed" else link.domain for link, name in links)
            known = self._chains[names] = tuple(filter(None, said))
        return known

    def _judge(self, name: str) -> Destination:
        if self._vendors.covers(name):
            return _LISTED
        if self._sensitive.covers(name):
            return _SENSITIVE
        if self._is_covered(name):
            return _LISTED
        if not _is_public(name):
            return _NOT_PUBLIC
        if self._sensitive.sounds(name):
            return _SENSITIVE
        return Destination("unlisted", registrable_domain(name))

    def _is_covered(self, name: str) -> bool:
        """Tell whether a listed name that is no vendor's covers *name*."""
        least = len(registrable_domain(name))
        rest = name
        while rest and len(rest) >= least:
            if rest in self._others:
                return True
            if rest in self._delivery:
                return rest == name or not self._sensitive.sounds(name)
            if rest in self._hosting:
                return rest == name
            rest = rest.partition(".")[2]
        return False


def prepare() -> None:
    """Read the public suffixes now: a process that gives up its rights may not reach their folder later."""
    registrable_domain("www.club.example")
    _is_registry("example")


def _table(names: Iterable[str]) -> SuffixTable[None]:
    table: SuffixTable[None] = SuffixTable()
    for name in names:
        table.add(normal_name(name), None)
    return table


def _is_public(name: str) -> bool:
    """Tell whether somebody registered *name*, or one above it, with a public registry."""
    top = name.rpartition(".")[2]
    if "." not in name or top in INTERNAL or is_public_suffix(name):
        return False
    if not all(label.replace("_", "").replace("-", "").isalnum() for label in name.split(".")) or not name.isascii():
        return False
    # An address ends in a number, and no registry is called one.
    return not top.isdigit() and (top in DOCUMENTATION or _is_registry(top))


@lru_cache(maxsize=MAX_REMEMBERED)
def _is_registry(top: str) -> bool:
    return _registries().publicsuffix(top) is not None


# Reading the list takes some 40 ms, so it is read on first use and once.
@lru_cache(maxsize=1)
def _registries() -> PublicSuffixList:
    return PublicSuffixList(accept_unknown=False, only_icann=True)
