"""6f, on the way and where it is kept: clear text, old TLS, and servers abroad."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rules.checks.example import ABSENT
from rules.rehearsal import world

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rules.findings import Case

CLEAR = {"app": "http", "tls_version": None, "name_source": "http_host"}
ABROAD = "203.0.113.9"


def opened(rule: str, *events: Mapping[str, object], **changes: object) -> list[Case]:
    """Return the cases of one rule that come of *events*."""
    return [case for case in world(changes).play(events).report() if case.rule == rule]


@pytest.mark.parametrize(
    "flow",
    [
        {**CLEAR, "plaintext_data": True, "plaintext_bytes_up": 1},
        {**CLEAR, "plaintext_data": None, "plaintext_bytes_up": 1024},
        {"tls_version": "1.0"},
        {"tls_version": "1.1"},
    ],
)
def test_one_exposed_flow_is_enough(flow: Mapping[str, object]) -> None:
    (case,) = opened("plaintext-transport", flow)
    assert (case.clause, case.subject, case.verdict, case.severity) == (
        "6f",
        "mathlab.example",
        "contradicted",
        "warning",
    )
    assert case.devices == 1


@pytest.mark.parametrize(
    "flow",
    [
        {**CLEAR, "plaintext_data": False, "plaintext_bytes_up": 90_000},
        {**CLEAR, "plaintext_data": None, "plaintext_bytes_up": 1023},
        {"tls_version": "1.2"},
        {"tls_version": "1.0", "tls_version_offered": True, "bytes_down": 40},
        {"tls_version": None, "app": "other"},
        {**CLEAR, "plaintext_data": True, "plaintext_bytes_up": 900, "server_name": "mathlab.sharededge.example"},
        {**CLEAR, "plaintext_data": True, "plaintext_bytes_up": 900, "server_name": "www.mathlab.example"},
        {**CLEAR, "plaintext_data": True, "plaintext_bytes_up": 900, "server_name": "pixel.adco.example"},
        {**CLEAR, "plaintext_data": True, "plaintext_bytes_up": 900, "school": None, "group": None},
    ],
)
def test_what_exposes_nothing_of_the_product_opens_none(flow: Mapping[str, object]) -> None:
    assert opened("plaintext-transport", flow) == []


def test_every_registrable_domain_is_a_case_of_its_own() -> None:
    flows = [
        {**CLEAR, "plaintext_data": True, "server_name": name}
        for name in ("app.mathlab.example", "old.mathlab.example", "api.mathlab-classic.example")
    ]
    domains = [{"match": "mathlab.example"}, {"match": "mathlab-classic.example"}]
    cases = opened("plaintext-transport", *flows, domains=domains)
    assert [case.subject for case in cases] == ["mathlab-classic.example", "mathlab.example"]


@pytest.mark.parametrize("promise", [ABSENT, False])
def test_without_a_promise_of_encryption_the_verdict_is_undeclared(promise: object) -> None:
    (case,) = opened("plaintext-transport", {"tls_version": "1.1"}, **{"data.encrypted_in_transit": promise})
    assert case.verdict == "undeclared"


def test_a_server_abroad_is_never_more_than_information() -> None:
    (case,) = opened("storage-country", *[{"dst_ip": ABROAD, "device": f"d{n}"} for n in range(90)])
    assert (case.severity, case.clause, case.subject) == ("info", "6f", "mathlab.example")
    assert "BR" in case.summary


@pytest.mark.parametrize(
    ("flow", "changes"),
    [
        ({"dst_ip": None}, {}),
        ({"dst_ip": "192.0.2.250"}, {}),
        ({"dst_ip": ABROAD}, {"data.stored_in": ABSENT}),
        ({"dst_ip": ABROAD}, {"data.stored_in": []}),
        ({"dst_ip": ABROAD}, {"data.stored_in": ["US", "BR"]}),
        ({"dst_ip": ABROAD, "server_name": "www.mathlab.example"}, {}),
    ],
)
def test_an_address_that_is_unknown_or_declared_opens_none(
    flow: Mapping[str, object], changes: Mapping[str, object]
) -> None:
    assert opened("storage-country", flow, **changes) == []
