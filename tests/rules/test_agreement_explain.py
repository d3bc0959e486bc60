"""One page that a parent can read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from rules.agreements import plain, vocabulary
from rules.agreements.explain import MAX_LINES, MAX_WIDTH, explain
from rules.agreements.load import load_agreement, load_agreements, parse_agreement

SHARED = Path(__file__).resolve().parents[2] / ".." / "shared"

TEXT = """\
schema: schoolgate/agreement/1
id: mathtrek
vendor: {legal_name: MathTrek Learning Inc. (invented)}
products: [{name: MathTrek, grades: [0, 6], under_13: false}]
agreement: {kind: clickwrap, status: terminated, effective: 2026-08-01, terminated_on: 2026-12-31}
domains: [{match: mathtrek.example}]
third_parties:
  list_is: partial
  unlisted: notify
  list: [{name: AdCo, relation: embedded, responsible: nobody, countries: [US, QZ]}]
purposes: [{code: instruction, plain: Practice problems chosen by the teacher}]
prohibited: {sale: true, targeted_ads: false}
data: {categories: [{cat: biometric, need: optional}], owner: vendor, retention_days_after_end: 60}
improvement: [{activity: session_replay, plain: The screen is recorded to find faults.}]
reviews: {curriculum: {status: rejected, independent: false}}
use_gate: {status: paused, from: 2026-10-01, reason: Review outstanding}
provenance: {waivers: [{clause: 6d, domain: adco.example, reason: Removal promised, until: 2026-12-31, by: office}]}
"""


def page(old: str = "", new: str = "") -> str:
    assert old in TEXT
    return explain(parse_agreement(TEXT.replace(old, new) if old else TEXT, path="x.yaml"))


def test_the_page_answers_what_parents_ask() -> None:
    text = " ".join(page().split())
    for answer in (
        "MathTrek is a school product for kindergarten to grade 6, and is not for children under 13.",
        "Made by: MathTrek Learning Inc. (invented).",
        "May be left out: face, finger or voice prints.",
        (
            "AdCo: built into the pages of the product; nobody answers for it; in the United States and the country "
            "with the code QZ."
        ),
        "The list is not complete: there are others that it does not name. The vendor must tell the district before",
        "Forbidden: selling data.",
        "Allowed: showing ads picked for a pupil.",
        "data are deleted within 60 days",
        "The data belong to the vendor, not to the pupil or the parents.",
        "Recording what a pupil does on the screen: The screen is recorded to find faults.",
        "The teaching materials: not approved, by people tied to the vendor.",
        "only terms that somebody clicked on",
        "its last day is December 31, 2026.",
        "paused this product: it must not be used, from October 1, 2026. Reason: Review outstanding.",
        "The district lets one promise rest until December 31, 2026 for adco.example",
        "where data are kept; who may see the data;",
        "It is not a broken promise.",
    ):
        assert answer in text


def test_silence_is_named_and_never_filled_in() -> None:
    text = page("prohibited: {sale: true, targeted_ads: false}\n", "")
    assert "## What is forbidden" not in text
    assert "anything about selling data" in " ".join(text.split())


def test_no_code_word_of_the_file_reaches_the_reader() -> None:
    codes = {
        word
        for name in dir(vocabulary)
        for word in get_args(getattr(vocabulary, name))
        if isinstance(word, str) and "_" in word
    }
    assert "session_replay" in codes
    assert not [code for code in codes if code in page()]


def test_every_code_word_has_plain_words() -> None:
    for words, codes in (
        (plain.KINDS, vocabulary.Kind),
        (plain.STATUSES, vocabulary.TermsStatus),
        (plain.CATEGORIES, vocabulary.Category),
        (plain.RELATIONS, vocabulary.Relation),
        (plain.RESPONSIBLE, vocabulary.Responsible),
        (plain.ACTIVITIES, vocabulary.Activity),
        (plain.REVENUES, vocabulary.Revenue),
        (plain.RELATIONSHIPS, vocabulary.RelationshipKind),
    ):
        assert set(words) == set(get_args(codes))


def test_a_long_agreement_still_fits_on_a_page() -> None:
    row = "{name: AdCo, relation: embedded, purpose: usage statistics of a kind, responsible: vendor, data: [survey]}"
    text = page(
        "list: [{name: AdCo, relation: embedded, responsible: nobody, countries: [US, QZ]}]",
        f"list: [{', '.join([row] * 40)}]",
    )
    assert "- and 34 more, which the agreement file names" in text
    many = page(
        "purposes: [", "purposes: [" + "{code: other, plain: " + "One of the purposes in many words. " * 60 + "}, "
    )
    for found in (text, many):
        assert len(found.splitlines()) <= MAX_LINES
        assert max(len(line) for line in found.splitlines()) <= MAX_WIDTH


def test_a_vendor_cannot_drive_the_terminal_of_the_reader() -> None:
    assert "\x1b" not in page("MathTrek Learning Inc. (invented)", '"Math\\e[2JTrek"')


def _grade(text: str) -> float:
    """Return the Flesch-Kincaid grade level, syllables counted as groups of vowels (a final silent e left out)."""
    sentences = [sentence for sentence in re.split(r"[.!?;:]\s|\n", text) if re.search(r"[a-z]", sentence)]
    words = re.findall(r"[A-Za-z']+", " ".join(sentences))
    syllables = sum(max(1, len(re.findall(r"[aeiouy]+", re.sub(r"e$", "", word.lower())))) for word in words)
    return 0.39 * len(words) / len(sentences) + 11.8 * syllables / len(words) - 15.59


def test_the_page_reads_at_grade_eight_or_below() -> None:
    pages = [page()]
    if SHARED.is_dir():
        pages.append(explain(load_agreement(SHARED / "contracts" / "agreement.example.yaml")))
        for folder in SHARED.glob("scenarios/*/agreements"):
            pages += [explain(agreement) for agreement in load_agreements(folder)]
    for found in pages:
        assert _grade(found) <= 8
        assert len(found.splitlines()) <= MAX_LINES
