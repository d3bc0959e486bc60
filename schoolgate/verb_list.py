"""How a list of verbs is printed: each with its whole first sentence. Cut off with dots it would explain nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from typer.core import TyperGroup

if TYPE_CHECKING:
    # Typer's own copy of click, which its groups are made of; it has no public name.
    from typer._click import Context, HelpFormatter

LONGEST: Final = 300
"""Characters of a first sentence; the formatter wraps it."""


class VerbList(TyperGroup):
    """A verb with verbs beneath it."""

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write each verb and its first sentence."""
        verbs = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, verb.get_short_help_str(LONGEST)) for name, verb in verbs if verb is not None])
