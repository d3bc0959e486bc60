"""The supplemental information that New York asks for beside the parents' bill of rights: one sheet a contract.

Source: New York Education Law section 2-d; 8 NYCRR 121.3(c), numbers 1 to 6.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rules.agreements.plain import PROHIBITIONS
from rules.exchange import public_words as words
from rules.export import pages

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from rules.agreements.model import Agreement


def sheet(agreement: Agreement, *, district: str | None, on: date) -> str:
    """Return the sheet of one contract as a page that stands alone, for reading and printing."""
    parts = [
        pages.paragraphs(
            [
                (
                    f"Contract {'of ' + district + ' ' if district else ''}with {agreement.vendor.legal_name} about "
                    f"{words.products(agreement)}. Supplemental information under 8 NYCRR 121.3(c), "
                    f"as of {on.isoformat()}."
                )
            ]
        ),
        pages.section("1. Exclusive purposes", pages.paragraphs(_purposes(agreement))),
        pages.section("2. Subcontractors", *_subcontractors(agreement)),
        pages.section("3. Duration, and what happens to data at its end", pages.paragraphs(_end(agreement))),
        pages.section("4. Challenging the accuracy of data", pages.paragraphs(_accuracy(agreement))),
        pages.section("5. Where data are stored, and how they are protected", pages.paragraphs(_storage(agreement))),
        pages.section("6. Encryption", pages.paragraphs(_encryption(agreement))),
    ]
    return pages.page(f"Supplemental information: {agreement.vendor.legal_name}", parts).decode()


def _purposes(agreement: Agreement) -> Iterator[str]:
    yield f"Data may be used for this only: {words.purposes(agreement)}"
    yield f"Data that are used: {words.data_elements(agreement)}."
    said = agreement.prohibited.model_dump() if agreement.prohibited is not None else {}
    forbidden = [text for key, text in PROHIBITIONS.items() if said.get(key) is True]
    yield f"Forbidden: {'; '.join(forbidden) or words.NOT_STATED}."


def _subcontractors(agreement: Agreement) -> Iterator[str]:
    yield pages.paragraphs([f"Who gets data on behalf of the contractor: {words.subcontractors(agreement)}."])
    rows = words.subprocessors(agreement)
    if rows:
        yield pages.table(
            ["Subcontractor", "For", "Bound in writing to terms no weaker", "Countries"],
            [
                [
                    row.name,
                    words.stated(row.purpose),
                    words.answer(value=row.written_terms, yes="yes", no="no"),
                    words.countries(row.countries),
                ]
                for row in rows
            ],
            caption="How the contractor ensures that they keep the rules",
        )
    else:
        yield pages.paragraphs([f"How the contractor ensures that they keep the rules: {words.NOT_STATED}."])


def _end(agreement: Agreement) -> Iterator[str]:
    yield f"Duration: {words.duration(agreement)}."
    days = agreement.data.retention_days_after_end
    ends = words.NOT_STATED if days is None else f"data are deleted within {days} days"
    yield f"When the contract ends: {ends}."
    yield f"Whether, when and in what format data are returned: {words.NOT_STATED}."


def _accuracy(agreement: Agreement) -> Iterator[str]:
    yield f"Whether and how the accuracy of data may be challenged: {words.NOT_STATED}."
    yield f"Contact of the contractor for privacy: {words.stated(agreement.vendor.privacy_contact)}."


def _storage(agreement: Agreement) -> Iterator[str]:
    data = agreement.data
    yield f"Countries: {words.countries(data.stored_in)}."
    yield f"How data are kept: {words.stated(data.storage_plain)}"
    access = words.NOT_STATED if data.access is None else "; ".join(data.access) or "nobody, says the agreement"
    yield f"Who may see them: {access}."
    yield f"Other protections: {words.NOT_STATED}."


def _encryption(agreement: Agreement) -> Iterator[str]:
    data = agreement.data
    yes, no = "encrypted", "not encrypted, says the agreement"
    yield f"While data are on the way: {words.answer(value=data.encrypted_in_transit, yes=yes, no=no)}."
    yield f"Where they are kept: {words.answer(value=data.encrypted_at_rest, yes=yes, no=no)}."
