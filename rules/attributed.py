"""What attribution means for promises: edges become findings, which the cases hold beside those of single flows."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import TYPE_CHECKING, TypeGuard

from rules.case_keys import matter_id
from rules.closed_findings import is_seen
from rules.engine import ID_BYTES, is_waived
from rules.findings import NO_AGREEMENT, Finding, Promise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from rules.agreements.model import Agreement
    from rules.checks.base import Check, EdgeCheck, Observation
    from rules.edges import Edge, Exposure
    from rules.parties import Party


@dataclass(slots=True, kw_only=True)
class Grounds:
    """What attribution contributes to one promise."""

    edges: list[Edge] = field(default_factory=list)
    """The edges, by agreement and party."""
    findings: dict[str, Finding] = field(default_factory=dict)
    """One finding per edge, day, school and group."""


def grounds_of(
    edges: Iterable[Edge],
    *,
    checks: Iterable[Check],
    agreement_at: Callable[[str, datetime], Agreement | None],
    party_of: Callable[[str], Party | None],
) -> dict[Promise, Grounds]:
    """Return what *edges* mean, by promise.

    Args:
        edges: at most one per agreement and party.
        checks: the rules; those that weigh no edges are left out.
        agreement_at: what an agreement said at a moment; None: it did not exist.
        party_of: domain -> its owner by the party lists, None: in no list.
    """
    weighing = [check for check in checks if _weighs(check)]
    found: defaultdict[Promise, Grounds] = defaultdict(Grounds)
    for edge in sorted(edges, key=lambda edge: (edge.agreement, edge.party)):
        agreement = agreement_at(edge.agreement, max(each.last_seen for each in edge.exposures))
        if agreement is None:
            continue
        for check in weighing:
            for observation in check.weigh(edge, agreement=agreement, party=party_of(edge.party)):
                promise = Promise(observation.agreement, check.id, observation.clause, observation.subject)
                grounds = found[promise]
                grounds.edges.append(edge)
                for exposure in edge.exposures:
                    finding = _finding(promise, edge, exposure=exposure, observation=observation, agreement=agreement)
                    grounds.findings[finding.id] = finding
    return dict(found)


def edge_since(edge: Edge, until: datetime) -> Edge | None:
    """Return what of an edge was seen later than *until*, None: nothing. How sure it is, is what all of it says."""
    exposures = tuple(each for each in edge.exposures if not is_seen(each.first_seen, last=each.last_seen, until=until))
    if len(exposures) == len(edge.exposures):
        return edge
    windows = tuple(each for each in edge.windows if each.start > until)
    return replace(edge, exposures=exposures, windows=windows) if exposures else None


def edges_since(edges: Iterable[Edge], *, until: Callable[[str], datetime]) -> tuple[Edge, ...]:
    """Return what of *edges* counts: what was forgotten with the last case about product and party does not.

    Args:
        edges: any.
        until: id of a matter (`rules.case_keys`) -> moment up to which what was seen of it does not count.
    """
    found = (edge_since(edge, until(matter_of(edge))) for edge in edges)
    return tuple(edge for edge in found if edge is not None)


def matter_of(edge: Edge) -> str:
    """Return the id of what an edge is about: its product and its party."""
    return matter_id(edge.agreement if edge.standing == "confirmed" else NO_AGREEMENT, subject=edge.subject)


def _weighs(check: Check) -> TypeGuard[EdgeCheck]:
    return hasattr(check, "weigh")


def _finding(
    promise: Promise, edge: Edge, *, exposure: Exposure, observation: Observation, agreement: Agreement
) -> Finding:
    identity = (*promise, edge.agreement, edge.party, exposure.day.isoformat(), exposure.school, exposure.group)
    return Finding(
        id=blake2b("\x1f".join(identity).encode(), digest_size=ID_BYTES).hexdigest(),
        rule=promise.rule,
        agreement=promise.agreement,
        clause=promise.clause,
        subject=promise.subject,
        verdict=observation.verdict,
        detail=exposure.audience,
        waived=is_waived(observation, agreement=agreement, day=exposure.day, host=edge.party),
        # Devices were counted and cannot be told apart any more: two parties of one subject share the larger count.
        device=f"{exposure.school}/{exposure.group}",
        day=exposure.day,
        school=exposure.school,
        group=exposure.group,
        flows=exposure.flows,
        bytes_up=exposure.bytes_up,
        bytes_down=exposure.bytes_down,
        first_seen=exposure.first_seen,
        last_seen=exposure.last_seen,
        devices=exposure.devices,
    )
