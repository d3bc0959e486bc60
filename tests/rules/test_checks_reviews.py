"""R2 to R5: which reviews a product needs, and what counts as a missing one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rules.checks.example import ABSENT, each
from rules.rehearsal import world

if TYPE_CHECKING:
    from collections.abc import Mapping


def clauses(changes: Mapping[str, object], *, devices: int = 3) -> list[str]:
    """Return the clauses of the review cases that so many devices open."""
    report = world(changes).play(each(devices)).report()
    return sorted(case.clause for case in report if case.rule == "review-missing")


@pytest.mark.parametrize(
    "review",
    [
        {"status": "pending"},
        {"status": "rejected", "independent": True},
        {"status": "none"},
        {"status": "approved", "independent": True, "expires": "2026-10-13"},
        {"status": "approved", "independent": False},
    ],
)
@pytest.mark.parametrize(
    ("name", "clause"), [("curriculum", "R2"), ("pedagogy", "R3"), ("assessment", "R4"), ("algorithms", "R5")]
)
def test_a_needed_review_that_is_no_approval_opens_a_case(review: Mapping[str, object], name: str, clause: str) -> None:
    assert clauses({f"reviews.{name}": review}) == [clause]


@pytest.mark.parametrize(
    "review",
    [
        ABSENT,
        {"status": "approved"},
        {"status": "not_applicable"},
        {"status": "approved", "independent": True, "expires": "2026-10-14"},
    ],
)
@pytest.mark.parametrize("name", ["curriculum", "pedagogy", "assessment", "algorithms"])
def test_what_is_not_stated_or_does_not_apply_opens_none(review: object, name: str) -> None:
    assert clauses({f"reviews.{name}": review}, devices=9) == []


def test_an_agreement_without_any_word_on_reviews_opens_none() -> None:
    assert clauses({"reviews": ABSENT}, devices=9) == []


def test_each_missing_review_is_a_case_of_its_own() -> None:
    reviews = {name: {"status": "none"} for name in ("curriculum", "pedagogy", "assessment", "algorithms")}
    assert clauses({"reviews": reviews}) == ["R2", "R3", "R4", "R5"]


@pytest.mark.parametrize(
    ("product", "needs"),
    [
        ({"personalized": True}, ["R5"]),
        ({"uses_algorithms": True, "personalized": False}, ["R5"]),
        ({"uses_algorithms": False}, []),
        ({}, []),
    ],
)
def test_algorithms_are_reviewed_where_a_product_is_personalised_or_uses_them(
    product: Mapping[str, object], needs: list[str]
) -> None:
    plain = {"products": [{"name": "Plain"}, {"name": "Mathlab", **product}], "reviews.algorithms": {"status": "none"}}
    assert clauses(plain) == needs


def test_a_product_for_another_purpose_needs_no_review_of_teaching() -> None:
    purposes = [{"code": "communication", "plain": "Messages between school and home."}]
    reviews = {name: {"status": "none"} for name in ("curriculum", "pedagogy", "assessment")}
    assert clauses({"purposes": purposes, "reviews": reviews}, devices=9) == []


def test_a_product_that_is_not_used_opens_none() -> None:
    assert clauses({"reviews.curriculum": {"status": "none"}}, devices=2) == []
