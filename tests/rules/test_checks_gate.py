"""R0: what the district's own decision means on a date and for a group."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rules.checks.example import each
from rules.rehearsal import world

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rules.findings import Case


def opened(rule: str, events: Iterable[Mapping[str, object]], *, gate: Mapping[str, object]) -> list[Case]:
    """Return the cases of one rule that come of *events* under this use gate."""
    return [case for case in world({"use_gate": gate}).play(events).report() if case.rule == rule]


@pytest.mark.parametrize(
    ("gate", "severity"),
    [
        ({"status": "paused"}, "warning"),
        ({"status": "paused", "from": "2026-10-14", "until": "2026-10-14"}, "warning"),
        ({"status": "prohibited"}, "critical"),
        ({"status": "approved", "until": "2026-10-13"}, "warning"),
        ({"status": "pilot", "until": "2026-10-13", "allowed_groups": ["6-8"]}, "warning"),
    ],
)
def test_use_against_the_gate_opens_a_case(gate: Mapping[str, object], severity: str) -> None:
    (case,) = opened("use-paused", each(3), gate=gate)
    assert (case.severity, case.clause, case.verdict, case.devices) == (severity, "R0", "contradicted", 3)


@pytest.mark.parametrize(
    "gate",
    [
        {"status": "approved"},
        {"status": "approved", "until": "2026-10-14"},
        {"status": "paused", "from": "2026-10-15"},
        {"status": "paused", "until": "2026-10-13"},
        {"status": "prohibited", "from": "2026-10-15"},
        {"status": "pilot", "until": "2026-10-14", "allowed_groups": ["6-8"]},
    ],
)
def test_a_gate_that_does_not_bar_the_day_opens_none(gate: Mapping[str, object]) -> None:
    assert opened("use-paused", each(9), gate=gate) == []


def test_two_devices_of_a_paused_product_are_no_use() -> None:
    assert opened("use-paused", each(2), gate={"status": "paused"}) == []


def test_a_pause_that_begins_mid_week_counts_only_the_days_after_it() -> None:
    events = [
        {"device": f"d{n}", "started_at": f"2026-10-{day}T15:00:00Z", "ended_at": f"2026-10-{day}T15:00:09Z"}
        for n in range(4)
        for day in (13, 14)
    ]
    (case,) = opened("use-paused", events, gate={"status": "paused", "from": "2026-10-14"})
    assert (case.devices, case.first_seen) == (4, "2026-10-14T15:00:00.000000Z")


def test_a_pilot_is_judged_group_by_group_staff_among_them() -> None:
    gate = {"status": "pilot", "allowed_groups": ["6-8"]}
    events = [*each(9), *each(3, group="staff")]
    (case,) = opened("pilot-outside-group", events, gate=gate)
    assert (case.groups, case.devices, case.clause) == (("staff",), 3, "R0")


def test_a_pilot_with_an_empty_list_of_groups_allows_nobody() -> None:
    assert len(opened("pilot-outside-group", each(3), gate={"status": "pilot", "allowed_groups": []})) == 1


def test_a_pilot_that_ran_out_is_paused_for_all_and_no_longer_a_pilot() -> None:
    gate = {"status": "pilot", "allowed_groups": ["6-8"], "until": "2026-10-13"}
    assert opened("pilot-outside-group", each(3, group="k-5"), gate=gate) == []
    (case,) = opened("use-paused", each(3, group="k-5"), gate=gate)
    assert "pilot status ran out" in case.summary


def test_an_approved_product_may_list_groups_without_being_a_pilot() -> None:
    assert (
        opened("pilot-outside-group", each(9, group="k-5"), gate={"status": "approved", "allowed_groups": ["6-8"]})
        == []
    )
