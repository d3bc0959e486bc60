"""What lets a stranger reach the same verdict: words, lists, versions, and how the cause was found.

What comes in is `rules.evidence.shown`: counts are bands already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rules.export import pages

if TYPE_CHECKING:
    from collections.abc import Mapping

ATTRIBUTION_WORDS: Final = {
    "near_share": "Of all contacts with the party: caused by the product",
    "elsewhere_share": "Of all contacts with the party: while the product was not open",
    "bag": "Of the visits on a quiet device: the party came",
    "visits": "Visits of the product",
    "windows": "Visits of the product",
    "quiet_windows": "Of these on a device that was quiet before",
    "device_days": "Device-days with a contact",
    "class_hours": "Hours of a group with a contact",
}
CANDIDATE_WORDS: Final = {
    "posterior": "How likely",
    "share": "Open at the same contacts",
    "rate": "Its own visits that bring the party",
}
LAB_WORDS: Final = {
    "confirms": "confirms it: the product contacted the party with nothing else open",
    "refutes": "refutes it: the product did not contact the party there",
    "silent": "says nothing about it",
}
CANDIDATES: Final = "Candidates that were weighed"
AGAIN: Final = (
    "To reach the verdict again: take the program in this version, files with these hashes (SHA-256 of the octets; of "
    "the agreement, of its text in UTF-8 without a byte order mark), and the flow events of the days above; "
    "`schoolgate check` gives the same case. The hash of all agreements is SHA-256 over the lines `ID SHA-256`, sorted."
)


def case_proof(evidence: Mapping[str, Any]) -> list[str]:
    """Return the sections of a page that say what a case rests on; none: nothing was kept."""
    parts = []
    if evidence.get("attribution"):
        parts.append(_attribution(evidence["attribution"]))
    if evidence.get("party"):
        party = evidence["party"]
        rows = [
            ("Service", party["name"]),
            ("Owner", party["owner"]),
            ("Kind", party["kind"] or "not known"),
            ("List", party["list"]),
        ]
        rows += [("Date of the list", party["date"])] if party["date"] else []
        parts.append(pages.section("The party", pages.facts(rows, caption="By the list that decided")))
    if evidence.get("agreement_sections"):
        rows = [(each["section"], each["source"] or "no place noted") for each in evidence["agreement_sections"]]
        table = pages.table(["Section", "Place in the agreement"], rows, caption="Words that the case rests on")
        parts.append(pages.section("The words", table))
    if evidence.get("basis"):
        facts = pages.facts(basis_rows(evidence["basis"]), caption="Versions and hashes")
        parts.append(pages.section("What the verdict was reached with", facts, pages.paragraphs([AGAIN])))
    return parts


def basis_rows(basis: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the basis of a case (`rules.basis.basis_of_case`) as names and values."""
    product, rule, agreement = basis["product"], basis["rule"], basis["agreement"]
    rows = [
        ("Program", f"Schoolgate {product['version']}, rules {product['code']}"),
        ("Rule", f"{rule['id']} {rule['version']}"),
        ("Agreement", f"{agreement['id']} {agreement['sha256']}" if agreement else "none"),
        ("All agreements", basis["agreements"]),
        ("Network file", f"{basis['network']['name']} {basis['network']['sha256']}"),
    ]
    for each in basis["parties"]:
        more = "".join(f", {word} {each[word]}" for word in ("date", "licence") if each.get(word))
        rows.append(("Party list", f"{each['name']} {each['sha256']}{more}"))
    location = basis["location"]
    if location:
        rows.append(("Location database", f"{location['name']} {location['sha256']}"))
    if basis.get("lab"):
        rows.append(("Lab evidence", str(basis["lab"])))
    return rows


def attribution_rows(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return how the cause was found as names and values."""
    rows = [(words, str(found[name])) for name, words in ATTRIBUTION_WORDS.items() if name in found]
    lab = found.get("lab")
    return [*rows, ("Recording in a lab", LAB_WORDS.get(str(lab), "was looked at") if lab else "none")]


def candidate_table(found: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return heads and rows of the other candidates; of what is not known of any there is no column."""
    keys = [key for key in CANDIDATE_WORDS if any(key in each for each in found["candidates"])]
    rows = [[each["name"], *(each.get(key, "") for key in keys)] for each in found["candidates"]]
    return ["Candidate", *(CANDIDATE_WORDS[key] for key in keys)], rows


def _attribution(found: Mapping[str, Any]) -> str:
    parts = [pages.paragraphs([found["method"]])] if found["method"] else []
    parts.append(pages.facts(attribution_rows(found), caption="What speaks for the cause, and what against it"))
    if found["candidates"]:
        heads, rows = candidate_table(found)
        parts.append(pages.table(heads, rows, caption=CANDIDATES))
    return pages.section("How the cause was found", *parts)
