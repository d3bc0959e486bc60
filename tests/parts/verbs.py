"""Runs one verb of the command line to its end, quickly; `verb_server.py` says how."""

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
    request = {
        "words": [str(word) for word in words],
        "folder": str(folder or Path.cwd()),
        "environment": dict(os.environ if environment is None else environment),
    }
    server = _server()
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as told:
        given.write(octets)
        given.seek(0)
        socket.send_fds(server, [json.dumps(request).encode()], [given.fileno(), out.fileno(), told.fileno()])
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
