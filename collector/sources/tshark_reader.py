"""Reads a small capture on standard input with pyshark, and writes what tshark says of each packet, a line each.

A program of its own, because tshark takes hostile octets apart, and pyshark what tshark makes of them: before the first
octet is read every right is given up, and memory, time, files and words are bounded by the kernel. `tshark.py` starts
it; it is told where tshark lies. It writes nothing but its lines, and keeps no packet.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
from typing import TYPE_CHECKING, Any

import pyshark.tshark.tshark as pyshark_paths
from pyshark.capture.capture import TSharkCrashException
from pyshark.capture.file_capture import FileCapture
from pyshark.tshark.tshark import get_tshark_version

from collector.privileges import drop_privileges
from collector.tshark_opinion import FIELDS

if TYPE_CHECKING:
    from asyncio.subprocess import Process

    from pyshark.packet.packet import Packet

UNPRIVILEGED_USER = "nobody"
PROCESSOR_S = 60
"""Seconds of one processor, for each of the two programs."""
MEMORY_OCTETS = 2 * 1_073_741_824
"""Address space of each: tshark maps 600 MB before it reads a packet."""
WRITTEN_OCTETS = 32 * 1_048_576
"""Octets that one file may grow to, so that there is an end to what is said here."""
OPEN_FILES = 64
MOST_VALUES = 2_048
"""Values of one field of one packet that are passed on: a packet may come in as many fragments as were given."""
LONGEST_VALUE = 300
"""Characters of a value that are passed on: a host name has 253."""
MOST_LAYERS = 32

# What Wireshark leaves switched off and a careful reader would switch on.
_PREFERENCES = {"tcp.reassemble_out_of_order": "TRUE", "ip.defragment": "TRUE", "ipv6.defragment": "TRUE"}


class TsharkCapture(FileCapture):  # type: ignore[misc] # pyshark has no types
    """A capture that keeps hold of the process that reads it, so that its end is seen before it is cleaned up."""

    started: Process

    def _created_new_process(self, parameters: list[str], process: Process, process_name: str = "TShark") -> None:
        super()._created_new_process(parameters, process, process_name)
        self.started = process

    def __del__(self) -> None:
        # pyshark would clean up in a loop that has ended, and complain; who started this program ends what still runs.
        pass


def main() -> int:
    """Return 0, or the code that tshark ended with."""
    tshark = sys.argv[1]
    _bound(resource.RLIMIT_CPU, PROCESSOR_S)
    _bound(resource.RLIMIT_AS, MEMORY_OCTETS)
    _bound(resource.RLIMIT_FSIZE, WRITTEN_OCTETS)
    _bound(resource.RLIMIT_NOFILE, OPEN_FILES)
    _bound(resource.RLIMIT_CORE, 0)
    # Where tshark lies is told. pyshark would look for settings of its own in folders that may be closed to us by then.
    pyshark_paths.get_config = lambda: None
    drop_privileges(user=UNPRIVILEGED_USER if os.geteuid() == 0 else None)
    _say({"tshark": str(get_tshark_version(tshark))})
    return asyncio.run(_read(tshark))


async def _read(tshark: str) -> int:
    # The loop is named, so that pyshark installs no child watcher: Python 3.14 has none any more.
    capture = TsharkCapture(
        "/dev/stdin",
        eventloop=asyncio.get_running_loop(),
        tshark_path=tshark,
        keep_packets=False,
        override_prefs=_PREFERENCES,
    )
    # pyshark would kill tshark as soon as its words end, and so never learn how it ended.
    try:
        await capture.packets_from_tshark(_tell, close_tshark=False)
    except TSharkCrashException:
        sys.stderr.write("tshark ended before it said a word\n")
        return 1
    code = await capture.started.wait()
    if code:
        sys.stderr.write(f"tshark ended with {code}\n")
        return 1
    await capture.close_async()
    return 0


def _tell(packet: Packet) -> None:
    _say(
        {
            "number": int(packet.number),
            "time": str(packet.sniff_timestamp),
            "octets": int(packet.length),
            "layers": [[layer.layer_name[:LONGEST_VALUE], _fields(layer)] for layer in packet.layers[:MOST_LAYERS]],
        }
    )


def _fields(layer: Any) -> dict[str, list[str]]:
    told = {}
    for name in FIELDS:
        # pyshark also takes names without their first word, which would find fields of other protocols.
        field = layer.get_field(name) if name.partition(".")[0] in _families(layer.layer_name) else None
        if field is not None:
            values = [str(each.get_default_value() or "")[:LONGEST_VALUE] for each in field.all_fields[:MOST_VALUES]]
            told[name] = values
    return told


def _families(layer: str) -> set[str]:
    """Return the first words of the fields that a layer of this name holds: hellos lie inside QUIC."""
    return {layer, "tls"} if layer == "quic" else {layer}


def _bound(what: int, most: int) -> None:
    _, hard = resource.getrlimit(what)
    limit = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (limit, limit))


def _say(words: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(words) + "\n")


if __name__ == "__main__":
    sys.exit(main())
