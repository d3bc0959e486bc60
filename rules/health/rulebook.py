"""Whether agreements, network and party files can be used, and which agreements end soon."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from collector.documents import DocumentError
from collector.outcomes import misconfigured, warning, well
from rules.agreements.standing import period, status_on
from rules.rulebook import load_rulebook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import date

    from collector.outcomes import Outcome
    from collector.segments import Network
    from rules.rulebook import RulebookFiles

# A district needs about two months to renew an agreement.
SOON: Final = timedelta(days=60)
# More names in one line help nobody.
NAMED: Final = 5


def rulebook(files: RulebookFiles, *, today: Callable[[Network], date]) -> Iterator[Outcome]:
    """Yield every problem of every file, or how many agreements are in force and which of them need somebody.

    Args:
        files: where the parts lie.
        today: tells the district's local date.
    """
    try:
        found = load_rulebook(files)
    except DocumentError as error:
        for problem in error.problems:
            yield misconfigured(f"{problem.path}:{problem.line}: {problem.what}", remedy=problem.remedy)
        return
    for unused in found.warnings:
        yield warning(f"{unused.path}:{unused.line}: {unused.what}", remedy=unused.remedy)
    day = today(found.network)
    standing = {agreement.id: status_on(agreement, day) for agreement in found.agreements}
    in_force = [each for each in found.agreements if standing[each.id] == "in_force"]
    # What ended and was renewed needs nobody.
    held = {row.match for each in in_force for row in each.domains}
    ended = sorted(
        each.id
        for each in found.agreements
        if standing[each.id] in {"expired", "terminated"} and held.isdisjoint(row.match for row in each.domains)
    )
    ending = sorted(each.id for each in in_force if period(each)[1] - day <= SOON)
    told = f"{len(found.agreements)} agreements, {len(in_force)} in force"
    if not in_force:
        yield warning(f"{told}: no product is covered", remedy="write one: docs/guide-officer.md")
    else:
        yield well(f"{told}; network and party files are good")
    if ending:
        yield warning(f"in force for {SOON.days} more days at most: {_named(ending)}", remedy="renew or end them")
    if ended:
        yield warning(f"no longer in force: {_named(ended)}", remedy="renew them, or see that they are no longer used")


def _named(ids: list[str]) -> str:
    more = len(ids) - NAMED
    return ", ".join(ids[:NAMED]) + (f" and {more} more" if more > 0 else "")
