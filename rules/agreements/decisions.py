"""What the district and others have decided about a product: reviews, the gate, oversight, exceptions, and the record.

None means that the key is absent, so the agreement does not say; an empty list means that it says "none".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from collector.fields import Day, Listed, Maybe, Record, host_remedy, is_host
from collector.problems import Fault, shown
from rules.agreements.vocabulary import CLAUSES, ExpectedHours, GateStatus, ReviewCovers, ReviewStatus

if TYPE_CHECKING:
    from collections.abc import Iterator


class Review(Record):
    """One review of the product by somebody who knows the matter."""

    status: ReviewStatus = Field(examples=["approved"])
    """How it ended; `none`: there was no review; `not_applicable`: the product has nothing to review."""
    reviewer: Maybe[str] = Field(default=None, examples=["State curriculum panel"])
    """Who reviewed."""
    independent: Maybe[bool] = Field(default=None, examples=[True])
    """Is the reviewer independent of the vendor? Absent: the agreement does not say."""
    date: Maybe[Day] = Field(default=None, examples=["2026-05-02"])
    """Day of the review."""
    expires: Maybe[Day] = Field(default=None, examples=["2028-05-02"])
    """Last day on which the review counts."""
    population: Maybe[str] = Field(default=None, examples=["grades 2 to 6"])
    """The pupils for whom it was reviewed."""
    url: Maybe[str] = Field(default=None, examples=["https://reviews.example/mathtrek"])
    """Where the review can be read."""
    covers: Maybe[Listed[ReviewCovers]] = Field(default=None, examples=[["validity", "usefulness"]])
    """For tests only: what was certified."""

    def faults(self) -> Iterator[Fault]:
        """A review expires after it was made."""
        if self.date and self.expires and self.date > self.expires:
            what = f"the review expires ({self.expires}) before its `date` ({self.date})"
            yield Fault(at=("expires",), what=what, remedy="write a later date in `expires`, or correct `date`")


class Reviews(Record):
    """The four reviews that the research brief asks for."""

    curriculum: Maybe[Review] = Field(default=None, examples=[{"status": "approved", "independent": True}])
    """Of the teaching materials."""
    pedagogy: Maybe[Review] = Field(default=None, examples=[{"status": "approved", "independent": True}])
    """Of the way of teaching."""
    assessment: Maybe[Review] = Field(default=None, examples=[{"status": "approved", "independent": True}])
    """Of the tests."""
    algorithms: Maybe[Review] = Field(default=None, examples=[{"status": "approved", "independent": True}])
    """Of the algorithms."""


class UseGate(Record):
    """The district's own decision: may the product be used?"""

    status: GateStatus = Field(examples=["approved"])
    """The decision."""
    from_: Maybe[Day] = Field(default=None, alias="from", examples=["2026-08-01"])
    """First day on which the decision holds."""
    decided_by: Maybe[str] = Field(default=None, examples=["Curriculum Committee"])
    """Who decided."""
    reason: Maybe[str] = Field(default=None, examples=["Review of the new privacy terms."])
    """Why."""
    allowed_groups: Maybe[Listed[str]] = Field(default=None, examples=[["pilot-7b", "staff"]])
    """For a pilot: the groups of the network file that take part."""
    until: Maybe[Day] = Field(default=None, examples=["2027-06-30"])
    """Last day on which the decision holds."""

    def faults(self) -> Iterator[Fault]:
        """The decision begins before it ends."""
        if self.from_ and self.until and self.from_ > self.until:
            what = f"`until` ({self.until}) is before `from` ({self.from_})"
            yield Fault(at=("until",), what=what, remedy="write a later date in `until`, or correct `from`")


class Oversight(Record):
    """The body that watches over the vendor."""

    entity: Maybe[str] = Field(default=None, examples=["State student data oversight office"])
    """Name of the body."""
    independent: Maybe[bool] = Field(default=None, examples=[True])
    """Is it independent of vendor and district? Absent: the agreement does not say."""
    contact: Maybe[str] = Field(default=None, examples=["oversight@state.example"])
    """How to reach it."""
    reference: Maybe[str] = Field(default=None, examples=["case 2026-114"])
    """Its file number for this product."""


class Expected(Record):
    """What the product is expected to do on the network."""

    hours: Maybe[ExpectedHours] = Field(default=None, examples=["school_day"])
    """When it sends data."""
    upload_mb_per_device_day: Maybe[float] = Field(default=None, examples=[5])
    """Most that one device sends in a day, in megabytes of 1,000,000 octets."""


class Waiver(Record):
    """An exception that the district grants for a time."""

    clause: str = Field(examples=["6d"])
    """Clause that it sets aside."""
    domain: Maybe[str] = Field(default=None, examples=["adco.example"])
    """Only for this domain; absent: for the whole clause."""
    reason: str = Field(examples=["Removal promised for the next release."])
    """Why."""
    until: Day = Field(examples=["2026-12-31"])
    """Last day of the exception."""
    by: str = Field(examples=["privacy office"])
    """Who granted it."""

    def faults(self) -> Iterator[Fault]:
        """A waiver names a clause that exists and a host that can be met, and says why and by whom."""
        if self.clause not in CLAUSES:
            what = f"`clause` is {shown(self.clause)}, which is no clause"
            yield Fault(at=("clause",), what=what, remedy=f"write one of {', '.join(CLAUSES)}")
        if self.domain is not None and not is_host(self.domain):
            what = f"`domain` is {shown(self.domain)}, which is not a host name"
            yield Fault(at=("domain",), what=what, remedy=host_remedy(self.domain, example="adco.example"))
        for key, text in (("reason", self.reason), ("by", self.by)):
            if not text.strip():
                yield Fault(at=(key,), what=f"`{key}` of the waiver is blank", remedy="write it; a waiver is on record")


class Provenance(Record):
    """Where this file comes from."""

    entered_by: Maybe[str] = Field(default=None, examples=["privacy office"])
    """Who wrote it."""
    entered_on: Maybe[Day] = Field(default=None, examples=["2026-08-03"])
    """When it was written."""
    review_by: Maybe[Day] = Field(default=None, examples=["2027-08-03"])
    """When it should be looked at again."""
    sources: Maybe[dict[str, str]] = Field(default=None, examples=[{"third_parties": "p. 14"}])
    """For each part of this file, the section of the signed document that says so."""
    waivers: Maybe[Listed[Waiver]] = Field(default=None, examples=[[]])
    """Exceptions that the district has granted."""
