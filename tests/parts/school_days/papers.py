"""The files that the product reads beside the events: agreements, party list, network file. JSON is YAML too."""

from __future__ import annotations

import json
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

from tests.parts.school_days.timetable import TIME_ZONE, holiday, school_dates
from tests.parts.school_days.web import TELEMETRY

if TYPE_CHECKING:
    from tests.parts.school_days.facts import Service, World

_APPROVED = {"status": "approved", "independent": True, "date": "2026-05-04"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Papers:
    """Texts of the files, and what they declare."""

    agreements: dict[str, str]
    """Text of each agreement file, by agreement id."""
    parties: str
    """Text of the party file."""
    network: str
    """Text of the network file."""
    declared: tuple[frozenset[str], ...]
    """By product number: registrable domains of listed third parties."""
    referrals: tuple[frozenset[str], ...]
    """By product number: registrable domains of declared referrals."""
    strict: tuple[str, ...]
    """By product number: `strict` (complete list, unlisted forbidden), `silent` or `allowed`."""
    untracked: tuple[bool, ...]
    """By product number: third-party tracking is prohibited."""
    explained: tuple[frozenset[str], ...]
    """By product number: registrable domains that an improvement row covers."""


def write_papers(world: World, *, seed: int, days: int, twists: frozenset[str]) -> Papers:
    """Return the files of *world*."""
    rng = Random(f"{seed}/papers")  # noqa: S311 -- lots of a simulation
    made: dict[str, str] = {}
    declared: list[frozenset[str]] = []
    referrals: list[frozenset[str]] = []
    strict: list[str] = []
    untracked: list[bool] = []
    explained: list[frozenset[str]] = []
    for service in world.services[: world.products]:
        stance = rng.choices(("strict", "silent", "allowed"), weights=(70, 24, 6))[0]
        listed, covered = _declared(world, service=service, rng=rng)
        refers = service.refers
        sent = {world.services[refers].id} if refers is not None and rng.random() < 0.3 else set[str]()
        tracked = rng.random() < 0.25
        made[service.id] = json.dumps(
            _agreement(
                world,
                service=service,
                stance=stance,
                rows=_rows(world, listed=listed, sent=sent),
                covered=covered,
                untracked=not tracked,
            ),
            indent=1,
        )
        declared.append(frozenset(listed))
        referrals.append(frozenset(sent))
        strict.append(stance)
        untracked.append(not tracked)
        explained.append(frozenset(covered))
    return Papers(
        agreements=made,
        parties=json.dumps(_parties(world), indent=1),
        network=json.dumps(_network(world, days=days, twists=twists), indent=1),
        declared=tuple(declared),
        referrals=tuple(referrals),
        strict=tuple(strict),
        untracked=tuple(untracked),
        explained=tuple(explained),
    )


def _declared(world: World, *, service: Service, rng: Random) -> tuple[list[str], list[str]]:
    listed: list[str] = []
    covered: list[str] = []
    for embed in service.embeds:
        party = world.parties[embed.party]
        if rng.random() < (0.7 if party.kind in {"cdn", "hosting"} else 0.25):
            listed.append(party.domain)
        if party.kind in TELEMETRY and rng.random() < 0.4:
            covered.append(party.domain)
    return listed, covered


def _rows(world: World, *, listed: list[str], sent: set[str]) -> list[dict[str, Any]]:
    by_domain = {party.domain: party for party in world.parties}
    made: list[dict[str, Any]] = [
        {
            "name": by_domain[domain].name,
            "domains": [domain],
            "relation": "embedded",
            "purpose": "operation of the product",
            "written_terms": True,
            "responsible": "vendor",
        }
        for domain in listed
    ]
    made.extend(
        {
            "name": domain.partition(".")[0].capitalize(),
            "domains": [domain],
            "relation": "referral",
            "purpose": "further reading",
            "responsible": "vendor",
        }
        for domain in sorted(sent)
    )
    return made


def _agreement(
    world: World, *, service: Service, stance: str, rows: list[dict[str, Any]], covered: list[str], untracked: bool
) -> dict[str, Any]:
    domains: list[dict[str, Any]] = [{"match": domain, "role": "app"} for domain in service.domains]
    if service.shared_host is not None:
        domains.append({"match": world.hosts[service.shared_host].name, "role": "content", "shared": True})
    thirds: dict[str, Any] = {"list_is": "complete", "unlisted": "forbidden", "list": rows}
    if stance == "silent":
        thirds["list_is"] = "partial"
    elif stance == "allowed":
        thirds["unlisted"] = "allowed"
    prohibited = {"targeted_ads": True, "sale": True, "non_educational_profiles": True}
    if untracked:
        prohibited["third_party_tracking"] = True
    made: dict[str, Any] = {
        "schema": "schoolgate/agreement/1",
        "id": service.id,
        "vendor": {"legal_name": f"{service.id.capitalize()} Inc. (invented)"},
        "products": [{"name": service.id.capitalize(), "grades": [0, 12], "under_13": True, "personalized": False,
                      "uses_algorithms": False}],
        "agreement": {"kind": "district_dpa", "status": "active", "effective": "2026-08-01", "expires": "2028-07-31",
                      "school_official": True, "coppa_consent": "school"},
        "domains": domains,
        "third_parties": thirds,
        "purposes": [{"code": "instruction", "plain": "Exercises that the teacher chooses."}],
        "prohibited": prohibited,
        "data": {
            "categories": [{"cat": "app_tech_meta", "need": "required", "under_13": True},
                           {"cat": "in_app_performance", "need": "required", "under_13": True}],
            "owner": "district",
            "stored_in": ["US"],
            "storage_plain": "On rented servers in the United States.",
            "encrypted_in_transit": True,
            "retention_days_after_end": 60,
            "access": ["class teacher"],
        },
        "reviews": {"curriculum": _APPROVED, "pedagogy": {**_APPROVED, "population": "all grades"}},
        "use_gate": {"status": "approved", "decided_by": "Curriculum Committee"},
        "expected": {"hours": "any"},
    }  # fmt: skip
    if covered:
        made["improvement"] = [
            {"activity": "usage_analytics", "plain": "Counts and errors without names.", "domains": covered}
        ]
    return made


def _parties(world: World) -> dict[str, Any]:
    rows: list[dict[str, Any]] = [
        {"name": party.name, "owner": party.owner, "kind": party.kind, "domains": [party.domain]}
        for party in world.parties
        if party.kind is not None
    ]
    rows.extend(
        {"name": service.id.capitalize(), "kind": "education", "domains": list(service.domains)}
        for service in world.services[: world.products]
    )
    return {"schema": "schoolgate/parties/1", "parties": rows}


def _network(world: World, *, days: int, twists: frozenset[str]) -> dict[str, Any]:
    schools: dict[str, dict[str, dict[str, Any]]] = {}
    for place in world.classes:
        segments = schools.setdefault(place.school, {})
        if place.group not in segments:
            net = f"10.{20 + int(place.school.rpartition('-')[2])}.{16 * len(segments)}.0/20"
            row: dict[str, Any] = {"cidr": net, "group": place.group}
            if place.under_13:
                row["under_13"] = True
            if place.staff:
                row["role"] = "staff"
            segments[place.group] = row
    free = holiday(days=days, twists=twists)
    return {
        "schema": "schoolgate/network/1",
        "district": "Invented district",
        "time_zone": TIME_ZONE,
        "schools": [{"id": name, "segments": list(rows.values())} for name, rows in schools.items()],
        "calendar": {
            "school_day": {"days": ["mon", "tue", "wed", "thu", "fri"], "from": "07:30", "to": "16:00"},
            "holidays": [] if free is None else [school_dates(days)[free].isoformat()],
        },
    }
