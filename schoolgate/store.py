"""The verbs of `schoolgate store`: backup and restore."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from schoolgate.verb_list import VerbList

app = typer.Typer(
    cls=VerbList,
    help="Back the case store up, restore it, and write it anew.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Config = Annotated[Path, typer.Option(readable=False, help="Configuration file; it names the store.")]


@app.command()
def backup(
    out: Annotated[Path, typer.Argument(help="New file to write (gzip).")],
    config: Config,
    keys: Annotated[
        Path | None, typer.Option(help="File for the keys of cases, replaced each time. Keep it apart from backups.")
    ] = None,
) -> None:
    """Write everything in the store into one file, while others use the store. Keys are never in it.

    Without the file of keys a backup shows that there are cases, and nobody can read them. Keep one file of keys, the
    newest: an older one opens what was forgotten since, in older backups. A file with a key that this store never had
    is not replaced, and no backup is written: earlier backups cannot be read without it.
    """
    from rules.store.backup import back_up
    from schoolgate.cases import opened
    from schoolgate.shell import say

    with opened(config) as store:
        rows = back_up(store, out, keys=keys)
    say(f"{rows:,} rows written to {out}")
    if keys is None:
        say("the keys of cases are not in it, and were not asked for (--keys): nobody can read cases from this alone")
    else:
        say(f"the keys of cases are in {keys}; keep them in another place, and no older file of them")


@app.command()
def restore(
    source: Annotated[Path, typer.Argument(metavar="IN", help="File that `backup` wrote.")],
    config: Config,
    keys: Annotated[Path | None, typer.Option(readable=False, help="File of keys that `backup` wrote.")] = None,
    purged: Annotated[
        list[Path] | None,
        typer.Option(readable=False, help="Purge certificate: its cases stay forgotten, whatever the files hold."),
    ] = None,
) -> None:
    """Put a backup into the empty store of the configuration, SQLite or PostgreSQL, and check its case log."""
    from rules.store import Store
    from rules.store.backup import restore as do
    from schoolgate.configuration import configuration_at, store_address
    from schoolgate.forget import destroyed_keys, forget_again
    from schoolgate.shell import say

    certificates = [(path, destroyed_keys(path)) for path in purged or ()]
    with closing(Store(store_address(configuration_at(config).store, folder=config.parent))) as store:
        found = do(store, source, keys=keys)
        for path, gone in certificates:
            again = forget_again(store, gone)
            say(f"{path}: {len(again)} cases are forgotten again")
    head = found.head
    say(f"restored; the case log is intact: {head.entries:,} entries, the last one's hash is {head.hash}")
    if found.without:
        say(f"{found.without:,} cases cannot be read: their keys are not here; restore with `--keys`")
    if found.forgotten:
        say(f"{found.forgotten:,} keys in {keys} are of cases that were forgotten since; they stay destroyed")


@app.command()
def scrub(config: Config) -> None:
    """Write the database anew, so that no page that nobody uses holds a key that was destroyed."""
    from rules.store.scrubbing import SEALED
    from rules.store.scrubbing import scrub as do
    from schoolgate.cases import opened
    from schoolgate.shell import EnvironmentFailedError, say

    with opened(config) as store:
        if not do(store.database, tables=SEALED):
            raise EnvironmentFailedError("others read the store without end; end them and do it again")
    say("the database holds nothing but what is in use")
