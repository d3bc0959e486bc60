"""A real Alertmanager that a test can kill and start again on the same port, with or without its memory."""

from __future__ import annotations

import json
import ssl
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.parts.patience import PATIENCE_S
from tests.parts.ports import free_ports
from tests.parts.program import Program
from tests.parts.prometheus import PrometheusParts


class Alertmanager:
    """One Alertmanager.

    Args:
        parts: the programs.
        config: its configuration file.
        folder: gets its memory and what it prints.
        web: how it shows itself, a file; None: over HTTP.
        ca: vouches for it then.
    """

    def __init__(
        self, parts: PrometheusParts, *, config: Path, folder: Path, web: Path | None = None, ca: Path | None = None
    ) -> None:
        folder.mkdir(exist_ok=True)
        (self.port,) = free_ports(1)
        self.address = f"{'http' if web is None else 'https'}://127.0.0.1:{self.port}"
        self._trust = ssl.create_default_context(cafile=ca)
        self._log = folder / "alertmanager.log"
        self._command = [
            *parts.alertmanager, f"--config.file={config}", f"--storage.path={folder}",
            f"--web.listen-address=127.0.0.1:{self.port}", "--cluster.listen-address=",
            "--data.maintenance-interval=30s", *([] if web is None else [f"--web.config.file={web}"]),
        ]  # fmt: skip
        self._program: Program | None = None
        self.start()

    def start(self) -> None:
        """Start it, and return when it is ready."""
        self._program = Program(self._command, log=self._log)
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                self.ask("/-/ready")
            except (urllib.error.URLError, ConnectionError):
                assert self._program.alive, self._log.read_text(encoding="utf-8")
                assert time.monotonic() < deadline, "Alertmanager did not start"
                time.sleep(0.05)
            else:
                return

    def kill(self) -> None:
        """End it at once."""
        if self._program is not None:
            self._program.kill()

    def ask(self, path: str) -> bytes:
        """Return what it answers."""
        with urllib.request.urlopen(  # noqa: S310 -- loopback
            self.address + path, timeout=10, context=self._trust
        ) as answer:
            told: bytes = answer.read()
            return told

    def alerts(self) -> dict[str, str]:
        """Return case -> state (`active` or `suppressed`) of every alert that has a case."""
        told: list[dict[str, Any]] = json.loads(self.ask("/api/v2/alerts"))
        return {each["labels"]["case"]: each["status"]["state"] for each in told if "case" in each["labels"]}

    def silences(self) -> list[dict[str, Any]]:
        """Return the silences that hold now."""
        told: list[dict[str, Any]] = json.loads(self.ask("/api/v2/silences"))
        return [each for each in told if each["status"]["state"] == "active"]
