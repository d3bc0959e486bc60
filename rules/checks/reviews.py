"""R2 to R5, independent reviews: a product is used although a review that its kind needs is not approved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from rules.agreements.plain import written_day
from rules.checks.base import Conclusion, Example, Observation, used
from rules.checks.example import ABSENT, each
from rules.checks.wording import extent, listed, product_of, says
from rules.matching import own_subject

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

    from rules.agreements.model import Agreement, Review
    from rules.checks.base import Evidence, Maturity, Need, Scope, Sighting
    from rules.findings import RuleId

REVIEWS: Final[Mapping[str, Literal["curriculum", "pedagogy", "assessment", "algorithms"]]] = {
    "R2": "curriculum",
    "R3": "pedagogy",
    "R4": "assessment",
    "R5": "algorithms",
}
"""Clause -> the review that answers it."""


def needed(agreement: Agreement) -> tuple[str, ...]:
    """Return the clauses whose review this product needs (contract, section 6, "Reviews")."""
    purposes = {purpose.code for purpose in agreement.purposes}
    clauses: list[str] = []
    if "instruction" in purposes:
        clauses += ["R2", "R3"]
    if "assessment" in purposes:
        clauses += ["R4"]
    if any(product.personalized or product.uses_algorithms for product in agreement.products):
        clauses += ["R5"]
    return tuple(clauses)


def shortcoming(review: Review | None, *, on: date) -> str | None:
    """Return what keeps *review* from being an approval on a local date, None: nothing that the file states.

    What the file leaves out (no review, no word on independence) is a gap for the gap report, never a violation.
    """
    if review is None or review.status == "not_applicable":
        return None
    if review.status != "approved":
        return "not done" if review.status == "none" else review.status
    if review.expires is not None and on > review.expires:
        return "expired"
    return "by a reviewer who is not independent" if review.independent is False else None


class ReviewMissing:
    """A product is used although a needed review is pending, rejected, not done, expired or not independent."""

    id: RuleId = "review-missing"
    clauses = tuple(REVIEWS)
    maturity: Maturity = "stable"
    scope: Scope = "own"
    signal = "Flows to a host of the product, by server name: only that it is in use."
    fields = (
        "purposes.code",
        "products.personalized",
        "products.uses_algorithms",
        "reviews.curriculum",
        "reviews.pedagogy",
        "reviews.assessment",
        "reviews.algorithms",
    )
    needs: tuple[Need, ...] = ()
    blind_to = "Whether the reviewed part of the product was used, whether an algorithm ran, and how good a review was."
    examples = (
        Example(
            title="a personalised product whose algorithms are still being reviewed",
            agreement={"reviews.algorithms": {"status": "pending"}},
            events=each(3),
            opens=True,
        ),
        Example(
            title="approved, by a reviewer who is not independent",
            agreement={"reviews.curriculum": {"status": "approved", "independent": False}},
            events=each(3),
            opens=True,
        ),
        Example(
            title="the review is not stated: a gap, no case",
            agreement={"reviews.algorithms": ABSENT, "reviews.curriculum": {"status": "approved"}},
            events=each(3),
            opens=False,
        ),
        Example(
            title="neither personalised nor algorithmic: the algorithm review is not needed",
            agreement={"products": [{"name": "Mathlab"}], "reviews.algorithms": {"status": "none"}},
            events=each(3),
            opens=False,
        ),
    )

    def observe(self, sighting: Sighting) -> Iterable[Observation]:
        """Return one observation per flow to the product and per needed review that is not approved."""
        agreement = sighting.product
        if agreement is None or agreement.reviews is None:
            return ()
        reviews = agreement.reviews
        found: list[Observation] = []
        for clause in needed(agreement):
            why = shortcoming(getattr(reviews, REVIEWS[clause]), on=sighting.day)
            if why is not None:
                subject = own_subject(agreement)
                found.append(
                    Observation(
                        agreement=agreement.id, clause=clause, subject=subject, verdict="contradicted", detail=why
                    )
                )
        return found

    def conclude(self, evidence: Evidence) -> Conclusion | None:
        """Return one case per missing review when the product was used."""
        agreement = evidence.agreement
        if agreement is None or not used(evidence.findings):
            return None
        review = REVIEWS[evidence.clause]
        reasons = listed(finding.detail for finding in evidence.findings)
        return Conclusion(
            verdict="contradicted",
            severity="warning",
            findings=evidence.findings,
            summary=f"{product_of(agreement)} appears to be in use {extent(evidence.findings)}, but the {review} "
            f"review that it needs is not in place ({reasons}).",
            agreement_says=says(agreement, "reviews", text=_review(agreement, review)),
            cannot_see="Whether the reviewed part of the product was used, and whether an algorithm ran, cannot be "
            "seen on the network.",
        )


def _review(agreement: Agreement, name: str) -> str:
    review: Review | None = getattr(agreement.reviews, name, None)
    if review is None:
        return f"nothing on the {name} review"
    words = f"the {name} review is {'missing' if review.status == 'none' else review.status.replace('_', ' ')}"
    if review.independent is not None:
        words += f", by a reviewer who is {'' if review.independent else 'not '}independent of the vendor"
    return words + (f", valid to {written_day(review.expires)}" if review.expires else "")
