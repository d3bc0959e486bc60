"""What the doctor says of the logs of another sensor, and of the port for NetFlow."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from collector.health import sensors
from collector.health.rights import Account, account
from collector.health.sensors import FLOWS, LOOK_UPS, netflow, suricata, zeek
from collector.outcomes import Outcome
from collector.settings import NameLogs, Netflow
from tests.collector.sensor_lines import conn, dns, eve_dns, eve_flow, eve_tls, ssl, zeek_text
from tests.system.product import folder_for_all

LOGS = {"conn": [conn()], "ssl": [ssl()], "dns": [dns()]}


@pytest.fixture
def who() -> Account:
    """This user."""
    found = account(Path("/proc/self").owner(), folder=Path("/"))
    assert found is not None
    return found


def write_zeek(folder: Path, **logs: list[dict[str, Any]]) -> Path:
    for name, rows in logs.items():
        (folder / f"{name}.log").write_bytes(zeek_text(name, rows))
    return folder


def states(outcomes: Iterable[Outcome]) -> list[str]:
    return [each.state for each in outcomes]


def told(outcomes: Iterator[Outcome]) -> str:
    return "\n".join(f"{each.state}: {each.what}; {each.remedy}" for each in outcomes)


def eve(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_bytes(b"".join(json.dumps(row).encode() + b"\n" for row in rows))
    return path


def test_logs_of_zeek_that_say_everything_are_well(tmp_path: Path, who: Account) -> None:
    write_zeek(tmp_path, **LOGS)
    assert states(zeek(tmp_path, needs=FLOWS, who=who)) == ["ok"] * 3
    assert states(zeek(tmp_path, needs=LOOK_UPS, who=who)) == ["ok"]


def test_a_folder_and_a_log_that_are_not_there_are_named(tmp_path: Path, who: Account) -> None:
    assert states(zeek(tmp_path / "absent", needs=FLOWS, who=who)) == ["problem"]
    write_zeek(tmp_path, conn=[conn()], dns=[dns()])
    assert f"warning: {tmp_path}/ssl.log is not there" in told(zeek(tmp_path, needs=FLOWS, who=who))
    assert states(zeek(tmp_path, needs=LOOK_UPS, who=who)) == ["ok"]


def test_a_log_without_octets_is_a_problem_and_the_remedy_is_said(tmp_path: Path, who: Account) -> None:
    write_zeek(tmp_path, **LOGS | {"conn": [conn(orig_ip_bytes=None)]})
    words = told(zeek(tmp_path, needs=FLOWS, who=who))
    assert "`orig_ip_bytes` is missing; Zeek counts it unless `use_conn_size_analyzer` is off" in words


def test_a_log_that_was_not_written_for_hours_is_a_warning(tmp_path: Path, who: Account) -> None:
    path = eve(tmp_path / "eve.json", eve_flow(), eve_tls(), eve_dns())
    assert states(suricata([path], needs=FLOWS, who=who)) == ["ok"]
    os.utime(path, (0, 0))
    assert "was last written" in told(suricata([path], needs=FLOWS, who=who))


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([eve_tls(), eve_dns()], "no `flow` event"),
        ([eve_flow(), eve_dns()], "add `tls`, `quic` and `http`"),
        ([eve_flow(), eve_tls()], "add `dns`"),
    ],
)
def test_events_that_suricata_was_not_told_to_write_are_named(
    tmp_path: Path, who: Account, rows: list[dict[str, Any]], words: str
) -> None:
    path = eve(tmp_path / "eve.json", *rows)
    outcomes = list(suricata([path], needs=FLOWS, who=who))
    assert states(outcomes) == ["ok", "warning"]
    assert words in told(iter(outcomes))


def test_what_several_logs_say_together_counts(tmp_path: Path, who: Account) -> None:
    paths = [eve(tmp_path / "one", eve_flow()), eve(tmp_path / "two", eve_tls(), eve_dns())]
    assert states(suricata(paths, needs=FLOWS, who=who)) == ["ok", "ok"]


def test_only_the_end_of_a_long_log_is_looked_at(tmp_path: Path, who: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [eve_flow(), eve_tls(), *[eve_dns()] * 50]
    path = eve(tmp_path / "eve.json", *rows)
    monkeypatch.setattr(sensors, "LOOKED_AT", 10_000)
    assert "no `flow` event" in told(suricata([path], needs=FLOWS, who=who))
    # The first line that is read is half a one, and no fault.
    assert states(suricata([path], needs=LOOK_UPS, who=who)) == ["ok"]


def test_something_else_under_the_name_of_a_log_is_a_problem(tmp_path: Path, who: Account) -> None:
    path = tmp_path / "eve.json"
    path.write_bytes(b"nothing of the kind\n" * 3)
    assert "the line is not JSON" in told(suricata([path], needs=FLOWS, who=who))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to look as another user")
def test_a_log_that_the_service_may_not_read_is_a_problem() -> None:
    with folder_for_all() as folder:
        nobody = account("nobody", folder=folder)
        assert nobody is not None
        path = eve(folder / "eve.json", eve_flow(), eve_tls(), eve_dns())
        assert states(suricata([path], needs=FLOWS, who=nobody)) == ["ok"]
        path.chmod(0o640)
        assert "problem: nobody cannot read" in told(suricata([path], needs=FLOWS, who=nobody))


def settings(listen: str, **other: Any) -> Netflow:
    return Netflow(listen=listen, dns=NameLogs(zeek="."), exporters=["192.0.2.1"]).model_copy(update=other)


def test_a_port_that_can_be_had_is_well_and_one_that_is_taken_may_be_ours() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        assert f"ok: {where} is taken, by this service if it runs" in told(netflow(settings(where)))
    assert f"ok: {where} can be listened to" in told(netflow(settings(where)))


def test_an_address_of_another_machine_is_a_problem() -> None:
    (first, *_) = netflow(settings("192.0.2.77:2055"))
    assert (first.state, first.wrong) == ("problem", "configuration")


def test_netflow_that_anybody_may_send_or_that_has_no_names_is_a_warning() -> None:
    words = told(netflow(settings("127.0.0.1:29055", exporters=[], dns=None)))
    assert "whoever reaches the port is believed" in words
    assert "NetFlow carries no names" in words


def test_room_that_the_kernel_does_not_give_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sensors, "BUFFER_OCTETS", 1 << 40 >> 10)
    assert "net.core.rmem_max" in told(netflow(settings("127.0.0.1:29055")))
