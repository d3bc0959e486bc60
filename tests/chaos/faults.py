"""Does to a round what its plan says, each fault at its time. No two at once to the same part: the later one waits."""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from tests.chaos.district import SMALLEST_SPOOL, CollectorFolder
from tests.chaos.lane import Lane
from tests.chaos.networks import SIDES, Networks, Side
from tests.chaos.plan import NEEDS_ROOT, Fault, Plan
from tests.chaos.processes import Process

# How often the frames of the first capture are sent in a flood: several times what the smallest spool holds.
FLOOD_TIMES = 8
PORTION = 500
GROWN_LIMIT_S, GROWN_LOOK_S = 60.0, 0.5
IPV4 = b"\x08\x00"
TCP, UDP = 6, 17
FIRST_CLIENT_PORT = 1_024


@dataclass(slots=True, kw_only=True)
class Harm:
    """Everything that can be harmed in a round, and what was done to it."""

    lane: Lane
    plan: Plan
    collectors: Sequence[Process]
    judges: Sequence[Process]
    folders: Sequence[CollectorFolder]
    notes: list[str] = field(default_factory=list)
    _broker: asyncio.Lock = field(default_factory=asyncio.Lock)
    _cables: dict[Side, asyncio.Lock] = field(default_factory=lambda: {side: asyncio.Lock() for side in SIDES})
    _disk: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def inflict(self) -> None:
        """Do everything that the plan says; when this returns all is mended."""
        async with asyncio.TaskGroup() as group:
            began = time.monotonic()
            for fault in self.plan.faults:
                group.create_task(self._inflict(fault, began=began))

    async def _inflict(self, fault: Fault, *, began: float) -> None:
        await asyncio.sleep(max(0.0, began + fault.at_s - time.monotonic()))
        if self.lane.lacks and fault.kind in NEEDS_ROOT:
            self.notes.append(f"`{fault.kind}` {self.lane.lacks}")
            return
        acts: dict[str, Callable[[Fault], Awaitable[None]]] = {
            "kill collect": self._kill_collect,
            "kill judge": self._kill_judges,
            "kill judges": self._kill_judges,
            "stall collect": self._stall,
            "stall judge": self._stall,
            "kill broker": self._kill_broker,
            "broker away": self._kill_broker,
            "stall broker": self._stall_broker,
            "disk full": self._fill_disk,
            "cut collect": self._cut,
            "cut judge": self._cut,
            "cut all": self._cut,
            "clock jump": self._jump,
            "flood": self._flood,
        }
        await acts[fault.kind](fault)

    async def _kill_collect(self, fault: Fault) -> None:
        await self._kill([self.collectors[fault.target % len(self.collectors)]], pause_s=fault.lasts_s)

    async def _kill_judges(self, fault: Fault) -> None:
        count = fault.size if fault.kind == "kill judges" else 1
        first = fault.target % len(self.judges)
        order = [*self.judges[first:], *self.judges[:first]]
        await self._kill(order[:count], pause_s=fault.lasts_s)

    async def _kill(self, victims: Sequence[Process], *, pause_s: float) -> None:
        async with AsyncExitStack() as held:
            # Always in the same order: two faults that wait for each other would never end.
            for victim in sorted(victims, key=lambda each: each.name):
                await held.enter_async_context(victim.busy)
            alive = [victim for victim in victims if victim.alive]
            for victim in alive:
                victim.kill()
            if not alive:
                self.notes.append("nobody was left to kill")
                return
            await asyncio.sleep(pause_s)
            for victim in alive:
                victim.start()

    async def _stall(self, fault: Fault) -> None:
        among = self.collectors if fault.kind == "stall collect" else self.judges
        victim = among[fault.target % len(among)]
        async with victim.busy:
            if not victim.alive:
                self.notes.append("nobody was left to stall")
                return
            victim.pause()
            await asyncio.sleep(fault.lasts_s)
            victim.resume()

    async def _kill_broker(self, fault: Fault) -> None:
        async with self._broker:
            self.lane.broker.kill()
            await asyncio.sleep(fault.lasts_s)
            await asyncio.to_thread(self.lane.broker.restart)

    async def _stall_broker(self, fault: Fault) -> None:
        async with self._broker:
            self.lane.broker.pause()
            await asyncio.sleep(fault.lasts_s)
            self.lane.broker.resume()

    async def _fill_disk(self, fault: Fault) -> None:
        async with self._disk:
            folder = self.folders[fault.target % len(self.folders)]
            folder.fill()
            await asyncio.sleep(fault.lasts_s)
            folder.free()

    async def _cut(self, fault: Fault) -> None:
        networks = self._networks()
        sides: dict[str, tuple[Side, ...]] = {"cut collect": ("collect",), "cut judge": ("judge",), "cut all": SIDES}
        async with AsyncExitStack() as held:
            for side in sides[fault.kind]:
                await held.enter_async_context(self._cables[side])
            for side in sides[fault.kind]:
                networks.cut(side)
            await asyncio.sleep(fault.lasts_s)
            for side in sides[fault.kind]:
                networks.mend(side)

    async def _jump(self, fault: Fault) -> None:
        if self.lane.clock is None:
            self.notes.append("`clock jump` needs a C compiler")
            return
        self.lane.clock.jump(fault.size)

    async def _flood(self, fault: Fault) -> None:
        """Send more than the spool of the first collector holds, while it cannot reach the broker."""
        networks = self._networks()
        frames = self.lane.material.frames(self.plan.captures[0][0])
        await self.collectors[0].ready()
        async with self._cables["collect"]:
            networks.cut("collect")
            with networks.outlet() as outlet:
                for number in range(FLOOD_TIMES):
                    for at in range(0, len(frames), PORTION):
                        for frame in frames[at : at + PORTION]:
                            outlet.send(from_other_ports(frame, number=number))
                        # The tap's ring is small beside what a loop can send, and this test is not about the ring.
                        await asyncio.sleep(0.01)
            await self._until_grown(self.folders[0])
            await asyncio.sleep(fault.lasts_s)
            networks.mend("collect")

    async def _until_grown(self, folder: CollectorFolder) -> None:
        """Wait until the spool holds as much as it may: a flow is told of only seconds after its end."""
        deadline = time.monotonic() + GROWN_LIMIT_S
        while folder.octets < 2 * SMALLEST_SPOOL and time.monotonic() < deadline:  # noqa: ASYNC110 -- it must be asked
            await asyncio.sleep(GROWN_LOOK_S)

    def _networks(self) -> Networks:
        if self.lane.networks is None:
            raise RuntimeError("there are no networks here")
        return self.lane.networks


def from_other_ports(frame: bytes, *, number: int) -> bytes:
    """Return *frame* with its client's port moved: the same flow once more would be but a part of the first."""
    if frame[12:14] != IPV4 or frame[23] not in {TCP, UDP}:
        return frame
    at = 14 + 4 * (frame[14] & 0x0F)
    source, target = struct.unpack_from("!HH", frame, at)
    if source >= FIRST_CLIENT_PORT:
        source = _moved(source, number=number)
    elif target >= FIRST_CLIENT_PORT:
        target = _moved(target, number=number)
    return frame[:at] + struct.pack("!HH", source, target) + frame[at + 4 :]


def _moved(port: int, *, number: int) -> int:
    return FIRST_CLIENT_PORT + (port - FIRST_CLIENT_PORT + number * 7_919) % (65_536 - FIRST_CLIENT_PORT)
