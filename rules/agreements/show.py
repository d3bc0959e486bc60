"""The verbs of `schoolgate agreements`: work on agreement files."""

from __future__ import annotations

import json
import sys
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from collector.documents import DocumentError, Problem
from collector.segments import load_network
from rules.agreements.explain import explain
from rules.agreements.gaps import gap_rows
from rules.agreements.load import load_agreement, load_agreements
from rules.agreements.schema import json_schema
from rules.parties import load_parties

if TYPE_CHECKING:
    from rules.agreements.model import Agreement

app = typer.Typer(
    name="agreements",
    help="Work on agreement files: check them, explain them, show what they leave out.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

STATE_WORDS = {
    "met": ("met", "green"),
    "not_met": ("not met", "bold red"),
    "not_stated": ("not stated", "yellow"),
    "not_applicable": ("does not apply", "dim"),
}
Where = Annotated[Path, typer.Argument(help="One agreement file, or a folder of them.", show_default=False)]


@app.command()
def validate(
    where: Where,
    network: Annotated[Path | None, typer.Option(help="Check this network file too.")] = None,
    parties: Annotated[list[Path] | None, typer.Option(help="Check this party file too (repeatable).")] = None,
) -> None:
    """Check files and show every problem at once, one a line: FILE:LINE: what is wrong; what to write instead.

    Exits with 0 when all is well, with 2 when anything is wrong.
    """
    problems: list[Problem] = []
    agreements: tuple[Agreement, ...] = ()
    try:
        agreements = read(where)
    except DocumentError as error:
        problems.extend(error.problems)
    for check, path in [
        *((load_network, path) for path in ([network] if network else [])),
        *((lambda path: load_parties([path]), path) for path in parties or []),
    ]:
        try:
            check(path)
        except DocumentError as error:
            problems.extend(error.problems)
    if problems:
        raise DocumentError(problems)
    count = len(agreements)
    sys.stdout.write(f"{count} {'agreement' if count == 1 else 'agreements'}: no problem found\n")


@app.command(name="explain")
def explain_verb(where: Where) -> None:
    """Say in plain English what each agreement promises: one page per vendor, for parents and teachers."""
    pages = [explain(agreement) for agreement in read(where)]
    sys.stdout.write("\n\n".join(page.rstrip("\n") for page in pages) + "\n")


@app.command()
def gaps(
    where: Where,
    on: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The day to look at; default: today.")
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show clause by clause what each agreement meets, contradicts, or leaves out, and why."""
    day = on.date() if on else date.today()  # noqa: DTZ011 -- the reader's own today
    agreements = read(where)
    if as_json:
        rows = [
            {"id": a.id, "clauses": [{"clause": r.clause, "state": r.state, "why": r.why} for r in gap_rows(a, on=day)]}
            for a in agreements
        ]
        sys.stdout.write(json.dumps({"v": 1, "on": day.isoformat(), "agreements": rows}, indent=1) + "\n")
        return
    console = Console()
    for agreement in agreements:
        console.print(gap_table(agreement, on=day))
        console.print()


@app.command()
def schema() -> None:
    """Print the JSON Schema of agreement files, with a description of every field, for editors and other programs."""
    sys.stdout.write(json.dumps(json_schema(), indent=1, ensure_ascii=False) + "\n")


def read(where: Path) -> tuple[Agreement, ...]:
    """Return the agreements of a file or a folder.

    Raises:
        DocumentError: with every problem of every file.
    """
    return load_agreements(where) if where.is_dir() or not where.exists() else (load_agreement(where),)


def gap_table(agreement: Agreement, *, on: date) -> Table:
    """Return the gap report of one agreement as a table."""
    table = Table(
        title=Text(f"{agreement.id}: {agreement.vendor.legal_name} on {on.isoformat()}"), title_justify="left"
    )
    table.add_column("Clause", no_wrap=True)
    table.add_column("Asks for", ratio=3)
    table.add_column("State", no_wrap=True)
    table.add_column("Why", ratio=4)
    for row in gap_rows(agreement, on=on):
        word, style = STATE_WORDS[row.state]
        why = Text(row.why)
        if row.not_seen:
            why.append(f" {row.not_seen}", style="dim")
        table.add_row(row.clause, Text(row.asks), Text(word, style=style), why)
    return table
