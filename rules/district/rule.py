"""A rule of the district that was read, linted and tried: what it asks, and what became of it while it ran."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b, sha256
from typing import TYPE_CHECKING, Any, Final

from rules.checks.base import USED_DEVICE_DAYS
from rules.district.errors import NoAnswerError, TooCostlyError
from rules.small_numbers import OFFICER_K

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from rules.district.check import Flow
    from rules.district.language import Expression
    from rules.district.model import RuleRow
    from rules.district.variables import Value

# Tells one text of a rule from another among its findings.
MARK_BYTES = 6
NARROW: Final = frozenset({"school", "group", "under_13", "hour", "weekday"})
"""Variables that tell where or when: a case about one class in one hour says of fewer people that they were there."""


@dataclass(slots=True, kw_only=True)
class Running:
    """What became of a rule since it was read. The only thing about a rule that changes."""

    unanswered: int = 0
    """Flows for which it had no answer; they count as flows that it is not about."""
    reason: str = ""
    """Why, the first time."""
    off: bool = False
    """It took more steps than it may, and is asked no more."""
    told: str = ""
    """What was told of it last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DistrictRule:
    """One rule of the district, ready to be asked."""

    row: RuleRow
    """What its file says."""
    expression: Expression
    """Its `when`, compiled."""
    path: str
    """Its file, as the user named it."""
    line: int
    """Line of `when` in it."""
    running: Running = field(default_factory=Running)
    """What became of it."""

    @property
    def id(self) -> str:
        """Id of the rule."""
        return self.row.id

    @property
    def names(self) -> frozenset[str]:
        """Variables that it asks for."""
        return self.expression.names

    @property
    def narrows(self) -> tuple[str, ...]:
        """What of it makes few people of many: variables of `NARROW` that it asks for, and `groups`, if it has any."""
        return (*sorted(self.names & NARROW), *(() if self.row.groups is None else ("groups",)))

    @property
    def at_least_device_days(self) -> int:
        """Distinct pairs of device and day before a case opens."""
        least = OFFICER_K if self.narrows else USED_DEVICE_DAYS
        return least if self.row.at_least_device_days is None else self.row.at_least_device_days

    @property
    def mark(self) -> str:
        """Hash of everything by which it picks flows: what was found under another text of it counts no more."""
        said = repr((self.row.when, self.row.groups, self.row.agreements, self.row.verdict))
        return blake2b(said.encode(), digest_size=MARK_BYTES).hexdigest()

    @property
    def version(self) -> str:
        """SHA-256 of all that its file says of it, hexadecimal: evidence names it."""
        return sha256(self.row.model_dump_json().encode()).hexdigest()

    def concerns(self, *, group: str, agreement: str) -> bool:
        """Return whether flows of this group to hosts of this agreement (empty: none) are its business."""
        row = self.row
        return (row.groups is None or group in row.groups) and (row.agreements is None or agreement in row.agreements)

    def holds(self, flow: Flow) -> bool:
        """Return whether it is about *flow*; False where it has no answer, which is counted."""
        running = self.running
        if running.off:
            return False
        try:
            return self.expression.holds(flow.made)
        except TooCostlyError as error:
            running.off = True
            running.reason = str(error)
        except NoAnswerError as error:
            running.reason = running.reason or str(error)
        running.unanswered += 1
        return False

    def answer(self, values: Mapping[str, Value], *, flow: Any) -> bool:
        """Return what it says of an example, its groups and agreements included.

        Raises:
            NoAnswerError: it has no answer.
        """
        concerned = self.concerns(group=str(values["group"]), agreement=str(values["agreement.id"]))
        return concerned and self.expression.holds(flow)


def troubles(rules: Iterable[DistrictRule]) -> Iterator[str]:
    """Yield one line for each rule that could not be asked about every flow."""
    for rule in rules:
        running = rule.running
        if running.off:
            yield (
                f"{rule.path}:{rule.line}: `{rule.id}` is switched off: {running.reason}; what it found before "
                "stays, everything else goes on"
            )
        elif running.unanswered:
            flows = "1 flow" if running.unanswered == 1 else f"{running.unanswered:,} flows"
            yield (
                f"{rule.path}:{rule.line}: `{rule.id}` had no answer for {flows} ({running.reason}); they count as "
                "flows that it is not about"
            )


def untold(rules: Iterable[DistrictRule]) -> Iterator[str]:
    """Yield the line of `troubles` of each rule once for each kind of trouble."""
    for rule in rules:
        kind = "off" if rule.running.off else "unanswered" if rule.running.unanswered else ""
        if kind != rule.running.told:
            rule.running.told = kind
            yield from troubles((rule,))
