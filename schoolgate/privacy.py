"""The verbs of `schoolgate privacy`: what is held and until when; and what is due is let go."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from schoolgate.verb_list import VerbList

app = typer.Typer(
    cls=VerbList, help="What is held, where, and until when.", no_args_is_help=True, rich_markup_mode=None
)

Config = Annotated[Path, typer.Option(readable=False, help="Configuration file.")]


@app.command()
def report(
    config: Config,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Say what is held, in which place, since when, how much, and until when; reads, and changes nothing.

    Exits with 0 when nothing is older than it may be, 1 when something is, 2 when there is no store where the
    configuration names one, 3 when a place cannot be looked at.
    """
    from schoolgate.held import as_data, look
    from schoolgate.held_view import show
    from schoolgate.shell import EnvironmentFailedError

    places = asyncio.run(look(config, now=datetime.now(UTC)))
    if as_json:
        sys.stdout.write(json.dumps(as_data(places), indent=1) + "\n")
    else:
        show(places)
    unseen = [place for place in places if place.unseen]
    if unseen:
        raise EnvironmentFailedError(f"cannot be looked at: {', '.join(place.name for place in unseen)}; see above")
    if any(place.overdue for place in places):
        raise typer.Exit(1)


@app.command()
def purge(
    config: Config,
    *,
    dry: Annotated[bool, typer.Option("--dry-run", help="Only say what is due.")] = False,
    cases: Annotated[
        bool, typer.Option("--cases", help="Forget the cases that are due, too, with a certificate; else name them.")
    ] = False,
) -> None:
    """Let go of what has been kept for as long as it may be. `run`, `judge` and `desk` do it by themselves each hour.

    Cases that are due are only named here, unless you ask for it; then they are forgotten, with a certificate. With
    `privacy.case_certificates` in the configuration it happens by itself.
    """
    from rules.store.retention import purge as do
    from schoolgate.cases import opened
    from schoolgate.configuration import configuration_at
    from schoolgate.due_cases import due_cases_of
    from schoolgate.purging import policy_of
    from schoolgate.shell import EnvironmentFailedError, say

    settings = configuration_at(config)
    with opened(config) as store:
        due = due_cases_of(settings, folder=config.parent, store=store, say=say) if cases and not dry else None
        if cases and not dry and due is None:
            raise typer.BadParameter(
                "`privacy.case_certificates` in the configuration names no folder for certificates"
            )
        found = do(store, policy=policy_of(settings), now=datetime.now(UTC), dry="yes" if dry else "no")
        left = 0 if due is None else len(found.due_cases) - due.forget(found.due_cases)
    for place, rows in sorted(found.removed.items()):
        sys.stdout.write(f"{place}: {rows:,} rows {'would go' if dry else 'gone'}\n")
    if not found.removed:
        sys.stdout.write("nothing is due\n")
    for case_id in found.due_cases if due is None else ():
        sys.stdout.write(f"case {case_id} is due: schoolgate cases forget {case_id} --config {config}\n")
    if left:
        raise EnvironmentFailedError(f"{left} cases that are due are not forgotten; see above why")


@app.command()
def certificate(
    config: Config,
    year: Annotated[int, typer.Option(min=1970, max=9999, help="Of which year, UTC.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON: what `privacy verify` takes.")] = False,
) -> None:
    """Say what was destroyed in a year, when and under which rule, with the rows of the case log that tell of it.

    With --json the case log tells that the certificate was made, by a hash of it.
    """
    from rules.export.purges_of_a_year import as_text
    from schoolgate.certificate import certificate as do
    from schoolgate.certificate import put_down

    told = do(config, year=year, now=datetime.now(UTC))
    if as_json:
        put_down(config, told=told)
    sys.stdout.write(json.dumps(told, indent=1) + "\n" if as_json else as_text(told))


@app.command()
def verify(
    source: Annotated[Path, typer.Argument(metavar="FILE", readable=False, help="What `certificate --json` printed.")],
    config: Config,
) -> None:
    """Compare a certificate of a year with the case log; exits with 1 where the log does not bear it out."""
    from schoolgate.certificate import borne_out
    from schoolgate.shell import say

    wrong = borne_out(config, source=source)
    for each in wrong:
        say(each)
    if wrong:
        raise typer.Exit(1)
    sys.stdout.write("the case log is as it was written, tells the same, row by row, and that this was made so\n")
