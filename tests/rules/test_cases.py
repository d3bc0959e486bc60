"""Stage two: one case per promise, a pure function of the findings."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import msgspec

from rules.checks.example import each, event
from rules.findings import Case, Finding
from rules.rehearsal import world

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PAUSED = {"use_gate": {"status": "paused"}}


def findings(*events: Mapping[str, object], **changes: object) -> list[Finding]:
    """Return the findings of *events*."""
    engine = world(changes).engine()
    for number, fields in enumerate(events):
        engine.judge(event(fields, number=number))
    return engine.drain()


def report(found: Iterable[Finding], **changes: object) -> list[Case]:
    """Return the cases that the findings make."""
    return world(changes).cases(found).report()


def test_a_case_has_the_fields_of_the_contract_in_its_order() -> None:
    (case,) = report(findings(*each(3), **PAUSED), **PAUSED)
    first = ["id", "agreement", "rule", "subject", "verdict", "severity", "clause", "confidence", "devices"]
    then = ["schools", "groups", "flows", "bytes_up", "bytes_down", "first_seen", "last_seen"]
    assert list(asdict(case)) == [*first, *then, "summary", "agreement_says", "cannot_see"]
    assert case.confidence == 1.0
    assert (case.schools, case.groups) == (("north-es",), ("6-8",))
    assert (case.first_seen, case.last_seen) == ("2026-10-14T15:00:00.000000Z", "2026-10-14T15:00:02.000000Z")
    assert (case.bytes_up, case.bytes_down) == (6000, 27000)


def test_the_id_of_a_case_does_not_depend_on_its_evidence() -> None:
    (small,) = report(findings(*each(3), **PAUSED), **PAUSED)
    (large,) = report(findings(*each(9, group="k-5"), **PAUSED), **PAUSED)
    assert small.id == large.id
    assert small.devices < large.devices


def test_an_older_version_of_a_finding_changes_nothing() -> None:
    found = findings(*each(3), **PAUSED)
    older = [replace(finding, flows=0, bytes_up=1) for finding in found]
    cases = world(PAUSED).cases(found)
    before = cases.report()
    cases.apply(older)
    assert cases.report() == before


def test_cases_follow_the_findings_as_they_come() -> None:
    found = [finding for finding in findings(*each(4), **PAUSED) if finding.rule == "use-paused"]
    cases = world(PAUSED).cases(found[:2])
    assert cases.report() == []
    cases.apply(found[2:3])
    assert [case.devices for case in cases.report()] == [3]
    cases.apply(found[3:])
    assert [case.devices for case in cases.report()] == [4]


def test_the_worst_come_first_and_the_order_is_always_the_same() -> None:
    changes = {
        "use_gate": {"status": "prohibited"},
        "agreement.expires": "2026-10-13",
        "data.encrypted_in_transit": True,
    }
    events = [*each(3), {"tls_version": "1.0"}]
    assert [(case.severity, case.rule) for case in report(findings(*events, **changes), **changes)] == [
        ("critical", "use-paused"),
        ("warning", "plaintext-transport"),
        ("info", "agreement-not-in-force"),
    ]


def test_one_promise_broken_in_two_schools_groups_or_ways_is_one_case() -> None:
    flows = [{"tls_version": version, "group": group} for version in ("1.0", "1.1") for group in ("k-5", "6-8")]
    (case,) = report(findings(*flows))
    assert (case.devices, case.groups, case.flows) == (1, ("6-8", "k-5"), 4)
    assert "TLS 1.0 and TLS 1.1" in case.summary


def test_findings_of_an_agreement_that_has_gone_open_no_case() -> None:
    found = findings(*each(3), **PAUSED)
    assert report(found, id="renamed") == []


def test_findings_of_a_rule_that_no_longer_exists_open_no_case() -> None:
    found = [replace(finding, rule="undeclared-referral") for finding in findings(*each(3), **PAUSED)]
    assert report(found, **PAUSED) == []


def test_an_amended_agreement_withdraws_the_case() -> None:
    silent = {"data.storage_plain": "On rented servers.", "products": [{"name": "Mathlab", "under_13": False}]}
    found = findings(*each(3, group="k-5"), **silent)
    assert [case.rule for case in report(found, **silent)] == ["under-13-not-covered"]
    assert report(found) == []


def test_small_numbers_of_devices_are_never_spelt_out_in_sentences() -> None:
    (few,) = report(findings(*each(4), **PAUSED), **PAUSED)
    (enough,) = report(findings(*each(5), **PAUSED), **PAUSED)
    assert "fewer than 5 devices" in few.summary
    assert "5 devices" in enough.summary
    assert "fewer" not in enough.summary


def test_a_sentence_names_the_page_that_the_district_noted() -> None:
    noted = {**PAUSED, "provenance": {"sources": {"use_gate": "board minutes, p. 3"}}}
    (case,) = report(findings(*each(3), **noted), **noted)
    assert case.agreement_says.startswith("The agreement (board minutes, p. 3) says: ")


def test_findings_can_be_written_down_and_read_again() -> None:
    found = findings(*each(3), **PAUSED)
    written = [msgspec.json.encode(finding) for finding in found]
    assert [msgspec.json.decode(line, type=Finding) for line in written] == found
    assert list(world(PAUSED).cases(found).findings()) == sorted(
        found, key=lambda finding: (finding.agreement, finding.rule, finding.clause, finding.subject, finding.id)
    )
