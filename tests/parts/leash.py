"""Runs one program and ends it when whoever started this lets go: `leash.py PROGRAM ARGUMENT...`.

Its standard input is the leash: at its end (the test run is gone, however it died) the program is killed. The first
line on standard output is the program's process id. It imports nothing of the project, and so starts in 30 ms.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys

PR_SET_PDEATHSIG = 1  # prctl(2)


def _die_with_the_leash() -> None:
    # Should this very process be killed, nobody is left to kill the program: then the kernel does. The signal follows
    # the *thread* that forked, so a test run with threads must not set it itself; here there is but one.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def main() -> int:
    """Return the program's exit code, 128 + signal if a signal ended it."""
    program = subprocess.Popen(
        sys.argv[1:],
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr.fileno(),
        preexec_fn=_die_with_the_leash,  # noqa: PLW1509 -- this process has one thread
    )
    sys.stdout.write(f"{program.pid}\n")
    sys.stdout.flush()
    ended = os.pidfd_open(program.pid)
    ready, _, _ = select.select([sys.stdin.fileno(), ended], [], [])
    if ended not in ready:
        program.kill()
    code = program.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
