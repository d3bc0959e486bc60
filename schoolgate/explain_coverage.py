"""What is judged, clause by clause, and how a district's own agreements stand: `schoolgate explain-coverage`."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from rich.console import Console

from rules.checks.registry import all_checks
from rules.clause_table import Supplied, clause_table, limits, state_counts, table_as_data
from rules.clause_view import show_clauses
from rules.rulebook import load_rulebook
from schoolgate.shell import today

if TYPE_CHECKING:
    from datetime import date
    from typing import Any

    from rules.rulebook import RulebookFiles


def explain_coverage(files: RulebookFiles | None, *, on: date | None, as_json: bool) -> None:
    """Print the table of clauses.

    Args:
        files: what the district supplies; None: the table alone, without its agreements.
        on: local date that clause states speak of; None: the district's today.
        as_json: print JSON.

    Raises:
        DocumentError: a file of the district is wrong.
    """
    table = _general() if files is None else _of_district(files, on=on)
    if as_json:
        sys.stdout.write(json.dumps(table, indent=1) + "\n")
    else:
        show_clauses(table, Console())


def _general() -> dict[str, Any]:
    checks = all_checks((), party_of=lambda _: None)
    return table_as_data(clause_table(checks), counts=None, lacking=None, on=None)


def _of_district(files: RulebookFiles, *, on: date | None) -> dict[str, Any]:
    rulebook = load_rulebook(files)
    network = rulebook.network
    checks = all_checks(
        rulebook.agreements,
        party_of=rulebook.parties.find,
        country_of=rulebook.locations.country if rulebook.locations else None,
        district=rulebook.rules,
    )
    supplied = Supplied(
        party_list=bool(files.parties),
        location_database=rulebook.locations is not None,
        calendar=network.calendar_stated,
        under_13_group=any(facts.under_13 and facts.role != "staff" for facts in network.groups.values()),
    )
    day = on or today(network)
    stated = files.agreements is not None
    return table_as_data(
        clause_table(checks),
        counts=state_counts(rulebook.agreements, on=day) if stated else None,
        lacking=limits(checks, supplied=supplied),
        on=day if stated else None,
    )
