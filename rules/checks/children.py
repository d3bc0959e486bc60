"""6f, pupils under 13: a product that is not declared for them, or that leaves one of five questions open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rules.checks.base import Conclusion, Example, Observation, used
from rules.checks.example import ABSENT, each
from rules.checks.wording import extent, groups_in, listed, product_of, says
from rules.matching import own_subject

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rules.agreements.model import Agreement
    from rules.checks.base import Evidence, Maturity, Need, Scope, Sighting
    from rules.findings import RuleId, Verdict

SIX_F = "6f"


def unanswered(agreement: Agreement) -> tuple[str, ...]:
    """Return which of the five under-13 answers are missing: absent or null (contract, section 6)."""
    data = agreement.data
    answers = {
        "what is collected": data.categories,
        "how it is stored": data.storage_plain if data.storage_plain is not None else data.stored_in,
        "how long it is kept": data.retention_days_after_end
        if data.retention_days_after_end is not None
        else data.retention_days_after_request,
        "who has access": data.access,
        "for which purpose": agreement.purposes,
    }
    return tuple(question for question, answer in answers.items() if answer is None)


def not_for_children(agreement: Agreement) -> bool:
    """Return whether the agreement states that its product is not for pupils under 13.

    With several products one that is declared for them is enough: which of them was used cannot be seen.
    """
    stated = [product.under_13 for product in agreement.products]
    return True not in stated and False in stated


class Under13NotCovered:
    """A group marked under 13 uses a product that does not cover it."""

    id: RuleId = "under-13-not-covered"
    clauses = (SIX_F,)
    maturity: Maturity = "stable"
    scope: Scope = "own"
    signal = "Flows to a host of the product, by server name, from a network segment whose group is marked under 13."
    fields = (
        "products.under_13",
        "data.categories",
        "data.storage_plain",
        "data.stored_in",
        "data.retention_days_after_end",
        "data.retention_days_after_request",
        "data.access",
        "purposes",
    )
    needs: tuple[Need, ...] = ("under_13_group",)
    blind_to = "The age of a person; how data are really stored, for how long, and who has access."
    examples = (
        Example(
            title="an elementary group uses a product that is not for under 13",
            agreement={"products": [{"name": "Mathlab", "under_13": False}]},
            events=each(3, group="k-5"),
            opens=True,
        ),
        Example(
            title="nobody says who has access",
            agreement={"data.access": ABSENT},
            events=each(3, group="k-5"),
            opens=True,
        ),
        Example(
            title="the same product, used by an older group and by staff",
            agreement={"products": [{"name": "Mathlab", "under_13": False}]},
            events=(*each(9), *each(9, group="staff"), *each(2, group="k-5")),
            opens=False,
        ),
        Example(
            title="the file does not say whether it is for under 13: a gap, no case",
            agreement={"products": [{"name": "Mathlab"}]},
            events=each(3, group="k-5"),
            opens=False,
        ),
    )

    def observe(self, sighting: Sighting) -> Iterable[Observation]:
        """Return one observation per flow of an under-13 group to a product that does not cover it."""
        agreement = sighting.product
        if agreement is None or not sighting.under_13:
            return ()
        refused = not_for_children(agreement)
        if not refused and not unanswered(agreement):
            return ()
        return (
            Observation(
                agreement=agreement.id,
                clause=SIX_F,
                subject=own_subject(agreement),
                verdict="contradicted" if refused else "undeclared",
            ),
        )

    def conclude(self, evidence: Evidence) -> Conclusion | None:
        """Return one case when groups under 13 used the product; a stated "not for under 13" weighs more."""
        agreement = evidence.agreement
        if agreement is None or not used(evidence.findings):
            return None
        verdict: Verdict = "undeclared"
        reasons: list[str] = []
        stated: list[str] = []
        if not_for_children(agreement):
            verdict = "contradicted"
            reasons.append("it is not declared for them")
            stated.append("the product is not for children under 13")
        missing = unanswered(agreement)
        if missing:
            reasons.append(f"the agreement does not say {listed(missing)}")
            stated.append(f"nothing on {listed(missing)}")
        if not reasons:
            # The file was amended since: the promise is made now, and the case is withdrawn.
            return None
        groups = groups_in(evidence.findings)
        return Conclusion(
            verdict=verdict,
            severity="warning",
            findings=evidence.findings,
            summary=f"{product_of(agreement)} appears to be in use by a group under 13 ({groups}) "
            f"{extent(evidence.findings)}, although {', and '.join(reasons)}.",
            agreement_says=says(
                agreement,
                "products" if verdict == "contradicted" else "data",
                text=", ".join(stated),
            ),
            cannot_see="The age of a person cannot be seen; the group is that of the network segment. How data is "
            "stored, for how long, and who has access cannot be seen either.",
        )
