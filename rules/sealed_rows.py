"""Rows of a report that tell of single promises, each sealed with the key of what it is about.

A waived case belongs to its case; who meets which party, and what attribution found, to product and party together.
A row whose key is gone is left out.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any, Final

from rules.case_keys import case_id, matter_id
from rules.findings import NO_AGREEMENT, Promise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Seal = Callable[[str, bytes], bytes]
    Open = Callable[[str, bytes], bytes | None]

WAIVED: Final = "waived"
DIFFERENTIAL: Final = "differential"


def waived_id(row: Mapping[str, Any]) -> str:
    """Return the id of the case that is waived."""
    return case_id(Promise(row["agreement"] or NO_AGREEMENT, row["rule"], row["clause"], row["subject"]))


def differential_id(row: Mapping[str, Any]) -> str:
    """Return the id of the matter that a row of `rules.differential` is about."""
    return matter_id(str(row["agreement"]), subject=str(row["party"]))


OWNERS: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {WAIVED: waived_id, DIFFERENTIAL: differential_id}
"""Lists of a report that tell of single promises -> whose key a row is sealed with."""


def seal_report(report: Mapping[str, Any], *, seal: Seal) -> dict[str, Any]:
    """Return *report* with those rows sealed."""
    rows = {name: seal_rows(report[name], name=name, seal=seal) for name in OWNERS if report.get(name)}
    return {**report, **rows}


def open_report(report: Mapping[str, Any], *, opener: Open) -> dict[str, Any]:
    """Return *report* with those rows opened, as far as their keys are there."""
    return {**report, **{name: open_rows(report[name], opener=opener) for name in OWNERS if report.get(name)}}


def seal_rows(rows: Iterable[Mapping[str, Any]], *, name: str, seal: Seal) -> list[dict[str, str]]:
    """Return *rows* of the list *name* sealed, in their order."""
    owner = OWNERS[name]
    return [sealed_row(owner(row), json.dumps(row).encode(), seal=seal) for row in rows]


def sealed_row(about: str, octets: bytes, *, seal: Seal) -> dict[str, str]:
    """Return one row sealed."""
    return {"case": about, "sealed": b64encode(seal(about, octets)).decode()}


def open_rows(rows: Iterable[Mapping[str, Any]], *, opener: Open) -> list[dict[str, Any]]:
    """Return the rows that can be read. Those of releases before are not sealed."""
    found = []
    for row in rows:
        if "sealed" not in row:
            found.append(dict(row))
        elif (octets := opener(row["case"], b64decode(row["sealed"]))) is not None:
            found.append(json.loads(octets))
    return found
