"""What Prometheus sees of cases and agreements (contract, section 7), read when it asks: `run` and `desk` export it.

Open cases are counted in the store, so that a case that somebody closed counts no more, whoever judges.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from rules.errors import StoreError
from rules.metrics import CLAUSE_STATES, NO_AGREEMENT, SEVERITIES
from rules.service import stored_report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric

    from rules.store import Store

Clauses = Mapping[str, Mapping[str, str]]
"""Agreement id -> clause id -> state."""
Counts = Counter[tuple[str, str, str]]
"""(agreement, rule, severity) -> open cases."""
OPEN_LABELS: Final = ("agreement", "rule", "severity")


class CaseMetrics(Collector):
    """The series of open cases and of clause states.

    Args:
        registry: where they are registered; never the process-wide default one.
        rules: ids of all rules that exist.
        store: where cases are counted; None: there are none.
        clauses: returns agreement id -> clause id -> state; called from the thread of whoever asks.
    """

    def __init__(
        self, registry: CollectorRegistry, *, rules: Iterable[str], store: Store | None, clauses: Callable[[], Clauses]
    ) -> None:
        self._rules = tuple(rules)
        self._store = store
        self._ask_clauses = clauses
        self._clauses: Clauses = {}
        self._counts: Counts = Counter()
        self._counted_at = 0
        # A closed case reports 0, it does not vanish: nor when its agreement has gone.
        self._shown: set[str] = {NO_AGREEMENT}
        self._lock = threading.Lock()
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Yield the series as things stand; what cannot be read now stays as it was read last."""
        with self._lock:
            # That the store is away is told by whoever writes into it; here the last figures go on.
            with suppress(StoreError):
                self._count()
            # One object each, replaced as a whole: what others do meanwhile changes neither.
            counts, clauses = self._counts, self._clauses
            self._shown |= {*clauses, *(agreement for agreement, _, _ in counts)}
            shown = sorted(self._shown)
        opened = GaugeMetricFamily("schoolgate_open_cases", "Cases that are open now.", labels=OPEN_LABELS)
        # A rule that the district took out, or wrote since the start, has cases all the same.
        rules = dict.fromkeys((*self._rules, *sorted(rule for _, rule, _ in counts)))
        for agreement in shown:
            for rule in rules:
                for severity in SEVERITIES:
                    opened.add_metric((agreement, rule, severity), counts[agreement, rule, severity])
        yield opened
        states = GaugeMetricFamily(
            "schoolgate_agreement_clause_state",
            "1 for the state that a clause of an agreement is in, 0 for the other states.",
            labels=("agreement", "clause", "state"),
        )
        for agreement, clause_states in clauses.items():
            for clause, state in clause_states.items():
                for name in CLAUSE_STATES:
                    states.add_metric((agreement, clause, name), float(name == state))
        yield states

    def _count(self) -> None:
        self._clauses = self._ask_clauses()
        if self._store is None:
            return
        # Whatever opens, closes or changes the severity of a case stands in its log.
        end = self._store.log_end()
        if end != self._counted_at:
            cases = map(json.loads, self._store.open_cases())
            self._counts = Counter(
                (case["agreement"] or NO_AGREEMENT, case["rule"], case["severity"]) for case in cases
            )
            self._counted_at = end


def stored_clauses(store: Store) -> Clauses:
    """Return the clause states that a store's report holds: for whoever shows a store without judging itself.

    Raises:
        StoreError: the store cannot be used.
    """
    return {each["id"]: each["clauses"] for each in stored_report(store)["agreements"]}
