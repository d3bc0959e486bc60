"""R6: which products count as covered, which dates as in force, and what is no use at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rules.checks.example import each
from rules.rehearsal import world

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rules.findings import Case

RIVAL = "play.fractions.example"


def opened(rule: str, events: Iterable[Mapping[str, object]], *agreements: Mapping[str, object]) -> list[Case]:
    """Return the cases of one rule that come of *events* under these agreements."""
    return [case for case in world(*agreements).play(events).report() if case.rule == rule]


def test_a_product_without_agreement_is_named_after_its_first_listed_domain() -> None:
    (case,) = opened("no-agreement", each(7, server_name=RIVAL))
    assert (case.agreement, case.subject, case.clause, case.verdict) == (None, "fractions.example", "R6", "undeclared")
    assert (case.devices, case.flows, case.severity) == (7, 7, "warning")


def test_an_expired_agreement_still_covers_a_product_for_the_no_agreement_rule() -> None:
    expired = {"id": "fractions", "domains": [{"match": "fractions.example"}], "agreement.expires": "2026-09-01"}
    assert opened("no-agreement", each(5, server_name=RIVAL), {}, expired) == []
    assert len(opened("agreement-not-in-force", each(5, server_name=RIVAL), {}, expired)) == 1


def test_a_shared_row_of_another_vendor_is_no_agreement_with_the_product() -> None:
    leans_on_it = {"domains": [{"match": "mathlab.example"}, {"match": "login.fractions.example", "shared": True}]}
    assert len(opened("no-agreement", each(3, server_name=RIVAL), leans_on_it)) == 1
    assert opened("no-agreement", each(3, server_name="login.fractions.example"), leans_on_it) == []


@pytest.mark.parametrize("host", ["app.fastedge.example", "pixel.adco.example", "unheard.example"])
def test_only_catalogued_education_products_need_an_agreement(host: str) -> None:
    assert opened("no-agreement", each(9, server_name=host)) == []


def test_dns_look_ups_and_addresses_in_no_segment_are_no_use() -> None:
    asked = each(9, server_name=RIVAL, app="dns")
    visitors = each(9, server_name=RIVAL, school=None, group=None)
    without_device = each(9, server_name=RIVAL)
    events = [*asked, *visitors, *({**changes, "device": None} for changes in without_device)]
    assert opened("no-agreement", events) == []


def test_three_flows_of_one_device_on_one_day_are_one_device_day_and_no_use() -> None:
    assert opened("no-agreement", [{"server_name": RIVAL}] * 3) == []


def test_one_device_on_three_days_is_use() -> None:
    days = [
        {"server_name": RIVAL, "started_at": f"2026-10-{day}T15:00:00.000000Z", "ended_at": f"2026-10-{day}T15:00:01Z"}
        for day in (13, 14, 15)
    ]
    (case,) = opened("no-agreement", days)
    assert case.devices == 3


@pytest.mark.parametrize(
    ("terms", "severity"),
    [
        ({"agreement.expires": "2026-10-13"}, "info"),
        ({"agreement.expires": "2026-09-15"}, "info"),
        ({"agreement.expires": "2026-09-14"}, "warning"),
        ({"agreement.effective": "2026-10-15"}, "warning"),
        ({"agreement.status": "draft"}, "warning"),
        ({"agreement.status": "terminated"}, "warning"),
        ({"agreement.status": "terminated", "agreement.terminated_on": "2026-10-13"}, "warning"),
    ],
)
def test_use_out_of_force_opens_a_case_and_only_a_late_renewal_is_mild(
    terms: Mapping[str, object], severity: str
) -> None:
    (case,) = opened("agreement-not-in-force", each(3), terms)
    assert (case.severity, case.clause, case.subject, case.verdict) == (
        severity,
        "R6",
        "mathlab.example",
        "contradicted",
    )


@pytest.mark.parametrize(
    "terms",
    [
        {"agreement.effective": "2026-10-14"},
        {"agreement.expires": "2026-10-14"},
        {"agreement.status": "terminated", "agreement.terminated_on": "2026-10-14"},
    ],
)
def test_the_first_and_the_last_day_both_count(terms: Mapping[str, object]) -> None:
    assert opened("agreement-not-in-force", each(3), terms) == []


def test_the_last_day_ends_at_local_midnight_and_not_at_midnight_utc() -> None:
    before, after = "2026-10-15T04:59:59.000000Z", "2026-10-15T05:00:00.000000Z"
    last_day = {"agreement.expires": "2026-10-14", "expected.hours": "any"}
    assert opened("agreement-not-in-force", each(3, started_at=before, ended_at=before), last_day) == []
    assert len(opened("agreement-not-in-force", each(3, started_at=after, ended_at=after), last_day)) == 1


def test_a_renewal_in_a_second_file_leaves_no_case_about_the_first() -> None:
    old = {"id": "mathlab-2023", "agreement.effective": "2023-08-01", "agreement.expires": "2026-07-31"}
    new = {"id": "mathlab-2026", "agreement.effective": "2026-08-01", "domains": [{"match": "app.mathlab.example"}]}
    assert opened("agreement-not-in-force", each(9), old, new) == []


def test_days_in_force_do_not_count_towards_use_out_of_force() -> None:
    stamps = ("2026-10-12T15:00:00Z", "2026-10-13T15:00:00Z", "2026-10-14T15:00:00Z")
    events = [{"started_at": stamp, "ended_at": stamp} for stamp in stamps]
    assert opened("agreement-not-in-force", events, {"agreement.expires": "2026-10-12"}) == []


def test_a_shared_host_is_no_sign_of_use() -> None:
    assert opened("agreement-not-in-force", each(9, server_name="mathlab.sharededge.example"),
                  {"agreement.status": "draft"}) == []  # fmt: skip
