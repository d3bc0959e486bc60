"""The party file, version 1 (contract, section 4): the district's own word about who owns a domain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field

from collector.documents import Fault
from collector.fields import Host, Listed, Maybe, Record, refusal
from collector.hosts import is_registry_suffix, normal_name
from collector.problems import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

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
