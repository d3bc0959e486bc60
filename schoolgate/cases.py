"""The verbs of `schoolgate cases`: what the case store holds, and whether its log is as it was written."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rules.versions import FORGOTTEN
from schoolgate.verb_list import VerbList

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.segments import Network
    from rules.store import Store, Unreadable

app = typer.Typer(
    cls=VerbList, help="The case store: list, show, export, verify and forget cases.", rich_markup_mode=None
)

Config = Annotated[Path, typer.Option(readable=False, help="Configuration file.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print as JSON, counts exact.")]


@app.callback(invoke_without_command=True)
def cases(
    context: typer.Context,
    config: Annotated[Path | None, typer.Option(readable=False, help="Configuration file.")] = None,
    *, as_json: AsJson = False,
) -> None:  # fmt: skip
    """List the open cases; `show` shows one."""
    if context.invoked_subcommand is None:
        if config is None:
            raise typer.BadParameter("name the configuration file", param_hint="--config")
        list_cases(config, as_json=as_json)


@app.command(name="list")
def list_cases(config: Config, *, as_json: AsJson = False) -> None:
    """List the open cases with coverage, as `check` shows them."""
    from rules.service import stored_frame, stored_report

    with stored(config) as (store, network):
        report, frame = stored_report(store), stored_frame(store)
        locked = sum(gone.at is None for gone in store.unreadable())
    if locked:
        from schoolgate.shell import say

        say(f"{locked} cases cannot be read: their keys are not here; restore them with the store")
    if as_json:
        sys.stdout.write(json.dumps(report, indent=1) + "\n")
    else:
        from rich.console import Console

        from rules.console import show_report

        # People are told as well what the collector kept back.
        show_report({**report, "coverage": frame["coverage"]}, Console(), zone=network.time_zone)


@app.command()
def show(
    case: Annotated[str, typer.Argument(help="Id of the case, or its first characters.")], config: Config,
    *, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Show one case, open or not, and what became of it."""
    with stored(config) as (store, network):
        found = [row for key, row in store.cases().items() if key.startswith(case)]
        gone = [each for each in store.unreadable() if each.id.startswith(case)]
        log = store.log(found[0].id) if len(found) == 1 else []
    if not found and len(gone) == 1:
        _show_unreadable(gone[0], as_json=as_json)
        return
    if len(found) != 1:
        what = "no case has" if not found else f"{len(found)} cases have"
        raise typer.BadParameter(f"{what} an id that starts with {case}; `schoolgate cases list` shows the open ones")
    row, told = found[0], json.loads(found[0].body)
    if as_json:
        entries = [{"at": each.at, "kind": each.kind, **json.loads(each.entry)} for each in log]
        evidence = json.loads(row.evidence) if row.evidence else None
        whole = {**told, "state": row.state, "status": row.status, "evidence": evidence, "log": entries}
        sys.stdout.write(json.dumps(whole, indent=1) + "\n")
    else:
        from rich.console import Console

        from rules.console import show_case, show_log

        console = Console()
        show_case(told, console, zone=network.time_zone)
        show_log(log, console, zone=network.time_zone)


def _show_unreadable(gone: Unreadable, *, as_json: bool) -> None:
    """Say of a case of which nothing can be read what is left of it."""
    if as_json:
        told = {"id": gone.id, "state": FORGOTTEN, "at": gone.at, "by": gone.by, "reason": gone.reason}
        sys.stdout.write(json.dumps(told, indent=1) + "\n")
    else:
        from collector.problems import on_one_line

        sys.stdout.write(on_one_line(f"Case {gone.id}: {gone.words}") + "\n")


@app.command()
def verify(
    config: Config,
    anchor: Annotated[
        Path | None,
        typer.Option(readable=False, help="File with lines that `verify` printed earlier: nothing before changed."),
    ] = None,
    *, as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:  # fmt: skip
    """Check that the case log is as it was written; exits with 1 and names the row where it is not.

    Prints the number of entries and the hash of the last one. Keep that line in another place: given back with
    --anchor, it also shows a log that was cut off or made anew as a whole, which the store alone cannot show.
    """
    from schoolgate.case_log import verify as do
    from schoolgate.shell import Exit

    raise typer.Exit(Exit.DONE if do(config, anchor=anchor, as_json=as_json) else Exit.CASES)


@app.command()
def export(
    config: Config,
    cases: Annotated[
        list[str] | None, typer.Argument(metavar="[CASE]...", help="Ids, or their first characters; none: all cases.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="New file to write: a zip.")] = None,
    annual: Annotated[int | None, typer.Option(metavar="YEAR", min=1970, max=9999, help="Public table.")] = None,
    key: Annotated[
        Path | None, typer.Option(readable=False, help="With --oversight: signing key (PEM); made when missing.")
    ] = None,
    *,
    hosts: Annotated[
        bool,
        typer.Option("--hosts", help="Host list for a firewall; --out NAME.rpz: a zone, .zip: both, none: print."),
    ] = False,
    oversight: Annotated[
        bool, typer.Option("--oversight", help="Signed statement for an independent oversight body.")
    ] = False,
) -> None:
    """Write evidence packs of cases: what was promised, what was seen, method, limits, and the proof of the log.

    Counts go in bands and times in steps of 15 minutes. A file that is there already is never overwritten.
    """
    from schoolgate import exports

    if (annual is not None) + hosts + oversight > 1 or (cases and (annual is not None or hosts or oversight)):
        raise typer.BadParameter("choose one of CASE, --annual, --hosts and --oversight")
    if hosts:
        exports.hosts(config, out=out)
        return
    if out is None:
        raise typer.BadParameter("name the file to write", param_hint="--out")
    if oversight:
        if key is None:
            raise typer.BadParameter("name the file of the signing key", param_hint="--key")
        exports.oversight(config, out=out, key_file=key)
    elif annual is not None:
        exports.annual(config, year=annual, out=out)
    else:
        exports.evidence(config, cases=list(cases or ()), out=out)


@app.command()
def forget(  # noqa: PLR0913 -- one for each word of the verb
    cases: Annotated[list[str], typer.Argument(metavar="CASE...", help="Ids, or their first characters.")],
    config: Config,
    reason: Annotated[str, typer.Option(help="Why. It stays readable: write nothing of the case into it.")],
    by: Annotated[str | None, typer.Option(help="Who forgets them; not given: the user of this computer.")] = None,
    certificate: Annotated[
        Path | None, typer.Option(help="New file for the certificate (zip); not given: beside the configuration.")
    ] = None,
    key: Annotated[Path | None, typer.Option(readable=False, help="Signing key (PEM); made when missing.")] = None,
    backup: Annotated[
        list[Path] | None, typer.Option(readable=False, help="File of `store backup`: try to read them in it, too.")
    ] = None,
    keys: Annotated[
        Path | None, typer.Option(readable=False, help="File of keys: look whether it holds one that was destroyed.")
    ] = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say which cases it would be, and do nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Destroy the keys of cases: nobody can read them any more, in the store, in Kafka or in a backup.

    What was seen up to now makes no case again; what is seen later does. Writes a purge certificate, and
    writes it again where they are forgotten already.
    """
    from schoolgate.forget import Wish, forget_cases

    wish = Wish(
        cases=tuple(cases), reason=reason, by=by, certificate=certificate, key=key,
        backups=tuple(backup or ()), keys=keys,
    )  # fmt: skip
    forget_cases(config, wish, dry_run=dry_run, agreed=lambda question: yes or typer.confirm(question, err=True))


@contextmanager
def stored(config: Path) -> Iterator[tuple[Store, Network]]:
    """Give the case store of *config*, and the network file."""
    from collector.segments import load_network
    from schoolgate.configuration import configuration_at

    network = load_network(config.parent / configuration_at(config).network)
    with opened(config) as store:
        yield store, network


@contextmanager
def opened(config: Path) -> Iterator[Store]:
    """Give the case store of *config*, which has to be there."""
    from schoolgate.configuration import configuration_at
    from schoolgate.existing_store import existing_store

    store = existing_store(configuration_at(config), config=config)
    try:
        yield store
    finally:
        store.close()
