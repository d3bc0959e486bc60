"""Writes agreements as SIF Privacy Obligations Documents: what they state and POD can say, in its order of elements.

Where POD demands an element that the agreement does not state, the element is left out and that is told: a made-up
address or date would be read as a promise.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from xml.sax.saxutils import escape

from rules.exchange.pod_terms import (
    AT_REST,
    IN_TRANSIT,
    NAMESPACE,
    STATE_TERMS,
    STATUSES,
    STORAGE,
    expressed,
    not_expressed,
    pod_text,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rules.agreements.model import Agreement

# An element: its name, and its text or its members. None members are left out.
Tree = tuple[str, "str | list[Tree | None]"]

# Mandatory in the schema of 3.3, and nothing that an agreement file could know.
_ALWAYS_MISSING: Final = ("partyId", "dataProcessor/privacyPolicyURL")


def as_pod(agreements: Sequence[Agreement], *, district: str | None) -> str:
    """Return the agreements as one XML document: a `pod` each, several of them in `pods`.

    Args:
        agreements: at least one.
        district: name of the district, which becomes the data controller; None: it is not said.
    """
    pods = [_pod(agreement, district=district) for agreement in agreements]
    comments = "".join(map(_comment, agreements))
    top: Tree = pods[0] if len(pods) == 1 else ("pods", list(pods))
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + comments + _written(top, depth=0)


def missing(agreement: Agreement, *, district: str | None) -> tuple[str, ...]:
    """Return the elements that the schema of POD demands and that neither agreement nor district state."""
    terms = agreement.agreement
    lacking = {
        "contract/contractURI": not pod_text(terms.document or ""),
        "contract/dateValidFrom": terms.effective is None,
        "dataController/privacyPolicyURL": district is not None,
        "dataSubProcessor/privacyPolicyURL": "list" in expressed(agreement)["third_parties"],
    }
    return (*_ALWAYS_MISSING, *(name for name, absent in lacking.items() if absent))


def _comment(agreement: Agreement) -> str:
    lost = ", ".join(not_expressed(agreement)) or "nothing"
    # Two hyphens end a comment (XML 1.0, section 2.5), and an id or the name of a source may have them.
    said = re.sub("-(?=-)", "- ", pod_text(f"{agreement.id}: cannot be expressed in POD: {lost}."))
    return f"<!-- {said} -->\n"


def _pod(agreement: Agreement, *, district: str | None) -> Tree:
    said = expressed(agreement)
    privacy: Tree = (
        "privacy",
        [
            _list("appIDList", [("appID", product["name"]) for product in said["products"]]),
            _list(
                "endpointList",
                [
                    ("endpoint", [("endpointURL", f"https://{domain['match']}/"),
                                  ("endpointProviderName", said["vendor"]["legal_name"])])
                    for domain in said["domains"]
                ],
            ),
            (
                "privacyObligationsDocument",
                [
                    _contract(said),
                    _technical(said),
                    ("dataController", [("dataControllerName", pod_text(district))]) if district else None,
                    _processor(said),
                    _subprocessors(said),
                ],
            ),
        ],
    )  # fmt: skip
    return (
        "pod",
        [
            ("podStatus", STATUSES[agreement.agreement.status]),
            ("podToken", agreement.id),
            ("podVersion", agreement.version[:12]),
            ("privacyList", [privacy]),
        ],
    )


def _contract(said: dict[str, Any]) -> Tree:
    terms, owner = said["agreement"], said["data"].get("owner")
    laws: list[Tree | None] = [("law", [("lawName", f"{STATE_TERMS}{code}")]) for code in terms.get("state_terms", ())]
    return (
        "contract",
        [
            _text("contractURI", terms.get("document")),
            ("contractName", said["id"]),
            _text("dateValidFrom", terms.get("effective")),
            _text("dateValidTo", terms.get("expires")),
            ("lawList", laws),
            _text("studentDataIPRights", owner),
        ],
    )


def _technical(said: dict[str, Any]) -> Tree | None:
    data = said["data"]
    fields: list[Tree | None] = [
        ("field", [("fieldName", _coded(row, "cat", "detail"))]) for row in data.get("categories", ())
    ]
    days = data.get("retention_days_after_request")
    secured: list[Tree | None] = [
        ("securityTechnology", [("technologyName", name)])
        for key, name in (("encrypted_in_transit", IN_TRANSIT), ("encrypted_at_rest", AT_REST))
        if key in data
    ]
    members: list[Tree | None] = [
        ("dataAccess", [("fieldList", fields)]) if fields else None,
        ("dataDeletion", [("respondInDays", str(days))]) if days is not None else None,
        _list("securityTechnologyList", secured),
    ]
    return ("technicalRequirements", members) if any(members) else None


def _processor(said: dict[str, Any]) -> Tree:
    vendor = said["vendor"]
    return (
        "dataProcessor",
        [
            ("dataProcessorName", vendor["legal_name"]),
            _contact("privacyContact", vendor.get("privacy_contact")),
            ("purposeList", [("purpose", _coded(row, "code", "plain")) for row in said["purposes"]]),
            _list(
                "deidentifiedPurposeList",
                [("deidentifiedPurpose", _coded(row, "activity", "plain")) for row in said.get("improvement", ())],
            ),
            _contact("dataBreachContact", vendor.get("security_contact")),
            _list(
                "countryImpactedList",
                [
                    ("countryImpacted", [("country", code), ("usage", STORAGE)])
                    for code in said["data"].get("stored_in", ())
                ],
            ),
        ],
    )


def _subprocessors(said: dict[str, Any]) -> Tree | None:
    rows: list[Tree | None] = [
        (
            "dataSubProcessor",
            [
                ("subProcessorName", row["name"]),
                ("purposeList", [("purpose", row["purpose"])]) if "purpose" in row else None,
            ],
        )
        for row in said["third_parties"].get("list", ())
    ]
    return _list("dataSubProcessorList", rows)


def _contact(name: str, mail: str | None) -> Tree | None:
    return (name, [("name", []), ("emailList", [("email", mail)])]) if mail else None


def _coded(row: dict[str, str], code: str, plain: str) -> str:
    return f"{row[code]}: {row[plain]}" if plain in row else row[code]


def _text(name: str, value: str | None) -> Tree | None:
    return (name, value) if value else None


def _list(name: str, members: Sequence[Tree | None]) -> Tree | None:
    return (name, list(members)) if members else None


def _written(tree: Tree, *, depth: int) -> str:
    name, content = tree
    space, attribute = "  " * depth, "" if depth else f' xmlns="{NAMESPACE}"'
    if isinstance(content, str):
        return f"{space}<{name}{attribute}>{escape(content)}</{name}>\n"
    inner = "".join(_written(member, depth=depth + 1) for member in content if member is not None)
    return f"{space}<{name}{attribute}>\n{inner}{space}</{name}>\n" if inner else f"{space}<{name}{attribute}/>\n"
