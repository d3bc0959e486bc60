"""The verbs of `schoolgate store`: backup and restore."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Back the case store up, and restore it.", no_args_is_help=True, rich_markup_mode=None)

Config = Annotated[Path, typer.Option(readable=False, help="Configuration file; it names the store.")]


@app.command()
def backup(out: Annotated[Path, typer.Argument(help="New file to write (gzip).")], config: Config) -> None:
    """Write everything in the store into one file, while others use the store. Keys are never in it."""
    from rules.store.backup import back_up
    from schoolgate.cases import opened
    from schoolgate.shell import say

    with opened(config) as store:
        rows = back_up(store, out)
    say(f"{rows:,} rows written to {out}")


@app.command()
def restore(
    source: Annotated[Path, typer.Argument(metavar="IN", help="File that `backup` wrote.")], config: Config
) -> None:
    """Put a backup into the empty store of the configuration, SQLite or PostgreSQL, and check its case log."""
    from rules.store.backup import restore as do
    from schoolgate.cases import opened
    from schoolgate.shell import say

    with opened(config) as store:
        head = do(store, source)
    say(f"restored; the case log is intact: {head.entries:,} entries, the last one's hash is {head.hash}")
