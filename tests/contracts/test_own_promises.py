"""Schoolgate's own agreement, judged by its own rules; and what its papers say of it is what the code does."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path

import pytest

from collector.settings import Privacy
from collector.topics import CASES, DEAD_LETTERS, ENGINE_STATE, FINDINGS, FLOWS, PLACES
from collector.watch import KEY_GRACE_NS
from rules.agreements.gaps import clause_states
from rules.agreements.load import load_agreement, parse_agreement
from rules.retention import FINDING_DAYS
from rules.rulebook import RulebookFiles, load_rulebook
from tests.system.product import ROOT, SAMPLE, copy_district, schoolgate

OWN = ROOT / "deploy" / "agreements" / "schoolgate.yaml"
TEMPLATES = ROOT / "docs" / "templates"
MODEL = ROOT / "docs" / "threat-model.md"
TODAY = date(2026, 11, 22)
HOUR_MS = 3_600_000
# What only the district can answer.
THE_DISTRICTS = {"R0", "R1"}


def text(path: Path) -> str:
    return " ".join(path.read_text(encoding="utf-8").split())


def test_our_own_agreement_leaves_out_nothing_that_is_ours_to_say() -> None:
    states = clause_states(load_agreement(OWN), on=TODAY)
    open_clauses = {str(clause) for clause, found in states.items() if found.state not in {"met", "not_applicable"}}
    assert open_clauses == THE_DISTRICTS
    assert {str(c) for c, found in states.items() if found.state == "not_applicable"} == {"R2", "R3", "R4", "R5"}


def test_with_the_districts_two_answers_no_gap_is_left() -> None:
    given = "use_gate: {status: approved}\noversight: {entity: The state's office, independent: true}\n"
    answered = re.sub(r"use_gate:\n(  .*\n)+", given, OWN.read_text(encoding="utf-8"))
    states = clause_states(parse_agreement(answered, path="x.yaml"), on=TODAY)
    assert {found.state for found in states.values()} == {"met", "not_applicable"}


def test_figures_are_those_of_the_code() -> None:
    agreement = load_agreement(OWN)
    hours = Privacy().flow_retention_hours
    assert PLACES[FLOWS].retention_ms == PLACES[ENGINE_STATE].retention_ms == hours * HOUR_MS
    assert PLACES[FINDINGS].retention_ms == PLACES[DEAD_LETTERS].retention_ms == PLACES[FLOWS].retention_ms
    days = FINDING_DAYS
    assert agreement.data.retention_days_after_end == agreement.data.retention_days_after_request == days
    assert PLACES[CASES].retention_ms is None
    told = text(OWN)
    assert (
        "Events of connections, and records that could not be read, are deleted after "
        f"{hours} hours, findings after {days} days"
    ) in told
    assert f"every {Privacy().pseudonym_hours} hours" in told
    assert KEY_GRACE_NS == 3600 * 10**9
    assert "destroyed an hour after its day is over" in told
    assessment = text(TEMPLATES / "dpia.md")
    for figure in (
        f"broker | {hours} hours |",
        f"| broker or database, sealed | {days} days |",
        f"| Record that could not be read | same as an event | broker | {hours} hours |",
    ):
        assert figure in assessment
    notice = text(TEMPLATES / "notice-to-parents.md")
    assert f"{hours // 24} days ({hours} hours)" in notice
    assert f"companies for {days} days" in notice
    (kept,) = re.findall(r"retention\.time=(\d+)d", (ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    assert f"| Prometheus | {kept} days |" in assessment


def test_it_names_no_third_party_and_the_program_has_no_address_of_one() -> None:
    agreement = load_agreement(OWN)
    assert agreement.third_parties.list == ()
    # Nothing that is shipped and opens connections has an address of somebody else's machine in it: sources of lists
    # and standards stand in comments and in the facts about their licences, and are fetched by nobody.
    opens = re.compile(r"urlopen|HTTPSConnection|HTTPConnection|create_connection|open_connection|SMTP\(|SMTP_SSL\(")
    for package in ("collector", "rules", "schoolgate"):
        for path in (ROOT / package).rglob("*.py"):
            code = path.read_text(encoding="utf-8")
            if opens.search(code):
                hosts = set(re.findall(r"https?://([A-Za-z0-9.-]+)", code))
                assert all(each.endswith((".example", "127.0.0.1", "localhost")) for each in hosts), (path, hosts)


def test_among_other_agreements_it_opens_no_case_on_a_school_day(tmp_path: Path) -> None:
    district = copy_district(tmp_path)
    (district / "agreements" / "schoolgate.yaml").write_bytes(OWN.read_bytes())
    load_rulebook(RulebookFiles(agreements=district / "agreements", network=district / "network.yaml"))
    events = tmp_path / "events.jsonl"
    flows = schoolgate("flows", SAMPLE / "day.pcap.gz", "--network", district / "network.yaml")
    lines = [json.loads(line) for line in flows.stdout.splitlines()]
    # Staff read the desk: what else could be seen of Schoolgate on a network.
    staff = [line for line in lines if line["group"] == "staff" and line["app"] == "tls"][:40]
    assert staff
    for number, line in enumerate(staff):
        line.update(
            server_name="schoolgate.district.example", id=f"own-{number}", cnames=[], device=f"{number % 9:016x}"
        )
    events.write_text("".join(json.dumps(line) + "\n" for line in [*lines, *staff]), encoding="utf-8")

    def cases() -> set[str]:
        done = schoolgate(
            "check", events, "--agreements", district / "agreements", "--network", district / "network.yaml",
            "--parties", district / "parties.yaml", "--json",
        )  # fmt: skip
        assert done.returncode == 1, done.stderr
        report = json.loads(done.stdout)
        assert {each["id"] for each in report["agreements"]} >= {"schoolgate"}
        return {each["rule"] for each in report["cases"] if each["agreement"] == "schoolgate"}

    # It judges itself like any other: in use before anybody approved it is a case.
    assert cases() <= {"use-paused"}
    own = district / "agreements" / "schoolgate.yaml"
    approved = re.sub(r"use_gate:\n(  .*\n)+", "use_gate: {status: approved}\n", own.read_text(encoding="utf-8"))
    own.write_text(approved, encoding="utf-8")
    assert cases() == set()


def test_everything_that_the_threat_model_points_at_exists() -> None:
    model = MODEL.read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:collector|rules|schoolgate|tests|deploy|docs)/[A-Za-z0-9_./-]+)`", model))
    assert len(named) >= 30
    assert sorted(each for each in named if not (ROOT / each).exists()) == []
    for number in set(re.findall(r"docs/decisions/(\d{4})", model)):
        assert list((ROOT / "docs" / "decisions").glob(f"{number}-*.md")), number
    # Whoever is said to be stopped is stopped by something with a name.
    for line in re.split(r"\n- ", model):
        if "*Stops:*" in line:
            assert "`" in line, line


def test_everything_that_the_readme_points_at_exists() -> None:
    told = (ROOT / "README.md").read_text(encoding="utf-8")
    named = {*re.findall(r"\]\(([^):#]+)\)", told), *re.findall(r"`(tests/[A-Za-z0-9_./-]+\.py)`", told)}
    assert len(named) >= 30
    assert sorted(each for each in named if not (ROOT / each).exists()) == []


@pytest.mark.parametrize("name", ["dpia.md", "notice-to-parents.md", "records-requests.md"])
def test_a_template_points_only_at_what_exists(name: str) -> None:
    told = (TEMPLATES / name).read_text(encoding="utf-8")
    for path in set(re.findall(r"\b((?:docs|deploy|tests)/[A-Za-z0-9_./-]+\.(?:md|yaml|py))", told)):
        assert (ROOT / path).exists(), path
    for number in set(re.findall(r"docs/decisions/(\d{4})", told)):
        assert list((ROOT / "docs" / "decisions").glob(f"{number}-*.md")), number


def grade(words: str) -> float:
    """Return the American school grade by Flesch and Kincaid (1975): 7 is read at the age of 12."""
    sentences = [each for each in re.split(r"[.!?:]+\s", words) if re.search(r"[A-Za-z]", each)]
    found = re.findall(r"[A-Za-z']+", words)
    syllables = sum(
        max(1, len(re.findall(r"[aeiouy]+", re.sub(r"(?<=[a-z]{2})e$", "", each.lower())))) for each in found
    )
    return 0.39 * len(found) / len(sentences) + 11.8 * syllables / len(found) - 15.59


def test_the_notice_to_parents_can_be_read_at_twelve() -> None:
    notice = (TEMPLATES / "notice-to-parents.md").read_text(encoding="utf-8").partition("---")[2]
    assert grade(re.sub(r"[*\[\]]", "", notice)) <= 7.0
    # The measure tells plain words from others.
    assert grade((TEMPLATES / "dpia.md").read_text(encoding="utf-8").partition("## 1.")[2].partition("## 2.")[0]) > 7.0
