"""Public lists: what the agreement states in plain words, and "not stated in the agreement" for the rest."""

from __future__ import annotations

import csv
from datetime import date
from io import StringIO

from hypothesis import given, settings

from rules.agreements.load import parse_agreement
from rules.agreements.model import Agreement
from rules.exchange import new_york, soppa
from rules.exchange.public_words import NOT_STATED
from tests.rules.made_agreements import AGREEMENTS

ON = date(2026, 9, 1)
HOSTILE = "<script>alert(1)</script>"
BARE = """\
schema: schoolgate/agreement/1
id: bare
vendor: {legal_name: Bare Ltd. (invented)}
products: [{name: Bare}]
agreement: {kind: ndpa_v2, status: active}
domains: [{match: bare.example}]
third_parties: {list_is: not_provided, unlisted: forbidden}
purposes: [{code: instruction, plain: Practice problems chosen by the teacher.}]
data: {categories: [{cat: student_work, detail: essays}]}
use_gate: {status: approved}
"""
LISTED = (
    "list_is: partial, unlisted: forbidden, list: [{name: Video, relation: referral}, {name: HostCo, relation: "
    "subprocessor, purpose: hosting, written_terms: true, countries: [US]}]"
)
FULL = (
    BARE.replace("bare", "full").replace("Bare Ltd. (invented)", f"'=Full {HOSTILE}'")
    .replace("status: active", "status: active, effective: 2026-08-01, expires: 2029-07-31, document: /dpa/full.pdf")
    .replace("list_is: not_provided, unlisted: forbidden", LISTED)
    .replace("essays}]", "essays}], stored_in: [US], encrypted_in_transit: true, encrypted_at_rest: false, "
             "retention_days_after_end: 60, access: [support]")
)  # fmt: skip


def made(text: str) -> Agreement:
    return parse_agreement(text, path="x.yaml")


def test_the_illinois_list_shows_written_agreements_in_force_and_says_why_others_are_not() -> None:
    expired = made(BARE.replace("bare", "old").replace("status: active", "status: active, expires: 2025-01-01"))
    clicked = made(BARE.replace("bare", "click").replace("ndpa_v2", "clickwrap"))
    shown, left_out = soppa.listed([made(FULL), expired, clicked, made(BARE)], on=ON)
    assert [agreement.id for agreement in shown] == ["full", "bare"]
    assert left_out == [
        "old: left out, it is not in force on 2026-09-01",
        "click: left out, there is no written agreement",
    ]


def test_the_illinois_list_as_csv_has_a_row_an_operator_and_no_formula() -> None:
    rows = list(csv.DictReader(StringIO(soppa.as_csv([made(FULL), made(BARE)]))))
    assert rows[0]["Operator"] == f"'=Full {HOSTILE}"
    assert (
        rows[0]["Subcontractors who may get data"] == "HostCo (hosting); the list is not complete, says the agreement"
    )
    assert rows[0]["Data elements"] == "pupils' own work (essays)"
    assert rows[0]["Duration"] == "from August 1, 2026, until July 31, 2029"
    assert rows[0]["Copy of the agreement"] == "/dpa/full.pdf"
    assert rows[1]["Subcontractors who may get data"] == NOT_STATED
    assert rows[1]["Business address"] == rows[1]["Copy of the agreement"] == NOT_STATED


def test_the_illinois_list_as_a_page_stands_alone_and_escapes_what_vendors_wrote() -> None:
    page = soppa.as_html([made(FULL), made(BARE)], district=f"Riverbend {HOSTILE}", on=ON)
    assert HOSTILE not in page
    assert "&lt;script&gt;" in page
    assert "105 ILCS 85/27" in page
    assert '<th scope="row">Subcontractors who may get data</th>' in page
    assert "src=" not in page
    assert "http" not in page.replace("http-equiv", "")


def test_the_new_york_sheet_answers_six_questions_by_what_is_stated() -> None:
    page = new_york.sheet(made(FULL), district="Riverbend", on=ON)
    for heading in range(1, 7):
        assert f"<h2>{heading}. " in page
    for said in ("Practice problems chosen by the teacher.", "HostCo (hosting)", "from August 1, 2026, until July 31",
                 "data are deleted within 60 days", "Countries: the United States.", "Who may see them: support.",
                 "While data are on the way: encrypted.", "are kept: not encrypted, says the agreement."):  # fmt: skip
        assert said in page
    assert "<td>HostCo</td><td>hosting</td><td>yes</td><td>the United States</td>" in page
    assert "Video" not in page, "a site that pupils are sent to is no subcontractor"
    assert HOSTILE not in page


def test_what_an_agreement_does_not_state_reads_so_on_the_sheet_and_is_never_guessed() -> None:
    page = new_york.sheet(made(BARE), district=None, on=ON)
    for said in (
        "Forbidden", "Who gets data on behalf of the contractor", "How the contractor ensures that they keep the rules",
        "When the contract ends", "Whether and how the accuracy of data may be challenged", "Countries",
        "Who may see them", "While data are on the way", "Where they are kept",
    ):  # fmt: skip
        assert f"{said}: {NOT_STATED}" in page, said
    assert f"beginning: {NOT_STATED}, expiration: {NOT_STATED}" in page


@settings(max_examples=20, deadline=None)
@given(agreement=AGREEMENTS)
def test_every_agreement_makes_pages_and_rows(agreement: Agreement) -> None:
    assert new_york.sheet(agreement, district=None, on=ON).endswith("</html>\n")
    assert soppa.as_html([agreement], district=None, on=ON).count("<h2>") == 2
    rows = list(csv.reader(StringIO(soppa.as_csv([agreement]))))
    assert [len(row) for row in rows] == [10, 10]
