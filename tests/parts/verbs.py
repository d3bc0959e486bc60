"""Runs one verb of the command line quickly, to its end or beside the test; `verb_server.py` says how."""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).resolve().parents[2]
# Generous, since a machine that does other things at the same time shall make no test fail.
LIMIT_S = 300


def run_verb(
    words: Sequence[str | Path],
    *,
    octets: bytes = b"",
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    limit_s: float = LIMIT_S,
) -> subprocess.CompletedProcess[bytes]:
    """Run `schoolgate WORDS...` to its end.

    Args:
        words: the verb and what follows it.
        octets: its standard input.
        folder: where it runs; None: here.
        environment: its whole environment; None: ours.
        limit_s: seconds until it is killed.

    Raises:
        subprocess.TimeoutExpired: it took longer.
    """
    server = _server()
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as told:
        given.write(octets)
        given.seek(0)
        request = _request(words, folder=folder, environment=environment, stays=False)
        socket.send_fds(server, [request], [given.fileno(), out.fileno(), told.fileno()])
        pid = _answer(server)
        late = not select.select([server], [], [], limit_s)[0]
        if late:
            # The server still waits for it, so that the number is its own.
            os.kill(pid, signal.SIGKILL)
        code = _answer(server)
        out.seek(0)
        told.seek(0)
        done = subprocess.CompletedProcess(list(map(str, words)), code, out.read(), told.read())
    if late:
        raise subprocess.TimeoutExpired(done.args, limit_s, done.stdout, done.stderr)
    return done


def start_verb(
    words: Sequence[str | Path],
    *,
    leash: int,
    told: int,
    log: int,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Start `schoolgate WORDS...` and return at once; `verb_program.py` is what tests call.

    Args:
        words: the verb and what follows it.
        leash: the end of a pipe to read from; when nobody holds its other end any more, the verb is killed.
        told: the end of a pipe to write to; it gets a line with the process id, and at the end one with the exit code.
        log: what gets all that the verb says.
        folder: where it runs; None: here.
        environment: its whole environment; None: ours.
    """
    request = _request(words, folder=folder, environment=environment, stays=True)
    socket.send_fds(_server(), [request], [leash, told, log])


def _request(
    words: Sequence[str | Path], *, folder: Path | None, environment: Mapping[str, str] | None, stays: bool
) -> bytes:
    request = {
        "words": [str(word) for word in words],
        "folder": str(folder or Path.cwd()),
        "environment": dict(os.environ if environment is None else environment),
        "stays": stays,
    }
    return json.dumps(request).encode()


def _answer(server: socket.socket) -> int:
    octets = server.recv(64)
    assert octets, "the process that runs verbs has ended"
    return int(octets)


@cache
def _server() -> socket.socket:
    """Start the server of this test process; it ends with it, for its socket does."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        started = subprocess.Popen(
            [sys.executable, "-m", "tests.parts.verb_server"], cwd=ROOT, stdin=theirs.fileno(), start_new_session=True
        )

    def end() -> None:
        ours.close()
        started.wait()

    atexit.register(end)
    return ours
