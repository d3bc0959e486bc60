"""Who owns a domain, and in what business, by all lists. A host in no list is of unknown kind, never "clean"."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from collector.documents import DocumentError, read
from rules.lists.broad import is_broad
from rules.lists.catalogue import is_catalogue, named_lists
from rules.lists.own import own_rows
from rules.lists.reading import read_list
from rules.lists.rows import ListRow, Weight
from rules.party_file import Kind, PartyFile, PartyRow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import date
    from pathlib import Path

    from collector.problems import Problem
    from rules.lists.rows import ListFacts

__all__ = [
    "BUNDLED_LIST",
    "DELIVERY",
    "Kind",
    "Party",
    "PartyFile",
    "PartyRow",
    "PartyTable",
    "Statements",
    "load_parties",
    "parties_in",
    "read_parties",
]

BUNDLED_LIST = "schoolgate (bundled)"
"""Name of the list that ships with the project."""

DELIVERY: Final[frozenset[Kind]] = frozenset({"cdn", "hosting"})
"""Kinds of party that rent names beneath their domains to others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """What a list says about the owner of a domain."""

    name: str
    """Name of the service. Of a list of others: untrusted, escape before showing."""
    owner: str
    """Company that owns it; the name where the list does not say."""
    kind: Kind
    """In what business it is."""
    domains: tuple[str, ...]
    """All domains of the row, without `*.`."""
    list_name: str
    """Which list says so: its name in the lists file, the path of a party file, or `BUNDLED_LIST`."""
    list_date: date | None = None
    """Of which day that list is; None: a party file of the district, or the bundled list."""
    category: str = ""
    """The list's own word for the business; empty: ours is its own."""
    weight: Weight = Weight.OWN
    """How much this counts against what other lists say about the same domain."""
    other_names: tuple[str, ...] = ()
    """What other lists call the service."""
    other_owners: tuple[str, ...] = ()
    """What other lists call its owner: `Meta` here is `Facebook, Inc.` there."""

    @property
    def owners(self) -> tuple[str, ...]:
        """Every name that a list has for the owner, the deciding one first."""
        return (self.owner, *self.other_owners)

    @property
    def names(self) -> tuple[str, ...]:
        """Every name under which an agreement may mean this party or its owner."""
        return (self.name, *self.owners, *self.other_names)

    @property
    def business_known(self) -> bool:
        """False: the lists know only who owns the domain, and `kind` says `other` for want of a word."""
        return self.weight is not Weight.OWNER


class PartyTable:
    """Parties by host name: the longest domain that covers a host decides.

    Of several lists that name one domain that of the greatest weight decides, of equal ones the last. Statements of
    the least weights (`Weight.OWNER`, `Weight.REGISTRY`) count only where nothing else covers the host.

    Args:
        parties: what all lists say, later ones last.
        sources: the lists.
        warnings: what a person should know of them.
    """

    def __init__(
        self,
        parties: Iterable[Party],
        *,
        sources: Sequence[ListFacts] = (),
        warnings: Sequence[Problem] = (),
    ) -> None:
        parties = tuple(parties)
        self._parties = _by_domain(parties, wanted=lambda _party: True)
        if any(party.weight is Weight.HOST for party in self._parties.values()):
            self._name_owners(_by_domain(parties, wanted=lambda party: party.weight is not Weight.HOST))
        self._note_other_names(parties)
        self.sources = tuple(sources)
        """The lists of others, in the order of reading; also those that could not be used."""
        self.warnings = tuple(warnings)
        """Lists and entries of lists that could not be used: their hosts are of unknown kind."""

    def find(self, host: str) -> Party | None:
        """Return the party that decides about *host* (lower case), None: in no list."""
        weak: Party | None = None
        known = self._parties
        rest = host
        while True:
            party = known.get(rest)
            if party is not None:
                if party.weight > Weight.REGISTRY:
                    return party
                if weak is None or party.weight > weak.weight:
                    weak = party
            _, dot, rest = rest.partition(".")
            if not dot:
                return weak

    def __iter__(self) -> Iterator[tuple[str, Party]]:
        """Yield every domain with the party that decides about it."""
        return iter(self._parties.items())

    def __len__(self) -> int:
        return len(self._parties)

    def _note_other_names(self, parties: Iterable[Party]) -> None:
        """Keep what the lists that do not decide about a domain call service and owner: an agreement may use any."""
        names: dict[str, dict[str, None]] = {}
        owners: dict[str, dict[str, None]] = {}
        for party in parties:
            if party.weight is Weight.HOST:
                continue
            for domain in party.domains:
                decides = self._parties[domain]
                if party.name != decides.name:
                    names.setdefault(domain, {})[party.name] = None
                if party.owner != decides.owner:
                    owners.setdefault(domain, {})[party.owner] = None
        for domain in names.keys() | owners.keys():
            self._parties[domain] = replace(
                self._parties[domain],
                other_names=tuple(names.get(domain, ())),
                other_owners=tuple(owners.get(domain, ())),
            )

    def _name_owners(self, named: dict[str, Party]) -> None:
        """Give hosts of filter lists, which name nobody, the owner that another list has for the domain above."""
        for domain, party in self._parties.items():
            if party.weight is Weight.HOST and (owner := _owner_above(domain, named=named)) is not None:
                self._parties[domain] = replace(party, name=owner.name, owner=owner.owner)


def _by_domain(parties: Iterable[Party], *, wanted: Callable[[Party], bool]) -> dict[str, Party]:
    best: dict[str, Party] = {}
    for party in parties:
        if wanted(party):
            for domain in party.domains:
                held = best.get(domain)
                if held is None or party.weight >= held.weight:
                    best[domain] = party
    return best


def _owner_above(domain: str, *, named: dict[str, Party]) -> Party | None:
    rest = domain
    while True:
        party = named.get(rest)
        if party is not None:
            # A name beneath a delivery network's domain is rented by somebody else.
            return None if party.kind in DELIVERY and rest != domain else party
        _, dot, rest = rest.partition(".")
        if not dot:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Statements:
    """What every list says, before anything is decided."""

    parties: tuple[Party, ...]
    """All statements in the order of reading."""
    sources: tuple[ListFacts, ...]
    """The lists of others."""
    warnings: tuple[Problem, ...]
    """Lists and entries that could not be used."""

    def table(self) -> PartyTable:
        """Return who decides about which host."""
        return PartyTable(self.parties, sources=self.sources, warnings=self.warnings)


def load_parties(paths: Iterable[str | Path]) -> PartyTable:
    """Return the bundled facts and what party files and lists files at *paths* say; a later one wins over an earlier.

    A list that a lists file names and that cannot be used is told as a warning of the table.

    Raises:
        DocumentError: party files or lists files cannot be read or are wrong; with every problem of every file.
    """
    return read_parties(paths).table()


def read_parties(paths: Iterable[str | Path], *, show: Callable[[int, int], None] | None = None) -> Statements:
    """Return everything that the bundled facts and the files at *paths* say.

    Args:
        paths: party files and lists files, told apart by their `schema`.
        show: told now and then how many files and octets of a long list were read.

    Raises:
        DocumentError: party files or lists files cannot be read or are wrong; with every problem of every file.
    """
    parties: list[Party] = list(_bundled())
    sources: list[ListFacts] = []
    warnings: list[Problem] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            text = read(path)
            if not is_catalogue(text):
                parties.extend(parties_in(text, path=str(path)))
                continue
            for named in named_lists(text, path=str(path)):
                found = read_list(named, show=show)
                sources.append(found.facts)
                warnings.extend(found.problems)
                parties.extend(_listed(found.rows, facts=found.facts))
        except DocumentError as error:
            problems.extend(error.problems)
    if problems:
        raise DocumentError(problems)
    return Statements(parties=tuple(parties), sources=tuple(sources), warnings=tuple(warnings))


def parties_in(text: str, *, path: str) -> Iterator[Party]:
    """Yield the parties that a party file lists; *path* becomes the name of the list.

    Raises:
        DocumentError: with every problem of the file.
    """
    return (_party(row, row.domains, list_name=path) for row in own_rows(text, path=path))


def _listed(rows: Iterable[ListRow], *, facts: ListFacts) -> Iterator[Party]:
    for row in rows:
        broad = () if row.weight is Weight.OWN else tuple(filter(is_broad, row.domains))
        narrow = tuple(domain for domain in row.domains if domain not in broad) if broad else row.domains
        if row.name and narrow:
            yield _party(row, narrow, list_name=facts.name, list_date=facts.date)
        elif narrow:
            # A filter list knows no names; each host stands for itself.
            yield from (_party(row, (domain,), list_name=facts.name, list_date=facts.date) for domain in narrow)
        if broad and row.weight > Weight.REGISTRY:
            party = _party(row, broad, list_name=facts.name, list_date=facts.date)
            yield replace(party, kind="other", weight=min(row.weight, Weight.OTHER))


def _party(row: ListRow, domains: tuple[str, ...], *, list_name: str, list_date: date | None = None) -> Party:
    name = row.name or domains[0]
    return Party(
        name=name,
        owner=row.owner or name,
        kind=row.kind,
        domains=domains,
        list_name=list_name,
        list_date=list_date,
        category=row.category,
        weight=row.weight,
    )


@cache
def _bundled() -> tuple[Party, ...]:
    # Once: a process that has given up its rights may no longer reach the folder in which the program lies.
    text = files("rules").joinpath("parties.yaml").read_text(encoding="utf-8")
    return tuple(replace(party, weight=Weight.BUNDLED) for party in parties_in(text, path=BUNDLED_LIST))
