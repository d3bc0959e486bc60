"""Captures to flow events: what `schoolgate flows` does. Loads nothing that a tap host would not have."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from collector.capture import CaptureEvents
from collector.encoding import encode_lines
from collector.progress import ReadingBar
from collector.sources.octets import OctetSource
from collector.watch import new_pseudonyms
from schoolgate.shell import new_key, say, tell_warning

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from collector.segments import Network


def flows(captures: Sequence[str], *, network: Path | None, sensor: str, addresses: bool) -> None:
    """Write the events of *captures* to standard output.

    Raises:
        DocumentError: the network file is wrong.
        CaptureError: an input is no capture.
    """
    known = None if network is None else network_at(network)
    if known is None:
        say("note: without --network no school or group is known, so no case can come of these events")
    pseudonyms = None if addresses else new_pseudonyms(known, make_key=new_key)[0]
    with ReadingBar() as bar:
        for path in captures:
            source = CaptureEvents(OctetSource(path), sensor=sensor, network=known, pseudonyms=pseudonyms)
            for batch in source.batches():
                sys.stdout.buffer.write(encode_lines(batch))
                bar.show(source.file)
            tell_warning(source.warning)
    sys.stdout.flush()


def network_at(path: Path) -> Network:
    """Return the network that the file at *path* describes."""
    # Reading YAML and models costs more time than a small capture: only who gives the file pays for it.
    from collector.segments import load_network  # noqa: PLC0415

    return load_network(path)
