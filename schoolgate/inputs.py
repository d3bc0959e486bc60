"""What `source.capture` may name: a capture, a file of flow events, or finished logs of another sensor."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from collector.capture import CaptureInput
from collector.lab import without_addresses
from collector.refused import Refused
from collector.sensor_events import SensorEvents
from collector.sources.event_file import EventFile
from collector.sources.input_file import InputFile, input_files
from collector.sources.octets import CaptureError, OctetSource
from rules.intake import read_events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from collector.events import FlowEvent
    from collector.pace import Pace
    from collector.progress import Readable
    from collector.pseudonyms import Pseudonyms
    from collector.segments import Network

PORTION = 1_000
"""Events given out at one time."""


class Input(Protocol):
    """A sequence of batches of events from one file, known again by its hash."""

    name: str
    """File name, for people."""
    sha256: str
    """Hash of its octets."""

    def batches(self) -> Iterator[Sequence[FlowEvent]]:
        """Yield the events in an order that is the same every time."""
        ...

    def use_network(self, network: Network) -> None:
        """Place later events by this network file."""
        ...

    def close(self) -> None:
        """Let the file go."""
        ...

    @property
    def warning(self) -> str:
        """Why not all of it was read; empty: it was."""
        ...

    @property
    def wrong_lines(self) -> int:
        """Lines of a file of events that are no events; `warning` names the first."""
        ...

    @property
    def packets(self) -> int:
        """Packets read so far."""
        ...

    @property
    def dropped(self) -> Mapping[str, int]:
        """Packets that no flow counts, by reason."""
        ...


class EventInput:
    """One file of flow events; those made with `--addresses` get segment and pseudonym here, as in `check`.

    Args:
        path: the file.
        network: the network file.
        pseudonyms: names devices.
        pace: holds the replay back; None: as fast as possible.
        show: told after each batch how far the file is read.

    Raises:
        CaptureError: it cannot be read.
    """

    def __init__(
        self,
        path: str,
        *,
        network: Network,
        pseudonyms: Pseudonyms,
        pace: Pace | None,
        show: Callable[[Readable], None],
    ) -> None:
        self.name = path
        self._octets = OctetSource(path)
        with Path(path).open("rb") as file:
            self.sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        self._file = EventFile(self._octets)
        self._refused = Refused()
        self._network = network
        self._pseudonyms = pseudonyms
        self._pace = pace
        self._show = show

    def batches(self) -> Iterator[Sequence[FlowEvent]]:
        """Yield the events in the order of the file.

        Raises:
            DocumentError: no line of the file is an event.
        """
        batch: list[FlowEvent] = []
        for event in read_events(self._file, path=self._file.name, refused=self._refused):
            batch.append(without_addresses(event, network=self._network, pseudonyms=self._pseudonyms))
            if self._pace is not None:
                self._pace.wait_until(int(datetime.fromisoformat(event.ended_at).timestamp() * 1_000_000) * 1_000)
            if self._pace is not None or len(batch) == PORTION:
                yield batch
                batch = []
                self._show(self._file)
        yield batch

    def use_network(self, network: Network) -> None:
        """Place later events by this network file."""
        self._network = network

    def close(self) -> None:
        """Let the file go; who skips one never reads it to its end."""
        self._octets.close()

    @property
    def warning(self) -> str:
        """What was not read and why; empty: nothing."""
        return "\n".join(filter(None, [self._file.warning, *self._refused.words]))

    @property
    def wrong_lines(self) -> int:
        """How many lines were set aside."""
        return self._refused.count

    @property
    def packets(self) -> int:
        """Return 0: a file of events holds none."""
        return 0

    @property
    def dropped(self) -> Mapping[str, int]:
        """Return nothing: a file of events holds no packets."""
        return {}


class LogInput:
    """The finished logs of another sensor, one file or a folder of them, as one input.

    Args:
        path: the file or the folder.
        files: the logs.
        sensor: name of this collector.
        network: the network file.
        pseudonyms: names devices.
        pace: holds the replay back; None: as fast as possible.
        show: told after each batch how far they are read.

    Raises:
        CaptureError: they cannot be read, or tell of no flows.
    """

    def __init__(
        self,
        path: str,
        *,
        files: Sequence[InputFile],
        sensor: str,
        network: Network,
        pseudonyms: Pseudonyms,
        pace: Pace | None,
        show: Callable[[Readable], None],
    ) -> None:
        self.name = path
        self.sha256 = _hash_of(files)
        self._events = SensorEvents(files, sensor=sensor, network=network, pseudonyms=pseudonyms)
        self._pace = pace
        self._show = show

    def batches(self) -> Iterator[Sequence[FlowEvent]]:
        """Yield the events, the logs being read side by side.

        Raises:
            CaptureError: a log cannot be read further.
            DocumentError: nothing at all could be read.
        """
        for batch in self._events.batches():
            if self._pace is None:
                yield batch
            else:
                for event in batch:
                    self._pace.wait_until(int(datetime.fromisoformat(event.ended_at).timestamp() * 1_000_000) * 1_000)
                    yield [event]
            if self._events.reading is not None:
                self._show(self._events.reading)

    def use_network(self, network: Network) -> None:
        """Place later flows by this network file."""
        self._events.records.meter.network = network

    def close(self) -> None:
        """Let the files go; who skips them never reads them to their end."""
        self._events.close()

    @property
    def warning(self) -> str:
        """What was not read and why; empty: nothing."""
        return "\n".join(self._events.warnings)

    @property
    def wrong_lines(self) -> int:
        """Return 0: what a sensor's log holds beside records is its own business, and told in `warning`."""
        return 0

    @property
    def packets(self) -> int:
        """Packets that the sensor counted."""
        return self._events.records.packets

    @property
    def dropped(self) -> Mapping[str, int]:
        """Packets that no flow counts, by reason."""
        return {"neither TCP nor UDP": self._events.packets_of_others}


def _hash_of(files: Sequence[InputFile]) -> str:
    """Return the hash by which a set of logs is known again: of their octets, in the order of their names."""
    digest = hashlib.sha256()
    for file in files:
        if file.path == "-":
            raise CaptureError("standard input: cannot be known again after a restart; name files or a folder")
        with Path(file.path).open("rb") as octets:
            digest.update(hashlib.file_digest(octets, "sha256").digest())
    return digest.hexdigest()


def open_input(
    path: str,
    *,
    sensor: str,
    network: Network,
    pseudonyms: Pseudonyms,
    pace: Pace | None,
    show: Callable[[Readable], None],
) -> Input:
    """Return what lies at *path*: a capture, flow events, or logs; the arguments are those of CaptureInput.

    Raises:
        CaptureError: it is none of them, or cannot be read.
    """
    files = input_files([path])
    if files[0].is_sensor_log:
        return LogInput(path, files=files, sensor=sensor, network=network, pseudonyms=pseudonyms, pace=pace, show=show)
    if files[0].form == "events":
        return EventInput(path, network=network, pseudonyms=pseudonyms, pace=pace, show=show)
    return CaptureInput(path, sensor=sensor, network=network, pseudonyms=pseudonyms, pace=pace, show=show)
