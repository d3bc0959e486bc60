"""R0, the use gate: the district paused a product, prohibited it, or lets one group try it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rules.agreements.plain import span
from rules.agreements.standing import gate_on
from rules.checks.base import Conclusion, Example, Observation, used
from rules.checks.example import each
from rules.checks.wording import extent, groups_in, listed, product_of, says
from rules.matching import own_subject

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rules.agreements.model import Agreement
    from rules.checks.base import Evidence, Maturity, Need, Scope, Sighting
    from rules.findings import RuleId

R0 = "R0"


class UsePaused:
    """The product is used while its gate is paused or prohibited, or after an approval or pilot ran out."""

    id: RuleId = "use-paused"
    clauses = (R0,)
    maturity: Maturity = "stable"
    scope: Scope = "own"
    signal = "Flows to a host of the product, by server name, and their local date."
    fields = ("use_gate.status", "use_gate.from", "use_gate.until")
    needs: tuple[Need, ...] = ()
    blind_to = "Whether a person opened the product or a device contacted it by itself, and what was done with it."
    examples = (
        Example(
            title="three devices use a paused product",
            agreement={"use_gate": {"status": "paused"}},
            events=each(3),
            opens=True,
        ),
        Example(
            title="an approval that ran out yesterday counts as paused",
            agreement={"use_gate": {"status": "approved", "until": "2026-10-13"}},
            events=each(3),
            opens=True,
        ),
        Example(
            title="the pause begins tomorrow",
            agreement={"use_gate": {"status": "paused", "from": "2026-10-15"}},
            events=each(3),
            opens=False,
        ),
        Example(
            title="only its shared host and its marketing site were seen",
            agreement={"use_gate": {"status": "paused"}},
            events=(
                *each(3, server_name="mathlab.sharededge.example"),
                *each(3, server_name="www.mathlab.example"),
            ),
            opens=False,
        ),
    )

    def observe(self, sighting: Sighting) -> Iterable[Observation]:
        """Return one observation per flow to the product on a date on which it should rest."""
        agreement = sighting.product
        if agreement is None:
            return ()
        state = gate_on(agreement, sighting.day)
        if state not in {"paused", "prohibited"}:
            return ()
        return (
            Observation(
                agreement=agreement.id,
                clause=R0,
                subject=own_subject(agreement),
                verdict="contradicted",
                detail=state,
            ),
        )

    def conclude(self, evidence: Evidence) -> Conclusion | None:
        """Return a case when the product was used on such dates; critical where it was prohibited."""
        agreement = evidence.agreement
        if agreement is None or not used(evidence.findings):
            return None
        states = {finding.detail for finding in evidence.findings}
        # The contract reads an approval or a pilot that ran out as a pause; the sentence says how it came about.
        ran_out = agreement.use_gate.status in {"approved", "pilot"}
        words = [
            f"{state}, as its {agreement.use_gate.status} status ran out" if ran_out else state for state in states
        ]
        return Conclusion(
            verdict="contradicted",
            severity="critical" if "prohibited" in states else "warning",
            findings=evidence.findings,
            summary=f"{product_of(agreement)} appears to be in use {extent(evidence.findings)} while its use is "
            f"{listed(words)}.",
            agreement_says=says(agreement, "use_gate", text=_gate(agreement)),
            cannot_see="Whether a person opened the product or a device contacted it by itself, and what was done "
            "with it, cannot be seen on the network.",
        )


class PilotOutsideGroup:
    """A pilot product is used by a group that the pilot does not include."""

    id: RuleId = "pilot-outside-group"
    clauses = (R0,)
    maturity: Maturity = "stable"
    scope: Scope = "own"
    signal = "Flows to a host of the product, by server name, and the group of the network segment they come from."
    fields = ("use_gate.status", "use_gate.allowed_groups")
    needs: tuple[Need, ...] = ()
    blind_to = "Who used the device; the group is that of the network segment."
    examples = (
        Example(
            title="the pilot is for 6-8, and k-5 uses it",
            agreement={"use_gate": {"status": "pilot", "allowed_groups": ["6-8"]}},
            events=each(3, group="k-5"),
            opens=True,
        ),
        Example(
            title="many devices of the allowed group and two of another",
            agreement={"use_gate": {"status": "pilot", "allowed_groups": ["6-8"]}},
            events=(*each(9), *each(2, group="k-5")),
            opens=False,
        ),
        Example(
            title="the pilot names no groups: not stated, so no bar",
            agreement={"use_gate": {"status": "pilot"}},
            events=each(3, group="k-5"),
            opens=False,
        ),
    )

    def observe(self, sighting: Sighting) -> Iterable[Observation]:
        """Return one observation per flow of a group outside the pilot, while the pilot lasts."""
        agreement = sighting.product
        if agreement is None or agreement.use_gate.status != "pilot":
            return ()
        allowed = agreement.use_gate.allowed_groups
        # After its last day a pilot counts as paused: that is the other rule's case, for every group.
        if allowed is None or sighting.event.group in allowed or gate_on(agreement, sighting.day) != "pilot":
            return ()
        return (Observation(agreement=agreement.id, clause=R0, subject=own_subject(agreement), verdict="contradicted"),)

    def conclude(self, evidence: Evidence) -> Conclusion | None:
        """Return a case when groups outside the pilot used the product."""
        agreement = evidence.agreement
        if agreement is None or not used(evidence.findings):
            return None
        groups = groups_in(evidence.findings)
        return Conclusion(
            verdict="contradicted",
            severity="warning",
            findings=evidence.findings,
            summary=f"{product_of(agreement)}, allowed as a pilot only, appears to be in use outside the pilot: "
            f"in {groups}, {extent(evidence.findings)}.",
            agreement_says=says(agreement, "use_gate", text=_gate(agreement)),
            cannot_see="Which person used the device cannot be seen; the group is that of the network segment.",
        )


def _gate(agreement: Agreement) -> str:
    gate = agreement.use_gate
    words = f"use of the product is {'allowed as a pilot' if gate.status == 'pilot' else gate.status}"
    if gate.allowed_groups is not None:
        words += f" for {listed(gate.allowed_groups) if gate.allowed_groups else 'no group'} only"
    return f"{words}{span(gate.from_, gate.until)}"
