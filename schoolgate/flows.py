"""Captures and logs of other sensors to flow events: what `schoolgate flows` does.

Loads nothing that a tap host would not have.
"""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING

from collector.capture import CaptureLines
from collector.flow_slots import use_huge_pages
from collector.progress import ReadingBar
from collector.sources.input_file import input_files
from collector.sources.octets import CaptureError
from collector.watch import new_pseudonyms
from schoolgate.shell import new_key, say, tell_warning

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from collector.segments import Network
    from collector.sensor_events import SensorEvents


DEFAULT_SENSOR = "capture"
GARBAGE_THRESHOLD = 100_000
"""Objects that may gather before Python looks for circles among them."""


def plain(arguments: Sequence[str]) -> Sequence[str]:
    """Return the captures of a command line that is `flows CAPTURE...` and nothing else; empty: it is not.

    The library that reads every other command line takes longer to load than a small capture takes to read.
    """
    captures = arguments[1:]
    if arguments[:1] != ["flows"] or any(word != "-" and word.startswith("-") for word in captures):
        return ()
    return captures


def flows(captures: Sequence[str], *, network: Path | None, sensor: str, addresses: bool) -> object:
    """Write the events of *captures* to standard output; logs of other sensors among them are read together.

    Returns what the last of them was seen through: tables that a process which ends now need not take down.

    Raises:
        DocumentError: the network file is wrong, or nothing of a log can be read.
        CaptureError: an input is neither a capture nor such a log.
    """
    # Nothing here makes circles of objects: looking for them takes a tenth of the time, and finds none.
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD)
    use_huge_pages()
    known = None if network is None else network_at(network)
    if known is None:
        say("note: without --network no school or group is known, so no case can come of these events")
    pseudonyms = None if addresses else new_pseudonyms(known, make_key=new_key)[0]
    files = input_files(captures)
    for file in files:
        if file.form == "events":
            raise CaptureError(f"{file.path}: holds flow events already, or JSON of another kind; give it to `check`")
    logs = [file for file in files if file.is_sensor_log]
    last: CaptureLines | None = None
    with ReadingBar() as bar:
        for file in files:
            if not file.is_sensor_log:
                last = None  # two at a time would take twice the memory
                last = CaptureLines(file.open(), sensor=sensor, network=known, pseudonyms=pseudonyms)
                _write_capture(last, bar=bar)
        if logs:
            # Who reads captures alone does not pay for loading this.
            from collector.sensor_events import SensorEvents  # noqa: PLC0415

            _write_logs(SensorEvents(logs, sensor=sensor, network=known, pseudonyms=pseudonyms), bar=bar)
    sys.stdout.flush()
    return last


def _write_capture(capture: CaptureLines, *, bar: ReadingBar) -> None:
    for batch in capture.batches():
        sys.stdout.buffer.write(batch)
        bar.show(capture.file)
    tell_warning(capture.warning)


def _write_logs(logs: SensorEvents, *, bar: ReadingBar) -> None:
    from collector.encoding import encode_lines  # noqa: PLC0415 -- as above

    for batch in logs.batches():
        sys.stdout.buffer.write(encode_lines(batch))
        if logs.reading is not None:
            bar.show(logs.reading)
    for warning in logs.warnings:
        tell_warning(warning)


def network_at(path: Path) -> Network:
    """Return the network that the file at *path* describes."""
    # Reading YAML and models costs more time than a small capture: only who gives the file pays for it.
    from collector.segments import load_network  # noqa: PLC0415

    return load_network(path)
