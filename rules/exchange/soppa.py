"""The public list of operators that the Student Online Personal Protection Act of Illinois asks a school to post.

Source: 105 ILCS 85/27: the operators with whom there are written agreements, a copy of each, a business address; the
subcontractors of each; the data elements in words for a layperson. Parents' procedures and breaches stand elsewhere.
"""

from __future__ import annotations

import csv
from io import StringIO
from typing import TYPE_CHECKING, Final

from rules.agreements.standing import in_force
from rules.exchange import public_words as words
from rules.export import pages

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from rules.agreements.model import Agreement

_HEADS: Final = (
    "Operator",
    "Products",
    "Business address",
    "Written agreement",
    "Copy of the agreement",
    "Duration",
    "Data elements",
    "How the data are used",
    "Subcontractors who may get data",
    "Contact for privacy",
)
_BESIDE: Final = (
    (
        "The Act asks the school for more than such a list. A description of how parents may inspect, correct and "
        "delete data, and a list of breaches, are to be posted beside it; agreements do not hold them."
    ),
    "A business address is part of the signed document and not of the agreement file; add it where it is not stated.",
)
# A cell that begins so would be run as a formula by a spreadsheet.
_FORMULA: Final = ("=", "+", "-", "@")


def listed(agreements: Iterable[Agreement], *, on: date) -> tuple[list[Agreement], list[str]]:
    """Return the agreements that the list shows, by name of the operator, and for each other one why it is left out."""
    shown: list[Agreement] = []
    left_out: list[str] = []
    for agreement in agreements:
        if agreement.agreement.kind in {"none", "clickwrap"}:
            left_out.append(f"{agreement.id}: left out, there is no written agreement")
        elif not in_force(agreement, on):
            left_out.append(f"{agreement.id}: left out, it is not in force on {on.isoformat()}")
        else:
            shown.append(agreement)
    return sorted(shown, key=lambda each: (each.vendor.legal_name.casefold(), each.id)), left_out


def as_html(agreements: Iterable[Agreement], *, district: str | None, on: date) -> str:
    """Return the list as a page that stands alone, for reading and printing."""
    shown = list(agreements)
    title = f"{district}: operators with written agreements" if district else "Operators with written agreements"
    parts = [
        pages.paragraphs(
            [
                (
                    "This list is posted under the Student Online Personal Protection Act (105 ILCS 85/27). "
                    f"It shows {len(shown)} agreements in force on {on.isoformat()}."
                ),
            ]
        ),
        *(
            pages.section(
                agreement.vendor.legal_name,
                pages.facts(
                    list(zip(_HEADS[1:], _row(agreement)[1:], strict=True)), caption=f"Agreement {agreement.id}"
                ),
            )
            for agreement in shown
        ),
        pages.section("Beside this list", pages.paragraphs(_BESIDE)),
    ]
    return pages.page(title, parts).decode()


def as_csv(agreements: Iterable[Agreement]) -> str:
    """Return the list as CSV, a row an operator."""
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_HEADS)
    for agreement in agreements:
        writer.writerow([f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in _row(agreement)])
    return out.getvalue()


def _row(agreement: Agreement) -> tuple[str, ...]:
    return tuple(
        " ".join(cell.split())
        for cell in (
            agreement.vendor.legal_name,
            words.products(agreement),
            words.NOT_STATED,
            words.contract(agreement),
            words.stated(agreement.agreement.document),
            words.duration(agreement),
            words.data_elements(agreement),
            words.purposes(agreement),
            words.subcontractors(agreement),
            words.stated(agreement.vendor.privacy_contact),
        )
    )
