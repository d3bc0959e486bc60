"""A collector at a tap in a network namespace, for tests, and what its events are compared with."""

from __future__ import annotations

import json
import os
import re
import signal
import struct
import sys
import time
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

from tests.parts.broker import KafkaBroker
from tests.parts.patience import PATIENCE_S
from tests.parts.program import Program
from tests.system.product import UNLISTED, copy_district, schoolgate, scrape, until
from tests.system.test_run_live import closed_command
from tests.system.topic_reader import events, records, with_kafka
from tests.system.veth_for_tests import Lab, inside

LISTEN = "127.0.0.1:9464"
PACKETS = "schoolgate_capture_packets_total"
# What differs from one moment and one run to the next.
MOMENT = {"id", "device", "started_at", "ended_at"}
NOBODY = 65_534
# Frames to let pass at once: more would only try the size of the ring.
BURST = 200


def in_namespace(lab: Lab) -> tuple[str, ...]:
    return ("ip", "netns", "exec", lab.here)


class LiveCollect:
    """One collector at a tap: its folder, and what it does.

    Args:
        lab: where the tap is.
        folder: of this test.
        kafka: as in a configuration.
        processes: that read the tap.
    """

    def __init__(self, lab: Lab, *, folder: Path, kafka: str, processes: int = 1) -> None:
        self.district = copy_district(folder / "district")
        self.sensor = f"tap-{uuid.uuid4().hex[:8]}"
        self.config = self.district / "config.yaml"
        self._lab = lab
        self._folder = folder
        self._log = folder / "collect.log"
        self._starts = 0
        self._program: Program | None = None
        text = with_kafka(self.config, sensor=self.sensor, kafka=kafka).read_text(encoding="utf-8")
        self.config.write_text(
            re.sub(r"source: .*", f"source: {{interface: tap0, processes: {processes}}}", text), encoding="utf-8"
        )
        # It becomes the owner of its configuration's folder.
        for path in (self.district, *self.district.rglob("*")):
            os.chown(path, NOBODY, NOBODY)

    def start(self) -> None:
        """Start it, and return when the tap is open."""
        began = len(self.said())
        self._starts += 1
        closed = self._folder / f"start-{self._starts}"
        closed.mkdir()
        words = closed_command(closed, "collect", "--config", self.config, "--metrics", LISTEN)
        self._program = Program([*in_namespace(self._lab), *words], log=self._log)
        until(lambda: "collecting until" in self.said()[began:] or not self.program.alive, what="the tap to open")
        assert self.program.alive, self.said()

    @property
    def program(self) -> Program:
        assert self._program is not None
        return self._program

    def close(self) -> None:
        """End it, whatever it does, and show what it said in case a test failed."""
        if self._program is not None:
            self._program.kill()
        sys.stderr.write(self.said())

    def said(self) -> str:
        return self._log.read_text(encoding="utf-8") if self._log.exists() else ""

    def metrics(self) -> str:
        with inside(self._lab.here):
            return scrape(LISTEN)

    def metric(self, name: str) -> int:
        found = re.search(rf"^{re.escape(name)} ([0-9.e+]+)$", self.metrics(), re.MULTILINE)
        assert found is not None
        return int(float(found[1]))

    def wait_for(self, words: str) -> None:
        until(lambda: words in self.said(), what=words)

    def see(self, passing: list[bytes]) -> None:
        """Let frames pass by, and return when all are counted."""
        before = self.metric(PACKETS)
        pass_by(self._lab, passing)
        until(lambda: self.metric(PACKETS) >= before + len(passing), what="every packet")

    def stop(self) -> None:
        """Ask it to end, and see that it does so in order."""
        self.program.signal(signal.SIGTERM)
        assert self.program.wait(limit_s=PATIENCE_S) == 0, self.said()
        assert "Traceback" not in self.said()
        assert "Error" not in self.said()

    def events_of(self, passed: list[bytes]) -> Counter[str]:
        """Return what `flows` makes of a capture of these frames, without what the moment decides."""
        return timeless(self.flows_of(passed))

    def flows_of(self, passed: list[bytes]) -> list[dict[str, Any]]:
        """Return what `flows` makes of a capture of these frames."""
        capture = write_capture(self._folder / "passed.pcap", passed)
        run = schoolgate("flows", capture, "--network", self.district / "network.yaml", "--sensor", self.sensor)
        assert run.returncode == 0, run.stderr
        return [json.loads(line) for line in run.stdout.splitlines()]

    def arrived(self, broker: KafkaBroker) -> list[dict[str, Any]]:
        """Return its events in the topic once it has ended; they are numbered without a gap."""
        by_number = self._in_topic(broker)
        numbers = sorted(by_number)
        assert numbers == list(range(min(numbers, default=0), min(numbers, default=0) + len(numbers)))
        return list(by_number.values())

    def so_far(self, broker: KafkaBroker) -> list[dict[str, Any]]:
        """Return its events in the topic while more come: of a partition that was read first the newer ones lack."""
        return list(self._in_topic(broker).values())

    def _in_topic(self, broker: KafkaBroker) -> dict[int, dict[str, Any]]:
        with inside(self._lab.here):
            return events(records(broker.bootstrap, collector=self.sensor))


def timeless(found: list[dict[str, Any]]) -> Counter[str]:
    """Return events by how often they came, without what differs from one moment to the next."""
    return Counter(
        json.dumps({name: value for name, value in kept_back(event).items() if name not in MOMENT}, sort_keys=True)
        for event in found
    )


def kept_back(event: dict[str, Any]) -> dict[str, Any]:
    """Return an event without what the release rule keeps back until enough devices asked: who was first is chance."""
    if not event["withheld"] and event["server_name"] not in UNLISTED:
        return event
    return {**event, "withheld": True, "server_name": None, "dst_ip": None, "cnames": []}


def names(found: list[dict[str, Any]]) -> Counter[str]:
    """Return what was told of servers by how often, where nothing was withheld."""
    return Counter(
        json.dumps({name: event[name] for name in ("server_name", "cnames", "dst_ip", "bytes_up", "bytes_down")})
        for event in found
        if not event.get("withheld", False)
    )


def write_capture(path: Path, passed: list[bytes]) -> Path:
    """Write frames as a capture of about as long as they took."""
    began = time.time_ns() // 1_000
    with path.open("wb") as file:
        file.write(struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1))
        for number, octets in enumerate(passed):
            seconds, rest = divmod(began + 100 * number, 1_000_000)
            file.write(struct.pack("<IIII", seconds, rest, len(octets), len(octets)) + octets)
    return path


def pass_by(lab: Lab, passing: list[bytes]) -> None:
    with lab.outlet() as outlet:
        for number, frame in enumerate(passing):
            outlet.send(frame)
            if number % BURST == 0:
                time.sleep(0.002)
