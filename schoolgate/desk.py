"""The verbs of `schoolgate desk`: the case desk, and who may sign in to it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from schoolgate.verb_list import VerbList

app = typer.Typer(
    cls=VerbList, help="The case desk: a web page for the privacy officer, and the notifier.", rich_markup_mode=None
)
users_app = typer.Typer(
    cls=VerbList, help="Who may sign in to the case desk.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(users_app, name="users")

Config = Annotated[Path, typer.Option(readable=False, help="Configuration file; `desk.users` in it names the file.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="What they sign in with: small letters, digits, . _ @ -")]


@app.callback(invoke_without_command=True)
def desk(
    context: typer.Context,
    config: Annotated[Path | None, typer.Option(readable=False, help="Configuration file.")] = None,
    metrics: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Where Prometheus reads.")] = None,
) -> None:
    """Serve the case desk until Ctrl-C, and tell of cases as `notify` in the configuration says.

    It reads and writes the case store alone. With `desk.users` in the configuration people sign in with a password;
    without it the desk listens on this machine only and prints an address that signs in once.
    """
    if context.invoked_subcommand is None:
        if config is None:
            raise typer.BadParameter("name the configuration file", param_hint="--config")
        from schoolgate.desk_service import serve

        serve(config, listen=metrics)


@users_app.command()
def add(
    name: Name,
    config: Config,
    role: Annotated[
        Literal["officer", "it", "auditor"],
        typer.Option(
            help="officer: reads and acts; it: reads, without notes; auditor: reads everything, changes nothing."
        ),
    ] = "officer",
    password_file: Annotated[
        Path | None,
        typer.Option(readable=False, help="File whose first line is the password; otherwise it is asked for."),
    ] = None,
) -> None:
    """Let somebody sign in, or give them a new password or role. A desk that runs notices at once."""
    from schoolgate.desk_users import add as do

    do(config, name=name, role=role, password_file=password_file)


@users_app.command(name="list")
def list_users(config: Config) -> None:
    """List who may sign in, one a line: name and role."""
    from schoolgate.desk_users import listed

    listed(config)


@users_app.command()
def remove(name: Name, config: Config) -> None:
    """Let somebody sign in no more. A desk that runs signs them out at once."""
    from schoolgate.desk_users import remove as do

    do(config, name=name)
