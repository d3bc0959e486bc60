"""What the collector shows Prometheus (contract, section 7)."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge

from collector.opening_facts import OpeningCounters
from collector.release_rule import ReleaseCounters
from collector.tables import OVERFLOWING, Tables

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from prometheus_client import CollectorRegistry


DROP_REASONS = (
    "802_11_frame_without_readable_data",
    "attributes_malformed",
    "frame_cut_short",
    "ip_header_cut_short",
    "ip_header_malformed",
    "ipv6_extension_header_cut_short",
    "kernel",
    "link_type_not_supported",
    "neither_tcp_nor_udp",
    "not_ip",
    "other",
    "too_many_ipv6_extension_headers",
    "too_many_layers",
    "transport_header_cut_short",
    "tunnel_header_cut_short",
    "tunnel_header_malformed",
)
"""The closed set of the label `reason`: what the dissectors of headers say, as one word each.

`kernel`: a live interface was not read fast enough."""


OPENING_REASONS = tuple(OpeningCounters().told())
"""The closed set of what can go wrong while first octets of flows are read; docs/dissection.md says what each means."""


# `never`: sensitive kinds and names that are not public, in one: a step of the former alone would tell of one person.
WITHHELD_REASONS = {"few_devices": ("few_devices",), "no_room": ("no_room",), "never": ("not_public", "sensitive")}
"""The closed set of why a name that was seen does not leave; docs/privacy.md says what each means."""

SENSOR_REASONS = (
    "join_cut",
    "join_forgotten",
    "join_in_vain",
    "log_gap",
    "log_malformed",
    "netflow_datagram_malformed",
    "netflow_exporter_clock",
    "netflow_exporter_unknown",
    "netflow_kernel",
    "netflow_missing",
    "netflow_pairing_full",
    "netflow_record_odd",
    "netflow_sampled",
    "netflow_template_forgotten",
    "netflow_told_twice",
    "netflow_uncounted",
    "netflow_without_template",
)
"""The closed set of what can be wrong with the records of other sensors; docs/other-sensors.md says what each means."""


def reason_label(words: str) -> str:
    """Return the label for what a dissector says of a frame that it does not read on."""
    label = re.sub(r"[^a-z0-9]+", "_", words.lower())
    return label if label in DROP_REASONS else "other"


class CollectorMetrics:
    """The series of the collector.

    Args:
        registry: where they are registered; never the process-wide default one.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._packets = Counter("schoolgate_capture_packets", "Packets read.", registry=registry)
        self._dropped = Counter(
            "schoolgate_capture_dropped_packets", "Packets that no flow counts, by reason.", ("reason",),
            registry=registry,
        )  # fmt: skip
        self._oldest_key = Gauge(
            "schoolgate_oldest_key_timestamp_seconds",
            "Start of the oldest period whose pseudonym key is still held, in memory or in the key file; 0: no key is.",
            registry=registry,
        )
        self._sensor = Counter(
            "schoolgate_sensor_records_affected",
            "Records of other sensors that were set aside, lost, or are less than they seem, by reason.",
            ("reason",),
            registry=registry,
        )
        self._openings = Counter(
            "schoolgate_capture_openings_affected",
            "Hellos, requests and look-ups that were malformed, left unread or put off, by reason.",
            ("reason",),
            registry=registry,
        )
        self._withheld = Counter(
            "schoolgate_withheld_names",
            "Events that left without the name that was seen, by reason (release rule).",
            ("reason",),
            registry=registry,
        )
        self._reduced = Counter(
            "schoolgate_reduced_names",
            "Events that left with the registrable domain in place of the name (release rule).",
            registry=registry,
        )
        self._forgotten = Counter(
            "schoolgate_release_names_forgotten",
            "Names whose devices were forgotten because too many others waited; they are counted from none again.",
            registry=registry,
        )
        self._unsaid = Counter(
            "schoolgate_withheld_addresses",
            "Events that say no name and left without the server's address, where a withheld name led (release rule).",
            registry=registry,
        )
        self._release_names = Gauge(
            "schoolgate_release_names", "Unlisted names that the release rule remembers.", registry=registry
        )
        for reason in WITHHELD_REASONS:
            self._withheld.labels(reason=reason)
        self._flows_open = Gauge(
            "schoolgate_capture_flows_open_ratio",
            "Share of the room for open flows that is taken; of several processes the fullest.",
            registry=registry,
        )
        self._answers_held = Gauge(
            "schoolgate_capture_answers_held_ratio",
            "Share of the room for DNS answers, or for the devices that got them, that is taken.",
            registry=registry,
        )
        self._openings_waiting = Gauge(
            "schoolgate_capture_openings_waiting_ratio",
            "Share of the room for first octets that wait for more that is taken; of several processes the fullest.",
            registry=registry,
        )
        self._overflows = Counter(
            "schoolgate_capture_table_overflows",
            "What a full table let go before its time; the reason is the table.",
            ("reason",),
            registry=registry,
        )
        self._ring_octets = Gauge(
            "schoolgate_capture_ring_bytes", "Octets of the rings of live interfaces.", registry=registry
        )
        self._rings_grown = Counter(
            "schoolgate_capture_rings_grown", "Times that a ring was replaced by a larger one.", registry=registry
        )
        for table in OVERFLOWING:
            self._overflows.labels(reason=table)
        self._seen_tables = Tables(flows=0, flows_capacity=1, answers=0, openings=0, overflows={})
        for reason in DROP_REASONS:
            self._dropped.labels(reason=reason)
        for reason in OPENING_REASONS:
            self._openings.labels(reason=reason)
        for reason in SENSOR_REASONS:
            self._sensor.labels(reason=reason)
        self._seen_release = ReleaseCounters()
        self._seen_packets = 0
        self._seen_dropped: Mapping[str, int] = {}
        self._seen_openings: Mapping[str, int] = {}
        self._seen_sensor: Mapping[str, int] = {}

    def follow_keys(self, oldest_ns: Callable[[], int | None]) -> None:
        """Show how old the oldest key is.

        Args:
            oldest_ns: returns the start of its period, nanoseconds since the epoch, or None; called whenever somebody
                asks for the metrics, from their thread.
        """
        self._oldest_key.set_function(lambda: (oldest_ns() or 0) / 1_000_000_000)

    def next_capture(self) -> None:
        """Take the totals that follow as those of another capture, from 0."""
        self._seen_packets, self._seen_dropped, self._seen_openings = 0, {}, {}

    def capture(self, *, packets: int, dropped: Mapping[str, int]) -> None:
        """Bring the counters up to these totals of the capture in hand."""
        self._packets.inc(packets - self._seen_packets)
        for words, total in dropped.items():
            reason = reason_label(words)
            self._dropped.labels(reason=reason).inc(max(0, total - self._seen_dropped.get(words, 0)))
        self._seen_packets, self._seen_dropped = packets, dict(dropped)

    def openings(self, affected: Mapping[str, int]) -> None:
        """Bring the counters of openings up to these totals of the capture in hand, by reason."""
        for reason, total in affected.items():
            self._openings.labels(reason=reason).inc(max(0, total - self._seen_openings.get(reason, 0)))
        self._seen_openings = dict(affected)

    def release(self, counters: ReleaseCounters, *, names: int) -> None:
        """Bring the counters of the release rule up to these totals since the start.

        Args:
            counters: the totals.
            names: unlisted names that it remembers now.
        """
        seen = self._seen_release
        for reason, counted in WITHHELD_REASONS.items():
            more = sum(getattr(counters, field) - getattr(seen, field) for field in counted)
            self._withheld.labels(reason=reason).inc(more)
        self._reduced.inc(counters.reduced - seen.reduced)
        self._forgotten.inc(counters.names_forgotten - seen.names_forgotten)
        self._unsaid.inc(counters.addresses - seen.addresses)
        self._release_names.set(names)
        self._seen_release = replace(counters)

    def tables(self, tables: Tables) -> None:
        """Show how full the tables and rings of live interfaces are, and bring their counters up to these totals."""
        seen, self._seen_tables = self._seen_tables, tables
        self._flows_open.set(tables.flows / tables.flows_capacity)
        self._answers_held.set(tables.answers)
        self._openings_waiting.set(tables.openings)
        for table, total in tables.overflows.items():
            self._overflows.labels(reason=table).inc(max(0, total - seen.overflows.get(table, 0)))
        self._ring_octets.set(tables.ring_octets)
        self._rings_grown.inc(max(0, tables.rings_grown - seen.rings_grown))

    def sensor(self, affected: Mapping[str, int]) -> None:
        """Bring the counters of other sensors' records up to these totals, by reason."""
        for reason, total in affected.items():
            self._sensor.labels(reason=reason).inc(max(0, total - self._seen_sensor.get(reason, 0)))
        self._seen_sensor = dict(affected)


class DeliveryMetrics:
    """The series of what waits for the broker and what it has.

    Args:
        registry: where they are registered.
        spooled: returns how many events wait.
        dropped: returns how many were dropped from a full spool.
        version: of this program.
        compiled: whether the hot modules are compiled.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        spooled: Callable[[], int],
        dropped: Callable[[], int],
        version: str,
        compiled: bool,
    ) -> None:
        waiting = Gauge("schoolgate_events_spooled", "Events that wait for the broker.", registry=registry)
        waiting.set_function(spooled)
        lost = Gauge(
            "schoolgate_spool_dropped_events", "Events dropped from a full spool since start.", registry=registry
        )
        lost.set_function(dropped)
        self._delivered = Counter("schoolgate_events_delivered", "Events that the broker has.", registry=registry)
        build = Gauge("schoolgate_build_info", "Always 1.", ("version", "compiled"), registry=registry)
        build.labels(version=version, compiled=str(compiled).lower()).set(1)

    def delivered(self, events: int) -> None:
        """Count events that the broker acknowledged."""
        self._delivered.inc(events)
