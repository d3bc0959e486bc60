"""What was destroyed in one year, when, and under which rule: from the case log, whose rows anybody can check.

It names days, ids of cases and numbers in bands, and nothing of what was destroyed.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from collector.problems import on_one_line
from rules.store.sealing import FORGOTTEN_KIND, PURGED_KIND

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rules.export.evidence_pack import Origin
    from rules.retention import Policy
    from rules.store.chain import Head
    from rules.store.keys import SpentKey
    from rules.store.rows import LogEntry

KIND: Final = "schoolgate-purges-of-a-year"
NOTHING: Final = "  nothing"
LIMITS: Final = (
    "Rows that were let go are counted in bands, and days are local days of the district.",
    "Flow events and keys of pseudonyms go by the clock of broker and collector, which write no row for each.",
    "So do the keys of the judges' open days, which go with the day.",
    "What was held of those when this was made stands here, as `schoolgate privacy report` sees it.",
    "What was handed out, copied or backed up before is with whoever has it; no key that is here opens it.",
    "Purges of releases that wrote no row are not in it.",
)


def purges_of_a_year(
    log: Iterable[LogEntry],
    *,
    year: int,
    keys: Sequence[SpentKey],
    policy: Policy,
    head: Head,
    held: Sequence[Mapping[str, Any]],
    origin: Origin,
) -> dict[str, Any]:
    """Return the certificate of *year* (UTC), ready for JSON.

    Args:
        log: the case log.
        year: of which.
        keys: keys that were destroyed, of any year.
        policy: how long the district keeps what, as it is now.
        head: where the log ends.
        held: what is held now of flow events and of keys of pseudonyms.
        origin: where it is made.
    """
    spent = [key for key in keys if key.destroyed_at.startswith(f"{year:04}-")]
    return {
        "v": 1,
        "kind": KIND,
        "district": origin.district,
        "year": year,
        "made_at": origin.made_at,
        "software": origin.software,
        "rules": _rules(policy),
        **rows_of_a_year(log, year=year),
        "keys": [{"of": key.owner, "number": key.number, "destroyed_at": key.destroyed_at} for key in spent],
        "held": list(held),
        "log": {"entries": head.entries, "hash": head.hash},
        "limits": list(LIMITS),
    }


def rows_of_a_year(log: Iterable[LogEntry], *, year: int) -> dict[str, list[dict[str, Any]]]:
    """Return what the log tells of *year*: `purges` and forgotten `cases`, each with its place in the chain."""
    rows = [row for row in log if row.at.startswith(f"{year:04}-")]
    purges = [{**_place(row), **_told(row)} for row in rows if row.kind == PURGED_KIND]
    cases = [{**_place(row), "case": row.case_id, **_told(row)} for row in rows if row.kind == FORGOTTEN_KIND]
    return {"purges": purges, "cases": cases}


def as_text(told: Mapping[str, Any]) -> str:
    """Return a certificate as lines for a person."""
    lines = [
        f"{told['district']}: what Schoolgate destroyed in {told['year']}",
        f"Made at {told['made_at']} by Schoolgate {told['software']}",
        "",
        "Rules as they are now",
        *(f"  {name.replace('_', ' ')}: {value}" for name, value in told["rules"].items()),
        "",
        "Let go when its time had come",
    ]
    lines += [f"  {_at(purge)}: {_gone(purge)}" for purge in told["purges"]] or [NOTHING]
    lines += ["", "Cases that were forgotten"]
    lines += [f"  {_at(case)}: {case['case']}, by {case['by']}: {case['text']}" for case in told["cases"]] or [NOTHING]
    lines += ["", "Keys that were destroyed"]
    spent = [f"  {key['destroyed_at']}  of {key['of']}, number {key['number']}" for key in told["keys"]]
    lines += [*(spent or [NOTHING]), "", "Held when this was made", *map(_held, told["held"])]
    lines += ["", f"End of the case log: row {told['log']['entries']}, hash {told['log']['hash']}", "", "Limits"]
    return on_lines([*lines, *(f"  {limit}" for limit in told["limits"])])


def on_lines(lines: Iterable[str]) -> str:
    """Return *lines* as one text in which nobody's words make a line of their own."""
    return "".join(f"{on_one_line(line)}\n" for line in lines)


def _at(row: Mapping[str, Any]) -> str:
    return f"{row['at']}  row {row['row']}"


def _gone(purge: Mapping[str, Any]) -> str:
    removed = ", ".join(f"{place}: {rows}" for place, rows in purge["removed"].items())
    return f"{removed}; evidence of {', '.join(purge['days'])}" if purge["days"] else removed


def _held(each: Mapping[str, Any]) -> str:
    wrong = f"; WRONG: {each['overdue']}" if each["overdue"] else ""
    unseen = f"; not seen: {each['unseen']}" if each["unseen"] else ""
    return (
        f"  {each['name']}: {each['what']}; since {each['since'] or 'nothing is there'}; {each['keep']}{wrong}{unseen}"
    )


def _rules(policy: Policy) -> dict[str, str]:
    cases = "until somebody forgets it" if policy.case_days is None else f"{policy.case_days} days after its end"
    return {
        "findings": f"{policy.finding_days} days",
        "counts_of_contacts": f"{policy.finding_days} days",
        "contacts_of_open_days": "72 hours",
        "cases": cases,
        "what_was_told": f"{policy.told_days} days",
        "who_signed_in": f"{policy.access_days} days",
    }


def _place(row: LogEntry) -> dict[str, Any]:
    return {"row": row.seq, "hash": row.hash, "at": row.at}


def _told(row: LogEntry) -> dict[str, Any]:
    return {name: value for name, value in json.loads(row.entry).items() if name != "v"}
