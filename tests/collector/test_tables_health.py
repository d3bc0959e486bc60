"""What the doctor says of full tables and rings: what the metrics of a collector that runs say, and no more."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Gauge

from collector.health.tables import tables
from collector.metrics import CollectorMetrics
from collector.server_tls import ServerTls, server_context
from collector.tables import Tables
from schoolgate.metrics_server import serve_metrics
from tests.parts.certificates import Authority
from tests.parts.ports import free_ports


@contextmanager
def served(registry: CollectorRegistry, *, tls: Path | None = None) -> Iterator[str]:
    (port,) = free_ports(1)
    listen = f"127.0.0.1:{port}"
    context = None if tls is None else server_context(ServerTls(certificate=tls.name), folder=tls.parent)
    server = serve_metrics(listen, registry=registry, tls=context)
    try:
        yield listen
    finally:
        server.shutdown()
        server.server_close()


WELL = "of the room in tables is taken: open flows 12%, DNS answers 3%, waiting first octets 0%"


def told(
    *,
    flows: int = 0,
    answers: float = 0.0,
    openings: float = 0.0,
    overflows: dict[str, int] | None = None,
    lost: int = 0,
) -> list[tuple[str, str]]:
    """Return what is said of a collector with room for 100 flows."""
    registry = CollectorRegistry()
    metrics = CollectorMetrics(registry)
    metrics.tables(
        Tables(flows=flows, flows_capacity=100, answers=answers, openings=openings, overflows=overflows or {})
    )
    metrics.capture(packets=1_000, dropped={"kernel": lost} if lost else {})
    with served(registry) as listen:
        return [(outcome.state, outcome.what) for outcome in tables(listen, certificate=None)]


def test_a_collector_with_room_is_well() -> None:
    assert told(flows=12, answers=0.03) == [("ok", f"{WELL}; nothing was let go since the start")]


def test_a_table_that_is_nearly_full_was_full_and_a_full_ring_are_each_told() -> None:
    assert told(flows=89)[0][0] == "ok"
    assert told(flows=90) == [("warning", "90% of the room for open flows is taken")]
    assert told(answers=0.95, openings=1.0) == [
        ("warning", "95% of the room for DNS answers is taken"),
        ("warning", "100% of the room for waiting first octets is taken"),
    ]
    assert told(overflows={"macs": 3, "answers": 1_200}) == [
        ("warning", "tables were full since the start and let go: answers 1,200, macs 3")
    ]
    assert told(lost=2_048) == [("warning", "the rings were full since the start, and 2,048 packets lost")]
    assert len(told(flows=100, overflows={"flows": 1}, lost=1)) == 3


def test_where_no_collector_runs_nothing_is_known() -> None:
    (port,) = free_ports(1)
    (away,) = tables(f"127.0.0.1:{port}", certificate=None)
    assert away.state == "not applicable"
    assert away.what.startswith(f"no collector tells of itself at 127.0.0.1:{port} (")
    registry = CollectorRegistry()
    Gauge("other", "Of something else.", registry=registry).set(1)
    with served(registry) as listen:
        assert [outcome.what for outcome in tables(listen, certificate=None)] == [
            f"what answers at {listen} is no collector"
        ]


@pytest.mark.parametrize("words", [b"SSH-2.0-other\r\n", b"HTTP/1.1 200 OK\r\n\r\nlist{of{other words\n"])
def test_what_speaks_otherwise_is_no_collector_and_no_fault(words: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(words)

        speaker = threading.Thread(target=answer)
        speaker.start()
        (outcome,) = tables(f"127.0.0.1:{server.getsockname()[1]}", certificate=None)
        speaker.join()
    assert outcome.state == "not applicable"
    assert outcome.what.startswith("no collector tells of itself at ")


def test_a_collector_that_speaks_tls_is_believed_with_its_own_certificate_alone(tmp_path: Path) -> None:
    authority = Authority("ours", folder=tmp_path)
    ours, other = authority.issue("server"), authority.issue("other")
    registry = CollectorRegistry()
    CollectorMetrics(registry)
    with served(registry, tls=ours) as listen:
        assert [outcome.state for outcome in tables(listen, certificate=ours)] == ["ok"]
        (away,) = tables(listen, certificate=other)
    assert away.state == "not applicable"
    assert "CERTIFICATE_VERIFY_FAILED" in away.what
    (tmp_path / "empty.pem").write_text("", encoding="ascii")
    for name, why in {"empty.pem": "holds no certificate", "none.pem": "No such file or directory"}.items():
        (unread,) = tables("127.0.0.1:1", certificate=tmp_path / name)
        assert unread.state == "not applicable"
        assert unread.what == f"{tmp_path / name}, which the collector shows where it tells of itself: {why}"
