"""The same product from three sides: what only some meet is told, what chance may have made is not."""

from __future__ import annotations

import json
from math import comb
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.segments import GroupFacts
from rules.differential import (
    AUDIENCES,
    CHANCE_ALLOWED,
    FEWEST_MEETINGS,
    Meeting,
    _by_chance,
    audience_of,
    differential,
)
from rules.edges import Audience

PRODUCT, PARTY = "mathlab", "adco.example"


def row(met: dict[Audience, int], used: dict[Audience, int]) -> dict[str, Any]:
    meetings = [Meeting(agreement=PRODUCT, party=PARTY, audience=who, device_days=n) for who, n in met.items()]
    (found,) = differential(meetings, use={(PRODUCT, who): days for who, days in used.items()})
    return found


def test_a_party_that_meets_staff_only_is_told_when_pupils_used_the_product_as_well() -> None:
    found = row({"staff": 20}, {"under_13": 80, "older": 60, "staff": 40})
    assert found == {
        "agreement": "mathlab",
        "party": "adco.example",
        "audiences": {
            "under_13": {"devices": 0, "product_devices": 80},
            "older": {"devices": 0, "product_devices": 60},
            "staff": {"devices": 20, "product_devices": 40},
        },
        "only": ["staff"],
        "unclear": [],
    }
    assert json.loads(json.dumps(found)) == found


def test_a_party_that_everybody_meets_is_shown_without_a_difference() -> None:
    found = row({"under_13": 40, "older": 3, "staff": 1}, {"under_13": 80, "older": 60, "staff": 40})
    assert found["only"] == []
    assert found["unclear"] == []


def test_an_audience_that_hardly_used_the_product_tells_nothing() -> None:
    found = row({"under_13": 40}, {"under_13": 80, "staff": 3})
    assert found["only"] == []
    assert found["unclear"] == ["staff"]


def test_one_audience_that_tells_is_enough_and_the_other_stays_unclear() -> None:
    found = row({"under_13": 40}, {"under_13": 80, "older": 90, "staff": 3})
    assert found["only"] == ["under_13"]
    assert found["unclear"] == ["staff"]


def test_an_audience_that_never_used_the_product_is_not_named_at_all() -> None:
    found = row({"older": 40}, {"older": 80})
    assert list(found["audiences"]) == ["older"]
    assert found["only"] == found["unclear"] == []


def test_one_or_two_meetings_are_a_visit_and_no_difference() -> None:
    used: dict[Audience, int] = {"staff": 2, "under_13": 100_000}
    assert row({"staff": FEWEST_MEETINGS - 1}, used)["only"] == []
    assert row({"staff": FEWEST_MEETINGS}, used)["only"] == ["staff"]


def test_sums_of_several_days_and_groups_add_up_in_any_order() -> None:
    parts = [Meeting(agreement=PRODUCT, party=PARTY, audience="older", device_days=n) for n in (1, 2, 4)]
    whole = [Meeting(agreement=PRODUCT, party=PARTY, audience="older", device_days=7)]
    use: dict[tuple[str, Audience], int] = {(PRODUCT, "older"): 20, (PRODUCT, "staff"): 30}
    assert differential(parts, use=use) == differential(parts[::-1], use=use) == differential(whole, use=use)


def test_products_and_parties_are_judged_apart_and_come_in_order() -> None:
    meetings = [
        Meeting(agreement=product, party=party, audience="staff", device_days=9)
        for product in ("b", "a")
        for party in ("z.example", "y.example")
    ]
    rows = differential(meetings, use={("a", "older"): 90})
    assert [(r["agreement"], r["party"]) for r in rows] == [
        ("a", "y.example"), ("a", "z.example"), ("b", "y.example"), ("b", "z.example"),
    ]  # fmt: skip
    assert [r["only"] for r in rows] == [["staff"], ["staff"], [], []]


def test_a_meeting_is_use_even_where_the_caller_counted_less() -> None:
    assert row({"staff": 9}, {"staff": 2})["audiences"]["staff"] == {"devices": 9, "product_devices": 9}


def test_nobody_met_is_no_row() -> None:
    never = Meeting(agreement=PRODUCT, party=PARTY, audience="staff", device_days=0)
    assert differential([never], use={(PRODUCT, "staff"): 50}) == []
    assert differential([], use={}) == []


@pytest.mark.parametrize(
    ("facts", "audience"),
    [
        (GroupFacts(under_13=True, role="students"), "under_13"),
        (GroupFacts(under_13=False, role="students"), "older"),
        (GroupFacts(under_13=False, role="staff"), "staff"),
        (GroupFacts(under_13=False, role="guests"), None),
        (GroupFacts(under_13=False, role="devices"), None),
        (GroupFacts(under_13=True, role="guests"), "under_13"),
    ],
)
def test_a_group_belongs_to_the_audience_that_the_network_file_says(facts: GroupFacts, audience: str | None) -> None:
    assert audience_of(facts) == audience


@given(st.integers(0, 60), st.integers(1, 60), st.integers(1, 60))
def test_chance_is_that_of_fishers_exact_test(extra: int, hits: int, spared: int) -> None:
    draws = hits + extra
    exact = comb(draws, hits) / comb(draws + spared, hits)
    if abs(exact - CHANCE_ALLOWED) > 1e-9:
        assert _by_chance(hits, draws, spared=spared) is (exact > CHANCE_ALLOWED)


def test_a_whole_district_is_counted_in_no_time() -> None:
    assert not _by_chance(400_000, 1_000_000, spared=900_000)
    assert AUDIENCES == ("under_13", "older", "staff")
