"""The verbs of `schoolgate agreements`: work on agreement files, and bring them to the judges."""

from __future__ import annotations

import sys
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from schoolgate.verb_list import VerbList

app = typer.Typer(
    cls=VerbList,
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
        list[Path] | None, typer.Option(readable=False, help="Check this party file or lists file too (repeatable).")
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


@app.command("import")
def import_(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE...", readable=False, help="POD (.xml) or CSV (.csv) files.", show_default=False),
    ] = None,
    to: Annotated[Path | None, typer.Option(readable=False, help="Folder for the agreement files.")] = None,
    file_format: Annotated[
        Literal["pod", "csv"] | None, typer.Option("--format", help="Format of the files. Default: by their endings.")
    ] = None,
    state: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="What the district itself states where a source is silent, such as use_gate.status=approved "
            "(repeatable; the file then says who stated it).",
        ),
    ] = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be written.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace agreement files that are there.")] = False,
    template: Annotated[bool, typer.Option("--template", help="Print a CSV file with every column, and end.")] = False,
) -> None:
    """Make agreement files of SIF Privacy Obligations Documents (XML) or of a spreadsheet (CSV, one row a vendor).

    Only what a source says goes into a file; the rest stays out and shows up as a gap. Every file that is written
    passes `agreements validate`. With a problem in any source nothing is written (exit 2); every problem is told with
    its file and line.
    """
    from schoolgate.exchange import Sources, import_agreements, print_template

    if template:
        print_template()
        return
    if not files or to is None:
        raise typer.BadParameter("name FILE... and --to FOLDER, or say --template")
    import_agreements(
        Sources(files=files, format=file_format, states=state or ()), to=to, dry_run=dry_run, overwrite=overwrite
    )


@app.command()
def export(
    agreements: Annotated[Path, typer.Option(readable=False, help="Folder of agreement files.")],
    file_format: Annotated[
        Literal["soppa", "ny", "pod"],
        typer.Option(
            "--format",
            help="soppa: public list of operators (Illinois, HTML and CSV). ny: supplemental information, a sheet a "
            "contract (New York, HTML). pod: SIF Privacy Obligations Documents (XML).",
        ),
    ],
    network: Annotated[
        Path | None, typer.Option(readable=False, help="Network file, for the district's name and its date.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(readable=False, help="File or folder to write. Without it pod goes to standard output."),
    ] = None,
    *,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that are there.")] = False,
) -> None:
    """Write what the public, an office or another program reads of the agreements.

    What an agreement does not state reads "not stated in the agreement"; POD export tells what POD cannot express.
    """
    from schoolgate.exchange import export_agreements

    export_agreements(agreements, as_=file_format, network=network, out=out, overwrite=overwrite)


@app.command()
def evidence(
    recordings: Annotated[
        list[Path], typer.Argument(metavar="FILE.har...", readable=False, help="Recordings of a lab, HAR 1.2.")
    ],
    agreement: Annotated[str, typer.Option(metavar="ID", help="The agreement whose product was opened in the lab.")],
    agreements: Annotated[Path, typer.Option(readable=False, help="Folder of agreement files.")],
    parties: Annotated[
        list[Path] | None, typer.Option(readable=False, help="The district's own party file (repeatable).")
    ] = None,
    *,
    write: Annotated[
        bool, typer.Option("--write", help="Keep it as evidence/ID.yaml in the folder of agreements.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace evidence that was kept before.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Count which third parties a product contacts in a lab, where nothing else is open.

    Record with a fresh browser profile, one tab, no extensions: developer tools, network, "save all as HAR". What is
    kept with --write confirms an attribution (seen in one page load or more) or refutes it (20 page loads or more and
    never seen). Only hosts, counts, kinds of resource and times are read; bodies, cookies, headers, queries and posted
    data are neither kept nor printed.
    """
    from schoolgate.lab import Lab
    from schoolgate.lab import evidence as do

    lab = Lab(recordings=recordings, agreement=agreement, agreements=agreements, parties=parties or ())
    do(lab, write=write, overwrite=overwrite, as_json=as_json)


@app.command()
def schema() -> None:
    """Print the JSON Schema of agreement files, with a description of every field, for editors and other programs."""
    from rules.agreements import show

    sys.stdout.write(show.schema_as_json() + "\n")
