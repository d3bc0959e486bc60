"""Real sensors beside the collector: what Suricata and softflowd tell of a capture, and what the collector sees."""

from __future__ import annotations

import gzip
import json
import select
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.parts.cache import PartMissingError
from tests.parts.sensors import Softflowd, Suricata
from tests.system.product import CAPTURE, check_report, copy_district, schoolgate
from tests.system.test_other_sensors import cases
from tests.system.zeek_day import write_zeek

Flows = dict[tuple[Any, ...], dict[str, Any]]
COUNTS = ("bytes_up", "bytes_down", "packets_up", "packets_down")
# Ethernet frames have 60 octets at least: what fills a smaller packet up is captured, and Suricata counts it.
MOST_PADDING = 60 - 14 - 40


@pytest.fixture(scope="session")
def suricata() -> Suricata:
    try:
        return Suricata.fetched()
    except PartMissingError as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def softflowd() -> Softflowd:
    try:
        return Softflowd.fetched()
    except PartMissingError as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def district(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample district with its day as a tap that keeps whole packets would have it; payload that it lacks is 0."""
    folder = copy_district(tmp_path_factory.mktemp("sensors") / "district")
    day = gzip.decompress(CAPTURE.read_bytes())
    whole, at = [day[:24]], 24
    while at < len(day):
        seconds, micros, caught, size = struct.unpack_from("<IIII", day, at)
        frame = day[at + 16 : at + 16 + caught]
        whole.append(struct.pack("<IIII", seconds, micros, size, size) + frame + bytes(size - caught))
        at += 16 + caught
    (folder / "whole.pcap").write_bytes(b"".join(whole))
    return folder


def flows(*inputs: Path) -> Flows:
    """Return the flows of *inputs* by five-tuple, their parts added up."""
    run = schoolgate("flows", "--addresses", *inputs)
    assert run.returncode == 0, run.stderr
    found: Flows = {}
    for line in run.stdout.splitlines():
        event = json.loads(line)
        key = tuple(event[name] for name in ("src_ip", "src_port", "dst_ip", "dst_port", "proto"))
        known = found.setdefault(key, event | dict.fromkeys(COUNTS, 0))
        for name in COUNTS:
            known[name] += event[name]
    return found


def test_suricata_and_the_collector_see_the_same_flows_names_and_chains(
    suricata: Suricata, district: Path, tmp_path: Path
) -> None:
    own = flows(district / "whole.pcap")
    eve = flows(suricata.read(district / "whole.pcap", into=tmp_path / "eve", ethernet=True))
    assert own.keys() == eve.keys()
    assert len(own) > 1_000
    for key, event in own.items():
        # A day passes in a second here: Suricata's thread that writes flows down may be hours of it behind.
        for name in ("app", "tls_version", "started_at", "server_name", "name_source", "cnames"):
            assert (key, name, event[name]) == (key, name, eve[key][name])
    for key, event in own.items():
        assert (event["packets_up"], event["packets_down"]) == (eve[key]["packets_up"], eve[key]["packets_down"])
        for way in ("up", "down"):
            more = eve[key][f"bytes_{way}"] - event[f"bytes_{way}"]
            assert 0 <= more <= MOST_PADDING * event[f"packets_{way}"], key
        assert eve[key]["plaintext_data"] in {event["plaintext_data"], None}
    assert sum(event["ech"] for event in eve.values()) > 10  # of QUIC; Suricata does not tell it of TLS


def test_the_log_of_suricata_gives_the_cases_of_the_capture(suricata: Suricata, district: Path, tmp_path: Path) -> None:
    log = suricata.read(district / "whole.pcap", into=tmp_path / "eve", ethernet=True)
    (district / "eve.json").write_bytes(log.read_bytes())
    told, seen = check_report(district, name="eve.json"), check_report(district, name="whole.pcap")
    assert cases(told) == cases(seen)
    assert told["errors"] == []
    devices = {(case["agreement"], case["rule"], case["subject"]): case["devices"] for case in seen["cases"]}
    for case in told["cases"]:
        assert case["devices"] == devices[case["agreement"], case["rule"], case["subject"]]


def caught(send: Callable[[int], None]) -> bytes:
    """Return what is sent to a port of this machine until the sender has ended, one datagram behind the other."""
    found: list[bytes] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as port:
        port.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        port.bind(("127.0.0.1", 0))
        sender = threading.Thread(target=send, args=(port.getsockname()[1],))
        sender.start()
        while sender.is_alive() or select.select([port], [], [], 0.5)[0]:
            if select.select([port], [], [], 0.1)[0]:
                found.append(port.recv(65_535))
        sender.join()
    return b"".join(found)


@pytest.mark.parametrize("version", [9, 10], ids=["NetFlow 9", "IPFIX"])
def test_what_softflowd_exports_are_the_flows_that_the_collector_sees(
    softflowd: Softflowd, district: Path, tmp_path: Path, version: int
) -> None:
    capture = district / "whole.pcap"
    exported = tmp_path / "flows.netflow"
    exported.write_bytes(caught(lambda port: softflowd.export(capture, port=port, version=version)))
    write_zeek(tmp_path / "zeek")
    own, told = flows(capture), flows(exported, tmp_path / "zeek" / "dns.log")
    assert own.keys() == told.keys()
    named = 0
    for key, event in own.items():
        assert (event["packets_up"], event["packets_down"]) == (told[key]["packets_up"], told[key]["packets_down"])
        for way in ("up", "down"):
            assert 0 <= told[key][f"bytes_{way}"] - event[f"bytes_{way}"] <= MOST_PADDING * event[f"packets_{way}"]
        name = told[key]["server_name"]
        assert told[key]["name_source"] == ("none" if name is None else "dns")
        # A name is right, or there is none: the device asked under another address, or opened the flow before.
        assert name in {event["server_name"], None}
        named += name is not None
    assert named > 0.75 * sum(event["server_name"] is not None for event in own.values())
