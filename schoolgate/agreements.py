"""The verbs of `schoolgate agreements`: work on agreement files."""

from __future__ import annotations

import sys
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="agreements",
    help="Work on agreement files: check them, explain them, show what they leave out.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Where = Annotated[
    Path, typer.Argument(readable=False, help="One agreement file, or a folder of them.", show_default=False)
]


@app.command()
def validate(
    where: Where,
    network: Annotated[Path | None, typer.Option(readable=False, help="Check this network file too.")] = None,
    parties: Annotated[
        list[Path] | None, typer.Option(readable=False, help="Check this party file too (repeatable).")
    ] = None,
) -> None:
    """Check files and show every problem at once, one a line: FILE:LINE: what is wrong; what to write instead.

    Exits with 0 when all is well, with 2 when anything is wrong.
    """
    from rules.agreements import show

    sys.stdout.write(show.validate(where, network=network, parties=parties or ()) + "\n")


@app.command()
def explain(where: Where) -> None:
    """Say in plain English what each agreement promises: one page per vendor, for parents and teachers."""
    from rules.agreements import show

    sys.stdout.write(show.explained(where) + "\n")


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
    from rich.console import Console

    from rules.agreements import show

    day = on.date() if on else date.today()  # noqa: DTZ011 -- the reader's own today
    if as_json:
        sys.stdout.write(show.gaps_as_json(where, on=day) + "\n")
        return
    console = Console()
    for table in show.gap_tables(where, on=day):
        console.print(table)
        console.print()


@app.command()
def schema() -> None:
    """Print the JSON Schema of agreement files, with a description of every field, for editors and other programs."""
    from rules.agreements import show

    sys.stdout.write(show.schema_as_json() + "\n")
