"""The networks of a lane: the broker in one namespace, collectors and judges in one each, and cables to be cut.

Everything is made inside a network and a mount namespace of this very process, and vanishes with it: nothing of it is
ever seen by the rest of the machine. Linux, as root.
"""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Final, Literal

Side = Literal["collect", "judge"]
SIDES: Final[tuple[Side, ...]] = ("collect", "judge")

BROKER: Final = "192.0.2.1"  # RFC 5737
_ADDRESSES: Final[dict[Side, tuple[str, str]]] = {
    "collect": ("198.51.100.1", "198.51.100.2"),
    "judge": ("198.51.100.5", "198.51.100.6"),
}
_CLONE_NEWNS = 0x00020000
_CLONE_NEWNET = 0x40000000
LIMIT_S = 30


def possible() -> str | None:
    """Return why there can be no such networks here, None: there can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "needs root on Linux"
    return None


class Networks:
    """The networks of this process. Making them moves the process itself into a namespace of its own, for good.

    Raises:
        OSError: the kernel refused.
    """

    def __init__(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(_CLONE_NEWNS | _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "no namespaces can be made")
        # What is mounted from now on is seen by this process and its children alone.
        run("mount", "--make-rprivate", "/")
        names = Path("/run/netns")
        names.mkdir(exist_ok=True)
        run("mount", "-t", "tmpfs", "chaos", str(names))
        # Or the kernel's own neighbour discovery would be among the frames at the tap.
        _no_ipv6()
        run("ip", "link", "set", "lo", "up")
        run("ip", "address", "add", f"{BROKER}/32", "dev", "lo")
        for side in SIDES:
            self._lay(side)
        self._lay_tap()

    def inside(self, side: Side) -> list[str]:
        """Return what to put before a command so that it runs on that side; it execs and does not fork."""
        return ["ip", "netns", "exec", side]

    def cut(self, side: Side) -> None:
        """Take the cable of that side out: nothing gets through, and nobody is told."""
        # Out at the broker's end: the other end keeps its routes, and its packets go nowhere.
        run("ip", "link", "set", side, "down")

    def mend(self, side: Side) -> None:
        """Put it in again."""
        run("ip", "link", "set", side, "up")

    def outlet(self) -> socket.socket:
        """Return a socket that sends frames to the interface `tap0` of the collecting side."""
        outlet = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        outlet.bind(("send0", 0))
        return outlet

    def _lay(self, side: Side) -> None:
        ours, theirs = _ADDRESSES[side]
        run("ip", "netns", "add", side)
        run("ip", "link", "add", side, "type", "veth", "peer", "name", "up0", "netns", side)
        run("ip", "address", "add", f"{ours}/30", "dev", side)
        run("ip", "link", "set", side, "up")
        run("ip", "-n", side, "link", "set", "lo", "up")
        run("ip", "-n", side, "address", "add", f"{theirs}/30", "dev", "up0")
        run("ip", "-n", side, "link", "set", "up0", "up")
        run("ip", "-n", side, "route", "add", f"{BROKER}/32", "via", ours)

    def _lay_tap(self) -> None:
        run("ip", "link", "add", "send0", "type", "veth", "peer", "name", "tap0", "netns", "collect")
        run("ip", "link", "set", "send0", "up")
        run("ip", "-n", "collect", "link", "set", "tap0", "up")


def run(*command: str) -> None:
    """Run a command of the system.

    Raises:
        OSError: it failed.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    if done.returncode != 0:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")


def _no_ipv6() -> None:
    for name in ("all", "default"):
        Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6").write_text("1", encoding="ascii")
