"""What could be judged, and what could not: counted as the contract says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from rules.checks.example import event
from rules.coverage import NAME_SOURCES, Coverage, is_public_front
from rules.rehearsal import world

if TYPE_CHECKING:
    from collections.abc import Mapping


def seen(*events: Mapping[str, object]) -> Coverage:
    """Return the coverage of some events."""
    engine = world().engine()
    for number, changes in enumerate(events):
        engine.judge(event(changes, number=number))
    return engine.coverage


NAMELESS: dict[str, object] = {"server_name": None, "name_source": "none", "app": "other", "tls_version": None}


def test_dns_look_ups_are_left_out_and_counted_as_such() -> None:
    coverage = seen({}, {**NAMELESS, "app": "dns"})
    assert (coverage.total.flows, coverage.total.bytes) == (1, 11_000)
    assert coverage.by_verdict["dns"] == 1


def test_a_long_flow_counts_once_with_all_its_octets() -> None:
    coverage = seen(*({"part": part, "bytes_up": 1, "bytes_down": 2} for part in range(4)))
    assert coverage.as_report()["by_name_source"]["tls_sni"] == {"flows": 1, "bytes": 12}


def test_every_name_source_is_there_from_the_start() -> None:
    report = Coverage().as_report()
    assert list(report["by_name_source"]) == list(NAME_SOURCES)
    assert set(report["blind"]) == {"ech", "no_name", "doh"}


def test_grease_is_offered_and_hides_nothing() -> None:
    coverage = seen({"ech": True}, {"ech": True, "server_name": "public.ech.example"}, {**NAMELESS, "ech": True})
    assert coverage.ech_offered.flows == 3
    assert coverage.blind["ech"].flows == 2
    assert coverage.blind["no_name"].flows == 1


@pytest.mark.parametrize(
    "name",
    ["cloudflare-ech.com", "www.cloudflare-ech.com", "tls-ech.dev", "public.ech.example", "my-ech-front.example"],
)
def test_a_known_public_front_is_recognised(name: str) -> None:
    assert is_public_front(name)


@pytest.mark.parametrize("name", ["tech.example", "echo.example", "speech-lab.example", "notcloudflare-echx.com"])
def test_an_ordinary_name_is_no_public_front(name: str) -> None:
    assert not is_public_front(name)


def test_look_ups_over_https_are_blind_and_still_flows() -> None:
    coverage = seen({"app": "doh", "server_name": "resolver.example"})
    assert (coverage.total.flows, coverage.blind["doh"].flows) == (1, 1)


@pytest.mark.parametrize(
    ("host", "verdict"),
    [
        ("app.mathlab.example", "own"),
        ("www.mathlab.example", "own"),
        ("mathlab.sharededge.example", "declared"),
        ("eu.hostco.example", "declared"),
        ("pixel.adco.example", "unattributed"),
        ("unheard.example", "unknown"),
        (None, "unknown"),
    ],
)
def test_every_flow_has_a_verdict_for_the_counters(host: str | None, verdict: str) -> None:
    assert {name: flows for name, flows in seen({"server_name": host}).by_verdict.items() if flows} == {verdict: 1}


def test_flows_of_addresses_in_no_segment_are_counted_as_such() -> None:
    coverage = seen({}, {"school": None, "group": None}, {"device": None})
    assert (coverage.total.flows, coverage.outside_segments.flows) == (3, 2)


def test_coverage_survives_being_written_down_and_adds_up() -> None:
    coverage = seen({}, {"ech": True}, {**NAMELESS}, {"app": "dns"})
    again = Coverage.from_state(json.loads(json.dumps(coverage.as_state())))
    assert again == coverage
    again.add(coverage)
    assert again.total.flows == 6
    assert again.by_verdict["dns"] == 2
