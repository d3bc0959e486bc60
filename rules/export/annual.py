"""The public table of a year: which vendor, which promise, what became of it.

One line a case and no totals, so that nothing can be had by subtraction; devices in bands; no school and no group.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from rules.export import pages
from rules.export.archive import archive, as_json
from rules.export.words import LIMITS, METHOD
from rules.told import told
from rules.versions import OPEN

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rules.agreements.model import Agreement
    from rules.export.evidence_pack import Origin
    from rules.store.rows import CaseRow

LEFT_OUT: Final = (
    "Cases that later evidence did not support, cases that name no vendor, and cases of severity `info` are left out."
)


def annual_table(cases: Iterable[CaseRow], *, year: int, agreements: Mapping[str, Agreement], origin: Origin) -> bytes:
    """Return a zip with the table of the cases seen in *year* (UTC), as a page and as JSON."""
    rows = sorted(
        (row for case in cases if (row := _row(case, year=year, agreements=agreements)) is not None),
        key=lambda row: tuple(str(value) for value in row.values()),
    )
    title = f"{origin.district}: data agreements and what was seen in {year}"
    heads = ["Vendor", "Products", "Rule", "Clause", "Other party", "Verdict", "Outcome", "Devices (per day)"]
    parts = [
        pages.table(heads, [list(row.values()) for row in rows], caption=f"Cases of {year}"),
        pages.section("Method", pages.paragraphs([*METHOD, LEFT_OUT])),
        pages.section("Limits", pages.paragraphs(LIMITS)),
        pages.paragraphs([f"Made at {origin.made_at} by Schoolgate {origin.software}."]),
    ]
    content = {"v": 1, "year": year, "rows": rows, "method": [*METHOD, LEFT_OUT], "limits": list(LIMITS)}
    files = {"annual.html": pages.page(title, parts), "annual.json": as_json(content)}
    return archive(files, about={**asdict(origin), "kind": "schoolgate-annual", "year": year})


def _row(case: CaseRow, *, year: int, agreements: Mapping[str, Agreement]) -> dict[str, Any] | None:
    view = told(json.loads(case.body))
    if case.state != OPEN or view["severity"] == "info" or view["verdict"] == "unattributed":
        return None
    if not (view["first_seen"] or "")[:4] <= f"{year:04}" <= (view["last_seen"] or "")[:4]:
        return None
    agreement = agreements.get(view["agreement"] or "")
    return {
        "vendor": agreement.vendor.legal_name if agreement else view["agreement"] or "no agreement",
        "products": ", ".join(product.name for product in agreement.products) if agreement else "",
        "rule": view["rule"],
        "clause": view["clause"],
        "subject": view["subject"],
        "verdict": view["verdict"],
        "outcome": case.status,
        "devices": view["devices"],
    }
