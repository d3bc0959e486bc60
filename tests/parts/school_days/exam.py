"""Writes a set of days as an exam: the inputs, and a truth that says which cases must, may and must not come."""

from __future__ import annotations

import gzip
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import msgspec

from tests.parts.school_days.web import ADS, TELEMETRY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from collector.events import FlowEvent
    from tests.parts.school_days.days import SchoolDays
    from tests.parts.school_days.truth import Edge

Case = dict[str, Any]
_ANY = ["contradicted", "undeclared", "conflicting"]
_NO_ADDRESS = b'"src_ip":null,"src_port":null,'


def write_exam(days: SchoolDays, *, folder: Path) -> dict[str, Any]:
    """Write agreements/, parties.yaml, network.yaml, events.jsonl.gz and truth.json into *folder*; return the truth."""
    (folder / "agreements").mkdir(parents=True, exist_ok=True)
    for name, text in days.papers.agreements.items():
        (folder / "agreements" / f"{name}.yaml").write_text(text)
    (folder / "parties.yaml").write_text(days.papers.parties)
    (folder / "network.yaml").write_text(days.papers.network)
    seen = Seen()
    # Level 1: at the best level the squeezing takes longer than the making.
    with (
        (folder / "events.jsonl.gz").open("wb") as file,
        gzip.GzipFile(fileobj=file, mode="wb", mtime=0, compresslevel=1) as out,
    ):
        for event in days.events():
            seen.count(event)
            out.write(line(event))
    truth = exam_truth(days, coverage=seen.coverage())
    (folder / "truth.json").write_text(json.dumps(truth, indent=1))
    return truth


def line(event: FlowEvent) -> bytes:
    """Return *event* as one line of JSON."""
    # Events made without addresses have no such keys; everything else is written, whether it says something or not.
    return msgspec.json.encode(event).replace(_NO_ADDRESS, b"") + b"\n"


class Seen:
    """What an ideal observer counts; the keys are those of the shared exams."""

    def __init__(self) -> None:
        self._sources: dict[str, list[int]] = {}
        self._dns = [0, 0]
        self._long = 0

    def count(self, event: FlowEvent) -> None:
        """Count one event; a long flow counts once."""
        octets = event.bytes_up + event.bytes_down
        first = int(event.part == 0)
        into = self._dns if event.app == "dns" else self._sources.setdefault(event.name_source, [0, 0])
        into[0] += first
        into[1] += octets
        self._long += event.part == 1

    def coverage(self) -> dict[str, Any]:
        """Return the figures."""
        named = {source: {"flows": flows, "bytes": octets} for source, (flows, octets) in self._sources.items()}
        none = named.get("none", {"flows": 0, "bytes": 0})
        every = {
            "flows": sum(row["flows"] for row in named.values()),
            "bytes": sum(row["bytes"] for row in named.values()),
        }
        return {
            "flows": every["flows"] + self._dns[0],
            "bytes": every["bytes"] + self._dns[1],
            "dns_flows": self._dns[0],
            "dns_bytes": self._dns[1],
            "long_flows": self._long,
            "by_name_source": named,
            "blind": {"ech_any": every, "ech_hidden": none, "doh": {"flows": 0, "bytes": 0}, "no_name": none},
        }


def exam_truth(days: SchoolDays, *, coverage: dict[str, Any]) -> dict[str, Any]:
    """Return the truth in the keys of the shared exams."""
    truth, papers = days.truth, days.papers
    numbers = {service.id: service.number for service in days.world.services[: days.world.products]}
    must: list[Case] = []
    may: list[Case] = []
    for edge in truth.edges:
        number = numbers[edge.agreement]
        for rule, clause, verdicts, sure in _broken(days, edge=edge, number=number):
            case = _case(edge.agreement, rule=rule, subject=edge.party, verdicts=verdicts, clause=clause)
            case |= {"devices_min": edge.devices * 2 // 5, "devices_max": truth.used[edge.agreement]}
            (must if sure and edge.sufficient else may).append(case)
    for sent in truth.referrals:
        case = _case(sent.agreement, rule="undeclared-referral", subject=sent.site, verdicts=_ANY, clause="6e")
        case |= {"devices_min": sent.devices // 5, "devices_max": truth.used[sent.agreement]}
        if not sent.declared:
            strict = papers.strict[numbers[sent.agreement]] != "allowed"
            (must if strict and sent.devices >= 25 else may).append(case)
            may.append({**case, "rule": "undeclared-third-party", "clause": "6d"})
    may.extend(_partners(days))
    may.extend(_hinted(days))
    return {
        "v": 1,
        "seed": days.seed,
        "twists": sorted(days.twists),
        "mode": "events",
        "must": must,
        "may": may,
        "must_not": _tempting(days),
        "unattributed_ok": [party.domain for party in days.world.parties]
        + [domain for service in days.world.services[days.world.products :] for domain in service.domains],
        "coverage": coverage,
        "edges": [
            {**asdict(edge), "vendor": edge.agreement, "events": edge.contacts, "sufficient": edge.sufficient}
            for edge in truth.edges
        ],
        "optional": [],
    }


def _case(agreement: str, *, rule: str, subject: str, verdicts: list[str], clause: str) -> Case:
    return {"agreement": agreement, "rule": rule, "subject": subject, "verdict": verdicts, "clause": clause}


def _broken(days: SchoolDays, *, edge: Edge, number: int) -> Iterator[tuple[str, str, list[str], bool]]:
    """Yield rule, clause, verdicts and whether the words of the agreement are clear, for each promise *edge* breaks."""
    papers = days.papers
    stance = papers.strict[number]
    if not edge.declared and stance != "allowed":
        yield "undeclared-third-party", "6d", ["contradicted"] if stance == "strict" else ["undeclared"], True
    if edge.kind in ADS and papers.untracked[number]:
        yield "prohibited-tracking", "6c", _ANY, True
    if edge.kind in TELEMETRY and edge.party not in papers.explained[number]:
        # With rows that cover other parties it is open whether this one is unexplained or explained badly.
        yield "unexplained-telemetry", "6g", _ANY, not papers.explained[number]
    if edge.via == "widget" and not edge.declared:
        for rule, clause in (("prohibited-tracking", "6c"), ("unexplained-telemetry", "6g")):
            yield rule, clause, _ANY, False


def _partners(days: SchoolDays) -> Iterator[Case]:
    services = days.world.services
    for group in days.world.classes:
        if group.pair is not None:
            for one, other in (group.pair, group.pair[::-1]):
                for domain in services[other].domains:
                    case = _case(
                        services[one].id, rule="undeclared-referral", subject=domain, verdicts=_ANY, clause="6e"
                    )
                    yield {**case, "why": "two agreed products of one lesson routine"}


def _hinted(days: SchoolDays) -> Iterator[Case]:
    """Yield what may be said of parties to whom a page opens a connection on which nothing is asked."""
    for agreement, party in sorted(days.truth.hinted):
        for rule, clause in (
            ("undeclared-third-party", "6d"), ("prohibited-tracking", "6c"), ("unexplained-telemetry", "6g"),
        ):  # fmt: skip
            case = _case(agreement, rule=rule, subject=party, verdicts=_ANY, clause=clause)
            yield {**case, "why": "the page opens a connection to it, on which nothing is asked"}


def _tempting(days: SchoolDays) -> list[Case]:
    made: list[Case] = []
    for innocent in days.truth.innocents:
        if (innocent.agreement, innocent.party) in days.truth.hinted:
            continue
        rules = ["undeclared-third-party"]
        rules += ["prohibited-tracking"] * (innocent.kind in ADS) + ["unexplained-telemetry"] * (
            innocent.kind in TELEMETRY
        )
        made.extend(
            {"agreement": innocent.agreement, "rule": rule, "subject": innocent.party, "reason": innocent.reason}
            for rule in rules
        )
    services = days.world.services
    for group in days.world.classes:
        if group.habit is not None:
            tool, site = (services[number] for number in group.habit)
            if tool.refers != site.number:
                made.append({"agreement": tool.id, "rule": "undeclared-referral", "subject": site.id,
                             "reason": "pupils of one class like the site; no other class goes there"})  # fmt: skip
    for special, words in ((days.world.hub, "a hub that launches agreed tools"), (days.world.sign_on, "sign-on")):
        if special is not None:
            made.append(
                {"agreement": services[special].id, "rule": "undeclared-referral", "subject": "*", "reason": words}
            )
    return made
