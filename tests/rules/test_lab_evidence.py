"""Evidence of a lab: what the files may say, what they then say about a party, and that they disturb no agreement."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from collector.documents import DocumentError
from rules.agreements.load import load_agreements
from rules.agreements.show import validate
from rules.health.rulebook import rulebook
from rules.judgement import Judgement
from rules.lab_evidence import EVIDENCE, LabEvidence, evidence_in, load_lab_evidence, strays
from rules.rulebook import RulebookFiles, RulebookWatch, load_rulebook

AGREEMENT = """\
schema: schoolgate/agreement/1
id: mathtrek
vendor: {legal_name: MathTrek Learning Inc. (invented)}
products: [{name: MathTrek}]
agreement: {kind: ndpa_v2, status: active}
domains: [{match: mathtrek.example}]
third_parties: {list_is: complete, unlisted: forbidden, list: []}
purposes: [{code: instruction, plain: Practice problems chosen by the teacher.}]
data: {categories: [{cat: in_app_performance}]}
use_gate: {status: approved}
"""
NETWORK = """\
schema: schoolgate/network/1
district: Example District
time_zone: America/Chicago
schools:
  - {id: lincoln, name: Lincoln, segments: [{cidr: 192.0.2.0/24, group: k-5, under_13: true}]}
"""


def text(*, agreement: str = "mathtrek", pages: int = 24, parties: str = "[{domain: adco.example, pages: 1}]") -> str:
    return (
        f"schema: schoolgate/evidence/1\nagreement: {agreement}\nrecorded: 2026-09-01\nhar: []\n"
        f"pages: {pages}\nparties: {parties}\nreferrals: []\n"
    )


def folder(tmp_path: Path) -> Path:
    (tmp_path / EVIDENCE).mkdir()
    (tmp_path / "mathtrek.yaml").write_text(AGREEMENT)
    (tmp_path / EVIDENCE / "mathtrek.yaml").write_text(text())
    return tmp_path


def said(pages: int) -> LabEvidence:
    return evidence_in(text(pages=pages), path="mathtrek.yaml")


def test_one_page_load_confirms_for_every_name_of_the_party() -> None:
    assert said(1).says("adco.example") == "confirms"
    assert said(1).says("pixel.eu.adco.example") == "confirms"


def test_twenty_page_loads_without_a_party_refute_it_and_nineteen_say_nothing() -> None:
    assert said(20).says("trackly.example") == "refutes"
    assert said(19).says("trackly.example") == "silent"
    assert said(19).says("adco.example") == "confirms"


def test_a_site_to_which_the_product_redirects_is_not_refuted_by_pages_that_do_not_embed_it() -> None:
    sent = text(pages=40).replace("referrals: []", "referrals: [{domain: video.example, pages: 2}]")
    evidence = evidence_in(sent, path="mathtrek.yaml")
    assert evidence.says("www.video.example") == "silent"
    assert evidence.says("other.example") == "refutes"
    assert evidence.referrals["video.example"].pages == 2


def test_a_folder_without_evidence_gives_none(tmp_path: Path) -> None:
    assert load_lab_evidence(tmp_path / "absent") == {}
    (tmp_path / "notes.txt").write_text("no evidence")
    assert load_lab_evidence(tmp_path) == {}


def test_evidence_beside_agreements_disturbs_none_of_them(tmp_path: Path) -> None:
    there = folder(tmp_path)
    assert [agreement.id for agreement in load_agreements(there)] == ["mathtrek"]
    found = load_lab_evidence(there / EVIDENCE)
    assert found["mathtrek"].recorded == date(2026, 9, 1)
    assert found["mathtrek"].path == str(there / EVIDENCE / "mathtrek.yaml")


def test_every_problem_of_every_file_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(text(parties="[{domain: adco.example, pages: 25}, {domain: Adco, pages: 0}]"))
    (tmp_path / "b.yaml").write_text(text().replace("pages: 24", "pages: many").replace("recorded", "record"))
    (tmp_path / "c.yaml").write_text(text())
    (tmp_path / "d.yaml").write_text(text())
    (tmp_path / "e.yaml").write_bytes(b"schema: \xff")
    with pytest.raises(DocumentError) as caught:
        load_lab_evidence(tmp_path)
    told = str(caught.value)
    for start in (
        "a.yaml:6: `Adco` is not a host name",
        "a.yaml:6: `pages` in entry 2",
        "b.yaml:5: `pages`",
        "b.yaml:3: `record` is not a key here; did you mean `recorded`?",
        "d.yaml:2: the agreement `mathtrek` already has evidence in",
        "e.yaml:1: the file is not UTF-8",
    ):
        assert str(tmp_path / start) in told, told


def test_more_page_loads_of_a_party_than_there_were_and_a_party_twice_are_problems() -> None:
    rows = "[{domain: adco.example, pages: 25}, {domain: adco.example, pages: 1}]"
    with pytest.raises(DocumentError) as caught:
        evidence_in(text(parties=rows), path="x.yaml")
    assert "x.yaml:6: `adco.example` has 25 page loads, and there were 24 in all" in str(caught.value)
    assert "x.yaml:6: the domain `adco.example` is listed twice in `parties`" in str(caught.value)


def test_evidence_about_an_unknown_agreement_is_a_warning_and_no_error(tmp_path: Path) -> None:
    there = folder(tmp_path)
    (there / EVIDENCE / "gone.yaml").write_text(text(agreement="gone"))
    warnings = strays(load_lab_evidence(there / EVIDENCE), agreements=["mathtrek"])
    assert len(warnings) == 1
    assert "evidence about `gone`, which no agreement file has as its id" in str(warnings[0])
    shown = validate(there, network=None, parties=())
    assert shown.splitlines() == [f"warning: {warnings[0]}", "1 agreement: no problem found"]


def test_evidence_about_nobody_is_told_by_the_rulebook_the_report_and_the_doctor(tmp_path: Path) -> None:
    there, network = folder(tmp_path), tmp_path / "network.txt"
    network.write_text(NETWORK)
    files = RulebookFiles(agreements=there, network=network)
    assert load_rulebook(files).warnings == ()
    (there / EVIDENCE / "gone.yaml").write_text(text(agreement="gone"))
    book = load_rulebook(files)
    (stray,) = book.warnings
    assert stray.path == str(there / EVIDENCE / "gone.yaml")
    judged = Judgement(book, token_key=lambda _day: b"k" * 32, today=date(2026, 9, 1))
    assert judged.report()["errors"] == [str(stray)]
    first = next(iter(rulebook(files, today=lambda _network: date(2026, 9, 1))))
    assert (first.state, first.remedy) == ("warning", "correct `agreement`, or remove the file")
    with_other = book.with_agreements(tuple(each.model_copy(update={"id": "gone"}) for each in book.agreements))
    assert [each.path for each in with_other.warnings] == [str(there / EVIDENCE / "mathtrek.yaml")]


def test_a_rulebook_holds_the_evidence_and_notices_when_it_changes(tmp_path: Path) -> None:
    there = folder(tmp_path)
    network = tmp_path / "network.txt"
    network.write_text(NETWORK)
    files = RulebookFiles(agreements=there, network=network)
    assert load_rulebook(files).lab["mathtrek"].says("adco.example") == "confirms"
    watch = RulebookWatch(files)
    assert watch.look() is None
    (there / EVIDENCE / "mathtrek.yaml").write_text(text(parties="[]"))
    changed = watch.look()
    assert changed is not None
    assert changed.lab["mathtrek"].says("adco.example") == "refutes"
    assert changed.lab["mathtrek"].version != evidence_in(text(), path="x").version


@pytest.mark.parametrize("spoil", ["a file stands there", "absent"])
def test_a_folder_of_agreements_that_cannot_be_entered_is_one_problem(tmp_path: Path, spoil: str) -> None:
    network, there = tmp_path / "network.txt", tmp_path / "agreements"
    network.write_text(NETWORK)
    if spoil != "absent":
        there.write_text("")
    with pytest.raises(DocumentError) as caught:
        load_rulebook(RulebookFiles(agreements=there, network=network))
    assert [problem.path for problem in caught.value.problems] == [str(there)]


def test_a_fault_of_the_evidence_is_told_beside_those_of_agreements(tmp_path: Path) -> None:
    network, there = tmp_path / "network.txt", folder(tmp_path)
    network.write_text(NETWORK)
    shutil.rmtree(there / EVIDENCE)
    (there / EVIDENCE).write_text("")
    agreement = next(there.glob("*.yaml"))
    agreement.write_text("schema: schoolgate/agreement/2\n")
    with pytest.raises(DocumentError) as caught:
        load_rulebook(RulebookFiles(agreements=there, network=network))
    assert {problem.path for problem in caught.value.problems} == {str(agreement), str(there / EVIDENCE)}


def test_evidence_stays_when_agreements_come_from_elsewhere_and_bad_evidence_is_told(tmp_path: Path) -> None:
    there = folder(tmp_path)
    network = tmp_path / "network.txt"
    network.write_text(NETWORK)
    files = RulebookFiles(agreements=there, network=network)
    elsewhere = replace(files, agreements=None, evidence=files.lab_folder)
    assert set(load_rulebook(elsewhere).lab) == {"mathtrek"}
    assert load_rulebook(replace(files, agreements=None)).lab == {}
    (there / EVIDENCE / "mathtrek.yaml").write_text("schema: schoolgate/evidence/2\n")
    with pytest.raises(DocumentError, match=r"mathtrek\.yaml:1"):
        load_rulebook(files)
