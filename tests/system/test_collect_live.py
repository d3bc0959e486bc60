"""`schoolgate collect` on a live interface: what passes by reaches Kafka, whatever happens to tap, broker or process.

Broker, tap and sender live in two network namespaces made for this. Each collector is started as root from a program
folder that only root may enter, and must do all its work without any right: nothing may be loaded from there later.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collector.privileges import rights
from tests.parts.broker import KafkaBroker
from tests.parts.kafka_jars import KafkaJars
from tests.parts.program import Program
from tests.parts.secure_broker import SecureBroker
from tests.parts.topics import make_topics
from tests.system.product import PATIENCE_S, UNLISTED, command, copy_district, folder_for_all, schoolgate, scrape, until
from tests.system.test_run_live import closed_command, frames
from tests.system.topic_reader import events, records, with_kafka
from tests.system.veth_for_tests import BETWEEN, IPV4, Lab, inside, made_lab

pytestmark = pytest.mark.kafka

LISTEN = "127.0.0.1:9464"
PACKETS = "schoolgate_capture_packets_total"
LOST = 'schoolgate_capture_dropped_packets_total{reason="kernel"}'
# What differs from one moment and one run to the next.
MOMENT = {"id", "device", "started_at", "ended_at"}
# What the release rule changes; tests/system/test_releasing.py holds it to its word.
NOBODY = 65_534
# Frames to let pass at once: more would only try the size of the ring.
BURST = 200
# A ring of 64 MiB has room for some 40,000 of these.
FLOOD = 100_000
STALL_S = 15.0
# 192.0.2.10 to 198.51.100.4, port 9, without a check sum (RFC 768).
DATAGRAM = bytes.fromhex("450005dc0000000040110000c000020ac63364049c40000905c80000").ljust(1500, b"\0")


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with made_lab() as made:
        made.plug(mtu=65_535)
        yield made


@pytest.fixture(scope="module")
def broker(lab: Lab, kafka_jars: KafkaJars, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """A broker on the loopback of the tap's namespace, with topics."""
    there = KafkaBroker(kafka_jars, folder=tmp_path_factory.mktemp("live"), before=in_namespace(lab))
    there.start()
    with inside(lab.here):
        make_topics(there.bootstrap)
    yield there
    there.close()


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
        """Return its events in the topic; they are numbered without a gap."""
        with inside(self._lab.here):
            by_number = events(records(broker.bootstrap, collector=self.sensor))
        numbers = sorted(by_number)
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        return list(by_number.values())


@pytest.fixture
def collect(lab: Lab, broker: KafkaBroker) -> Iterator[LiveCollect]:
    """A collector that is ended with the test, whatever becomes of it."""
    with folder_for_all() as folder:
        one = LiveCollect(lab, folder=folder, kafka=f'{{bootstrap: ["{broker.bootstrap}"]}}')
        yield one
        one.close()


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


def test_a_school_day_that_passes_by_reaches_kafka_whole_and_without_any_right(
    broker: KafkaBroker, collect: LiveCollect
) -> None:
    collect.start()
    held = rights(Path(f"/proc/{collect.program.pid}/status").read_text(encoding="ascii"))
    assert held.users == {NOBODY}
    assert held.capabilities == frozenset()
    assert held.no_new_privs
    collect.see(frames())
    collect.stop()
    assert timeless(collect.arrived(broker)) == collect.events_of(frames())


PROCESSES = 2


@pytest.fixture
def several(lab: Lab, broker: KafkaBroker) -> Iterator[LiveCollect]:
    """A collector whose tap several processes read."""
    with folder_for_all() as folder:
        kafka = f'{{bootstrap: ["{broker.bootstrap}"]}}'
        one = LiveCollect(lab, folder=folder, kafka=kafka, processes=PROCESSES)
        yield one
        one.close()


def readers(collect: LiveCollect) -> list[int]:
    """Return the numbers of the processes that read the tap."""
    children = Path(f"/proc/{collect.program.pid}/task/{collect.program.pid}/children").read_text(encoding="ascii")
    return [int(number) for number in children.split()]


def test_several_processes_send_what_one_would_without_any_right_and_end_together(
    broker: KafkaBroker, several: LiveCollect
) -> None:
    several.start()
    found = readers(several)
    assert len(found) == PROCESSES
    for pid in found:
        held = rights(Path(f"/proc/{pid}/status").read_text(encoding="ascii"))
        assert (held.users, held.capabilities, held.no_new_privs) == (frozenset({NOBODY}), frozenset[str](), True)
        os.kill(pid, signal.SIGTERM)  # as whoever ends a service does: to all of them
        os.kill(pid, signal.SIGINT)
    several.see(frames())
    several.stop()
    arrived, expected = several.arrived(broker), several.flows_of(frames())
    assert timeless(arrived) == timeless(expected)
    assert names(arrived) <= names(expected)
    assert names(arrived).total() > len(expected) // 2
    assert not any(alive(pid) for pid in found)


def test_of_several_processes_one_that_is_killed_ends_all_with_a_reason(several: LiveCollect) -> None:
    several.start()
    several.see(frames()[:4000])
    found = readers(several)
    os.kill(found[0], signal.SIGKILL)
    assert several.program.wait(limit_s=PATIENCE_S) == 3
    assert "process 1 of the 2 that read the tap was ended by SIGKILL" in several.said()
    assert "Traceback" not in several.said()
    assert not any(alive(pid) for pid in found)
    # And no process outlives its listener.
    several.start()
    found = readers(several)
    several.program.kill()
    until(lambda: not any(alive(pid) for pid in found), what="the processes to end")


def alive(pid: int) -> bool:
    """Whether a process runs; one that nobody has asked for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(") ")[2][0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture
def secure(lab: Lab, kafka_jars: KafkaJars, tmp_path: Path) -> Iterator[SecureBroker]:
    """A broker in the tap's namespace that asks for a password and speaks TLS."""
    there = SecureBroker(kafka_jars, folder=tmp_path, before=in_namespace(lab))
    there.start()
    yield there
    there.close()


def test_login_and_encryption_need_nothing_of_the_closed_folders(lab: Lab, secure: SecureBroker) -> None:
    kafka = (
        f'{{bootstrap: ["{secure.bootstrap}"], security: {{protocol: SASL_SSL, user: admin, '
        "password: {file: password}, ca: ca.pem}}"
    )
    with folder_for_all() as folder:
        one = LiveCollect(lab, folder=folder, kafka=kafka)
        shutil.copy(secure.ca, one.district / "ca.pem")
        (one.district / "password").write_text(secure.admin.password, encoding="utf-8")
        setup = [*in_namespace(lab), *command("kafka", "setup", "--config", one.config)]
        told = subprocess.run(setup, check=False, capture_output=True, text=True, timeout=PATIENCE_S)
        assert told.returncode == 0, told.stderr
        try:
            one.start()
            one.see(frames()[:3000])
            until(lambda: one.metric("schoolgate_events_delivered_total") > 20, what="events at the broker")
            one.stop()
        finally:
            one.close()
        assert "wait in the spool" not in one.said()
        assert "trying again" not in one.said()


def test_a_broker_that_is_away_at_the_start_gets_everything_when_it_comes(
    broker: KafkaBroker, collect: LiveCollect
) -> None:
    day = frames()
    half = len(day) // 2
    broker.kill()
    try:
        collect.start()
        collect.wait_for("cannot be reached")
        collect.see(day[:half])
        collect.stop()
        assert "events wait in the spool for the next start" in collect.said()
        collect.start()
        collect.see(day[half:])
        until(lambda: collect.metric("schoolgate_events_spooled") > 20, what="events in the spool")
    finally:
        broker.restart()
    until(lambda: collect.metric("schoolgate_events_spooled") == 0, what="an empty spool")
    collect.stop()
    assert timeless(collect.arrived(broker)) == collect.events_of(day[:half]) + collect.events_of(day[half:])


def test_a_collector_that_was_stopped_for_a_quarter_of_a_minute_has_seen_everything(
    lab: Lab, broker: KafkaBroker, collect: LiveCollect
) -> None:
    day = frames()
    collect.start()
    collect.see(day[:5000])
    collect.program.pause()
    pass_by(lab, day[5000:9000])
    time.sleep(STALL_S)
    collect.program.resume()
    until(lambda: collect.metric(PACKETS) >= 9000, what="every packet")
    collect.see(day[9000:])
    assert collect.metric(LOST) == 0
    collect.stop()
    assert timeless(collect.arrived(broker)) == collect.events_of(day)


def test_an_interface_that_goes_down_and_comes_up_is_told_and_seen_again(
    lab: Lab, broker: KafkaBroker, collect: LiveCollect
) -> None:
    day = frames()
    collect.start()
    collect.see(day[:7000])
    lab.ip(lab.here, "link", "set", "tap0", "down")
    try:
        collect.wait_for("tap0: is down; its frames are missing until it is back")
    finally:
        lab.ip(lab.here, "link", "set", "tap0", "up")
    collect.wait_for("tap0: is up after")
    collect.see(day[7000:])
    collect.stop()
    assert timeless(collect.arrived(broker)) == collect.events_of(day)


def test_what_the_kernel_had_no_room_for_is_counted_though_no_flow_ends(lab: Lab, collect: LiveCollect) -> None:
    collect.start()
    collect.program.pause()
    pass_by(lab, [BETWEEN + IPV4 + DATAGRAM] * FLOOD)
    collect.program.resume()
    until(lambda: collect.metric(PACKETS) + collect.metric(LOST) >= FLOOD, what="every packet to be counted")
    assert collect.metric(PACKETS) + collect.metric(LOST) == FLOOD
    assert 0 < collect.metric(LOST) < FLOOD
    collect.stop()


def test_the_network_file_is_read_again_when_asked_or_changed_and_a_bad_one_never_replaces_it(
    broker: KafkaBroker, collect: LiveCollect
) -> None:
    network = collect.district / "network.yaml"
    collect.start()
    collect.program.signal(signal.SIGHUP)
    collect.wait_for("network file read again")
    text = network.read_text(encoding="utf-8")
    network.write_text(text.replace("group: 6-8}", "group: middle}"), encoding="utf-8")
    until(lambda: collect.said().count("network file read again") == 2, what="the changed file")
    network.write_text(text.replace("schools:", "scools:"), encoding="utf-8")
    collect.wait_for("going on with what was read before")
    assert re.search(r"network\.yaml:\d+: .*scools", collect.said())
    collect.see(frames())
    collect.stop()
    network.write_text(text.replace("group: 6-8}", "group: middle}"), encoding="utf-8")
    arrived = collect.arrived(broker)
    assert "middle" in {event["group"] for event in arrived}
    assert timeless(arrived) == collect.events_of(frames())
