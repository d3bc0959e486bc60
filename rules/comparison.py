"""What another set of agreements would have said of the same traffic: two reports, case by case. Pure: data in and out.

A case is the same one in both reports when its id is, that is agreement, rule, clause and subject. What changed between
them is told field by field, the sentences among the fields, so that nothing changes silently.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

COMPARISON_VERSION: Final = 1


def compare(here: Mapping[str, Any], there: Mapping[str, Any], *, against: str) -> dict[str, Any]:
    """Return the difference between two reports (contract, section 5) on the same events.

    Args:
        here: the report by the agreements in use.
        there: the report by the others.
        against: where the others lie, as the user named it.

    Returns:
        `only_here` (gone by the other set), `only_there` (opened by it), `changed` (before, after, and the fields that
        differ), `unchanged` (how many), `clauses`, the clause states that differ (null: no such agreement there), and
        the `errors` of reading the input.
    """
    mine = {case["id"]: case for case in here["cases"]}
    theirs = {case["id"]: case for case in there["cases"]}
    changed = [
        {"id": key, "before": before, "after": theirs[key], "fields": fields}
        for key, before in mine.items()
        if key in theirs and (fields := differing(before, theirs[key]))
    ]
    return {
        "v": COMPARISON_VERSION,
        "against": against,
        "only_here": [case for key, case in mine.items() if key not in theirs],
        "only_there": [case for key, case in theirs.items() if key not in mine],
        "changed": changed,
        "unchanged": len(mine.keys() & theirs.keys()) - len(changed),
        "clauses": _clauses(here, there),
        "errors": list(here["errors"]),
    }


def differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return the fields in which two rows differ, in the order of the first; a field that one lacks differs."""
    return [name for name in {**before, **after} if before.get(name, _ABSENT) != after.get(name, _ABSENT)]


_ABSENT: Final = object()


def _clauses(here: Mapping[str, Any], there: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the clause states that differ, by agreement and in the order of the clauses."""
    mine = {row["id"]: row["clauses"] for row in here["agreements"]}
    theirs = {row["id"]: row["clauses"] for row in there["agreements"]}
    return [
        {"agreement": key, "clause": clause, "before": before.get(clause), "after": after.get(clause)}
        for key in sorted({*mine, *theirs})
        for before, after in ((mine.get(key, {}), theirs.get(key, {})),)
        for clause in {**before, **after}
        if before.get(clause) != after.get(clause)
    ]
