"""A bench for the tap: veth pairs between two network namespaces, made for one test and taken away after it.

No frame leaves these namespaces. Without root or `ip` (iproute2), a test that needs them is skipped and says so.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.parts.patience import PATIENCE_S

if sys.platform != "linux":
    pytest.skip("the tap is tested on Linux: it needs AF_PACKET", allow_module_level=True)

from collector.frames import FrameBlock
from collector.sources.afpacket import LEAST_BLOCKS, RingSize
from collector.sources.live import LiveCapture
from collector.sources.scapy_live import ScapyCapture

SMALL = RingSize(blocks=LEAST_BLOCKS, most_blocks=LEAST_BLOCKS)
BETWEEN = bytes.fromhex("020000000002020000000001")  # two locally administered addresses
IPV4 = b"\x08\x00"
_CLONE_NEWNET = 0x40000000


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    """Two namespaces; cable n leads from `sendN` in the one to `tapN` in the other."""

    here: str
    """Namespace of the tap."""
    there: str
    """Namespace that sends."""

    def ip(self, namespace: str, *words: str) -> str:
        """Run `ip` in a namespace and return what it prints."""
        return subprocess.run(
            ["ip", "-n", namespace, *words], check=True, capture_output=True, text=True, timeout=30
        ).stdout

    def plug(self, number: int = 0, *, mtu: int = 1500) -> None:
        """Lay a cable between the two."""
        self.ip(
            self.there,
            *f"link add send{number} mtu {mtu} type veth peer name tap{number} mtu {mtu} netns {self.here}".split(),
        )
        self.ip(self.there, "link", "set", f"send{number}", "up")
        self.up(number)

    def up(self, number: int = 0) -> None:
        """Switch the end of the tap on, and wait until frames get through: the kernel drops what is sent before.

        The end that sends hears of its link by a job of the kernel's (linkwatch_event of net/core/link_watch.c), which
        on a busy machine comes after all that this process does next.
        """
        self.ip(self.here, "link", "set", f"tap{number}", "up")
        deadline = time.monotonic() + PATIENCE_S
        while "state UP" not in self.ip(self.there, "link", "show", f"send{number}"):
            assert time.monotonic() < deadline, "the cable gives no link"

    def down(self, number: int = 0) -> None:
        """Switch the end of the tap off."""
        self.ip(self.here, "link", "set", f"tap{number}", "down")

    def unplug(self, number: int = 0) -> None:
        """Take the cable away: both its ends vanish."""
        self.ip(self.there, "link", "del", f"send{number}")

    def outlet(self, number: int = 0) -> socket.socket:
        """Return a socket that sends frames into cable *number*."""
        with inside(self.there):
            outlet = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        outlet.bind((f"send{number}", 0))
        return outlet

    def tap(
        self, *names: str, own: tuple[str, ...] = (), size: RingSize = SMALL, say: Callable[[str], None] = print
    ) -> LiveCapture:
        """Open the tap on interfaces of the namespace *here*."""
        with inside(self.here):
            return LiveCapture(names, own=own, size=size, say=say)


@contextlib.contextmanager
def inside(namespace: str) -> Iterator[None]:
    """Put this thread into a network namespace; sockets opened there stay there."""
    libc = ctypes.CDLL(None, use_errno=True)
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    target = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    try:
        assert libc.setns(target, _CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        yield
    finally:
        assert libc.setns(home, _CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        os.close(target)
        os.close(home)


@contextlib.contextmanager
def made_lab() -> Iterator[Lab]:
    """Make the namespaces, and take them away; skip the test where that cannot be."""
    if os.geteuid() != 0:
        pytest.skip("the tap's veth tests need root, to make network namespaces")
    if shutil.which("ip") is None:
        pytest.skip("the tap's veth tests need `ip` of iproute2")
    lab = Lab(here=f"sg-tap-{os.getpid()}", there=f"sg-send-{os.getpid()}")
    made = []
    try:
        for namespace in (lab.here, lab.there):
            done = subprocess.run(
                ["ip", "netns", "add", namespace], capture_output=True, text=True, timeout=30, check=False
            )
            if done.returncode != 0:
                pytest.skip(f"the tap's veth tests need network namespaces: {done.stderr.strip()}")
            made.append(namespace)
            with inside(namespace):  # or the kernel's own neighbour discovery would be among the frames
                Path("/proc/sys/net/ipv6/conf/default/disable_ipv6").write_text("1", encoding="ascii")
            lab.ip(namespace, "link", "set", "lo", "up")
        yield lab
    finally:
        for namespace in made:
            subprocess.run(["ip", "netns", "del", namespace], check=False, timeout=30)


def read(tap: LiveCapture | ScapyCapture, *, until: Callable[[], bool], use: Callable[[FrameBlock], None]) -> None:
    """Hand blocks to *use* until the condition holds, and for a moment longer: no frame may come that should not."""
    deadline = time.monotonic() + PATIENCE_S
    calm = 0
    for block in tap:
        use(block)
        calm = calm + 1 if until() else 0
        if calm == 2 or time.monotonic() > deadline:
            return


def frames_of(tap: LiveCapture | ScapyCapture, count: int) -> list[bytes]:
    """Return the frames that come, at least *count*."""
    frames: list[bytes] = []
    read(tap, until=lambda: len(frames) >= count, use=lambda block: frames.extend(row[0] for row in block.rows()))
    return frames
