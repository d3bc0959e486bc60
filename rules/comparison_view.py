"""Shows a person what another set of agreements would have said. Names are untrusted: every one is cleaned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from rules.console import COLOURS, clean, few, octets, quarter, rule_title, show_span

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from zoneinfo import ZoneInfo

    from rich.console import Console


def show_comparison(told: Mapping[str, Any], console: Console, *, zone: ZoneInfo) -> None:
    """Print *told*, as `rules.comparison.compare` makes it: opened, gone, changed, clause states.

    Args:
        told: the comparison.
        console: where to.
        zone: time zone of the district.
    """
    console.print()
    console.print(Text(f"Had the agreements in {clean(told['against'])} held:", style="bold"))
    show_span(told.get("span"), console, zone=zone)
    _show_cases("opened", told["only_there"], console)
    _show_cases("gone", told["only_here"], console)
    for change in told["changed"]:
        _show_change(change, console, zone=zone)
    if told["clauses"]:
        console.print(_clause_table(told["clauses"]))
        console.print()
    counts = (
        f"{len(told['only_there'])} opened, {len(told['only_here'])} gone, {len(told['changed'])} changed, "
        f"{told['unchanged']} unchanged; {len(told['clauses'])} clause states differ"
    )
    console.print(Text(f"Cases: {counts}.", style="bold"))


def _show_cases(word: str, cases: Sequence[Mapping[str, Any]], console: Console) -> None:
    for case in cases:
        console.print(_title(word, case))
        grid = _grid()
        grid.add_row("What", Text(clean(case["summary"])))
        grid.add_row("The agreement says", Text(clean(case["agreement_says"])))
        grid.add_row("Filed under", _filed(case))
        console.print(Padding(grid, (0, 0, 1, 2)))


def _show_change(change: Mapping[str, Any], console: Console, *, zone: ZoneInfo) -> None:
    before, after = change["before"], change["after"]
    console.print(_title("changed", after))
    grid = _grid()
    for name in change["fields"]:
        grid.add_row(name, Text(f"{_said(name, before, zone=zone)}\n-> {_said(name, after, zone=zone)}"))
    grid.add_row("Filed under", _filed(after))
    console.print(Padding(grid, (0, 0, 1, 2)))


def _title(word: str, case: Mapping[str, Any]) -> Text:
    title = Text(f"{word:<8}", style="bold")
    title.append(f" {case['severity'].upper()} ", style=COLOURS[case["severity"]])
    title.append(f" {rule_title(case['rule'])}", style="bold")
    title.append(f"  {clean(case['agreement'] or case['subject'])}", style="bold cyan")
    return title


def _said(name: str, case: Mapping[str, Any], *, zone: ZoneInfo) -> str:
    """Return a field of a case as the report for people says it: no small counts, no exact times."""
    value = case.get(name)
    if value is None:
        return "nothing"
    if name == "devices":
        return few(value, "device-day")
    if name in {"bytes_up", "bytes_down"}:
        return octets(value)
    if name in {"first_seen", "last_seen"}:
        return quarter(value, zone)
    return clean(", ".join(map(str, value)) if isinstance(value, list | tuple) else value)


def _grid() -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column()
    return grid


def _filed(case: Mapping[str, Any]) -> Text:
    return Text(f"{case['rule']}, clause {case['clause']}, about {clean(case['subject'])}, case {case['id']}")


def _clause_table(clauses: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(title="Clause states that differ", title_justify="left", title_style="bold", box=None)
    for head in ("Agreement", "Clause", "Now", "By the others"):
        table.add_column(head)
    alone: set[str] = set()
    for row in clauses:
        name = row["agreement"]
        if row["before"] is not None and row["after"] is not None:
            table.add_row(Text(clean(name)), row["clause"], _state(row["before"]), _state(row["after"]))
        elif name not in alone:
            # All of its clauses differ alike, so one line says it.
            alone.add(name)
            table.add_row(Text(clean(name)), "all", *(_presence(row[side]) for side in ("before", "after")))
    return table


def _presence(state: str | None) -> str:
    return "no such agreement" if state is None else "states of its own"


def _state(state: str) -> str:
    return state.replace("_", " ")
