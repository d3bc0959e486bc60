"""Shows the table of clauses to a person: a table on a terminal, plain lines where the output goes on to a program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rich.table import Table
from rich.text import Text

from rules.console import clean, rule_title

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.console import Console

NO_RULE: Final = "No rule: this clause is answered from the agreement alone (`schoolgate agreements gaps`)."

NO_FIELD: Final = "none"
NARROWEST_TABLE: Final = 100
"""Columns of a terminal below which four columns of sentences are harder to read than lines."""


def show_clauses(table: Mapping[str, Any], console: Console) -> None:
    """Print *table*, as `rules.clause_table.table_as_data` makes it."""
    if console.is_terminal and console.width >= NARROWEST_TABLE:
        console.print(_table(table))
        for line in _limit_lines(table):
            console.print(Text(line))
        return
    for line in _lines(table):
        # A program wants whole lines; a person at a narrow terminal wants them wrapped.
        console.print(Text(line), soft_wrap=not console.is_terminal)


def _table(table: Mapping[str, Any]) -> Table:
    shown = Table(title="What is judged, clause by clause", title_justify="left", title_style="bold")
    shown.add_column("Clause", no_wrap=True)
    shown.add_column("Judged by, and from which signal", ratio=5, overflow="fold")
    shown.add_column("Agreement field", ratio=4, overflow="fold")
    shown.add_column("Cannot be seen", ratio=4, overflow="fold")
    counted = table["on"] is not None
    if counted:
        shown.add_column(f"Agreements on {table['on']}", ratio=2)
    for row in table["clauses"]:
        counts = [Text(_counts(row["agreements"], joint="\n"))] if counted else []
        asks = Text(row["asks"] if row["rules"] else f"{row['asks']}\n{NO_RULE}", style="italic")
        shown.add_row(Text(row["clause"], style="bold"), asks, ", ".join(row["fields"]), row["cannot_see"], *counts)
        for rule in row["rules"]:
            judged = Text(f"{clean(rule['rule'])}{_trial(rule)}", style="bold")
            judged.append(f": {clean(rule['signal'])}", style="not bold")
            cells = (Text(", ".join(rule["fields"]) or NO_FIELD), Text(clean(rule["cannot_see"])))
            shown.add_row("", judged, *cells)
        shown.add_section()
    return shown


def _lines(table: Mapping[str, Any]) -> Iterator[str]:
    for row in table["clauses"]:
        yield f"{row['clause']}: {row['asks']}"
        for rule in row["rules"]:
            yield f"  judged by {clean(rule['rule'])}{_trial(rule)}: {clean(rule_title(rule['rule']))}"
            yield f"    signal: {clean(rule['signal'])}"
            yield f"    agreement field: {', '.join(rule['fields']) or NO_FIELD}"
            yield f"    cannot see: {clean(rule['cannot_see'])}"
        if not row["rules"]:
            yield f"  {NO_RULE}"
        yield f"  gap report reads: {', '.join(row['fields'])}"
        yield f"  cannot be seen: {row['cannot_see']}"
        if row["agreements"] is not None:
            yield f"  agreements on {table['on']}: {_counts(row['agreements'], joint=', ')}"
        yield ""
    yield from _limit_lines(table)


def _limit_lines(table: Mapping[str, Any]) -> Iterator[str]:
    for limit in table["limits"] or ():
        yield f"{limit['rule']} {'is silent' if limit['silent'] else 'says less'}: {clean(limit['why'])}"


def _counts(counts: Mapping[str, int], *, joint: str) -> str:
    return joint.join(f"{count} {state.replace('_', ' ')}" for state, count in counts.items() if count) or "none"


def _trial(rule: Mapping[str, Any]) -> str:
    return " (new, on trial)" if rule["maturity"] == "trial" else ""
