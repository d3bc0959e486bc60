"""What an agreement file says that the vendor has, does and promises: the first half of its sections.

None means that the key is absent, so the agreement does not say; an empty list means that it says "none".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field, WithJsonSchema

from collector.fields import HOST_PATTERN, Day, Host, Listed, Maybe, Record, refusal
from collector.hosts import is_public_suffix, is_registry_suffix, normal_name
from collector.problems import Fault, shown
from rules.agreements.vocabulary import (
    Activity,
    Category,
    CoppaConsent,
    DomainRole,
    Kind,
    ListIs,
    Need,
    Owner,
    PurposeCode,
    Relation,
    RelationshipKind,
    Responsible,
    Revenue,
    TermsStatus,
    Unlisted,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

CODE_PATTERN = r"^[A-Z]{2}$"


def _code(value: str) -> str:
    if re.fullmatch(r"[A-Z]{2}", value) is None:
        raise refusal(f"{shown(value)} is not a code of two capital letters", remedy="write a code such as US or IL")
    return value


def _owned_host(value: str) -> str:
    # A suffix of a company (cloudfront.net, github.io) is a third party like any other; one of a registry is nobody's.
    if is_registry_suffix(value):
        remedy = f"write the domain of the company, such as name.{normal_name(value)}"
        raise refusal(f"{shown(value)} is a public suffix, under which anybody may register names", remedy=remedy)
    return value


Code = Annotated[str, AfterValidator(_code), WithJsonSchema({"type": "string", "pattern": CODE_PATTERN})]
PartyHost = Annotated[Host, AfterValidator(_owned_host), WithJsonSchema({"type": "string", "pattern": HOST_PATTERN})]
Plain = Annotated[str, Field(min_length=10)]


class Vendor(Record):
    """The company behind the product."""

    legal_name: str = Field(examples=["MathTrek Learning Inc."])
    """Full legal name of the vendor."""
    parent_company: Maybe[str] = Field(default=None, examples=["Trek Holdings Inc."])
    """Company that owns the vendor."""
    privacy_contact: Maybe[str] = Field(default=None, examples=["privacy@mathtrek.example"])
    """Where to write about privacy."""
    security_contact: Maybe[str] = Field(default=None, examples=["security@mathtrek.example"])
    """Where to write about security."""


class Product(Record):
    """One product that the agreement covers."""

    name: str = Field(examples=["MathTrek"])
    """Name by which teachers know it."""
    grades: Maybe[Annotated[Listed[Annotated[int, Field(ge=-1, le=12)]], Field(min_length=2, max_length=2)]] = Field(
        default=None, examples=[[2, 6]]
    )
    """Lowest and highest grade it is meant for; 0 is kindergarten, -1 is before it."""
    under_13: Maybe[bool] = Field(default=None, examples=[True])
    """May children under 13 use it? Absent: the agreement does not say."""
    personalized: Maybe[bool] = Field(default=None, examples=[True])
    """Does it choose content for each pupil? Absent: the agreement does not say."""
    uses_algorithms: Maybe[bool] = Field(default=None, examples=[True])
    """Does an algorithm rate pupils or decide about them? Absent: the agreement does not say."""

    def faults(self) -> Iterator[Fault]:
        """The lowest grade comes first."""
        if self.grades is not None and self.grades[0] > self.grades[1]:
            what = f"`grades` runs from {self.grades[0]} down to {self.grades[1]}"
            yield Fault(at=("grades",), what=what, remedy="write the lowest grade first, such as [2, 6]")


class Terms(Record):
    """The contract itself: which kind it is, and when it holds."""

    kind: Kind = Field(examples=["ndpa_v2"])
    """Kind of contract; `clickwrap`: only terms that somebody clicked on; `none`: there is no contract."""
    status: TermsStatus = Field(examples=["active"])
    """A draft is not in force; nor is a terminated one, after `terminated_on` or, without that date, at all."""
    effective: Maybe[Day] = Field(default=None, examples=["2026-08-01"])
    """First day on which it holds."""
    expires: Maybe[Day] = Field(default=None, examples=["2029-07-31"])
    """Last day on which it holds."""
    document: Maybe[str] = Field(default=None, examples=["https://agreements.example/mathtrek.pdf"])
    """Where the signed document is."""
    originating_lea: Maybe[str] = Field(default=None, examples=["Riverbend Unified School District"])
    """District that first made this agreement, where another one joined it."""
    state_terms: Maybe[Listed[Code]] = Field(default=None, examples=[["IL"]])
    """States whose extra terms are part of it, two letters each."""
    school_official: Maybe[bool] = Field(default=None, examples=[True])
    """Does the vendor act as a school official under FERPA? Absent: the agreement does not say."""
    coppa_consent: Maybe[CoppaConsent] = Field(default=None, examples=["school"])
    """Who consents for children under 13."""
    breach_notice_hours: Maybe[int] = Field(default=None, examples=[72])
    """Hours within which the vendor reports a breach."""
    terminated_on: Maybe[Day] = Field(default=None, examples=["2027-01-31"])
    """Last day on which a terminated agreement still holds."""

    def faults(self) -> Iterator[Fault]:
        """It begins before it ends."""
        if self.effective and self.expires and self.effective > self.expires:
            what = f"`expires` ({self.expires}) is before `effective` ({self.effective})"
            yield Fault(at=("expires",), what=what, remedy="write a later date in `expires`, or correct `effective`")


class Domain(Record):
    """A name on the network that belongs to the product."""

    match: Host = Field(examples=["mathtrek.example"])
    """Host name; it covers itself and everything beneath it."""
    role: Maybe[DomainRole] = Field(default=None, examples=["app"])
    """What the host is for. A marketing site is no sign that the product is in use."""
    shared: Maybe[bool] = Field(default=None, examples=[True])
    """True: many vendors use this host, so it is no sign that this product is in use."""

    def faults(self) -> Iterator[Fault]:
        """A claim on a public suffix would claim the names of strangers."""
        if is_public_suffix(self.match):
            what = f"{shown(self.match)} is a public suffix, under which anybody may have names"
            yield Fault(
                at=("match",),
                what=what,
                remedy=f"write the vendor's own name beneath it, such as mathtrek.{normal_name(self.match)}",
            )


class ThirdParty(Record):
    """A company or site beside the vendor that gets data or pupils from the product."""

    name: str = Field(examples=["HostCo"])
    """Name of the company or site."""
    domains: Maybe[Listed[PartyHost]] = Field(default=None, examples=[["hostco.example"]])
    """Its host names. Absent or empty: named without saying where, so traffic cannot be matched for certain."""
    relation: Relation = Field(examples=["subprocessor"])
    """Works for the vendor, is linked to, is built into the pages, or belongs to the same group."""
    purpose: Maybe[str] = Field(default=None, examples=["hosting"])
    """What it is for."""
    data: Maybe[Listed[Category]] = Field(default=None, examples=[["in_app_performance"]])
    """Kinds of data that it gets."""
    written_terms: Maybe[bool] = Field(default=None, examples=[True])
    """Is it bound in writing to terms no weaker than the vendor's? Absent: the agreement does not say."""
    responsible: Maybe[Responsible] = Field(default=None, examples=["vendor"])
    """Who answers for what it does with the data."""
    countries: Maybe[Listed[Code]] = Field(default=None, examples=[["US"]])
    """Countries in which it keeps data, two letters each."""


class ThirdParties(Record):
    """Who else gets data, and how complete that list is."""

    list_is: ListIs = Field(examples=["complete"])
    """Does the list name everybody?"""
    unlisted: Unlisted = Field(examples=["forbidden"])
    """What holds for third parties that are not in the list."""
    list: Maybe[Listed[ThirdParty]] = Field(default=None, examples=[[{"name": "HostCo", "relation": "subprocessor"}]])
    """The third parties. Empty: there are none. Absent: the agreement has no list."""


class Purpose(Record):
    """What data may be used for."""

    code: PurposeCode = Field(examples=["instruction"])
    """Kind of purpose."""
    plain: Plain = Field(examples=["Practice problems chosen by the teacher."])
    """The purpose in plain words."""


class Prohibited(Record):
    """What the agreement forbids. True: forbidden. False: allowed. Absent: it does not say."""

    targeted_ads: Maybe[bool] = Field(default=None, examples=[True])
    """Advertising chosen by what is known about a pupil."""
    any_ads: Maybe[bool] = Field(default=None, examples=[True])
    """Advertising of any kind."""
    sale: Maybe[bool] = Field(default=None, examples=[True])
    """Selling data."""
    non_educational_profiles: Maybe[bool] = Field(default=None, examples=[True])
    """Building profiles of pupils for anything but school."""
    third_party_tracking: Maybe[bool] = Field(default=None, examples=[True])
    """Letting other companies follow pupils."""
    ai_training: Maybe[bool] = Field(default=None, examples=[True])
    """Training artificial intelligence with pupils' data."""


class DataCategory(Record):
    """One kind of data that is collected."""

    cat: Category = Field(examples=["in_app_performance"])
    """Kind of data."""
    need: Maybe[Need] = Field(default=None, examples=["required"])
    """Does the product need it, or may it be left out?"""
    detail: Maybe[str] = Field(default=None, examples=["scores of exercises"])
    """What exactly."""
    under_13: Maybe[bool] = Field(default=None, examples=[True])
    """Is it collected from children under 13? Absent: the agreement does not say."""


class Data(Record):
    """What is collected, where and how long it is kept, who may see it, and whose it is."""

    categories: Listed[DataCategory] = Field(examples=[[{"cat": "in_app_performance"}]])
    """Kinds of data."""
    owner: Maybe[Owner] = Field(default=None, examples=["district"])
    """To whom the data belong."""
    stored_in: Maybe[Listed[Code]] = Field(default=None, examples=[["US"]])
    """Countries in which data are kept, two letters each."""
    encrypted_in_transit: Maybe[bool] = Field(default=None, examples=[True])
    """Are data encrypted on the way? Absent: the agreement does not say."""
    encrypted_at_rest: Maybe[bool] = Field(default=None, examples=[True])
    """Are data encrypted where they are kept? Absent: the agreement does not say."""
    retention_days_after_request: int | None = Field(default=None, examples=[30])
    """Days until data are deleted after a request. Null or absent: the agreement gives no figure."""
    retention_days_after_end: int | None = Field(default=None, examples=[60])
    """Days until data are deleted after the agreement ends. Null or absent: the agreement gives no figure."""
    access: Maybe[Listed[str]] = Field(default=None, examples=[["vendor support staff", "class teacher"]])
    """Who may see the data."""
    storage_plain: Maybe[str] = Field(default=None, examples=["On rented servers in the United States."])
    """How data are kept, in plain words."""


class Improvement(Record):
    """One way in which data are used to improve or personalize the product."""

    activity: Activity = Field(examples=["crash_reports"])
    """Kind of use; `none`: the agreement says that there is none."""
    plain: Plain = Field(examples=["When the app crashes it sends an error report without names."])
    """The use in plain words."""
    data: Maybe[Listed[Category]] = Field(default=None, examples=[["app_tech_meta"]])
    """Kinds of data used."""
    deidentified: Maybe[bool] = Field(default=None, examples=[True])
    """Are names and numbers removed first? Absent: the agreement does not say."""
    domains: Maybe[Listed[PartyHost]] = Field(default=None, examples=[["errors.example"]])
    """Hosts to which such data go."""


class Relationship(Record):
    """A company that has a stake in the vendor, or in which the vendor has one."""

    name: str = Field(examples=["Trek Holdings Inc."])
    """Name of the company."""
    kind: Maybe[RelationshipKind] = Field(default=None, examples=["owner"])
    """What it is to the vendor."""
    domains: Maybe[Listed[PartyHost]] = Field(default=None, examples=[["trekholdings.example"]])
    """Its host names."""


class Interests(Record):
    """Money and relationships behind the product, as the vendor discloses them."""

    disclosed: Maybe[bool] = Field(default=None, examples=[True])
    """Did the vendor disclose them?"""
    revenue: Maybe[Listed[Revenue]] = Field(default=None, examples=[["licence"]])
    """How the vendor earns money with the product."""
    relationships: Maybe[Listed[Relationship]] = Field(default=None, examples=[[{"name": "Trek Holdings Inc."}]])
    """Companies with a stake. Empty: there are none."""
    commercial_implications: Maybe[str] = Field(default=None, examples=["The vendor is paid by licence fees only."])
    """What follows from that for pupils and their data."""
