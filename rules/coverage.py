"""How much of the traffic could be judged at all: flows and octets, by how the name is known, and the blind share.

Sums only, so the coverage of two halves of a day is the sum of their coverages. A long flow counts once, by its first
part; its octets count with every part. DNS look-ups are left out, as in the contract (section 5).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from collector.events import NameSource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collector.events import FlowEvent

FlowVerdict = Literal["own", "declared", "undeclared", "unattributed", "unknown", "dns"]
"""Labels of the metric `flows_total` (contract, section 7)."""

FLOW_VERDICTS: Final[tuple[FlowVerdict, ...]] = get_args(FlowVerdict)
NAME_SOURCES: Final[tuple[NameSource, ...]] = get_args(NameSource)
BLIND: Final = ("ech", "no_name", "doh")

PUBLIC_FRONTS: Final = frozenset({"cloudflare-ech.com", "tls-ech.dev"})
"""Names that a client shows in place of the real one when Encrypted Client Hello hides it (RFC 9849, public_name).

Facts of 2026: Cloudflare answers for its customers under the first, the ECH test site under the second."""


# Names come from the wire, so the memory for answers is bounded; a school day shows some 20,000 different names.
MAX_REMEMBERED_NAMES = 65_536


@lru_cache(maxsize=MAX_REMEMBERED_NAMES)
def is_public_front(name: str) -> bool:
    """Return whether *name* is a known public front, or calls itself one: `ech` as a label or between hyphens."""
    if name in PUBLIC_FRONTS or any(name.endswith("." + front) for front in PUBLIC_FRONTS):
        return True
    return any("ech" in label.split("-") for label in name.split("."))


@dataclass(slots=True, kw_only=True)
class Tally:
    """Flows and octets."""

    flows: int = 0
    """Flows, a long one counted once."""
    bytes: int = 0
    """IP octets, both directions."""

    def count(self, flows: int, octets: int) -> None:
        """Add one event: *flows* is 0 for the later parts of a long one."""
        self.flows += flows
        self.bytes += octets

    def add(self, other: Tally) -> None:
        """Add what *other* counted."""
        self.flows += other.flows
        self.bytes += other.bytes

    def as_data(self) -> dict[str, int]:
        """Return it as in a report."""
        return {"flows": self.flows, "bytes": self.bytes}


def _tallies(*names: str) -> dict[str, Tally]:
    return {name: Tally() for name in names}


@dataclass(slots=True, kw_only=True)
class Coverage:
    """What was seen so far."""

    total: Tally = field(default_factory=Tally)
    """Everything but DNS look-ups."""
    by_name_source: dict[str, Tally] = field(default_factory=lambda: _tallies(*NAME_SOURCES))
    """By how the server's name is known."""
    blind: dict[str, Tally] = field(default_factory=lambda: _tallies(*BLIND))
    """What could not be judged by name. A flow may be in two of them: no name, and look-ups over HTTPS."""
    ech_offered: Tally = field(default_factory=Tally)
    """Every hello with the ECH extension, whether it hides a name or is grease."""
    withheld: Tally = field(default_factory=Tally)
    """Of the total: flows whose name was seen and left the collector not at all (contract, `withheld`)."""
    by_verdict: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FLOW_VERDICTS, 0))
    """Flows by what the agreements say of them, DNS look-ups among them."""
    outside_segments: Tally = field(default_factory=Tally)
    """Of the total: flows of addresses in no segment, or without a device; no case can come of them."""

    def observe(self, event: FlowEvent, *, verdict: FlowVerdict, in_segment: bool) -> None:
        """Count one event.

        Args:
            event: the event.
            verdict: what the agreements say of its flow.
            in_segment: a case can come of it.
        """
        flows = 1 if event.part == 0 else 0
        self.by_verdict[verdict] += flows
        if verdict == "dns":
            return
        octets = event.bytes_up + event.bytes_down
        self.total.count(flows, octets)
        self.by_name_source[event.name_source].count(flows, octets)
        if event.name_source == "none":
            self.blind["no_name"].count(flows, octets)
        if event.app in {"doh", "dot"}:
            self.blind["doh"].count(flows, octets)
        unsaid = event.withheld and event.server_name is None
        if unsaid:
            self.withheld.count(flows, octets)
        if event.ech:
            self.ech_offered.count(flows, octets)
            # A name that was withheld was seen: this hello hid nothing from the collector.
            if not unsaid and (event.server_name is None or is_public_front(event.server_name)):
                self.blind["ech"].count(flows, octets)
        if not in_segment:
            self.outside_segments.count(flows, octets)

    def add(self, other: Coverage) -> None:
        """Add what *other* counted."""
        self.total.add(other.total)
        self.ech_offered.add(other.ech_offered)
        self.withheld.add(other.withheld)
        self.outside_segments.add(other.outside_segments)
        for mine, theirs in ((self.by_name_source, other.by_name_source), (self.blind, other.blind)):
            for name, tally in theirs.items():
                mine[name].add(tally)
        for verdict, flows in other.by_verdict.items():
            self.by_verdict[verdict] += flows

    def as_report(self) -> dict[str, Any]:
        """Return the `coverage` section of a report (contract, section 5); `withheld` where anything was."""
        told: dict[str, Any] = {
            "flows": self.total.flows,
            "bytes": self.total.bytes,
            "by_name_source": {name: tally.as_data() for name, tally in self.by_name_source.items()},
            "blind": {name: tally.as_data() for name, tally in self.blind.items()},
            "ech_offered": self.ech_offered.as_data(),
            "outside_segments": self.outside_segments.as_data(),
        }
        if self.withheld.flows or self.withheld.bytes:
            told["withheld"] = self.withheld.as_data()
        return told

    def as_state(self) -> dict[str, Any]:
        """Return everything as plain data, for `from_state`."""
        return {**self.as_report(), "by_verdict": dict(self.by_verdict)}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Coverage:
        """Return the coverage that `as_state` wrote down."""
        return cls(
            total=Tally(flows=state["flows"], bytes=state["bytes"]),
            by_name_source={name: Tally(**state["by_name_source"][name]) for name in NAME_SOURCES},
            blind={name: Tally(**state["blind"][name]) for name in BLIND},
            ech_offered=Tally(**state["ech_offered"]),
            # State of an earlier version knows nothing of it.
            withheld=Tally(**state.get("withheld", {})),
            by_verdict={name: state["by_verdict"][name] for name in FLOW_VERDICTS},
            outside_segments=Tally(**state["outside_segments"]),
        )
