"""One program that a test started: it can be stopped, stalled and killed, and never outlives the test run."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

from tests.parts.cache import tail

if TYPE_CHECKING:
    from collections.abc import Sequence

LEASH = Path(__file__).with_name("leash.py")
# A killed process is gone in milliseconds; the kernel needs longer only to give back gigabytes.
KILL_LIMIT_S = 60.0


class ProgramError(Exception):
    """A program did not start, or ended by itself. The message names its log and gives the last lines."""


class Leash(Protocol):
    """Whatever started a program, and ends it when it is let go of."""

    @property
    def stdin(self) -> IO[bytes] | None:
        """What holds it; closed, the program is killed."""

    def poll(self) -> int | None:
        """Return the program's exit code, 128 + signal if a signal ended it; None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """Return the program's exit code when it has ended; `subprocess.TimeoutExpired` when it has not in time."""


class Program:
    """A running program, known by a pidfd, so that no signal can ever reach another process that got its number.

    *command* is the program and its arguments; *log* gets what it prints, appended.
    """

    def __init__(self, command: Sequence[str], *, log: Path) -> None:
        with log.open("ab") as out:
            leash = subprocess.Popen(
                [sys.executable, "-I", "-S", str(LEASH), *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=out,
                start_new_session=True,  # Ctrl-C at the terminal is for the test run; the leash then ends this
            )
        assert leash.stdout is not None
        told = leash.stdout.readline()
        leash.stdout.close()
        self._hold(leash, name=command[0], told=told, log=log)

    def _hold(self, leash: Leash, *, name: str, told: bytes, log: Path) -> None:
        self.log = log
        self._leash = leash
        try:
            self.pid = int(told)
            self._pidfd = os.pidfd_open(self.pid)
        except (ValueError, ProcessLookupError):
            self._let_go()
            raise ProgramError(f"{name} did not start: {tail(log)} (see {log})") from None

    @property
    def alive(self) -> bool:
        """Whether it still runs (a stalled program does)."""
        return self._leash.poll() is None

    @property
    def code(self) -> int | None:
        """Exit code, 128 + signal if a signal ended it; None while it runs."""
        return self._leash.poll()

    def wait(self, *, limit_s: float) -> int:
        """Return the exit code when it has ended by itself.

        Raises:
            ProgramError: it has not within *limit_s* seconds.
        """
        try:
            code = self._leash.wait(limit_s)
        except subprocess.TimeoutExpired:
            raise ProgramError(f"it still runs after {limit_s:.0f} s: {tail(self.log)} (see {self.log})") from None
        self.kill()  # it has ended; this lets go of what led to it
        return code

    def signal(self, number: signal.Signals) -> None:
        """Send *number* to the program, to it alone.

        Raises:
            ProcessLookupError: it has ended.
        """
        signal.pidfd_send_signal(self._pidfd, number)

    def pause(self) -> None:
        """Stall it (SIGSTOP): its sockets stay open and say nothing. Returns when each of its threads stands still."""
        self.signal(signal.SIGSTOP)
        deadline = time.monotonic() + KILL_LIMIT_S
        while set(_states(self.pid)) != {"T"}:
            if time.monotonic() > deadline:
                raise ProgramError(f"it did not stand still within {KILL_LIMIT_S:.0f} s of SIGSTOP")
            time.sleep(0.005)

    def resume(self) -> None:
        """Let a stalled program go on."""
        self.signal(signal.SIGCONT)

    def stop(self, *, limit_s: float) -> None:
        """Ask it to end (SIGTERM); after *limit_s* seconds kill it."""
        if self.alive:
            # It may end by itself before it is asked to.
            with contextlib.suppress(subprocess.TimeoutExpired, ProcessLookupError):
                self.signal(signal.SIGTERM)
                self._leash.wait(limit_s)
        self.kill()

    def kill(self) -> None:
        """End it at once (SIGKILL), running, stalled or gone already; return when it is no more."""
        if self._pidfd < 0:
            return
        if self.alive:
            with contextlib.suppress(ProcessLookupError):  # it may end between the two lines
                self.signal(signal.SIGKILL)
        os.close(self._pidfd)
        self._pidfd = -1
        self._let_go()

    def _let_go(self) -> None:
        assert self._leash.stdin is not None
        self._leash.stdin.close()
        self._leash.wait(KILL_LIMIT_S)


def _states(pid: int) -> list[str]:
    """Return the state of each thread, as proc_pid_stat(5) has it; one that ended meanwhile is left out."""
    states = []
    for status in Path(f"/proc/{pid}/task").glob("*/stat"):
        with contextlib.suppress(OSError):
            states.append(status.read_text(encoding="utf-8", errors="replace").rpartition(") ")[2][0])
    return states
