"""The product's own processes in a round, kept alive as a supervisor would: what dies is started again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.parts.program import Program

AGAIN_S: Final = 1.0
DONE, ENVIRONMENT_FAILED = 0, 3
POLL_S: Final = 0.1
READY_LIMIT_S: Final = 60.0


@dataclass(slots=True, kw_only=True)
class Process:
    """One `schoolgate collect` or `schoolgate judge`, over all its lives."""

    name: str
    command: Sequence[str]
    log: Path
    ends: bool
    """It ends by itself when its work is done."""
    ready_word: str
    """What it says when it is at work and can be asked to stop."""
    busy: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by whoever harms it: nothing else is done to it meanwhile."""
    finished: bool = False
    """It ended by itself with its work done, or was stopped."""
    starts: int = 0
    gave_up: int = 0
    """How often it ended because broker or disk failed, and was started again."""
    wrong: list[str] = field(default_factory=list)
    """What it did that it must never do."""
    _program: Program | None = None
    _log_from: int = 0
    _again_at: float = 0.0

    def start(self) -> None:
        """Start it."""
        self.starts += 1
        self._log_from = self.log.stat().st_size if self.log.exists() else 0
        self._program = Program(self.command, log=self.log)

    def kill(self) -> None:
        """End it at once (SIGKILL)."""
        if self._program is not None:
            self._program.kill()
            self._program = None

    @property
    def alive(self) -> bool:
        """Whether it runs, stalled or not."""
        return self._program is not None and self._program.alive

    def pause(self) -> None:
        """Stall it."""
        if self._program is not None:
            self._program.pause()

    def resume(self) -> None:
        """Let it go on."""
        if self._program is not None:
            self._program.resume()

    async def ready(self) -> None:
        """Return when it says that it is at work, has ended, or takes too long."""
        deadline = time.monotonic() + READY_LIMIT_S
        while self.alive and not self._is_ready() and time.monotonic() < deadline:  # noqa: ASYNC110 -- it must be asked
            await asyncio.sleep(POLL_S)

    async def stop(self, *, limit_s: float) -> None:
        """Ask it to end, and hold against it when it does not, or not in order."""
        program = self._program
        if program is None:
            return
        # Before it has said so, the signal ends it as it ends any program.
        await self.ready()
        if program.alive:
            await asyncio.to_thread(program.stop, limit_s=limit_s)
        self._program = None
        self.finished = True
        if program.code not in {DONE, ENVIRONMENT_FAILED}:
            self.wrong.append(f"{self.name}, asked to stop, ended with {program.code}")

    def look(self) -> None:
        """Start it again if it ended without being done."""
        if self.finished or self.busy.locked():
            return
        now = time.monotonic()
        if self._program is None:
            if now >= self._again_at:
                self.start()
            return
        if self._program.alive:
            return
        code = self._program.code
        self._program.kill()
        self._program, self._again_at = None, now + AGAIN_S
        if code == DONE and self.ends:
            self.finished = True
        elif code == ENVIRONMENT_FAILED:
            self.gave_up += 1
        else:
            self.wrong.append(f"{self.name} ended by itself with {code}")

    def _is_ready(self) -> bool:
        with self.log.open("rb") as log:
            log.seek(self._log_from)
            return self.ready_word.encode() in log.read()

    def said(self) -> str:
        """Return all that it printed in all its lives."""
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""


async def supervise(processes: Sequence[Process]) -> None:
    """Look after them until cancelled."""
    while True:
        for process in processes:
            process.look()
        await asyncio.sleep(POLL_S)
