"""Reads the finished logs of other sensors into flow events: all at once, for they complete each other."""

from __future__ import annotations

from collections import Counter
from datetime import UTC
from heapq import heappop, heappush, heapreplace
from typing import TYPE_CHECKING

from collector.devices import Devices
from collector.log_joining import Joiner
from collector.meter import Meter
from collector.names import FINISHED_GRACE_NS, GRACE_NS, DnsMemory
from collector.periods import Periods
from collector.problems import DocumentError
from collector.refused import Refused
from collector.sensor_records import KINDS, SensorFlow
from collector.sources.octets import CaptureError
from collector.sources.sensor_log import SensorLog
from collector.sources.suricata_eve import ETHERNET_OCTETS
from collector.sources.zeek_log import PATHS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from collector.events import FlowEvent
    from collector.pseudonyms import Pseudonyms
    from collector.segments import Network
    from collector.sensor_records import Kind, Record
    from collector.sources.input_file import InputFile

# What Zeek calls its log of flows. None: another sensor's log, or nothing was said yet.
_FLOWS = frozenset({None, "conn"})
PORTION = 256
"""Events given out at one time."""


class RecordMeter:
    """Makes events of records, whichever sensor told them.

    Args:
        sensor: name of this collector.
        network: the network file; None: schools and groups stay unknown.
        pseudonyms: names devices; None: events carry addresses (lab work).
        awaited: kinds of record that come from another file than the flows do.
        by_mac: flows and look-ups both tell MAC addresses.
        grace_ns: how late a flow may be told after what its device was answered.
    """

    def __init__(
        self,
        *,
        sensor: str,
        network: Network | None,
        pseudonyms: Pseudonyms | None,
        awaited: frozenset[Kind],
        by_mac: bool,
        grace_ns: int = GRACE_NS,
    ) -> None:
        devices = Devices(Periods(network.time_zone if network else UTC))
        self.memory = DnsMemory(grace_ns=grace_ns)
        """What devices were answered."""
        self.meter = Meter(sensor=sensor, network=network, pseudonyms=pseudonyms, devices=devices, names=self.memory)
        self.joiner = Joiner(self.memory, devices=devices, awaited=awaited, by_mac=by_mac)
        self.packets = 0
        """Packets that the sensors counted for their flows."""

    def take(self, record: Record) -> list[FlowEvent]:
        """Take in one record, and return the events of the flows of which all is now known."""
        if isinstance(record, SensorFlow):
            self.packets += record.packets_up + record.packets_down
        return [self.meter.event(flow) for flow in self.joiner.take(record)]

    def learn(self, record: Record) -> list[FlowEvent]:
        """Take in what a record says of flows and names; a flow itself was counted before."""
        return [] if isinstance(record, SensorFlow) else self.take(record)

    def finish(self) -> list[FlowEvent]:
        """Return the events of the flows that still wait for something."""
        return [self.meter.event(flow) for flow in self.joiner.finish()]

    @property
    def losses(self) -> dict[str, int]:
        """What met a bound, by reason."""
        told = self.joiner.counters
        return {"join_forgotten": told.said_forgotten, "join_cut": told.waits_cut, "join_in_vain": told.waits_in_vain}


class SensorEvents:
    """The flow events of a set of logs. Read once.

    Args:
        files: the logs, in any order.
        sensor: name of this collector.
        network: the network file; None: schools and groups stay unknown.
        pseudonyms: names devices; None: events carry addresses (lab work).
        link_octets: what Suricata counts before the IP header of each packet.

    Raises:
        CaptureError: a log cannot be read, or there is no log of flows among them.
    """

    def __init__(
        self,
        files: Sequence[InputFile],
        *,
        sensor: str,
        network: Network | None,
        pseudonyms: Pseudonyms | None,
        link_octets: int = ETHERNET_OCTETS,
    ) -> None:
        self.refused = Refused()
        self.logs = [
            SensorLog(file.open(), form=file.form, link_octets=link_octets, refused=self.refused) for file in files
        ]
        if all(log.path not in _FLOWS for log in self.logs):
            names = ", ".join(log.name for log in self.logs[:3])
            raise CaptureError(
                f"{names}: tells of no flows; name Zeek's conn.log as well, or the folder of all its logs"
            )
        self.reading: SensorLog | None = None
        """The log that was read last."""
        self.records = RecordMeter(
            sensor=sensor,
            network=network,
            pseudonyms=pseudonyms,
            awaited=_awaited(self.logs),
            by_mac=all(log.form == "suricata" for log in self.logs),
            grace_ns=FINISHED_GRACE_NS,
        )

    def batches(self) -> Iterator[list[FlowEvent]]:
        """Yield events, the logs being read side by side in the order of their times.

        Raises:
            CaptureError: a log cannot be read further.
            DocumentError: nothing at all could be read; with the first lines that are wrong.
        """
        ready: list[FlowEvent] = []
        for records in self._by_time():
            for record in records:
                ready += self.records.take(record)
            if len(ready) >= PORTION:
                yield ready
                ready = []
        ready += self.records.finish()
        if self.refused.count and not any(log.records for log in self.logs):
            raise DocumentError(self.refused.problems)
        yield ready

    @property
    def warnings(self) -> list[str]:
        """What was not read and why, one line each."""
        told = [log.warning for log in self.logs if log.warning] + self.refused.words
        return told + [f"{LOSSES[reason]}: {count:,}" for reason, count in sorted(self.losses.items())]

    @property
    def losses(self) -> dict[str, int]:
        """What is missing or met a bound, by reason; what did not happen is left out."""
        total: Counter[str] = Counter(self.records.losses)
        for log in self.logs:
            total.update(log.losses)
        return {reason: count for reason, count in total.items() if count}

    @property
    def packets_of_others(self) -> int:
        """Packets of flows that are neither TCP nor UDP."""
        return sum(log.packets_of_others for log in self.logs)

    def close(self) -> None:
        """Let the files go."""
        for log in self.logs:
            log.close()

    def _by_time(self) -> Iterator[tuple[Record, ...]]:
        """Yield the records of all logs, always of that log which has got least far; a log is opened when it is due."""
        waiting = sorted(self.logs, key=lambda log: (log.first_ns, log.name), reverse=True)
        # (time reached, number, records, the rest): numbers differ, so that nothing behind them is compared.
        due: list[tuple[int, int, tuple[Record, ...], Iterator[tuple[int, tuple[Record, ...]]], SensorLog]] = []
        number = 0
        while waiting or due:
            while waiting and (not due or waiting[-1].first_ns <= due[0][0]):
                log = waiting.pop()
                stream = iter(log)
                first = next(stream, None)
                number += 1
                if first is not None:
                    heappush(due, (first[0], number, first[1], stream, log))
            if not due:
                continue
            _, which, records, stream, self.reading = due[0]
            yield records
            following = next(stream, None)
            if following is None:
                heappop(due)
            else:
                heapreplace(due, (following[0], which, following[1], stream, self.reading))


LOSSES: dict[str, str] = {
    "join_forgotten": "flows whose hellos were forgotten because too many others were open",
    "join_cut": "flows that could not wait for their hello because too many waited",
    "join_in_vain": "flows whose hello or request is in none of the logs",
    "netflow_datagram_malformed": "NetFlow messages that are broken or of another version than 9 and IPFIX",
    "netflow_exporter_clock": "NetFlow messages from an exporter whose clock is more than an hour off",
    "netflow_exporter_unknown": "NetFlow messages from an address that is not among `exporters`",
    "netflow_without_template": "sets of NetFlow data whose template never came",
    "netflow_template_forgotten": "NetFlow templates forgotten because there were too many",
    "netflow_missing": "NetFlow messages (version 9) or records (IPFIX) lost on the way",
    "netflow_sampled": "NetFlow records that count a sample only: their octets are too few",
    "netflow_uncounted": "NetFlow records without addresses or octets",
    "netflow_record_odd": "NetFlow records whose times or counts are none",
    "netflow_told_twice": "NetFlow records of traffic leaving an exporter that also tells what comes in; not counted",
    "netflow_pairing_full": "directions that went alone because too many waited for their opposite",
    "netflow_kernel": "NetFlow messages that were not read fast enough",
    "log_malformed": "records that could not be read",
    "log_gap": "times that the end of a rotated log was gone before it was read",
}
"""The closed set of what can be missing, in plain words."""


def _awaited(logs: Sequence[SensorLog]) -> frozenset[Kind]:
    """Return the kinds of record that come from another file than the flows: in one file they always come first."""
    kinds: set[Kind] = {kind for log in logs if log.path in PATHS and (kind := PATHS[log.path]) is not None}
    if sum(log.form == "suricata" for log in logs) > 1:
        kinds.update(KINDS)
    return frozenset(kinds)
