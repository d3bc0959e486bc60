"""Shows what rules of a district say, and how they fared on their examples: text for `schoolgate rules check`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rules.agreements.vocabulary import CLAUSES
from rules.district.variables import VARIABLES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rules.district.rule import DistrictRule
    from rules.district.variables import Value


def checked(rules: Sequence[DistrictRule]) -> str:
    """Return each rule with its examples, all of which hold: one that does not is never loaded."""
    lines = [line for rule in rules for line in _one(rule)]
    number = "1 rule is" if len(rules) == 1 else f"{len(rules)} rules are"
    return "\n".join([*lines, f"{number} good."])


def names() -> str:
    """Return every name that a rule may use, its type, its words and what it is, one a line."""
    width = max(map(len, VARIABLES))
    lines = []
    for name, variable in VARIABLES.items():
        words = f" ({', '.join(variable.words)})" if variable.words else ""
        lines.append(f"{name:<{width}}  {variable.type:<12}  {variable.about}{words}")
    return "\n".join(lines)


def _one(rule: DistrictRule) -> Iterator[str]:
    row = rule.row
    yield f"{rule.path}:{rule.line}: {row.id}: {row.title}"
    where = "; ".join(
        f"{word} {', '.join(named)}"
        for word, named in (("in groups", row.groups), ("at hosts of", row.agreements))
        if named is not None
    )
    yield f"  clause {row.clause} ({CLAUSES[row.clause]})"
    yield f"  {row.severity}, {row.verdict}, from {rule.at_least_device_days} device-days on" + (
        f"; {where}" if where else ""
    )
    yield f"  when {' '.join(row.when.split())}"
    yield f"  asks for {', '.join(sorted(rule.names)) or 'nothing'}"
    for word, flows in (("true", row.examples.true), ("false", row.examples.false)):
        for flow in flows:
            yield f"  {word:<5} for {_flow(flow)}"
    yield ""


def _flow(named: Mapping[str, Value]) -> str:
    return ", ".join(f"{name}: {_value(value)}" for name, value in named.items()) or "a usual flow"


def _value(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"[{', '.join(value)}]" if isinstance(value, list) else str(value) or '""'
