"""What is told of a case: bands, quarters of an hour, and when a change is told again."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.checks.wording import extent
from rules.evidence import MOST_DAYS, MOST_WINDOWS, evidence_of
from rules.findings import Finding
from rules.small_numbers import OFFICER_K, band, quarter
from rules.told import TELLING, banded, changed, told
from tests.rules.first_store import a_case

NOON = datetime(2026, 10, 14, 18, 7, 31, tzinfo=UTC)


def finding(device: str, *, day: int = 0, minutes: int = 0) -> Finding:
    at = NOON + timedelta(days=day, minutes=minutes)
    return Finding(
        id=f"{device}-{day}-{minutes}", rule="use-paused", agreement="mathtrek", clause="R0", subject="m.example",
        verdict="contradicted", detail="", waived=False, device=device, day=date(2026, 10, 14) + timedelta(days=day),
        school="lincoln-es", group="k-5", flows=2, bytes_up=10, bytes_down=20, first_seen=at,
        last_seen=at + timedelta(minutes=20),
    )  # fmt: skip


@given(st.integers(0, 10**9))
def test_a_band_holds_its_number_and_tells_no_small_one(count: int) -> None:
    told_of = band(count)
    if count < OFFICER_K:
        assert told_of == "fewer than 10"
    else:
        low, high = (int(word.replace(",", "")) for word in told_of.split(" to "))
        assert OFFICER_K <= low <= count <= high
        assert high >= 2 * low - 1 or low == 10


def test_bands_begin_where_a_case_becomes_critical() -> None:
    assert [band(count) for count in (9, 10, 24, 25, 49, 50, 99, 100, 199, 200)] == [
        "fewer than 10", "10 to 24", "10 to 24", "25 to 49", "25 to 49", "50 to 99", "50 to 99", "100 to 199",
        "100 to 199", "200 to 399",
    ]  # fmt: skip


@given(st.timedeltas(min_value=timedelta(days=-9000), max_value=timedelta(days=9000)))
def test_a_time_is_told_as_the_quarter_it_lies_in(since: timedelta) -> None:
    when = NOON + since
    shown = datetime.fromisoformat(quarter(when.isoformat()))
    assert shown <= when < shown + timedelta(minutes=15)
    assert shown.minute % 15 == 0


@pytest.mark.parametrize("devices", [5, 9, 10, 41, 1234])
def test_the_number_in_a_rules_sentence_is_banded(devices: int) -> None:
    sentence = f"It appears to be in use {extent([finding(f'd{one}') for one in range(devices)])}."
    assert banded(sentence) == f"It appears to be in use on {band(devices)} devices (counted per day) in 1 school."


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({}, []),
        ({"flows": 999, "bytes_up": 5, "devices": 42, "last_seen": "2026-12-01T00:00:00.000000Z"}, []),
        ({"confidence": 0.99}, []),
        ({"confidence": 0.9}, ["sure"]),
        ({"devices": 50}, ["devices"]),
        ({"groups": ["k-5", "staff"]}, ["groups"]),
        ({"severity": "warning", "verdict": "undeclared"}, ["verdict", "severity"]),
    ],
)
def test_what_a_person_would_act_on_is_told_again_and_nothing_else(
    changes: dict[str, object], names: list[str]
) -> None:
    assert changed(told(a_case("c")), told(a_case("c", **changes))) == names


def test_what_is_told_has_every_telling_part_and_no_exact_count() -> None:
    view = told(a_case("c", devices=7, flows=8))
    assert set(TELLING) <= set(view)
    assert not {"flows", "bytes_up", "bytes_down"} & set(view)
    assert all(value not in {7, 8} for value in view.values() if isinstance(value, int))


def test_evidence_counts_devices_by_day_and_names_none() -> None:
    kept = evidence_of([finding("a"), finding("a", minutes=1), finding("b"), finding("b", day=1)])
    assert kept["days"] == [
        {"day": "2026-10-14", "devices": 2, "flows": 6, "bytes_up": 30, "bytes_down": 60},
        {"day": "2026-10-15", "devices": 1, "flows": 2, "bytes_up": 10, "bytes_down": 20},
    ]
    assert kept["windows"][0] == {
        "from": "2026-10-14T18:00Z", "to": "2026-10-14T18:15Z", "step_minutes": 15, "devices": 2,
    }  # fmt: skip
    assert '"a"' not in json.dumps(kept)


def test_evidence_is_bounded_and_says_what_is_left_out() -> None:
    kept = evidence_of(finding("a", day=day) for day in range(MOST_DAYS + 3))
    assert (len(kept["days"]), kept["days_left_out"], len(kept["windows"])) == (MOST_DAYS, 3, MOST_WINDOWS)
    assert kept["days"][-1]["day"] == (date(2026, 10, 14) + timedelta(days=MOST_DAYS + 2)).isoformat()


@given(st.permutations([finding(f"d{one}", day=one % 2, minutes=one) for one in range(6)]))
def test_evidence_is_the_same_in_any_order(findings: list[Finding]) -> None:
    assert evidence_of(findings) == evidence_of(sorted(findings, key=lambda one: one.id))
