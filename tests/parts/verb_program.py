"""One verb of the command line that stays, forked from a process that has loaded it: `verb_server.py` says how.

It starts in a hundredth of the second that `python -m schoolgate` takes. A test of what the machine sees of a process
(its command line, its memory, its start) takes `Program` with that command instead.
"""

from __future__ import annotations

import os
import select
import subprocess
import time
from typing import IO, TYPE_CHECKING

from tests.parts.program import Program
from tests.parts.verbs import start_verb

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

START_LIMIT_S = 240.0


class VerbProgram(Program):
    """`schoolgate WORDS...`, with all that a `Program` can do.

    Args:
        words: the verb and what follows it.
        log: gets what it prints, appended.
        folder: where it runs; None: here.
        environment: its whole environment; None: ours.
    """

    def __init__(
        self,
        words: Sequence[str | Path],
        *,
        log: Path,
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        leash_end, hold = os.pipe()
        told, told_end = os.pipe()
        with log.open("ab") as out:
            start_verb(words, leash=leash_end, told=told_end, log=out.fileno(), folder=folder, environment=environment)
        os.close(leash_end)
        os.close(told_end)
        leash = _VerbLeash(hold=hold, told=told)
        self._hold(leash, name=f"schoolgate {words[0]}", told=leash.line(limit_s=START_LIMIT_S) or b"", log=log)
        leash.taken()


class _VerbLeash:
    """Holds a verb by a pipe, and hears of it by another; it is let go of when its code is known."""

    def __init__(self, *, hold: int, told: int) -> None:
        self.stdin: IO[bytes] | None = os.fdopen(hold, "wb")
        self._told = told
        self._heard = b""
        self._code: int | None = None

    def line(self, *, limit_s: float) -> bytes | None:
        """Return the next line, empty when there will be none; None when none came within *limit_s* seconds."""
        deadline = time.monotonic() + limit_s
        while b"\n" not in self._heard:
            if not select.select([self._told], [], [], max(deadline - time.monotonic(), 0))[0]:
                return None
            octets = os.read(self._told, 64)
            if not octets:
                return b""
            self._heard += octets
        line, _, self._heard = self._heard.partition(b"\n")
        return line

    def taken(self) -> None:
        """Tell that whoever asked has taken hold of the program."""
        assert self.stdin is not None
        self.stdin.write(b"\n")
        self.stdin.flush()

    def poll(self) -> int | None:
        return self._ended(limit_s=0)

    def wait(self, timeout: float | None = None) -> int:
        code = self._ended(limit_s=START_LIMIT_S if timeout is None else timeout)
        if code is None:
            raise subprocess.TimeoutExpired("schoolgate", timeout or START_LIMIT_S)
        return code

    def _ended(self, *, limit_s: float) -> int | None:
        if self._code is None and (line := self.line(limit_s=limit_s)) is not None:
            # A keeper that was killed says nothing more, and the kernel has killed its program.
            self._code = int(line) if line else 128 + 9
            os.close(self._told)
        return self._code
