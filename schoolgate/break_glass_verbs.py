"""The verbs of `schoolgate break-glass`: find one device of today, when two people say so."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from schoolgate.verb_list import VerbList

app = typer.Typer(
    cls=VerbList,
    help="Find one device of today, when two people say so. Off unless `privacy.break_glass` is written.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Config = Annotated[Path, typer.Option(readable=False, help="Configuration file.")]
Device = Annotated[str, typer.Option(help="The device's number of today: 16 hexadecimal digits.")]
Who = Annotated[str, typer.Option("--as", help="Your name at the case desk.")]
Password = Annotated[
    Path | None, typer.Option(readable=False, help="File whose first line is your password; none: it is asked for.")
]


@app.command()
def keys(config: Config) -> None:
    """Make the key that signs and the key that checks. The first stays where the case store is."""
    from schoolgate.break_glass import make_keys

    make_keys(config)


@app.command()
def request(
    config: Config,
    device: Device,
    reason: Annotated[str, typer.Option(help="What the alarm was; it stands in the case log for ever.")],
    who: Who,
    password_file: Password = None,
) -> None:
    """Ask for one device (not as an officer). Prints the name of the request; give it and the number to an officer."""
    from schoolgate.break_glass import request as do

    do(config, device=device, reason=reason, who=who, password_file=password_file)


@app.command()
def approve(
    config: Config,
    named: Annotated[str, typer.Option("--request", help="Name of the request.")],
    device: Device,
    who: Who,
    password_file: Password = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask: you know what was asked, and why.")] = False,
) -> None:
    """Allow a request (as an officer who did not ask), once you saw it. Prints an approval: once, an hour at most."""
    from schoolgate.break_glass import approve as do
    from schoolgate.break_glass import check_terminal

    def agreed(question: str) -> bool:
        if yes:
            return True
        check_terminal()
        return typer.confirm(question, err=True)

    do(config, named=named, device=device, who=who, password_file=password_file, agreed=agreed)


@app.command("open")
def open_(
    config: Config,
    approval: Annotated[Path, typer.Option(readable=False, help="File with the approval; -: standard input.")],
) -> None:
    """Ask the collector of this machine for the address behind an approval."""
    from schoolgate.break_glass import open_glass

    raise typer.Exit(open_glass(config, approval=approval))
