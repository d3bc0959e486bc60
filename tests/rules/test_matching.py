"""Which agreement speaks for a host on a day."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from rules.agreements.model import Agreement
from rules.matching import Claim, Register, declared_rows, own_subject, rows_naming

TODAY = date(2026, 10, 13)


def agreement(
    id_: str,
    *matches: str | dict[str, Any],
    terms: dict[str, Any] | None = None,
    third: list[dict[str, Any]] | None = None,
) -> Agreement:
    rows = [{"match": match} if isinstance(match, str) else match for match in matches]
    return Agreement.model_validate(
        {
            "schema": "schoolgate/agreement/1",
            "id": id_,
            "vendor": {"legal_name": "MathTrek Learning Inc. (invented)"},
            "products": [{"name": "MathTrek"}],
            "agreement": {"kind": "ndpa_v2", "status": "active"} | (terms or {}),
            "domains": rows,
            "third_parties": {"list_is": "complete", "unlisted": "forbidden", "list": third or []},
            "purposes": [{"code": "instruction", "plain": "Practice problems chosen by the teacher."}],
            "data": {"categories": []},
            "use_gate": {"status": "approved"},
        }
    )


def who(claim: Claim | None) -> tuple[str, str] | None:
    return None if claim is None else (claim.agreement.id, claim.domain.match)


def test_a_host_that_no_agreement_names_is_claimed_by_nobody() -> None:
    register = Register([agreement("mathtrek", "mathtrek.example")])
    assert register.claim("notmathtrek.example", on=TODAY) is None
    assert not register.covers("notmathtrek.example")
    assert Register([]).claim("mathtrek.example", on=TODAY) is None


def test_the_longest_match_wins() -> None:
    register = Register(
        [agreement("wide", "*.mathtrek.example"), agreement("narrow", "app.mathtrek.example", "example2.example")]
    )
    assert who(register.claim("x.app.mathtrek.example", on=TODAY)) == ("narrow", "app.mathtrek.example")
    assert who(register.claim("mathtrek.example", on=TODAY)) == ("wide", "*.mathtrek.example")
    assert register.covers("anything.mathtrek.example")


def test_an_agreement_in_force_wins_over_a_longer_match_of_one_that_is_not() -> None:
    expired = {"expires": date(2026, 6, 30)}
    register = Register([agreement("old", "app.mathtrek.example", terms=expired), agreement("new", "mathtrek.example")])
    assert who(register.claim("app.mathtrek.example", on=TODAY)) == ("new", "mathtrek.example")


def test_a_renewal_takes_over_on_its_first_day() -> None:
    register = Register(
        [
            agreement("old", "mathtrek.example", terms={"expires": date(2026, 6, 30)}),
            agreement("new", "mathtrek.example", terms={"effective": date(2026, 7, 1)}),
        ]
    )
    assert who(register.claim("mathtrek.example", on=date(2026, 6, 30))) == ("old", "mathtrek.example")
    assert who(register.claim("mathtrek.example", on=date(2026, 7, 1))) == ("new", "mathtrek.example")


@pytest.mark.parametrize(("day", "nearest"), [(date(2026, 7, 3), "old"), (date(2026, 8, 29), "new")])
def test_in_a_gap_between_two_agreements_the_nearest_in_time_answers(day: date, nearest: str) -> None:
    register = Register(
        [
            agreement("old", "mathtrek.example", terms={"expires": date(2026, 6, 30)}),
            agreement("new", "mathtrek.example", terms={"effective": date(2026, 9, 1)}),
        ]
    )
    found = register.claim("mathtrek.example", on=day)
    assert found is not None
    assert found.agreement.id == nearest


def test_a_draft_answers_only_where_nothing_else_does() -> None:
    draft = agreement("draft", "mathtrek.example", terms={"status": "draft"})
    expired = agreement("old", "mathtrek.example", terms={"expires": date(2026, 6, 30)})
    assert who(Register([draft, expired]).claim("mathtrek.example", on=TODAY)) == ("old", "mathtrek.example")
    assert who(Register([draft]).claim("mathtrek.example", on=TODAY)) == ("draft", "mathtrek.example")


def test_the_order_of_the_files_decides_nothing() -> None:
    shared = {"match": "media.cdn.example", "shared": True}
    agreements = [agreement("bb", shared), agreement("aa", shared), agreement("cc", "media.cdn.example")]
    for some in (agreements, agreements[::-1]):
        assert who(Register(some).claim("media.cdn.example", on=TODAY)) == ("cc", "media.cdn.example")
        without = [found for found in some if found.id != "cc"]
        assert who(Register(without).claim("media.cdn.example", on=TODAY)) == ("aa", "media.cdn.example")


def test_more_hosts_than_are_remembered_are_still_matched() -> None:
    register = Register([agreement("mathtrek", "mathtrek.example")])
    for number in range(66_000):
        register.claim(f"{number}.adco.example", on=TODAY)
    assert len(register._claims) < 66_000
    assert register.claim("app.mathtrek.example", on=TODAY) is not None


def test_a_case_about_the_vendor_is_about_its_first_own_domain() -> None:
    shared = {"match": "mathtrek-media.cdn.example", "shared": True}
    assert own_subject(agreement("aa", shared, "*.app.mathtrek.example")) == "mathtrek.example"
    assert own_subject(agreement("aa", shared)) == "cdn.example"


def test_third_parties_are_found_by_host_and_those_without_a_host_by_name() -> None:
    found = agreement(
        "aa",
        "mathtrek.example",
        third=[
            {"name": "HostCo", "relation": "subprocessor", "domains": ["hostco.example", "*.hostco2.example"]},
            {"name": "AdCo Holdings", "relation": "embedded"},
            {"name": "StatCo", "relation": "embedded", "domains": []},
        ],
    )
    assert [row.name for row in declared_rows(found, "eu.hostco2.example")] == ["HostCo"]
    assert declared_rows(found, "adco.example") == ()
    assert [row.name for row in rows_naming(found, ["AdCo", "adco holdings"])] == ["AdCo Holdings"]
    assert [row.name for row in rows_naming(found, ["statco"])] == ["StatCo"]
    assert rows_naming(found, ["HostCo"]) == ()
