"""What the rules side shows Prometheus (contract, section 7): closed sets of labels, all there from the start."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from prometheus_client import CollectorRegistry

SEVERITIES = ("critical", "warning", "info")
FLOW_VERDICTS = ("own", "declared", "undeclared", "unattributed", "unknown", "dns")
NAME_SOURCES = ("tls_sni", "quic_sni", "http_host", "dns", "none")
CLAUSE_STATES = ("met", "not_met", "not_stated", "not_applicable")
NO_AGREEMENT = ""


class RulesMetrics:
    """The series of the rules side.

    Args:
        registry: where they are registered; never the process-wide default one.
        rules: ids of all rules that exist.
        version: version of the product.
        compiled: the hot modules run compiled.
    """

    def __init__(self, registry: CollectorRegistry, *, rules: Iterable[str], version: str, compiled: bool) -> None:
        case_labels = ("agreement", "rule", "severity")
        self._rules = tuple(rules)
        self._open = Gauge("schoolgate_open_cases", "Cases that are open now.", case_labels, registry=registry)
        self._violations = Counter(
            "schoolgate_violations", "Cases opened since the start, never flows.", case_labels, registry=registry
        )
        self._flows = Counter(
            "schoolgate_flows", "Flows judged, by what the agreements say of them.", ("verdict",), registry=registry
        )
        self._named = Counter(
            "schoolgate_named_flows", "Flows other than DNS look-ups, by how their name is known.", ("source",),
            registry=registry,
        )  # fmt: skip
        self._clauses = Gauge(
            "schoolgate_agreement_clause_state",
            "1 for the state that a clause of an agreement is in, 0 for the other states.",
            ("agreement", "clause", "state"),
            registry=registry,
        )
        build = Gauge("schoolgate_build_info", "Always 1.", ("version", "compiled"), registry=registry)
        build.labels(version=version, compiled=str(compiled).lower()).set(1)
        for verdict in FLOW_VERDICTS:
            self._flows.labels(verdict=verdict)
        for source in NAME_SOURCES:
            self._named.labels(source=source)
        self._seen_flows: dict[str, int] = {}
        self._seen_names: dict[str, int] = {}
        self._agreements: tuple[str, ...] = ()

    def declare(self, clause_states: Mapping[str, Mapping[str, str]]) -> None:
        """Make every series of these agreements exist.

        Args:
            clause_states: agreement id -> clause id -> state.
        """
        gone = set(self._agreements) - set(clause_states)
        self._agreements = tuple(clause_states)
        for agreement in (NO_AGREEMENT, *self._agreements):
            for rule in self._rules:
                for severity in SEVERITIES:
                    labels = {"agreement": agreement, "rule": rule, "severity": severity}
                    self._open.labels(**labels)
                    self._violations.labels(**labels)
        for agreement in gone:
            self._clauses.remove_by_labels({"agreement": agreement})
        for agreement, states in clause_states.items():
            for clause, state in states.items():
                for name in CLAUSE_STATES:
                    self._clauses.labels(agreement=agreement, clause=clause, state=name).set(name == state)

    def open_cases(self, counts: Mapping[tuple[str, str, str], int]) -> None:
        """Show how many cases are open; a closed case reports 0 and does not vanish.

        Args:
            counts: (agreement, rule, severity) -> open cases.
        """
        for agreement in (NO_AGREEMENT, *self._agreements):
            for rule in self._rules:
                for severity in SEVERITIES:
                    count = counts.get((agreement, rule, severity), 0)
                    self._open.labels(agreement=agreement, rule=rule, severity=severity).set(count)

    def opened(self, *, agreement: str | None, rule: str, severity: str) -> None:
        """Count one case that opened."""
        self._violations.labels(agreement=agreement or NO_AGREEMENT, rule=rule, severity=severity).inc()

    def flows(self, *, by_verdict: Mapping[str, int], by_source: Mapping[str, int]) -> None:
        """Bring the flow counters up to these totals of the whole run."""
        for verdict, total in by_verdict.items():
            self._flows.labels(verdict=verdict).inc(total - self._seen_flows.get(verdict, 0))
        for source, total in by_source.items():
            self._named.labels(source=source).inc(total - self._seen_names.get(source, 0))
        self._seen_flows = dict(by_verdict)
        self._seen_names = dict(by_source)
