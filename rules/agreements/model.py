"""The agreement file, version 1, as models: the same keys, patterns and words as the contract's schema, and no others.

None means that the key is absent, so the agreement does not say; an empty list means that it says "none".
What the dates mean is in `standing`; reading files is in `load`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, PrivateAttr, WithJsonSchema

from collector.fields import Listed, Maybe, Record, refusal
from collector.hosts import normal_name
from collector.problems import Fault, shown
from rules.agreements.decisions import (
    Expected,
    Oversight,
    Provenance,
    Review,
    Reviews,
    UseGate,
    Waiver,
)
from rules.agreements.promises import (
    Data,
    DataCategory,
    Domain,
    Improvement,
    Interests,
    Product,
    Prohibited,
    Purpose,
    Relationship,
    Terms,
    ThirdParties,
    ThirdParty,
    Vendor,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = [
    "Agreement",
    "Data",
    "DataCategory",
    "Domain",
    "Expected",
    "Improvement",
    "Interests",
    "Origin",
    "Oversight",
    "Product",
    "Prohibited",
    "Provenance",
    "Purpose",
    "Relationship",
    "Review",
    "Reviews",
    "Terms",
    "ThirdParties",
    "ThirdParty",
    "UseGate",
    "Vendor",
    "Waiver",
    "listed_third_parties",
    "waivers",
]

ID_PATTERN = r"^[a-z0-9][a-z0-9-]{1,62}$"


def _id(value: str) -> str:
    if re.fullmatch(r"[a-z0-9][a-z0-9-]{1,62}", value) is None:
        remedy = "write 2 to 63 small letters, digits and hyphens, such as mathtrek"
        raise refusal(f"{shown(value)} is not an agreement id", remedy=remedy)
    return value


AgreementId = Annotated[str, AfterValidator(_id), WithJsonSchema({"type": "string", "pattern": ID_PATTERN})]


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Which file an agreement was read from."""

    path: str
    """The file as it was named when it was read."""
    sha256: str
    """Hash of the file's text in UTF-8, hexadecimal: the version of the agreement."""
    lines: Mapping[str, int]
    """For each `match` under `domains`, as written: the line on which it stands."""


class Agreement(Record):
    """Declared data agreement between a district and one vendor, version 1."""

    called: ClassVar[str] = "agreement"

    schema_: Literal["schoolgate/agreement/1"] = Field(alias="schema", examples=["schoolgate/agreement/1"])
    """Kind and version of this file."""
    id: AgreementId = Field(examples=["mathtrek"])
    """Short name of the agreement, used in reports; no two files may have the same."""
    vendor: Vendor = Field(examples=[{"legal_name": "MathTrek Learning Inc."}])
    """The company behind the product."""
    products: Listed[Product] = Field(min_length=1, examples=[[{"name": "MathTrek"}]])
    """The products that it covers."""
    agreement: Terms = Field(examples=[{"kind": "ndpa_v2", "status": "active"}])
    """The contract itself."""
    domains: Listed[Domain] = Field(min_length=1, examples=[[{"match": "mathtrek.example"}]])
    """The names on the network that belong to the product."""
    third_parties: ThirdParties = Field(examples=[{"list_is": "not_provided", "unlisted": "forbidden"}])
    """Who else gets data."""
    purposes: Listed[Purpose] = Field(
        min_length=1, examples=[[{"code": "instruction", "plain": "Practice problems chosen by the teacher."}]]
    )
    """What data may be used for."""
    prohibited: Maybe[Prohibited] = Field(default=None, examples=[{"sale": True}])
    """What is forbidden. Absent: the agreement does not say."""
    data: Data = Field(examples=[{"categories": [{"cat": "in_app_performance"}]}])
    """What is collected and how it is kept."""
    improvement: Maybe[Listed[Improvement]] = Field(default=None, examples=[[]])
    """How data are used to improve or personalize the product. Absent: the agreement does not say."""
    interests: Maybe[Interests] = Field(default=None, examples=[{"disclosed": False}])
    """Money and relationships behind the product. Absent: the agreement does not say."""
    reviews: Maybe[Reviews] = Field(default=None, examples=[{"curriculum": {"status": "none"}}])
    """Reviews by experts. Absent: the agreement does not say."""
    use_gate: UseGate = Field(examples=[{"status": "approved"}])
    """The district's decision on its use."""
    oversight: Maybe[Oversight] = Field(default=None, examples=[{"entity": "State student data oversight office"}])
    """The body that watches over the vendor. Absent: the agreement does not say."""
    expected: Maybe[Expected] = Field(default=None, examples=[{"hours": "school_day"}])
    """What the product is expected to do on the network."""
    provenance: Maybe[Provenance] = Field(default=None, examples=[{"entered_by": "privacy office"}])
    """Where this file comes from."""

    _origin: Origin | None = PrivateAttr(default=None)

    @property
    def origin(self) -> Origin | None:
        """The file it was read from; None: it was made in memory."""
        return self._origin

    @property
    def version(self) -> str:
        """Hash that changes whenever the file does, hexadecimal SHA-256."""
        if self._origin is not None:
            return self._origin.sha256
        return sha256(self.model_dump_json(by_alias=True, exclude_unset=True).encode()).hexdigest()

    def read_from(self, origin: Origin) -> Agreement:
        """Return the same agreement, knowing the file it was read from."""
        copy = self.model_copy()
        copy._origin = origin  # noqa: SLF001 -- a copy of our own kind
        return copy

    def faults(self) -> Iterator[Fault]:
        """No host is claimed twice in one file."""
        first: dict[str, int] = {}
        for place, domain in enumerate(self.domains):
            name = normal_name(domain.match)
            if first.setdefault(name, place) != place:
                other = self.domains[first[name]].match
                what = f"{shown(domain.match)} is listed twice in `domains`"
                if other != domain.match:
                    what += f" (as {shown(other)} before; `*.x` means the same as `x`)"
                yield Fault(at=("domains", place, "match"), what=what, remedy="keep one of the two")


def listed_third_parties(agreement: Agreement) -> tuple[ThirdParty, ...]:
    """Return the rows of the third-party list; none where the agreement has no list."""
    return agreement.third_parties.list or ()


def waivers(agreement: Agreement) -> tuple[Waiver, ...]:
    """Return the exceptions that the district has granted."""
    return () if agreement.provenance is None else agreement.provenance.waivers or ()
