"""`schoolgate collect` on a live interface: what passes by reaches Kafka, whatever happens to tap, broker or process.

Broker, tap and sender live in two network namespaces made for this. Each collector is started as root from a program
folder that only root may enter, and must do all its work without any right: nothing may be loaded from there later.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from collector.privileges import rights
from tests.parts.broker import KafkaBroker
from tests.parts.kafka_jars import KafkaJars
from tests.parts.patience import PATIENCE_S
from tests.parts.secure_broker import SecureBroker
from tests.parts.topics import make_topics
from tests.system.glass_at_a_tap import (
    IN_THE_CHAIN,
    approved,
    entries_in_the_chain,
    expired,
    opened,
    single_visits,
    switch_on,
)
from tests.system.live_collect import NOBODY, PACKETS, LiveCollect, in_namespace, names, pass_by, timeless
from tests.system.product import command, folder_for_all, until
from tests.system.test_run_live import frames
from tests.system.veth_for_tests import BETWEEN, IPV4, Lab, inside, made_lab

pytestmark = pytest.mark.kafka

LOST = 'schoolgate_capture_dropped_packets_total{reason="kernel"}'
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


@pytest.fixture
def collect(lab: Lab, broker: KafkaBroker) -> Iterator[LiveCollect]:
    """A collector that is ended with the test, whatever becomes of it."""
    with folder_for_all() as folder:
        one = LiveCollect(lab, folder=folder, kafka=f'{{bootstrap: ["{broker.bootstrap}"]}}')
        yield one
        one.close()


def test_a_school_day_that_passes_by_reaches_kafka_whole_and_without_any_right(
    broker: KafkaBroker, collect: LiveCollect
) -> None:
    switch_on(collect.config)
    collect.start()
    held = rights(Path(f"/proc/{collect.program.pid}/status").read_text(encoding="ascii"))
    assert held.users == {NOBODY}
    assert held.capabilities == frozenset()
    assert held.no_new_privs
    collect.see(frames())
    check_break_glass(collect, broker=broker)
    collect.stop()
    assert timeless(collect.arrived(broker)) == collect.events_of(frames())


def check_break_glass(collect: LiveCollect, *, broker: KafkaBroker) -> None:
    """Let two people ask for a device that has just passed by: it is named once, and all of it is in the chain."""
    until(lambda: bool(single_visits(collect.so_far(broker), passed=frames())), what="a device that can be told apart")
    number, mac = next(iter(single_visits(collect.so_far(broker), passed=frames()).items()))
    approval = approved(collect.config, device=number)
    code, told, said = opened(collect.config, approval)
    assert (code, f"mac={mac}" in told, said) == (0, True, ""), (told, said)
    assert "used before" in opened(collect.config, approval)[2]
    assert "schoolgate_break_glass_total 1.0" in collect.metrics()
    assert entries_in_the_chain(collect.config) == IN_THE_CHAIN
    # An approval that nobody uses ends by itself; and the number of no device of today is none.
    today = datetime.now(ZoneInfo("America/Chicago")).date().isoformat()
    assert "expired" in opened(collect.config, expired(collect.config, device=number, today=today))[2]
    assert mac not in collect.said()


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
        until(lambda pid=pid: filtered(pid), what=f"process {pid} to give up system calls")  # type: ignore[misc]
        os.kill(pid, signal.SIGTERM)  # as whoever ends a service does: to all of them
        os.kill(pid, signal.SIGINT)
    several.see(frames())
    several.stop()
    arrived, expected = several.arrived(broker), several.flows_of(frames())
    assert timeless(arrived) == timeless(expected)
    assert names(arrived) <= names(expected)
    assert names(arrived).total() > len(expected) // 2
    assert not any(alive(pid) for pid in found)


def filtered(pid: int) -> bool:
    return "\nSeccomp:\t2\n" in Path(f"/proc/{pid}/status").read_text(encoding="ascii")


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
    lab.down()
    try:
        collect.wait_for("tap0: is down; its frames are missing until it is back")
    finally:
        lab.up()
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
