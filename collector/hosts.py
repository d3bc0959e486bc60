"""Host names: the domain that somebody registered, and the longest match in a table of names. Knows no vendors."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from publicsuffixlist import PublicSuffixList

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")

# Names come from the wire, so the memory for answers is bounded; a school day shows some 20,000 different names.
_REMEMBERED_NAMES = 65_536

# RFC 1035 section 2.3.4.
LONGEST_LABEL: Final = 63
LONGEST_NAME: Final = 253


def a_labels(name: str) -> str | None:
    """Return *name* in lower case as it stands on the wire, each label with other letters as its A-label.

    A plain name comes back in lower case and is not looked at any further. None: there is no such name, because a
    label or the whole would be too long. What a registry lets nobody register is not told apart.

    Source: RFC 5891 section 4.4 (conversion), RFC 3492 (Punycode), RFC 5895 (capitals, width, the ideographic stop).
    The codec `idna` of Python is of 2003 and makes another name of some letters.
    """
    if name.isascii():
        return name.lower()
    # Twice: a capital of another width is one only then, and what is in lower case may be composed otherwise.
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).lower()).replace("\u3002", ".")
    try:
        folded.encode()  # half of a surrogate pair is no letter, though Punycode has octets for it
        labels = [each if each.isascii() else f"xn--{each.encode('punycode').decode()}" for each in folded.split(".")]
    except UnicodeError:
        return None
    whole = ".".join(labels)
    return None if len(whole) > LONGEST_NAME or max(map(len, labels)) > LONGEST_LABEL else whole


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
