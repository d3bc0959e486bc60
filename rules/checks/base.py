"""What every check is given and what it gives back.

A check has two halves. `observe` looks at one flow and says what it means for which promise; the engine sums what it
says by device and day. `conclude` looks at all those sums of one promise, in no particular order, and decides whether
a case opens. Neither half remembers anything, so events may come in any order and from any number of engines.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date, datetime

    from collector.events import FlowEvent
    from rules.agreements.model import Agreement
    from rules.edges import Edge
    from rules.findings import Finding, RuleId, Severity, Verdict
    from rules.matching import Claim
    from rules.parties import Party

# CONTRACTS.md section 6, "Used": at least 3 device-days with a flow to a host of the product.
USED_DEVICE_DAYS = 3

Maturity = Literal["stable", "trial"]
"""`trial`: opens cases, and the wording says that the rule is new."""

Scope = Literal["own", "all", "edges"]
"""Flows that a rule looks at: those to a product's own hosts, all with a device in a segment, or none, only edges."""

Need = Literal["party_list", "location_database", "calendar", "under_13_group"]
"""What a district supplies beside agreements and flows, and without which a rule says less or nothing."""


# A struct: one is made of nearly every event, and a frozen dataclass sets its fields by a call each. It is part of no
# circle, so the garbage collector need not look at it.
class Sighting(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One flow of a device in a known segment, with everything about it that a check may ask."""

    event: FlowEvent
    """The flow as it came in; `school`, `group` and `device` are set."""
    started: datetime
    """First packet of this part, in the district's time zone."""
    day: date
    """Date of `started`."""
    hours: tuple[datetime, datetime] | None
    """Start and end of the school day of that date; None: a day without school."""
    host: str | None
    """Server name, lower case; None: unknown. Untrusted: escape before showing."""
    domain: str
    """Registrable domain of `host`; empty: no name. Untrusted: escape before showing."""
    claim: Claim | None
    """The agreement and domain row that covers `host` on `day`; None: no agreement does."""
    product: Agreement | None
    """The agreement, when `host` is the product's own: its row is neither shared nor a marketing site."""
    party: Party | None
    """Who owns `host` by the party lists; None: in no list."""
    under_13: bool
    """The group is marked under 13 and is not staff."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What one flow says about one promise."""

    agreement: str
    """Agreement id; empty: no agreement."""
    clause: str
    """Clause id."""
    subject: str
    """Registrable domain that the case would be about."""
    verdict: Verdict
    """What the agreement says of it."""
    detail: str = ""
    """Reasons that `conclude` reads again; flows with different details are summed apart."""
    about: str = ""
    """A further name that a waiver's domain may cover, besides the subject and the host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All findings of one agreement, rule, clause and subject: what a case is decided on."""

    clause: str
    """Clause id."""
    subject: str
    """Registrable domain that the case would be about."""
    findings: tuple[Finding, ...]
    """At least one, sorted by id, none of them waived."""
    agreement: Agreement | None
    """The agreement; None: the rule is about its absence."""
    party: Party | None
    """Owner of the subject by the party lists; None: in no list."""
    edges: tuple[Edge, ...] = ()
    """What attribution says of the subject, by party and agreement; empty for rules without attribution."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """A case opens, and this is what it says."""

    verdict: Verdict
    """What the agreement says of what was seen."""
    severity: Severity
    """How pressing it is."""
    findings: tuple[Finding, ...]
    """The findings that are evidence for it: they give its counts and times."""
    summary: str
    """One plain sentence: who, which promise, what was seen."""
    agreement_says: str
    """One plain sentence: what the agreement says and where."""
    cannot_see: str
    """One plain sentence: what a network cannot show."""
    confidence: float = 1.0
    """1.0 without attribution, else the posterior."""
    evidence: Mapping[str, object] = field(default_factory=dict)
    """How the cause was found, ready for JSON: `method`, `near_share`, `elsewhere_share`, `candidates`
    (`agreement_or_site`, `posterior`), `windows`, `device_days`, `class_hours`, `samples` (`from`, `devices`), `lab`
    and the figures of the tests; empty: no attribution."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A small story that a check must tell right: run by the tests, shown by the documentation."""

    title: str
    """What happens, as a sentence."""
    agreement: Mapping[str, object] = field(default_factory=dict)
    """Changes to the example agreement: dotted field path -> value, `ABSENT` takes the field out."""
    events: tuple[Mapping[str, object], ...]
    """The flows: changes of each to the example event."""
    opens: bool
    """A case of this check opens."""


class Check(Protocol):
    """One rule of the contract, section 6."""

    @property
    def id(self) -> RuleId:
        """The rule."""
        ...

    @property
    def clauses(self) -> tuple[str, ...]:
        """Clauses that it speaks to."""
        ...

    @property
    def maturity(self) -> Maturity:
        """How long it has proved itself."""
        ...

    @property
    def scope(self) -> Scope:
        """Flows that `observe` is asked about; the engine spares itself the question about others."""
        ...

    @property
    def signal(self) -> str:
        """What a tap sees of it: one plain sentence for `explain-coverage`."""
        ...

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields of the agreement file, dotted, with which the signal is compared."""
        ...

    @property
    def needs(self) -> tuple[Need, ...]:
        """What else the district must supply; empty: agreements and flows are enough."""
        ...

    @property
    def blind_to(self) -> str:
        """What this rule cannot see: one plain sentence for `explain-coverage`."""
        ...

    @property
    def examples(self) -> tuple[Example, ...]:
        """At least one that opens a case and one that must not."""
        ...

    def observe(self, sighting: Sighting) -> Iterable[Observation]:
        """Return what this one flow means for promises of this rule's kind; mostly nothing."""
        ...

    def conclude(self, evidence: Evidence) -> Conclusion | None:
        """Return the case that this evidence supports, None: it does not support one."""
        ...


class EdgeCheck(Check, Protocol):
    """A rule about what the use of a product brings about: it weighs edges, and observes no single flow."""

    def weigh(self, edge: Edge, *, agreement: Agreement, party: Party | None) -> Iterable[Observation]:
        """Return what the edge means for promises of this rule's kind; mostly nothing.

        Args:
            edge: what attribution says; of a suspected one no observation may name an agreement.
            agreement: the agreement of the edge's product.
            party: owner of the edge's party by the party lists; None: in no list.
        """
        ...


class SettlingCheck(Check, Protocol):
    """A rule that looks at single devices: what it sees must be said before nobody can tell them apart any more."""

    def settle(self, evidence: Evidence, *, others: Sequence[Finding]) -> Iterable[Finding]:
        """Return what `conclude` needs of *evidence* when its day is over: findings whose details say what it saw.

        Args:
            evidence: all findings of one day, those of them that are closed already (`rules.closed_findings`) included.
            others: closed findings of the same promise on other days.
        """
        ...


def device_days(findings: Iterable[Finding]) -> int:
    """Return the number of distinct pairs of device and local date behind *findings*."""
    # The token is made over the day as well, but saying both keeps this right should that ever change.
    counted: dict[tuple[str, date], int] = {}
    for finding in findings:
        key = (finding.device, finding.day)
        counted[key] = max(counted.get(key, 0), finding.devices)
    return sum(counted.values())


def used(findings: Iterable[Finding]) -> bool:
    """Return whether *findings* amount to use of a product (contract, section 6, "Used")."""
    # A part of a flow that began the day before is no use on this day: a flow belongs to the day it started.
    return device_days(finding for finding in findings if finding.flows) >= USED_DEVICE_DAYS
