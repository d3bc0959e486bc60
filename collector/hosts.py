"""Host names: the domain that somebody registered, and the longest match in a table of names. Knows no vendors."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, Generic, TypeVar

from publicsuffixlist import PublicSuffixList

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")

# Names come from the wire, so the memory for answers is bounded; a school day shows some 20,000 different names.
_REMEMBERED_NAMES = 65_536


def normal_name(match: str) -> str:
    """Return a match as the plain name it covers: `*.x` means the same as `x` (contract, agreement file)."""
    return match.removeprefix("*.").rstrip(".").lower()


def covers(match: str, host: str) -> bool:
    """Tell whether *match* covers *host*: the name itself and everything beneath it."""
    name = normal_name(match)
    return host == name or host.endswith("." + name)


@lru_cache(maxsize=_REMEMBERED_NAMES)
def registrable_domain(name: str) -> str:
    """Return the part of *name* that somebody registered: `a.b.co.uk` gives `b.co.uk`.

    A name that is itself a public suffix, an IP address or no proper name comes back as it is, in lower case and
    without the final dot.

    Source: https://publicsuffix.org/list/ with the private section, as the package publicsuffixlist carries it. A
    top-level domain that the list does not know counts as a suffix (rule `*`), so `.example` works.
    """
    host = name.rstrip(".").lower()
    if _is_address(host):
        return host
    return _suffixes().privatesuffix(host) or host


@lru_cache(maxsize=_REMEMBERED_NAMES)
def is_public_suffix(name: str) -> bool:
    """Tell whether anybody may register names beneath *name*: `com`, `co.uk`, but also `github.io`.

    Source: https://publicsuffix.org/list/, both sections.
    """
    host = normal_name(name)
    return not _is_address(host) and _suffixes().publicsuffix(host) == host


@lru_cache(maxsize=_REMEMBERED_NAMES)
def is_registry_suffix(name: str) -> bool:
    """Tell whether *name* belongs to a registry and so to no company: `co.uk`, but not `cloudfront.net`.

    Source: https://publicsuffix.org/list/, the section of ICANN domains.
    """
    host = normal_name(name)
    return not _is_address(host) and _registry_suffixes().publicsuffix(host) == host


class SuffixTable(Generic[T]):
    """Values by host name, found by every name that covers a host, the longest first."""

    __slots__ = ("_values",)

    def __init__(self) -> None:
        self._values: dict[str, list[T]] = {}

    def add(self, match: str, value: T) -> None:
        """Enter *value* under *match* (`*.x` means `x`); several values under one match keep their order."""
        self._values.setdefault(normal_name(match), []).append(value)

    def find(self, host: str) -> list[T]:
        """Return the values of every match that covers *host* (lower case, no final dot), the longest match first."""
        found: list[T] = []
        values = self._values
        rest = host
        while True:
            if rest in values:
                found.extend(values[rest])
            _, dot, rest = rest.partition(".")
            if not dot:
                return found

    def covers(self, host: str) -> bool:
        """Tell whether any match covers *host* (lower case, no final dot)."""
        values = self._values
        rest = host
        while rest:
            if rest in values:
                return True
            rest = rest.partition(".")[2]
        return False

    def __iter__(self) -> Iterator[tuple[str, list[T]]]:
        return iter(self._values.items())

    def __len__(self) -> int:
        return len(self._values)


def _is_address(host: str) -> bool:
    # Cheap look first: almost every name ends in a letter, and parsing an address raises for each of them.
    if not host or not (host[-1].isdigit() or ":" in host):
        return False
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


# Reading the list takes some 40 ms and 5 MB, so it is read on first use and once.
@lru_cache(maxsize=1)
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()


@lru_cache(maxsize=1)
def _registry_suffixes() -> PublicSuffixList:
    return PublicSuffixList(only_icann=True)
