"""What every loader gives: rows about domains, and a count of what it left out. Knows no format and reads no file."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from collector.hosts import LONGEST_NAME, a_labels, is_registry_suffix
from collector.problems import DocumentError, Problem, shown

if TYPE_CHECKING:
    from datetime import date

    from rules.parties import Kind

# Tracker Radar, the largest, has some 100,000 domains.
MOST_DOMAINS: Final = 500_000
# The first few show what is wrong; the count says how much.
PROBLEMS_TOLD: Final = 3
# Longer words of a list are no names, and a case must stay readable.
LONGEST_WORDS: Final = 120
# RFC 1123 section 2.1, with the underscores that occur in the wild, and A-labels (`xn--`, RFC 5890).
_HOST: Final = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])")
_REMEDY: Final = "get the list anew, or tell its publisher; the rest of it is used"


class Weight(IntEnum):
    """How much a statement about a domain counts against another one about the same domain."""

    OWNER = 0
    """Says who, not what. Counts only where no other list covers the host."""
    REGISTRY = 1
    """The website of a registered data broker. Counts only where no other list covers the host."""
    OTHER = 2
    """Says that the domain is in none of the businesses that the rules speak of."""
    HOST = 3
    """Says what, not who: a line of a filter list."""
    BUNDLED = 4
    """A fact that ships with the project."""
    LISTED = 5
    """Says who and what."""
    OWN = 6
    """The district's own word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRow:
    """What a list says about some domains."""

    name: str
    """Name of the service; empty: the list does not say. Untrusted: escape before showing."""
    owner: str
    """Company that owns it; empty: the list does not say. Untrusted: escape before showing."""
    kind: Kind
    """In what business it is, by the table of the format."""
    category: str
    """The list's own word for it. Untrusted: escape before showing."""
    domains: tuple[str, ...]
    """At least one, lower case."""
    weight: Weight
    """How much this counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One file of a list."""

    name: str
    """Path within the list's folder, or the name of the file."""
    path: str
    """The file, as a person would name it."""
    octets: bytes
    """What it holds."""

    def line_of(self, key: str) -> int:
        """Return the line on which *key* first stands as a JSON string, 1: nowhere."""
        # JSON readers keep no lines; only the few problems that are told pay for this search.
        place = self.octets.find(json.dumps(key, ensure_ascii=False).encode(errors="replace")) if key else -1
        return 1 if place < 0 else self.octets.count(b"\n", 0, place) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ListFacts:
    """One list as it was read: what a verdict names when it rests on it."""

    name: str
    """What a case calls it."""
    path: str
    """The file or folder."""
    format: str
    """Which loader read it."""
    licence: str
    """As the district noted it; empty: the district's own file."""
    date: date | None
    """Of which day it is; None: not noted (the district's own file)."""
    sha256: str
    """Of its octets; of a folder, over names and octets of every file that counts."""
    domains: int = 0
    """Domains that it speaks of."""
    skipped: tuple[tuple[str, int], ...] = ()
    """What is right and means nothing here, by reason."""
    unknown: tuple[tuple[str, int], ...] = ()
    """Words of the list that the table of the format does not know (taken as `other`), with the number of domains."""
    broken: int = 0
    """Entries that cannot be understood."""
    usable: bool = True
    """False: its hosts are of unknown kind."""


class Tally:
    """Rows of one list as a loader finds them, and what it leaves out.

    Args:
        path: the list, as a person would name it.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.rows: list[ListRow] = []
        self.skipped: Counter[str] = Counter()
        self.unknown: Counter[str] = Counter()
        self.broken = 0
        self.problems: list[Problem] = []
        self.domains = 0

    def add(self, row: ListRow) -> None:
        """Take a row.

        Raises:
            DocumentError: the list has too many domains.
        """
        self.domains += len(row.domains)
        if self.domains > MOST_DOMAINS:
            raise self.refusal(f"the list has more than {MOST_DOMAINS:,} domains", "name the part that you need")
        self.rows.append(row)

    def skip(self, reason: str) -> None:
        """Count an entry that is right and says nothing about the owner of a host."""
        self.skipped[reason] += 1

    def strange(self, word: str) -> None:
        """Count a category that the table of the format does not know."""
        # Bounded: a file of garbage must not fill the memory with words.
        self.unknown[words(word) if len(self.unknown) < 50 else "..."] += 1

    def spoilt(self, what: str, *, piece: Piece, line: int = 0, key: str = "") -> None:
        """Count an entry that cannot be understood; the first few are told.

        Args:
            what: what is wrong with it.
            piece: the file.
            line: line in it; 0: where *key* stands.
            key: text of the entry, for formats whose readers keep no lines.
        """
        self.broken += 1
        if len(self.problems) < PROBLEMS_TOLD:
            self.problems.append(Problem(path=piece.path, line=line or piece.line_of(key), what=what, remedy=_REMEDY))

    def refusal(self, what: str, remedy: str, *, piece: Piece | None = None) -> DocumentError:
        """Return the error that says that the list as a whole cannot be used."""
        path = self.path if piece is None else piece.path
        return DocumentError([Problem(path=path, line=1, what=what, remedy=remedy)])

    def domain(self, text: object, *, piece: Piece, line: int = 0) -> str | None:
        """Return the domain that an entry names, None: it names none, which is counted."""
        name = host_name(text) if isinstance(text, str) else None
        if name is None and isinstance(text, str) and _is_address(text):
            self.skip("an address, not a name")
        elif name is None:
            self.spoilt(f"{shown(text)} is not a host name", piece=piece, line=line, key=str(text))
        elif is_registry_suffix(name):
            self.skip("a public suffix, which no company owns")
        else:
            return name
        return None


def host_name(text: str) -> str | None:
    """Return *text* as a host name in lower case, A-labels, without `*.` and final dot; None: it is none."""
    if len(text) > LONGEST_NAME:
        return None
    name = a_labels(text.strip().removeprefix("*.").strip("."))
    return name if name is not None and _HOST.fullmatch(name) and not _is_address(name) else None


def words(text: object) -> str:
    """Return a name from a list as printable words on one line, short enough for a sentence; empty: no words."""
    if not isinstance(text, str):
        return ""
    plain = text[: 4 * LONGEST_WORDS]
    if not plain.isprintable():
        plain = "".join(char if char.isprintable() else " " for char in plain)
    return " ".join(plain.split())[:LONGEST_WORDS]


def _is_address(text: str) -> bool:
    # RFC 1123 section 2.1: the last label of a name is never all digits. Only addresses of version 6 have two colons.
    return text.rpartition(".")[2].isdigit() or text.count(":") > 1
