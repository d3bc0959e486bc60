"""Where test parts are kept between runs, and the one way a part says that it cannot be had.

A part is a program that the tests need and the project does not ship. It lies in the user's cache folder, so that a
fresh checkout does not fetch it again, and never in the checkout or in `.venv`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

# A first fetch over a slow line takes minutes; a lock held for longer belongs to a process that hangs.
LOCK_LIMIT_S = 900
# Enough of a log to see what went wrong, little enough to fit in the reason of a skipped test.
TAIL_LINES = 8


class PartMissingError(Exception):
    """A part cannot be had on this machine. The message names the part, the reason and the remedy, in one sentence."""


class PartDamagedError(Exception):
    """A part is here and is not what was pinned: no reason to skip, somebody must look. The message says where."""


def folder() -> Path:
    """Return the folder that holds this project's parts, and make it if need be.

    Source: XDG Base Directory Specification, `XDG_CACHE_HOME`.
    """
    base = os.environ.get("XDG_CACHE_HOME")
    place = (Path(base) if base else Path.home() / ".cache") / "schoolgate"
    place.mkdir(parents=True, exist_ok=True)
    return place


def say(message: str) -> None:
    """Tell the person at the terminal what takes so long."""
    sys.stderr.write(f"parts: {message}\n")
    sys.stderr.flush()


def told(set_up: Callable[[], str]) -> int:
    """Say where a part is once it is set up, and return 0; say why this machine cannot have it, and return 3."""
    try:
        say(set_up())
    except PartMissingError as missing:
        say(str(missing))
        return 3
    return 0


@contextlib.contextmanager
def locked(part: str) -> Iterator[None]:
    """Hold the lock of *part*: of two processes that want it at once, one fetches and the other waits.

    Raises:
        PartMissingError: the lock was not free within 15 minutes.
    """
    path = folder() / f"{part}.lock"
    deadline = time.monotonic() + LOCK_LIMIT_S
    told = False
    with path.open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise PartMissingError(f"{part}: another process has held {path} for {LOCK_LIMIT_S} s") from None
                if not told:
                    say(f"{part}: another process is setting it up; waiting")
                    told = True
                time.sleep(0.2)
            else:
                break
        yield


def run(command: Sequence[str], *, part: str, limit_s: float, log: Path) -> None:
    """Run *command* for at most *limit_s* seconds, with its words in *log*.

    Raises:
        PartMissingError: it could not be started, failed, or hung.
    """
    with log.open("wb") as out:
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, timeout=limit_s, check=False
            )
        except subprocess.TimeoutExpired:
            raise PartMissingError(
                f"{part}: `{command[0]}` gave no answer within {limit_s:.0f} s; another try may go through (see {log})"
            ) from None
        except OSError as fault:
            raise PartMissingError(f"{part}: `{command[0]}` could not be started: {fault.strerror}") from fault
    if done.returncode != 0:
        raise PartMissingError(f"{part}: `{command[0]}` failed with {done.returncode}: {tail(log)} (see {log})")


def tail(log: Path) -> str:
    """Return the last lines of *log* as one line."""
    if not log.exists():
        return "no log was written"
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return " | ".join(lines[-TAIL_LINES:]) or "the log is empty"
