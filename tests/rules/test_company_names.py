"""When two spellings mean one company."""

from __future__ import annotations

import pytest

from rules.company_names import company


@pytest.mark.parametrize(
    "name", ["AdCo Holdings", "ADCO HOLDINGS", "AdCo Holdings, Inc.", " adco  holdings Ltd", "AdCo Holdings S.A."]
)
def test_case_punctuation_and_legal_form_make_no_other_company(name: str) -> None:
    assert company(name) == "adco holdings"


@pytest.mark.parametrize(("one", "other"), [("AdCo", "AdCo Holdings"), ("Co", "Inc"), ("Trek", "MathTrek")])
def test_other_words_make_another_company(one: str, other: str) -> None:
    assert company(one) != company(other)


def test_a_name_without_words_stays_itself() -> None:
    assert company("***") == "***"
    assert company("") == ""
