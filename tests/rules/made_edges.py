"""Edges made by hand: what attribution might say of the example product, one fact changed at a time."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from rules.edges import Audience, Candidate, Edge, Exposure, SampleWindow
from rules.rehearsal import world

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rules.findings import Case

FIRST = datetime.fromisoformat("2026-10-14T14:00:00+00:00")
GROUPS: Mapping[Audience, str] = {"under_13": "k-5", "older": "6-8", "staff": "staff"}


def exposure(devices: int = 8, *, audience: Audience = "older", day: int = 0) -> Exposure:
    """Return so many devices of one group on one day."""
    first = FIRST + timedelta(days=day)
    return Exposure(
        day=date(2026, 10, 14) + timedelta(days=day),
        school="north-es",
        group=GROUPS[audience],
        audience=audience,
        devices=devices,
        flows=2 * devices,
        bytes_up=100 * devices,
        bytes_down=900 * devices,
        first_seen=first,
        last_seen=first + timedelta(hours=3),
    )


EDGE = Edge(
    agreement="mathlab",
    party="adco.example",
    subject="adco.example",
    role="party",
    standing="confirmed",
    confidence=0.97,
    rate=0.6,
    bag=0.5,
    quiet_windows=30,
    statistic=88.0,
    visits=120,
    class_hours=9,
    near_share=0.9,
    elsewhere_share=0.1,
    lab="silent",
    candidates=(Candidate(site="news.example", share=0.2, rate=0.01, posterior=0.02),),
    exposures=(exposure(),),
    windows=(SampleWindow(start=FIRST, devices=6),),
)


def edge(party: str = "adco.example", **changes: Any) -> Edge:
    """Return a confirmed edge from the example product to *party*, which is its own subject unless told otherwise."""
    return replace(EDGE, **{"party": party, "subject": party, **changes})


def opened(rule: str, *edges: Edge, **changes: object) -> list[Case]:
    """Return the cases of *rule* that open where attribution says *edges* and the agreement is changed so."""
    cases = world({key.replace("__", "."): value for key, value in changes.items()}).cases()
    cases.attributed(edges)
    return [case for case in cases.report() if case.rule == rule]


def brief(cases: list[Case]) -> list[tuple[str | None, str, str, str, str]]:
    """Return agreement, subject, clause, verdict and severity of each case."""
    return [(case.agreement, case.subject, case.clause, case.verdict, case.severity) for case in cases]
