"""tests/bench/live_sender.c: what `make bench-live` sends arrives as it was sent, in either way of sending."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench.live import built
from tests.system.veth_for_tests import BETWEEN, IPV4, Lab, frames_of, made_lab

FRAMES = [BETWEEN + IPV4 + struct.pack(">I", number) + bytes(42 + 31 * number % 1_400) for number in range(300)]


@pytest.fixture
def lab() -> Iterator[Lab]:
    with made_lab() as lab:
        lab.plug()
        yield lab


def capture_of(frames: list[bytes], path: Path) -> Path:
    header = struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 1)
    path.write_bytes(header + b"".join(struct.pack("<IIII", 0, 0, len(one), len(one)) + one for one in frames))
    return path


@pytest.mark.skipif(shutil.which("cc") is None, reason="the sender is C: it needs a compiler, `cc`")
def test_every_packet_arrives_once_in_order_and_by_itself(lab: Lab, tmp_path: Path) -> None:
    sender = built(tmp_path)
    capture = capture_of(FRAMES, tmp_path / "some.pcap")
    for way in ("frames", "sendmmsg"):
        words = [str(sender), "send0", str(capture), "50000", "0", f"/run/netns/{lab.here}", "tap0"]
        with lab.tap("tap0") as tap:
            asked = ["ip", "netns", "exec", lab.there, *words, *([] if way == "frames" else [way])]
            done = subprocess.run(asked, check=True, capture_output=True, text=True, timeout=60)
            assert frames_of(tap, len(FRAMES)) == FRAMES
        said, sent, seconds, _ = done.stdout.split()
        if way == "frames" and said == "sendmmsg":
            pytest.skip(f"this kernel sends no live frames: {done.stderr.strip()}")
        assert (said, int(sent)) == (way, len(FRAMES))
        assert float(seconds) > (len(FRAMES) - 32) / 50_000
