"""Datagrams of NetFlow and IPFIX in, flows out: decodes, pairs directions, and counts what is left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.netflow_pairing import Pairing
from collector.netflow_repeats import Repeats
from collector.sensor_records import RecordError
from collector.sources.netflow import NetflowDecoder
from collector.sources.netflow_rows import half_of

if TYPE_CHECKING:
    from collector.sensor_records import SensorFlow


class NetflowFlows:
    """The flows that exporters tell."""

    def __init__(self) -> None:
        self.odd_records = 0
        """Records whose times or counts are none."""
        self.not_flows = 0
        """Records that are neither TCP nor UDP, or count nothing."""
        self._decoder = NetflowDecoder()
        self._pairing = Pairing()
        self._repeats = Repeats()

    @property
    def counters(self) -> dict[str, int]:
        """What was refused, missing or met a bound, by reason; those of no loss are left out."""
        told = self._decoder.counters
        return {
            "netflow_datagram_malformed": told.malformed,
            "netflow_exporter_clock": told.off_clock,
            "netflow_without_template": told.sets_without_template,
            "netflow_template_forgotten": told.templates_forgotten,
            "netflow_missing": told.missing,
            "netflow_sampled": told.sampled,
            "netflow_uncounted": told.uncounted,
            "netflow_record_odd": self.odd_records,
            "netflow_told_twice": self._repeats.count,
            "netflow_pairing_full": self._pairing.halves_cut,
        }

    @property
    def datagrams(self) -> int:
        """Datagrams read."""
        return self._decoder.counters.datagrams

    def take(self, datagram: bytes, *, exporter: str, now_ns: int | None = None) -> list[SensorFlow]:
        """Take in one datagram, and return the flows that are whole with it.

        Args:
            datagram: its octets.
            exporter: who sent it.
            now_ns: the time of this machine; None: the datagram comes from a file.

        Raises:
            RecordError: it is neither NetFlow version 9 nor IPFIX, or breaks the format.
        """
        flows: list[SensorFlow] = []
        for row in self._decoder.read(datagram, exporter=exporter, now_ns=now_ns):
            try:
                half = half_of(row, counters=self._decoder.counters)
            except RecordError:
                self.odd_records += 1
                continue
            if half is None:
                self.not_flows += 1
            elif self._repeats.is_new(half, exporter=exporter):
                flows += self._pairing.take(half, at_ns=row.exported_ns)
        return flows

    def finish(self) -> list[SensorFlow]:
        """Return what waited for its other direction."""
        return self._pairing.finish()
