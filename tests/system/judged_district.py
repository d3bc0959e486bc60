"""The sample district with a broker of its own, the events of its day, and judges to start."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer

from collector.topics import FLOWS
from tests.parts.broker import KafkaBroker
from tests.parts.patience import PATIENCE_S
from tests.parts.program import Program
from tests.parts.verb_program import VerbProgram
from tests.system.product import (
    DEAR_LOOK_S,
    copy_district,
    free_port,
    report_now,
    schoolgate,
    stored_report,
)


class JudgedDistrict:
    """The sample district and its broker."""

    def __init__(self, folder: Path, broker: KafkaBroker) -> None:
        self.folder = copy_district(folder)
        self.config = self.folder / "config.yaml"
        self.broker = broker
        with self.config.open("a", encoding="utf-8") as file:
            file.write(f"kafka: {{bootstrap: [{broker.bootstrap}]}}\n")
        assert schoolgate("kafka", "setup", "--config", self.config).returncode == 0
        told = schoolgate("flows", self.folder / "day.pcap.gz", "--network", self.folder / "network.yaml")
        assert told.returncode == 0, told.stderr
        self.day = told.stdout.encode().splitlines()
        self._started: list[Program] = []

    def judge(self, *words: str) -> tuple[Program, str]:
        """Start a judge; return it, and where it shows its metrics."""
        listen = f"127.0.0.1:{free_port()}"
        log = self.folder / f"judge-{len(self._started)}.log"
        program = VerbProgram(("judge", "--config", self.config, "--metrics", listen, *words), log=log)
        self._started.append(program)
        return program, listen

    def said(self, number: int = 0) -> str:
        """Return what a judge said."""
        return (self.folder / f"judge-{number}.log").read_text(encoding="utf-8")

    def checked(self, events: list[bytes]) -> dict[str, Any]:
        """Return the report of `check --json` over these events."""
        path = self.folder / "events.jsonl.gz"
        path.write_bytes(gzip.compress(b"\n".join(events) + b"\n"))
        files = ("--agreements", self.folder / "agreements", "--network", self.folder / "network.yaml")
        run = schoolgate("check", path, *files, "--parties", self.folder / "parties.yaml", "--json")
        report: dict[str, Any] = json.loads(run.stdout)
        return report

    def send(self, events: list[bytes], *, first: int = 0) -> None:
        """Write events as the collector does."""
        asyncio.run(self._send(events, first=first))

    async def _send(self, events: list[bytes], *, first: int) -> None:
        async with AIOKafkaProducer(bootstrap_servers=self.broker.bootstrap, enable_idempotence=True) as producer:
            for number, line in enumerate(events, start=first):
                headers = [("collector", b"lakeview-tap"), ("seq", b"%d" % number)]
                await producer.send(FLOWS, line, key=json.loads(line)["device"].encode(), headers=headers)
            await producer.flush()

    def wait_for(self, expected: dict[str, Any]) -> None:
        """Wait until the store holds this report, field by field."""
        deadline = time.monotonic() + 4 * PATIENCE_S
        while report_now(self.config) != expected and time.monotonic() < deadline:
            time.sleep(DEAR_LOOK_S)
        assert stored_report(self.config) == expected, self.said(len(self._started) - 1)

    def close(self) -> None:
        """End what still runs."""
        for program in self._started:
            program.kill()
