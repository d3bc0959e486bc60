"""Several processes at one tap: the events of one process, none lost when one of them dies, no right in any."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from collector.events import FlowEvent
from collector.live_input import LiveInput
from collector.segments import load_network
from collector.settings import Hardening
from collector.sources.afpacket import RingSize
from collector.sources.live import LiveCapture
from collector.spread_tap import SpreadTap
from collector.watch import new_pseudonyms
from schoolgate.rights import give_up_system_calls
from tests.parts.patience import PATIENCE_S
from tests.system.product import ROOT, until
from tests.system.test_run_live import frames
from tests.system.veth_for_tests import Lab, inside, made_lab

NETWORK = load_network(ROOT / "rules" / "sample" / "network.yaml")
# What differs from one moment to the next.
MOMENT = {"id", "started_at", "ended_at"}
SIZE = RingSize(blocks=32)
PROCESSES = 3


@pytest.fixture
def lab() -> Iterator[Lab]:
    with made_lab() as lab:
        lab.plug(mtu=65_535)
        yield lab


def unconfined() -> None:
    """Leave a process what the test run may do."""


def confined() -> None:
    """Take from a process what the configuration says if nobody wrote anything."""
    give_up_system_calls(Hardening())


def filtered(pid: int) -> bool:
    """Whether the kernel holds the system calls of every thread of a process against a filter."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return all("\nSeccomp:\t2\n" in (thread / "status").read_text(encoding="ascii") for thread in threads)


def spread(lab: Lab, *, say: Callable[[str], None] = print) -> SpreadTap:
    with inside(lab.here):
        return SpreadTap(["tap0"], processes=PROCESSES, size=SIZE, say=say)


def live(tap: LiveCapture | SpreadTap) -> LiveInput:
    """Return the input of a collector with one key that all tests share."""
    pseudonyms, _ = new_pseudonyms(NETWORK, make_key=lambda: b"a key of a test, of 32 octets...")
    return LiveInput(tap, sensor="test", network=NETWORK, pseudonyms=pseudonyms, show=lambda: None)


def send(lab: Lab, passing: list[bytes]) -> None:
    with lab.outlet() as outlet:
        for number, frame in enumerate(passing):
            outlet.send(frame)
            if number % 200 == 0:
                time.sleep(0.002)


def events_of(tap: LiveCapture | SpreadTap, *, packets: int) -> list[FlowEvent]:
    """Return the events of so many packets, those of flows still open included."""
    watched = live(tap)
    deadline = time.monotonic() + PATIENCE_S
    events: list[FlowEvent] = []
    for batch in watched.batches():
        events += batch
        if tap.packets >= packets or time.monotonic() > deadline:
            tap.stop()
    assert tap.packets == packets
    assert watched.dropped["kernel"] == 0
    told = watched.tables
    assert 0 < told.answers < 0.1
    assert 0 <= told.openings < 0.1
    return events


def timeless(events: list[FlowEvent]) -> Counter[str]:
    return Counter(
        repr(sorted((name, value) for name, value in asdict(event).items() if name not in MOMENT)) for event in events
    )


def test_several_processes_give_the_events_that_one_gives(lab: Lab) -> None:
    day = frames()
    with spread(lab) as tap, lab.tap("tap0", size=SIZE) as alone:
        assert not filtered(os.getpid())
        tap.start(confine=confined)
        until(lambda: all(filtered(pid) for pid in tap.pids), what="the processes to give up system calls")
        send(lab, day)
        together = events_of(tap, packets=len(day))
        assert sum(report.packets > len(day) // 20 for report in tap.newest) == PROCESSES
        assert timeless(together) == timeless(events_of(alone, packets=len(day)))
    assert len({event.id for event in together}) == len(together)
    assert {event.name_source for event in together} >= {"tls_sni", "quic_sni", "dns", "http_host"}
    assert any(event.cnames for event in together)
    assert not tap.fault


def test_a_process_that_is_killed_ends_the_watch_and_what_the_others_saw_is_kept(lab: Lab) -> None:
    day = frames()
    with spread(lab) as tap:
        tap.start(confine=unconfined)
        send(lab, day)
        events: list[FlowEvent] = []
        deadline = time.monotonic() + PATIENCE_S
        for batch in live(tap).batches():
            events += batch
            if tap.packets == len(day) and tap.pids and not tap.fault:
                os.kill(tap.pids[1], signal.SIGKILL)
            assert time.monotonic() < deadline
        assert "process 2 of the 3 that read the tap was ended by SIGKILL" in tap.fault
        kept = [report.packets for report in tap.newest]
        assert sum(event.packets_up + event.packets_down for event in events) > (kept[0] + kept[2]) * 0.9
        pids = tap.pids
    assert all(gone(pid) for pid in pids)


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def to_stderr(words: str) -> None:
    sys.stderr.write(words + "\n")
    sys.stderr.flush()


def test_an_interface_that_goes_down_is_told_once(lab: Lab, capfd: pytest.CaptureFixture[str]) -> None:
    with spread(lab, say=to_stderr) as tap:
        tap.start(confine=unconfined)
        batches = live(tap).batches()
        lab.ip(lab.here, "link", "set", "tap0", "down")
        told = ""
        deadline = time.monotonic() + PATIENCE_S
        while "tap0: is down" not in told:
            assert time.monotonic() < deadline
            next(batches)
            told += capfd.readouterr().err
        for _ in range(15):
            next(batches)
        told += capfd.readouterr().err
    assert told.count("tap0: is down") == 1
