"""6f, under 13: who counts as under 13, what counts as declared, and the five answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rules.checks.example import ABSENT, each
from rules.rehearsal import world

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rules.findings import Case

REFUSED = [{"name": "Mathlab", "under_13": False}]


def opened(changes: Mapping[str, object], *, group: str = "k-5", devices: int = 3) -> list[Case]:
    """Return the under-13 cases that so many devices of a group open."""
    report = world(changes).play(each(devices, group=group)).report()
    return [case for case in report if case.rule == "under-13-not-covered"]


def test_a_product_that_is_not_for_them_contradicts_its_agreement() -> None:
    (case,) = opened({"products": REFUSED})
    assert (case.verdict, case.clause, case.subject, case.groups) == ("contradicted", "6f", "mathlab.example", ("k-5",))


@pytest.mark.parametrize(
    "missing",
    [
        {"data.stored_in": ABSENT},
        {"data.retention_days_after_end": None},
        {"data.retention_days_after_end": ABSENT},
        {"data.access": ABSENT},
    ],
)
def test_a_missing_answer_leaves_them_undeclared(missing: Mapping[str, object]) -> None:
    (case,) = opened(missing)
    assert (case.verdict, case.clause) == ("undeclared", "6f")


@pytest.mark.parametrize(
    "answered",
    [
        {"data.stored_in": ABSENT, "data.storage_plain": "On rented servers."},
        {"data.retention_days_after_end": None, "data.retention_days_after_request": 30},
        {"data.retention_days_after_end": 0},
        {"data.access": []},
    ],
)
def test_an_answer_in_other_words_is_an_answer(answered: Mapping[str, object]) -> None:
    assert opened(answered, devices=9) == []


def test_both_reasons_make_one_case_that_names_both() -> None:
    (case,) = opened({"products": REFUSED, "data.access": ABSENT})
    assert case.verdict == "contradicted"
    assert "not declared for them" in case.summary
    assert "who has access" in case.summary


@pytest.mark.parametrize("group", ["6-8", "staff"])
def test_older_pupils_and_staff_open_none(group: str) -> None:
    assert opened({"products": REFUSED, "data.access": ABSENT}, group=group, devices=9) == []


@pytest.mark.parametrize(
    "products",
    [
        [{"name": "One", "under_13": False}, {"name": "Two", "under_13": True}],
        [{"name": "One"}],
    ],
)
def test_one_product_for_them_is_enough_and_silence_is_a_gap(products: list[Mapping[str, object]]) -> None:
    assert opened({"products": products}, devices=9) == []


def test_one_refused_product_beside_a_silent_one_is_refused() -> None:
    (case,) = opened({"products": [{"name": "One", "under_13": False}, {"name": "Two"}]})
    assert case.verdict == "contradicted"


def test_older_pupils_do_not_make_up_for_too_few_younger_ones() -> None:
    events = [*each(2, group="k-5"), *each(9, group="6-8")]
    report = world({"products": REFUSED}).play(events).report()
    assert "under-13-not-covered" not in {case.rule for case in report}
