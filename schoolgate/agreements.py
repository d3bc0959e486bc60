"""The verbs of `schoolgate agreements`: work on agreement files, and bring them to the judges."""

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
def publish(
    config: Annotated[Path, typer.Option(readable=False, help="Configuration file.")],
    effective: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="From when on the folder holds: 2026-08-01, 2026-08-01T07:30 (local to the district) or "
            "2026-08-01T12:30:00Z. Default: in one to two minutes, when every judge knows of it.",
        ),
    ] = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
) -> None:
    """Bring the agreement folder of the configuration to Kafka, where every judge reads it.

    Events that began before TIME go on being judged by what held then. An agreement that is no longer in the folder is
    withdrawn from TIME on. What is published first of all counts for all earlier time. With any problem in any file
    nothing is published (exit 2); twice is as good as once.
    """
    from schoolgate.publish import publish as do

    do(config, effective=effective, dry_run=dry_run)


@app.command()
def schema() -> None:
    """Print the JSON Schema of agreement files, with a description of every field, for editors and other programs."""
    from rules.agreements import show

    sys.stdout.write(show.schema_as_json() + "\n")
