"""How sure the cause of an attributed connection is, how pressing that makes a case, and the evidence and words for it.

Shared by the five rules about attributed parties; what is promised is each rule's own matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rules.checks.base import Conclusion, device_days, used
from rules.checks.wording import listed, listed_as

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from rules.checks.base import EdgeCheck, Evidence
    from rules.edges import Candidate, Edge
    from rules.findings import Finding, RuleId, Severity, Verdict
    from rules.parties import Party

# CONTRACTS.md section 5, "Severities".
SURE = 0.95
LIKELY = 0.8
MANY_DEVICE_DAYS = 25

METHOD: Final = (
    "All sites that stood open compete as causes of every contact (noisy-OR, likelihood-ratio test with "
    "false-discovery control), and the party comes in the windows that the product opens on quiet devices (bag of "
    "domains); both are required, on several devices and class-hours."
)

INFERRED: Final = "which product caused the connections is inferred from their times"
"""The limit that every attributed case shares; without a final stop."""

WORST_FIRST: Final[tuple[Verdict, ...]] = ("contradicted", "conflicting", "undeclared", "declared_vaguely")
MOST_SAMPLES: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """The edges on which a case rests."""

    edges: tuple[Edge, ...]
    """At least one."""
    verdict: Verdict
    """The worst of theirs."""
    confidence: float
    """Mean of theirs, weighted by device-days, two decimals."""

    @property
    def main(self) -> Edge:
        """The edge with the most device-days."""
        return max(self.edges, key=lambda edge: (_device_days(edge), edge.party, edge.agreement))


def weigh_up(check: EdgeCheck, evidence: Evidence, *, party_of: Callable[[str], Party | None]) -> Weighed | None:
    """Return the edges of *evidence* that still speak to *check* by what the agreement says now; None: there are none.

    None as well where they show less than use: then nothing is established.
    """
    agreement = evidence.agreement
    if agreement is None or not used(evidence.findings):
        return None
    edges, verdicts = [], set()
    for edge in behind(evidence):
        found = {each.verdict for each in check.weigh(edge, agreement=agreement, party=party_of(edge.party))}
        if found and "unattributed" not in found:
            edges.append(edge)
            verdicts |= found
    if not edges:
        return None
    return Weighed(edges=tuple(edges), verdict=min(verdicts, key=WORST_FIRST.index), confidence=confidence_of(edges))


def behind(evidence: Evidence) -> list[Edge]:
    """Return the edges from which findings of *evidence* come: those of a waived domain have none among them."""
    kept = {(finding.day, finding.school, finding.group, finding.first_seen) for finding in evidence.findings}
    return [
        edge
        for edge in evidence.edges
        if any((each.day, each.school, each.group, each.first_seen) in kept for each in edge.exposures)
    ]


def confidence_of(edges: Sequence[Edge]) -> float:
    """Return how sure the cause is: the mean over *edges*, weighted by device-days, as a report gives it."""
    weights = [max(_device_days(edge), 1) for edge in edges]
    weighted = sum(edge.confidence * weight for edge, weight in zip(edges, weights, strict=True))
    # What a reader sees decides: a case that says 0.95 is treated as one of 0.95.
    return round(weighted / sum(weights), 2)


def severity_of(rule: RuleId, *, verdict: Verdict, confidence: float, findings: Sequence[Finding]) -> Severity:
    """Return how pressing a case of an attributed party is: promise, certainty and exposure (contract, section 5)."""
    if verdict in {"unattributed", "declared_vaguely"} or confidence < LIKELY:
        return "info"
    grave = rule == "prohibited-tracking" or (rule == "undeclared-third-party" and verdict == "contradicted")
    exposed = any(finding.detail == "under_13" for finding in findings) or device_days(findings) >= MANY_DEVICE_DAYS
    return "critical" if grave and confidence >= SURE and exposed else "warning"


def conclusion(
    rule: RuleId, evidence: Evidence, *, weighed: Weighed, summary: str, agreement_says: str, cannot_see: str
) -> Conclusion:
    """Return the case of *rule* that *weighed* supports.

    Args:
        rule: the rule.
        evidence: what the case is decided on.
        weighed: the edges on which it rests.
        summary: one sentence without its end; how sure the cause is and a full stop are put to it.
        agreement_says: one sentence.
        cannot_see: one sentence about the promise; that the cause is inferred is put to it.
    """
    severity = severity_of(rule, verdict=weighed.verdict, confidence=weighed.confidence, findings=evidence.findings)
    return Conclusion(
        verdict=weighed.verdict,
        severity=severity,
        findings=evidence.findings,
        summary=f"{summary}; how sure the cause is: {how_sure(weighed.confidence)}.",
        agreement_says=agreement_says,
        cannot_see=f"{cannot_see.removesuffix('.')}; {INFERRED}.",
        confidence=weighed.confidence,
        evidence=cause_in(weighed),
    )


def how_sure(confidence: float) -> str:
    """Return a probability as one would say it, for example `high (0.97)`."""
    word = "high" if confidence >= SURE else "fair" if confidence >= LIKELY else "low"
    return f"{word} ({confidence:.2f})"


def called(edges: Iterable[Edge], *, party: Party | None) -> str:
    """Return whom *edges* lead to, for example `AdCo (adco.example, owned by AdCo Holdings, listed as ... in ...)`."""
    domains = listed(edge.party for edge in edges)
    if party is None:
        return f"{domains} (in no party list)"
    owner = f", owned by {party.owner}" if party.owner != party.name else ""
    return f"{party.name} ({domains}{owner}, {listed_as(party)})"


def cause_in(weighed: Weighed) -> dict[str, object]:
    """Return how the cause was found, ready for JSON; counts are exact, whoever shows them bands them."""
    main = weighed.main
    product = {"agreement_or_site": main.agreement, "posterior": weighed.confidence}
    return {
        "method": METHOD,
        "statistic": round(main.statistic, 2),
        "rate": round(main.rate, 4),
        "bag": round(main.bag, 4),
        "quiet_windows": main.quiet_windows,
        "windows": main.visits,
        **counts_in(weighed.edges),
        "near_share": round(main.near_share, 4),
        "elsewhere_share": round(main.elsewhere_share, 4),
        "lab": None if main.lab == "silent" else main.lab,
        "candidates": [product, *(_rival(candidate) for candidate in main.candidates)],
    }


def counts_in(edges: Sequence[Edge]) -> dict[str, object]:
    """Return how often and when the party was met, ready for JSON: nothing of it names a vendor."""
    samples: dict[datetime, int] = {}
    for window in (window for edge in edges for window in edge.windows):
        samples[window.start] = max(samples.get(window.start, 0), window.devices)
    most = sorted(samples, key=lambda start: (-samples[start], start))[:MOST_SAMPLES]
    return {
        "device_days": max(_device_days(edge) for edge in edges),
        "class_hours": max(edge.class_hours for edge in edges),
        "samples": [{"from": start.isoformat(), "devices": samples[start]} for start in sorted(most)],
    }


def _rival(candidate: Candidate) -> dict[str, object]:
    return {
        "agreement_or_site": candidate.site,
        "posterior": round(candidate.posterior, 4),
        "share": round(candidate.share, 4),
        "rate": round(candidate.rate, 4),
    }


def _device_days(edge: Edge) -> int:
    return sum(exposure.devices for exposure in edge.exposures)
