"""What a user names as input: a file of any form, a pipe, or a folder of logs of another sensor."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from collector.sources.forms import SENSOR_FORMS, form_of
from collector.sources.octets import CaptureError, OctetSource

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from collector.sources.forms import Form


class InputFile:
    """One file, looked at.

    Args:
        path: a file, a named pipe, or "-" for standard input.

    Raises:
        CaptureError: it cannot be read.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        source = OctetSource(path)
        try:
            self.form: Form = form_of(source)
        finally:
            self._source = source if source.total_octets is None else None
            if self._source is None:
                source.close()

    @property
    def is_sensor_log(self) -> bool:
        """It is the log of another sensor: those of one run are read together."""
        return self.form in SENSOR_FORMS

    def open(self) -> OctetSource:
        """Return its octets from the start; a pipe has them once. Raises CaptureError."""
        return self._source or OctetSource(self.path)


def input_files(paths: Iterable[str | Path]) -> list[InputFile]:
    """Return the files that *paths* name; a folder stands for the logs of other sensors in it, by name.

    Raises:
        CaptureError: one cannot be read, or a folder holds no such log.
    """
    found: list[InputFile] = []
    for path in paths:
        if str(path) == "-" or not os.path.isdir(path):  # noqa: PTH112 -- pathlib loads slowly
            found.append(InputFile(path))
            continue
        from pathlib import Path  # noqa: PLC0415 -- who reads captures alone does not pay for it

        logs = logs_in(Path(path))
        if not logs:
            raise CaptureError(f"{path}: holds no log of Zeek, Suricata or NetFlow; name the captures in it one by one")
        found += logs
    return found


def logs_in(folder: Path) -> list[InputFile]:
    """Return the logs of other sensors in *folder*, by name; what else lies there is left alone.

    Raises:
        CaptureError: the folder, or a log in it, cannot be read.
    """
    try:
        names = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    except OSError as error:
        raise CaptureError(f"{folder}: cannot be read ({error.strerror}); give a readable folder") from None
    return [file for file in map(InputFile, names) if file.is_sensor_log]
