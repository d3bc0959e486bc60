"""The sample day is made of nothing but its script, harms nobody, and leads to the cases that its README promises."""

from __future__ import annotations

import gzip
import ipaddress
import json
import struct
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from collector.segments import load_network
from rules.agreements.load import load_agreements
from rules.parties import load_parties
from rules.sample import cast
from rules.sample.chance import Chance
from rules.sample.generate import CAPTURE, main, sample_capture
from rules.sample.wire import checksum

if TYPE_CHECKING:
    from collections.abc import Iterator

SAMPLE = Path(__file__).resolve().parents[2] / "rules" / "sample"
MAX_OCTETS = 1_000_000
DOCUMENTATION = ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
FACTS = ("agreement", "rule", "clause", "subject", "verdict", "severity")


def test_making_the_day_again_gives_the_committed_octets(tmp_path: Path) -> None:
    assert main(["--out", str(tmp_path)]) == 0
    made, committed = (tmp_path / CAPTURE).read_bytes(), (SAMPLE / CAPTURE).read_bytes()
    # Another zlib may compress otherwise; the capture inside must be the same, octet by octet.
    assert made == committed or gzip.decompress(made) == gzip.decompress(committed)


def test_two_runs_in_one_process_give_the_same_octets() -> None:
    assert sample_capture() == sample_capture()


def test_the_day_stays_under_one_megabyte() -> None:
    assert (SAMPLE / CAPTURE).stat().st_size < MAX_OCTETS


def test_a_folder_that_does_not_exist_is_said_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--out", str(tmp_path / "nowhere")]) == 3
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "nowhere" in said


def test_the_help_teaches_what_the_command_makes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    said = capsys.readouterr().out
    assert "--out" in said
    assert "expected.json" in said


def test_no_frame_holds_an_address_of_the_real_internet() -> None:
    nets = [ipaddress.ip_network(one) for one in (*DOCUMENTATION, "10.0.0.0/8")]
    seen = {address for packet in _packets() for address in _addresses(packet)}
    assert len(seen) > 60
    assert [str(one) for one in seen if not any(one in net for net in nets)] == []


def test_every_name_is_an_example_name() -> None:
    names = {name for host in cast.HOSTS.values() for name in (host.name, *host.chain)}
    assert all(name.endswith(".example") for name in names)


def test_every_packet_captured_whole_has_a_right_checksum() -> None:
    whole = 0
    for packet in _packets():
        if packet[0] >> 4 != 4 or len(packet) < int.from_bytes(packet[2:4], "big"):
            continue
        body = packet[20 : int.from_bytes(packet[2:4], "big")]
        assert checksum(packet[:20]) == 0
        assert checksum(packet[12:20] + struct.pack(">HH", packet[9], len(body)) + body) == 0
        whole += 1
    assert whole > 5_000


def test_the_day_is_one_local_day_and_begins_before_school() -> None:
    times = [seconds for seconds, _ in _records()]
    midnight = 1_791_262_800
    assert midnight + 5 * 3_600 < min(times)
    assert max(times) < midnight + 24 * 3_600


def test_the_devices_are_as_many_as_the_readme_says() -> None:
    devices = [device for members in cast.DEVICES.values() for device in members]
    assert len(devices) == len({device.mac for device in devices}) == len({device.ipv4 for device in devices}) == 40


def test_chance_does_not_depend_on_how_it_is_asked() -> None:
    one, other = Chance("seed"), Chance("seed")
    assert one.octets(3) + one.octets(60) == other.octets(63)
    assert sorted(one.shuffled(range(50))) == list(range(50))


def test_the_files_of_the_day_are_in_order() -> None:
    network = load_network(SAMPLE / "network.yaml")
    assert network.district_id == "prairie-lakes"
    agreements = load_agreements(SAMPLE / "agreements")
    assert len(agreements) == 13
    assert len({one.vendor.legal_name for one in agreements}) == 12
    parties = load_parties([SAMPLE / "parties.yaml"])
    found = parties.find("px.adorbit.example")
    assert found is not None
    assert found.kind == "advertising"


def test_the_network_file_places_every_device_but_the_visitor() -> None:
    network = load_network(SAMPLE / "network.yaml")
    for label, members in cast.DEVICES.items():
        for device in members:
            for address in (device.ipv4, device.ipv6):
                if address is not None:
                    assert (network.locate(address, device.vlan) is None) == (label == "guest")
    pilot = network.locate(cast.DEVICES["grade7b"][0].ipv4, None)
    assert pilot is not None
    assert pilot.group == "pilot-7b"
    assert network.locate(cast.RESOLVER, None) is None


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    """The report of the whole pipeline over the day."""
    command = [sys.executable, "-m", "schoolgate", "check", str(SAMPLE / CAPTURE), "--json"]
    command += ["--agreements", str(SAMPLE / "agreements"), "--network", str(SAMPLE / "network.yaml")]
    command += ["--parties", str(SAMPLE / "parties.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, bool(done.stdout)) == (1, True), done.stderr
    read: dict[str, Any] = json.loads(done.stdout)
    return read


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    """What the README promises."""
    read: dict[str, Any] = json.loads((SAMPLE / "expected.json").read_text(encoding="utf-8"))
    return read


def test_the_day_leads_to_the_expected_cases_and_to_no_others(report: dict[str, Any], expected: dict[str, Any]) -> None:
    found = [{fact: case[fact] for fact in FACTS} for case in report["cases"]]
    assert sorted(found, key=str) == sorted(expected["cases"], key=str)


def test_no_near_miss_becomes_a_case(report: dict[str, Any], expected: dict[str, Any]) -> None:
    for never in expected["must_not"]:
        hit = [
            case
            for case in report["cases"]
            if case["agreement"] == never["agreement"]
            and never["rule"] in {"*", case["rule"]}
            and never["subject"] in {"*", case["subject"]}
        ]
        assert hit == [], never["reason"]


def test_the_report_says_what_it_could_not_see(report: dict[str, Any]) -> None:
    coverage = report["coverage"]
    # No count for DNS over HTTPS: its resolver is invented, and whether a monitor knows it is the monitor's affair.
    for kind in ("ech", "no_name"):
        assert coverage["blind"][kind]["flows"] > 0
    for source in ("tls_sni", "quic_sni", "http_host", "dns"):
        assert coverage["by_name_source"][source]["flows"] > 0


def _records() -> Iterator[tuple[int, bytes]]:
    """Yield second and octets of each frame of the committed capture."""
    octets = gzip.decompress((SAMPLE / CAPTURE).read_bytes())
    at = 24
    while at < len(octets):
        seconds, _, kept, length = struct.unpack_from("<IIII", octets, at)
        assert kept <= length
        yield seconds, octets[at + 16 : at + 16 + kept]
        at += 16 + kept


def _packets() -> Iterator[bytes]:
    """Yield each IP packet, as far as captured."""
    for _, frame in _records():
        yield frame[18:] if frame[12:14] == b"\x81\x00" else frame[14:]


def _addresses(packet: bytes) -> Iterator[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    if packet[0] >> 4 == 4:
        yield from (ipaddress.IPv4Address(packet[at : at + 4]) for at in (12, 16))
    else:
        yield from (ipaddress.IPv6Address(packet[at : at + 16]) for at in (8, 24))
