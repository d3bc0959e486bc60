"""How logs that grow and datagrams that come become events as they do."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from collector import sensor_input
from collector.events import FlowEvent
from collector.places import PlaceBook
from collector.segments import Network, parse_network
from collector.sensor_input import Eyes, FollowedLog, SensorInput
from collector.sensor_records import Kind
from collector.sources.errors import TapError
from collector.sources.followed_file import FollowedFile
from collector.sources.netflow_listener import NetflowListener
from collector.sources.suricata_eve import EveLog
from collector.sources.zeek_log import PATHS, ZeekLog
from collector.watch import new_pseudonyms
from tests.collector.sensor_lines import (
    AT,
    FIELDS,
    conn,
    dns,
    eve_dns,
    eve_flow,
    eve_tls,
    flow_set,
    record,
    ssl,
    template,
    v9,
    v9_record,
    zeek_text,
)
from tests.collector.test_sensor_events import NETWORK
from tests.parts.patience import PATIENCE_S


@pytest.fixture(scope="module")
def network() -> Network:
    return parse_network(NETWORK, path="network.yaml")


class Run:
    """One run of an input, in a thread, as a service has it."""

    def __init__(self, eyes: Eyes, *, folder: Path, network: Network) -> None:
        self.events: list[FlowEvent] = []
        self.said: list[str] = []
        self.input = SensorInput(
            eyes,
            places=PlaceBook(folder / "places.json", say=self.said.append),
            sensor="eyes",
            network=network,
            pseudonyms=new_pseudonyms(network, make_key=lambda: bytes(32))[0],
            show=lambda: None,
            say=self.said.append,
        )
        self._thread = threading.Thread(target=self._take)
        self._thread.start()

    def _take(self) -> None:
        for batch in self.input.batches():
            self.events += batch

    def wait_for(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < deadline, self.said
            time.sleep(0.02)

    def stop(self) -> None:
        self.input.stop()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()
        self.input.settle()

    @property
    def names(self) -> list[str | None]:
        return [event.server_name for event in self.events]


@contextmanager
def following(folder: Path, network: Network, *logs: str, netflow: NetflowListener | None = None) -> Iterator[Run]:
    """Follow `eve.json`, or logs of Zeek by their names, beside NetFlow for their answers alone."""
    book = PlaceBook(folder / "places.json", say=print)
    places = book.load()
    followed = []
    for name in logs:
        file = FollowedFile(folder / name, place=places.get(str(folder / name)), say=print)
        log = EveLog() if name == "eve.json" else ZeekLog()
        followed.append(FollowedLog(file=file, log=log, answers_only=netflow is not None))
    awaited: frozenset[Kind] = frozenset(
        kind for name in logs if (kind := PATHS.get(name.removesuffix(".log"))) is not None
    )
    run = Run(Eyes(logs=followed, awaited=awaited, netflow=netflow), folder=folder, network=network)
    try:
        yield run
    finally:
        run.stop()
        for each in followed:
            each.file.close()


def append(path: Path, octets: bytes) -> None:
    with path.open("ab") as file:
        file.write(octets)


def lines(*rows: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def test_events_come_as_the_log_grows_and_before_it_is_there_nothing_is_wrong(tmp_path: Path, network: Network) -> None:
    with following(tmp_path, network, "eve.json") as run:
        append(tmp_path / "eve.json", lines(eve_dns(), eve_tls()))
        append(tmp_path / "eve.json", lines(eve_flow())[:50])
        time.sleep(0.3)
        assert run.events == []
        append(tmp_path / "eve.json", lines(eve_flow())[50:])
        run.wait_for(lambda: len(run.events) == 1)
    [event] = run.events
    assert (event.server_name, event.cnames, event.school) == (
        "app.mathtrek.example", ("mathtrek.edge.example",), "lincoln-es",
    )  # fmt: skip
    assert run.input.packets == 17


def test_a_connection_waits_for_a_hello_that_is_written_later(tmp_path: Path, network: Network) -> None:
    with following(tmp_path, network, "conn.log", "ssl.log") as run:
        append(tmp_path / "conn.log", zeek_text("conn", [conn()], end=False))
        time.sleep(0.5)
        assert run.events == []
        append(tmp_path / "ssl.log", zeek_text("ssl", [ssl()], end=False))
        run.wait_for(lambda: run.names == ["app.mathtrek.example"])


def test_when_everything_is_quiet_nothing_is_waited_for(
    tmp_path: Path, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sensor_input, "QUIET_S", 0.5)
    with following(tmp_path, network, "conn.log", "ssl.log") as run:
        append(tmp_path / "conn.log", zeek_text("conn", [conn()], end=False))
        run.wait_for(lambda: run.names == [None])
    assert run.input.losses["join_in_vain"] == 1


def test_a_restart_goes_on_where_the_run_before_stopped(tmp_path: Path, network: Network) -> None:
    append(tmp_path / "conn.log", zeek_text("conn", [conn("C1")], end=False))
    append(tmp_path / "ssl.log", zeek_text("ssl", [ssl("C1"), ssl("C2")], end=False))
    with following(tmp_path, network, "conn.log", "ssl.log") as first:
        first.wait_for(lambda: len(first.events) == 1)
    row = zeek_text("conn", [conn("C2", at=AT + 1)], end=False).splitlines()[-1] + b"\n"
    append(tmp_path / "conn.log", row)
    with following(tmp_path, network, "conn.log", "ssl.log") as second:
        second.wait_for(lambda: len(second.events) == 1)
        time.sleep(0.3)
    # The hello of the connection that was open at the restart was read by the run before.
    assert second.names == ["app.mathtrek.example"]
    assert {event.id for event in first.events}.isdisjoint(event.id for event in second.events)


CRASHING = """
import os, sys, time
from pathlib import Path
from collector import sensor_input
from collector.segments import parse_network
from tests.collector.test_sensor_input import following
from tests.collector.test_sensor_events import NETWORK
sensor_input.PLACES_EVERY_S = 0.2
with following(Path(sys.argv[1]), parse_network(NETWORK, path="n"), "eve.json") as run:
    seen = 0
    while True:
        for event in run.events[seen:]:
            print(event.id, flush=True)
            seen += 1
        time.sleep(0.01)
"""


def test_after_a_crash_every_event_comes_and_those_that_come_twice_have_the_same_id(
    tmp_path: Path, network: Network
) -> None:
    given: list[str] = []
    for part in range(4):
        ids, log, places = tmp_path / f"ids{part}", tmp_path / "eve.json", tmp_path / "places.json"
        with ids.open("wb") as out:
            process = subprocess.Popen([sys.executable, "-c", CRASHING, str(tmp_path)], stdout=out)
            try:
                for number in range(100 * part, 100 * part + 100):
                    append(log, lines(eve_tls(flow_id=number), eve_flow(flow_id=number, at=AT + number / 10)))
                wait_until(lambda: len(set(given + ids.read_text().split())) >= 100 * part + 50)  # noqa: B023
                if part % 2 == 0:  # the others die before they have written anything down
                    wait_until(lambda: places.exists() and f": {log.stat().st_size}}}" in places.read_text())  # noqa: B023
            finally:
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
        given += ids.read_text().split()
    with following(tmp_path, network, "eve.json") as run:
        run.wait_for(lambda: len(set(given) | {event.id for event in run.events}) == 400)
    # Twice came at most what was given after the place that was written down last.
    assert len(given) + len(run.events) - 400 <= 200


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_broken_lines_are_told_with_file_and_line(tmp_path: Path, network: Network) -> None:
    append(tmp_path / "eve.json", lines(eve_tls()) + b"{broken\n" + lines(eve_flow()))
    with following(tmp_path, network, "eve.json") as run:
        run.wait_for(lambda: len(run.events) == 1 and bool(run.said))
    assert f"{tmp_path / 'eve.json'}:2: the line is not JSON" in run.said[0]
    assert run.input.losses["log_malformed"] == 1


def test_time_is_that_of_the_log_while_there_is_something_to_read(tmp_path: Path, network: Network) -> None:
    append(tmp_path / "eve.json", lines(eve_flow(at=AT)))
    with following(tmp_path, network, "eve.json") as run:
        run.wait_for(lambda: len(run.events) == 1)
        behind_s = AT - run.input.reached_ns / 1e9
        assert 0 < behind_s <= sensor_input.LATEST_NS / 1e9


def test_a_silent_sensor_does_not_hold_time_back_for_ever(
    tmp_path: Path, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sensor_input, "QUIET_S", 0.0)
    with following(tmp_path, network, "eve.json") as run:
        assert abs(time.time() - run.input.reached_ns / 1e9 - sensor_input.OVERDUE_NS / 1e9) < 60


def test_a_log_from_the_future_moves_time_no_further_than_now(tmp_path: Path, network: Network) -> None:
    append(tmp_path / "eve.json", lines(eve_flow(at=AT)).replace(b"2026-10-14", b"2126-10-14"))
    with following(tmp_path, network, "eve.json") as run:
        run.wait_for(lambda: len(run.events) == 1)
        assert run.input.reached_ns <= time.time_ns()


@contextmanager
def listening(
    *, exporters: tuple[str, ...] = (), say: Callable[[str], None] = print
) -> Iterator[tuple[NetflowListener, socket.socket]]:
    with (
        NetflowListener("127.0.0.1", 0, exporters=exporters, say=say) as listener,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as exporter,
    ):
        exporter.connect(("127.0.0.1", listener.port))
        yield listener, exporter


def now_datagram(sequence: int = 1) -> bytes:
    body = record(FIELDS, v9_record()) + record(FIELDS, v9_record(up=False, octets=5_420, packets=8))
    return v9(flow_set(0, template(256, FIELDS)), flow_set(256, body), sequence=sequence, at=int(time.time()))


def test_netflow_is_named_by_the_look_ups_of_a_sensor(tmp_path: Path, network: Network) -> None:
    with listening() as (listener, exporter), following(tmp_path, network, "dns.log", netflow=listener) as run:
        append(tmp_path / "dns.log", zeek_text("dns", [dns(at=time.time() - 70)], end=False))
        exporter.send(now_datagram())
        run.wait_for(lambda: len(run.events) == 1)
    [event] = run.events
    assert (event.server_name, event.name_source, event.bytes_up, event.bytes_down) == (
        "app.mathtrek.example", "dns", 1_180, 5_420,
    )  # fmt: skip


def test_flows_in_the_log_that_only_answers_are_taken_from_do_not_count(tmp_path: Path, network: Network) -> None:
    with listening() as (listener, exporter), following(tmp_path, network, "eve.json", netflow=listener) as run:
        append(tmp_path / "eve.json", lines(eve_flow(), eve_tls()))
        exporter.send(now_datagram())
        run.wait_for(lambda: len(run.events) == 1)
        time.sleep(0.3)
    assert [event.app for event in run.events] == ["other"]


def test_hostile_datagrams_are_counted_and_others_are_read_on(tmp_path: Path, network: Network) -> None:
    said: list[str] = []
    with listening(say=said.append) as (listener, exporter), following(tmp_path, network, netflow=listener) as run:
        for datagram in (b"", b"\x00\x05" + bytes(46), b"\x00\x09", os.urandom(400), b"\x00\x0a" + os.urandom(60)):
            exporter.send(datagram)
        exporter.send(v9(at=int(time.time()) + 90_000))
        exporter.send(now_datagram())
        run.wait_for(lambda: len(run.events) == 1)
    losses = run.input.losses
    assert losses["netflow_datagram_malformed"] + losses["netflow_exporter_clock"] == 6
    assert len(said) == len(set(said))


def test_only_exporters_that_are_named_are_believed(tmp_path: Path, network: Network) -> None:
    with (
        listening(exporters=("192.0.2.1",)) as (listener, exporter),
        following(tmp_path, network, netflow=listener) as run,
    ):
        exporter.send(now_datagram())
        run.wait_for(lambda: run.input.losses["netflow_exporter_unknown"] == 1)
    assert run.events == []


def test_a_port_that_is_taken_is_refused() -> None:
    with listening() as (listener, _), pytest.raises(TapError, match="choose another"):
        NetflowListener("127.0.0.1", listener.port, exporters=(), say=print)


def test_two_sensors_answers_never_make_an_address_part_of_what_is_said(tmp_path: Path, network: Network) -> None:
    append(tmp_path / "eve.json", lines(eve_flow(src_ip="192.0.2.999")))
    with following(tmp_path, network, "eve.json") as run:
        run.wait_for(lambda: bool(run.said))
    assert not any("192.0.2" in line for line in run.said)
