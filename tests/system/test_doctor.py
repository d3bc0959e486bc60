"""`schoolgate doctor` looks at everything at once, in bounded time, and its exit code says where a problem lies."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from collector.metrics import CollectorMetrics
from collector.outcomes import Outcome, well
from collector.server_tls import ServerTls, server_context
from schoolgate.doctor import doctor
from schoolgate.metrics_server import serve_metrics
from schoolgate.parts import Part
from schoolgate.rounds import LIMIT_S, Check, make_rounds
from tests.collector.sensor_lines import conn, dns, ssl, zeek_text
from tests.parts.broker import Broker
from tests.parts.certificates import Authority
from tests.parts.ports import free_ports
from tests.system.product import configure, schoolgate, until
from tests.system.topic_reader import with_kafka

CHECKS = [
    "agreements", "lists", "interface", "offload", "rights", "traffic", "tables", "sensor", "clock", "folders",
    "keys", "secrets", "certificates", "disk", "broker", "store", "alertmanager", "mail",
]  # fmt: skip


Found = dict[str, list[dict[str, Any]]]


def read(text: str, *, code: int) -> Found:
    """Return the lines of a JSON document by check."""
    document = json.loads(text)
    assert document["v"] == 1
    assert document["well"] == (code == 0)
    found: Found = {}
    for line in document["checks"]:
        found.setdefault(line["check"], []).append(line)
    return found


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a look take longer: a machine that does other things at the same time shall make no test fail."""
    monkeypatch.setattr("schoolgate.doctor.LIMIT_S", 60.0)


@pytest.fixture
def looked(capsys: pytest.CaptureFixture[str], patient: None) -> Callable[..., tuple[int, Found]]:  # noqa: ARG001 -- see there
    """Looks without a process of its own: three quarters of a second each time are what loading it takes."""

    def look(config: Path, *parts: Part) -> tuple[int, Found]:
        code = doctor(config, parts=parts, user=None, as_json=True)
        return code, read(capsys.readouterr().out, code=code)

    return look


@pytest.mark.usefixtures("patient")
def test_a_district_that_is_well_gets_a_line_for_each_check_and_0(
    district: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert doctor(district / "config.yaml", parts=(), user=None, as_json=False) == 0
    told = capsys.readouterr().out
    lines = [re.fullmatch(r"(ok|warning|n/a) +(\S+) +\S.*", line) for line in told.splitlines()]
    assert all(lines), told
    assert list(dict.fromkeys(line[2] for line in lines if line)) == CHECKS
    assert "problem" not in told


def test_what_does_not_apply_is_said_and_a_part_leaves_out_what_it_does_not_need(
    district: Path, looked: Callable[..., tuple[int, Found]]
) -> None:
    _, found = looked(district / "config.yaml")
    assert found["interface"][0]["what"] == "the configuration names no interface"
    assert found["broker"][0]["what"] == "the configuration names no `kafka`"
    _, found = looked(district / "config.yaml", Part.COLLECT)
    assert found["store"][0] == {
        "check": "store", "state": "not applicable", "what": "only judge and desk and run need it", "remedy": None,
        "wrong": None,
    }  # fmt: skip


def test_another_sensor_is_looked_at_instead_of_interfaces(
    district: Path, looked: Callable[..., tuple[int, Found]]
) -> None:
    config = district / "config.yaml"
    rows = [row for row in config.read_text(encoding="utf-8").splitlines() if not row.startswith("source:")]
    config.write_text("\n".join([*rows, "source: {zeek: zeek, places: kept/places.json}"]), encoding="utf-8")
    code, found = looked(config)
    assert code == 2
    assert found["interface"][0]["what"] == "the configuration names no interface"
    assert found["sensor"][0]["what"] == f"there is no folder {district}/zeek"
    assert f"there is no folder {district}/kept (places in the logs)" in {each["what"] for each in found["folders"]}
    (district / "zeek").mkdir()
    for name, row in {"conn": conn(), "ssl": ssl(), "dns": dns()}.items():
        (district / "zeek" / f"{name}.log").write_bytes(zeek_text(name, [row]))
    (district / "kept").mkdir()
    code, found = looked(config)
    assert (code, {each["state"] for each in found["sensor"]}) == (0, {"ok"})
    assert looked(config, Part.JUDGE)[1]["sensor"][0]["state"] == "not applicable"


def test_certificates_are_looked_at_with_their_keys(
    district: Path, looked: Callable[..., tuple[int, Found]], tmp_path: Path
) -> None:
    config, authority = district / "config.yaml", Authority("ours", folder=tmp_path)
    written = [row for row in config.read_text(encoding="utf-8").splitlines() if not row.startswith("metrics:")]
    lasting, other = authority.issue("lasting", ends=timedelta(days=90)), authority.issue("other")
    ending, ended = (
        authority.issue(name, ends=timedelta(days=days)) for name, days in (("ending", 29.5), ("ended", -1))
    )

    def told(certificate: Path, key: Path | None = None) -> tuple[int, list[tuple[str, str]]]:
        tls = f"{{certificate: {certificate}" + (f", key: {key}}}" if key else "}")
        config.write_text("\n".join([*written, f"metrics: {{listen: '127.0.0.1:1', tls: {tls}}}"]), encoding="utf-8")
        code, found = looked(config)
        return code, [(each["state"], each["what"].replace(f"{tmp_path}/", "")) for each in found["certificates"]]

    for path in (lasting, other, ending, ended):
        path.chmod(0o600)
    code, [line] = told(lasting)
    assert (code, line[0], "is valid until" in line[1]) == (0, "ok", True)
    _, [line] = told(ending)
    assert (line[0], "in 29 days" in line[1]) == ("warning", True)
    code, [line] = told(ended)
    assert (code, line[0], "nobody believes it" in line[1]) == (2, "problem", True)
    lasting.chmod(0o604)
    assert [state for state, _ in told(lasting)[1]] == ["ok", "warning"]
    assert told(lasting, other)[1][1] == (
        "problem", "other.pem is not the key of lasting.pem (the door of metrics)",
    )  # fmt: skip
    (tmp_path / "none.pem").write_text("no certificate")
    assert "it holds something else" in told(tmp_path / "none.pem")[1][0][1]
    assert "No such file" in told(tmp_path / "nowhere.pem")[1][0][1]


def test_a_collector_that_speaks_tls_is_asked_for_its_tables_too(
    district: Path, looked: Callable[..., tuple[int, Found]]
) -> None:
    config, own = district / "config.yaml", Authority("ours", folder=district).issue("own")
    (port,) = free_ports(1)
    listen = f"127.0.0.1:{port}"
    rows = [
        row for row in config.read_text(encoding="utf-8").splitlines() if not row.startswith(("source:", "metrics:"))
    ]
    added = ["source: {interface: lo}", f"metrics: {{listen: '{listen}', tls: {{certificate: {own.name}}}}}"]
    config.write_text("\n".join([*rows, *added]), encoding="utf-8")
    registry = CollectorRegistry()
    CollectorMetrics(registry)
    server = serve_metrics(listen, registry=registry, tls=server_context(ServerTls(certificate=str(own)), folder=own))
    try:
        _, found = looked(config)
    finally:
        server.shutdown()
        server.server_close()
    assert [each["state"] for each in found["tables"]] == ["ok"]


def test_a_wrong_file_is_2_and_says_which_line(district: Path, looked: Callable[..., tuple[int, Found]]) -> None:
    config = district / "config.yaml"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("store:", "stor:"), encoding="utf-8")
    code, found = looked(config)
    assert code == 2
    assert found["configuration"][0]["what"].startswith(f"{config}:7: `stor` is not a key here")
    config.write_text(text, encoding="utf-8")
    (district / "network.yaml").write_text("schema: schoolgate/network/1\n", encoding="utf-8")
    code, found = looked(config)
    assert code == 2
    assert {each["state"] for each in found["agreements"]} == {"problem"}


def test_what_is_away_is_3_and_what_hangs_is_left_alone_after_five_seconds(district: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        # It takes the connection, and never says a word.
        port = silent.getsockname()[1]
        config = with_kafka(configure(district), sensor="tap", kafka=f'{{bootstrap: ["127.0.0.1:{port}"]}}')
        (refusing,) = free_ports(1)
        with config.open("a", encoding="utf-8") as file:
            file.write(f'notify: {{alertmanager: ["http://127.0.0.1:{refusing}"]}}\n')
        run = schoolgate("doctor", "--config", config, "--json")
    assert run.returncode == 3
    found = read(run.stdout, code=3)
    assert found["broker"][0]["what"] == f"no answer within {LIMIT_S:g} s"
    assert found["alertmanager"][0]["wrong"] == "environment"


@pytest.mark.kafka
def test_a_broker_that_is_set_up_is_well(
    district: Path, broker: Broker, looked: Callable[..., tuple[int, Found]]
) -> None:
    config = with_kafka(configure(district), sensor="tap", kafka=f'{{bootstrap: ["{broker.bootstrap}"]}}')
    assert schoolgate("kafka", "setup", "--config", config).returncode == 0
    # A broker tells of topics a moment after it has made them.
    until(lambda: looked(config, Part.JUDGE)[1]["broker"][0]["state"] == "ok", what="the broker to be well")
    _, found = looked(config, Part.JUDGE)
    assert "work as" in found["broker"][0]["what"]


def test_looks_go_on_side_by_side_and_answer_in_their_order() -> None:
    meeting = threading.Barrier(3, timeout=30)

    def look() -> list[Outcome]:
        meeting.wait()  # one after the other they would wait for ever
        return [well("met")]

    seen = make_rounds([Check(name=name, look=look, limit_s=30) for name in ("one", "two", "three")])
    assert [(each.check, each.outcomes) for each in seen] == [
        (name, (well("met"),)) for name in ("one", "two", "three")
    ]


def test_a_look_that_hangs_or_breaks_takes_no_other_along(monkeypatch: pytest.MonkeyPatch) -> None:
    held, shown = threading.Event(), list[BaseException | None]()
    monkeypatch.setattr(threading, "excepthook", lambda told: shown.append(told.exc_value))

    def hang() -> Iterator[Outcome]:
        held.wait(60)
        yield well("late")

    def broken() -> list[Outcome]:
        raise RuntimeError("a slip")

    began = time.monotonic()
    checks = [
        Check(name="hangs", look=hang, limit_s=0.5),
        Check(name="breaks", look=broken),
        Check(name="works", look=list),
    ]
    try:
        hanging, breaking, working = make_rounds(checks)
    finally:
        held.set()
    assert time.monotonic() - began < 30
    assert hanging.outcomes[0].what == "no answer within 0.5 s"
    assert breaking.outcomes[0].what == "this check itself failed"
    until(lambda: [str(each) for each in shown] == ["a slip"], what="the slip to be told")
    assert working.outcomes == ()
