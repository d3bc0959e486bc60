"""A progress bar on standard error, where a person is looking; nothing where standard error is a file or a pipe."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from types import TracebackType

    from rich.progress import Progress, TaskID


class Readable(Protocol):
    """An input that tells how far it has been read."""

    name: str

    @property
    def octets_read(self) -> int:
        """Octets read so far."""
        ...

    @property
    def total_octets(self) -> int | None:
        """Octets in all; None: unknown."""
        ...


class ReadingBar:
    """Shows how far the inputs have been read."""

    def __init__(self) -> None:
        self._progress = _bar() if sys.stderr.isatty() else None
        self._tasks: dict[int, TaskID] = {}

    def __enter__(self) -> Self:
        if self._progress:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress:
            self._progress.stop()

    def show(self, file: Readable) -> None:
        """Bring the bar of *file* up to date."""
        if self._progress is None:
            return
        task = self._tasks.get(id(file))
        if task is None:
            task = self._progress.add_task(f"reading {file.name}", total=file.total_octets)
            self._tasks[id(file)] = task
        self._progress.update(task, completed=file.octets_read)


def _bar() -> Progress:
    # Drawing costs more to load than reading a small capture; most runs have nobody watching.
    from rich import progress  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415

    return progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
