"""What finished logs of other sensors become: events like those of a capture."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from collector.events import FlowEvent
from collector.metrics import SENSOR_REASONS
from collector.problems import DocumentError
from collector.segments import Network, parse_network
from collector.sensor_events import LOSSES, SensorEvents
from collector.sources import sensor_log
from collector.sources.input_file import InputFile, input_files
from collector.sources.octets import CaptureError
from collector.watch import new_pseudonyms
from tests.collector.sensor_lines import (
    AT,
    FIELDS,
    PUPIL,
    SERVER,
    conn,
    dns,
    eve_dns,
    eve_flow,
    eve_tls,
    flow_set,
    http,
    ipfix,
    quic,
    record,
    ssl,
    template,
    v9,
    v9_record,
    zeek_json,
    zeek_text,
)

NETWORK = """
schema: schoolgate/network/1
district: Lakeview
district_id: lakeview
time_zone: America/Chicago
schools:
  - id: lincoln-es
    name: Lincoln Elementary
    segments:
      - {cidr: 192.0.2.0/26, group: k-5, under_13: true}
"""


@pytest.fixture(scope="module")
def network() -> Network:
    return parse_network(NETWORK, path="network.yaml")


def events(*paths: Path, network: Network | None = None) -> list[FlowEvent]:
    return read(*paths, network=network)[0]


def read(*paths: Path, network: Network | None = None, **other: Any) -> tuple[list[FlowEvent], SensorEvents]:
    pseudonyms = new_pseudonyms(network, make_key=lambda: bytes(32))[0] if network else None
    logs = SensorEvents(input_files(paths), sensor="zeek-1", network=network, pseudonyms=pseudonyms, **other)
    return [event for batch in logs.batches() for event in batch], logs


def write(path: Path, octets: bytes) -> Path:
    path.write_bytes(gzip.compress(octets) if path.suffix == ".gz" else octets)
    return path


def write_zeek(folder: Path, **logs: list[dict[str, Any]]) -> Path:
    for name, rows in logs.items():
        write(folder / f"{name}.log", zeek_text(name, rows))
    return folder


def lines(*rows: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def test_a_folder_of_zeeks_logs_gives_events_with_names_chains_and_versions(tmp_path: Path, network: Network) -> None:
    write_zeek(tmp_path, conn=[conn()], ssl=[ssl()], dns=[dns()])
    (tmp_path / "notes.txt").write_text("not a log")
    [event] = events(tmp_path, network=network)
    assert (event.server_name, event.name_source, event.cnames) == (
        "app.mathtrek.example", "tls_sni", ("mathtrek.edge.example",),
    )  # fmt: skip
    assert (event.app, event.tls_version, event.tls_version_offered, event.alpn, event.end) == (
        "tls", "1.3", False, "h2", "fin",
    )  # fmt: skip
    assert (event.bytes_up, event.bytes_down, event.packets_up, event.packets_down) == (1_180, 5_420, 9, 8)
    assert (event.school, event.group, event.district) == ("lincoln-es", "k-5", "lakeview")
    assert (event.started_at, event.ended_at) == ("2026-10-14T18:00:00.000000Z", "2026-10-14T18:00:02.000000Z")


def test_no_address_or_port_of_a_client_and_no_key_of_the_sensor_is_in_an_event(
    tmp_path: Path, network: Network
) -> None:
    write(tmp_path / "eve.json", lines(eve_tls(flow_id=615_421_119_793_008), eve_flow(flow_id=615_421_119_793_008)))
    write_zeek(tmp_path, conn=[conn("CHhAvVGS1DHFjwGM9")], ssl=[ssl("CHhAvVGS1DHFjwGM9")])
    found = events(tmp_path, network=network)
    assert len(found) == 2
    for event in found:
        assert (event.src_ip, event.src_port) == (None, None)
        for secret in (PUPIL, "40000", "615421119793008", "CHhAvVGS1DHFjwGM9"):
            assert secret not in repr(event)


def test_ids_come_of_place_and_time_and_not_of_who_the_client_is(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    write_zeek(tmp_path / "one", conn=[conn("C1"), conn("C2")])
    write_zeek(tmp_path / "two", conn=[conn("X1") | {"id.orig_h": "192.0.2.99"}, conn("X2") | {"id.orig_p": 40_001}])
    ids = [event.id for event in events(tmp_path / "one")]
    assert len(set(ids)) == 2
    assert [event.id for event in events(tmp_path / "one")] == ids
    assert [event.id for event in events(tmp_path / "two")] == ids


def test_a_log_and_its_compressed_copy_give_the_same_events(tmp_path: Path) -> None:
    plain = write(tmp_path / "eve.json", lines(eve_dns(), eve_tls(), eve_flow()))
    packed = write(tmp_path / "eve.json.gz", plain.read_bytes())
    assert events(plain) == events(packed)


def test_json_and_text_of_zeek_give_the_same_events_ids_apart(tmp_path: Path) -> None:
    (tmp_path / "text").mkdir()
    write_zeek(tmp_path / "text", conn=[conn()], ssl=[ssl()], dns=[dns()], http=[http("H1")], quic=[quic("Q1")])
    (tmp_path / "json").mkdir()
    for name, row in {"conn": conn(), "ssl": ssl(), "dns": dns()}.items():
        write(tmp_path / "json" / f"{name}.log", zeek_json([row]))
    [one], [two] = events(tmp_path / "text"), events(tmp_path / "json")
    assert {name: getattr(one, name) for name in FlowEvent.__slots__ if name != "id"} == {
        name: getattr(two, name) for name in FlowEvent.__slots__ if name != "id"
    }


def test_an_answer_names_later_flows_of_its_device_and_of_no_other(tmp_path: Path) -> None:
    rows = [conn("C1", service=None), conn("C2", service=None) | {"id.orig_h": "192.0.2.11"}]
    write_zeek(tmp_path, conn=rows, dns=[dns()])
    assert [(event.server_name, event.name_source) for event in events(tmp_path)] == [
        ("app.mathtrek.example", "dns"),
        (None, "none"),
    ]


def test_a_finished_log_whose_writer_was_hours_late_with_a_flow_still_names_it(tmp_path: Path) -> None:
    """As Suricata is when it reads a capture, whose day passes in a second."""
    later = json.dumps([eve_dns(AT + hour * 3600, src_port=50_001 + hour) for hour in range(1, 20)])
    others = json.loads(later.replace(SERVER, "198.51.100.9"))
    log = write(tmp_path / "eve.json", lines(eve_dns(), *others, eve_flow(app_proto="failed")))
    assert [(event.server_name, event.name_source) for event in events(log)] == [("app.mathtrek.example", "dns")]


def test_a_server_inside_the_district_stays_unnamed_and_whoever_is_inside_is_the_client(
    tmp_path: Path, network: Network
) -> None:
    turned = {"id.orig_h": SERVER, "id.orig_p": 443, "id.resp_h": PUPIL, "id.resp_p": 40_000}
    inside = {"id.resp_h": "192.0.2.20"}
    write_zeek(tmp_path, conn=[conn("C1", service=None, history="DdA") | turned, conn("C2", service=None) | inside])
    first, second = events(tmp_path, network=network)
    assert (first.dst_ip, first.dst_port, first.bytes_up, first.school) == (SERVER, 443, 5_420, "lincoln-es")
    assert second.dst_ip is None


ODD = "www.samaritans.org.."


@pytest.mark.parametrize(
    ("service", "logs", "source"),
    [
        ("ssl", {"ssl": [ssl(server_name=ODD)]}, "tls_sni"),
        ("quic", {"quic": [quic("C1", server_name=ODD)]}, "quic_sni"),
        ("http", {"http": [http("C1", host=f"{ODD}:8080")]}, "http_host"),
    ],
)
def test_a_name_in_zeeks_logs_that_is_no_host_name_was_seen_and_its_server_has_no_address(
    tmp_path: Path, network: Network, service: str, logs: dict[str, Any], source: str
) -> None:
    write_zeek(tmp_path, conn=[conn(service=service)], **logs)
    (event,) = events(tmp_path, network=network)
    assert (event.withheld, event.server_name, event.name_source, event.dst_ip) == (True, None, source, None)


@pytest.mark.parametrize(("name", "seen"), [(ODD, True), (SERVER, False), ("", False)])
def test_so_it_is_in_suricatas_and_an_address_or_nothing_is_no_name(
    tmp_path: Path, network: Network, name: str, *, seen: bool
) -> None:
    (event,) = events(write(tmp_path / "eve.json", lines(eve_tls(sni=name), eve_flow())), network=network)
    assert (event.withheld, event.server_name, event.dst_ip) == (seen, None, None if seen else SERVER)


def test_hourly_logs_are_read_in_the_order_of_their_times_whatever_their_names(tmp_path: Path) -> None:
    for hour, name in ((0, "z"), (1, "m"), (2, "a")):
        at = AT + 3_600 * hour
        write(tmp_path / f"conn.{name}.log.gz", zeek_text("conn", [conn(f"C{hour}", at=at)]))
        write(tmp_path / f"ssl.{name}.log.gz", zeek_text("ssl", [ssl(f"C{hour}", at=at)]))
    assert [event.started_at[11:13] for event in events(tmp_path)] == ["18", "19", "20"]


def test_more_logs_than_may_be_open_at_once_are_read(tmp_path: Path) -> None:
    for number in range(300):
        write(tmp_path / f"conn.{number:03}.log", zeek_text("conn", [conn(f"C{number}", at=AT + number)]))
    files = input_files([tmp_path])
    before = len(list(Path("/proc/self/fd").iterdir()))
    logs = SensorEvents(files, sensor="z", network=None, pseudonyms=None)
    assert len(list(Path("/proc/self/fd").iterdir())) - before < 5
    assert sum(map(len, logs.batches())) == 300


def test_a_flow_whose_hello_is_in_no_log_is_told_without_name_and_counted(tmp_path: Path) -> None:
    write_zeek(tmp_path, conn=[conn("C1"), conn("C2")], ssl=[ssl("C2")])
    found, logs = read(tmp_path)
    assert sorted((event.server_name or "", event.app) for event in found) == [
        ("", "tls"),
        ("app.mathtrek.example", "tls"),
    ]
    assert logs.losses == {"join_in_vain": 1}
    assert any("1" in warning for warning in logs.warnings)


def test_broken_lines_are_set_aside_by_file_and_line_and_the_rest_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "eve.json", lines(eve_tls()) + b"{broken\n\n" + lines(eve_flow()))
    found, logs = read(path)
    assert [event.server_name for event in found] == ["app.mathtrek.example"]
    assert [str(problem).split(";")[0] for problem in logs.refused.problems] == [f"{path}:2: the line is not JSON"]


def test_of_many_broken_lines_the_first_are_named_and_all_are_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "eve.json", lines(eve_flow()) + b"{broken\n" * 100)
    _, logs = read(path)
    assert (logs.refused.count, len(logs.refused.problems)) == (100, 20)
    assert "100 records were set aside" in logs.warnings[-1]


def test_a_log_of_which_nothing_can_be_read_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "conn.log", zeek_text("conn", []) + b"one\ttwo\n" * 30)
    with pytest.raises(DocumentError, match=r"conn\.log:10: the line has 2 columns"):
        read(path)


def test_a_compressed_log_that_breaks_off_gives_what_is_whole_and_says_so(tmp_path: Path) -> None:
    whole = gzip.compress(lines(*(eve_flow(flow_id=number) for number in range(2_000))))
    (tmp_path / "eve.json.gz").write_bytes(whole[: len(whole) // 2])
    found, logs = read(tmp_path / "eve.json.gz")
    assert 0 < len(found) < 2_000
    assert "breaks off" in logs.warnings[0]


def test_logs_without_that_of_the_flows_are_refused_with_a_remedy(tmp_path: Path) -> None:
    path = write(tmp_path / "ssl.log", zeek_text("ssl", [ssl()]))
    with pytest.raises(CaptureError, match=r"conn\.log"):
        read(path)


def test_a_folder_without_logs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="holds no log"):
        input_files([tmp_path])


@pytest.mark.parametrize(
    ("octets", "form"),
    [
        (zeek_text("conn", [conn()]), "zeek"),
        (zeek_json([conn()]), "zeek"),
        (lines(eve_flow()), "suricata"),
        (
            b"\n" + lines({"timestamp": "2026-10-14T18:00:00.000000+0000", "event_type": "stats", "stats": {}}),
            "suricata",
        ),
        (v9(flow_set(0, template(256, FIELDS))), "netflow"),
        (ipfix(flow_set(2, template(256, FIELDS))), "netflow"),
        (b'{"v":1,"id":"1","server_name":"\\"event_type\\" \\"timestamp\\""}\n', "events"),
        (b"\xd4\xc3\xb2\xa1" + bytes(20), "capture"),
        (b"\x0a\x0d\x0d\x0a" + bytes(24), "capture"),
        (b"# a comment\n", "capture"),
        (b"", "capture"),
    ],
)
def test_inputs_are_known_by_their_first_octets(tmp_path: Path, octets: bytes, form: str) -> None:
    for name in ("input", "input.gz"):
        assert InputFile(write(tmp_path / name, octets)).form == form


def netflow_day(*, make: Any = v9, up_first: bool = True) -> bytes:
    head = flow_set(0 if make is v9 else 2, template(256, FIELDS))
    halves = [v9_record(up=True), v9_record(up=False, octets=5_420, packets=8)]
    body = b"".join(record(FIELDS, values) for values in (halves if up_first else halves[::-1]))
    first: bytes = make(head, flow_set(256, body), sequence=1)
    second: bytes = make(sequence=2 if make is v9 else 3)
    return first + second


def test_netflow_in_a_file_gets_its_names_from_look_ups_in_another(tmp_path: Path, network: Network) -> None:
    flows = write(tmp_path / "flows.nf9", netflow_day())
    [event] = events(flows, write(tmp_path / "dns.log", zeek_text("dns", [dns(at=AT - 61)])), network=network)
    assert (event.server_name, event.name_source, event.cnames) == (
        "app.mathtrek.example", "dns", ("mathtrek.edge.example",),
    )  # fmt: skip
    assert (event.bytes_up, event.bytes_down, event.app, event.plaintext_data) == (1_180, 5_420, "other", None)
    assert event.dst_ip == SERVER
    [other] = events(
        flows, write(tmp_path / "eve.json", lines(eve_dns(at=AT - 61, ether={"src_mac": "02:00:00:00:00:0a"})))
    )
    assert (other.server_name, other.id) == (event.server_name, event.id)


def test_netflow_that_breaks_off_gives_what_is_whole_and_says_so(tmp_path: Path) -> None:
    found, logs = read(
        write(tmp_path / "flows.nf9", netflow_day() + b"\x00\x09 and then no more of it at all, only text")
    )
    assert len(found) == 1
    assert any("flows.nf9" in warning for warning in logs.warnings)


def test_a_file_is_read_in_portions_and_no_message_is_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sensor_log, "READ_OCTETS", 17)
    found, logs = read(write(tmp_path / "flows.nf9", netflow_day() * 20))
    assert len(found) == 20
    assert not logs.refused.count


def test_what_can_be_missing_is_a_closed_set_that_the_metrics_know() -> None:
    assert sorted(LOSSES) == sorted(SENSOR_REASONS)
