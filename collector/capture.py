"""Reads captures into flow events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.sources.capture_file import CaptureFile
from collector.sources.octets import CaptureError, OctetSource
from collector.watch import LineWatch, Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from collector.events import FlowEvent
    from collector.pace import Pace
    from collector.pseudonyms import Pseudonyms
    from collector.segments import Network


class CaptureEvents:
    """The flow events of one capture.

    Args:
        octets: the capture.
        sensor: name of this collector.
        network: the network file; None: schools and groups stay unknown.
        pseudonyms: names devices; None: events carry addresses (lab work).
        pace: holds the replay back; None: as fast as possible.

    Raises:
        CaptureError: this is no capture.
    """

    def __init__(
        self,
        octets: OctetSource,
        *,
        sensor: str,
        network: Network | None,
        pseudonyms: Pseudonyms | None,
        pace: Pace | None = None,
    ) -> None:
        self.file = CaptureFile(octets)
        self.watch = Watch(sensor=sensor, network=network, pseudonyms=pseudonyms)
        self._pace = pace

    @property
    def warning(self) -> str:
        """Why not all of the capture was read; empty: it was."""
        return "; ".join(filter(None, (self.file.warning, self.watch.unread)))

    def batches(self) -> Iterator[list[FlowEvent]]:
        """Yield the events of each block of frames, and at the end those of all flows that were still open."""
        with self.file:
            for block in self.file:
                for part in self._pace.parts(block) if self._pace else (block,):
                    yield self.watch.observe(part)
        yield from self.watch.finish()


class CaptureLines:
    """The flow events of one capture as lines of JSON.

    Args:
        octets: the capture.
        sensor: name of this collector.
        network: the network file; None: schools and groups stay unknown.
        pseudonyms: names devices; None: events carry addresses (lab work).

    Raises:
        CaptureError: this is no capture.
    """

    def __init__(
        self, octets: OctetSource, *, sensor: str, network: Network | None, pseudonyms: Pseudonyms | None
    ) -> None:
        self.file = CaptureFile(octets)
        self.watch = LineWatch(sensor=sensor, network=network, pseudonyms=pseudonyms)

    @property
    def warning(self) -> str:
        """Why not all of the capture was read; empty: it was."""
        return "; ".join(filter(None, (self.file.warning, self.watch.unread)))

    def batches(self) -> Iterator[bytes]:
        """Yield the lines of each block of frames, and at the end those of all flows that were still open."""
        with self.file:
            for block in self.file:
                yield self.watch.observe(block)
        yield from self.watch.finish()


class CaptureInput:
    """One capture for the embedded service: known by its hash, read when its turn comes.

    Args:
        path: the capture.
        sensor: name of this collector.
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
        sensor: str,
        network: Network,
        pseudonyms: Pseudonyms,
        pace: Pace | None,
        show: Callable[[CaptureFile], None],
    ) -> None:
        self.name = path
        self.sha256 = _sha256(path)
        self._events = CaptureEvents(
            OctetSource(path), sensor=sensor, network=network, pseudonyms=pseudonyms, pace=pace
        )
        self._show = show

    def batches(self) -> Iterator[Sequence[FlowEvent]]:
        """Yield the events of each block of frames."""
        for batch in self._events.batches():
            yield batch
            self._show(self._events.file)

    def close(self) -> None:
        """Let the file go; who skips a capture never reads it to its end."""
        self._events.file.close()

    def use_network(self, network: Network) -> None:
        """Place later flows by this network file."""
        self._events.watch.meter.network = network

    @property
    def warning(self) -> str:
        """Why not all of the capture was read; empty: it was."""
        return self._events.warning

    @property
    def wrong_lines(self) -> int:
        """Return 0: a capture has no lines."""
        return 0

    @property
    def packets(self) -> int:
        """Packets read so far."""
        return self._events.file.frames

    @property
    def dropped(self) -> Mapping[str, int]:
        """Packets that no flow counts, by reason."""
        return self._events.watch.table.skipped

    @property
    def affected(self) -> Mapping[str, int]:
        """What went wrong or met a bound while openings were read, by reason."""
        return self._events.watch.affected


def _sha256(path: str) -> str:
    import hashlib  # noqa: PLC0415 -- who only writes events down does not pay for it

    try:
        with open(path, "rb") as file:  # noqa: PTH123 -- pathlib loads slowly
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise CaptureError(f"{path}: cannot be read ({error.strerror}); give a readable capture") from None
