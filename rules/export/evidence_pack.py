"""Evidence packs: what was promised, what was seen, how, how sure, and the proof that the log says what it said.

Everything in a pack is banded as the contract (section 5) asks of exports, the JSON too.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rules.evidence import shown
from rules.export import pages
from rules.export.archive import archive, as_json
from rules.export.proof import case_proof
from rules.export.words import CHAIN, LIMITS, METHOD
from rules.life_cycle import standing, verified
from rules.store.chain import digest
from rules.told import told
from rules.versions import OPEN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from rules.agreements.model import Agreement
    from rules.store.chain import Head
    from rules.store.rows import CaseRow, LogEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a pack comes from."""

    district: str
    """Name of the district."""
    made_at: str
    """When, ISO 8601 UTC."""
    software: str
    """Version of Schoolgate that made it."""


def evidence_pack(
    cases: Sequence[CaseRow],
    *,
    log: Sequence[LogEntry],
    head: Head,
    agreements: Mapping[str, Agreement],
    origin: Origin,
    until: date | None = None,
) -> bytes:
    """Return a zip with a page and a JSON file for each case, and the proof of the log.

    Args:
        cases: the cases.
        log: the whole case log.
        head: where it ends; the log was checked up to there.
        agreements: the agreements as they are now, by id.
        origin: where the pack comes from.
        until: last day on which the network was judged; None: not known, so that no fix is verified.
    """
    files: dict[str, bytes] = {}
    rows = []
    for case in sorted(cases, key=lambda case: case.id):
        entries = [entry for entry in log if entry.case_id == case.id]
        agreement = agreements.get(json.loads(case.body).get("agreement") or "")
        view = _case(case, entries=entries, agreement=agreement, until=until)
        files[f"cases/{case.id}.json"] = as_json(view)
        files[f"cases/{case.id}.html"] = _case_page(view, origin=origin, head=head)
        rows.append(view)
    files["chain.json"] = as_json(
        {"v": 1, "digests": [digest(asdict(entry.row())) for entry in log], "entries": head.entries, "hash": head.hash}
    )
    files["index.html"] = _index(rows, origin=origin)
    about = {**asdict(origin), "kind": "schoolgate-evidence", "log": asdict(head)}
    return archive(files, about=about)


def _case(
    case: CaseRow, *, entries: Sequence[LogEntry], agreement: Agreement | None, until: date | None
) -> dict[str, Any]:
    body = json.loads(case.body)
    view, devices = told(body), int(body.get("devices", 0))
    is_verified = case.status == "fixed" and verified(case.ending, last_seen=body.get("last_seen") or "", until=until)
    return {
        "v": 1,
        "id": case.id,
        "version": case.version,
        "state": case.state,
        "status": case.status,
        "stands": standing(case.status, supported=case.state == OPEN, is_verified=is_verified),
        "case": view,
        "agreement": None if agreement is None else _words(agreement),
        "evidence": shown(json.loads(case.evidence), devices=devices) if case.evidence else None,
        "method": list(METHOD),
        "limits": [view["cannot_see"], *LIMITS],
        "log": [_logged(entry) for entry in entries],
        "proof": list(CHAIN),
    }


def _logged(entry: LogEntry) -> dict[str, Any]:
    """Return an entry as it lies in the log, what it says, and the salt that shows the one to be the other."""
    return {**asdict(entry.row()), "opened": entry.entry, "salt": entry.salt}


def _words(agreement: Agreement) -> dict[str, Any]:
    terms = agreement.agreement
    return {
        "id": agreement.id,
        "vendor": agreement.vendor.legal_name,
        "products": [product.name for product in agreement.products],
        "kind": terms.kind,
        "effective": terms.effective.isoformat() if terms.effective else None,
        "expires": terms.expires.isoformat() if terms.expires else None,
        "sections": dict((agreement.provenance.sources if agreement.provenance else None) or {}),
    }


def _case_page(view: dict[str, Any], *, origin: Origin, head: Head) -> bytes:
    case, agreement, evidence = view["case"], view["agreement"], view["evidence"]
    parts = [
        pages.paragraphs([case["summary"], case["agreement_says"], case["cannot_see"]]),
        pages.facts(
            [
                ("Case", view["id"]),
                ("State", f"{view['state']}, {view['stands']}"),
                ("Rule and clause", f"{case['rule']}, {case['clause']}"),
                ("Subject", case["subject"]),
                ("Verdict", case["verdict"]),
                ("Severity", case["severity"]),
                ("How sure", f"{case['sure']} ({case['confidence']})"),
                ("Devices (per day)", case["devices"]),
                ("Schools", ", ".join(case["schools"])),
                ("Groups", ", ".join(case["groups"])),
                ("First and last seen", f"{case['first_seen']} to {case['last_seen']}"),
            ],
            caption="The case",
        ),
    ]
    if agreement is not None:
        rows = [(name, ", ".join(value) if isinstance(value, list) else value) for name, value in agreement.items()]
        parts.append(pages.section("The agreement", pages.facts(rows, caption="As the district has it on file")))
    if evidence is not None:
        days = [(day["day"], day["devices"]) for day in evidence["days"]]
        windows = [(window["from"], window["to"]) for window in evidence["windows"]]
        parts.append(
            pages.section(
                "Evidence",
                pages.table(["Day", "Devices"], days, caption="Devices seen each day, in bands"),
                pages.table(["From", "To"], windows, caption="Sample windows of ten devices or more"),
            )
        )
        parts += case_proof(evidence)
    logged = [(entry["seq"], entry["at"], entry["kind"], entry["hash"]) for entry in view["log"]]
    parts += [
        pages.section("Method", pages.paragraphs(view["method"])),
        pages.section("Limits", pages.paragraphs(view["limits"])),
        pages.section(
            "Log",
            pages.table(["Row", "Written at", "What", "Hash"], logged, caption="Entries of the case log on this case"),
            pages.paragraphs([f"The log ends with row {head.entries}, hash {head.hash}.", *view["proof"]]),
        ),
        pages.paragraphs([f"{origin.district}, {origin.made_at}, Schoolgate {origin.software}."]),
    ]
    return pages.page(f"Case {view['id']}: {case['subject']}", parts)


def _index(rows: Sequence[dict[str, Any]], *, origin: Origin) -> bytes:
    listed = [
        (row["id"], row["case"]["agreement"] or "no agreement", row["case"]["rule"], row["case"]["subject"],
         f"{row['state']}, {row['stands']}")
        for row in rows
    ]  # fmt: skip
    links = [pages.link(f"cases/{row['id']}.html", f"Case {row['id']}: {row['case']['subject']}") for row in rows]
    heads = ["Case", "Agreement", "Rule", "Subject", "State"]
    return pages.page(
        f"Evidence of {origin.district}",
        [
            pages.paragraphs([f"Made at {origin.made_at} by Schoolgate {origin.software}."]),
            pages.table(heads, listed, caption="Cases in this pack"),
            *links,
            pages.section("Method", pages.paragraphs(METHOD)),
            pages.section("Limits", pages.paragraphs(LIMITS)),
        ],
    )
