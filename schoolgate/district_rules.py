"""The district's own rules: `schoolgate rules check` and `schoolgate rules names`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from schoolgate.verb_list import VerbList

app = typer.Typer(
    cls=VerbList, help="The district's own rules, written as CEL expressions over one flow.", no_args_is_help=True
)

EXAMPLE = """\
A complete file:

\b
schema: schoolgate/rules/1
rules:
  - id: district-social-in-lessons
    title: Social media in lessons
    clause: 6c
    severity: warning
    when: party.kind == "social" && in_school_hours
    says: Policy 12 of the district keeps social media out of lessons.
    cannot_see: Who used it, and what for, cannot be seen.
    groups: [k-5, 6-8]
    examples:
      true:
        - {party.kind: social, hour: 10}
      false:
        - {party.kind: social, in_school_hours: false}
        - {party.kind: education}

An example names what differs from a usual flow in school hours; at least one must be true and one false, and a rule
whose examples do not hold is refused. `schoolgate rules names` lists what `when` may ask for. The file counts with
--rules FILE of `schoolgate check`, and with `rules: [FILE]` in the configuration.
"""


@app.command(epilog=EXAMPLE)
def check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", readable=False, help="Files of rules (YAML).")],
) -> None:
    """Lint, type and try rules, and show each with its examples. Judges nothing.

    Exits with 0 when every rule is good, with 2 when anything is wrong: one line each, PATH:LINE: what; what instead.
    """
    from rules.district.load import load_district_rules
    from rules.district.show import checked

    sys.stdout.write(checked(load_district_rules(files)) + "\n")


@app.command()
def names() -> None:
    """List every name that `when` may ask for: its type, its values, what it is.

    No rule sees a device, an address, a port, or a time finer than the hour.
    """
    from rules.district.show import names as listed

    sys.stdout.write(listed() + "\n")
