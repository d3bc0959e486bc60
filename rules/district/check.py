"""A district's own rule as a check like any other: one flow in, an observation out; sums in, a case out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rules.checks.base import Conclusion, Observation, device_days
from rules.checks.wording import extent, product_of
from rules.district.language import flow_of
from rules.district.variables import UNKNOWN, VARIABLES, covering
from rules.findings import NO_AGREEMENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rules.checks.base import Evidence, Example, Maturity, Need, Scope, Sighting
    from rules.district.rule import DistrictRule
    from rules.district.variables import Value
    from rules.findings import RuleId


# Combinations of values of which a rule remembers its answer; when full the memory begins anew.
MAX_REMEMBERED: Final = 4_096
# Hardly any two flows have the same ones, so remembering an answer about them would only fill memory.
COUNTS: Final = frozenset({"bytes_up", "bytes_down", "plaintext_bytes_up"})


class Flow:
    """One flow as expressions read it; made for the library when the first of them has to."""

    __slots__ = ("_made", "values")

    def __init__(self, values: dict[str, Value]) -> None:
        self.values = values
        self._made: Any = None

    @property
    def made(self) -> Any:
        """The flow in the form of the library."""
        if self._made is None:
            self._made = flow_of(self.values)
        return self._made


class FlowReader:
    """Takes out of a sighting what expressions read: once, however many rules ask about it.

    Args:
        names: variables that any of the rules asks for.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._variables = [(name, VARIABLES[name].of) for name in sorted(set(names))]
        self._sighting: Sighting | None = None
        self._flow = Flow({})

    def read(self, sighting: Sighting) -> Flow:
        """Return *sighting* as expressions read it."""
        if sighting is not self._sighting:
            self._flow = Flow({name: of(sighting) for name, of in self._variables})
            self._sighting = sighting
        return self._flow


class DistrictCheck:
    """One rule of the district.

    Args:
        rule: what it asks and says.
        reader: makes flows readable; shared by the checks of all rules.
    """

    maturity: Maturity = "stable"
    scope: Scope = "all"
    needs: tuple[Need, ...] = ()
    # Its examples are flows of its own file, and were tried when it was read.
    examples: tuple[Example, ...] = ()

    def __init__(self, rule: DistrictRule, *, reader: FlowReader) -> None:
        self._rule = rule
        self._reader = reader
        self._mark = rule.mark
        self._names = () if rule.names & COUNTS else tuple(sorted(rule.names))
        self._answers: dict[tuple[object, ...], bool] = {}
        self.id: RuleId = rule.id
        self.clauses: tuple[str, ...] = (rule.row.clause,)
        self.fields = tuple(dict.fromkeys(field for name in sorted(rule.names) for field in VARIABLES[name].fields))
        self.version = rule.version
        self.signal = f"Flows for which the district's own rule holds: {rule.row.title}."
        self.blind_to = rule.row.cannot_see

    def observe(self, sighting: Sighting) -> Iterable[Observation]:
        """Return one observation per flow that the rule is about; a flow without a name could name no subject."""
        if not sighting.domain:
            return ()
        rule = self._rule
        agreement = covering(sighting)
        agreement_id = NO_AGREEMENT if agreement is None else agreement.id
        if not rule.concerns(group=sighting.event.group or UNKNOWN, agreement=agreement_id):
            return ()
        if not self._holds(self._reader.read(sighting)):
            return ()
        return (
            Observation(
                agreement=agreement_id,
                clause=rule.row.clause,
                subject=sighting.domain,
                verdict=rule.row.verdict,
                detail=self._mark,
            ),
        )

    def _holds(self, flow: Flow) -> bool:
        """Return what the rule says, from memory where the same values came before: most flows repeat themselves."""
        rule = self._rule
        if not self._names:
            return rule.holds(flow)
        key = tuple([tuple(v) if type(v) is list else v for v in map(flow.values.__getitem__, self._names)])
        known = self._answers.get(key)
        if known is None:
            before = rule.running.unanswered
            known = rule.holds(flow)
            # A flow without an answer is counted each time it comes.
            if rule.running.unanswered == before and not rule.running.off:
                if len(self._answers) >= MAX_REMEMBERED:
                    self._answers.clear()
                self._answers[key] = known
        return known

    def conclude(self, evidence: Evidence) -> Conclusion | None:
        """Return a case when enough device-days are found under the present text of the rule."""
        row = self._rule.row
        findings = tuple(finding for finding in evidence.findings if finding.detail == self._mark)
        # A part of a flow that began the day before adds no day of its own.
        if device_days(f for f in findings if f.flows) < self._rule.at_least_device_days:
            return None
        about = "" if evidence.agreement is None else f" ({product_of(evidence.agreement)})"
        return Conclusion(
            verdict=row.verdict,
            severity=row.severity,
            findings=findings,
            summary=f"{row.title.rstrip('.')}: flows to {evidence.subject}{about} fall under this rule of the "
            f"district, {extent(findings)}.",
            agreement_says=row.says,
            cannot_see=row.cannot_see,
        )


NO_CHECKS: Final[tuple[DistrictCheck, ...]] = ()


def district_checks(rules: Sequence[DistrictRule]) -> tuple[DistrictCheck, ...]:
    """Return one check for each rule, in their order."""
    if not rules:
        return NO_CHECKS
    reader = FlowReader(name for rule in rules for name in rule.names)
    return tuple(DistrictCheck(rule, reader=reader) for rule in rules)
