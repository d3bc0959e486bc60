"""Reads one finished log of another sensor as records, each with the time that the log has reached by then."""

from __future__ import annotations

from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from collector.sensor_records import RecordError, SensorFlow
from collector.sources.event_file import EventFile
from collector.sources.netflow import MAX_DATAGRAM, message_size
from collector.sources.netflow_flows import NetflowFlows
from collector.sources.octets import OctetSource
from collector.sources.suricata_eve import EveLog
from collector.sources.zeek_log import PATHS, ZeekLog

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.refused import Refused
    from collector.sensor_records import Record
    from collector.sources.forms import Form

Timed = tuple[int, "tuple[Record, ...]"]
"""Records of one line, and the latest time (ns) that the log has spoken of: logs are not sorted."""
READ_OCTETS = 1 << 18
LINES_AHEAD = 1_000
"""Lines in which the first record is looked for; a log that shows none by then is read from the start."""


class LineLog(Protocol):
    """A log of text lines."""

    packets_of_others: int
    """Packets of flows that are neither TCP nor UDP."""

    def read(self, line: bytes, *, at: int) -> tuple[Record, ...]:
        """Return the records of one line. Raises RecordError."""
        ...


class SensorLog:
    """One log. Iterate over it once.

    Args:
        source: its octets; a file is closed and opened again when its turn comes, for a folder may hold more logs than
            a process may hold open.
        form: what it is.
        link_octets: what Suricata counts before the IP header of each packet.
        refused: told of what cannot be read.
    """

    def __init__(self, source: OctetSource, *, form: Form, link_octets: int, refused: Refused) -> None:
        self.name = source.name
        self.form = form
        self.records = 0
        """Records read."""
        self.first_ns = 0
        """Time of its first record; 0: not known."""
        self._source = source
        self._link_octets = link_octets
        self._refused = refused
        self._warning = ""
        self._log = self._line_log()
        self._netflow = NetflowFlows()
        if source.total_octets is not None:
            self._look_ahead()
            source.close()

    @property
    def path(self) -> str | None:
        """Which of Zeek's logs this is; None: it is none of them, or that is not known."""
        return self._log.path if isinstance(self._log, ZeekLog) else None

    @property
    def warning(self) -> str:
        """Why not all of the log was read; empty: it was."""
        return self._warning or (f"{self.name}: {self._source.warning}" if self._source.warning else "")

    @property
    def packets_of_others(self) -> int:
        """Packets of flows that are neither TCP nor UDP."""
        return self._log.packets_of_others

    @property
    def losses(self) -> dict[str, int]:
        """What NetFlow lacks, by reason."""
        return self._netflow.counters

    @property
    def octets_read(self) -> int:
        """Octets read so far, as stored."""
        return self._source.octets_read

    @property
    def total_octets(self) -> int | None:
        """Octets in all, as stored; None: a pipe."""
        return self._source.total_octets

    def close(self) -> None:
        """Let the file go."""
        self._source.close()

    def __iter__(self) -> Iterator[Timed]:
        """Yield the records in the order of the log.

        Raises:
            CaptureError: it cannot be read any more.
        """
        if self._source.total_octets is not None:
            self._source = OctetSource(self.name)
            self._log = self._line_log()
            self._netflow = NetflowFlows()
            self._warning = ""
        yield from self._datagrams() if self.form == "netflow" else self._lines()
        self._source.close()

    def _line_log(self) -> ZeekLog | EveLog:
        return EveLog(link_octets=self._link_octets) if self.form == "suricata" else ZeekLog()

    def _look_ahead(self) -> None:
        """Find out when the log begins, and which it is; what cannot be read is told when it is read in earnest."""
        if self.form == "netflow":
            for datagram in islice(self._messages(), LINES_AHEAD):
                with suppress(RecordError):
                    flows = self._netflow.take(datagram, exporter="file")
                    if flows:
                        self.first_ns = max(map(record_ns, flows))
                        return
            return
        for line in islice(EventFile(self._source), LINES_AHEAD):
            try:
                records = self._log.read(line, at=0) if line else ()
            except RecordError:
                continue
            if records:
                self.first_ns = max(map(record_ns, records))
                return
            if self.path is not None and self.path not in PATHS:
                return

    def _lines(self) -> Iterator[Timed]:
        clock = at = 0
        for number, line in enumerate(EventFile(self._source), start=1):
            begins, at = at, at + len(line) + 1
            if not line or line.isspace():
                continue
            try:
                records = self._log.read(line, at=begins)
            except RecordError as error:
                self._refused.add(self.name, line=number, what=str(error))
                continue
            if records:
                self.records += len(records)
                clock = max(clock, *map(record_ns, records))
                yield clock, records

    def _datagrams(self) -> Iterator[Timed]:
        """Yield the flows of each message; a file of them is one message behind the other (RFC 5655 section 7)."""
        clock = number = 0
        for datagram in self._messages():
            number += 1
            try:
                flows = self._netflow.take(datagram, exporter="file")
            except RecordError as error:
                self._refused.add(self.name, line=number, what=f"message {number}: {error}")
                continue
            if flows:
                self.records += len(flows)
                clock = max(clock, *map(record_ns, flows))
                yield clock, tuple(flows)
        flows = self._netflow.finish()
        if flows:
            self.records += len(flows)
            yield max(clock, *map(record_ns, flows)), tuple(flows)

    def _messages(self) -> Iterator[bytes]:
        buffer = memoryview(bytearray(READ_OCTETS))
        held = b""
        while count := self._source.readinto(buffer):
            held += bytes(buffer[:count])
            try:
                while (size := message_size(held)) is not None:
                    yield held[:size]
                    held = held[size:]
            except RecordError as error:
                self._warning = f"{self.name}: broken ({error}); what stands behind it was not read"
                return
            if len(held) > 2 * MAX_DATAGRAM:
                self._warning = (
                    f"{self.name}: a message is longer than any datagram; what stands behind it was not read"
                )
                return
        if held:
            yield held


def record_ns(record: Record) -> int:
    """Return the time that a record speaks of."""
    return record.ended_ns if isinstance(record, SensorFlow) else record.at_ns
