"""A waiver covers its own clause, its own domain, until its date, and stays visible."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rules.checks.example import each
from rules.rehearsal import world

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rules.cases import Cases

LEAK = {"server_name": "metrics.mathlab.example", "cnames": ("mathlab.in.adco.example",)}


def played(*events: Mapping[str, object], waiver: Mapping[str, object], **changes: object) -> Cases:
    """Return the cases of *events* under an agreement with one waiver."""
    row = {"clause": "6d", "reason": "Removal is promised.", "until": "2026-12-31", "by": "privacy office", **waiver}
    return world({"provenance": {"waivers": [row]}, **changes}).play(events)


@pytest.mark.parametrize(
    "waiver",
    [
        {},
        {"domain": "adco.example"},
        {"domain": "in.adco.example"},
        {"domain": "mathlab.example"},
        {"until": "2026-10-14"},
    ],
)
def test_a_waiver_suppresses_the_case_and_the_report_says_so(waiver: Mapping[str, object]) -> None:
    cases = played(LEAK, waiver=waiver)
    assert cases.report() == []
    (waived,) = cases.waived()
    assert (waived.rule, waived.clause, waived.subject) == ("cname-cloaked-third-party", "6d", "adco.example")
    assert (waived.agreement, waived.flows, waived.devices) == ("mathlab", 1, 1)


@pytest.mark.parametrize("waiver", [{"clause": "6c"}, {"domain": "tisadco.example"}, {"until": "2026-10-13"}])
def test_a_waiver_for_something_else_or_of_yesterday_suppresses_nothing(waiver: Mapping[str, object]) -> None:
    cases = played(LEAK, waiver=waiver)
    assert len(cases.report()) == 1
    assert cases.waived() == []


def test_after_its_last_day_the_case_returns_by_itself_and_counts_from_then_on() -> None:
    after = {**LEAK, "started_at": "2026-10-15T15:00:00Z", "ended_at": "2026-10-15T15:00:01Z"}
    (case,) = played(LEAK, after, waiver={"until": "2026-10-14"}).report()
    assert (case.flows, case.first_seen) == (1, "2026-10-15T15:00:00.000000Z")


def test_what_would_open_no_case_is_not_listed_as_waived() -> None:
    cases = played(*each(2), waiver={"clause": "R0"}, use_gate={"status": "paused"})
    assert cases.waived() == []
    cases = played(*each(3), waiver={"clause": "R0"}, use_gate={"status": "paused"})
    assert [waived.rule for waived in cases.waived()] == ["use-paused"]


def test_a_waiver_written_later_covers_what_was_found_before() -> None:
    findings = list(world({}).play([LEAK]).findings())
    row = {
        "clause": "6d",
        "domain": "adco.example",
        "reason": "Promised.",
        "until": "2026-12-31",
        "by": "privacy office",
    }
    assert len(world({}).cases(findings).report()) == 1
    later = world({"provenance": {"waivers": [row]}}).cases(findings)
    assert later.report() == []
    assert [waived.subject for waived in later.waived()] == ["adco.example"]
    elsewhere = world({"provenance": {"waivers": [{**row, "domain": "other.example"}]}}).cases(findings)
    assert len(elsewhere.report()) == 1
