"""Logs of other sensors through the whole product: the same cases as from the capture that they are about."""

from __future__ import annotations

import gzip
import json
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.collector.sensor_lines import eve_flow, eve_tls, zeek_text
from tests.parts.program import Program
from tests.parts.verb_program import VerbProgram
from tests.parts.verbs import run_verb
from tests.system.product import (
    check_report,
    copy_district,
    free_port,
    report_now,
    schoolgate,
    scrape,
    stored_report,
    until,
    until_equal,
)
from tests.system.zeek_day import late_today, write_zeek, zeek_rows

# What a sensor that tells no MAC addresses cannot see: a device with two addresses counts twice, so that one rule about
# few devices has too much to explain.
BY_MAC_ONLY = {("rollcallkit", "outside-hours")}

FEW_CASES = 8


@pytest.fixture
def district(tmp_path: Path) -> Path:
    return copy_district(tmp_path / "district")


def cases(report: dict[str, Any]) -> set[tuple[str, str, str]]:
    return {(case["agreement"], case["rule"], case["subject"]) for case in report["cases"]}


def without(found: set[tuple[str, str, str]]) -> set[tuple[str, str, str]]:
    return {case for case in found if case[:2] not in BY_MAC_ONLY}


@pytest.mark.parametrize("json_form", [False, True], ids=["text", "json"])
def test_the_logs_of_zeek_give_the_cases_of_the_capture(district: Path, *, json_form: bool) -> None:
    write_zeek(district / "zeek", json=json_form)
    by_logs, by_capture = check_report(district, name="zeek"), check_report(district)
    assert without(cases(by_logs)) == without(cases(by_capture))
    assert by_logs["errors"] == []
    told, seen = by_logs["coverage"], by_capture["coverage"]
    assert (told["flows"], told["bytes"]) == (seen["flows"], seen["bytes"])
    for source in ("tls_sni", "quic_sni", "http_host"):
        assert told["by_name_source"][source] == seen["by_name_source"][source]


def test_flows_of_the_logs_are_those_of_the_capture(district: Path) -> None:
    write_zeek(district / "zeek")
    logs = schoolgate("flows", district / "zeek", "--addresses")
    capture = schoolgate("flows", district / "day.pcap.gz", "--addresses")
    assert logs.returncode == capture.returncode == 0, logs.stderr
    assert summed(logs.stdout) == summed(capture.stdout)


def summed(told: str) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """Return names and counts by five-tuple and first packet of each flow, its parts added up."""
    found: dict[tuple[Any, ...], list[Any]] = {}
    begins: dict[tuple[Any, ...], str] = {}
    for line in told.splitlines():
        event = json.loads(line)
        ends = tuple(event[name] for name in ("src_ip", "src_port", "dst_ip", "dst_port", "proto"))
        if event["part"] == 0:
            begins[ends] = event["started_at"]
        counts = [event[name] for name in ("bytes_up", "bytes_down", "packets_up", "packets_down")]
        known = found.setdefault((*ends, begins[ends]), [0, 0, 0, 0, None, None])
        known[:4] = [one + other for one, other in zip(known[:4], counts, strict=True)]
        # Zeek knows a name by the look-up of the same address alone.
        named = event["name_source"] != "dns"
        known[4:] = [event["server_name"] if named else None, event["app"]]
    return {key: tuple(value) for key, value in found.items()}


def test_a_log_is_read_with_those_beside_it_on_the_command_line_packed_or_not(district: Path) -> None:
    write_zeek(district / "zeek")
    packed = district / "conn.2026-10-06.log.gz"
    packed.write_bytes(gzip.compress((district / "zeek" / "conn.log").read_bytes()))
    together = schoolgate("flows", packed, district / "zeek" / "ssl.log")
    assert together.returncode == 0
    assert '"name_source":"tls_sni"' in together.stdout
    alone = schoolgate("flows", packed)
    assert '"name_source":"tls_sni"' not in alone.stdout


def test_a_log_through_a_pipe_is_read(district: Path) -> None:
    write_zeek(district / "zeek")
    with (district / "zeek" / "conn.log").open("rb") as log:
        found = run_verb(["flows", "-"], octets=log.read())
    assert found.stdout.count(b"\n") > 1_000


@pytest.mark.parametrize(
    ("name", "octets", "words"),
    [
        ("ssl.log", zeek_text("ssl", []), "conn.log"),
        ("conn.log", zeek_text("conn", []) + b"broken\n" * 3, "conn.log:10: "),
        ("events.jsonl", b'{"some":"thing"}\n', "flow events already"),
    ],
)
def test_what_cannot_be_used_is_refused_with_file_and_remedy(
    tmp_path: Path, name: str, octets: bytes, words: str
) -> None:
    (tmp_path / name).write_bytes(octets)
    run = schoolgate("flows", tmp_path / name)
    assert run.returncode == 2, run.stderr
    assert words in run.stderr
    assert "Traceback" not in run.stderr


def test_broken_lines_are_warnings_with_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "eve.json"
    path.write_bytes(lines(eve_tls()) + b"broken\n" + lines(eve_flow()))
    run = schoolgate("flows", path)
    assert run.returncode == 0
    assert f"warning: {path}:2: the line is not JSON" in run.stderr
    assert run.stdout.count("\n") == 1


def lines(*rows: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def configured(district: Path, source: str, **other: str) -> Path:
    config = district / "config.yaml"
    rows = [row for row in config.read_text(encoding="utf-8").splitlines() if not row.startswith("source:")]
    rows += [f"source: {source}", *(f"{key}: {value}" for key, value in other.items())]
    config.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return config


def test_finished_logs_are_judged_once_like_a_capture(district: Path) -> None:
    write_zeek(district / "zeek")
    config = configured(district, "{capture: [zeek]}")
    run = schoolgate("run", "--config", config)
    assert run.returncode == 0, run.stderr
    assert stored_report(config)["cases"] == check_report(district, name="zeek")["cases"]
    assert "judged before" in schoolgate("run", "--config", config).stderr


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("{zeek: logs, suricata: eve.json}", "one other sensor"),
        ("{netflow: {listen: somewhere}}", "HOST:PORT"),
        ('{netflow: {listen: "127.0.0.1:2055", exporters: [router]}}', "no address"),
        ('{netflow: {listen: "127.0.0.1:2055", dns: {}}}', "one place"),
        ("{zeek: logs, postion: here}", "postion"),
    ],
)
def test_a_wrong_source_is_refused_with_its_line(district: Path, source: str, words: str) -> None:
    run = schoolgate("run", "--config", configured(district, source))
    assert run.returncode == 2
    assert words in run.stderr
    assert "config.yaml:" in run.stderr


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[Path], Program]]:
    started: list[Program] = []

    def begin(config: Path) -> Program:
        log = tmp_path / f"run{len(started)}.log"
        started.append(VerbProgram(("run", "--config", config), log=log))
        until(lambda: "following" in log.read_text(encoding="utf-8"), what=f"the start of run ({log})")
        return started[-1]

    yield begin
    for each in started:
        each.kill()


def stop(program: Program) -> None:
    program.signal(signal.SIGTERM)
    until(lambda: not program.alive, what="the end of run")


def test_logs_are_judged_as_they_grow_over_a_rotation_and_a_restart(
    district: Path, start: Callable[[Path], Program]
) -> None:
    """In three shares: while it runs, over a rotation, and written while nobody reads."""
    # Of a day long past a start destroys the keys at once, and nobody may tell its devices again.
    whole, zone = late_today(zeek_rows())
    rows = whole
    network = district / "network.yaml"
    network.write_text(network.read_text(encoding="utf-8").replace("America/Chicago", zone), encoding="utf-8")
    third = len(rows["conn"]) // 3
    until_s = [rows["conn"][third]["ts"], rows["conn"][2 * third]["ts"], 1e12]
    folder = district / "zeek"
    # Released at first sight: who asked before is forgotten with the process, so that a restart would withhold more.
    config = configured(district, "{zeek: zeek}", privacy="{release_after_devices: 1}")
    folder.mkdir()
    program = start(config)
    seen = 0
    for number, end in enumerate(until_s):
        share = {name: [row for row in found if when(row) < end] for name, found in rows.items()}
        rows = {name: found[len(share[name]) :] for name, found in rows.items()}
        if number == 1:
            for path in sorted(folder.iterdir()):
                path.rename(path.with_suffix(".old"))
        if number == 2:
            stop(program)
        for name in ("dns", "ssl", "quic", "http", "conn"):
            text = zeek_text(name, share[name], end=False)
            headless = b"".join(row for row in text.splitlines(keepends=True) if not row.startswith(b"#"))
            with (folder / f"{name}.log").open("ab") as log:
                log.write(headless if number == 2 else text)
        if number == 2:
            program = start(config)
        if number < 2:
            seen += sum(row["orig_pkts"] + row["resp_pkts"] for row in share["conn"])
            until(lambda seen=seen: packets(config) == seen, what="the packets of this share")  # type: ignore[misc]
    write_zeek(district / "whole", day=whole)
    expected = check_report(district, name="whole")
    assert len(without(cases(expected))) > FEW_CASES
    until_equal(lambda: without(cases(report_now(config))), without(cases(expected)), what="the cases of the whole day")
    stop(program)
    for name in ("flows", "bytes"):
        assert stored_report(config)["coverage"][name] == expected["coverage"][name]


def when(row: dict[str, Any]) -> float:
    return float(row["ts"] + row.get("duration", 0))


def packets(config: Path) -> float:
    listen = next(row for row in config.read_text(encoding="utf-8").splitlines() if row.startswith("metrics"))
    text = scrape(listen.split('"')[1])
    row = next(row for row in text.splitlines() if row.startswith("schoolgate_capture_packets_total "))
    return float(row.split()[1])


def test_netflow_is_listened_to_and_what_is_wrong_with_it_is_counted(
    district: Path, start: Callable[[Path], Program]
) -> None:
    port = free_port()
    config = configured(district, f'{{netflow: {{listen: "127.0.0.1:{port}", dns: {{zeek: .}}}}}}')
    program = start(config)
    listen = next(row for row in config.read_text(encoding="utf-8").splitlines() if row.startswith("metrics"))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as exporter:
        exporter.sendto(b"\x00\x05" + bytes(46), ("127.0.0.1", port))
    wanted = 'schoolgate_sensor_records_affected_total{reason="netflow_datagram_malformed"} 1.0'
    until(lambda: wanted in scrape(listen.split('"')[1]), what="the count of a malformed datagram")
    stop(program)
