"""What the notifier shows Prometheus (contract, section 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Gauge

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


class NotifyMetrics:
    """The series of the notifier; `run` and `desk` have them whether anybody is told or not.

    Args:
        registry: where they are registered; never the process-wide default one.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._pending = Gauge(
            "schoolgate_pending_notifications",
            "Things that should have been told by now and have not been, over all channels.",
            registry=registry,
        )

    def pending(self, count: int) -> None:
        """Show how many things wait."""
        self._pending.set(count)
