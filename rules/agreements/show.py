"""Shows agreements to people and programs: what is wrong with a file, what it promises, what it leaves out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from collector.documents import DocumentError
from collector.segments import load_network
from rules.agreements.explain import explain
from rules.agreements.gaps import gap_rows
from rules.agreements.load import load_agreement, load_agreements
from rules.agreements.schema import json_schema
from rules.lab_evidence import EVIDENCE, LabEvidence, load_lab_evidence, strays, told_once
from rules.parties import load_parties

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import date
    from pathlib import Path

    from collector.documents import Problem
    from rules.agreements.model import Agreement

STATES = {
    "met": ("met", "green"),
    "not_met": ("not met", "bold red"),
    "not_stated": ("not stated", "yellow"),
    "not_applicable": ("does not apply", "dim"),
}
"""Clause state -> words for a person, style."""


def agreements_at(where: Path) -> tuple[Agreement, ...]:
    """Return the agreements of a file or a folder.

    Raises:
        DocumentError: with every problem of every file.
    """
    return load_agreements(where) if where.is_dir() or not where.exists() else (load_agreement(where),)


def validate(where: Path, *, network: Path | None, parties: Iterable[Path]) -> str:
    """Return one sentence that says all is well, and a line for each warning.

    Raises:
        DocumentError: with every problem of every file.
    """
    problems: list[Problem] = []
    found: list[Agreement] = []
    lab: dict[str, LabEvidence] = {}

    def attempt(load: Callable[[], object]) -> None:
        try:
            load()
        except DocumentError as error:
            problems.extend(error.problems)

    attempt(lambda: found.extend(agreements_at(where)))
    if where.is_dir():
        attempt(lambda: lab.update(load_lab_evidence(where / EVIDENCE)))
    if network is not None:
        attempt(lambda: load_network(network))
    for path in parties:
        attempt(lambda path=path: problems.extend(load_parties([path]).warnings))  # type: ignore[misc]  # the default binds the loop's path
    if problems:
        raise DocumentError(told_once(problems, agreements=where))
    warnings = [f"warning: {stray}" for stray in strays(lab, agreements=(agreement.id for agreement in found))]
    return "\n".join([*warnings, f"{len(found)} {'agreement' if len(found) == 1 else 'agreements'}: no problem found"])


def explained(where: Path) -> str:
    """Return a page of plain English for each agreement."""
    return "\n\n".join(explain(agreement).rstrip("\n") for agreement in agreements_at(where))


def gaps_as_json(where: Path, *, on: date) -> str:
    """Return the gap reports as JSON."""
    rows = [
        {"id": a.id, "clauses": [{"clause": r.clause, "state": r.state, "why": r.why} for r in gap_rows(a, on=on)]}
        for a in agreements_at(where)
    ]
    return json.dumps({"v": 1, "on": on.isoformat(), "agreements": rows}, indent=1)


def gap_tables(where: Path, *, on: date) -> list[Table]:
    """Return the gap report of each agreement as a table."""
    return [_gap_table(agreement, on=on) for agreement in agreements_at(where)]


def schema_as_json() -> str:
    """Return the JSON Schema of agreement files."""
    return json.dumps(json_schema(), indent=1, ensure_ascii=False)


def _gap_table(agreement: Agreement, *, on: date) -> Table:
    table = Table(
        title=Text(f"{agreement.id}: {agreement.vendor.legal_name} on {on.isoformat()}"), title_justify="left"
    )
    table.add_column("Clause", no_wrap=True)
    table.add_column("Asks for", ratio=3)
    table.add_column("State", no_wrap=True)
    table.add_column("Why", ratio=4)
    for row in gap_rows(agreement, on=on):
        word, style = STATES[row.state]
        why = Text(row.why)
        if row.not_seen:
            why.append(f" {row.not_seen}", style="dim")
        table.add_row(row.clause, Text(row.asks), Text(word, style=style), why)
    return table
