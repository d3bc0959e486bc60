"""The verbs of the command line: how a list of them is printed, and which of them are made.

In a list each verb has its whole first sentence. Cut off with dots it would explain nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from typer.core import TyperGroup
from typer.main import get_command_name

if TYPE_CHECKING:
    from typer import Typer

    # Typer's own copy of click, which its groups are made of; it has no public name.
    from typer._click import Context, HelpFormatter
    from typer.models import CommandInfo, TyperInfo

LONGEST: Final = 300
"""Characters of a first sentence; the formatter wraps it."""


class VerbList(TyperGroup):
    """A verb with verbs beneath it."""

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write each verb and its first sentence."""
        verbs = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, verb.get_short_help_str(LONGEST)) for name, verb in verbs if verb is not None])


def keep_only(verb: str, *, app: Typer) -> None:
    """Leave *app* no verb but *verb*, where it has it: to make them all takes longer than `check` takes to judge a day.

    What is typed wrong, and a list of verbs, needs all of them; a process runs one verb.
    """
    commands = [info for info in app.registered_commands if _name(info) == verb]
    groups = [info for info in app.registered_groups if _name(info) == verb]
    if commands or groups:
        app.registered_commands, app.registered_groups = commands, groups


def _name(info: CommandInfo | TyperInfo) -> str | None:
    return info.name or (get_command_name(info.callback.__name__) if info.callback else None)
