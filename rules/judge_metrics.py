"""What a judging process shows Prometheus (contract, section 7). Open cases are told by the desk alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge

from rules.coverage import FLOW_VERDICTS, NAME_SOURCES
from rules.metrics import NO_AGREEMENT, SEVERITIES
from rules.records import REASONS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client import CollectorRegistry

    from rules.stage_one import JudgedPortion
    from rules.stage_two import CasePortion


class JudgeMetrics:
    """The series of one judging process; they count from its start.

    Args:
        registry: where they are registered; never the process-wide default one.
        rules: ids of all rules that exist.
        version: version of the product.
        compiled: the hot modules run compiled.
    """

    def __init__(self, registry: CollectorRegistry, *, rules: Iterable[str], version: str, compiled: bool) -> None:
        self._rules = tuple(rules)
        self._violations = Counter(
            "schoolgate_violations", "Cases opened since the start, never flows.", ("agreement", "rule", "severity"),
            registry=registry,
        )  # fmt: skip
        self._flows = Counter(
            "schoolgate_flows", "Flows judged, by what the agreements say of them.", ("verdict",), registry=registry
        )
        self._named = Counter(
            "schoolgate_named_flows", "Flows other than DNS look-ups, by how their name is known.", ("source",),
            registry=registry,
        )  # fmt: skip
        self._dead = Counter(
            "schoolgate_dead_letters", "Records that could not be used, by reason.", ("reason",), registry=registry
        )
        self._repeats = Counter(
            "schoolgate_repeated_records", "Records dropped because they had been sent before.", registry=registry
        )
        self._late = Counter(
            "schoolgate_late_events", "Events behind their collector's watermark; judged all the same.",
            registry=registry,
        )  # fmt: skip
        build = Gauge("schoolgate_build_info", "Always 1.", ("version", "compiled"), registry=registry)
        build.labels(version=version, compiled=str(compiled).lower()).set(1)
        for verdict in FLOW_VERDICTS:
            self._flows.labels(verdict=verdict)
        for source in NAME_SOURCES:
            self._named.labels(source=source)
        for reason in REASONS:
            self._dead.labels(reason=reason)

    def declare(self, agreements: Iterable[str]) -> None:
        """Make every series of these agreements exist."""
        for agreement in (NO_AGREEMENT, *agreements):
            for rule in self._rules:
                for severity in SEVERITIES:
                    self._violations.labels(agreement=agreement, rule=rule, severity=severity)

    def judged(self, portion: JudgedPortion) -> None:
        """Count a portion of flow events."""
        for verdict, flows in portion.coverage.by_verdict.items():
            self._flows.labels(verdict=verdict).inc(flows)
        for source, tally in portion.coverage.by_name_source.items():
            self._named.labels(source=source).inc(tally.flows)
        self._repeats.inc(portion.repeats)
        self._late.inc(portion.late)
        for reason in portion.refused:
            self._dead.labels(reason=reason).inc()

    def concluded(self, portion: CasePortion) -> None:
        """Count a portion of findings."""
        for case in portion.opened:
            self._violations.labels(
                agreement=case.agreement or NO_AGREEMENT, rule=case.rule, severity=case.severity
            ).inc()
        for reason in portion.refused:
            self._dead.labels(reason=reason).inc()
