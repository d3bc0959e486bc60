"""Clause by clause: which rules judge it, by what a tap sees, against which field, and what nobody can see. Pure.

The rules are those of the registry and their words stand where each rule is, so that this table cannot fall behind
them. The clauses and the fields behind their states are those of the gap report.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from rules.agreements.gaps import FIELDS, NOT_SEEN_ON_A_NETWORK, State, clause_states
from rules.agreements.vocabulary import CLAUSES, Clause

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

    from rules.agreements.model import Agreement
    from rules.checks.base import Check, Maturity, Need

TABLE_VERSION: Final = 1

UNSEEN: Final[dict[Clause, str]] = {
    **NOT_SEEN_ON_A_NETWORK,
    "R0": "Who opened the product and what for cannot be seen on a network; only that a device contacted it.",
    "R5": "Whether an algorithm ran, and by which rules, cannot be seen on a network; only that the product is in use.",
    "R6": "What was signed and is not in the files, or accepted by a click elsewhere, cannot be seen on a network.",
    "6c": "Which data was sent, and what the vendor's servers do with it, cannot be seen on a network.",
    "6d": "What the vendor's servers pass on to others, the larger part, cannot be seen on a network.",
    "6e": "Whether somebody clicked or was sent on cannot be seen on a network; only which site came next.",
    "6f": "What is kept, how long, and who has access cannot be seen on a network; only how and where data travels.",
    "6g": "How the product uses data to improve itself cannot be seen on a network; only to whom it reports.",
}
"""Clause -> what a network cannot show about it, in one plain sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleRow:
    """One rule under one clause."""

    rule: str
    """Rule id."""
    maturity: Maturity
    """How long it has proved itself."""
    signal: str
    """What of the tap it reads."""
    fields: tuple[str, ...]
    """Fields of the agreement with which that is compared."""
    cannot_see: str
    """What it is blind to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClauseRow:
    """One clause."""

    clause: Clause
    """Clause id."""
    asks: str
    """What it asks for, in plain words."""
    rules: tuple[RuleRow, ...]
    """The rules that judge it, in the order of the contract; empty: it is answered from the agreement alone."""
    fields: tuple[str, ...]
    """Fields of the agreement on which its state in the gap report rests."""
    cannot_see: str
    """What a network cannot show about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Supplied:
    """What the district supplies beside agreements and flows."""

    party_list: bool
    """A party list of its own."""
    location_database: bool
    """A country database."""
    calendar: bool
    """A calendar in the network file."""
    under_13_group: bool
    """At least one group marked `under_13` in the network file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A rule that says less than it could."""

    rule: str
    """Rule id."""
    silent: bool
    """True: it can open no case at all."""
    why: str
    """What is missing and what to do, in one plain sentence."""


_WITHOUT: Final[dict[Need, tuple[bool, str]]] = {
    "party_list": (
        False,
        "No party list of the district was given (--parties): only companies in the project's small list are known.",
    ),
    "location_database": (
        True,
        "No location database was given (--location), so the country of a server is not known.",
    ),
    "calendar": (
        False,
        "The network file has no `calendar`: school is taken to be on weekdays from 07:30 to 16:00, without holidays.",
    ),
    "under_13_group": (True, "No group of the network file is marked `under_13: true`."),
}
"""What is missing -> whether the rule is silent without it, and the sentence."""


def clause_table(checks: Iterable[Check]) -> tuple[ClauseRow, ...]:
    """Return a row for every clause, in the order of the research brief, with every check under each of its clauses."""
    known = tuple(checks)
    return tuple(
        ClauseRow(
            clause=clause,
            asks=asks,
            rules=tuple(_rule(check) for check in known if clause in check.clauses),
            fields=FIELDS[clause],
            cannot_see=UNSEEN[clause],
        )
        for clause, asks in CLAUSES.items()
    )


def limits(checks: Iterable[Check], *, supplied: Supplied) -> tuple[Limit, ...]:
    """Return which rules are silent or short of sight because the district did not supply what they need."""
    return tuple(
        Limit(rule=check.id, silent=_WITHOUT[need][0], why=_WITHOUT[need][1])
        for check in checks
        for need in check.needs
        if not getattr(supplied, need)
    )


def state_counts(agreements: Iterable[Agreement], *, on: date) -> dict[Clause, dict[State, int]]:
    """Return clause -> state -> how many agreements stand so on the local date *on*; every state is named."""
    counts: dict[Clause, Counter[State]] = {clause: Counter() for clause in CLAUSES}
    for agreement in agreements:
        for clause, found in clause_states(agreement, on=on).items():
            counts[clause][found.state] += 1
    return {clause: {state: count[state] for state in STATES} for clause, count in counts.items()}


STATES: Final[tuple[State, ...]] = ("met", "not_met", "not_stated", "not_applicable")


def table_as_data(
    rows: Iterable[ClauseRow],
    *,
    counts: Mapping[Clause, Mapping[State, int]] | None,
    lacking: Iterable[Limit] | None,
    on: date | None,
) -> dict[str, Any]:
    """Return the table ready for JSON.

    Args:
        rows: as `clause_table` makes them.
        counts: as `state_counts` makes them; None: no agreements were given.
        lacking: as `limits` makes them; None: it is not known what the district supplies.
        on: the local date that the states speak of; None: there are none.
    """
    return {
        "v": TABLE_VERSION,
        "on": None if on is None else on.isoformat(),
        "clauses": [
            {**asdict(row), "agreements": None if counts is None else dict(counts[row.clause])} for row in rows
        ],
        "limits": None if lacking is None else [asdict(limit) for limit in lacking],
    }


def _rule(check: Check) -> RuleRow:
    return RuleRow(
        rule=check.id,
        maturity=check.maturity,
        signal=check.signal,
        fields=check.fields,
        cannot_see=check.blind_to,
    )
