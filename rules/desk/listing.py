"""Every case as a line of a list: kept in memory, read again only when it changed, found, sorted, cut to pages.

Searching is done here and not in SQL: what is searched for never becomes part of a statement, and both databases give
the same answer.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from rules.life_cycle import ENDED, NEW, Ending, standing, verified
from rules.small_numbers import IT_K, OFFICER_K, band
from rules.told import told
from rules.versions import OPEN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import date

    from rules.store import Store
    from rules.store.rows import CaseMark

StateFilter = Literal[
    "open", "new", "acknowledged", "asked", "breach", "declared", "fixed", "verified", "disputed", "closed",
    "withdrawn", "all",
]  # fmt: skip
SortKey = Literal["severity", "seen", "vendor", "rule", "status"]
Order = Literal["asc", "desc"]

PER_PAGE: Final = 25
LEAST_COUNTS: Final = (IT_K, OFFICER_K)
SEVERITY_ORDER: Final = {"critical": 0, "warning": 1, "info": 2}
_STANDING_ORDER: Final = {
    name: place
    for place, name in enumerate(
        ("new", "breach", "acknowledged", "asked", "fixed", "verified", "declared", "disputed", "closed", "withdrawn")
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One case in the list. Counts are bands, times quarters of an hour. Names in it are untrusted."""

    id: str
    version: int
    state: str
    """`open` or `withdrawn`."""
    status: str
    """What people made of it."""
    ended_at: str | None
    """When a person ended it, ISO 8601 UTC; None: it is not ended."""
    standing: str
    """How it stands (`rules.life_cycle.standing`)."""
    severity: str
    rule: str
    clause: str
    agreement: str
    """Agreement id; empty: none."""
    subject: str
    sure: str
    devices: Mapping[int, str]
    """Band by what is the least count shown (`rules.desk.accounts.Account.k`)."""
    schools: tuple[str, ...]
    last_seen: str
    words: str
    """What a search looks through, lower case."""

    @property
    def open(self) -> bool:
        """Whether the evidence supports it and nobody has ended it."""
        return self.state == OPEN and self.status not in ENDED


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which lines are wanted, and in which order."""

    state: StateFilter = "open"
    severity: str = ""
    vendor: str = ""
    """Agreement id; `-`: cases of no agreement; empty: all."""
    rule: str = ""
    search: str = ""
    sort: SortKey = "severity"
    order: Order = "asc"
    page: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of what was found."""

    lines: Sequence[Line]
    found: int
    """How many there are on all pages."""
    page: int
    """This page, from 1."""
    pages: int
    """How many pages there are, at least 1."""


class Listing:
    """The list of all cases of *store*."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._marks: list[CaseMark] = []
        self._lines: list[Line] = []
        self._until: date | None = None
        self._lock = threading.Lock()

    def lines(self) -> list[Line]:
        """Return every case as it is now: the worst first, of these the newest.

        Raises:
            StoreError: the store cannot be read.
        """
        marks, until = self._store.case_marks(), self._store.judged_until()
        with self._lock:
            if marks != self._marks:
                self._lines, self._marks = self._read(marks, until=until), marks
            elif until != self._until:
                self._lines = [_stood(line, until=until) for line in self._lines]
            self._until = until
            return self._lines

    def _read(self, marks: list[CaseMark], *, until: date | None) -> list[Line]:
        known = {line.id: line for line in self._lines}
        stale = [mark.id for mark in marks if mark.id not in known or known[mark.id].version != mark.version]
        bodies = self._store.case_bodies(stale) if stale else {}
        lines = []
        for mark in marks:
            line = _line(mark, bodies[mark.id]) if mark.id in bodies else known.get(mark.id)
            if line is None:
                continue  # it went between the two questions
            if (line.status, line.state, line.ended_at) != (mark.status, mark.state, mark.ended_at):
                line = replace(line, status=mark.status, state=mark.state, ended_at=mark.ended_at)
            lines.append(_stood(line, until=until))
        # Sorting keeps equals in their order, so what comes last counts first.
        lines.sort(key=lambda line: line.id)
        lines.sort(key=lambda line: line.last_seen, reverse=True)
        lines.sort(key=lambda line: SEVERITY_ORDER.get(line.severity, 9))
        return lines


def choose(lines: Iterable[Line], choice: Choice, *, vendors: Mapping[str, str]) -> Page:
    """Return the page of *lines* that *choice* asks for.

    Args:
        lines: all cases, as a `Listing` gives them.
        choice: which ones.
        vendors: agreement id -> names of vendor and products.
    """
    found = [line for line in lines if _wanted(line, choice)]
    needle = choice.search.strip().lower()
    if needle:
        called = {key for key, names in vendors.items() if needle in names.lower()}
        found = [line for line in found if needle in line.words or line.agreement in called]
    if (choice.sort, choice.order) != ("severity", "asc"):
        found.sort(key=_sort_key(choice.sort, vendors=vendors), reverse=choice.order == "desc")
    pages = max(1, -(-len(found) // PER_PAGE))
    page = min(max(1, choice.page), pages)
    return Page(lines=found[(page - 1) * PER_PAGE : page * PER_PAGE], found=len(found), page=page, pages=pages)


def open_by_severity(lines: Iterable[Line]) -> dict[str, int]:
    """Return how many cases are open of each severity."""
    counts = Counter(line.severity for line in lines if line.open)
    return {severity: counts[severity] for severity in SEVERITY_ORDER}


def open_by_agreement(lines: Iterable[Line]) -> Counter[str]:
    """Return how many cases are open of each agreement; empty: of none."""
    return Counter(line.agreement for line in lines if line.open)


def _wanted(line: Line, choice: Choice) -> bool:
    asked = (
        (choice.severity, line.severity),
        (choice.rule, line.rule),
        (choice.vendor, line.agreement or "-"),
    )
    if any(wanted and wanted != found for wanted, found in asked):
        return False
    match choice.state:
        case "all":
            return True
        case "open":
            return line.open
        case stands:
            return line.standing == stands


def _sort_key(sort: SortKey, *, vendors: Mapping[str, str]) -> Callable[[Line], tuple[object, ...]]:
    keys: dict[SortKey, Callable[[Line], tuple[object, ...]]] = {
        "severity": lambda line: (SEVERITY_ORDER.get(line.severity, 9),),
        "seen": lambda line: (line.last_seen,),
        "vendor": lambda line: (vendors.get(line.agreement, line.subject).lower(),),
        "rule": lambda line: (line.rule,),
        "status": lambda line: (_STANDING_ORDER.get(line.standing, 99),),
    }
    return keys[sort]


def _stood(line: Line, *, until: date | None) -> Line:
    """Return *line* as it stands now that the network was judged up to *until*."""
    known = None if line.ended_at is None else Ending(at=line.ended_at, devices=0, groups=(), seen="")
    is_verified = line.status == "fixed" and verified(known, last_seen=line.last_seen, until=until)
    stands = standing(line.status, supported=line.state == OPEN, is_verified=is_verified)
    return line if line.standing == stands else replace(line, standing=stands)


def _bands(devices: int) -> tuple[str, ...]:
    return tuple(band(devices, k=k) for k in LEAST_COUNTS)


def _line(mark: CaseMark, body: bytes) -> Line:
    known = msgspec.json.decode(body)
    case, bands = told(known), _bands(int(known.get("devices", 0)))
    schools = tuple(map(str, case["schools"]))
    agreement, subject, rule = (str(case[key] or "") for key in ("agreement", "subject", "rule"))
    words = (subject, agreement, rule.replace("-", " "), case["summary"], *schools, *map(str, case["groups"]), mark.id)
    return Line(
        id=mark.id,
        version=mark.version,
        state=mark.state,
        status=mark.status,
        ended_at=mark.ended_at,
        standing=NEW,
        severity=str(case["severity"]),
        rule=rule,
        clause=str(case["clause"]),
        agreement=agreement,
        subject=subject,
        sure=case["sure"],
        devices=dict(zip(LEAST_COUNTS, bands, strict=True)),
        schools=schools,
        last_seen=case["last_seen"] or "",
        words="\n".join(map(str, words)).lower(),
    )
