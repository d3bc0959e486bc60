"""Sends the frames of a capture out of an interface at an even pace; prints the seconds that it took. For test_tap.py.

    python frame_sender.py INTERFACE CAPTURE FRAMES_PER_SECOND

Run inside the network namespace of the interface. The capture is a classic pcap in little-endian order.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
import time
from pathlib import Path

SOL_PACKET = 263
PACKET_QDISC_BYPASS = 20
RECORD = struct.Struct("<IIII")


def main(interface: str, capture: str, rate: float) -> None:
    """Send every frame once."""
    os.nice(-10)  # what else runs on this machine shall not decide the pace
    frames = list(records(Path(capture).read_bytes()))
    outlet = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    outlet.bind((interface, 0))
    outlet.setsockopt(SOL_PACKET, PACKET_QDISC_BYPASS, 1)
    send, clock = outlet.send, time.perf_counter
    step = 1 / rate
    began = clock()
    due = began
    for frame in frames:
        while clock() < due:
            pass
        send(frame)
        due += step
    print(clock() - began)  # noqa: T201 -- its output


def records(octets: bytes) -> list[bytes]:
    """Return the frames of a capture."""
    frames = []
    at = 24
    while at < len(octets):
        _, _, caught, _ = RECORD.unpack_from(octets, at)
        frames.append(octets[at + 16 : at + 16 + caught])
        at += 16 + caught
    return frames


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
