"""6g, improving the product: usage, errors or screens are reported somewhere, and the agreement does not explain it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from collector.hosts import covers, normal_name, registrable_domain
from rules.agreements.plain import ACTIVITIES
from rules.checks.base import Example, Observation
from rules.checks.cause import called, conclusion, weigh_up
from rules.checks.circle import owners_of
from rules.checks.example import among_others, lessons
from rules.checks.wording import extent, listed, product_of, says

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from rules.agreements.model import Agreement, Improvement
    from rules.agreements.vocabulary import Activity
    from rules.checks.base import Conclusion, Evidence, Maturity, Need, Scope, Sighting
    from rules.checks.circle import Circles
    from rules.edges import Edge
    from rules.findings import RuleId, Verdict
    from rules.parties import Kind, Party

SIX_G = "6g"

EXPLAINED_BY: Final[Mapping[Kind, frozenset[Activity]]] = {
    # Experiments are run by the same companies, and their hosts are in the lists as analytics.
    "analytics": frozenset({"usage_analytics", "ab_testing"}),
    "crash_reporting": frozenset({"crash_reports"}),
    "session_replay": frozenset({"session_replay"}),
}
"""Kind of party -> activities that explain it, where a row says what is done and not where."""


class UnexplainedTelemetry:
    """Analytics, crash, replay or experiment hosts attributed to the product, with no `improvement` row for them.

    Args:
        circles: whom each agreement accounts for.
    """

    id: RuleId = "unexplained-telemetry"
    clauses = (SIX_G,)
    maturity: Maturity = "stable"
    scope: Scope = "edges"
    signal = (
        "Connections to a company that a party list calls analytics, crash reporting or session replay, beginning when "
        "the product is opened and not otherwise."
    )
    fields = ("improvement.activity", "improvement.domains")
    needs: tuple[Need, ...] = ("party_list",)
    blind_to = (
        "Telemetry that goes to the vendor's own hosts or to companies that are in no list; what it holds and what is "
        "done with it."
    )
    examples = (
        Example(
            title="a company that counts usage follows each time, and the agreement explains no such use",
            events=among_others(lessons("app.mathlab.example", brings=("in.statco.example",))),
            opens=True,
        ),
        Example(
            title="the agreement explains crash reports, and a company that counts usage follows",
            agreement={"improvement": [{"activity": "crash_reports", "plain": "Errors are reported without names."}]},
            events=among_others(lessons("app.mathlab.example", brings=("in.statco.example",))),
            opens=True,
        ),
        Example(
            title="the agreement explains it and names another host of the same company",
            agreement={
                "improvement": [
                    {"activity": "usage_analytics", "plain": "Pages are counted.", "domains": ["eu.statco.example"]}
                ]
            },
            events=among_others(lessons("app.mathlab.example", brings=("in.statco.example",))),
            opens=False,
        ),
        Example(
            title="what follows delivers pages",
            events=among_others(lessons("app.mathlab.example", brings=("m.fastedge.example",))),
            opens=False,
        ),
    )

    def __init__(self, circles: Circles) -> None:
        self._circles = circles

    def observe(self, sighting: Sighting) -> Iterable[Observation]:  # noqa: ARG002 -- part of the protocol
        """Return nothing: a single flow does not tell what brought it about."""
        return ()

    def weigh(self, edge: Edge, *, agreement: Agreement, party: Party | None) -> Iterable[Observation]:
        """Return an observation where the party measures and no row of `improvement` covers it."""
        if edge.role != "party" or edge.standing != "confirmed" or party is None or party.kind not in EXPLAINED_BY:
            return ()
        rows = agreement.improvement or ()
        if any(_covers(row, edge.party, party=party, party_of=self._circles.party_of) for row in rows):
            return ()
        return (Observation(agreement=agreement.id, clause=SIX_G, subject=edge.subject, verdict=_verdict(agreement)),)

    def conclude(self, evidence: Evidence) -> Conclusion | None:
        """Return a case while no row covers what was seen."""
        weighed = weigh_up(self, evidence, party_of=self._circles.party_of)
        agreement = evidence.agreement
        if weighed is None or agreement is None:
            return None
        party = self._circles.party_of(weighed.main.party)
        return conclusion(
            self.id,
            evidence,
            weighed=weighed,
            summary=f"{product_of(agreement)} appears to report to {called(weighed.edges, party=party)}, and no "
            f"explanation of how data are used to improve it covers that, {extent(evidence.findings)}",
            agreement_says=says(agreement, "improvement", text=_told(agreement)),
            cannot_see="What is reported, whether it holds names, and how it is used cannot be seen on the network.",
        )


def _covers(row: Improvement, host: str, *, party: Party, party_of: Callable[[str], Party | None]) -> bool:
    """Return whether *row* explains reports to *host*: by its domains, or by what it says is done."""
    if not row.domains:
        return row.activity in EXPLAINED_BY[party.kind]
    names = [normal_name(domain) for domain in row.domains]
    if any(covers(name, host) for name in names) or registrable_domain(host) in map(registrable_domain, names):
        return True
    # Another service of the same owner is another use of data.
    found = (party_of(name) for name in names)
    owners = owners_of(party)
    return any(
        named is not None and named.kind == party.kind and not owners.isdisjoint(owners_of(named)) for named in found
    )


def _verdict(agreement: Agreement) -> Verdict:
    rows = agreement.improvement
    # Absent: it does not say. Empty, or rows that say `none`: it says that there is no such use.
    denied = rows is not None and all(row.activity == "none" for row in rows)
    return "contradicted" if denied else "undeclared"


def _told(agreement: Agreement) -> str:
    rows = agreement.improvement
    if rows is None:
        return "nothing about how data are used to improve the product"
    uses = {ACTIVITIES[row.activity].casefold() for row in rows if row.activity != "none"}
    return f"data are used for: {listed(uses)}" if uses else "data are not used to improve the product"
