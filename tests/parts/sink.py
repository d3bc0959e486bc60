"""A server for the tests that takes what it is sent, writes it into a file, and sends nothing anywhere.

It is a process of its own, so that a test can kill it: `python -m MODULE --port PORT --box FILE OPTIONS`.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from typing import TYPE_CHECKING, Any

from tests.parts.patience import PATIENCE_S
from tests.parts.ports import free_ports
from tests.parts.program import Program

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


class Sink:
    """A server on a port of its own that can be ended and started again.

    Args:
        module: what it runs.
        folder: gets what it prints and what it takes.
        options: what *module* is told beside port and box.
    """

    def __init__(self, module: str, *, folder: Path, options: Sequence[str]) -> None:
        folder.mkdir(exist_ok=True)
        (self.port,) = free_ports(1)
        self._box = folder / "taken.jsonl"
        self._log = folder / "sink.log"
        self._command = [sys.executable, "-m", module, "--port", str(self.port), "--box", str(self._box), *options]
        self._program: Program | None = None
        self.start()

    def start(self) -> None:
        """Start it, and return when it listens."""
        self._program = Program(self._command, log=self._log)
        deadline = time.monotonic() + PATIENCE_S
        while True:
            with socket.socket() as knock:
                if knock.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            assert self._program.alive, self._log.read_text(encoding="utf-8")
            assert time.monotonic() < deadline, f"{self._command[2]} did not start"
            time.sleep(0.02)

    def kill(self) -> None:
        """End it at once."""
        if self._program is not None:
            self._program.kill()

    def taken(self) -> list[dict[str, Any]]:
        """Return what it took, the oldest first."""
        if not self._box.exists():
            return []
        whole, _, _torn = self._box.read_text(encoding="utf-8").rpartition("\n")
        return [json.loads(line) for line in whole.splitlines()]


def keep(box: Path, told: Mapping[str, Any]) -> None:
    """Write down what was taken, in one write, so that whoever reads meanwhile sees whole lines."""
    with box.open("a", encoding="utf-8") as out:
        out.write(json.dumps(told) + "\n")
