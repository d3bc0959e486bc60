"""What a judging process shows Prometheus (contract, section 7). Open cases are told by the desk alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, get_args

from prometheus_client import Counter, Gauge

from rules.coverage import FLOW_VERDICTS, NAME_SOURCES
from rules.metrics import NO_AGREEMENT, SEVERITIES
from rules.published import REFUSAL_REASONS
from rules.records import REASONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from prometheus_client import CollectorRegistry

    from rules.agreement_topic import Refusal
    from rules.case_portion import CasePortion
    from rules.judged_portion import JudgedPortion


Stage = Literal["devices", "agreements"]
"""Labels for the two stages."""
STAGES: Final[tuple[Stage, ...]] = get_args(Stage)


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
        self._duplicates = Counter(
            "schoolgate_duplicate_events", "Events dropped because their id was judged before.", registry=registry
        )
        self._lost = Counter(
            "schoolgate_lost_findings", "Findings that found no room; their cases are incomplete.", ("source",),
            registry=registry,
        )  # fmt: skip
        self._unremembered = Counter(
            "schoolgate_unremembered_events", "Events that were judged, and would not be known if they came again.",
            registry=registry,
        )  # fmt: skip
        self._unweighed = Counter(
            "schoolgate_unweighed_contacts", "Contacts that found no room; attribution is incomplete.",
            registry=registry,
        )  # fmt: skip
        self._forgotten = Counter(
            "schoolgate_forgotten_findings", "Findings passed over because their case was forgotten.", ("source",),
            registry=registry,
        )  # fmt: skip
        self._gaps = Counter(
            "schoolgate_collector_gaps", "Times that a collector told that it had to drop events.", registry=registry
        )
        self._watermark = Gauge(
            "schoolgate_watermark_seconds",
            "Event time, in seconds since 1970, that every collector at work has passed; 0: none is at work here.",
            ("source",), registry=registry,
        )  # fmt: skip
        self._undeleted = Counter(
            "schoolgate_failed_deletions",
            "Times that the broker did not delete what was judged of days that are over, each hour for each partition.",
            ("source",), registry=registry,
        )  # fmt: skip
        for stage in STAGES:
            self._undeleted.labels(source=stage)
            self._lost.labels(source=stage)
            self._forgotten.labels(source=stage)
            self._watermark.labels(source=stage)
        self._lag = Gauge(
            "schoolgate_judge_lag_records", "Records that wait in the partitions of this process.", registry=registry
        )
        self._refused_agreements = Counter(
            "schoolgate_refused_agreement_records", "Records of the agreements topic that are not used, by reason.",
            ("reason",), registry=registry,
        )  # fmt: skip
        for why in REFUSAL_REASONS:
            self._refused_agreements.labels(reason=why)
        build = Gauge("schoolgate_build_info", "Always 1.", ("version", "compiled"), registry=registry)
        build.labels(version=version, compiled=str(compiled).lower()).set(1)
        for verdict in FLOW_VERDICTS:
            self._flows.labels(verdict=verdict)
        for source in NAME_SOURCES:
            self._named.labels(source=source)
        for reason in REASONS:
            self._dead.labels(reason=reason)
        self.declare(())

    def declare(self, agreements: Iterable[str], *, rules: Iterable[str] = ()) -> None:
        """Make every series of these agreements exist, and of these rules beside those that it was made with."""
        self._rules = tuple(dict.fromkeys((*self._rules, *rules)))
        for agreement in (NO_AGREEMENT, *agreements):
            for rule in self._rules:
                for severity in SEVERITIES:
                    self._violations.labels(agreement=agreement, rule=rule, severity=severity)

    def follow(self, behind: Callable[[], int]) -> None:
        """Show how many records wait.

        Args:
            behind: returns it; called whenever somebody asks for the metrics, from their thread.
        """
        self._lag.set_function(behind)

    def refused_agreement(self, refusal: Refusal) -> None:
        """Count a record of the agreements topic that is not used."""
        self._refused_agreements.labels(reason=refusal.reason).inc()

    def show_watermark(self, stage: Stage, of: Callable[[], datetime | None]) -> None:
        """Show how far event time has come.

        Args:
            stage: in which stage.
            of: returns it; called whenever somebody asks for the metrics, from their thread.
        """

        def seconds() -> float:
            moment = of()
            return 0.0 if moment is None else moment.timestamp()

        self._watermark.labels(source=stage).set_function(seconds)

    def undeleted(self, stage: Stage) -> None:
        """Count a partition of the input of *stage* of which the broker did not delete what it should."""
        self._undeleted.labels(source=stage).inc()

    def judged(self, portion: JudgedPortion) -> None:
        """Count a portion of flow events."""
        for verdict, flows in portion.coverage.by_verdict.items():
            self._flows.labels(verdict=verdict).inc(flows)
        for source, tally in portion.coverage.by_name_source.items():
            self._named.labels(source=source).inc(tally.flows)
        self._repeats.inc(portion.repeats)
        self._duplicates.inc(portion.duplicates)
        self._late.inc(portion.late)
        self._gaps.inc(portion.gaps)
        self._lost.labels(source="devices").inc(portion.lost)
        self._forgotten.labels(source="devices").inc(portion.forgotten)
        self._unremembered.inc(portion.unremembered)
        self._unweighed.inc(portion.unweighed)
        for reason in portion.refused:
            self._dead.labels(reason=reason).inc()

    def concluded(self, portion: CasePortion) -> None:
        """Count a portion of findings."""
        self._lost.labels(source="agreements").inc(portion.lost)
        self._forgotten.labels(source="agreements").inc(portion.forgotten)
        for case in portion.opened:
            self._violations.labels(
                agreement=case.agreement or NO_AGREEMENT, rule=case.rule, severity=case.severity
            ).inc()
        for reason in portion.refused:
            self._dead.labels(reason=reason).inc()
