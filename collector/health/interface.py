"""Whether the tapped interfaces are there, carry frames as they were sent, and bring any. Linux only."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Final

from collector.outcomes import failed, misconfigured, not_applicable, warning, well
from collector.sources.afpacket import LEAST_BLOCKS, RingSize
from collector.sources.errors import NoSuchInterfaceError, TapError
from collector.sources.interfaces import joins_packets, look
from collector.sources.live import LiveCapture
from collector.sources.ring import link_type

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from collector.outcomes import Outcome

# A school's mirror port is never silent for so long while anybody is there.
LISTEN_S: Final = 2.0


def interfaces(names: Sequence[str]) -> Iterator[Outcome]:
    """Yield for each interface whether frames can come from it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for name in names:
            found = look(probe, name)
            if found is None:
                there = ", ".join(sorted(name for _, name in socket.if_nameindex()))
                yield misconfigured(f"{name} is no interface of this machine", remedy=f"name one of: {there}")
            elif link_type(found.hardware) < 0:
                yield misconfigured(
                    f"frames of {name} (hardware type {found.hardware}) cannot be read",
                    remedy="name an Ethernet, loopback or tun interface",
                )
            elif not found.carries:
                yield failed(f"{name} is down", remedy=f"plug in its cable and run: ip link set {name} up")
            else:
                yield well(f"{name} is up")


def offload(names: Sequence[str]) -> Iterator[Outcome]:
    """Yield for each interface whether it joins packets before they are counted (GRO, LRO)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for name in names:
            found = look(probe, name)
            if found is None:
                yield not_applicable(f"{name} is no interface of this machine")
            elif not found.loops and joins_packets(probe, name):
                yield warning(
                    f"{name} joins packets before they are counted, so that packet counts are too low",
                    remedy=f"run: ethtool -K {name} gro off lro off",
                )
            else:
                yield well(f"{name} leaves packets as they were sent")


def traffic(names: Sequence[str]) -> Iterator[Outcome]:
    """Yield whether frames come in at all; listens for two seconds and keeps nothing."""
    told = ", ".join(names)
    try:
        with LiveCapture(names, size=RingSize(blocks=LEAST_BLOCKS, most_blocks=LEAST_BLOCKS)) as tap:
            deadline = time.monotonic() + LISTEN_S
            for _ in tap:
                if time.monotonic() > deadline:
                    break
            frames, dropped = tap.packets, tap.dropped
    except (NoSuchInterfaceError, TapError) as error:
        yield not_applicable(f"nobody could listen ({error})")
        return
    if frames or dropped:
        yield well(f"{frames + dropped:,} frames in {LISTEN_S:.0f} s at {told}")
    else:
        yield warning(
            f"no frame in {LISTEN_S:.0f} s at {told}",
            remedy="look at the mirror port of the switch, or at the cables of the tap; at night it may be right",
        )
