"""The facts that the judging side passes on: a finding (one device-day against one promise) and a case (one promise).

Plain frozen data, no behaviour: what a finding means for a case is decided by the check that made it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime  # noqa: TC003 -- whoever decodes a stored finding resolves the annotations
from typing import Final, Literal, NamedTuple, TypeAlias, get_args

BuiltInRule = Literal[
    "no-agreement",
    "agreement-not-in-force",
    "use-paused",
    "pilot-outside-group",
    "review-missing",
    "under-13-not-covered",
    "undeclared-third-party",
    "undeclared-referral",
    "prohibited-tracking",
    "undisclosed-interest",
    "unexplained-telemetry",
    "cname-cloaked-third-party",
    "plaintext-transport",
    "outside-hours",
    "upload-above-declared",
    "storage-country",
]
"""Rule ids of the contract, section 6, in its order."""

RULES: Final[tuple[BuiltInRule, ...]] = get_args(BuiltInRule)
"""The same, to go through."""

DISTRICT_PREFIX: Final = "district-"
"""How the ids of a district's own rules begin; none of the contract's does."""

RuleId: TypeAlias = str
"""Id of any rule: one of the contract, or one of the district. A set that is known when the rulebook has been read."""

Verdict = Literal["declared", "declared_vaguely", "undeclared", "contradicted", "conflicting", "unattributed"]
"""Verdicts of the contract, section 5."""

Severity = Literal["critical", "warning", "info"]
"""Severities of the contract, section 5, the worst first."""

NO_AGREEMENT = ""
"""Agreement id of findings about a product that no agreement covers; a report says null."""


class Promise(NamedTuple):
    """What one case is about; the report holds at most one case for it."""

    agreement: str
    """Agreement id; empty: no agreement."""
    rule: RuleId
    """The rule that it speaks to."""
    clause: str
    """Clause id."""
    subject: str
    """Registrable domain that the case is about. Untrusted: escape before showing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one device did on one day against one clause: sums, so that parts add up and repeats change nothing."""

    id: str
    """Hash of everything below that is not a count or a time: no clock, no randomness."""
    rule: RuleId
    """The rule that it speaks to; a district's own begins with `district-`."""
    agreement: str
    """Agreement id; empty: no agreement."""
    clause: str
    """Clause id, for example `6d`."""
    subject: str
    """Registrable domain that the case is about. Untrusted: escape before showing."""
    verdict: Verdict
    """What the agreement says of it."""
    detail: str
    """Reasons in the rule's own words, a part of the identity. May hold host names. Untrusted: escape it."""
    waived: bool
    """A waiver of the agreement covered it on that day."""
    device: str
    """One-way token over day, device and agreement: the findings of two agreements cannot be joined by it."""
    day: date
    """Local date on which the flows started."""
    school: str
    """School of the device's segment."""
    group: str
    """Group of the device's segment."""
    flows: int
    """Flows, a long one counted once."""
    bytes_up: int
    """IP octets from the device."""
    bytes_down: int
    """IP octets to the device."""
    first_seen: datetime
    """First packet, UTC."""
    last_seen: datetime
    """Last packet, UTC."""
    devices: int = 1
    """Device-days that it stands for. More than one where attribution counted them: then `device` names a group."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One promise broken by one vendor: the row of a report (contract, section 5), fields in its order."""

    id: str
    """Stable: hash of agreement, rule, clause and subject."""
    agreement: str | None
    """Agreement id; None where no agreement exists."""
    rule: RuleId
    """The rule that opened it; a district's own begins with `district-`."""
    subject: str
    """Registrable domain that it is about. Untrusted: escape before showing."""
    verdict: Verdict
    """What the agreement says of what was seen."""
    severity: Severity
    """How pressing it is."""
    clause: str
    """Clause id, for example `6d`."""
    confidence: float
    """1.0 for a rule without attribution."""
    devices: int
    """Distinct pairs of device and local date."""
    schools: tuple[str, ...]
    """Schools where it was seen, sorted."""
    groups: tuple[str, ...]
    """Groups in which it was seen, sorted."""
    flows: int
    """Flows that are evidence for it."""
    bytes_up: int
    """IP octets from the devices on those flows."""
    bytes_down: int
    """IP octets to the devices on those flows."""
    first_seen: str
    """First packet, ISO 8601 UTC with microseconds."""
    last_seen: str
    """Last packet, ISO 8601 UTC with microseconds."""
    summary: str
    """One plain sentence: who, which promise, what was seen. Untrusted parts: escape it."""
    agreement_says: str
    """One plain sentence: what the agreement says and where. Untrusted parts: escape it."""
    cannot_see: str
    """One plain sentence: what a network cannot show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaivedCase:
    """A case that would be open if no waiver covered it: suppression stays visible."""

    agreement: str | None
    """Agreement id; None where no agreement exists."""
    rule: RuleId
    """The rule that would have opened it."""
    clause: str
    """Clause id."""
    subject: str
    """Registrable domain that it is about. Untrusted: escape before showing."""
    devices: int
    """Distinct pairs of device and local date."""
    flows: int
    """Flows that were waived."""
