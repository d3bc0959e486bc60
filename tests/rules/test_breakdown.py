"""What may be shown of counts that add up: an attacker who knows every total works out no small part."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import UTC, date
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest

from rules.breakdown import FEW, NEARLY_ALL, may_be_told, parts_of, share_of, stepped, whole_of
from rules.desk.chart import chart_of
from rules.evidence import shown
from rules.floors import Floors
from rules.small_numbers import IT_K, OFFICER_K, band, limits, starts
from tests.rules.first_store import a_case

if TYPE_CHECKING:
    from collections.abc import Sequence

GRID = (0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 15, 19, 24, 25, 30, 41, 60)
READERS = ((IT_K,), (OFFICER_K,), (OFFICER_K, IT_K))
"""Who looks at a case, by what is small for them: IT, the officer, and both, who may talk."""


def evidence_of(counts: Sequence[int], *, left_out: int = 0) -> dict[str, Any]:
    """Return evidence with so many devices on each day, without the first days."""
    days = [{"day": f"2026-10-{place:02}", "devices": count} for place, count in enumerate(counts, start=1)]
    return {"days": days[left_out:], "days_left_out": left_out, "windows": []}


def days_shown(counts: tuple[int, ...], *, k: int) -> str:
    """Return what is shown of a case with so many devices on each day: its own band, and the days."""
    found = shown(evidence_of(counts), devices=sum(counts), k=k)
    return f"{band(sum(counts), k=k)} {found['days']}"


@pytest.mark.parametrize("readers", READERS)
@pytest.mark.parametrize("days", [1, 2, 3])
def test_of_no_day_more_can_be_worked_out_than_that_few_devices_were_seen(days: int, readers: tuple[int, ...]) -> None:
    """Every school there could be is tried: those that look the same must leave each small day wholly open."""
    k = min(readers)
    worlds: defaultdict[str, list[tuple[int, ...]]] = defaultdict(list)
    for counts in product(range(1, 2 * OFFICER_K + 6), repeat=days):
        worlds[" | ".join(days_shown(counts, k=each) for each in readers)].append(counts)
    assert any("'devices'" in look for look in worlds)
    for look, alike in worlds.items():
        if "'devices'" not in look:
            continue
        for place in range(days):
            values = {counts[place] for counts in alike}
            assert min(values) >= k or values >= set(range(1, k)), (look, place, values)


def test_days_that_do_not_add_up_to_their_case_are_not_shown() -> None:
    # One device every eleven days, of which 90 days are kept: nine at most at a time, and more days than that in all.
    held = [1] * 9
    floors = Floors()
    before = a_case("c1", devices=9, first_seen="2026-01-05T13:00:00Z", last_seen="2026-04-03T13:00:00Z")
    floors.learn([("c1", json.dumps(before), json.dumps(evidence_of(held)))], horizon=date(2026, 10, 31), zone=UTC)
    later = {"days": [{"day": f"2026-11-{day:02}", "devices": 1} for day in (1, 12, 23)], "days_left_out": 0}
    evidence = {**floors.evidence("c1", later), "windows": []}
    assert len(evidence["days"]) == 12
    assert shown(evidence, devices=9)["days"] == []
    assert chart_of(evidence, devices=9, k=IT_K) is None
    # Nor where all days are large: what is decided on small days alone tells of them.
    assert shown(evidence_of([20] * 12), devices=240)["days"]
    assert not shown(evidence_of([20] * 12), devices=239)["days"]
    assert not shown(evidence_of([20] * 12), devices=241)["days"]


def test_where_a_day_is_left_out_no_day_is_shown() -> None:
    assert shown(evidence_of([20] * 12), devices=240)["days"]
    assert not shown(evidence_of([20] * 12, left_out=1), devices=240)["days"]


@pytest.mark.parametrize("counts", [(4, 5), (1, 1, 9), (2, 8), (4, 4, 4), (9, 20), (3, 30, 7)])
def test_days_are_shown_to_both_readers_or_to_none(counts: tuple[int, ...]) -> None:
    assert len({bool(shown(evidence_of(counts), devices=sum(counts), k=k)["days"]) for k in (IT_K, OFFICER_K)}) == 1


def test_nine_single_devices_on_nine_days_are_not_shown_by_day() -> None:
    assert not may_be_told([1] * 9, total=9)
    assert not may_be_told([1] * 20, total=20)
    assert may_be_told([9], total=9)
    assert may_be_told([3] * 7, total=21)


@pytest.mark.parametrize("k", [IT_K, OFFICER_K])
def test_what_is_small_has_no_influence_on_any_share_or_total(k: int) -> None:
    worlds: defaultdict[str, set[tuple[int, ...]]] = defaultdict(set)
    for counts in product(range(k + 5), repeat=3):
        parts = parts_of(dict(zip("abc", counts, strict=True)), k=k)
        worlds[f"{band(whole_of(counts, k=k), k=k)} {parts}"].add(counts)
    for look, alike in worlds.items():
        for place in range(3):
            values = {counts[place] for counts in alike}
            assert min(values) >= k or values == set(range(k)), (look, place, values)


@pytest.mark.parametrize("k", [IT_K, OFFICER_K])
def test_neither_a_part_of_few_nor_what_a_large_part_leaves_can_be_worked_out(k: int) -> None:
    worlds: defaultdict[str, set[tuple[int, int]]] = defaultdict(set)
    for whole in range(k, 150):
        for part in range(whole + 1):
            worlds[f"{band(whole, k=k)} {share_of(part, whole=whole, k=k)}"].add((part, whole))
    for look, alike in worlds.items():
        parts, rests = {part for part, _whole in alike}, {whole - part for part, whole in alike}
        for values in (parts, rests):
            assert min(values) >= k or values >= set(range(1, k)), (look, values)


def test_shares_are_steps_of_five_percent() -> None:
    assert [part.share for part in parts_of({"tls": 40, "quic": 60, "dns": 9}).values()] == ["40 %", "60 %", FEW]
    assert [part.share for part in parts_of({"tls": 1000, "quic": 14}).values()] == ["over 95 %", "under 5 %"]
    assert share_of(96, whole=100).share == NEARLY_ALL
    assert share_of(0, whole=0).share == FEW
    assert stepped(0.974) == 95


@pytest.mark.parametrize("k", [IT_K, OFFICER_K])
def test_bands_follow_one_another_without_a_gap_and_the_first_hides_all_below_k(k: int) -> None:
    assert limits(0, k=k) == limits(k - 1, k=k) == (0, k - 1)
    for level in range(1, 20):
        assert limits(starts(level, k=k) - 1, k=k)[1] == starts(level, k=k) - 1
        assert limits(starts(level, k=k), k=k)[0] == starts(level, k=k)
    assert all(band(count, k=k) == f"fewer than {k}" for count in GRID if count < k)


def test_it_sees_five_and_the_officer_ten() -> None:
    assert (band(7, k=IT_K), band(7)) == ("5 to 9", "fewer than 10")
    # What both may read nests, so that one page beside the other tells no more than the finer one.
    for count in range(200):
        fine, coarse = limits(count, k=IT_K), limits(count)
        assert coarse[0] <= fine[0] <= fine[1] <= coarse[1]
