"""What a verdict was reached with: which file is another can be told, and every way of judging says the same."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.agreement_topic import AgreementTopic, TopicRecord
from rules.basis import basis_of, code_version, differences, rule_version
from rules.case_keys import case_id
from rules.checks.example import NETWORK, PARTIES, agreement_document, each, event
from rules.checks.registry import all_checks
from rules.editions import Editions
from rules.evidence import party_in, percent, sections_in, shown
from rules.findings import Promise
from rules.judgement import Judgement
from rules.publication import plan
from rules.records import Record
from rules.rulebook import Rulebook, RulebookFiles, load_rulebook
from rules.small_numbers import OFFICER_K, band
from rules.stage_two import StageTwo
from tests.parts.case_keys import a_ring

SOURCES = {"use_gate": "section 2.1", "third_parties": "p. 14"}
TODAY = date(2026, 10, 14)
NOON = datetime(2026, 10, 14, 18, 0, tzinfo=UTC)


@pytest.fixture
def files(tmp_path: Path) -> RulebookFiles:
    """A district whose agreement is paused, as files."""
    folder = tmp_path / "agreements"
    folder.mkdir()
    agreement = agreement_document({"use_gate": {"status": "paused"}, "provenance": {"sources": SOURCES}})
    (folder / "mathlab.yaml").write_text(json.dumps(agreement), encoding="utf-8")
    other = agreement_document({"id": "fractions", "domains": [{"match": "fractions.example", "role": "app"}]})
    (folder / "fractions.yaml").write_text(json.dumps(other), encoding="utf-8")
    (tmp_path / "network.yaml").write_text(json.dumps(NETWORK), encoding="utf-8")
    (tmp_path / "parties.yaml").write_text(json.dumps(PARTIES), encoding="utf-8")
    return RulebookFiles(agreements=folder, network=tmp_path / "network.yaml", parties=(tmp_path / "parties.yaml",))


def judged(rulebook: Rulebook) -> Judgement:
    one = Judgement(rulebook, token_key=lambda _day: b"key", today=TODAY)
    one.judge(event(changes, number=number) for number, changes in enumerate(each(4)))
    return one


def evidence(rulebook: Rulebook) -> dict[str, Any]:
    """Return what the case about the paused product rests on, after it went through the store as JSON."""
    judgement = judged(rulebook)
    _, cases = judgement.conclude()
    (case,) = [case for case in cases if case.rule == "use-paused"]
    told: dict[str, Any] = json.loads(json.dumps(judgement.cases.evidence(case)))
    return told


def test_the_basis_names_what_the_verdict_was_reached_with(files: RulebookFiles) -> None:
    told = evidence(load_rulebook(files))
    basis = told["basis"]
    assert basis["rule"]["id"] == "use-paused"
    assert basis["agreement"]["id"] == "mathlab"
    assert [each["name"] for each in basis["parties"]] == ["schoolgate (bundled)", "parties.yaml"]
    hashes = [
        basis["product"]["code"], basis["rule"]["version"], basis["agreement"]["sha256"], basis["agreements"],
        basis["network"]["sha256"], *(each["sha256"] for each in basis["parties"]),
    ]  # fmt: skip
    assert len({*hashes}) == len(hashes)
    assert all(len(one) == 64 for one in hashes)
    assert basis["location"] is None
    assert str(files.network.parent) not in json.dumps(told)
    assert {"section": "use_gate", "source": "section 2.1"} in told["agreement_sections"]


@pytest.mark.parametrize(
    ("name", "octet", "what"),
    [
        ("agreements/mathlab.yaml", b"Practice problems", ["the agreement file of mathlab"]),
        ("agreements/fractions.yaml", b"Practice problems", ["the agreement file of another vendor"]),
        ("network.yaml", b"Example Unified", ["the network file"]),
        ("parties.yaml", b"News Ltd", ["the party list parties.yaml"]),
    ],
)
def test_one_octet_of_a_file_is_another_and_the_case_says_which(
    files: RulebookFiles, name: str, octet: bytes, what: list[str]
) -> None:
    before = evidence(load_rulebook(files))
    path = files.network.parent / name
    whole = path.read_bytes()
    assert whole.count(octet) == 1
    path.write_bytes(whole.replace(octet, octet[:-1] + b"x"))
    after = evidence(load_rulebook(files))
    assert differences(before["basis"], after["basis"]) == what
    path.write_bytes(whole)
    assert differences(before["basis"], evidence(load_rulebook(files))["basis"]) == []


def test_from_its_basis_a_verdict_is_reached_again(files: RulebookFiles, tmp_path: Path) -> None:
    """A stranger has the files by their hashes, whatever they are called where they lie, and the events."""
    first = judged(load_rulebook(files))
    basis = evidence(load_rulebook(files))["basis"]
    elsewhere = tmp_path / "stranger"
    (elsewhere / "agreements").mkdir(parents=True)
    assert files.agreements is not None
    for number, path in enumerate(sorted(files.agreements.iterdir(), reverse=True)):
        (elsewhere / "agreements" / f"{number}.yaml").write_bytes(path.read_bytes())
    (elsewhere / "network.yaml").write_bytes(files.network.read_bytes())
    (elsewhere / "parties.yaml").write_bytes(files.parties[0].read_bytes())
    theirs = RulebookFiles(
        agreements=elsewhere / "agreements",
        network=elsewhere / "network.yaml",
        parties=(elsewhere / "parties.yaml",),
    )
    again = judged(load_rulebook(theirs))
    assert again.report() == first.report()
    assert differences(basis, evidence(load_rulebook(theirs))["basis"]) == []


def test_agreements_out_of_a_topic_have_the_hashes_of_their_files(files: RulebookFiles) -> None:
    assert files.agreements is not None
    texts = {str(path): path.read_text(encoding="utf-8") for path in sorted(files.agreements.iterdir())}
    rulebook = load_rulebook(files)
    topic = AgreementTopic()
    changes = plan(texts, agreements=rulebook.agreements, topic=topic, effective=NOON)
    topic.take(TopicRecord(each.key.encode(), each.value, place) for place, each in enumerate(changes))
    editions = topic.editions
    assert isinstance(editions, Editions)
    published = load_rulebook(replace(files, agreements=None)).under(editions)
    assert evidence(published) == evidence(rulebook)


def test_the_embedded_service_and_a_case_task_keep_the_same_evidence(files: RulebookFiles) -> None:
    rulebook = load_rulebook(files)
    judgement = judged(rulebook)
    changed, cases = judgement.conclude()
    stage = StageTwo(partition=0, topic="findings", rulebook=rulebook, today=TODAY, state={}, keys=a_ring())
    portion = stage.take(
        Record(key=finding.agreement.encode(), value=msgspec.json.encode(finding), partition=0, offset=offset, at=NOON)
        for offset, finding in enumerate(changed)
    )
    kept = {row.id: json.loads(row.evidence) for row in portion.rows}
    here = {case.id: json.loads(json.dumps(judgement.cases.evidence(case))) for case in cases}
    assert kept == here
    assert kept


def test_every_rule_has_a_version_of_its_own_source(files: RulebookFiles) -> None:
    checks = all_checks((), party_of=lambda _host: None)
    assert all(len(rule_version(check)) == 64 for check in checks)
    assert len({rule_version(check) for check in checks}) == len({type(check).__module__ for check in checks})
    assert code_version() == basis_of(files).code


def test_another_program_or_rule_is_said_first() -> None:
    then = {
        "product": {"version": "0.4", "code": "a"},
        "rule": {"id": "x", "version": "1"},
        "location": None,
        "lab": None,
    }
    assert differences(then, {**then, "product": {"version": "0.5", "code": "b"}}) == [
        "the program (version 0.4 then, 0.5 now)"
    ]
    assert differences(then, {**then, "rule": {"id": "x", "version": "2"}}) == ["the rule x"]
    assert differences(then, {**then, "product": {"version": "0.4", "code": "b"}}) == ["the program's code"]
    assert differences(then, {**then, "location": {"name": "c.mmdb", "sha256": "d"}}) == ["the location database"]
    assert differences(then, {**then, "lab": "e" * 64}) == ["the lab evidence"]


def test_the_id_of_a_case_is_the_same_for_ever() -> None:
    """An id is in letters, logs and links: another hash would make every case a new one."""
    promise = Promise("mathtrek", "undeclared-third-party", "6d", "adco.example")
    assert case_id(promise) == "66f2ef3683efbd038269911b"
    assert len({case_id(promise._replace(**{name: "other"})) for name in promise._fields} | {case_id(promise)}) == 5


def test_the_party_of_a_case_is_named_with_the_list_that_decided(files: RulebookFiles) -> None:
    adco = load_rulebook(files).parties.find("cdn.adco.example")
    assert party_in(adco) == {
        "name": "AdCo", "owner": "AdCo Holdings", "kind": "advertising", "list": "parties.yaml", "date": None,
    }  # fmt: skip
    assert party_in(None) is None


def test_a_section_has_the_place_that_the_district_noted(files: RulebookFiles) -> None:
    (mathlab,) = [each for each in load_rulebook(files).agreements if each.id == "mathlab"]
    found = sections_in(mathlab, fields=("third_parties.list", "third_parties.unlisted", "interests"))
    assert found == [{"section": "third_parties", "source": "p. 14"}, {"section": "interests", "source": None}]
    assert sections_in(None, fields=("third_parties",)) == []


ATTRIBUTION = {
    "method": "noisy-or", "near_share": 0.97, "elsewhere_share": 0.03, "windows": 412, "device_days": 41,
    "class_hours": 12, "lab": None,
    "candidates": [
        {"agreement_or_site": "mathtrek", "posterior": 0.984}, {"site": "news.example", "share": 0.4, "rate": 0.002},
    ],
}  # fmt: skip


@given(st.integers(0, 500), st.integers(0, 500), st.integers(0, 500))
def test_how_the_cause_was_found_is_shown_in_bands_and_shares_of_few_are_not(
    windows: int, device_days: int, class_hours: int
) -> None:
    counts = {"windows": windows, "device_days": device_days, "class_hours": class_hours}
    found = shown({"days": [], "days_left_out": 0, "windows": [], "attribution": {**ATTRIBUTION, **counts}}, devices=0)
    told = found["attribution"]
    assert {name: told[name] for name in counts} == {name: band(count) for name, count in counts.items()}
    assert ("near_share" in told) == (device_days >= OFFICER_K)
    assert told["candidates"][0] == {"name": "mathtrek", "posterior": "98 %"}
    assert told["candidates"][1] == {"name": "news.example"} | (
        {"share": "40 %", "rate": "under 5 %"} if "near_share" in told else {}
    )
    # As the checks hand it in: samples in place of a count, told in quarters of an hour.
    samples = [
        {"from": "2026-10-14T15:07:31.250000+00:00", "devices": 17},
        {"from": "2026-10-14T16:07:31.250000+00:00", "devices": 7},
    ]
    found = shown(
        {"days": [], "days_left_out": 0, "windows": [], "attribution": {**ATTRIBUTION, "windows": samples}}, devices=0
    )
    assert found["attribution"]["sample_windows"] == [{"from": "2026-10-14T15:00Z", "devices": "10 to 24"}]
    assert told.get("near_share", "95 %") == "95 %"


def test_old_evidence_is_shown_and_says_nothing_that_it_does_not_know() -> None:
    found = shown({"v": 1, "days": [], "days_left_out": 0, "windows": []}, devices=0)
    assert (found["basis"], found["party"], found["attribution"], found["agreement_sections"]) == (None, None, None, [])
    assert [percent(share) for share in (0, 0.001, 1, None, 7, "x")] == [
        "0 %", "under 1 %", "100 %", "not known", "not known", "not known",
    ]  # fmt: skip
