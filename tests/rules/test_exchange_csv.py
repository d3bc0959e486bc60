"""A spreadsheet of agreements: columns in any order, one file a vendor, and every bad cell with its line."""

from __future__ import annotations

import csv
from contextlib import suppress
from datetime import date
from io import StringIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.problems import DocumentError
from rules.agreements.load import parse_agreement
from rules.exchange.csv_table import COLUMNS, MAX_CELL, MAX_COLUMNS, MAX_OCTETS, csv_drafts, template
from rules.exchange.drafts import Ready, finish
from rules.exchange.statements import statements

TODAY = date(2026, 9, 1)
WHOLE = {column.name: column.example for column in COLUMNS if column.example}


def table(*rows: dict[str, str], delimiter: str = ",") -> bytes:
    out = StringIO()
    heads = list(dict.fromkeys(head for row in rows for head in row))
    writer = csv.DictWriter(out, heads, delimiter=delimiter, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def imported(octets: bytes, **stated: Any) -> list[Ready]:
    states = {tuple(key.split("__")): value for key, value in stated.items()}
    return [finish(draft, statements=states, today=TODAY) for draft in csv_drafts(octets, path="v.csv")]


def complaints(octets: bytes) -> str:
    with pytest.raises(DocumentError) as caught:
        imported(octets)
    return str(caught.value)


def test_the_template_is_itself_a_good_file() -> None:
    (ready,) = imported(template().encode())
    agreement = ready.agreement
    assert agreement.id == "mathtrek"
    assert agreement.products[0].grades == (2, 6)
    assert [row.domains for row in agreement.third_parties.list or ()] == [("hostco.example",), None]
    assert agreement.prohibited is not None
    assert (agreement.prohibited.sale, agreement.prohibited.any_ads) == (True, None)
    assert parse_agreement(ready.text, path="x").model_dump() == agreement.model_dump()


def test_columns_may_come_in_any_order_case_and_delimiter_and_with_a_byte_order_mark() -> None:
    heads = {"Sub-Processors": "subprocessors", "END DATE": "expires", "Legal Name": "vendor"}
    row = {new: WHOLE[old] for new, old in heads.items()}
    row |= {name.upper(): WHOLE[name] for name in reversed(WHOLE) if name not in heads.values()}
    for delimiter in ",;\t":
        (ready,) = imported(b"\xef\xbb\xbf" + table(row, delimiter=delimiter))
        assert ready.agreement.agreement.expires == date(2029, 7, 31)
        assert ready.agreement.vendor.legal_name == "MathTrek Learning Inc."


def test_what_a_row_leaves_empty_stays_out_and_nothing_is_made_up() -> None:
    (ready,) = imported(table(WHOLE | {"under_13": "", "grades": "not stated", "subprocessors": "", "stored_in": " "}))
    agreement = ready.agreement
    assert agreement.products[0].model_dump(exclude_unset=True) == {"name": "MathTrek"}
    assert agreement.third_parties.list is None
    assert agreement.data.stored_in is None
    for absent in ("oversight", "reviews", "interests", "improvement", "expected", "grades", "under_13"):
        assert f"{absent}:" not in ready.text


def test_no_third_parties_is_a_statement_and_an_empty_cell_is_none() -> None:
    (none,) = imported(table(WHOLE | {"subprocessors": "none"}))
    assert none.agreement.third_parties.list == ()


def test_domains_and_third_parties_of_several_columns_come_together() -> None:
    row = WHOLE | {
        "shared_domains": "mathtrek.cdn.example", "marketing_domains": "www.mathtrek-news.example",
        "referrals": "VideoSite (video.example, v.example)", "embedded": "Maps",
        "products": "MathTrek; MathTrek Junior", "improvement": "crash_reports: It tells us when it crashes.",
        "review_curriculum": "approved", "review_curriculum_independent": "yes",
    }  # fmt: skip
    (ready,) = imported(table(row))
    agreement = ready.agreement
    assert [(row.match, row.role, row.shared) for row in agreement.domains] == [
        ("mathtrek.example", None, None), ("mathtrek-app.example", None, None),
        ("mathtrek.cdn.example", None, True), ("www.mathtrek-news.example", "marketing_site", None),
    ]  # fmt: skip
    assert [(row.name, row.relation, row.domains) for row in agreement.third_parties.list or ()] == [
        ("HostCo", "subprocessor", ("hostco.example",)), ("MailCo", "subprocessor", None),
        ("VideoSite", "referral", ("video.example", "v.example")), ("Maps", "embedded", None),
    ]  # fmt: skip
    assert [product.under_13 for product in agreement.products] == [True, True]
    assert agreement.reviews is not None
    assert agreement.reviews.curriculum is not None
    assert agreement.reviews.curriculum.independent is True


def test_the_file_says_from_which_row_and_columns_and_where_the_signed_document_says_it() -> None:
    first = WHOLE | {"id": "other", "domains": "other.example", "reason": "two\nlines"}
    _, ready = imported(table(first, WHOLE))
    sources = (ready.agreement.provenance and ready.agreement.provenance.sources) or {}
    assert sources["prohibited"] == (
        "section 4.7; v.csv, row 3, line 4 (column prohibits_sale, column prohibits_targeted_ads); imported 2026-09-01"
    )


def test_every_bad_cell_of_every_row_is_told_with_its_line() -> None:
    rows = [
        WHOLE | {"effective": "8/1/2026", "grades": "high", "under_13": "maybe", "breach_notice_hours": "72 hours"},
        WHOLE | {"subprocessors": "(hostco.example)", "purposes": "to learn", "sources": "page 4"},
    ]
    told = complaints(table(*rows)).splitlines()
    assert [line.split(": ")[0] for line in told] == ["v.csv:2"] * 4 + ["v.csv:3"] * 3
    assert "row 2, column `effective`: `8/1/2026` is not a date; write it as 2026-08-01" in told[2]
    assert "row 3, column `purposes`: `to learn` does not begin with a code and a colon" in "\n".join(told)


def test_words_that_the_agreement_file_does_not_know_are_told_at_their_row() -> None:
    told = complaints(table(WHOLE | {"kind": "handshake", "data_categories": "shoe size", "domains": "co.uk"}))
    assert "v.csv:2: `kind` in `agreement` is `handshake`" in told
    assert "`co.uk` is a public suffix" in told
    assert "`shoe_size`" in told


def test_a_review_without_its_outcome_is_told_and_not_dropped() -> None:
    assert "v.csv:2: `status` is missing" in complaints(table(WHOLE | {"review_pedagogy_independent": "yes"}))


def test_what_every_file_must_say_may_be_stated_by_the_district_and_never_replaces_the_source() -> None:
    row = {name: value for name, value in WHOLE.items() if name not in {"kind", "use_gate_status"}}
    assert "row 2 does not say `use_gate.status`" in complaints(table(row))
    (ready,) = imported(table(row), agreement__kind="state_dpa", use_gate__status="paused", agreement__status="draft")
    assert ready.agreement.agreement.kind == "state_dpa"
    assert ready.agreement.agreement.status == "active"
    assert "stated by the district (--state): use_gate.status" in ready.text


def test_unknown_columns_are_noted_with_the_nearest_name() -> None:
    drafts = csv_drafts(table(WHOLE | {"subprocesors": "HostCo", "cost": "12"}), path="v.csv")
    assert [str(note) for note in drafts[0].notes] == [
        "v.csv:1: the column `subprocesors` is not read; did you mean `subprocessors`?",
        "v.csv:1: the column `cost` is not read; see --template for the columns that are",
    ]


@pytest.mark.parametrize(
    ("octets", "told"),
    [
        (b"", "v.csv:1: the first line names no column that is read"),
        (b"a,b\n1,2\n", "v.csv:1: the first line names no column that is read"),
        (b"vendor,kind\n", "v.csv:1: the file has no row beneath its header"),
        (b"vendor,Vendor\nA,B\n", "v.csv:1: the column `vendor` stands twice"),
        (b'vendor,kind\nA\n"B', "v.csv:3: this is no CSV (unexpected end of data)"),
        (b"vendor,kind\nA,clickwrap,surplus\n", "v.csv:2: row 2 has a cell beyond the 2 columns of the header"),
        (b"vendor\nCaf\xe9\n", "v.csv:2: the file is not UTF-8 text; save it as `CSV UTF-8`"),
        ("vendor\nA\n".encode("utf-16"), "v.csv:1: the file is UTF-16"),
        (b"vendor\nA\0\n", "v.csv:2: the file holds a NUL character"),
        (b"vendor," + b"x," * 1_000_000, f"cells, and at most {MAX_COLUMNS} are read"),
        (b"vendor\n" + b"a" * (MAX_CELL + 1), f"v.csv:2: a cell has more than {MAX_CELL} characters"),
        (b'vendor\n"' + b"a\n" * 100_000, "v.csv:2: this is no CSV"),
        (b"v" * (MAX_OCTETS + 1), "larger than 16 MiB"),
    ],
)  # fmt: skip
def test_a_bad_file_is_told_with_its_line(octets: bytes, told: str) -> None:
    assert told in complaints(octets)


def test_statements_of_the_command_line_are_read_as_in_an_agreement_file() -> None:
    assert statements(["use_gate.status=approved", "data.categories=[{cat: other}]", "prohibited.sale=true"]) == {
        ("use_gate", "status"): "approved",
        ("data", "categories"): [{"cat": "other"}],
        ("prohibited", "sale"): True,
    }
    with pytest.raises(DocumentError) as caught:
        statements(["use_gate=approved", "vendor.shoe=1", "id=a", "agreement.effective=", "purposes=["])
    told = str(caught.value).splitlines()
    assert len(told) == 5
    assert all(line.startswith("--state:") for line in told)


heads = st.lists(st.sampled_from([*(column.name for column in COLUMNS), "junk", ""]), min_size=1, max_size=6)
cell_texts = st.text('ab1-2;:|()\n" ,.x', max_size=8) | st.sampled_from([column.example for column in COLUMNS])


@settings(max_examples=60, deadline=None)
@given(head=heads, rows=st.lists(st.lists(cell_texts, max_size=7), max_size=3), junk=st.binary(max_size=9))
def test_no_file_raises_anything_but_its_problems(head: list[str], rows: list[list[str]], junk: bytes) -> None:
    out = StringIO()
    csv.writer(out).writerows([head, *rows])
    for octets in (out.getvalue().encode(), out.getvalue().encode() + junk, junk):
        with suppress(DocumentError):
            for draft in csv_drafts(octets, path="v.csv"):
                with suppress(DocumentError):
                    finish(draft, statements={}, today=TODAY)
