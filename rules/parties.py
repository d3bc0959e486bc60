"""Who owns a domain, and in what business: the party file. A host in no list is of unknown kind, never "clean"."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field

from collector.documents import Document, DocumentError, Fault, parse_document, read
from collector.fields import Host, Listed, Maybe, Record, refusal
from collector.hosts import SuffixTable, is_registry_suffix, normal_name
from collector.problems import Problem, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

Kind = Literal[
    "education",
    "advertising",
    "analytics",
    "session_replay",
    "crash_reporting",
    "data_broker",
    "social",
    "identity",
    "cdn",
    "hosting",
    "operating_system",
    "other",
]

BUNDLED_LIST = "schoolgate (bundled)"
"""Name of the list that ships with the project."""


def _owned(value: str) -> str:
    if is_registry_suffix(value):
        remedy = f"write the domain of the company, such as name.{normal_name(value)}"
        raise refusal(f"{shown(value)} is a public suffix, which no company owns", remedy=remedy)
    return value


class PartyRow(Record):
    """One company or service and its domains."""

    name: Annotated[str, Field(min_length=1)] = Field(examples=["AdCo"])
    """Name of the service."""
    owner: Maybe[Annotated[str, Field(min_length=1)]] = Field(default=None, examples=["AdCo Holdings"])
    """Company that owns it. Absent: the same as the name."""
    kind: Kind = Field(examples=["advertising"])
    """In what business it is."""
    domains: Listed[Annotated[Host, AfterValidator(_owned)]] = Field(min_length=1, examples=[["adco.example"]])
    """Its domains; each covers itself and everything beneath it."""


class PartyFile(Record):
    """The party file, version 1 (contract, section 4)."""

    schema_: Literal["schoolgate/parties/1"] = Field(alias="schema", examples=["schoolgate/parties/1"])
    """Kind and version of this file."""
    parties: Listed[PartyRow] = Field(examples=[[{"name": "AdCo", "kind": "advertising", "domains": ["adco.example"]}]])
    """The parties."""

    def faults(self) -> Iterator[Fault]:
        """No domain has two owners in one list."""
        first: dict[str, str] = {}
        for number, row in enumerate(self.parties):
            for place, domain in enumerate(row.domains):
                name = normal_name(domain)
                if name in first:
                    what = f"the domain {shown(domain)} is listed twice (before it under {shown(first[name])})"
                    yield Fault(at=("parties", number, "domains", place), what=what, remedy="keep one of the two")
                else:
                    first[name] = row.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """What a list says about the owner of a domain."""

    name: str
    """Name of the service."""
    owner: str
    """Company that owns it; the name where the list does not say."""
    kind: Kind
    """In what business it is."""
    domains: tuple[str, ...]
    """All domains of the row, without `*.`."""
    list_name: str
    """Which list says so: the path of the file, or `BUNDLED_LIST`."""


class PartyTable:
    """Parties by host name. Of several lists the last one that names a domain decides about it."""

    def __init__(self, parties: Iterable[Party]) -> None:
        by_domain: dict[str, Party] = {}
        for party in parties:
            by_domain.update(dict.fromkeys(party.domains, party))
        self._table: SuffixTable[Party] = SuffixTable()
        for domain, party in by_domain.items():
            self._table.add(domain, party)

    def find(self, host: str) -> Party | None:
        """Return the party with the longest domain that covers *host* (lower case), or None: in no list."""
        found = self._table.find(host)
        return found[0] if found else None

    def __iter__(self) -> Iterator[tuple[str, Party]]:
        """Yield every domain with the party that decides about it."""
        for domain, parties in self._table:
            yield domain, parties[0]

    def __len__(self) -> int:
        return len(self._table)


def load_parties(paths: Iterable[str | Path]) -> PartyTable:
    """Return the bundled facts and what the files at *paths* say; a later file wins over an earlier one.

    Raises:
        DocumentError: files cannot be read or are wrong; with every problem of every file.
    """
    found = list(_bundled())
    problems: list[Problem] = []
    for path in paths:
        try:
            found.extend(parties_in(read(path), path=str(path)))
        except DocumentError as error:
            problems.extend(error.problems)
    if problems:
        raise DocumentError(problems)
    return PartyTable(found)


def parties_in(text: str, *, path: str) -> Iterator[Party]:
    """Yield the parties that a party file lists; *path* becomes the name of the list.

    Raises:
        DocumentError: with every problem of the file.
    """
    document: Document[PartyFile] = parse_document(text, path=path, model=PartyFile)
    for row in document.value.parties:
        yield Party(
            name=row.name,
            owner=row.owner or row.name,
            kind=row.kind,
            domains=tuple(normal_name(domain) for domain in row.domains),
            list_name=path,
        )


@cache
def _bundled() -> tuple[Party, ...]:
    # Once: a process that has given up its rights may no longer reach the folder in which the program lies.
    text = files("rules").joinpath("parties.yaml").read_text(encoding="utf-8")
    return tuple(parties_in(text, path=BUNDLED_LIST))
