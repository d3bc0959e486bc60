"""Asks tshark, through pyshark, about a few packets. Nothing is written to a disk, and nothing hostile is read here.

The packets lie in memory that the reading program has as its standard input; its words lie in such memory too. The
program gives up all rights, is bounded, and is ended with everything that it started when its time is over.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from collector.tshark_opinion import Said, SaidError, said

if TYPE_CHECKING:
    from collections.abc import Iterator

TIME_LIMIT_S = 120.0
"""Seconds for all of it: 2,000 packets take 5 to 10 on a quiet machine."""
MOST_WORDS = 64 * 1_048_576
"""Octets of words that are read; the reading program may write half as many."""

_PROGRAM = "tshark"
_READER = "collector.sources.tshark_reader"


class TsharkError(Exception):
    """tshark could not be asked, or did not answer; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What tshark said."""

    version: str
    """Its version."""
    packets: tuple[Said, ...]
    """Its words about each packet, in order."""


def missing() -> str:
    """Return what is not installed here and how to install it; empty: all is there."""
    if importlib.util.find_spec("pyshark") is None:
        return "the Python package pyshark is not installed; install it (`pip install pyshark`)"
    if shutil.which(_PROGRAM) is None:
        return "tshark is not installed, or not on the PATH; on Debian: `apt-get install tshark`"
    return ""


def ask(capture: bytes, *, packets: int, limit_s: float = TIME_LIMIT_S) -> Answer:
    """Return what tshark says of the *packets* packets in *capture*.

    Raises:
        TsharkError: it is not installed, took too long, ended early, or said what cannot be read.
    """
    lacking = missing()
    tshark = shutil.which(_PROGRAM)
    if lacking or tshark is None:
        raise TsharkError(lacking)
    with _memory(capture) as given, _memory() as words, _memory() as complaints:
        code = _run(tshark, files=(given, words, complaints), limit_s=limit_s)
        lines = _text(words).splitlines()
        complaint = _text(complaints).strip().rpartition("\n")[2]
    try:
        version = _version(lines)
        heard = tuple(said(line) for line in lines[1:])
    except SaidError as error:
        raise TsharkError(_failure(code, complaint or str(error))) from None
    if code or len(heard) < packets:
        told = f"it told of {len(heard):,} of {packets:,} packets"
        raise TsharkError(_failure(code, f"{told}: {complaint}" if complaint else told))
    return Answer(version=version, packets=heard)


def _run(tshark: str, *, files: tuple[int, int, int], limit_s: float) -> int:
    """Run the reading program to its end, and return its code."""
    process = subprocess.Popen(  # noqa: S603 -- our own program, and a path that the PATH led to
        # Isolated: neither the folder where we stand nor variables of the environment decide what it loads.
        [sys.executable, "-I", "-m", _READER, tshark],
        stdin=files[0],
        stdout=files[1],
        stderr=files[2],
        # pyshark would take a path for tshark from a file in this folder.
        cwd="/",
        # tshark would read settings and programs of a person from their home.
        env={"PATH": os.defpath, "HOME": "/nonexistent", "LC_ALL": "C.UTF-8", "TZ": "UTC"},
        start_new_session=True,
    )
    try:
        return process.wait(limit_s)
    except subprocess.TimeoutExpired:
        raise TsharkError(f"tshark did not come to an end within {limit_s:g} s, and was ended") from None
    finally:
        # The group outlives its leader where tshark does.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _version(lines: list[str]) -> str:
    head = lines[0] if lines else ""
    if not head.startswith('{"tshark": "'):
        raise SaidError("it said nothing")
    return head.removeprefix('{"tshark": "').removesuffix('"}')


def _failure(code: int, told: str) -> str:
    ended = f"signal {signal.Signals(-code).name}" if code < 0 else f"code {code}"
    return f"tshark gave no whole answer ({ended}; {told}); its packets may be what it cannot read, or it is too old"


@contextlib.contextmanager
def _memory(octets: bytes = b"") -> Iterator[int]:
    """Give a file that lies in memory alone, and holds *octets*."""
    number = os.memfd_create("schoolgate-tshark")
    try:
        with os.fdopen(os.dup(number), "wb") as file:
            file.write(octets)
        os.lseek(number, 0, os.SEEK_SET)
        yield number
    finally:
        os.close(number)


def _text(number: int) -> str:
    return os.pread(number, MOST_WORDS, 0).decode("utf-8", "replace")
