"""What `source.capture` may name: a capture, or a file of flow events."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from collector.capture import CaptureInput
from collector.lab import without_addresses
from collector.sources.event_file import EventFile, looks_like_events
from collector.sources.octets import OctetSource
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
        self._network = network
        self._pseudonyms = pseudonyms
        self._pace = pace
        self._show = show

    def batches(self) -> Iterator[Sequence[FlowEvent]]:
        """Yield the events in the order of the file.

        Raises:
            DocumentError: after the last one (or 20 wrong lines), with every line that is no event.
        """
        batch: list[FlowEvent] = []
        for event in read_events(self._file, path=self._file.name):
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
        """Why not all of the file was read; empty: it was."""
        return self._file.warning

    @property
    def packets(self) -> int:
        """Return 0: a file of events holds none."""
        return 0

    @property
    def dropped(self) -> Mapping[str, int]:
        """Return nothing: a file of events holds no packets."""
        return {}


def open_input(
    path: str,
    *,
    sensor: str,
    network: Network,
    pseudonyms: Pseudonyms,
    pace: Pace | None,
    show: Callable[[Readable], None],
) -> Input:
    """Return the file at *path*, a capture or flow events; the arguments are those of CaptureInput.

    Raises:
        CaptureError: it is neither, or cannot be read.
    """
    octets = OctetSource(path)
    events = looks_like_events(octets)
    octets.close()
    if events:
        return EventInput(path, network=network, pseudonyms=pseudonyms, pace=pace, show=show)
    return CaptureInput(path, sensor=sensor, network=network, pseudonyms=pseudonyms, pace=pace, show=show)
