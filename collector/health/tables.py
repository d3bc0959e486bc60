"""Whether the collector that runs here had room for everything: its own metrics say how full tables and rings are."""

from __future__ import annotations

import urllib.request
from http.client import HTTPException
from typing import TYPE_CHECKING, Final

from prometheus_client.parser import text_string_to_metric_families

from collector.outcomes import not_applicable, warning, well

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from collector.outcomes import Outcome

TIMEOUT_S: Final = 4.0
# A page of metrics has some ten thousand octets; what sends more is no collector.
LARGEST_PAGE: Final = 4 << 20
# A tenth is left: the next class that comes in may take it.
NEARLY_FULL: Final = 0.9
_OPEN: Final = "schoolgate_capture_flows_open_ratio"
_OVERFLOWS: Final = "schoolgate_capture_table_overflows_total"
_DROPPED: Final = "schoolgate_capture_dropped_packets_total"
_REMEDY: Final = "see docs/runbooks/SchoolgateTablesFull.md"


def tables(listen: str) -> Iterator[Outcome]:
    """Yield whether tables or rings of the collector whose metrics are at HOST:PORT are, or were, full.

    That can be known of one that runs alone: the counts are since its start.
    """
    try:
        with urllib.request.urlopen(f"http://{listen}/metrics", timeout=TIMEOUT_S) as answer:
            text = answer.read(LARGEST_PAGE).decode(errors="replace")
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        yield not_applicable(f"no collector tells of itself at {listen} ({reason})")
        return
    ratio = next((sample.value for sample in samples if sample.name == _OPEN), None)
    if ratio is None:
        yield not_applicable(f"what answers at {listen} is no collector")
        return
    overflows = {s.labels.get("reason", ""): int(s.value) for s in samples if s.name == _OVERFLOWS and s.value}
    lost = sum(int(s.value) for s in samples if s.name == _DROPPED and s.labels.get("reason") == "kernel")
    yield from _full(ratio, overflows=overflows, lost=lost)


def _full(ratio: float, *, overflows: Mapping[str, int], lost: int) -> Iterator[Outcome]:
    if ratio >= NEARLY_FULL:
        yield warning(f"{ratio:.0%} of the room for open flows is taken", remedy=_REMEDY)
    if overflows:
        told = ", ".join(f"{table} {count:,}" for table, count in sorted(overflows.items()))
        yield warning(f"tables were full since the start and let go: {told}", remedy=_REMEDY)
    if lost:
        yield warning(
            f"the rings were full since the start, and {lost:,} packets lost",
            remedy="see docs/runbooks/SchoolgateCaptureLosses.md",
        )
    if ratio < NEARLY_FULL and not overflows and not lost:
        yield well(f"{ratio:.0%} of the room for open flows is taken; nothing was let go since the start")
