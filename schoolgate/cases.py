"""The verbs of `schoolgate cases`: what the case store holds."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collector.segments import Network

app = typer.Typer(help="The case store: list and show cases.", rich_markup_mode=None)

Config = Annotated[Path, typer.Option(readable=False, help="Configuration file.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the report as JSON, counts exact.")]


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
    report, network = stored(config)
    if as_json:
        sys.stdout.write(json.dumps(report, indent=1) + "\n")
    else:
        from rich.console import Console

        from rules.console import show_report

        show_report(report, Console(), zone=network.time_zone)


@app.command()
def show(
    case: Annotated[str, typer.Argument(help="Id of the case, or its first characters.")], config: Config,
    *, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Show one case."""
    report, network = stored(config)
    found = [row for row in report["cases"] if row["id"].startswith(case)]
    if len(found) != 1:
        what = "no open case has" if not found else f"{len(found)} cases have"
        raise typer.BadParameter(f"{what} an id that starts with {case}; `schoolgate cases list` shows them")
    if as_json:
        sys.stdout.write(json.dumps(found[0], indent=1) + "\n")
    else:
        from rich.console import Console

        from rules.console import show_case

        show_case(found[0], Console(), zone=network.time_zone)


def stored(config: Path) -> tuple[dict[str, Any], Network]:
    """Return the report that the case store of *config* holds, and the network file."""
    from collector.segments import load_network
    from rules.service import stored_report
    from rules.store import Store
    from schoolgate.configuration import configuration_at, store_address

    settings = configuration_at(config)
    store = Store(store_address(settings.store, folder=config.parent))
    try:
        return stored_report(store), load_network(config.parent / settings.network)
    finally:
        store.close()
